//! The history of every message, as the actors and the outside saw it. Its only input from the kernel is the kernel's calls.
//! This file checks the promises for any moment, and `checks` those for the end.

mod calls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{Envelope, MessageId, Overflow};
use tokio::sync::Notify;

use crate::trace::{Line, Serial, What};
use crate::world::{Play, Plot, Role, Subtree, Who};

pub type RunId = usize;

/// An incarnation of an actor. Several may exist at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Incarnation {
    pub who: Who,
    pub incarnation: u64,
}

/// Number of lines in the log of a play that never ends.
const MANY: usize = 20_000;

/// A sender whose messages come in order: an actor with all its incarnations, or the outside. At a full mailbox the order of
/// arrival counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sender {
    Outside,
    Actor(Who),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Certain {
    No,
    Maybe,
    Yes,
}

/// A message.
pub struct Entry {
    pub sender: Sender,
    pub to: Who,
    pub plot: Plot,
    pub body_bytes: usize,
    /// The run that told it: the message exists if the run is kept. None for asks and the outside, which send at once.
    pub cause: Option<RunId>,
    /// A timer tells it.
    pub timer: Option<Timer>,
    /// Set for messages that are sent at once.
    pub accepted: Certain,
    pub is_ask: bool,
    /// It follows from an ask. A replay repeats that ask, and this message comes again with the same id.
    pub after_ask: bool,
    /// Its place among the messages that left its sender.
    pub released: usize,
    pub runs: Vec<RunId>,
    /// Failures with this message to blame: at least, at most.
    pub blames: (u32, u32),
    /// Its batch crashed, and from now on it is handled alone.
    pub alone: bool,
    /// The time at which an actor crashed with this ask as its current message: the asker learns it at that moment.
    pub lost_at: Option<Duration>,
    pub answered_at: Option<Duration>,
    /// The run that gave the answer.
    pub replied_by: Option<RunId>,
    pub flow: Option<playhouse_kernel::FlowId>,
    pub hops: u32,
    pub id: Option<MessageId>,
}

/// The data of a timer's message.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Timer {
    /// The timer's owner: the timer dies with that incarnation.
    pub of: Incarnation,
    /// It does not fire before.
    pub due: Duration,
    /// It may have been cancelled.
    pub cancelled: bool,
}

/// One try at a message, or a hook.
pub struct Run {
    pub of: Option<Serial>,
    pub incarnation_id: Incarnation,
    pub how: How,
    pub kept: Kept,
    pub sends: Vec<Serial>,
    pub envelope: Option<Envelope>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It did not end.
    Open,
    Done,
    Rejected,
    Retried,
}

/// Whether the kernel has to keep the results of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Not yet: no result of it may be seen.
    NotYet,
    /// The kernel must keep it unless the actor is killed.
    Returned,
    /// A kill cut it off in a commit: the kernel keeps all of it or nothing.
    Maybe,
    Yes,
    No,
}

/// A call of `handle`.
pub struct Call {
    /// Messages of the call.
    pub taken: usize,
    /// Messages whose outcome was committed while it ran.
    pub settled: usize,
    /// Ended since, and not committed.
    pub pending: Vec<RunId>,
    /// Ended, and perhaps committed: an ask tried to, and did not say.
    pub unsure: Vec<RunId>,
    pub current: Option<RunId>,
    /// The ask that it waits for, and the number of older entries in `unsure`.
    pub ask: Option<(Serial, usize, Certain)>,
}

pub struct Ledger {
    pub entries: Vec<Entry>,
    pub runs: Vec<Run>,
    pub trace: Vec<Line>,
    /// The labels of [`crate::EVERYTHING`] that occurred.
    pub seen: BTreeSet<&'static str>,
    /// Broken promises.
    pub broken: Vec<String>,
    pub now: Duration,
    /// Running calls of `handle`.
    pub calls: BTreeMap<Incarnation, Call>,
    /// Runs whose call returned, until the kernel shows that it continued.
    pub returned: BTreeMap<Incarnation, Vec<RunId>>,
    /// By actor: existing incarnations.
    pub alive: Vec<usize>,
    /// By actor: number of its ended messages when it was last seen passivated.
    pub passivated: Vec<u64>,
    /// By actor: its last run when it was last seen failed.
    pub failed: Vec<u64>,
    /// Number of incarnations that may live at a time.
    pub most_instances: usize,
    /// Number of incarnations of these actors that may live at a time.
    pub subtrees: Vec<Subtree>,
    /// The end of the timers of each incarnation.
    pub timers_ended: BTreeMap<Incarnation, Duration>,
    /// By actor: an operator stopped it, and it has no children to wait for.
    pub halted: Vec<bool>,
    /// Incarnations that wait for an answer, with the ask.
    pub waits_for: BTreeMap<Incarnation, (Who, Serial)>,
    /// By actor: number of its instances.
    pub instances: Vec<usize>,
    /// By actor: its mailbox has a policy that changes the order.
    reorders: Vec<bool>,
    /// A shutdown or a kill began.
    pub ending: bool,
    pub over: bool,
    /// Gets a signal when more events occur than a play can have.
    pub too_much: Arc<Notify>,
    released: usize,
    first_runs: BTreeMap<(Sender, Who), usize>,
}

