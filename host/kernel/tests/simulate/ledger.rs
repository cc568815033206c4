//! What happened to every message, as the actors and the outside saw it. Nothing here comes from the kernel but the
//! calls it makes. What must hold at any moment is checked here; what must hold in the end, in `checks`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{Envelope, MessageId, Overflow};
use tokio::sync::Notify;

use crate::calls::Call;
use crate::trace::{Line, Serial, What};
use crate::world::{Play, Plot, Role, Subtree, Who};

pub type RunId = usize;

/// An incarnation of an actor, of which several may be at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Seat {
    pub who: Who,
    pub incarnation: u64,
}

/// Lines in the log of a play that turns in circles.
const MANY: usize = 20_000;

/// Whose messages come in order: an actor's, whatever its incarnation, or the outside's: whoever comes first to a full
/// mailbox gets in first.
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
    /// The run that told it: it exists if that is kept. None for what is sent at once: asks, and the outside.
    pub cause: Option<RunId>,
    /// A timer tells it.
    pub timer: Option<Timer>,
    /// For what is sent at once.
    pub accepted: Certain,
    pub is_ask: bool,
    /// A question led to it: when that is asked again, by a replay, this comes again with the same id.
    pub after_ask: bool,
    /// Its place among what its sender let go of.
    pub released: usize,
    pub runs: Vec<RunId>,
    /// Failures that it was to blame for: at least, at most.
    pub blames: (u32, u32),
    /// It was in a batch that crashed: from now on it is handled alone.
    pub alone: bool,
    /// An ask that was in the hand of who crashed, and when: the asker is told in that moment.
    pub lost_at: Option<Duration>,
    pub answered_at: Option<Duration>,
    /// Of the answer: which run gave it.
    pub replied_by: Option<RunId>,
    pub flow: Option<u64>,
    pub hops: u32,
    pub id: Option<MessageId>,
}

/// Of what a timer tells.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Timer {
    /// Whose it is: it dies with that incarnation.
    pub of: Seat,
    /// It does not fire before.
    pub due: Duration,
    /// It may have been cancelled.
    pub cancelled: bool,
}

/// One try at a message, or a hook.
pub struct Run {
    pub of: Option<Serial>,
    pub seat: Seat,
    pub how: How,
    pub kept: Kept,
    pub sends: Vec<Serial>,
    pub envelope: Option<Envelope>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It did not come to an end.
    Open,
    Done,
    Rejected,
    Retried,
}

/// Whether the kernel has to keep what a run did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Not yet: nothing of it may be seen.
    NotYet,
    /// It must be kept unless the actor is killed.
    Returned,
    /// It was cut off in a commit: either way, but all or nothing.
    Maybe,
    Yes,
    No,
}

pub struct Ledger {
    pub entries: Vec<Entry>,
    pub runs: Vec<Run>,
    pub trace: Vec<Line>,
    /// What of [`crate::EVERYTHING`] came to pass.
    pub seen: BTreeSet<&'static str>,
    /// Promises that were broken.
    pub broken: Vec<String>,
    pub now: Duration,
    /// The calls of `handle` that run.
    pub calls: BTreeMap<Seat, Call>,
    /// Runs whose call returned, until the kernel shows that it went on.
    pub returned: BTreeMap<Seat, Vec<RunId>>,
    /// By actor: incarnations that exist.
    pub alive: Vec<usize>,
    /// By actor: how many messages had ended when it was last seen passivated.
    pub passivated: Vec<u64>,
    /// By actor: its last run when it was last seen failed.
    pub failed: Vec<u64>,
    /// How many incarnations may live at a time.
    pub most_instances: usize,
    /// How many of these actors' incarnations may live at a time.
    pub subtrees: Vec<Subtree>,
    /// When the timers of each incarnation ended.
    pub timers_ended: BTreeMap<Seat, Duration>,
    /// By actor: a person stopped it, and it has no children to wait for.
    pub halted: Vec<bool>,
    /// Whose answer one waits for, and to what.
    pub waits_for: BTreeMap<Seat, (Who, Serial)>,
    /// By actor: how many of it there are.
    pub instances: Vec<usize>,
    /// By actor: its mailbox has a policy that changes the order.
    reorders: Vec<bool>,
    /// A shutdown or a kill began.
    pub ending: bool,
    pub over: bool,
    /// Told when more happened than can happen in a play.
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

    /// A promise was broken.
    pub fn blame(&mut self, what: impl Into<String>) {
        self.broken.push(format!("at {:?}: {}", self.now, what.into()));
    }

