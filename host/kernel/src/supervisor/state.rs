//! The state of the supervisor's task: the tree, the role of each node, and those that wait for an outcome.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustc_hash::FxBuildHasher;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::activity::ActivityGuard;
use crate::dispatch::Shared;
use crate::supervision::events::Node;
use crate::supervision::tree::Tree;
use crate::supervisor::command::{Commands, Stage};
use crate::supervisor::role::Role;
use crate::supervisor::start_error::{StartError, StartedActor};
use crate::supervisor::verdicts::Verdicts;
use crate::supervisor::watch_table::Watches;
use crate::words::address::Address;
use crate::words::crash::CrashReport;
use crate::words::message::ActorId;
use crate::words::state::State;

/// The task that carries out the decisions of the tree. Its many fields and methods belong to one task: each event changes
/// several of them together.
pub(crate) struct Supervisor {
    pub(super) shared: Arc<Shared>,
    pub(super) tree: Tree,
    /// The role at each node, by the node's index; none at the kernel's.
    pub(super) roles: Vec<Option<Role>>,
    /// The nodes of each actor, one for each instance.
    pub(super) nodes: HashMap<ActorId, Vec<Node>, FxBuildHasher>,
    pub(super) began: Instant,
    pub(super) commands: Commands,
    pub(super) stage: watch::Sender<Stage>,
    pub(super) verdicts: Verdicts,
    pub(super) watches: Watches,
    /// The failures that made the kernel give up.
    pub(super) gave_up: Vec<Arc<CrashReport>>,
    /// Nodes that were to sleep, but have messages.
    pub(super) wanted: Vec<Node>,
    /// Members of families that may leave the memory.
    pub(super) resting: Vec<Node>,
    /// Starts that operators wait for.
    pub(super) ordered: Vec<OrderedStart>,
    /// Actors under `/` whose first start failed: the play is not idle before they have started or are given up.
    pub(super) coming_up: HashMap<Node, ActivityGuard, FxBuildHasher>,
    /// Number of messages that each actor had handled at its last account.
    pub(super) accounted: HashMap<ActorId, u64, FxBuildHasher>,
    /// Incarnations that begin after all actions of the step, so that they see a signal that the same step sent.
    pub(super) beginning: Vec<BoxFuture<'static, ()>>,
    /// Keeps the play from being idle until everything that the current crash causes has begun.
    pub(super) pending: Option<ActivityGuard>,
}

/// A start that an operator waits for.
pub(super) struct OrderedStart {
    pub(super) address: Address,
    pub(super) nodes: Vec<Node>,
    pub(super) before: State,
    pub(super) answer: oneshot::Sender<Result<StartedActor, StartError>>,
}

/// The state of an actor whose instances have these states.
pub(super) fn furthest_up(actor: &Actor, states: impl Iterator<Item = State>) -> State {
    match states.min().unwrap_or(State::Down) {
        state if state.is_up() => {
            if actor.is_busy() {
                State::Running
            } else {
                State::Idle
            }
        }
        state => state,
    }
}

impl Supervisor {
    pub(super) fn role(&self, node: Node) -> &Role {
        self.roles[node.index()].as_ref().expect("the kernel gets no actions of its own")
    }

    /// The role of a node; none if the node was removed.
    pub(super) fn role_mut(&mut self, node: Node) -> Option<&mut Role> {
        self.roles[node.index()].as_mut().filter(|role| role.node == node)
    }

    pub(super) fn nodes_at(&self, address: &Address) -> &[Node] {
        let actor = self.shared.routing.registry.occupant(address).filter(|actor| !actor.is_head());
        actor.and_then(|actor| self.nodes.get(&actor.id)).map_or(&[], Vec::as_slice)
    }

    /// The time of the tree. It stands still while the host is suspended.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.suspended())
    }

    pub(super) fn suspended(&self) -> Duration {
        self.shared.clock.suspended(Instant::now())
    }

    pub(super) fn state_at(&self, address: &Address) -> Option<State> {
        let actor = self.shared.routing.registry.occupant(address).filter(|actor| !actor.is_head())?;
        let nodes = self.nodes.get(&actor.id)?;
        let states = nodes.iter().filter_map(|&node| Some(self.tree.view(node)?.state));
        Some(furthest_up(&actor, states))
    }
}
