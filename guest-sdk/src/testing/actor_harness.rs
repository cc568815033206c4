//! The harness for native tests of one actor.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::effects::Sent;
use super::fake_kernel::{FakeKernel, Value, check_address};
use crate::actor::Actor;
use crate::callback::{Callback, Ended, TaskDone};
use crate::envelope::Envelope;
use crate::errors::{AskError, SendError, SpawnError};
use crate::failure::Failure;
use crate::gate::{Decision, Gate};
use crate::instance::Instance;
use crate::message::Message;
use crate::notice::Notice;
use crate::reply::Reply;
use crate::result::Result;
use crate::saved::SavedFns;
use crate::status::ActorState;
use crate::supervisor::{ChildFailed, Directive, Supervisor};
use crate::timer::whole_millis;
use crate::watcher::Watcher;

mod recorded;

/// A running actor, and all its sends so far.
///
/// It has many methods: one for each event that the host passes to an actor, and one for each kind of effect, so that a test finds
/// all of them in one place.
pub struct ActorHarness<A> {
    instance: Instance<A>,
    /// Reports the outcome of a message to the actor, if it has a callback.
    callback: Option<fn(&mut Instance<A>, TaskDone)>,
    /// The functions that keep the actor's value, if the setup says that it is saved.
    saved: Option<fn() -> SavedFns<A>>,
    kernel: Rc<FakeKernel>,
    attempts: u32,
}

impl<A: Actor> ActorHarness<A> {
    /// The settings before the start. The actor's address is `/actor` by default.
    pub fn setup() -> Setup<A> {
        Setup { kernel: FakeKernel::new(), callback: None, saved: None, attempts: 3 }
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
        self.ask_message(Message::new(body)).map(|reply| reply.body)
    }

    /// As [`ask`](Self::ask), for a message with metadata; returns the reply with its metadata.
    pub fn ask_message(&mut self, message: Message) -> Result<Reply, AskError> {
        let envelope = Envelope { asked: true, ..Envelope::default() };
        match self.deliver_message(envelope, message) {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(AskError::NoReply),
            Err(Failure::Reject(reason)) => Err(AskError::Rejected(reason)),
            Err(Failure::Retry(reason)) => Err(AskError::RetriesSpent(reason)),
        }
    }

    /// Delivers a message in an envelope of your own; returns the reply if the envelope is of an ask.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Envelope, Message, Result, testing::ActorHarness};
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
    /// let mut harness = ActorHarness::<Last>::start()?;
    /// harness.deliver(Envelope { attempt: 3, ..Envelope::default() }, "order")?;
    /// assert_eq!(harness.sent(), [("/complaints", "third attempt")]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn deliver(&mut self, envelope: Envelope, body: impl Into<Vec<u8>>) -> Result<Option<Vec<u8>>, Failure> {
        self.deliver_message(envelope, Message::new(body)).map(|reply| reply.map(|reply| reply.body))
    }

    /// As [`deliver`](Self::deliver), for a message with metadata; returns the reply with its metadata.
    pub fn deliver_message(&mut self, envelope: Envelope, message: Message) -> Result<Option<Reply>, Failure> {
        let (id, attempt, asked) = (envelope.id.clone(), envelope.attempt, envelope.asked);
        self.kernel.envelope.replace(Some(envelope));
        let handled = self.instance.handle(message);
        let metadata = self.kernel.reply_metadata.take();
        self.kernel.end_turn(handled.is_ok());
        let replied = asked && matches!(handled, Ok(Some(_)));
        self.call_back(id, attempt, handled.as_ref().map(|_| if replied { Ended::Replied } else { Ended::Done }));
        handled.map(|reply| reply.filter(|_| asked).map(|body| Reply { body, metadata }))
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
    /// unless its incarnation has a timer, a watch or a child: its `shutdown` hook runs, and this incarnation ends. Returns the setup of the
    /// next incarnation, with all sends of this one; or the actor itself, if it was not passivated.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Message, Result, testing::ActorHarness};
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
    /// let mut harness = ActorHarness::<Tally>::start()?;
    /// harness.tell("one")?;
    /// let next = harness.passivate_after(Duration::from_secs(60)).ok().expect("no timer, watch or child");
    /// let harness = next.start()?;
    /// assert_eq!(harness.sent(), [("/ledger", "1")]);
    /// assert_eq!(harness.actor().0, 0, "a new incarnation");
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    #[expect(clippy::result_large_err, reason = "the harness goes back as it came")]
    pub fn passivate_after(mut self, time: Duration) -> Result<Setup<A>, Self> {
        self.advance(time);
        if self.kernel.is_attached() {
            return Err(self);
        }
        // The incarnation ends also if the hook fails.
        let _ = self.shutdown();
        let Self { instance, kernel, callback, saved, attempts } = self;
        drop(instance);
        let mut kernel = Rc::try_unwrap(kernel).ok().expect("only the actor held it, and it was dropped");
        kernel.incarnation += 1;
        Ok(Setup { kernel, callback, saved, attempts })
    }

    /// Ends this incarnation at once, as a crash or the end of the host does, and starts the next one: the actor's value and its timers,
    /// watches and children are lost, but those that belong to a [`durable`](Setup::durable) actor; its state stays. Messages so far stay in [`sent`](Self::sent).
    pub fn restart(self) -> Result<Self> {
        let Self { instance, kernel, callback, saved, attempts } = self;
        drop(instance);
        let mut kernel = Rc::try_unwrap(kernel).ok().expect("only the actor held it, and it was dropped");
        kernel.end_incarnation();
        Setup { kernel, callback, saved, attempts }.start()
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
    /// # use playhouse_sdk::{Actor, Callback, Context, Ended, Message, Result, TaskDone, testing::ActorHarness};
    /// # #[derive(Default)] struct Teller;
    /// # impl Actor for Teller { fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) } }
    /// impl Callback for Teller {
    ///     fn task_done(&mut self, task: TaskDone, ctx: &mut Context) -> Result {
    ///         match task.ended {
    ///             Ended::Crashed { kind, .. } => Ok(ctx.tell("/log", kind)?),
    ///             _ => Ok(()),
    ///         }
    ///     }
    /// }
    ///
    /// let mut harness = ActorHarness::<Teller>::setup().incarnation(2).with_callback().start()?;
    /// harness.task_done(TaskDone::new("5d1f", Ended::Crashed { kind: "panic".into(), reason: "panicked".into() }));
    /// assert_eq!(harness.sent(), [("/log", "panic")]);
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

    /// Lets time pass: timers that come due send their messages, in order, which are in [`sent`](Self::sent).
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Message, Result, testing::ActorHarness};
    /// # use std::time::Duration;
    /// # #[derive(Default)] struct Cook;
    /// impl Actor for Cook {
    ///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
    ///         ctx.tell_after(Duration::from_mins(5), "/waiter", msg.body())?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut harness = ActorHarness::<Cook>::start()?;
    /// harness.tell("soup")?;
    /// harness.advance(Duration::from_mins(4));
    /// assert!(harness.sent().is_empty());
    /// harness.advance(Duration::from_mins(1));
    /// assert_eq!(harness.sent(), [("/waiter", "soup")]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn advance(&mut self, time: Duration) {
        self.kernel.advance(whole_millis(time));
    }
}

