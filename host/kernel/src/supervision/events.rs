//! The words between the tree and the task: what happened, what is to be done, what people see.

use std::time::Duration;

use crate::message::MessageId;
use crate::plan::{Backoff, RestartKind, StartKind, Strategy, SupervisionSpec};

/// An actor's place in the tree. A place that was freed is used again, but never under the same name: what is
/// said of a node that is gone reaches nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// The kernel's own node.
pub const ROOT: Node = Node { index: 0, generation: 0 };

impl Node {
    /// The place alone: small, dense, and shared with nodes that are gone.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// How many others had this place before.
    pub fn generation(self) -> u32 {
        self.generation
    }
}

/// What the tree knows of an actor from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeSpec {
    /// When it is started again.
    pub kind: RestartKind,
    /// The pause before.
    pub backoff: Backoff,
    /// How it looks after its own children.
    pub supervision: SupervisionSpec,
    /// When it is started first.
    pub start: StartKind,
    /// Its parent spawned it while it ran. A dynamic actor that ended for good is forgotten; one from the plan
    /// keeps its place and comes back with its parent.
    pub dynamic: bool,
    /// It is asked for a [`Directive`] when one of its children fails.
    pub consulted: bool,
    /// How long the answer may take.
    pub consult_timeout: Duration,
    /// The pause before the trial start of an actor directly under `/` that failed; none: only an operator starts it.
    pub cooldown: Option<Duration>,
    /// The play ends when this actor fails; only for one directly under `/`.
    pub required: bool,
}

/// The fault that a crash is blamed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// No message was in hand.
    #[default]
    Actor,
    /// Several messages were in hand: they are handled again one at a time, so that the one to blame is found.
    Batch,
    /// This message alone was in hand.
    Message(MessageId),
}

/// How an incarnation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It never came up.
    FailedStart,
    /// By itself, badly.
    Crashed,
    /// By itself, in peace: it asked to exit with status 0.
    Exited,
    /// Because it was told to.
    Stopped,
    /// By itself, in order, since it had nothing to do: it is passivated. Who has children does not.
    Idle,
    /// Its gate did not let it start: no failure. To be asked again after this time, or only when a message comes.
    Refused(Option<Duration>),
}

/// What a parent wants done about a child that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// As if it were permanent: the strategy applies, and it counts.
    Restart,
    /// It ended for good.
    Stop,
    /// The parent fails, as if it gave up.
    Escalate,
    /// What the child's restart kind says.
    Default,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The kernel starts.
    Boot,
    /// An incarnation is up.
    Started(Node, u64),
    /// An incarnation ended.
    Ended(Node, u64, Ended),
    /// The account of an incarnation that is about to end: it comes right before [`Event::Ended`].
    Account {
        /// Which.
        node: Node,
        /// Messages that its actor handled since the last account.
        handled: u64,
        /// The fault that its crash, if it is one, is blamed on.
        fault: Fault,
    },
    /// The parent spawned a child that [`Tree::add`](super::tree::Tree::add) has just added.
    Spawned(Node),
    /// A parent that starts again spawned a child that it had before.
    Adopted(Node),
    /// The parent stops a child for good.
    Dismiss(Node),
    /// A message came for one that is passivated or waits for its gate.
    Wanted(Node),
    /// The answer to [`Action::Consult`].
    Directive {
        /// Who failed.
        child: Node,
        /// Which incarnation of it.
        incarnation: u64,
        /// What is to be done.
        directive: Directive,
    },
    /// A person stops an actor.
    Halt(Node),
    /// A person starts an actor.
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
    /// More than this, and the supervisor gives up.
    pub intensity: u32,
    /// How long one counts.
    pub period: Duration,
}

