//! What the tree remembers of one actor.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::plan::StartKind;
use crate::supervision::events::{Failed, Fault, Node, NodeSpec};
use crate::supervision::window::Tally;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Down,
    Starting,
    /// Up itself; its children come up one after another.
    StartingChildren,
    Up,
    /// Its children go down one after another, last first.
    StoppingChildren(After),
    /// All its children are down; it was told to stop.
    Stopping(After),
    /// Waits for a restart: until its timer, or without one until its turn among its siblings.
    BackingOff,
    /// Its parent is asked what to do.
    Consulting(After),
    /// It had nothing to do, or has not had yet: the next message starts it.
    Passivated,
    /// Its gate did not let it start: until its timer, or a message.
    Waiting,
    /// Directly under the kernel, it failed too often: until its timer, or an operator's start.
    Failed,
}

/// What follows once a node and all below it are down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It was told to stop.
    Stay,
    /// A person stopped it and started it again meanwhile.
    Restart,
    /// It crashed: its parent decides.
    Crashed,
    /// It gave up on its children: its parent decides.
    GaveUp,
    /// It ended in peace: its parent decides.
    Exited,
    /// It did not come up: its parent decides.
    FailedStart,
}

impl After {
    pub(super) fn is_failure(self) -> bool {
        matches!(self, After::Crashed | After::GaveUp | After::FailedStart)
    }
}

/// Whether it is done for, as long as its parent runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    No,
    /// It ended in peace; siblings that restart together take it along again.
    InPeace,
    ForGood,
}

/// Children that stop or start one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// Last first.
    Stopping,
    /// All are down; the pause passes on the parent's timer.
    Pausing,
    /// In order.
    Starting,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Turns {
    pub(super) course: Course,
    /// The first child that takes part, by its place.
    pub(super) from: u64,
    /// Who has had its turn: when stopping, places from here on; when starting, places before.
    pub(super) cursor: u64,
    /// Whose turn it is.
    pub(super) current: Option<Node>,
    /// Between the last stop and the first start.
    pub(super) pause: Duration,
}

impl Turns {
    pub(super) fn stopping(from: u64, pause: Duration) -> Self {
        Self { course: Course::Stopping, from, cursor: u64::MAX, current: None, pause }
    }

    pub(super) fn starting(from: u64) -> Self {
        Self { course: Course::Starting, from, cursor: from, current: None, pause: Duration::ZERO }
    }
}

/// The failures of an actor, and the refusals of its gate.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct History {
    /// How often its gate did not let it start, in a row.
    pub(super) refusals: u32,
    /// Its gate is not asked again before.
    pub(super) asked_again: Duration,
    /// Failures without a success between them.
    pub(super) in_a_row: u32,
    /// Failures without a handled message or a stable spell between them.
    pub(super) fruitless: u32,
    /// Further attempts at the message that failed last.
    pub(super) again: u32,
    /// Messages of the last account of this instance, when nothing is counted yet.
    pub(super) handled_last: u64,
    /// The fault of its crash, until the crash is decided about.
    pub(super) fault: Fault,
}

#[allow(clippy::struct_excessive_bools)] // each is a fact of its own, and they combine freely
pub(super) struct Entry {
    /// Shared by actors with the same rules.
    pub(super) spec: Arc<NodeSpec>,
    /// None for the kernel.
    pub(super) parent: Option<Node>,
    /// Its place among its siblings: the key in the parent's `children`.
    pub(super) place: u64,
    /// In start order. A map, since a parent of ten thousand may lose any one of them.
    pub(super) children: BTreeMap<u64, Node>,
    pub(super) phase: Phase,
    /// What its children do one after another, if anything.
    pub(super) turns: Option<Turns>,
    /// Its incarnation exists, from `Start` to `Ended`.
    pub(super) alive: bool,
    pub(super) incarnation: u64,
    /// Only a person lifts this.
    pub(super) halted: bool,
    pub(super) over: Over,
    /// Its mailbox is closed.
    pub(super) retired: bool,
    /// Its parent stops it for good.
    pub(super) dismissed: bool,
    /// The incarnation that spawned it is over, and the next one has not asked for it yet.
    pub(super) orphan: bool,
    /// Came up since its parent did.
    pub(super) was_up: bool,
    /// It crashed while its children went down.
    pub(super) crashed: bool,
    /// Passivated, or waiting for its gate, it is to start: only others keep it from that.
    pub(super) wanted: bool,
    /// Since when this incarnation and its children are up.
    pub(super) up_since: Option<Duration>,
    /// Messages that it and those below it handled since its last failure.
    pub(super) handled: u64,
    /// Most actors have none.
    history: Option<Box<History>>,
    pub(super) restarts: u64,
    /// When it was started first.
    pub(super) first_start: Duration,
    /// It is a trial: the next failure without a success before it is one too many.
    pub(super) trial: bool,
    pub(super) failed: Option<Box<Failed>>,
    /// An operator ordered the start that is under way; the phase that it began in.
    pub(super) ordered: Option<Phase>,
    /// The first instance of the same actor, for every other one.
    pub(super) first: Option<Node>,
    /// Failures and handled messages of its children within the last period, by the first instance of each that failed.
    pub(super) window: BTreeMap<Node, Tally>,
    /// The time that the phase waits for.
    pub(super) timer: Option<Duration>,
}