/// The settings before the start of an actor.
///
/// ```
/// # use playhouse_sdk::{Actor, AskError, Context, Message, Result, SendError, testing::ActorHarness};
/// # use std::time::Duration;
/// # #[derive(Default)] struct Teller;
/// impl Actor for Teller {
///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
///         let price = ctx.ask("/prices", msg.body(), Duration::from_secs(1))?;
///         Ok(ctx.tell("/till", price)?)
///     }
/// }
///
/// let mut harness = ActorHarness::<Teller>::setup()
///     .answer("/prices", |item| if item == b"tea" { Ok(b"3".into()) } else { Err(AskError::Timeout) })
///     .start()?;
/// harness.tell("tea")?;
/// assert_eq!(harness.tell("gold").unwrap_err().to_string(), "no reply in time");
/// assert_eq!(harness.asked(), [("/prices", "tea"), ("/prices", "gold")]);
/// assert_eq!(harness.sent(), [("/till", "3")]);
/// # Ok::<(), playhouse_sdk::Error>(())
/// ```
pub struct Setup<A> {
    kernel: FakeKernel,
    callback: Option<fn(&mut Instance<A>, TaskDone)>,
    saved: Option<fn() -> SavedFns<A>>,
    attempts: u32,
}

impl<A: Actor> Setup<A> {
    /// The actor's own address.
    pub fn address(mut self, address: &str) -> Self {
        check_address(address).expect("an actor's own address is absolute and valid");
        address.clone_into(&mut self.kernel.address);
        self
    }

    /// The names that the manifest declares in `metrics`; others are an error, as on the host. Without this, all names are allowed.
    pub fn metrics<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.kernel.metrics = Some(names.into_iter().map(str::to_owned).collect());
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
    pub fn answer(self, to: &str, answer: impl FnMut(&[u8]) -> Result<Vec<u8>, AskError> + 'static) -> Self {
        let mut answer = answer;
        self.answer_with(to, move |question| answer(&question.body).map(Reply::from))
    }

