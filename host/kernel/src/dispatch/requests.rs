//! Requests of actors to the supervision. The supervisor's task, which is above this layer, takes them.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::actor::activity::ActivityGuard;
use crate::supervision::events::Node;
use crate::words::address::Address;
use crate::words::failure::Directive;
use crate::words::message::ActorId;
use crate::words::notice::Watcher;
use crate::words::state::State;

/// A request of an actor, or of a commit.
pub(crate) enum Request {
    /// The state of an actor; none when there is no such actor.
    State(Address, oneshot::Sender<Option<State>>),
    /// A turn of this actor spawned this child, which is in the registry.
    Spawn(ActorId, Arc<Actor>),
    /// A turn spawned a child again that waits for that.
    Adopt(ActorId),
    /// A turn of its parent stops a spawned child.
    Dismiss(ActorId),
    /// A parent's directive about a child that failed.
    Directive {
        child: Node,
        incarnation: u64,
        directive: Directive,
    },
    /// A turn of this run watches an actor; the play is not idle before the watch begins.
    Watch(Watcher, u64, Address, ActivityGuard),
    Unwatch(Watcher, u64),
    /// Nobody is about to send to this member of a family any more.
    Unused(ActorId),
}

/// The supervisor, as actors know it: it takes their requests.
pub(crate) trait Requests: Send + Sync {
    /// Takes a request, after all earlier ones; false when the play is over.
    fn request(&self, request: Request) -> bool;
}
