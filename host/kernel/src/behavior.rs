//! The door to whatever runs an actor's code: WebAssembly in the sandbox, plain Rust in tests. The kernel
//! knows no more of it than this.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::callback::TaskDone;
use crate::consult::ChildFailed;
use crate::crash::Crash;
use crate::hand::Hand;
use crate::supervision::events::Directive;

/// What one incarnation may use, beyond what the kernel itself measures.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// CPU time for one message.
    pub cpu: Duration,
    /// Open resources of the host's: streams, files, pollables ...
    pub resources: usize,
    /// Lines on its standard error, each second.
    pub log_lines: u64,
    /// Bytes of those.
    pub log_bytes: u64,
    /// Bytes of an outgoing request without its body.
    pub request_head_bytes: u64,
    /// What it may use of the world outside, none for no bound. The kernel hands this on from a parent to what it spawns, and
    /// knows nothing of what is in it.
    pub grants: Option<Arc<dyn Any + Send + Sync>>,
    /// The accounts of an actor and all below it together; none where nothing is counted. Handed on as the grants are.
    pub accounts: Option<Arc<dyn Any + Send + Sync>>,
}

impl Bounds {
    /// No bounds at all.
    pub const NONE: Self = Self {
        memory_bytes: u64::MAX,
        cpu: Duration::MAX,
        resources: usize::MAX,
        log_lines: u64::MAX,
        log_bytes: u64::MAX,
        request_head_bytes: u64::MAX,
        grants: None,
        accounts: None,
    };
}

/// How much of a limit on a subtree is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The limit's key below `limits.subtree`.
    pub key: &'static str,
    /// How much is used.
    pub used: u64,
    /// How much there is.
    pub most: u64,
}

/// What an actor's code says to its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It starts.
    Start,
    /// Not now: its messages wait. It is asked again when a message comes, and after this time if there is one; never
    /// sooner than its backoff allows.
    Wait(Option<Duration>),
}

/// Makes the incarnations of one actor.
pub trait Launcher: Send + Sync + 'static {
    /// Makes a fresh incarnation around `hand`. It has not run any of the actor's code when this returns.
    fn launch(&self, hand: Hand) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>>;

    /// What runs here, as shown to people: the plugin's name.
    fn plugin(&self) -> &str;

    /// What each incarnation may use; its spawned children get no more.
    fn bounds(&self) -> Bounds {
        Bounds::NONE
    }

    /// The use, by the actor and all below it, of those limits on its subtree that the kernel does not count.
    fn subtree_usage(&self) -> Vec<Usage> {
        Vec::new()
    }

    /// Whether [`Behavior::child_failed`] is asked when a child fails. Otherwise the restart kinds and the window decide at once.
    fn supervises(&self) -> bool {
        false
    }

    /// Whether [`Behavior::decide_to_start`] is asked before each start. Otherwise it starts.
    fn gated(&self) -> bool {
        false
    }

    /// Whether [`Behavior::task_done`] is told what came of each message.
    fn calls_back(&self) -> bool {
        false
    }

    /// Whether its incarnations look for [`Hand::notice`] before they handle a message; otherwise they may not watch.
    fn watches(&self) -> bool {
        false
    }
}

/// One incarnation. Any of its futures may be dropped half-way (a timeout, a kill); then, as after a crash,
/// only [`Behavior::hand`] is called any more.
pub trait Behavior: Send {
    /// The messages in hand and what came of them.
    fn hand(&mut self) -> &mut Hand;

    /// Whether to start at all: asked before `init`, and only where [`Launcher::gated`]. After a [`Gate::Wait`] only this
    /// incarnation's end follows, and what it sent is dropped; with [`Gate::Start`] it is committed. An error is a failed start.
    fn decide_to_start(&mut self) -> BoxFuture<'_, Result<Gate, Crash>> {
        Box::pin(async { Ok(Gate::Start) })
    }

    /// Before the first message. What it sends is committed when it returns `Ok`.
    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>>;

    /// After `init`, as the last part of the start: the place to spawn children.
    fn prepare_children(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    /// Handles the messages in hand: for each one from [`Hand::current`] on, its sends, then
    /// [`Hand::finish`]. It may return early; the rest goes back to the front of the mailbox.
    /// An error, or a panic, is a crash: nothing that is not yet committed happened.
    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>>;

    /// A child failed: what is to be done? Between two calls, and only where [`Launcher::supervises`]; an error is a crash. What
    /// it sends is committed after the answer was given. It is not asked any more once its timeout has passed since the
    /// failure: then the answer is [`Directive::Default`].
    fn child_failed<'a>(&'a mut self, failure: &'a ChildFailed) -> BoxFuture<'a, Result<Directive, Crash>> {
        let _ = failure;
        Box::pin(async { Ok(Directive::Default) })
    }

    /// What came of messages, in the order in which they ended. Between two calls, after the commit that made it so, or first of all
    /// in the incarnation after a crash; and only where [`Launcher::calls_back`]. It has the time of so many messages. An error is a
    /// crash that no message is blamed for: then the next incarnation is told each of them alone, and one that crashes it alone
    /// is not told again. What it sends is committed when it returns.
    fn task_done<'a>(&'a mut self, done: &'a [TaskDone]) -> BoxFuture<'a, Result<(), Crash>> {
        let _ = done;
        Box::pin(async { Ok(()) })
    }

    /// After the last message of an orderly stop. What it sends is committed when it returns `Ok`.
    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>>;
}