impl Ledger {
    pub fn new(roles: &[Role], most_instances: usize) -> Self {
        let actors = roles.len();
        Self {
            entries: Vec::new(),
            runs: Vec::new(),
            trace: Vec::new(),
            seen: BTreeSet::new(),
            broken: Vec::new(),
            now: Duration::ZERO,
            calls: BTreeMap::new(),
            returned: BTreeMap::new(),
            alive: vec![0; actors],
            passivated: vec![0; actors],
            failed: vec![0; actors],
            most_instances,
            subtrees: roles.iter().filter_map(|role| role.subtree.clone()).collect(),
            timers_ended: BTreeMap::new(),
            halted: vec![false; actors],
            waits_for: BTreeMap::new(),
            instances: roles.iter().map(|role| role.instances).collect(),
            reorders: roles.iter().map(|role| role.mind.is_some_and(|mind| !mind.orderly)).collect(),
            ending: false,
            over: false,
            too_much: Arc::default(),
            released: 0,
            first_runs: BTreeMap::new(),
        }
    }

    pub fn note(&mut self, what: What) {
        self.trace.push(Line { at: self.now, what });
        if self.trace.len() == MANY {
            self.too_much.notify_one();
        }
    }

    /// Notes a broken promise.
    pub fn blame(&mut self, what: impl Into<String>) {
        self.broken.push(format!("at {:?}: {}", self.now, what.into()));
    }

