//! The kernel's public face: start a plan, send from outside, look, stop.

mod children;
mod keyed_state;
mod left_out;
mod look;
pub(crate) mod metrics;
pub(crate) mod plan;
pub(crate) mod progress;
mod restore;
mod shared;
pub(crate) mod wait_chain;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use playhouse_frame::Metadata;
use tokio::sync::{mpsc, oneshot, watch};

use crate::actor::family::FamilyView;
use crate::dispatch::Shared;
use crate::dispatch::ingress::{Incoming, Ingress, Told};
use crate::dispatch::keys::RequestKey;
use crate::dispatch::late_asks::answer_late;
use crate::dispatch::mailbox_orders::MailboxOrder;
use crate::dispatch::replay::{LetterOrders, LettersMoved};
use crate::dispatch::shared::expiring::expire_members;
use crate::dispatch::shared::expiring_values::expire_values;
use crate::dispatch::shared::kept_timers::fire_timers;
use crate::journal::entry::Op;
use crate::journal::order::EntrySpace;
use crate::journal::store::{Store, StoreError, StoreStatus};
use crate::kernel::children::{bring_back, end_children, parents_of};
use crate::kernel::plan::{OpenError, Plan, PlanError};
use crate::kernel::progress::Progress;
use crate::kernel::restore::restore;
use crate::kernel::shared::{Stored, shared};
use crate::mailbox::{Keep, MailboxView};
use crate::supervisor::{Command, Commands, InstanceView, Stage, StartError, StartedActor, Supervisor};
use crate::words::address::Address;
use crate::words::crash::CrashReport;
use crate::words::dead_letter::{DeadLetter, DeadLetterCounts, LetterError, LetterFilter, LetterId};
use crate::words::failed::FailedActor;
use crate::words::limits::Usage;
use crate::words::message::{ActorId, MessageId, Reply};
use crate::words::resource_use::Resources;
use crate::words::restart::StartKind;
use crate::words::send_error::{Answer, AskError, SendError};
use crate::words::state::State;

/// A running play. Clones are handles to the same play, which goes on when all of them are dropped. It has many methods, since
/// each question and each order of an operator is one; they share no state but the play.
#[derive(Clone)]
pub struct Kernel {
    shared: Arc<Shared>,
    commands: Commands,
    stage: watch::Receiver<Stage>,
    /// Sends the messages of callers outside.
    outside: Arc<Ingress>,
    /// Whether the play stops soon.
    stops_soon: Arc<AtomicBool>,
}

/// An actor, as operators see it. Its many fields are the columns of a list of actors.
#[derive(Debug, Clone)]
pub struct ActorView {
    /// Its address.
    pub address: Address,
    /// Its plugin.
    pub plugin: String,
    /// Whether another actor spawned it: it is removed when it ends.
    pub dynamic: bool,
    /// Its state: that of its instance which is furthest up.
    pub state: State,
    /// The part of the host that one of its instances waits for, such as `stdout`. That time is not billed to its limits.
    pub waiting_for: Option<&'static str>,
    /// All its instances; more than one with `instances = N`.
    pub instances: Vec<InstanceView>,
    /// The number of its latest run, from 1; 0 before the first.
    pub incarnation: u64,
    /// Number of restarts after a failure.
    pub restarts: u64,
    /// Messages that wait, including those that were put back to an instance.
    pub waiting: usize,
    /// Its mailbox.
    pub mailbox: MailboxView,
    /// Messages that it handled. Dead letters are in `mailbox`, by reason. Both are those of all members if it stands for a family, also
    /// of members that left the memory.
    pub handled: u64,
    /// How far it is with its messages.
    pub progress: Progress,
    /// The resources that its code uses; none when its code does not count them.
    pub resources: Option<Resources>,
    /// Bytes of memory of the instance that it shares with other actors, or of that which the members of the family share; none with an
    /// instance of its own.
    pub shared_memory: Option<u64>,
    /// Its last crash.
    pub last_crash: Option<Arc<CrashReport>>,
    /// The use of the limits on its subtree; empty when it has none.
    pub subtree: Vec<Usage>,
    /// The bytes of its keyed state, and the most that it may have; none when it keeps none.
    pub keyed_state: Option<(u64, u64)>,
    /// The failure, while it, or the actor under `/` above it, is failed.
    pub failed: Option<Arc<FailedActor>>,
    /// The numbers of the family for which it stands; none for an actor that takes messages.
    pub family: Option<FamilyView>,
}

