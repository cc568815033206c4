//! The static slot of a component's one actor, and the facts that its file states about the actor.

use std::cell::RefCell;
use std::thread::LocalKey;

use crate::actor::Actor;
use crate::instance::Instance;
use crate::saved::SavedFns;

/// The slot for the one actor of a component; empty before `init`.
pub type Slot<A> = RefCell<Option<Instance<A>>>;

/// An actor with a static slot, which only a macro in its own crate can declare.
pub trait Exported: Actor {
    /// The slot.
    fn slot() -> &'static LocalKey<Slot<Self>>;

    /// The functions that keep the actor's value, if it is saved.
    fn saved() -> Option<SavedFns<Self>> {
        None
    }
}

/// The facts about an actor type in its component's custom section `playhouse-actor`: whether it keeps state
/// between messages. `playhouse check` warns when an actor with state runs in several instances.
pub const fn facts<A>() -> [u8; 10] {
    if size_of::<A>() == 0 { *b"state=none" } else { *b"state=some" }
}
