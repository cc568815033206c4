//! The interface to an actor's code: WebAssembly in the sandbox, plain Rust in tests. The kernel knows nothing else about
//! that code.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::actor::code::{Code, Facts};
use crate::actor::directive_request::ChildFailed;
use crate::actor::reports::TaskDone;
use crate::turn::Turn;
use crate::words::crash::Crash;
use crate::words::failure::Directive;
use crate::words::limits::{Bounds, Usage};
use crate::words::resource_use::Resources;

/// The decision of an actor's code about its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The actor starts.
    Start,
    /// The actor does not start now, and its messages wait. It is asked again when a message comes, and after this time if
    /// one is given; never sooner than its backoff allows.
    Wait(Option<Duration>),
}

/// Makes the incarnations of one actor.
pub trait Launcher: Send + Sync + 'static {
    /// Makes a new incarnation around `turn`. None of the actor's code has run when this returns.
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>>;

    /// The plugin's name, as operators see it.
    fn plugin(&self) -> &str;

    /// The limits of each incarnation. Its spawned children get no more.
    fn bounds(&self) -> Bounds {
        Bounds::NONE
    }

    /// The use, by the actor and its descendants, of the limits on its subtree that the kernel does not count.
    fn subtree_usage(&self) -> Vec<Usage> {
        Vec::new()
    }

    /// Whether an incarnation counts as a live instance, for [`crate::MaxInstances`] and for the instances of subtrees.
    fn takes_slot(&self) -> bool {
        true
    }

    /// The number of the instance that the actor's code shares with that of other actors; `None` for an instance of its own. Only one
    /// of these actors runs at a time, until its call returns: while one waits for the answer to an ask, all wait. The number is unique
    /// in the process.
    fn shared_instance(&self) -> Option<u64> {
        None
    }

    /// The counts of that instance which are no single actor's, as its memory; `None` for an instance of its own.
    fn shared_use(&self) -> Option<Resources> {
        None
    }

    /// Whether [`Behavior::child_failed`] is asked when a child fails. Otherwise the restart kinds and the restart window
    /// decide at once.
    fn supervises(&self) -> bool {
        false
    }

    /// Whether [`Behavior::decide_to_start`] is asked before each start. Otherwise the actor starts.
    fn gated(&self) -> bool {
        false
    }

    /// Whether [`Behavior::task_done`] gets the outcome of each message.
    fn calls_back(&self) -> bool {
        false
    }

    /// Whether its incarnations read [`Turn::notice`] before they handle a message. Otherwise they may not watch.
    fn watches(&self) -> bool {
        false
    }
}

/// One incarnation. Any of its futures may be dropped before the end (a timeout, a kill). After that, as after a crash, only
/// [`Behavior::turn`] is called.
pub trait Behavior: Send {
    /// The turn: its messages, with their recorded effects and outcomes.
    fn turn(&mut self) -> &mut Turn;

    /// Decides whether to start. Called before `init`, and only where [`Launcher::gated`]. After a [`Gate::Wait`] the
    /// incarnation ends, and its sends are dropped; with [`Gate::Start`] they are committed. An error is a failed start.
    fn decide_to_start(&mut self) -> BoxFuture<'_, Result<Gate, Crash>> {
        Box::pin(async { Ok(Gate::Start) })
    }

    /// Called before the first message. Its sends are committed when it returns `Ok`.
    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>>;

    /// Called after `init`, as the last part of the start: the place to spawn children.
    fn prepare_children(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    /// Handles the messages of the turn: for each one from [`Turn::current`] on, its sends, then [`Turn::finish`]. An early
    /// return is allowed; the remaining messages go back to the front of the mailbox. An error, or a panic, is a crash:
    /// everything that is not yet committed is dropped.
    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>>;

    /// Returns the directive for a child that failed. Called between two calls, and only where [`Launcher::supervises`]; an
    /// error is a crash. Its sends are committed after the directive was given. It is not called once its timeout has passed
    /// since the failure: then the directive is [`Directive::Default`].
    fn child_failed<'a>(&'a mut self, failure: &'a ChildFailed) -> BoxFuture<'a, Result<Directive, Crash>> {
        let _ = failure;
        Box::pin(async { Ok(Directive::Default) })
    }

    /// Gets the outcomes of messages, in the order in which they ended. Called between two calls, after the commit that made
    /// the outcomes final, or first of all in the incarnation after a crash; and only where [`Launcher::calls_back`]. Its
    /// time limit is that of `done.len()` messages. An error is a crash that no message is blamed for: then the next
    /// incarnation gets each report alone, and a report that alone causes a crash is not repeated. Its sends are committed
    /// when it returns.
    fn task_done<'a>(&'a mut self, done: &'a [TaskDone]) -> BoxFuture<'a, Result<(), Crash>> {
        let _ = done;
        Box::pin(async { Ok(()) })
    }

    /// Called after the last message of an orderly stop. Its sends are committed when it returns `Ok`.
    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>>;
}

/// A launcher as the code of an actor.
struct Launchable(Arc<dyn Launcher>);

impl Facts for Launchable {
    fn plugin(&self) -> &str {
        self.0.plugin()
    }

    fn bounds(&self) -> Bounds {
        self.0.bounds()
    }

    fn subtree_usage(&self) -> Vec<Usage> {
        self.0.subtree_usage()
    }

    fn takes_slot(&self) -> bool {
        self.0.takes_slot()
    }

    fn shared_instance(&self) -> Option<u64> {
        self.0.shared_instance()
    }

    fn shared_use(&self) -> Option<Resources> {
        self.0.shared_use()
    }

    fn supervises(&self) -> bool {
        self.0.supervises()
    }

    fn calls_back(&self) -> bool {
        self.0.calls_back()
    }

    fn watches(&self) -> bool {
        self.0.watches()
    }
}

impl From<Arc<dyn Launcher>> for Code {
    fn from(launcher: Arc<dyn Launcher>) -> Self {
        Self::new(Launchable(launcher))
    }
}

impl<L: Launcher> From<Arc<L>> for Code {
    fn from(launcher: Arc<L>) -> Self {
        Self::new(Launchable(launcher))
    }
}

/// The launcher that this code was made from.
pub(crate) fn launcher_of(code: &Code) -> &Arc<dyn Launcher> {
    &code.open::<Launchable>().expect("code is made from a launcher, in this file alone").0
}
