//! A test harness for one actor: the rules of the host for a handler and its hooks, in native code, without host or wasm.
//!
//! ```
//! use playhouse_sdk::testing::Stage;
//! use playhouse_sdk::{Actor, Context, Failure, Message, Result, reject};
//!
//! #[derive(Default)]
//! struct Waiter { kitchen: String }
//!
//! impl Actor for Waiter {
//!     fn init(&mut self, ctx: &mut Context) -> Result {
//!         self.kitchen = ctx.config("kitchen").unwrap_or_else(|| ctx.sibling("kitchen"));
//!         Ok(())
//!     }
//!
//!     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
//!         ctx.tell(&self.kitchen, msg.body())?;
//!         match msg.text()? {
//!             "fugu" => Err(reject("nobody here can cook that")),
//!             dish => Ok(ctx.reply(format!("one {dish}, coming"))),
//!         }
//!     }
//! }
//!
//! let mut stage = Stage::<Waiter>::setup().address("/bar/waiter").start()?;
//!
//! assert_eq!(stage.ask("soup")?, b"one soup, coming");
//! assert_eq!(stage.tell("fugu"), Err(Failure::Reject("nobody here can cook that".into())));
//! assert_eq!(stage.sent(), [("/bar/kitchen", "soup")]); // the sends of the failed message are dropped
//! # Ok::<(), playhouse_sdk::Error>(())
//! ```

mod fake;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::context::whole_millis;
use crate::instance::Instance;
use crate::{
    Actor, ActorState, AskError, Callback, ChildFailed, Decision, Directive, Ended, Envelope, Failure, Gate, Message,
    Notice, Result, SendError, SpawnError, Supervisor, TaskDone, TimerId, WatchId, Watcher,
};
use fake::{FakeKernel, check_address};

/// A running actor, and all its sends so far.
pub struct Stage<A> {
    instance: Instance<A>,
    /// Reports the outcome of a message to the actor, if it has a callback.
    callback: Option<fn(&mut Instance<A>, TaskDone)>,
    kernel: Rc<FakeKernel>,
    attempts: u32,
}

impl<A: Actor> Stage<A> {
    /// The settings before the start. The actor's address is `/actor` by default.
    pub fn setup() -> Setup<A> {
        Setup { kernel: FakeKernel::new(), callback: None, attempts: 3 }
    }

    /// Starts the actor with the default settings: runs its `init` and its `prepare_children`.
    pub fn start() -> Result<Self> {
        Self::setup().start()
    }

    /// Delivers a message from outside that is not an ask.
    pub fn tell(&mut self, body: impl Into<Vec<u8>>) -> Result<(), Failure> {
        self.deliver(Envelope::default(), body).map(drop)
    }

    /// Delivers a message from outside and returns the reply, as an asker on the host would see it: a message that the handler
    /// rejects is [`AskError::Rejected`]; one that it would retry is [`AskError::RetriesSpent`], since this is its one attempt.
    pub fn ask(&mut self, body: impl Into<Vec<u8>>) -> Result<Vec<u8>, AskError> {
        let envelope = Envelope { asked: true, ..Envelope::default() };
        match self.deliver(envelope, body) {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(AskError::NoReply),
            Err(Failure::Reject(reason)) => Err(AskError::Rejected(reason)),
            Err(Failure::Retry(reason)) => Err(AskError::RetriesSpent(reason)),
        }
    }

