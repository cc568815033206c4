//! Actors in plain Rust: the trait that embedders and gateways implement, and the launcher that runs it.
//!
//! A native actor is routed, supervised and blamed as any other. Its code is trusted: the kernel bounds its mailbox, its
//! effects, and the time in which a call waits, but neither its CPU time nor its memory, and code that blocks its thread
//! cannot be stopped.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::actor::template::Config;
use crate::words::crash::panic_message;
use crate::words::failure::Directive;
use crate::words::send_error::{Answer, SendError};
use crate::words::state::State;
use crate::{
    Address, AskError, Behavior, ChildFailed, Crash, CrashReason, Failure, Gate, Ingress, Launcher, Message, Metadata,
    MetricError, Notice, Outcome, Reply, SpawnError, StateError, StopError, TaskDone, TimerError, Turn, WatchError,
};

/// The result of a handler or a hook. Any error converts into a [`Failure::Retry`], so that `?` works.
pub type NativeResult = Result<(), Failure>;

/// An actor in plain Rust, in the shape of the SDK's `Actor`. A panic is a crash: its messages are blamed as those of a
/// component, and a fresh value continues.
///
/// ```
/// use playhouse_kernel::{Message, NativeActor, NativeContext, NativeResult};
///
/// #[derive(Default)]
/// struct Audit { seen: u64 }
///
/// impl NativeActor for Audit {
///     async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
///         self.seen += 1;
///         ctx.reply(format!("{} messages, the last of {} bytes", self.seen, msg.body.len()));
///         Ok(())
///     }
/// }
/// ```
pub trait NativeActor: Send + 'static {
    /// Whether [`NativeActor::decide_to_start`] is asked before each start.
    const GATED: bool = false;
    /// Whether [`NativeActor::task_done`] gets the outcome of each message.
    const CALLS_BACK: bool = false;
    /// Whether [`NativeActor::child_failed`] is asked when a child fails.
    const SUPERVISES: bool = false;
    /// Whether the actor may watch others, whose notices come to [`NativeActor::noticed`].
    const WATCHES: bool = false;

    /// Handles one message. Its sends are delivered when it returns `Ok`, and dropped when it returns an error. The future is
    /// dropped at the actor's `timeout`, which is a crash.
    fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> impl Future<Output = NativeResult> + Send;

    /// Decides whether to start; only with [`NativeActor::GATED`].
    fn decide_to_start(&mut self, ctx: &mut NativeContext) -> impl Future<Output = Result<Gate, Failure>> + Send {
        let _ = ctx;
        async { Ok(Gate::Start) }
    }

    /// Runs before the first message. An error fails the start.
    fn init(&mut self, ctx: &mut NativeContext) -> impl Future<Output = NativeResult> + Send {
        let _ = ctx;
        async { Ok(()) }
    }

    /// Runs after `init`, as the last part of the start: the place to spawn children.
    fn prepare_children(&mut self, ctx: &mut NativeContext) -> impl Future<Output = NativeResult> + Send {
        let _ = ctx;
        async { Ok(()) }
    }

    /// Runs after the last message of an orderly stop. Its sends reach the actors that stop later.
    fn shutdown(&mut self, ctx: &mut NativeContext) -> impl Future<Output = NativeResult> + Send {
        let _ = ctx;
        async { Ok(()) }
    }

    /// Gets the outcomes of messages, once they are final; only with [`NativeActor::CALLS_BACK`].
    fn task_done(&mut self, done: &[TaskDone], ctx: &mut NativeContext) -> impl Future<Output = ()> + Send {
        let _ = (done, ctx);
        async {}
    }

    /// Returns the directive for a child that failed; only with [`NativeActor::SUPERVISES`].
    fn child_failed(
        &mut self,
        failure: &ChildFailed,
        ctx: &mut NativeContext,
    ) -> impl Future<Output = Directive> + Send {
        let _ = (failure, ctx);
        async { Directive::Default }
    }

    /// Gets a notice about an actor that this one watches; only with [`NativeActor::WATCHES`].
    fn noticed(&mut self, notice: Notice, ctx: &mut NativeContext) -> impl Future<Output = NativeResult> + Send {
        let _ = (notice, ctx);
        async { Ok(()) }
    }
}

