//! The state of one actor in the tree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::supervision::events::{Failed, Node, NodeSpec};
use crate::supervision::window::Tally;
use crate::words::failure::Fault;
use crate::words::restart::StartKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Down,
    Starting,
    /// It is up; its children start one after another.
    StartingChildren,
    Up,
    /// Its children stop one after another, last first.
    StoppingChildren(After),
    /// All its children are down; it was told to stop.
    Stopping(After),
    /// Waits for a restart: until its timer, or without a timer until its turn among its siblings.
    BackingOff,
    /// Its parent is asked for a directive.
    AwaitingDirective(After),
    /// It was idle, or has not run yet: the next message starts it.
    Passivated,
    /// Its code refused to start: it waits for its timer, or a message.
    Waiting,
    /// Directly under the kernel, it failed too often: it waits for its timer, or an operator's start.
    Failed,
}

/// The next step after a node and all nodes below it are down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It was told to stop.
    Stay,
    /// An operator stopped it, and started it again before it was down.
    Restart,
    /// It crashed: its parent decides.
    Crashed,
    /// It gave up on its children: its parent decides.
    GaveUp,
    /// It exited without a failure: its parent decides.
    Exited,
    /// It did not start: its parent decides.
    FailedStart,
}

impl After {
    pub(super) fn is_failure(self) -> bool {
        matches!(self, After::Crashed | After::GaveUp | After::FailedStart)
    }
}

/// Whether it has ended, for the time that its parent runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    No,
    /// It exited without a failure; a restart of a group of siblings starts it again.
    InPeace,
    ForGood,
}

/// The course of children that stop or start one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// They stop, last first.
    Stopping,
    /// All are down; the pause passes on the parent's timer.
    Pausing,
    /// They start, in order.
    Starting,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Turns {
    pub(super) course: Course,
    /// The first child that takes part, by its place.
    pub(super) from: u64,
    /// The limit of the children that had their turn: when stopping, places from here on; when starting, places before.
    pub(super) cursor: u64,
    /// The child whose turn it is.
    pub(super) current: Option<Node>,
    /// The pause between the last stop and the first start.
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

/// The failures of an actor, and the refusals of its code to start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct History {
    /// How often its code refused to start, in a row.
    pub(super) refusals: u32,
    /// The time before which its code is not asked again.
    pub(super) asked_again: Duration,
    /// Number of failures without a success between them.
    pub(super) in_a_row: u32,
    /// Number of failures without a handled message or a stable time between them.
    pub(super) fruitless: u32,
    /// Number of further attempts at the message that failed last.
    pub(super) again: u32,
    /// Messages of the last account of this instance, while its actor has no tally.
    pub(super) handled_last: u64,
    /// The fault of its crash, until the decision about the crash.
    pub(super) fault: Fault,
}

/// The state of one node. It has many fields, since the rules of supervision look at each of them alone.
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own, and they combine freely
pub(super) struct Entry {
    /// Shared by actors with the same spec.
    pub(super) spec: Arc<NodeSpec>,
    /// None for the kernel.
    pub(super) parent: Option<Node>,
    /// Its place among its siblings: the key in the parent's `children`.
    pub(super) place: u64,
    /// In start order. A map, since a parent of ten thousand children may lose any one of them.
    pub(super) children: BTreeMap<u64, Node>,
    pub(super) phase: Phase,
    /// When the phase began; of a node that an operator stopped while it was down, when the order came.
    pub(super) since: Duration,
    /// The course of its children, if they stop or start one after another.
    pub(super) turns: Option<Turns>,
    /// Whether its incarnation exists, from `Start` to `Ended`.
    pub(super) alive: bool,
    pub(super) incarnation: u64,
    /// Whether an operator stopped it. Only an operator starts it again.
    pub(super) halted: bool,
    pub(super) over: Over,
    /// Whether its mailbox is closed.
    pub(super) retired: bool,
    /// Whether its parent stops it for good.
    pub(super) dismissed: bool,
    /// Whether the incarnation that spawned it has ended, and the next one has not spawned it again yet.
    pub(super) orphan: bool,
    /// Whether it was up since its parent was.
    pub(super) was_up: bool,
    /// Whether it crashed while its children stopped.
    pub(super) crashed: bool,
    /// Whether it is to start although it is passivated or its code refused: only other nodes delay the start.
    pub(super) wanted: bool,
    /// The time since which this incarnation and its children are up.
    pub(super) up_since: Option<Duration>,
    /// Number of messages that it and the actors below it handled since its last failure.
    pub(super) handled: u64,
    /// The history of its failures; none for most actors.
    history: Option<Box<History>>,
    pub(super) restarts: u64,
    /// When it was started for the first time.
    pub(super) first_start: Duration,
    /// Whether this is a trial: the next failure without a success before it fails the actor again.
    pub(super) trial: bool,
    pub(super) failed: Option<Box<Failed>>,
    /// The phase before the current start, if an operator ordered that start.
    pub(super) ordered: Option<Phase>,
    /// The first instance of the same actor; none for the first instance itself.
    pub(super) first: Option<Node>,
    /// Failures and handled messages of its children within the last period, by the first instance of each that failed.
    pub(super) window: BTreeMap<Node, Tally>,
    /// The time until which the phase waits.
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
            since: Duration::ZERO,
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