impl Kernel {
    /// Starts a plan: its supervision on the current Tokio runtime, its actors on [`Plan::runtime`]. Actors start in the
    /// background; see [`Kernel::wait_booted`].
    ///
    /// A plan with stored mailboxes needs [`Kernel::open`].
    pub fn start(plan: &Plan) -> Result<Self, PlanError> {
        plan.check()?;
        if let Some(stored) = plan.actors.iter().find(|spec| spec.mailbox.keep == Keep::Stored) {
            return Err(PlanError::NoStore(stored.address.clone()));
        }
        if let Some(plugin) = plan.stored_plugin() {
            return Err(PlanError::NoStoreForPlugin(plugin.to_owned()));
        }
        let (kernel, supervisor, inbox) = Self::assemble(plan, None);
        tokio::spawn(supervisor.run(inbox));
        Ok(kernel)
    }

    /// As [`Kernel::start`], with a store: stored mailboxes have the messages that earlier runs of a host left there, and orders
    /// of operators and dead letters are as they were. When the store fails, everything ends as with [`Kernel::kill`], and
    /// [`Kernel::store_failure`] has the error.
    pub async fn open(plan: &Plan, store: Arc<dyn Store>) -> Result<Self, OpenError> {
        plan.check()?;
        let image = store.open().await?;
        let mut plan = plan.clone();
        let orders: HashMap<_, _> =
            image.actors.iter().filter_map(|known| Some((&known.address, known.halted?))).collect();
        for spec in &mut plan.actors {
            match orders.get(&spec.address) {
                Some(true) => spec.start = StartKind::Manual,
                Some(false) if spec.start == StartKind::Manual => spec.start = StartKind::Auto,
                _ => {}
            }
        }
        let parents = parents_of(&image);
        for spec in plan.actors.iter_mut().filter(|spec| spec.start == StartKind::OnMessage) {
            // A message for its child would not start it.
            if image.actors.iter().any(|known| known.address == spec.address && parents.contains(&known.id)) {
                spec.start = StartKind::Auto;
            }
        }
        let (kernel, mut supervisor, inbox) = Self::assemble(&plan, Some((&image, &store)));
        let shared = kernel.shared.clone();
        let ending_children = bring_back(&shared, &mut supervisor, &image, &parents);
        match store.shorten_lifetimes(shared.began_at).await {
            // Values live longer then.
            Ok(()) | Err(StoreError::Full(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let members = restore(&shared, &image, &*store).await?;
        supervisor.resume_watches(image.is_unclean);
        end_children(&shared, ending_children);
        let (journal, commands) = (shared.routing.journal.clone(), kernel.commands.clone());
        shared.spawn(fire_timers(shared.clone()));
        shared.spawn(expire_values(shared.clone()));
        for family in shared.routing.registry.families() {
            shared.spawn(expire_members(Arc::downgrade(&shared), family));
        }
        if !members.is_empty() {
            shared.spawn(shared.clone().wake_members(members));
        }
        let (supervised, ending) = (journal.clone(), shared.clone());
        tokio::spawn(async move {
            supervisor.run(inbox).await;
            if let Some(journal) = supervised {
                ending.routing.enter(&journal, None, EntrySpace::NONE, |draft| draft.op(Op::Ended));
                journal.close();
            }
        });
        tokio::spawn(async move {
            let Some(journal) = journal else { return };
            journal.write_to(&*store, &shared.routing).await;
            if journal.failure().is_some() {
                let _ = commands.send(Command::Kill);
            }
        });
        Ok(kernel)
    }

    fn assemble(plan: &Plan, stored: Option<Stored<'_>>) -> (Self, Supervisor, mpsc::UnboundedReceiver<Command>) {
        let (commands, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(shared(plan, &commands, stored));
        let (stage_sender, stage) = watch::channel(Stage::Starting);
        let tree = (plan.supervision, plan.seed);
        let supervisor = Supervisor::new(shared.clone(), &plan.actors, tree, commands.clone(), stage_sender);
        tokio::spawn(answer_late(Arc::downgrade(&shared), shared.routing.asks.deadlines().clone()));
        let cause = MessageId::seeded("outside", shared.seed);
        let outside = Arc::new(Ingress::new(shared.clone(), ActorId::OUTSIDE, cause));
        (Self { shared, commands, stage, outside, stops_soon: Arc::default() }, supervisor, inbox)
    }

    /// The error of the store that ended the play.
    pub fn store_failure(&self) -> Option<StoreError> {
        self.shared.routing.journal.as_ref()?.failure()
    }

    /// The state of the store; none without one.
    pub fn store_status(&self) -> Option<StoreStatus> {
        Some(self.shared.routing.journal.as_ref()?.view())
    }

    /// The stage of the play.
    pub fn stage(&self) -> Stage {
        self.stage.borrow().clone()
    }

    /// Waits until all actors that start by themselves have started, or the play is over.
    pub async fn wait_booted(&self) -> Stage {
        self.stage_where(|stage| !matches!(stage, Stage::Starting)).await
    }

    /// Waits until nothing runs any more, and everything is durable.
    pub async fn wait_stopped(&self) -> Stage {
        let stage = self.stage_where(|stage| matches!(stage, Stage::Stopped | Stage::GaveUp(_))).await;
        if let Some(journal) = &self.shared.routing.journal {
            journal.wait_over().await;
        }
        stage
    }

    async fn stage_where(&self, wanted: impl Fn(&Stage) -> bool) -> Stage {
        let mut stage = self.stage.clone();
        match stage.wait_for(|stage| wanted(stage)).await {
            Ok(stage) => stage.clone(),
            Err(_) => Stage::Stopped,
        }
    }

    /// Sends from outside. Returns when the message is in the mailbox; with `overflow = "block"` it waits for space, at most
    /// `patience`.
    pub fn tell<'a>(
        &'a self,
        to: &'a Address,
        body: &'a [u8],
        patience: Duration,
    ) -> impl Future<Output = Result<MessageId, SendError>> + Send + 'a {
        self.outside.tell_new(to, const { &Metadata::new() }, body, patience)
    }

    /// As [`Kernel::tell`], with metadata.
    pub fn tell_with<'a>(
        &'a self,
        to: &'a Address,
        metadata: &'a Metadata,
        body: &'a [u8],
        patience: Duration,
    ) -> impl Future<Output = Result<MessageId, SendError>> + Send + 'a {
        self.outside.tell_new(to, metadata, body, patience)
    }

