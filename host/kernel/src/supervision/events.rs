//! The data between the tree and the task: events, actions, and views for operators.

use std::time::Duration;

use crate::kernel::plan::{Backoff, RestartKind, StartKind, Strategy, SupervisionSpec};
use crate::words::message::MessageId;

/// An actor's place in the tree. A freed place is used again, but with another generation: a message about a removed node
/// reaches no other node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// The kernel's own node.
pub const ROOT: Node = Node { index: 0, generation: 0 };

impl Node {
    /// The index of the place alone: small, dense, and shared with removed nodes.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// How many nodes had this place before.
    pub fn generation(self) -> u32 {
        self.generation
    }
}

/// The properties of an actor that the tree knows from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeSpec {
    /// When it is started again.
    pub kind: RestartKind,
    /// The pause before a restart.
    pub backoff: Backoff,
    /// How it supervises its own children.
    pub supervision: SupervisionSpec,
    /// When it is started first.
    pub start: StartKind,
    /// Whether its parent spawned it at run time. A dynamic actor that ended for good is removed; one from the plan keeps its
    /// place and starts again with its parent.
    pub dynamic: bool,
    /// Whether it is asked for a [`Directive`] when one of its children fails.
    pub decides_failures: bool,
    /// The time limit of the answer.
    pub directive_timeout: Duration,
    /// The pause before the trial start of an actor directly under `/` that failed; none when only an operator starts it.
    pub cooldown: Option<Duration>,
    /// Whether the play ends when this actor fails; only for one directly under `/`.
    pub required: bool,
}

/// The fault that a crash is blamed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// No message was being handled.
    #[default]
    Actor,
    /// Several messages were being handled: they are handled again one at a time, so that the one to blame is found.
    Batch,
    /// This message alone was being handled.
    Message(MessageId),
}

/// How an incarnation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It did not start.
    FailedStart,
    /// It crashed.
    Crashed,
    /// It asked to exit with status 0.
    Exited,
    /// It was told to stop.
    Stopped,
    /// It ended in order because it was idle: it is passivated. An actor with children never ends so.
    Idle,
    /// Its code refused to start: no failure. It is asked again after this time, or only when a message comes.
    Refused(Option<Duration>),
}

/// A parent's decision about a child that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// Restart it as if it were permanent: the strategy applies, and the failure counts.
    Restart,
    /// Stop it for good.
    Stop,
    /// Fail the parent, as if it gave up.
    Escalate,
    /// Follow the child's restart kind.
    Default,
}

/// An event: something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The kernel starts.
    Boot,
    /// An incarnation has started.
    Started(Node, u64),
    /// An incarnation ended.
    Ended(Node, u64, Ended),
    /// The account of an incarnation that is about to end: it comes directly before [`Event::Ended`].
    Account {
        /// The node.
        node: Node,
        /// Messages that its actor handled since the last account.
        handled: u64,
        /// The fault that its crash is blamed on, if it crashed.
        fault: Fault,
    },
    /// The parent spawned a child that [`Tree::add`](super::tree::Tree::add) has just added.
    Spawned(Node),
    /// A parent that starts again spawned a child that it had before.
    Adopted(Node),
    /// The parent stops a child for good.
    Dismiss(Node),
    /// A message came for an actor that is passivated, or whose code refused to start.
    Wanted(Node),
    /// The answer to [`Action::RequestDirective`].
    Directive {
        /// The child that failed.
        child: Node,
        /// Its incarnation.
        incarnation: u64,
        /// The decision.
        directive: Directive,
    },
    /// An operator stops an actor.
    Halt(Node),
    /// An operator starts an actor.
    Resume(Node),
    /// Everything stops in order.
    Shutdown,
    /// Everything ends now.
    Kill,
    /// A time that [`Tree::next_timer`](super::tree::Tree::next_timer) named has come.
    Timer,
}

/// How often a supervisor's children failed lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Failures that count within the last period: of a child of `/` alone, else of all children together.
    pub restarts: u32,
    /// The limit: with more failures the supervisor gives up.
    pub intensity: u32,
    /// The time for which a failure counts.
    pub period: Duration,
}

/// Why a supervisor failed because of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyGaveUp {
    /// More restarts than its intensity allows.
    TooOften(Window),
    /// The child did not start together with it.
    FailedStart,
    /// The supervisor returned the directive to escalate.
    Escalated,
    /// This many messages failed one after another, and none was handled.
    NothingHandled(u32),
    /// It did not start within this time, a period, after its first attempt.
    NotUp(Duration),
    /// Its trial start ended in another failure before it handled a message.
    TrialFailed,
    /// Its restart kind forbids a restart, and the play requires it.
    Ended,
    /// Every actor under `/` failed or ended.
    AllFailed,
}