    /// Moves to a phase. The time of the same phase goes on.
    pub(super) fn enter(&mut self, phase: Phase, now: Duration) {
        if std::mem::discriminant(&self.phase) != std::mem::discriminant(&phase) {
            self.since = now;
        }
        self.phase = phase;
    }

    /// Whether an incarnation of its parent spawned it, and it ends with that incarnation.
    pub(super) fn belongs_to_run(&self) -> bool {
        self.spec.dynamic && !self.spec.lasting
    }

    /// The history of its failures; empty if it has none.
    pub(super) fn past(&self) -> History {
        self.history.as_deref().copied().unwrap_or_default()
    }

    pub(super) fn history(&mut self) -> &mut History {
        self.history.get_or_insert_default()
    }

    /// Resets the counts of its failures in a row.
    pub(super) fn forgive(&mut self) {
        if let Some(history) = &mut self.history {
            (history.in_a_row, history.fruitless) = (0, 0);
        }
    }

    /// Resets the count of refusals: its code let it start.
    pub(super) fn let_in(&mut self) {
        if let Some(history) = &mut self.history {
            history.refusals = 0;
        }
    }

    /// Sets the fault of its crash, until the decision about the crash.
    pub(super) fn set_fault(&mut self, fault: Fault) {
        if self.history.is_some() || fault != Fault::Actor {
            self.history().fault = fault;
        }
    }

    /// Returns and resets the fault of its crash.
    pub(super) fn take_fault(&mut self) -> Fault {
        self.history.as_mut().map_or(Fault::Actor, |history| std::mem::take(&mut history.fault))
    }

    /// Sets the messages of its last account, while its actor has no tally.
    pub(super) fn set_handled_last(&mut self, messages: u64) {
        if self.history.is_some() || messages > 0 {
            self.history().handled_last = messages;
        }
    }

    /// Returns and resets the messages of its last account.
    pub(super) fn take_handled_last(&mut self) -> u64 {
        self.history.as_mut().map_or(0, |history| std::mem::take(&mut history.handled_last))
    }

    /// Whether it is down, and only its turn is missing for a start.
    pub(super) fn wants_start(&self) -> bool {
        let waits = match self.phase {
            Phase::Down => true,
            Phase::BackingOff => self.timer.is_none(),
            Phase::Passivated | Phase::Waiting => self.wanted && self.timer.is_none(),
            _ => false,
        };
        waits && !self.halted && !self.dismissed && !self.orphan && self.over == Over::No
    }

    /// Whether it has been up for so long that earlier failures do not count any more.
    pub(super) fn was_stable(&self, now: Duration, period: Duration) -> bool {
        self.up_since.is_some_and(|since| now.saturating_sub(since) >= period)
    }

    /// Whether it has no incarnation, and no reason to start one yet.
    pub(super) fn rests(&self) -> bool {
        matches!(self.phase, Phase::Passivated | Phase::Waiting) && (!self.wanted || self.timer.is_some())
    }

    /// Whether a start passivates it, because it has not run yet and starts on a message.
    pub(super) fn starts_passivated(&self) -> bool {
        self.phase == Phase::Down && self.spec.start == StartKind::OnMessage
    }
}
