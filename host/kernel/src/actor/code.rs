//! The code of an actor as the layers below the incarnation know it: facts, and something that only the incarnation's layer
//! opens. The interface to the code itself names the turn, and a turn names actors: without this file they would be a circle.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::words::limits::{Bounds, Usage};
use crate::words::resource_use::Resources;

/// The code of an actor. Made from an `Arc` of a [`crate::Launcher`].
#[derive(Clone)]
pub struct Code(Arc<dyn Facts>);

/// The facts about an actor's code that the layers below its incarnations need; see [`crate::Launcher`].
pub(crate) trait Facts: Any + Send + Sync {
    fn plugin(&self) -> &str;
    fn bounds(&self) -> Bounds;
    fn subtree_usage(&self) -> Vec<Usage>;
    fn takes_slot(&self) -> bool;
    fn shared_instance(&self) -> Option<u64>;
    fn shared_use(&self) -> Option<Resources>;
    fn supervises(&self) -> bool;
    fn calls_back(&self) -> bool;
    fn watches(&self) -> bool;
}

impl Code {
    pub(crate) fn new(facts: impl Facts) -> Self {
        Self(Arc::new(facts))
    }

    /// The facts as the type from which this was made; none if it was another one.
    pub(crate) fn open<T: Facts>(&self) -> Option<&T> {
        let facts: &dyn Any = &*self.0;
        facts.downcast_ref()
    }

    /// The plugin's name, as operators see it.
    pub fn plugin(&self) -> &str {
        self.0.plugin()
    }

    /// The limits of each incarnation. Its spawned children get no more.
    pub fn bounds(&self) -> Bounds {
        self.0.bounds()
    }

    /// The use of the limits on the actor's subtree that the kernel does not count.
    pub(crate) fn subtree_usage(&self) -> Vec<Usage> {
        self.0.subtree_usage()
    }

    /// Whether an incarnation counts as a live instance.
    pub(crate) fn takes_slot(&self) -> bool {
        self.0.takes_slot()
    }

    /// The instance that the code shares with that of other actors.
    pub(crate) fn shared_instance(&self) -> Option<u64> {
        self.0.shared_instance()
    }

    /// The counts of that instance which are no single actor's.
    pub(crate) fn shared_use(&self) -> Option<Resources> {
        self.0.shared_use()
    }

    /// Whether the code is asked for a directive when a child fails.
    pub(crate) fn supervises(&self) -> bool {
        self.0.supervises()
    }

    /// Whether the code gets the outcome of each message.
    pub(crate) fn calls_back(&self) -> bool {
        self.0.calls_back()
    }

    /// Whether the code reads notices.
    pub(crate) fn watches(&self) -> bool {
        self.0.watches()
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Code").field(&self.plugin()).finish()
    }
}
