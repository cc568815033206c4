//! The place of a component's actor, or of the actors that share its instance, and the facts that its file states about the actor.

use std::cell::RefCell;
use std::thread::LocalKey;

use crate::actor::Actor;
use crate::instance::Instance;
use crate::saved::SavedFns;
#[cfg(target_family = "wasm")]
use crate::turn::OwnParts;
#[cfg(target_family = "wasm")]
use crate::wasm::{current_member, exchange_own_parts};

/// The place of the one actor of a component; empty before `init`.
pub struct Slot<A>(RefCell<Option<Instance<A>>>);

/// The places of the actors that share the instance of a component, by their numbers.
pub struct SharedSlot<A>(RefCell<Vec<Option<Box<Member<A>>>>>);

/// One of the actors that share an instance.
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "only a component makes it"))]
struct Member<A> {
    instance: Instance<A>,
    /// The parts of its kernel that last over batches.
    #[cfg(target_family = "wasm")]
    own: OwnParts,
}

/// The places of actors.
pub trait Slots<A> {
    /// Makes the current actor.
    fn start<E>(&self, make: impl FnOnce() -> Result<Instance<A>, E>) -> Result<(), E>;

    /// Calls the current actor; none is there before `init`.
    fn with<T>(&self, call: impl FnOnce(Option<&mut Instance<A>>) -> T) -> T;
}

impl<A> Slot<A> {
    /// An empty place.
    #[expect(clippy::new_without_default, reason = "only a const function makes it")]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }
}

impl<A> Slots<A> for Slot<A> {
    fn start<E>(&self, make: impl FnOnce() -> Result<Instance<A>, E>) -> Result<(), E> {
        let instance = make()?;
        self.0.replace(Some(instance));
        Ok(())
    }

    fn with<T>(&self, call: impl FnOnce(Option<&mut Instance<A>>) -> T) -> T {
        call(self.0.borrow_mut().as_mut())
    }
}

impl<A> SharedSlot<A> {
    /// Places without any actor.
    #[expect(clippy::new_without_default, reason = "only a const function makes it")]
    pub const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    /// Drops the actor with this number.
    pub fn forget(&self, number: u32) {
        let forgotten = self.0.borrow_mut().get_mut(number as usize).and_then(Option::take);
        // Its destructor runs here.
        drop(forgotten);
    }
}

#[cfg(target_family = "wasm")]
impl<A> Slots<A> for SharedSlot<A> {
    fn start<E>(&self, make: impl FnOnce() -> Result<Instance<A>, E>) -> Result<(), E> {
        let number = current_member() as usize;
        let mut own = OwnParts::new();
        exchange_own_parts(&mut own);
        let made = make();
        exchange_own_parts(&mut own);
        let mut members = self.0.borrow_mut();
        if members.len() <= number {
            members.resize_with(number + 1, || None);
        }
        members[number] = Some(Box::new(Member { instance: made?, own }));
        Ok(())
    }

    fn with<T>(&self, call: impl FnOnce(Option<&mut Instance<A>>) -> T) -> T {
        let number = current_member() as usize;
        let mut members = self.0.borrow_mut();
        let Some(Member { instance, own }) = members.get_mut(number).and_then(Option::as_deref_mut) else {
            return call(None);
        };
        exchange_own_parts(own);
        let done = call(Some(instance));
        exchange_own_parts(own);
        done
    }
}

/// An actor with a static slot, which only a macro in its own crate can declare.
pub trait Exported: Actor {
    /// The kind of its slot.
    type Slot: 'static;

    /// The slot.
    fn slot() -> &'static LocalKey<Self::Slot>;

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