    /// Delivers a message in an envelope of your own; returns the reply if the envelope is of an ask.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Envelope, Message, Result, testing::Stage};
    /// # #[derive(Default)] struct Last;
    /// impl Actor for Last {
    ///     fn msg_handler(&mut self, _: Message, ctx: &mut Context) -> Result {
    ///         match ctx.envelope() {
    ///             Some(envelope) if envelope.attempt == 3 => Ok(ctx.tell("/complaints", "third attempt")?),
    ///             _ => Ok(()),
    ///         }
    ///     }
    /// }
    ///
    /// let mut stage = Stage::<Last>::start()?;
    /// stage.deliver(Envelope { attempt: 3, ..Envelope::default() }, "order")?;
    /// assert_eq!(stage.sent(), [("/complaints", "third attempt")]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn deliver(&mut self, envelope: Envelope, body: impl Into<Vec<u8>>) -> Result<Option<Vec<u8>>, Failure> {
        let (id, attempt, asked) = (envelope.id.clone(), envelope.attempt, envelope.asked);
        self.kernel.envelope.replace(Some(envelope));
        let handled = self.instance.handle(Message::new(body));
        self.kernel.end_turn(handled.is_ok());
        let replied = asked && matches!(handled, Ok(Some(_)));
        self.call_back(id, attempt, handled.as_ref().map(|_| if replied { Ended::Replied } else { Ended::Done }));
        handled.map(|reply| reply.filter(|_| asked))
    }

    fn call_back(&mut self, id: String, attempt: u32, handled: Result<Ended, &Failure>) {
        let Some(callback) = self.callback else { return };
        let (ended, dead_letter) = match handled {
            Ok(ended) => (ended, false),
            Err(failure) => {
                let last = matches!(failure, Failure::Reject(_)) || attempt >= self.attempts;
                (Ended::Failed(failure.clone()), last)
            }
        };
        callback(&mut self.instance, TaskDone { id, attempt, ended, dead_letter });
        self.kernel.end_turn(true);
    }

    /// Runs the `shutdown` hook, as an orderly stop and passivation do.
    pub fn shutdown(&mut self) -> Result {
        let done = self.instance.shutdown();
        self.kernel.end_turn(done.is_ok());
        done
    }

    /// Leaves the actor without a message for this time: timers that come due send their messages. Then the actor is passivated,
    /// unless it has a timer, a watch or a child: its `shutdown` hook runs, and this incarnation ends. Returns the setup of the
    /// next incarnation, with all sends of this one; or the actor itself, if it was not passivated.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Message, Result, testing::Stage};
    /// # use std::time::Duration;
    /// #[derive(Default)]
    /// struct Tally(u64);
    ///
    /// impl Actor for Tally {
    ///     fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result {
    ///         self.0 += 1;
    ///         Ok(())
    ///     }
    ///
    ///     fn shutdown(&mut self, ctx: &mut Context) -> Result {
    ///         Ok(ctx.tell("/ledger", self.0.to_string())?)
    ///     }
    /// }
    ///
    /// let mut stage = Stage::<Tally>::start()?;
    /// stage.tell("one")?;
    /// let next = stage.idle(Duration::from_secs(60)).ok().expect("no timer, watch or child");
    /// let stage = next.start()?;
    /// assert_eq!(stage.sent(), [("/ledger", "1")]);
    /// assert_eq!(stage.actor().0, 0, "a new incarnation");
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn idle(mut self, time: Duration) -> Result<Setup<A>, Self> {
        self.advance(time);
        if self.kernel.is_attached() {
            return Err(self);
        }
        // The incarnation ends also if the hook fails.
        let _ = self.shutdown();
        let Self { instance, kernel, callback, attempts } = self;
        drop(instance);
        let mut kernel = Rc::try_unwrap(kernel).ok().expect("only the actor held it, and it was dropped");
        kernel.incarnation += 1;
        Ok(Setup { kernel, callback, attempts })
    }

    /// Passes a failed child to the actor; returns its directive.
    pub fn child_failed(&mut self, failure: ChildFailed) -> Directive
    where
        A: Supervisor,
    {
        let directive = self.instance.child_failed(failure);
        self.kernel.end_turn(true);
        directive
    }

    /// Reports the outcome of a message to the actor, in addition to the outcomes that the harness reports itself: for example of
    /// a message that crashed an earlier incarnation.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Callback, Context, Ended, Message, Result, TaskDone, testing::Stage};
    /// # #[derive(Default)] struct Clerk;
    /// # impl Actor for Clerk { fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) } }
    /// impl Callback for Clerk {
    ///     fn task_done(&mut self, task: TaskDone, ctx: &mut Context) -> Result {
    ///         match task.ended {
    ///             Ended::Crashed { kind, .. } => Ok(ctx.tell("/log", kind)?),
    ///             _ => Ok(()),
    ///         }
    ///     }
    /// }
    ///
    /// let mut stage = Stage::<Clerk>::setup().incarnation(2).calls_back().start()?;
    /// stage.task_done(TaskDone::new("5d1f", Ended::Crashed { kind: "panic".into(), reason: "panicked".into() }));
    /// assert_eq!(stage.sent(), [("/log", "panic")]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn task_done(&mut self, task: TaskDone)
    where
        A: Callback,
    {
        self.instance.task_done(task);
        self.kernel.end_turn(true);
    }

    /// Delivers a notice about a watched actor.
    pub fn notice(&mut self, notice: Notice) -> Result<(), Failure>
    where
        A: Watcher,
    {
        let handled = self.instance.noticed(notice);
        self.kernel.end_turn(handled.is_ok());
        self.call_back(Envelope::default().id, 1, handled.as_ref().map(|()| Ended::Done));
        handled
    }

    /// The watches that are set, with the absolute addresses of the watched, in the order in which they were set.
    pub fn watched(&self) -> Vec<(WatchId, String)> {
        self.kernel.watched.borrow().iter().map(|(watch, to)| (WatchId(*watch), to.clone())).collect()
    }

    /// Lets time pass: timers that come due send their messages, in order, which are in [`sent`](Self::sent).
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Message, Result, testing::Stage};
    /// # use std::time::Duration;
    /// # #[derive(Default)] struct Cook;
    /// impl Actor for Cook {
    ///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
    ///         ctx.tell_after(Duration::from_mins(5), "/waiter", msg.body())?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut stage = Stage::<Cook>::start()?;
    /// stage.tell("soup")?;
    /// stage.advance(Duration::from_mins(4));
    /// assert!(stage.sent().is_empty());
    /// stage.advance(Duration::from_mins(1));
    /// assert_eq!(stage.sent(), [("/waiter", "soup")]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn advance(&mut self, time: Duration) {
        self.kernel.advance(whole_millis(time));
    }

    /// The timers that are set, by due time.
    pub fn timers(&self) -> Vec<TimerId> {
        self.kernel.timers()
    }

    /// The children that the actor spawned and has not stopped, in the order of the spawns.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Message, Result, testing::Stage};
    /// # #[derive(Default)] struct Team;
    /// impl Actor for Team {
    ///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
    ///         match msg.text()?.strip_prefix('-') {
    ///             Some(name) => Ok(ctx.stop_child(name)?),
    ///             None => Ok(ctx.spawn(msg.text()?, "worker")?),
    ///         }
    ///     }
    /// }
    ///
    /// let mut stage = Stage::<Team>::start()?;
    /// stage.tell("ann")?;
    /// stage.tell("bob")?;
    /// stage.tell("-ann")?;
    /// assert_eq!(stage.children(), [("bob", "worker")]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn children(&self) -> Vec<Child> {
        self.kernel.spawned.borrow().clone()
    }

    /// The actor's state.
    pub fn actor(&self) -> &A {
        &self.instance.actor
    }

    /// All messages that were sent and delivered, from `init` on.
    pub fn sent(&self) -> Vec<Sent> {
        self.kernel.sent.borrow().clone()
    }

    /// All asks, from `init` on. An ask is sent at once, so a failure does not revert it.
    pub fn asked(&self) -> Vec<Sent> {
        self.kernel.asked.borrow().clone()
    }
}

