//! An actor's calls to its kernel, which is behind the trait of `kernel.rs`.

use std::cell::OnceCell;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use playhouse_frame::Metadata;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::envelope::{Envelope, Flow};
use crate::errors::{AskError, MetricError, SendError, SpawnError, StopError, WatchError};
use crate::json::to_json;
#[cfg(target_family = "wasm")]
use crate::kernel::Kernel as _;
use crate::kernel_handle::KernelHandle;
use crate::log::Level;
use crate::notice::WatchId;
use crate::pending_reply::PendingReply;
use crate::result::Result;
use crate::spawn_options::SpawnOptions;
use crate::state::State;
use crate::status::ActorState;
use crate::with_metadata::WithMetadata;

mod timers;

/// An actor's view of its kernel, passed to the handler and to each hook.
///
/// Addresses are absolute (`/shop/cart`) or relative to this actor (`cart` is its child).
///
/// It has many methods: one for each function of the contract's interface `kernel`, and shortcuts for JSON, so that all
/// operations of an actor are found in one place.
pub struct Context {
    kernel: KernelHandle,
    /// Requested once, since it never changes during an incarnation.
    address: OnceCell<String>,
    /// The reply to the current message, which is sent if the handler returns `Ok`.
    reply: PendingReply,
}

impl Context {
    pub(crate) fn new(kernel: KernelHandle) -> Self {
        Self { kernel, address: OnceCell::new(), reply: PendingReply::default() }
    }

    pub(crate) fn kernel(&self) -> &KernelHandle {
        &self.kernel
    }

    pub(crate) fn take_reply(&self) -> Option<Vec<u8>> {
        self.reply.take()
    }

    /// This actor's address, for example `/shop/cart`.
    pub fn address(&self) -> &str {
        self.address.get_or_init(|| self.kernel.address())
    }

    /// The last segment of the address, for example `cart`.
    ///
    /// ```
    /// # use playhouse_sdk::Context;
    /// fn place(ctx: &Context) -> String {
    ///     format!("{} is {} below {}", ctx.address(), ctx.name(), ctx.parent())
    /// }
    /// ```
    pub fn name(&self) -> &str {
        split_address(self.address()).1
    }

    /// The address of the parent, for example `/shop`; the kernel, `/`, for an actor like `/shop`.
    pub fn parent(&self) -> &str {
        split_address(self.address()).0
    }

    /// The address of another child of the same parent.
    ///
    /// ```
    /// # use playhouse_sdk::Context;
    /// fn till(ctx: &Context) -> String {
    ///     ctx.config("till").unwrap_or_else(|| ctx.sibling("till"))
    /// }
    /// ```
    pub fn sibling(&self, name: &str) -> String {
        format!("{}/{name}", self.parent().trim_end_matches('/'))
    }

    /// The number of this incarnation of the actor, from 1.
    pub fn incarnation(&self) -> u64 {
        self.kernel.incarnation()
    }

    /// A value of the manifest's `config` table for this actor.
    pub fn config(&self, key: &str) -> Option<String> {
        self.kernel.config(key)
    }

    /// A value of the manifest's `config` table, parsed. An error names the key and the value.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result};
    /// fn copies(ctx: &Context) -> Result<u32> {
    ///     Ok(ctx.config_as("copies")?.unwrap_or(1))
    /// }
    /// ```
    pub fn config_as<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Option<T>> {
        let parse = |value: String| {
            let expected = std::any::type_name::<T>();
            value.parse().map_err(|error| anyhow!("config `{key}` = `{value}` is not a {expected}: {error}"))
        };
        self.config(key).map(parse).transpose()
    }

    /// Writes a line to the host's log, with a level. The line is written at once: it stays when the message fails. A line of a
    /// level that the host does not show for this actor costs next to nothing; all lines count for `limits.log_lines` and
    /// `limits.log_bytes`, together with those on stderr. A text of more than 64 KiB is cut.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Level};
    /// fn note(ctx: &Context, left: u32) {
    ///     ctx.log(Level::Debug, format!("{left} orders are left"));
    /// }
    /// ```
    pub fn log(&self, level: Level, text: impl AsRef<str>) {
        self.kernel.log(level, text.as_ref());
    }

    /// The envelope of the current message; none inside hooks. Each call asks the kernel.
    ///
    /// ```
    /// # use playhouse_sdk::Context;
    /// fn is_last_chance(ctx: &Context) -> bool {
    ///     ctx.envelope().is_some_and(|envelope| envelope.attempt >= 3)
    /// }
    /// ```
    pub fn envelope(&self) -> Option<Envelope> {
        self.kernel.envelope()
    }