    pub fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.blame(what());
        }
    }

    /// A new message, not yet let go of.
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

    /// A message leaves its sender now, after all that left it before.
    pub fn release(&mut self, serial: Serial) {
        self.released += 1;
        self.entries[serial].released = self.released;
    }

    /// An outside message or an ask: it may be accepted from now on.
    pub fn send_at_once(&mut self, serial: Serial, is_ask: bool) {
        self.release(serial);
        let entry = &mut self.entries[serial];
        entry.is_ask = is_ask;
        entry.cause = None;
        entry.accepted = Certain::Maybe;
    }

    /// Changes what is known of a run; a failure that is kept counts as an attempt at its message.
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
            // It came to an end, and failed as others do.
            self.entries[serial].alone &= after.1 == 0;
        }
    }

    /// Lets go of what a finished run told.
    pub fn release_sends(&mut self, run: RunId) {
        for serial in std::mem::take(&mut self.runs[run].sends) {
            self.release(serial);
            self.runs[run].sends.push(serial);
        }
    }

    /// An actor takes up a message.
    pub fn begin(&mut self, play: &Play, seat: Seat, serial: Serial, envelope: Envelope) -> RunId {
        let actor = seat.who;
        self.note(What::Handle(actor, serial, envelope.attempt));
        let run = self.runs.len();
        self.runs.push(Run {
            of: Some(serial),
            seat,
            how: How::Open,
            kept: Kept::NotYet,
            sends: Vec::new(),
            envelope: Some(envelope),
        });
        self.check_cause(serial);
        self.check_earlier_runs(serial, &envelope);
        let taken = self.calls.get(&seat).map_or(0, |call| call.taken);
        let entry = &self.entries[serial];
        let (to, alone, lost, first) = (entry.to, entry.alone, entry.lost_at.is_some(), entry.runs.is_empty());
        let (attempt, blames, order) = (envelope.attempt, entry.blames, (entry.sender, actor));
        let (released, limit) = (entry.released, play.roles[actor].restart.attempts);
        self.must(to == actor, || format!("#{serial} is for another"));
        self.must(!alone || taken == 1, || format!("#{serial} crashed with others and comes in a batch of {taken}"));
        self.must(!lost, || format!("the asker of #{serial} was told of a crash, and it is handled again"));
        self.must((blames.0..=blames.1).contains(&attempt), || {
            format!("#{serial} comes as attempt {attempt}, and {blames:?} failures are its own")
        });
        self.must(attempt < limit, || format!("#{serial} comes again after {attempt} of {limit} attempts"));
        self.must(self.may_fire(serial) != Certain::No, || format!("the timer of #{serial} had no time to fire"));
        if self.entries[serial].timer.is_some() {
            self.seen.insert("a timer told");
        } else if first && self.comes_in_order(serial) {
            let last = self.first_runs.insert(order, released).unwrap_or(0);
            self.must(released > last, || format!("#{serial} comes later than what {:?} sent after it", order.0));
        }
        let entry = &mut self.entries[serial];
        entry.blames = (attempt, attempt);
        entry.runs.push(run);
        run
    }

    /// Whether the kernel has to deliver what a run told: of a message that failed, never.
    pub fn sends_kept(&self, run: RunId) -> Kept {
        let Run { how, kept, .. } = self.runs[run];
        if matches!(how, How::Rejected | How::Retried) { Kept::No } else { kept }
    }

    /// Whether a message that a timer tells comes to be, if the timer was set. What no timer tells does.
    pub fn may_fire(&self, serial: Serial) -> Certain {
        let Some(timer) = self.entries[serial].timer else { return Certain::Yes };
        match self.timers_ended.get(&timer.of) {
            Some(&ended) if ended < timer.due => Certain::No,
            None if !timer.cancelled => Certain::Yes,
            _ => Certain::Maybe,
        }
    }

    /// Who sends it and who gets it are one each, no timer tells it, and no policy may put it behind others.
    pub fn comes_in_order(&self, serial: Serial) -> bool {
        let entry = &self.entries[serial];
        let from_one = match entry.sender {
            Sender::Outside => true,
            Sender::Actor(who) => self.instances[who] == 1,
        };
        from_one && self.instances[entry.to] == 1 && !self.reorders[entry.to] && entry.timer.is_none()
    }

    /// Only what was kept may be seen.
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

    /// Whether the rule of an actor's mailbox makes a dead letter of what it cannot take, even of an ask.
    /// One with a policy may do either, depending on where that stands.
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