/// The access of a native actor to the play. Effects are recorded, and carried out when the handler or hook has returned `Ok`. Its
/// methods are many, as each is an effect or a fact of its own.
pub struct NativeContext {
    turn: Turn,
    reply: Option<Reply>,
}

impl fmt::Debug for NativeContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeContext").field("address", self.turn.address()).finish_non_exhaustive()
    }
}

impl NativeContext {
    /// The actor's address.
    pub fn address(&self) -> &Address {
        self.turn.address()
    }

    /// The number of this incarnation, from 1.
    pub fn incarnation(&self) -> u64 {
        self.turn.incarnation()
    }

    /// Sends messages of this actor outside of its turns, from tasks of its own: for gateways. Use it no longer than the
    /// incarnation lives.
    pub fn ingress(&self) -> Ingress {
        self.turn.ingress()
    }

    /// A task that the actor runs beside its turns, for the actor to spawn. A panic in the task is a crash of this incarnation, which
    /// blames no message. The task ends with its owner: an actor keeps it, or its handle, in its value.
    pub fn task<T: Future<Output = ()> + Send + 'static>(&self, task: T) -> impl Future<Output = ()> + Send + use<T> {
        let crashes = self.turn.task_crashes();
        async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                crashes.report(Crash::new(CrashReason::Panic { message: panic_message(&*panic) }));
            }
        }
    }

    /// The sender of the current message; `None` for the outside, and for a sender that is gone.
    pub fn sender(&self) -> Option<Address> {
        self.turn.sender()
    }

    /// Sends a message. `to` is absolute, or relative to this actor.
    pub fn tell(&mut self, to: &str, body: impl AsRef<[u8]>) -> Result<(), SendError> {
        self.turn.tell(to, body.as_ref())
    }

    /// As [`NativeContext::tell`], with metadata.
    pub fn tell_with(&mut self, to: &str, metadata: &Metadata, body: impl AsRef<[u8]>) -> Result<(), SendError> {
        self.turn.tell_with(to, metadata, body.as_ref())
    }

    /// Sends a message to each actor of a group, such as `/a/*` or `/a/**`. Returns their number.
    pub async fn tell_all(&mut self, group: &str, body: impl AsRef<[u8]>) -> Result<usize, SendError> {
        self.turn.tell_all(group, body.as_ref()).await
    }

    /// Answers the current message. A later call replaces the reply; without an asker it is dropped.
    pub fn reply(&mut self, body: impl Into<Vec<u8>>) {
        self.reply = Some(body.into().into());
    }

    /// As [`NativeContext::reply`], with metadata.
    pub fn reply_with(&mut self, metadata: Metadata, body: impl Into<Vec<u8>>) {
        self.reply = Some(Reply { body: body.into(), metadata });
    }

    /// Commits the finished messages, sends at once, and waits for the reply.
    pub async fn ask(&mut self, to: &str, body: impl AsRef<[u8]> + Send, timeout: Duration) -> Answer {
        self.turn.ask(to, body.as_ref(), timeout).await
    }

    /// As [`NativeContext::ask`], with metadata of the question and of the reply.
    pub async fn ask_with(
        &mut self,
        to: &str,
        metadata: &Metadata,
        body: impl AsRef<[u8]> + Send,
        timeout: Duration,
    ) -> Result<Reply, AskError> {
        self.turn.ask_with(to, metadata, body.as_ref(), timeout).await
    }

    /// The time until the asker of the current message stops waiting; `None` when no asker waits.
    pub fn time_left(&self) -> Option<Duration> {
        self.turn.time_left()
    }

    /// Starts a child of one of the plugins that the actor may spawn.
    pub fn spawn(&mut self, name: &str, plugin: &str, config: Config) -> Result<(), SpawnError> {
        self.turn.spawn(name, plugin, config)
    }

    /// Stops a child for good. `child` is its name or its address.
    pub fn stop_child(&mut self, child: &str) -> Result<(), StopError> {
        self.turn.stop(child)
    }

    /// The names of the children that exist, sorted.
    pub fn children(&self) -> Vec<String> {
        self.turn.children()
    }

    /// The address at a path, if an actor there takes messages now.
    pub fn lookup(&self, path: &str) -> Option<Address> {
        self.turn.lookup(path)
    }

    /// The state of the actor at a path; `None` when there is no such actor.
    pub async fn state(&self, path: &str) -> Option<State> {
        self.turn.state(path).await
    }

    /// Sends once, `delay` after the commit. Returns the timer's id.
    pub fn tell_after(&mut self, delay: Duration, to: &str, body: impl AsRef<[u8]>) -> Result<u64, TimerError> {
        self.turn.tell_after(to, body.as_ref(), delay)
    }

    /// Sends after each `period`, until the incarnation ends. Returns the timer's id.
    pub fn tell_every(&mut self, period: Duration, to: &str, body: impl AsRef<[u8]>) -> Result<u64, TimerError> {
        self.turn.tell_every(to, body.as_ref(), period)
    }

    /// Cancels a timer of this incarnation.
    pub fn cancel(&mut self, timer: u64) {
        self.turn.cancel(timer);
    }

    /// Adds `by` to a metric of this actor's own. Its name is one of [`crate::ActorSpec::metrics`].
    pub fn count(&mut self, name: &str, by: u64) -> Result<(), MetricError> {
        self.turn.count(name, by)
    }

    /// Observes a value of a metric of this actor's own. The value is finite and not negative.
    pub fn observe(&mut self, name: &str, value: f64) -> Result<(), MetricError> {
        self.turn.observe(name, value)
    }

    /// The value of a key of this actor's keyed state ([`crate::ActorSpec::state`]); `None` when it has none.
    pub async fn state_value(&mut self, key: &str) -> Result<Option<Arc<[u8]>>, StateError> {
        self.turn.state_value(key).await
    }

    /// Gives a key of the keyed state a value.
    pub async fn set_state(&mut self, key: &str, value: impl AsRef<[u8]> + Send) -> Result<(), StateError> {
        self.turn.set_state(key, value.as_ref()).await
    }

    /// As [`NativeContext::set_state`], and the value goes when it was not set again for this time.
    pub async fn set_state_for(
        &mut self,
        key: &str,
        value: impl AsRef<[u8]> + Send,
        lifetime: Duration,
    ) -> Result<(), StateError> {
        self.turn.set_state_for(key, value.as_ref(), lifetime).await
    }

    /// Removes a key of the keyed state with its value.
    pub fn delete_state(&mut self, key: &str) -> Result<(), StateError> {
        self.turn.delete_state(key)
    }

    /// Keys of the keyed state that begin with `prefix` and come after `after`, in the order of their bytes: at most `most`, and
    /// at most 1000.
    pub async fn state_keys(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StateError> {
        self.turn.state_keys(prefix, after, most).await
    }

    /// Watches an actor for the rest of this incarnation. Returns the watch's id.
    pub fn watch(&mut self, to: &str) -> Result<u64, WatchError> {
        self.turn.watch(to)
    }

    /// Ends a watch of this incarnation, or any of a stored actor.
    pub fn unwatch(&mut self, watch: u64) {
        self.turn.unwatch(watch);
    }
}

