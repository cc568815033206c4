//! The data between the tree and the task: events, actions, and views for operators.

use std::time::Duration;

pub use crate::words::failure::{Directive, Fault, WhyGaveUp, Window};
use crate::words::restart::{Backoff, RestartKind, StartKind, Strategy, SupervisionSpec};
pub use crate::words::state::State;

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
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own, and they combine freely
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
    /// Whether a dynamic actor belongs to its parent, and not to one of its parent's incarnations: it starts again with its parent, as
    /// stored children and members of families do.
    pub lasting: bool,
    /// Whether it is asked for a [`Directive`] when one of its children fails.
    pub decides_failures: bool,
    /// The time limit of the answer.
    pub directive_timeout: Duration,
    /// The pause before the trial start of an actor directly under `/` that failed; none when only an operator starts it.
    pub cooldown: Option<Duration>,
    /// Whether the play ends when this actor fails; only for one directly under `/`.
    pub required: bool,
    /// Whether each of its children is supervised alone, as those of the kernel are: a child fails, and not this actor. It is then the
    /// head of a family, and never ends by itself.
    pub isolates: bool,
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
    /// A passivated member of a family leaves the memory: it is removed. Only where [`Tree::may_be_released`](super::tree::Tree::may_be_released).
    Released(Node),
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
        /// The failures that count.
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

/// The wait of a node, as far as the tree knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// When its phase began.
    pub since: Duration,
    /// When the phase ends at the latest, or the node is started.
    pub until: Option<Duration>,
    /// The node whose step comes before: a parent that is asked for a directive or is down, or a sibling or child whose turn it is.
    pub waits_for: Option<Node>,
    /// Whether it waits for an operator's first start.
    pub is_new: bool,
}