    /// As [`Kernel::tell`], and returns before the message is durable: a sender of many messages waits for the disk once for many
    /// of them. Messages keep the order of their calls.
    pub async fn tell_later(&self, to: &Address, body: &[u8], patience: Duration) -> Result<Told, SendError> {
        let message = Incoming::new(self.outside.next_id(), const { &Metadata::new() }, body);
        self.outside.tell_later(to, &message, patience).await
    }

    /// Sends from outside under a key: see [`Ingress::tell_under`].
    pub async fn tell_under(
        &self,
        key: &RequestKey<'_>,
        to: &Address,
        body: &[u8],
        patience: Duration,
    ) -> Result<MessageId, SendError> {
        let message = Incoming::new(self.outside.next_id(), const { &Metadata::new() }, body);
        self.outside.tell_under(key, to, &message, patience).await
    }

    /// Sends from outside under a key and waits for the reply: see [`Ingress::ask_under`].
    pub async fn ask_under(&self, key: &RequestKey<'_>, to: &Address, body: &[u8], timeout: Duration) -> Answer {
        let message = Incoming::new(self.outside.next_id(), const { &Metadata::new() }, body);
        Ok(self.outside.ask_under(key, to, &message, timeout).await.1?.body)
    }

    /// Sends from outside and waits for the reply, at most `timeout`.
    pub async fn ask(&self, to: &Address, body: &[u8], timeout: Duration) -> Answer {
        Ok(self.ask_with(to, const { &Metadata::new() }, body, timeout).await?.body)
    }

    /// As [`Kernel::ask`], with metadata of the question and of the reply.
    pub async fn ask_with(
        &self,
        to: &Address,
        metadata: &Metadata,
        body: &[u8],
        timeout: Duration,
    ) -> Result<Reply, AskError> {
        self.outside.ask(to, &Incoming::new(self.outside.next_id(), metadata, body), timeout).await
    }