/// Why a supervisor failed because of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyGaveUp {
    /// More restarts than its intensity allows.
    TooOften(Window),
    /// The child did not come up with it.
    FailedStart,
    /// It said so itself, asked for a directive.
    Escalated,
    /// So many messages failed one after another, and none was handled.
    NothingHandled(u32),
    /// It did not come up within this time, a period, after its first start.
    NotUp(Duration),
    /// Its trial start ended in another failure before it handled a message.
    TrialFailed,
    /// It is not restarted by its kind, and the play requires it.
    Ended,
    /// Every actor under `/` failed or ended.
    AllFailed,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start an incarnation with this number.
    Start(Node, u64),
    /// Tell an incarnation to stop in order; with `drain`, after its mailbox is empty. May come again, with
    /// `drain`, for one that was told without.
    Stop {
        /// Whose.
        node: Node,
        /// Whether it handles what waits first.
        drain: bool,
    },
    /// End an incarnation now.
    Kill {
        /// Whose.
        node: Node,
        /// Because it did not stop in time.
        late: bool,
    },
    /// It will not run again: its mailbox closes.
    Retire(Node),
    /// It was retired, but its parent starts again, and it will with it: its mailbox opens.
    Revive(Node),
    /// It is gone, and so is its node: it leaves the registry, its mailbox closes. Nothing of it runs any more;
    /// those below it were forgotten before.
    Forget(Node),
    /// It has no incarnation until a message comes: say [`Event::Wanted`] then, and at once if messages wait already.
    Passivated(Node),
    /// Its gate did not let it start: say [`Event::Wanted`] when a message comes that was not there when it was asked.
    Waiting(Node),
    /// This child failed and will be started after this pause, which begins when the siblings that restart with
    /// it are down.
    RestartIn {
        /// Which.
        node: Node,
        /// How long.
        pause: Duration,
        /// Its supervisor's restarts, this one included.
        window: Window,
        /// The siblings that restart with it: with one-for-one none, as when another instance of its actor runs.
        strategy: Strategy,
    },
    /// The first start of a spawned actor failed, or one that an operator ordered: it counts for nothing, and nothing
    /// starts it again by itself.
    StartFailed(Node),
    /// This supervisor fails because of its child.
    GaveUp {
        /// Which.
        node: Node,
        /// Whose failure was the last straw.
        child: Node,
        /// Why.
        why: WhyGaveUp,
    },
    /// This actor, directly under `/`, failed with all below it: its messages wait.
    Failed {
        /// Which.
        node: Node,
        /// Why.
        why: WhyGaveUp,
        /// The pause before its trial start; none: only an operator starts it.
        trial_in: Option<Duration>,
    },
    /// It is failed no more: a trial start follows, or an operator stopped it.
    Reset(Node),
    /// Ask this parent what to do about a child that failed.
    Consult {
        /// Whom.
        parent: Node,
        /// Which incarnation of it.
        parent_incarnation: u64,
        /// Who failed.
        child: Node,
        /// Which incarnation of it failed.
        incarnation: u64,
    },
    /// Everything that comes up at boot is up.
    Booted,
    /// Nothing runs any more. `true`: because the kernel gave up.
    Over(bool),
}

/// What people see of an actor. In order: of several instances the first in this list counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Up, with messages in hand or waiting. The tree knows no messages: to it, who is idle runs as well.
    Running,
    /// Up, with nothing to do.
    Idle,
    /// Coming up, or about to: there is no room for another instance yet.
    Starting,
    /// Going down for good: it handles what waits first.
    Draining,
    /// Going down.
    Stopping,
    /// Waits before a restart: for a pause to pass, for siblings to stop, or for its parent's directive.
    BackingOff,
    /// Its gate did not let it start: it is asked again when a message comes, or when the time passed that it gave.
    Waiting,
    /// It has no instance: the next message makes one.
    Passivated,
    /// It, or the actor under `/` that it is below, failed too often: its messages wait for a trial start.
    Failed,
    /// Not started yet, or its parent is down.
    Down,
    /// A person stopped it, or it waits for a person's first start.
    Stopped,
    /// It ended and is not started again.
    Ended,
}

impl State {
    /// All there are, in their order.
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

    /// Its name, as in `wit/actor.wit` and wherever a person or a machine reads it.
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

    /// It is up: it handles messages as they come.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Idle)
    }

    /// It will be in another state by itself.
    pub fn is_on_its_way(self) -> bool {
        matches!(self, Self::Starting | Self::Draining | Self::Stopping | Self::BackingOff)
    }
}

/// An actor that failed, as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// Since when.
    pub since: Duration,
    /// Why.
    pub why: WhyGaveUp,
    /// When its trial start is due; none: only an operator starts it.
    pub trial_at: Option<Duration>,
}

/// An actor as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Where it stands.
    pub state: State,
    /// Its last incarnation.
    pub incarnation: u64,
    /// How often it was started again because it failed.
    pub restarts: u64,
    /// It failed itself: not only an actor above it.
    pub failed: Option<Failed>,
}