    pub fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.blame(what());
        }
    }

    /// A new message that has not left its sender yet.
    pub fn send(&mut self, sender: Sender, cause: Option<RunId>, to: Who, plot: Plot, body_bytes: usize) -> Serial {
        let envelope = cause.and_then(|run| self.runs[run].envelope);
        let led_to = cause.and_then(|run| self.runs[run].of).map(|serial| &self.entries[serial]);
        let after_ask = led_to.is_some_and(|entry| entry.is_ask || entry.after_ask);
        self.entries.push(Entry {
            sender,
            to,
            plot,
            body_bytes,
            cause,
            timer: None,
            accepted: Certain::No,
            is_ask: false,
            after_ask,
            released: usize::MAX,
            runs: Vec::new(),
            blames: (0, 0),
            alone: false,
            lost_at: None,
            answered_at: None,
            replied_by: None,
            flow: envelope.map(|e| e.flow),
            hops: envelope.map_or(0, |e| e.hops + 1),
            id: None,
        });
        self.entries.len() - 1
    }

    /// A message leaves its sender now, after all messages that left before it.
    pub fn release(&mut self, serial: Serial) {
        self.released += 1;
        self.entries[serial].released = self.released;
    }

    /// A message from outside or an ask: the kernel may accept it from now on.
    pub fn send_at_once(&mut self, serial: Serial, is_ask: bool) {
        self.release(serial);
        let entry = &mut self.entries[serial];
        entry.is_ask = is_ask;
        entry.cause = None;
        entry.accepted = Certain::Maybe;
    }

    /// Changes the state of a run. A failure that is kept counts as an attempt at its message.
    pub fn keep(&mut self, run: RunId, kept: Kept) {
        let counts = |kept| match kept {
            Kept::NotYet | Kept::No => (0, 0),
            Kept::Returned | Kept::Maybe => (0, 1),
            Kept::Yes => (1, 1),
        };
        let run = &mut self.runs[run];
        let (before, after) = (counts(run.kept), counts(kept));
        run.kept = kept;
        if let (Some(serial), How::Rejected | How::Retried) = (run.of, run.how) {
            let blames = &mut self.entries[serial].blames;
            blames.0 = blames.0 + after.0 - before.0;
            blames.1 = blames.1 + after.1 - before.1;
            // It ended, and failed as others do.
            self.entries[serial].alone &= after.1 == 0;
        }
    }

    /// Sends the messages of a finished run.
    pub fn release_sends(&mut self, run: RunId) {
        for serial in std::mem::take(&mut self.runs[run].sends) {
            self.release(serial);
            self.runs[run].sends.push(serial);
        }
    }

    /// An actor begins with a message.
    pub fn begin(&mut self, play: &Play, incarnation_id: Incarnation, serial: Serial, envelope: Envelope) -> RunId {
        let actor = incarnation_id.who;
        self.note(What::Handle(actor, serial, envelope.attempt));
        let run = self.runs.len();
        self.runs.push(Run {
            of: Some(serial),
            incarnation_id,
            how: How::Open,
            kept: Kept::NotYet,
            sends: Vec::new(),
            envelope: Some(envelope),
        });
        self.check_cause(serial);
        self.check_earlier_runs(serial, &envelope);
        let taken = self.calls.get(&incarnation_id).map_or(0, |call| call.taken);
        let entry = &self.entries[serial];
        let (to, alone, lost, first) = (entry.to, entry.alone, entry.lost_at.is_some(), entry.runs.is_empty());
        let (attempt, blames, order) = (envelope.attempt, entry.blames, (entry.sender, actor));
        let (released, limit) = (entry.released, play.roles[actor].restart.attempts);
        self.must(to == actor, || format!("#{serial} is for another"));
        self.must(!alone || taken == 1, || format!("#{serial} crashed with others and comes in a batch of {taken}"));
        self.must(!lost, || format!("the asker of #{serial} learned of a crash, and it is handled again"));
        self.must((blames.0..=blames.1).contains(&attempt), || {
            format!("#{serial} comes as attempt {attempt}, and {blames:?} failures are its own")
        });
        self.must(attempt < limit, || format!("#{serial} comes again after {attempt} of {limit} attempts"));
        self.must(self.may_fire(serial) != Certain::No, || format!("the timer of #{serial} had no time to fire"));
        if self.entries[serial].timer.is_some() {
            self.seen.insert("a timer told");
        } else if first && self.comes_in_order(serial) {
            let last = self.first_runs.insert(order, released).unwrap_or(0);
            self.must(released > last, || {
                format!("#{serial} comes later than messages that {:?} sent after it", order.0)
            });
        }
        let entry = &mut self.entries[serial];
        entry.blames = (attempt, attempt);
        entry.runs.push(run);
        run
    }

    /// Whether the kernel has to deliver the messages of a run: never for a message that failed.
    pub fn sends_kept(&self, run: RunId) -> Kept {
        let Run { how, kept, .. } = self.runs[run];
        if matches!(how, How::Rejected | How::Retried) { Kept::No } else { kept }
    }

    /// Whether a timer's message comes into being, if the timer was set. True for every other message.
    pub fn may_fire(&self, serial: Serial) -> Certain {
        let Some(timer) = self.entries[serial].timer else { return Certain::Yes };
        match self.timers_ended.get(&timer.of) {
            Some(&ended) if ended < timer.due => Certain::No,
            None if !timer.cancelled => Certain::Yes,
            _ => Certain::Maybe,
        }
    }

    /// One sender and one receiver have this message in order: no timer tells it, and no policy may move it behind others.
    pub fn comes_in_order(&self, serial: Serial) -> bool {
        let entry = &self.entries[serial];
        let from_one = match entry.sender {
            Sender::Outside => true,
            Sender::Actor(who) => self.instances[who] == 1,
        };
        from_one && self.instances[entry.to] == 1 && !self.reorders[entry.to] && entry.timer.is_none()
    }

    /// Only kept results may be seen.
    fn check_cause(&mut self, serial: Serial) {
        let Some(cause) = self.entries[serial].cause else {
            let accepted = self.entries[serial].accepted;
            self.must(accepted != Certain::No, || format!("#{serial} was refused, and it is handled"));
            return;
        };
        match self.sends_kept(cause) {
            Kept::Maybe => self.keep(cause, Kept::Yes),
            Kept::Returned | Kept::Yes => {}
            Kept::NotYet | Kept::No => {
                let of = self.runs[cause].of;
                self.blame(format!("#{serial} is seen, and the turn that sent it (of {of:?}) did not commit"));
            }
        }
    }

    /// A message is handled again only after a failure.
    fn check_earlier_runs(&mut self, serial: Serial, envelope: &Envelope) {
        let entry = &self.entries[serial];
        let Some(&last) = entry.runs.last() else { return };
        let (how, kept, blames) = (self.runs[last].how, self.runs[last].kept, entry.blames);
        match (how, kept) {
            (How::Open, _) | (_, Kept::No) | (How::Retried, Kept::Yes) => {}
            (How::Retried, Kept::Maybe) => {
                self.runs[last].kept = if envelope.attempt > blames.0 { Kept::Yes } else { Kept::No };
            }
            (_, Kept::Maybe) => {
                self.keep(last, Kept::No);
                let seen = self.runs[last].sends.iter().find(|&&s| !self.entries[s].runs.is_empty()).copied();
                self.must(seen.is_none(), || format!("#{serial} is handled again, and {seen:?} of it was seen"));
            }
            _ => self.blame(format!("#{serial} is handled again after it ended ({how:?}, {kept:?})")),
        }
    }

    /// Whether the rule of an actor's mailbox writes a dead letter for each message that does not fit, even for an ask. A
    /// mailbox with a policy may do either, by the policy's state.
    pub fn drops(play: &Play, who: Who) -> Certain {
        let role = &play.roles[who];
        let by_rule = if matches!(role.mailbox.overflow, Overflow::DropNewest | Overflow::DropOldest) {
            Certain::Yes
        } else {
            Certain::No
        };
        if role.mind.is_some() { Certain::Maybe } else { by_rule }
    }
}