/// An action for the task to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start an incarnation with this number.
    Start(Node, u64),
    /// Tell an incarnation to stop in order; with `drain`, after its mailbox is empty. May come again, with `drain`, for an
    /// incarnation that was told to stop without it.
    Stop {
        /// The node.
        node: Node,
        /// Whether it handles waiting messages first.
        drain: bool,
    },
    /// End an incarnation now.
    Kill {
        /// The node.
        node: Node,
        /// Whether the reason is that it did not stop in time.
        late: bool,
    },
    /// The actor will not run again: close its mailbox.
    Retire(Node),
    /// The actor was retired, but its parent starts again, and the actor with it: open its mailbox.
    Revive(Node),
    /// The actor and its node are removed: remove it from the registry, and close its mailbox. Nothing of it runs any more;
    /// the nodes below it were removed before.
    Forget(Node),
    /// The actor has no incarnation until a message comes: send [`Event::Wanted`] then, and at once if messages wait already.
    Passivated(Node),
    /// The actor's code refused to start: send [`Event::Wanted`] when a message comes that was not there when it was asked.
    Waiting(Node),
    /// This child failed and will be started after this pause. The pause begins when the siblings that restart with it are
    /// down.
    RestartIn {
        /// The child.
        node: Node,
        /// The pause.
        pause: Duration,
        /// Its supervisor's restarts, including this one.
        window: Window,
        /// The strategy, which says which siblings restart with it; one-for-one also when another instance of its actor runs.
        strategy: Strategy,
    },
    /// The first start of a spawned actor failed, or a start that an operator ordered: the failure does not count, and the
    /// actor is not started again by itself.
    StartFailed(Node),
    /// This supervisor fails because of its child.
    GaveUp {
        /// The supervisor.
        node: Node,
        /// The child whose failure was the last one.
        child: Node,
        /// The cause.
        why: WhyGaveUp,
    },
    /// This actor, directly under `/`, failed with all actors below it: its messages wait.
    Failed {
        /// The actor.
        node: Node,
        /// The cause.
        why: WhyGaveUp,
        /// The pause before its trial start; none when only an operator starts it.
        trial_in: Option<Duration>,
    },
    /// The actor is no longer failed: a trial start follows, or an operator stopped it.
    Reset(Node),
    /// Ask this parent for a directive about a child that failed.
    RequestDirective {
        /// The parent.
        parent: Node,
        /// Its incarnation.
        parent_incarnation: u64,
        /// The child that failed.
        child: Node,
        /// The incarnation of the child that failed.
        incarnation: u64,
    },
    /// All actors that start at the boot have started.
    Booted,
    /// Nothing runs any more. `true`: because the kernel gave up.
    Over(bool),
}

/// The state of an actor, as operators see it. The order matters: of several instances the first in this list counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Up, with messages in process or waiting. The tree knows no messages: to it, an idle actor runs as well.
    Running,
    /// Up, without work.
    Idle,
    /// Starting, or waiting for a free slot to start.
    Starting,
    /// Stopping for good: it handles waiting messages first.
    Draining,
    /// Stopping.
    Stopping,
    /// Waits before a restart: for a pause to pass, for siblings to stop, or for its parent's directive.
    BackingOff,
    /// Its code refused to start: it is asked again when a message comes, or after the time that it gave.
    Waiting,
    /// It has no instance: the next message makes one.
    Passivated,
    /// It, or the actor under `/` above it, failed too often: its messages wait for a trial start.
    Failed,
    /// Not started yet, or its parent is down.
    Down,
    /// An operator stopped it, or it waits for an operator's first start.
    Stopped,
    /// It ended and is not started again.
    Ended,
}

impl State {
    /// All states, in order.
    pub const ALL: [Self; 12] = [
        Self::Running,
        Self::Idle,
        Self::Starting,
        Self::Draining,
        Self::Stopping,
        Self::BackingOff,
        Self::Waiting,
        Self::Passivated,
        Self::Failed,
        Self::Down,
        Self::Stopped,
        Self::Ended,
    ];

    /// Its name, as in `wit/actor.wit` and everywhere an operator or a program reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::BackingOff => "backing-off",
            Self::Waiting => "waiting",
            Self::Passivated => "passivated",
            Self::Failed => "failed",
            Self::Down => "down",
            Self::Stopped => "stopped",
            Self::Ended => "ended",
        }
    }

    /// Whether it is up: it handles messages as they come.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Idle)
    }

    /// Whether it will change to another state by itself.
    pub fn is_on_its_way(self) -> bool {
        matches!(self, Self::Starting | Self::Draining | Self::Stopping | Self::BackingOff)
    }
}

/// An actor that failed, as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// The time of the failure.
    pub since: Duration,
    /// The cause.
    pub why: WhyGaveUp,
    /// When its trial start is due; none when only an operator starts it.
    pub trial_at: Option<Duration>,
}

/// An actor, as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Its state.
    pub state: State,
    /// Its last incarnation.
    pub incarnation: u64,
    /// Number of restarts because of failures.
    pub restarts: u64,
    /// The failure, if the actor itself is failed, and not only an actor above it.
    pub failed: Option<Failed>,
}
