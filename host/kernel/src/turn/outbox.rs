//! The outbox of a turn: its recorded sends as the bytes that will lie in mailboxes, in runs to one target each, with the
//! places of the other effects among them.

use crate::dispatch::routing::delivery::Run;

/// Buffers above this size are not kept for the next turn.
const KEPT_BYTES: usize = 1 << 20;

#[derive(Default)]
pub(super) struct Outbox {
    /// Sends in order: first those of finished messages, then those of the current message.
    runs: Vec<Run>,
    /// How many of `runs` belong to finished messages.
    finished: usize,
    /// How many of those a commit has carried out; after a dropped commit, the next one goes on from here.
    carried_out: usize,
    /// Number of sends and other effects in `runs`.
    recorded: usize,
    /// How many of them the commit has delivered or carried out.
    delivered: usize,
    /// The records to send, and the bytes between them in the frames that they came in.
    pub(super) bytes: Vec<u8>,
}

/// The next run of a commit, with what its delivery advances.
pub(super) struct Undelivered<'a> {
    pub(super) run: &'a mut Run,
    pub(super) bytes: &'a mut Vec<u8>,
    pub(super) delivered: &'a mut usize,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Number of sends and other effects that are recorded and not committed.
    pub(super) fn recorded(&self) -> usize {
        self.recorded
    }

    /// Whether the current message, or the hook, recorded a send or another effect.
    pub(super) fn has_current(&self) -> bool {
        self.runs.len() > self.finished
    }

    /// Whether a commit was dropped before its end.
    pub(super) fn is_half_delivered(&self) -> bool {
        self.delivered > 0
    }

    /// Adds a send of the current message, whose record lies in `from..to` of the bytes.
    pub(super) fn push_send(&mut self, route: usize, from: usize, to: usize) {
        self.recorded += 1;
        match self.runs[self.finished..].last_mut() {
            Some(run) if run.route == route && run.to == from => {
                run.to = to;
                run.messages += 1;
            }
            _ => self.runs.push(Run { route, from, to, messages: 1 }),
        }
    }

    /// Adds the place of an effect of the current message. The body of a timer lies in `from..to` of the bytes.
    pub(super) fn push_effect(&mut self, from: usize, to: usize) {
        self.recorded += 1;
        self.runs.push(Run { route: Run::EFFECT, from, to, messages: 0 });
    }

    /// Moves the runs of the current message to the finished ones. A run that continues the last finished run becomes one
    /// with it.
    pub(super) fn finish_message(&mut self) {
        let first = self.finished;
        if let Some([before, next]) = first.checked_sub(1).and_then(|last| self.runs.get_mut(last..=first))
            && before.messages > 0
            && next.messages > 0
            && (before.route, before.to) == (next.route, next.from)
        {
            before.to = next.to;
            before.messages += next.messages;
            self.runs.remove(first);
        }
        self.finished = self.runs.len();
    }

    /// Keeps the runs of a hook.
    pub(super) fn finish_hook(&mut self) {
        self.finished = self.runs.len();
    }

    /// Drops the runs of the current message, or of the hook, and returns the number of effects among them. Their bytes stay,
    /// since other bytes may come after them.
    pub(super) fn drop_current(&mut self) -> usize {
        let effects = self.runs[self.finished..].iter().filter(|run| run.route == Run::EFFECT).count();
        let dropped = self.runs.drain(self.finished..).map(|run| run.messages.max(1)).sum::<usize>();
        self.recorded -= dropped;
        effects
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.forget_bytes();
        (self.finished, self.carried_out, self.recorded, self.delivered) = (0, 0, 0, 0);
    }

    /// The route of the next finished run that the commit has not carried out.
    pub(super) fn next_route(&self) -> Option<usize> {
        (self.carried_out < self.finished).then(|| self.runs[self.carried_out].route)
    }

    pub(super) fn next_run(&mut self) -> Undelivered<'_> {
        let Self { runs, bytes, delivered, carried_out, .. } = self;
        Undelivered { run: &mut runs[*carried_out], bytes, delivered }
    }

    /// The bytes of the next run, which is the place of a timer.
    pub(super) fn next_content(&self) -> &[u8] {
        let Run { from, to, .. } = self.runs[self.carried_out];
        &self.bytes[from..to]
    }

    /// Marks the next run as delivered. There were `bytes_before` bytes: those up to the end of the run are gone if they
    /// moved into the mailbox with it.
    pub(super) fn end_run(&mut self, bytes_before: usize) {
        self.carried_out += 1;
        let moved = bytes_before - self.bytes.len();
        if moved > 0 {
            for run in &mut self.runs[self.carried_out..] {
                run.from -= moved;
                run.to -= moved;
            }
        }
    }

    /// The places of the runs of finished messages that the commit has not carried out.
    pub(super) fn finished_runs(&self) -> std::ops::Range<usize> {
        self.carried_out..self.finished
    }

    pub(super) fn run(&self, at: usize) -> &Run {
        &self.runs[at]
    }

    /// The records of a run.
    pub(super) fn records(&self, at: usize) -> &[u8] {
        let Run { from, to, .. } = self.runs[at];
        &self.bytes[from..to]
    }

    /// Removes the runs at these places, which are in order: their messages were sent, or their effects carried out.
    pub(super) fn mark_entered(&mut self, entered: &[usize]) {
        let mut entered = entered.iter().copied().peekable();
        let (mut at, before, mut messages) = (0, self.runs.len(), 0);
        self.runs.retain(|run| {
            let gone = entered.next_if_eq(&at).is_some();
            // The place of another effect has no message, and counts as one.
            messages += if gone { run.messages.max(1) } else { 0 };
            at += 1;
            !gone
        });
        self.finished -= before - self.runs.len();
        self.delivered += messages;
    }

    /// Marks the next run, the place of an effect, as carried out.
    pub(super) fn end_effect(&mut self) {
        self.delivered += 1;
        self.carried_out += 1;
    }

    /// Forgets the runs that the commit carried out, all finished ones.
    pub(super) fn forget_delivered(&mut self) {
        self.runs.drain(..self.carried_out);
        self.recorded -= self.delivered;
        (self.finished, self.carried_out, self.delivered) = (0, 0, 0);
        if self.runs.is_empty() {
            self.forget_bytes();
        }
    }

    fn forget_bytes(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
    }
}