/// The settings before the start of an actor.
///
/// ```
/// # use playhouse_sdk::{Actor, AskError, Context, Message, Result, SendError, testing::Stage};
/// # use std::time::Duration;
/// # #[derive(Default)] struct Clerk;
/// impl Actor for Clerk {
///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
///         let price = ctx.ask("/prices", msg.body(), Duration::from_secs(1))?;
///         Ok(ctx.tell("/till", price)?)
///     }
/// }
///
/// let mut stage = Stage::<Clerk>::setup()
///     .answer("/prices", |item| if item == b"tea" { Ok(b"3".into()) } else { Err(AskError::Timeout) })
///     .start()?;
/// stage.tell("tea")?;
/// assert_eq!(stage.tell("gold").unwrap_err().to_string(), "no reply in time");
/// assert_eq!(stage.asked(), [("/prices", "tea"), ("/prices", "gold")]);
/// assert_eq!(stage.sent(), [("/till", "3")]);
/// # Ok::<(), playhouse_sdk::Error>(())
/// ```
pub struct Setup<A> {
    kernel: FakeKernel,
    callback: Option<fn(&mut Instance<A>, TaskDone)>,
    attempts: u32,
}

impl<A: Actor> Setup<A> {
    /// The actor's own address.
    pub fn address(mut self, address: &str) -> Self {
        check_address(address).expect("an actor's own address is absolute and valid");
        address.clone_into(&mut self.kernel.address);
        self
    }

    /// The number of this incarnation of the actor.
    pub fn incarnation(mut self, incarnation: u64) -> Self {
        self.kernel.incarnation = incarnation;
        self
    }

    /// A value of the manifest's `config` table.
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.kernel.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The function that answers when the actor asks this absolute address. An ask to another address finds no actor.
    pub fn answer(mut self, to: &str, answer: impl FnMut(&[u8]) -> Result<Vec<u8>, AskError> + 'static) -> Self {
        self.kernel.answers.get_mut().insert(to.to_owned(), Box::new(answer));
        self
    }

    /// Refuses each send to this absolute address. A tell to another address is accepted.
    pub fn refuse(mut self, to: &str, error: SendError) -> Self {
        self.kernel.refusals.insert(to.to_owned(), error);
        self
    }