    /// Sets or clears (`None`) the memory shortage, with its reason. While memory is short, no new message from outside is
    /// taken, whether told, asked or replayed: its sender gets [`SendError::MemoryPressure`]. Waiting messages are handled,
    /// and actors send to each other as before.
    pub fn set_memory_pressure(&self, reason: Option<Arc<str>>) {
        self.shared.memory_gate.set(reason);
    }

    /// Says that the play stops soon: it is not ready for work that others could take. Messages are taken as before.
    pub fn announce_stop(&self) {
        self.stops_soon.store(true, Ordering::Relaxed);
    }

    /// Whether the play stops soon: see [`Kernel::announce_stop`].
    pub fn stops_soon(&self) -> bool {
        self.stops_soon.load(Ordering::Relaxed)
    }

    /// The reason of the memory shortage; none when memory is not short.
    pub fn memory_pressure(&self) -> Option<Arc<str>> {
        self.shared.memory_gate.why()
    }

    /// Waits until messages from outside are taken.
    pub async fn wait_memory_relieved(&self) {
        self.shared.memory_gate.wait_opened().await;
    }

    /// The time that a message to an actor waits for space in its mailbox; none when there is no such actor.
    pub fn block_timeout(&self, address: &Address) -> Option<Duration> {
        self.shared.routing.registry.spec(address, |spec| spec.mailbox.block_timeout)
    }

    /// The largest body that an actor accepts, in bytes; none when there is no such actor.
    pub fn message_limit(&self, address: &Address) -> Option<usize> {
        self.shared.routing.registry.spec(address, |spec| spec.limits.message_bytes)
    }

    /// Waits until no message is waiting, in process, or to be retried anywhere, no spawned actor is before its first
    /// message, and only periodic timers are left. Also returns when the play is over.
    pub async fn wait_idle(&self) {
        loop {
            let hint = self.shared.activity.hint.notified();
            tokio::pin!(hint);
            hint.as_mut().enable();
            if self.shared.routing.is_idle() {
                return;
            }
            tokio::select! {
                () = hint => {}
                _ = self.wait_stopped() => return,
            }
        }
    }

    /// Waits until an actor is failed without a trial start; returns the failure. Pending forever when the play is over, or
    /// when no actor has the address.
    pub async fn wait_failed_for_good(&self, address: &Address) -> Arc<FailedActor> {
        loop {
            let hint = self.shared.activity.hint.notified();
            tokio::pin!(hint);
            hint.as_mut().enable();
            let failed = self.shared.routing.registry.get(address).and_then(|actor| actor.failed.lock().clone());
            if let Some(failed) = failed.filter(|failed| failed.trial_at.is_none()) {
                return failed;
            }
            hint.await;
        }
    }

    /// Stops an actor by an operator's order: only [`Kernel::resume`] starts it again. Its messages wait. Returns its state
    /// before; none when there is no such actor.
    pub async fn halt(&self, address: &Address) -> Option<State> {
        let _pinned = self.shared.existing(address).await;
        self.about(|answer| Command::Halt(address.clone(), answer)).await
    }

    /// Starts an actor by an operator's order. Returns its state before; none when there is no such actor.
    pub async fn resume(&self, address: &Address) -> Option<State> {
        let _pinned = self.shared.existing(address).await;
        self.about(|answer| Command::Resume(address.clone(), answer)).await
    }

    /// Starts an actor by an operator's order and waits for the outcome. A start that fails counts as no crash: the actor is
    /// in its state from before.
    pub async fn start_actor(&self, address: &Address) -> Result<StartedActor, StartError> {
        let _pinned = self.shared.existing(address).await;
        let (answer, outcome) = oneshot::channel();
        let _ = self.commands.send(Command::Start(address.clone(), answer));
        outcome.await.unwrap_or(Err(StartError::Stopping))
    }

    async fn about(&self, command: impl FnOnce(oneshot::Sender<Option<State>>) -> Command) -> Option<State> {
        let (answer, state) = oneshot::channel();
        let _ = self.commands.send(command(answer));
        state.await.ok().flatten()
    }