    /// As [`answer`](Self::answer), with the metadata of the question and of the reply.
    pub fn answer_with(mut self, to: &str, answer: impl FnMut(&Sent) -> Result<Reply, AskError> + 'static) -> Self {
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
    pub fn with_callback(mut self) -> Self
    where
        A: Callback,
    {
        self.callback = Some(Instance::task_done);
        self
    }

    /// Keeps the actor's value in its state, as the host does for `export_actor!(..., saved)`.
    pub fn saved(mut self) -> Self
    where
        A: Serialize + DeserializeOwned + Clone,
    {
        self.saved = Some(SavedFns::default);
        self
    }

    /// A value of the actor's state at the start, as JSON.
    ///
    /// # Panics
    /// When the value has no JSON form.
    pub fn state(mut self, key: &str, value: &(impl Serialize + ?Sized)) -> Self {
        let value = serde_json::to_vec(value).expect("a value that JSON can hold");
        self.kernel.state.get_mut().insert(key.to_owned(), Value { bytes: value, ends_ms: None });
        self
    }

    /// The bounds of the actor's state, as `state.bytes` and `state.value` of the manifest. Default: 64 MiB and 1 MiB.
    pub fn state_bounds(mut self, bytes: u64, value_bytes: u64) -> Self {
        self.kernel.state_bounds = Some((bytes, value_bytes));
        self
    }

    /// The time after which values of the actor's state go that have no time of their own, as `state.expire` of the manifest. Default: they
    /// stay. Time passes with [`advance`](ActorHarness::advance).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use playhouse_sdk::{Actor, Context, Message, Result, testing::ActorHarness};
    /// # #[derive(Default)] struct Gate;
    /// impl Actor for Gate {
    ///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
    ///         let state = ctx.state();
    ///         state.put("last", msg.text()?)?;
    ///         Ok(state.put_for("session", msg.text()?, Duration::from_mins(30))?)
    ///     }
    /// }
    ///
    /// let mut harness = ActorHarness::<Gate>::setup().state_expire(Duration::from_hours(1)).start()?;
    /// harness.tell("ada")?;
    /// harness.advance(Duration::from_mins(30));
    /// assert_eq!(harness.state_keys(), ["last"]);
    /// harness.advance(Duration::from_mins(30));
    /// assert!(harness.state_keys().is_empty());
    /// # Ok::<(), anyhow::Error>(())
    /// ```
    pub fn state_expire(mut self, time: Duration) -> Self {
        self.kernel.state_expire_ms = Some(whole_millis(time).max(1));
        self
    }

    /// An actor without state, as without `[actor.state]` in the manifest: each use of it is a [`StateError::NotGranted`](crate::StateError::NotGranted).
    pub fn without_state(mut self) -> Self {
        self.kernel.state_bounds = None;
        self
    }

    /// An actor with a durable mailbox, as with `mailbox = { kind = "durable" }` in the manifest: timers and watches that it does not set in
    /// `init` or `prepare_children` belong to the actor. They stay over a [`restart`](ActorHarness::restart), and do not keep it from being
    /// passivated.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Message, Result, testing::ActorHarness};
    /// # use std::time::Duration;
    /// # #[derive(Default)] struct Guard;
    /// impl Actor for Guard {
    ///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
    ///         ctx.watch(msg.text()?)?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut harness = ActorHarness::<Guard>::setup().durable().start()?;
    /// harness.tell("/gate")?;
    /// let harness = harness.restart()?;
    /// assert_eq!(harness.watched().len(), 1);
    /// assert!(harness.passivate_after(Duration::from_secs(60)).is_ok());
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn durable(mut self) -> Self {
        self.kernel.is_durable = true;
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
    /// The gate's messages are in [`ActorHarness::sent`], before those of `init`.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Decision, Gate, Message, Result, ActorState, testing::ActorHarness};
    /// # #[derive(Default)] struct Teller;
    /// # impl Actor for Teller { fn msg_handler(&mut self, _: Message, _: &mut Context) -> Result { Ok(()) } }
    /// impl Gate for Teller {
    ///     fn decide_to_start(ctx: &mut Context) -> Decision {
    ///         if ctx.status("/vault").is_some() { Decision::Start } else { Decision::WAIT }
    ///     }
    /// }
    ///
    /// let (decision, setup) = ActorHarness::<Teller>::setup().start_gated()?.err().expect("it waits");
    /// assert_eq!(decision, Decision::WAIT);
    /// let harness = setup.actor("/vault", ActorState::Idle).start_gated()?;
    /// assert!(harness.is_ok());
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn start_gated(self) -> Result<Result<ActorHarness<A>, (Decision, Self)>>
    where
        A: Gate,
    {
        let Self { kernel, callback, saved, attempts } = self;
        let kernel = Rc::new(kernel);
        kernel.is_starting.set(true);
        let decision = Instance::<A>::decide_to_start(Box::new(Rc::clone(&kernel)));
        kernel.end_turn(decision == Decision::Start);
        let mut kernel = Rc::try_unwrap(kernel).ok().expect("only the gate's context held it, and it was dropped");
        if decision == Decision::Start {
            return Setup { kernel, callback, saved, attempts }.start().map(Ok);
        }
        kernel.incarnation += 1;
        Ok(Err((decision, Setup { kernel, callback, saved, attempts })))
    }

    /// Starts the actor: runs its `init` and its `prepare_children`. A gate is not called.
    pub fn start(self) -> Result<ActorHarness<A>> {
        let kernel = Rc::new(self.kernel);
        kernel.is_starting.set(true);
        let saved = self.saved.map(|saved| saved());
        let mut instance = Instance::start(Box::new(Rc::clone(&kernel)), saved)?;
        kernel.end_turn(true);
        instance.prepare_children()?;
        kernel.end_turn(true);
        kernel.is_starting.set(false);
        Ok(ActorHarness { instance, callback: self.callback, saved: self.saved, kernel, attempts: self.attempts })
    }
}