/// Any error fails the message, which is handled again later, up to the actor's attempts.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Retry(error.to_string())
    }
}

/// Makes the incarnations of a native actor, each with a fresh value.
pub struct NativeLauncher<A> {
    name: String,
    make: Box<dyn Fn() -> A + Send + Sync>,
}

impl<A: NativeActor> NativeLauncher<A> {
    /// The launcher for the values of `make`, which is called once for each start. Operators see `native:` and the name of
    /// the type as the actor's plugin.
    pub fn new(make: impl Fn() -> A + Send + Sync + 'static) -> Arc<Self> {
        let whole = std::any::type_name::<A>();
        let without_parameters = whole.split('<').next().unwrap_or(whole);
        let name = format!("native:{}", without_parameters.rsplit("::").next().unwrap_or(whole));
        Arc::new(Self { name, make: Box::new(make) })
    }
}

impl<A: NativeActor> Launcher for NativeLauncher<A> {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async move {
            let context = NativeContext { turn, reply: None };
            Ok(Box::new(Native { actor: (self.make)(), context }) as Box<dyn Behavior>)
        })
    }

    fn plugin(&self) -> &str {
        &self.name
    }

    /// The bounds on live instances are made for the memory of components.
    fn takes_slot(&self) -> bool {
        false
    }

    fn supervises(&self) -> bool {
        A::SUPERVISES
    }

    fn gated(&self) -> bool {
        A::GATED
    }

    fn calls_back(&self) -> bool {
        A::CALLS_BACK
    }

    fn watches(&self) -> bool {
        A::WATCHES
    }
}