    /// The actor that sent the current message; none when it came from outside, when the sender does not exist any more, and in
    /// hooks.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result};
    /// fn thank(ctx: &Context) -> Result {
    ///     match ctx.sender() {
    ///         Some(sender) => Ok(ctx.tell(&sender, "thank you")?), // always granted
    ///         None => Ok(()),                                      // from outside
    ///     }
    /// }
    /// ```
    pub fn sender(&self) -> Option<String> {
        self.kernel.sender()
    }

    /// The flow of the current message; none inside hooks. Each send continues the flow.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result, reject};
    /// fn note(ctx: &Context, what: &str) -> Result {
    ///     let Some(flow) = ctx.flow() else { return Ok(()) };
    ///     if flow.hops > 100 {
    ///         return Err(reject("this goes in circles"));
    ///     }
    ///     Ok(ctx.tell("/audit", format!("{} {what}", flow.id))?)
    /// }
    /// ```
    pub fn flow(&self) -> Option<Flow> {
        self.kernel.flow()
    }

    /// Sends without waiting. The message is delivered when the current message, or the hook, is done.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result};
    /// fn report(ctx: &Context) -> Result {
    ///     ctx.tell("/log", "text")?;
    ///     ctx.tell("worker", [0xca, 0xfe])?;
    ///     ctx.tell(ctx.parent(), vec![1, 2, 3])?;
    ///     Ok(())
    /// }
    /// ```
    pub fn tell(&self, to: &str, body: impl AsRef<[u8]>) -> Result<(), SendError> {
        self.kernel.tell(to, body.as_ref())
    }

    /// Sends to each of this actor's children without waiting, and returns their number: those of the manifest and those that
    /// this actor spawned, also for the current message. After an error the message goes to no child.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result};
    /// fn announce(ctx: &Context, news: &str) -> Result {
    ///     let children = ctx.tell_children(news)?;
    ///     Ok(ctx.reply(format!("{children} know it")))
    /// }
    /// ```
    pub fn tell_children(&self, body: impl AsRef<[u8]>) -> Result<u32, SendError> {
        self.tell_all("*", body)
    }

    /// Sends to each actor of a group, and returns the number of its actors now. `to` is `/shop/*`, the children of `/shop`, or
    /// `/shop/**`, all actors below `/shop`; relative to this actor `*`, `**`, `b/*`. The group never includes this actor. The
    /// message goes to all of them, in the order of their addresses; or, after an error (for example a missing grant), to none.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result};
    /// fn closing_time(ctx: &Context) -> Result {
    ///     ctx.tell_all("**", "we are closing")?; // all below this actor
    ///     ctx.tell_all("/shop/tills/*", "count the money")?; // needs `sends_to`
    ///     Ok(())
    /// }
    /// ```
    pub fn tell_all(&self, to: &str, body: impl AsRef<[u8]>) -> Result<u32, SendError> {
        self.kernel.tell_all(to, body.as_ref())
    }

    /// Sends a value as JSON, like [`tell`](Self::tell). The error is a [`SendError`], or rejects a value that JSON
    /// cannot hold.
    pub fn tell_json<T: Serialize + ?Sized>(&self, to: &str, value: &T) -> Result {
        Ok(self.tell(to, to_json(value)?)?)
    }

    /// Answers the current message. The last reply counts; a reply that no asker waits for is dropped.
    /// A hook has no message to reply to, and fails after a reply.
    ///
    /// ```
    /// # use playhouse_sdk::Context;
    /// fn answer(ctx: &Context) {
    ///     ctx.reply("text");
    ///     ctx.reply(vec![1, 2, 3]); // a vector moves, without a copy
    /// }
    /// ```
    pub fn reply(&self, body: impl Into<Vec<u8>>) {
        if self.reply.replace(body.into(), false) {
            self.kernel.reply_metadata(const { &Metadata::new() });
        }
    }

    /// Answers with a value as JSON, like [`reply`](Self::reply). Rejects the message when JSON cannot hold the value.
    pub fn reply_json<T: Serialize + ?Sized>(&self, value: &T) -> Result {
        self.reply(to_json(value)?);
        Ok(())
    }

