//! The settings of an actor's harness before the start.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ActorHarness;
use crate::actor::Actor;
use crate::callback::{Callback, TaskDone};
use crate::errors::{AskError, SendError, SpawnError};
use crate::gate::{Decision, Gate};
use crate::instance::Instance;
use crate::reply::Reply;
use crate::result::Result;
use crate::saved::SavedFns;
use crate::status::ActorState;
use crate::testing::address::check_address;
use crate::testing::effects::Sent;
use crate::testing::fake_kernel::FakeKernel;
use crate::testing::turn_effects::Value;
use crate::timer::whole_millis;

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
    pub(super) kernel: FakeKernel,
    pub(super) callback: Option<fn(&mut Instance<A>, TaskDone)>,
    pub(super) saved: Option<fn() -> SavedFns<A>>,
    pub(super) attempts: u32,
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

    /// A plugin whose actors have a durable mailbox, as with `mailbox = { kind = "durable" }` in its `[[plugin]]`. Such a child of a
    /// [`durable`](Self::durable) actor belongs to the actor: it stays over a [`restart`](ActorHarness::restart), and `init` or
    /// `prepare_children` may spawn it nevertheless. Other actors may not spawn it.
    ///
    /// ```
    /// # use playhouse_sdk::{Actor, Context, Message, Result, testing::ActorHarness};
    /// # #[derive(Default)] struct Shop;
    /// impl Actor for Shop {
    ///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
    ///         ctx.spawn(msg.text()?, "order")?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut harness = ActorHarness::<Shop>::setup().durable().durable_plugin("order").start()?;
    /// harness.tell("order-7")?;
    /// let harness = harness.restart()?;
    /// assert_eq!(harness.children(), [("order-7", "order")]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn durable_plugin(mut self, plugin: &str) -> Self {
        self.kernel.durable_plugins.insert(plugin.to_owned());
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

/// The ways to start an actor, and to start it again.
impl<A: Actor> ActorHarness<A> {
    /// The settings before the start. The actor's address is `/actor` by default.
    pub fn setup() -> Setup<A> {
        Setup { kernel: FakeKernel::new(), callback: None, saved: None, attempts: 3 }
    }

    /// Starts the actor with the default settings: runs its `init` and its `prepare_children`.
    pub fn start() -> Result<Self> {
        Self::setup().start()
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
    /// watches and children are lost, but those that belong to a [`durable`](Setup::durable) actor, as the children of a
    /// [`durable_plugin`](Setup::durable_plugin) do; its state stays. Messages so far stay in [`sent`](Self::sent).
    pub fn restart(self) -> Result<Self> {
        let Self { instance, kernel, callback, saved, attempts } = self;
        drop(instance);
        let mut kernel = Rc::try_unwrap(kernel).ok().expect("only the actor held it, and it was dropped");
        kernel.end_incarnation();
        Setup { kernel, callback, saved, attempts }.start()
    }
}