/// One incarnation of a native actor.
struct Native<A> {
    actor: A,
    context: NativeContext,
}

/// The text of a failed hook.
fn text(failure: Failure) -> String {
    match failure {
        Failure::Reject(text) | Failure::Retry(text) | Failure::BadReply(text) => text,
    }
}

fn failed_start(failure: Failure) -> Crash {
    Crash::new(CrashReason::Start { message: text(failure) })
}

impl<A: NativeActor> Behavior for Native<A> {
    fn turn(&mut self) -> &mut Turn {
        &mut self.context.turn
    }

    fn decide_to_start(&mut self) -> BoxFuture<'_, Result<Gate, Crash>> {
        Box::pin(async { self.actor.decide_to_start(&mut self.context).await.map_err(failed_start) })
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { self.actor.init(&mut self.context).await.map_err(failed_start) })
    }

    fn prepare_children(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { self.actor.prepare_children(&mut self.context).await.map_err(failed_start) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            let Self { actor, context } = self;
            // When the turn is full, the other messages come again after a commit.
            while context.turn.current().is_some() && !context.turn.is_full() {
                context.reply = None;
                let handled = match (context.turn.notice(), context.turn.envelope()) {
                    (Some(notice), _) => actor.noticed(notice, context).await,
                    (None, Some(envelope)) => {
                        let message = context.turn.message(envelope);
                        actor.msg_handler(message, context).await
                    }
                    (None, None) => break,
                };
                let reply = context.reply.take();
                context.turn.finish(match (handled, reply) {
                    (Err(failure), _) => Outcome::Failed(failure),
                    (Ok(()), Some(reply)) if !reply.metadata.is_empty() => Outcome::DoneWith(Box::new(reply)),
                    (Ok(()), reply) => Outcome::Done(reply.map(|reply| reply.body)),
                });
                // Other tasks of this thread run between the messages of a batch whose handlers never wait.
                tokio::task::coop::consume_budget().await;
            }
            Ok(())
        })
    }

    fn child_failed<'a>(&'a mut self, failure: &'a ChildFailed) -> BoxFuture<'a, Result<Directive, Crash>> {
        Box::pin(async { Ok(self.actor.child_failed(failure, &mut self.context).await) })
    }

    fn task_done<'a>(&'a mut self, done: &'a [TaskDone]) -> BoxFuture<'a, Result<(), Crash>> {
        Box::pin(async {
            self.actor.task_done(done, &mut self.context).await;
            Ok(())
        })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            let ended = self.actor.shutdown(&mut self.context).await;
            ended.map_err(|failure| Crash::new(CrashReason::Shutdown { message: text(failure) }))
        })
    }
}