impl Entry {
    pub(super) fn new(spec: Arc<NodeSpec>, parent: Option<Node>, place: u64) -> Self {
        Self {
            halted: spec.start == StartKind::Manual,
            spec,
            parent,
            place,
            children: BTreeMap::new(),
            phase: Phase::Down,
            turns: None,
            alive: false,
            incarnation: 0,
            over: Over::No,
            retired: false,
            dismissed: false,
            orphan: false,
            was_up: false,
            crashed: false,
            wanted: false,
            up_since: None,
            handled: 0,
            history: None,
            restarts: 0,
            first_start: Duration::ZERO,
            trial: false,
            failed: None,
            ordered: None,
            first: None,
            window: BTreeMap::new(),
            timer: None,
        }
    }

    /// Its history, also if it has none yet.
    pub(super) fn past(&self) -> History {
        self.history.as_deref().copied().unwrap_or_default()
    }

    pub(super) fn history(&mut self) -> &mut History {
        self.history.get_or_insert_default()
    }

    /// Its failures so far are held against it no more.
    pub(super) fn forgive(&mut self) {
        if let Some(history) = &mut self.history {
            (history.in_a_row, history.fruitless) = (0, 0);
        }
    }

    /// Its gate let it start.
    pub(super) fn let_in(&mut self) {
        if let Some(history) = &mut self.history {
            history.refusals = 0;
        }
    }

    /// The fault of its crash, which is still to be decided about.
    pub(super) fn set_fault(&mut self, fault: Fault) {
        if self.history.is_some() || fault != Fault::Actor {
            self.history().fault = fault;
        }
    }

    /// Takes out the fault of its crash.
    pub(super) fn take_fault(&mut self) -> Fault {
        self.history.as_mut().map_or(Fault::Actor, |history| std::mem::take(&mut history.fault))
    }

    /// The messages of its last account, while nothing is counted.
    pub(super) fn set_handled_last(&mut self, messages: u64) {
        if self.history.is_some() || messages > 0 {
            self.history().handled_last = messages;
        }
    }

    /// Takes out the messages of its last account.
    pub(super) fn take_handled_last(&mut self) -> u64 {
        self.history.as_mut().map_or(0, |history| std::mem::take(&mut history.handled_last))
    }

    /// It is down, and nothing speaks against its start but that it is not its turn.
    pub(super) fn wants_start(&self) -> bool {
        let waits = match self.phase {
            Phase::Down => true,
            Phase::BackingOff => self.timer.is_none(),
            Phase::Passivated | Phase::Waiting => self.wanted && self.timer.is_none(),
            _ => false,
        };
        waits && !self.halted && !self.dismissed && !self.orphan && self.over == Over::No
    }

    /// Whether it has been up for so long that what failed before does not count any more.
    pub(super) fn was_stable(&self, now: Duration, period: Duration) -> bool {
        self.up_since.is_some_and(|since| now.saturating_sub(since) >= period)
    }

    /// Whether it has no incarnation and nothing to start one for yet.
    pub(super) fn rests(&self) -> bool {
        matches!(self.phase, Phase::Passivated | Phase::Waiting) && (!self.wanted || self.timer.is_some())
    }

    /// Whether, as it may start, it is passivated instead: nothing has happened to it yet.
    pub(super) fn starts_passivated(&self) -> bool {
        self.phase == Phase::Down && self.spec.start == StartKind::OnMessage
    }
}