    /// Begins a send or a reply with metadata, of which this is the first pair.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Message, Result};
    /// fn pass_on(msg: &Message, ctx: &Context) -> Result {
    ///     Ok(ctx.with_metadata("source", ctx.address()).and_all(msg.metadata()).tell("/archive", msg.body())?)
    /// }
    /// ```
    pub fn with_metadata(&self, key: &str, value: &str) -> WithMetadata<'_> {
        WithMetadata::new(&self.kernel, &self.reply).and(key, value)
    }

    /// Begins a send or a reply whose metadata are added later, or an ask for a reply with its metadata.
    pub fn with_no_metadata(&self) -> WithMetadata<'_> {
        WithMetadata::new(&self.kernel, &self.reply)
    }

    /// Sends at once, even if the current message fails later, and waits for the reply. `timeout` counts in whole
    /// milliseconds, rounded up.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result};
    /// use std::time::Duration;
    ///
    /// fn stock(ctx: &Context) -> Result<Vec<u8>> {
    ///     Ok(ctx.ask("/stock", "tea", Duration::from_secs(1))?)
    /// }
    /// ```
    pub fn ask(&self, to: &str, body: impl AsRef<[u8]>, timeout: Duration) -> Result<Vec<u8>, AskError> {
        self.kernel.ask(to, body.as_ref(), timeout)
    }

    /// Asks with a value as JSON and reads the reply as JSON, like [`ask`](Self::ask). The error is an [`AskError`],
    /// or says that one of the two is not the JSON expected.
    pub fn ask_json<Q, R>(&self, to: &str, question: &Q, timeout: Duration) -> Result<R>
    where
        Q: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let reply = self.ask(to, to_json(question)?, timeout)?;
        serde_json::from_slice(&reply).with_context(|| format!("the reply of {to} is not the JSON expected"))
    }

    /// Spawns a child of this actor, from a plugin that the manifest lets it spawn. The name is reserved at once; the child
    /// is made when the current message, or the hook, is done, and never if that fails. Messages may be sent to the child before.
    ///
    /// When this actor crashes, its spawned children end with it; see
    /// [`prepare_children`](crate::Actor::prepare_children) for the way to spawn them again.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result};
    /// fn order(ctx: &Context, number: u32) -> Result {
    ///     let name = format!("order-{number}");
    ///     ctx.spawn(&name, "worker")?;
    ///     ctx.tell(&name, "begin")?; // the first message that it gets
    ///     Ok(())
    /// }
    /// ```
    pub fn spawn(&self, name: &str, plugin: &str) -> Result<(), SpawnError> {
        self.spawn_with(name, plugin, &SpawnOptions::new())
    }

    /// Spawns a child of this actor, like [`spawn`](Self::spawn), with options of its own.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result, SpawnOptions};
    /// fn order(ctx: &Context, dish: &str) -> Result {
    ///     Ok(ctx.spawn_with("cook", "cook", &SpawnOptions::new().config("dish", dish))?)
    /// }
    /// ```
    pub fn spawn_with(&self, name: &str, plugin: &str, options: &SpawnOptions) -> Result<(), SpawnError> {
        self.kernel.spawn(name, plugin, options)
    }

    /// Stops a child that this actor spawned, when the current message is done. From then on the child gets no new messages; it
    /// handles those sent before, runs its `shutdown` hook, and ends. Its name is free again after that.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result};
    /// fn done(ctx: &Context, name: &str) -> Result {
    ///     ctx.tell(name, "that was all")?; // it still gets this
    ///     Ok(ctx.stop_child(name)?)
    /// }
    /// ```
    pub fn stop_child(&self, name: &str) -> Result<(), StopError> {
        self.kernel.stop(name)
    }

    /// The names of this actor's children, sorted: those of the manifest and those that it spawned. A child that the current
    /// message spawned does not exist yet.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result};
    /// fn workers(ctx: &Context) -> Vec<String> {
    ///     ctx.children().into_iter().filter(|name| name.starts_with("worker-")).collect()
    /// }
    /// ```
    pub fn children(&self) -> Vec<String> {
        self.kernel.children()
    }

    /// The full address of the actor at a path, if an actor there takes messages now. The look-up does not keep the actor alive:
    /// it may have ended by the time of a send.
    ///
    /// ```
    /// # use playhouse_sdk::Context;
    /// fn printer(ctx: &Context) -> Option<String> {
    ///     ctx.lookup("printer").or_else(|| ctx.lookup("/office/printer"))
    /// }
    /// ```
    pub fn lookup(&self, path: &str) -> Option<String> {
        self.kernel.lookup(path)
    }

    /// The present state of the actor at an absolute or relative path; none when there is no such actor.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, ActorState};
    /// fn is_open(ctx: &Context) -> bool {
    ///     ctx.status("/shop").is_some_and(ActorState::is_up)
    /// }
    /// ```
    pub fn status(&self, path: &str) -> Option<ActorState> {
        self.kernel.status(path)
    }

    /// Watches the actor at an absolute or relative path, once the current message is done, until this incarnation ends:
    /// [`noticed`](crate::Watcher::noticed) is called for each change of its state. A path without an actor also causes a notice.
    ///
    /// A watch of an actor with a durable mailbox belongs to the actor, if `init` and `prepare_children` did not begin it: it ends when the
    /// watched actor is gone, and its notices outlive crashes and the host. Changes while the host was down are told at its next start.
    ///
    /// A notice comes after all messages that the watched actor has sent. Like a timer's message, it does not wait for a full
    /// mailbox.
    ///
    /// ```
    /// # use playhouse_sdk::{Context, Result, WatchId};
    /// fn begin(ctx: &Context) -> Result<WatchId> {
    ///     Ok(ctx.watch("/stock")?)
    /// }
    /// ```
    pub fn watch(&self, to: &str) -> Result<WatchId, WatchError> {
        self.kernel.watch(to).map(WatchId)
    }

    /// Ends a watch when the current message is done. A notice that already waits is still delivered.
    pub fn unwatch(&self, watch: WatchId) {
        self.kernel.unwatch(watch.0);
    }

    /// This actor's state in the play's store: values under keys that outlive its incarnations and the host. A change is kept together
    /// with the end of the current message, and dropped when the message fails.
    ///
    /// ```
    /// use playhouse_sdk::{Actor, Context, Message, Result, reject, testing::ActorHarness};
    ///
    /// #[derive(Default)]
    /// struct Till;
    ///
    /// impl Actor for Till {
    ///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
    ///         let state = ctx.state(); // mailbox = { kind = "durable" } and state = {} in the manifest
    ///         let sum = state.get::<i64>("sum")?.unwrap_or_default();
    ///         let sum = sum + msg.text()?.parse::<i64>().map_err(|_| reject("not a number"))?;
    ///         state.put("sum", &sum)?;
    ///         ctx.reply(sum.to_string());
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut harness = ActorHarness::<Till>::start()?;
    /// harness.tell("40")?;
    /// let mut harness = harness.restart()?; // the struct is lost, the state is not
    /// assert_eq!(harness.ask("2")?, b"42");
    /// assert_eq!(harness.state::<i64>("sum")?, Some(42));
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn state(&self) -> State<'_> {
        State::new(&self.kernel)
    }

    /// Adds to a counter of this actor's own, when the current message is done: a message that fails counts nothing. The manifest
    /// declares the name in `metrics` of the actor or of its plugin; operators find the counter `playhouse_counted_` and the name
    /// at the host's `/metrics`.
    ///
    /// ```
    /// use playhouse_sdk::{Actor, Context, Message, Result, reject, testing::ActorHarness};
    ///
    /// #[derive(Default)]
    /// struct Shop;
    ///
    /// impl Actor for Shop {
    ///     fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
    ///         ctx.count("orders", 1)?; // metrics = ["orders", "amount"] in the manifest
    ///         let amount: f64 = msg.text()?.parse().map_err(|_| reject("an order is a number"))?;
    ///         ctx.observe("amount", amount)?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut harness = ActorHarness::<Shop>::setup().metrics(["orders", "amount"]).start()?;
    /// harness.tell("12.5")?;
    /// assert!(harness.tell("a lot").is_err());
    /// assert_eq!(harness.counted("orders"), 1);
    /// assert_eq!(harness.observed("amount"), [12.5]);
    /// # Ok::<(), playhouse_sdk::Error>(())
    /// ```
    pub fn count(&self, name: &str, by: u64) -> Result<(), MetricError> {
        self.kernel.count(name, by)
    }

    /// Adds a value to a histogram of this actor's own, when the current message is done. A value is a finite number and not
    /// negative, since the sum of a histogram never falls. See [`count`](Self::count); the histogram is `playhouse_observed_` and
    /// the name.
    pub fn observe(&self, name: &str, value: f64) -> Result<(), MetricError> {
        self.kernel.observe(name, value)
    }
}

/// The parent's address and the name.
fn split_address(address: &str) -> (&str, &str) {
    match address.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((parent, name)) => (parent, name),
        None => unreachable!("the kernel's addresses are absolute, and this is one: {address:?}"),
    }
}