    /// The dead letters that are kept, oldest first.
    pub fn dead_letters(&self) -> Vec<Arc<DeadLetter>> {
        self.shared.routing.dead_letters.list()
    }

    /// The dead letter with this id, which may be shortened to a prefix that no other letter has.
    pub fn find_letter(&self, id: &str) -> Result<Arc<DeadLetter>, LetterError> {
        self.shared.routing.dead_letters.find(id)
    }

    /// Sends the body of a dead letter to its address again, as a new message of the same flow without a sender. Its id is
    /// derived from the old one, its attempts begin again, and no asker waits for its reply. It waits for space, at most
    /// `patience`. The letter is kept unless the message is in the mailbox.
    pub async fn replay(&self, id: LetterId, patience: Duration) -> Result<MessageId, LetterError> {
        self.letters().replay(id, patience).await
    }

    /// Replays the current dead letters that match, oldest first. After an address refused one, no more are sent there.
    pub async fn replay_all(&self, filter: &LetterFilter, patience: impl Fn(&Address) -> Duration) -> LettersMoved {
        self.letters().replay_all(filter, patience).await
    }

    /// Removes a dead letter for good. Returns when that is durable, if the play has a store.
    pub async fn drop_letter(&self, id: LetterId) -> Result<(), LetterError> {
        self.letters().drop_letter(id).await
    }

    /// Removes the dead letters that match for good. Returns when that is durable, if the play has a store.
    pub async fn drop_letters(&self, filter: &LetterFilter) -> LettersMoved {
        self.letters().drop_letters(filter).await
    }

    /// Begins an order about the messages in stored mailboxes. It waits for the order before, and until everything that happened
    /// so far can be read from the store. `by`: the operator, for the log.
    pub async fn order_mailboxes<'a>(&'a self, by: &'a str) -> Result<MailboxOrder<'a>, StoreError> {
        MailboxOrder::begin(&self.shared, by).await
    }

    /// Whether an actor of the play has a stored mailbox at this address.
    pub fn is_stored(&self, address: &Address) -> bool {
        self.shared.routing.registry.spec(address, |spec| spec.mailbox.keep == Keep::Stored).unwrap_or_default()
    }

    /// Whether an actor of the plan has a stored mailbox, which a store may not tell from one in memory before its first message. A member
    /// of a family, and a child, is none of the plan.
    pub fn is_stored_in_plan(&self, address: &Address) -> bool {
        let registry = &self.shared.routing.registry;
        let of_plan = registry.get(address).filter(|actor| actor.spawned.is_none() && actor.mailbox.is_stored());
        of_plan.is_some() && registry.family_of(address).is_none()
    }

    /// Counts of the dead letters of this run, by their reason and their fate.
    pub fn dead_letter_counts(&self) -> DeadLetterCounts {
        self.shared.routing.dead_letters.counts()
    }

    /// Messages that actors handled so far, including removed actors; also known when the play is over.
    pub fn handled(&self) -> u64 {
        let finished = self.shared.routing.registry.total(crate::actor::Actor::finished);
        finished.saturating_sub(self.shared.routing.unhandled.load(Ordering::Relaxed))
    }

    /// Restarts of all actors so far; also known when the play is over.
    pub fn restarts(&self) -> u64 {
        self.shared.restarts.load(Ordering::Relaxed)
    }

    /// Failed shutdowns so far: hooks that failed, and runs that did not stop in time and were killed, in a hook or in a
    /// handler. Messages that their hooks would have sent are lost, and an operator should know.
    pub fn failed_shutdowns(&self) -> u64 {
        self.shared.failed_shutdowns.load(Ordering::Relaxed)
    }

    /// Begins an orderly shutdown: in reverse order of the start, each actor handles its waiting messages, runs its
    /// `shutdown` hook, and ends. Wait for it with [`Kernel::wait_stopped`].
    pub fn shut_down(&self) {
        let _ = self.commands.send(Command::Shutdown);
    }

    /// Ends everything now; waiting messages become dead letters.
    pub fn kill(&self) {
        let _ = self.commands.send(Command::Kill);
    }

    fn letters(&self) -> LetterOrders<'_> {
        LetterOrders { shared: &self.shared, routing: &self.shared.routing }
    }
}