    /// Another actor, at an absolute address, for `lookup` and `state`. Below this actor it is a child of the
    /// manifest.
    pub fn actor(mut self, address: &str, state: ActorState) -> Self {
        check_address(address).expect("an actor's address is absolute and valid");
        self.kernel.others.insert(address.to_owned(), state);
        self
    }

    /// Refuses to spawn a child of this name. Each plugin exists, and each other valid name is accepted if it is not taken.
    pub fn refuse_spawn(mut self, name: &str, error: SpawnError) -> Self {
        self.kernel.refused_spawns.insert(name.to_owned(), error);
        self
    }

    /// The most timers that the actor may have. Default: 1024.
    pub fn most_timers(mut self, most: u32) -> Self {
        self.kernel.most_timers = most;
        self
    }

    /// Reports the outcome of each message to the actor, as the host does for `export_actor!(..., callback)`.
    pub fn calls_back(mut self) -> Self
    where
        A: Callback,
    {
        self.callback = Some(Instance::task_done);
        self
    }

    /// The attempts of a message before it becomes a dead letter, as the manifest's `restart.attempts`. Default: 3.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Calls only the actor's gate; its sends are dropped.
    pub fn decide_to_start(self) -> Decision
    where
        A: Gate,
    {
        Instance::<A>::decide_to_start(Box::new(Rc::new(self.kernel)))
    }

    /// Starts the actor if its gate decides so; otherwise returns the decision, with the setup for the next call of the gate.
    /// The gate's messages are in [`Stage::sent`], before those of `init`.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Decision, Gate, Message, Result, ActorState, testing::Stage};
    /// # #[derive(Default)] struct Clerk;
    /// # impl Actor for Clerk { fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) } }
    /// impl Gate for Clerk {
    ///     fn decide_to_start(ctx: &mut Context) -> Decision {
    ///         if ctx.status("/vault").is_some() { Decision::Start } else { Decision::WAIT }
    ///     }
    /// }
    ///
    /// let (decision, setup) = Stage::<Clerk>::setup().start_gated()?.err().expect("it waits");
    /// assert_eq!(decision, Decision::WAIT);
    /// let stage = setup.actor("/vault", ActorState::Idle).start_gated()?;
    /// assert!(stage.is_ok());
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn start_gated(self) -> Result<Result<Stage<A>, (Decision, Self)>>
    where
        A: Gate,
    {
        let Self { kernel, callback, attempts } = self;
        let kernel = Rc::new(kernel);
        let decision = Instance::<A>::decide_to_start(Box::new(Rc::clone(&kernel)));
        kernel.end_turn(decision == Decision::Start);
        let mut kernel = Rc::try_unwrap(kernel).ok().expect("only the gate's context held it, and it was dropped");
        if decision == Decision::Start {
            return Setup { kernel, callback, attempts }.start().map(Ok);
        }
        kernel.incarnation += 1;
        Ok(Err((decision, Setup { kernel, callback, attempts })))
    }

    /// Starts the actor: runs its `init` and its `prepare_children`. A gate is not called.
    pub fn start(self) -> Result<Stage<A>> {
        let kernel = Rc::new(self.kernel);
        let mut instance = Instance::start(Box::new(Rc::clone(&kernel)))?;
        kernel.end_turn(true);
        instance.prepare_children()?;
        kernel.end_turn(true);
        Ok(Stage { instance, callback: self.callback, kernel, attempts: self.attempts })
    }
}

/// A child that the actor spawned. Compares with a pair of name and plugin: `("ann", "worker")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// Its plugin.
    pub plugin: String,
    /// The `config` that the spawn gave it.
    pub config: Vec<(String, String)>,
}

impl PartialEq<(&str, &str)> for Child {
    fn eq(&self, (name, plugin): &(&str, &str)) -> bool {
        self.name == *name && self.plugin == *plugin
    }
}

/// A message that the actor sent. Compares with a pair of address and body: `("/till", "3")`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sent {
    /// The receiver's absolute address.
    pub to: String,
    /// The body.
    pub body: Vec<u8>,
}

impl<B: AsRef<[u8]>> PartialEq<(&str, B)> for Sent {
    fn eq(&self, (to, body): &(&str, B)) -> bool {
        self.to == *to && self.body == body.as_ref()
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (&self.to, String::from_utf8_lossy(&self.body)).fmt(f)
    }
}

/// A message from outside, at its first attempt, that is not an ask.
impl Default for Envelope {
    fn default() -> Self {
        Self { id: "0".repeat(32), sender: None, flow: "0".repeat(16), hops: 0, attempt: 1, asked: false }
    }
}

#[cfg(test)]
mod tests;
