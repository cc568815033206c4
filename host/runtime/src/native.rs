//! Native actors of a play: a Rust type at an address, with its settings.

use playhouse_kernel::{ActorSpec, Address, Code, NativeActor, NativeLauncher};

/// The place of a native actor among the starts. Actors stop in the reverse order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NativeOrder {
    /// Before the actors of the manifest, so that it stops after them and gets their last messages. A native actor below an actor
    /// of the manifest starts after all of them.
    #[default]
    First,
    /// After the actors of the manifest, so that it stops before them: the order for an actor that sends into the play.
    Last,
}

type Configure = Box<dyn FnOnce(&mut ActorSpec) + Send>;

/// A native actor that is to be placed at an address of a play.
pub struct Native {
    code: Code,
    order: NativeOrder,
    configure: Vec<Configure>,
}

impl Native {
    /// An actor whose incarnations begin with the values of `make`, which is called at each start: the first one, and each one
    /// after a crash or a stop.
    pub fn new<A: NativeActor>(make: impl Fn() -> A + Send + Sync + 'static) -> Self {
        Self { code: NativeLauncher::new(make).into(), order: NativeOrder::First, configure: Vec::new() }
    }

    /// The place among the starts.
    #[must_use]
    pub fn starts(self, order: NativeOrder) -> Self {
        Self { order, ..self }
    }

    /// Changes the actor's settings: mailbox, restarts, timeouts, sends, spawns. The defaults are those of the manifest's actors,
    /// except that a native actor may send to every actor.
    #[must_use]
    pub fn with(mut self, configure: impl FnOnce(&mut ActorSpec) + Send + 'static) -> Self {
        self.configure.push(Box::new(configure));
        self
    }

    pub(crate) fn order(&self) -> NativeOrder {
        self.order
    }

    /// The actor's part of the plan.
    pub(crate) fn spec(self, address: Address) -> ActorSpec {
        let mut spec = ActorSpec::new(address.clone(), self.code.clone());
        spec.grants.sends_below = vec![Address::root()];
        for configure in self.configure {
            configure(&mut spec);
        }
        ActorSpec { address, code: self.code, ..spec }
    }
}
