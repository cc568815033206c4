//! The part of an actor that outlives an incarnation: mailbox, instances, children, counters; and [`Shared`], the state that
//! all actors share.

pub(crate) mod directive_request;
pub(crate) mod host_wait;
pub(crate) mod instance;
pub(crate) mod reports;
pub(crate) mod subtree;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::actor::instance::{Backlog, Instance};
use crate::actor::subtree::Membership;
use crate::dispatch::ask::{AskEndpoint, Asks};
use crate::dispatch::dead_letters::store::DeadLetters;
use crate::dispatch::memory_gate::MemoryGate;
use crate::dispatch::registry::Registry;
use crate::incarnation::behavior::Launcher;
use crate::kernel::plan::{ActorSpec, Plan};
use crate::mailbox::Mailbox;
use crate::mailbox::admission::PlaySlots;
use crate::supervisor::{Command, Commands};
use crate::turn::spawn::Template;
use crate::words::address::Address;
use crate::words::clock::Clock;
use crate::words::crash::CrashReport;
use crate::words::dead_letter::DeadReason;
use crate::words::failed::FailedActor;
use crate::words::message::{ActorId, Message, kept_number};
use crate::words::random;
use crate::words::restart::RestartKind;
use crate::words::send_error::{AskError, FullAnswer};
use crate::words::state::State;

/// Whether other actors can find this actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Presence {
    /// The turn that spawns the actor has not committed.
    Reserved = 0,
    There = 1,
    /// The actor stops for good, or has stopped; lookups do not find it.
    Gone = 2,
}

/// The extra state of an actor that another actor spawned.
pub(crate) struct Spawned {
    pub(crate) parent: ActorId,
    /// The parent's incarnation that owns this actor. When the parent has a later incarnation, this actor is an orphan.
    pub(crate) by: AtomicU64,
    /// 1 while the first start is under way, else 0.
    pub(crate) first_start: AtomicU8,
    /// The report of a failed first start.
    pub(crate) failed_start: OnceLock<Arc<CrashReport>>,
}

/// An actor, from its registration to the end of the kernel, or until it is gone.
pub(crate) struct Actor {
    pub(crate) id: ActorId,
    pub(crate) spec: ActorSpec,
    pub(crate) mailbox: Mailbox,
    /// The actor's instances. Each runs at most one incarnation at a time.
    pub(crate) instances: Box<[Arc<Instance>]>,
    /// Number of incarnations so far, over all instances.
    incarnations: AtomicU64,
    /// Messages that ended in any way. Equal to the mailbox's `accepted` when no message is left.
    finished: AtomicU64,
    presence: AtomicU8,
    pub(crate) spawned: Option<Spawned>,
    /// The actor's place in the subtrees that have limits.
    pub(crate) membership: Membership,
    /// Children by name.
    pub(crate) children: Mutex<BTreeMap<Box<str>, Arc<Actor>>>,
    /// The failure, while the actor is in the state `failed`.
    pub(crate) failed: Mutex<Option<Arc<FailedActor>>>,
    /// Makes the next incarnation: the launcher of the spec, or of the last spawn that adopted this actor.
    pub(crate) launcher: Mutex<Arc<dyn Launcher>>,
}

impl Actor {
    /// A new actor. Lookups do not find it yet.
    pub(crate) fn new(id: ActorId, spec: ActorSpec, spawned: Option<Spawned>, membership: Membership) -> Self {
        Self {
            id,
            mailbox: Mailbox::new(spec.address.clone(), spec.mailbox, spec.policy.as_deref().cloned(), spec.instances),
            instances: (0..spec.instances).map(|index| Arc::new(Instance::new(index, spec.timeout))).collect(),
            incarnations: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            presence: AtomicU8::new(Presence::Reserved as u8),
            spawned,
            membership,
            children: Mutex::default(),
            failed: Mutex::default(),
            launcher: Mutex::new(spec.launcher.clone()),
            spec,
        }
    }

    pub(crate) fn set_presence(&self, presence: Presence) {
        self.presence.store(presence as u8, Ordering::Release);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.presence.load(Ordering::Relaxed) == Presence::Gone as u8
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.presence.load(Ordering::Relaxed) == Presence::Reserved as u8
    }

    /// Whether the actor takes messages, or may take them again.
    pub(crate) fn is_there(&self) -> bool {
        !self.is_gone() && !self.mailbox.is_closed()
    }

    pub(crate) fn address(&self) -> &Address {
        &self.spec.address
    }

    /// Messages that wait, including those that were put back.
    pub(crate) fn waiting(&self) -> usize {
        self.mailbox.len() + self.instances.iter().map(|instance| instance.backlog.lock().len()).sum::<usize>()
    }

    pub(crate) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Acquire)
    }

    /// Messages that were handled.
    pub(crate) fn handled(&self) -> u64 {
        // Read first: a message counts as unhandled before it counts as ended.
        let finished = self.finished();
        finished.saturating_sub(self.mailbox.unhandled())
    }

    /// Whether any message waits, is being handled, or waits for another attempt.
    pub(crate) fn is_busy(&self) -> bool {
        self.finished() != self.mailbox.accepted()
    }

    /// The dead-letter reason for messages to the closed mailbox.
    pub(crate) fn closed_because(&self) -> DeadReason {
        let failed = self.spawned.as_ref().and_then(|spawned| spawned.failed_start.get());
        failed.map_or(DeadReason::Stopped, |report| DeadReason::FailedStart(report.clone()))
    }

    /// Starts an incarnation in an instance. Returns its number, which is unique in this actor.
    pub(crate) fn begin(&self, instance: &Instance) -> u64 {
        let number = kept_number(self.incarnations.fetch_add(1, Ordering::Relaxed) + 1);
        instance.begin(number);
        number
    }

    /// The number of the latest incarnation; 0 before the first.
    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnations.load(Ordering::Relaxed)
    }

    /// The latest crash of any instance.
    pub(crate) fn last_crash(&self) -> Option<Arc<CrashReport>> {
        self.instances.iter().filter_map(|instance| instance.last_crash.lock().clone()).max_by_key(|report| report.at)
    }

    /// The earliest restart of any instance, if all instances wait for a restart.
    pub(crate) fn back_at(&self) -> Option<Instant> {
        let mut first = None;
        for instance in &self.instances {
            let back_at = (*instance.back_at.lock())?;
            first = Some(first.map_or(back_at, |first: Instant| first.min(back_at)));
        }
        first
    }

    /// Refuses an ask whose deadline comes before the restart.
    pub(crate) fn check_back_by(&self, deadline: Instant) -> Result<(), AskError> {
        match self.back_at() {
            Some(back_at) if back_at > deadline => Err(self.not_back_in_time()),
            _ => Ok(()),
        }
    }

    /// The error for an ask whose deadline comes before the restart, or whose target failed.
    pub(crate) fn not_back_in_time(&self) -> AskError {
        if let Some(failed) = &*self.failed.lock() {
            return AskError::ActorFailed(failed.told());
        }
        let why = self.last_crash().map(|report| format!(": it {}", report.crash.reason)).unwrap_or_default();
        AskError::Restarting(format!("it will not be back in time{why}"))
    }

    /// This actor as an ask endpoint.
    pub(crate) fn endpoint(&self) -> AskEndpoint<'_> {
        AskEndpoint { id: self.id, instances: self.instances.len(), address: self.address() }
    }

    /// Counts messages as ended. Call this only after their effects were delivered.
    pub(crate) fn finish(&self, messages: u64) {
        self.finished.fetch_add(messages, Ordering::Release);
    }
}

/// Keeps the play from being idle while it exists.
pub(crate) struct Pending(Arc<Shared>);

impl Clone for Pending {
    fn clone(&self) -> Self {
        self.0.pending()
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.end_pending(1);
    }
}

/// The state that all actors of one kernel share. It has no task of its own: a delivery runs in the sender's task.
pub(crate) struct Shared {
    pub(crate) registry: Registry,
    pub(crate) asks: Asks,
    pub(crate) dead_letters: DeadLetters,
    /// The gate for messages from outside.
    pub(crate) memory_gate: MemoryGate,
    /// The plugins that actors may be spawned from, by name.
    pub(crate) templates: BTreeMap<String, Arc<dyn Template>>,
    /// The channel to the supervision.
    pub(crate) commands: Commands,
    /// Counts of the one-shot timers, spawned children and failures that keep the play from being idle: how many began, and
    /// how many ended.
    pub(crate) pending: (AtomicU64, AtomicU64),
    /// Actors that failed and have no trial start. The play does not wait for their messages.
    pub(crate) failed_for_good: Mutex<HashSet<ActorId>>,
    /// The bound on live incarnations, if the plan has one.
    pub(crate) slots: Option<PlaySlots>,
    /// When the kernel started.
    pub(crate) began: Instant,
    /// Notified whenever an actor may have become idle.
    pub(crate) idle_hint: Notify,
    /// Restarts of all actors.
    pub(crate) restarts: AtomicU64,
    /// Failed shutdown hooks, and runs that were killed because they did not stop in time.
    pub(crate) failed_shutdowns: AtomicU64,
    /// Messages that a mailbox accepted and that ended unhandled, over all current and former actors.
    pub(crate) unhandled: AtomicU64,
    /// Tells which time belongs to the host.
    pub(crate) clock: Clock,
    /// The runtime for the code of actors and of mailbox policies.
    runtime: Handle,
    random: AtomicU64,
}

impl Shared {
    pub(crate) fn new(plan: &Plan, commands: Commands) -> Self {
        Self {
            registry: Registry::default(),
            asks: Asks::default(),
            dead_letters: DeadLetters::new(plan.dead_letters),
            memory_gate: MemoryGate::default(),
            templates: plan.plugins.clone(),
            commands,
            pending: Default::default(),
            failed_for_good: Mutex::default(),
            slots: plan.max_instances.as_ref().map(|bound| PlaySlots::new(bound, &plan.actors)),
            began: Instant::now(),
            idle_hint: Notify::new(),
            restarts: AtomicU64::new(0),
            failed_shutdowns: AtomicU64::new(0),
            unhandled: AtomicU64::new(0),
            clock: plan.clock.clone(),
            runtime: plan.runtime.clone().unwrap_or_else(Handle::current),
            random: AtomicU64::new(plan.seed),
        }
    }

    /// Runs a task on the runtime of the actors, also when the supervision starts the task on a runtime of its own.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(task));
    }

    /// A time on the kernel's clock, as messages carry it: in microseconds since the kernel began, and not 0.
    pub(crate) fn time_of(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.began);
        since.as_secs().saturating_mul(1_000_000).saturating_add(since.subsec_micros().into()).max(1)
    }

    /// The time until such a time; zero when it has passed.
    pub(crate) fn until(&self, time: u64) -> Duration {
        let at = self.began.checked_add(Duration::from_micros(time));
        at.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()))
    }

    /// A random pause below `ceiling`, from the plan's seed.
    pub(crate) fn jitter(&self, ceiling: Duration) -> Duration {
        random::duration_below(self.random.fetch_add(random::STEP, Ordering::Relaxed), ceiling)
    }

    /// The state of the actor at `address` after everything committed so far; none when there is no such actor.
    pub(crate) async fn state(&self, address: Address) -> Option<State> {
        let (answer, state) = oneshot::channel();
        self.commands.send(Command::State(address, answer)).ok()?;
        state.await.ok()?
    }

    /// Replaces a timeout by a clearer error when an operator has stopped `target`.
    pub(crate) async fn explained(&self, target: &Address, answer: FullAnswer) -> FullAnswer {
        match answer {
            Err(AskError::Timeout) if self.state(target.clone()).await == Some(State::Stopped) => {
                Err(AskError::StoppedByOperator(target.clone()))
            }
            answer => answer,
        }
    }

    /// Makes dead letters of messages for `actor`, and answers their asks with an error. `counted`: the mailbox had accepted
    /// the messages.
    pub(crate) fn dead_letter(
        &self,
        actor: &Actor,
        messages: impl IntoIterator<Item = Message>,
        reason: &DeadReason,
        counted: bool,
    ) {
        let mut ended = 0;
        for message in messages {
            ended += 1;
            if message.envelope.sender == ActorId::NOTICE
                && matches!(reason, DeadReason::Stopped | DeadReason::FailedStart(_))
            {
                // The next run would ignore this notice.
                continue;
            }
            let answer = match reason {
                DeadReason::Rejected(text) => AskError::Rejected(text.clone()),
                DeadReason::Failed(text) => AskError::RetriesSpent(text.clone()),
                DeadReason::BadReply(text) => AskError::Failed(text.clone()),
                DeadReason::AskCrashed(report)
                    if report.blamed.is_none() && actor.spec.restart.kind != RestartKind::Temporary =>
                {
                    AskError::Restarting(format!("while it handled several messages, it {}", report.crash.reason))
                }
                DeadReason::Crashed(report) | DeadReason::AskCrashed(report) | DeadReason::FailedStart(report) => {
                    AskError::Crashed(report.crash.reason.to_string())
                }
                DeadReason::MailboxFull | DeadReason::Overflow | DeadReason::Abandoned => {
                    crate::SendError::MailboxFull(actor.address().clone()).into()
                }
                DeadReason::Stopped => AskError::Stopped,
                DeadReason::Expired => AskError::Timeout,
            };
            self.asks.answer(message.envelope.reply, Err(answer));
            actor.mailbox.count_letter(reason);
            let sender = self.registry.by_id(message.envelope.sender).map(|s| s.address().clone());
            tracing::warn!(
                target: "playhouse",
                address = %actor.address(),
                id = %message.envelope.id,
                attempts = message.envelope.attempt,
                flow = %message.envelope.flow,
                hops = message.envelope.hops,
                "dead letter: {reason}"
            );
            self.dead_letters.add(self.accountable(actor), message, actor.address().clone(), sender, reason.clone());
        }
        // A commit counts the messages that it rejects as ended.
        if counted || matches!(reason, DeadReason::Rejected(_) | DeadReason::Failed(_) | DeadReason::BadReply(_)) {
            actor.mailbox.count_unhandled(ended);
            self.unhandled.fetch_add(ended, Ordering::Relaxed);
        }
        if counted {
            actor.finish(ended);
        }
    }

    /// The actor of the plan above a spawned actor. The letters of all its descendants count for this actor.
    fn accountable(&self, actor: &Actor) -> ActorId {
        if actor.spawned.is_none() {
            return actor.id;
        }
        let mut above = actor.address().parent();
        while let Some(address) = above {
            match self.registry.occupant(&address) {
                Some(planned) if planned.spawned.is_none() => return planned.id,
                _ => above = address.parent(),
            }
        }
        actor.id
    }

    /// Retires an instance that will not run again. Its messages go to another instance. After the last instance, these and
    /// all waiting messages become dead letters, and the mailbox is closed. `live`: the instances that go on, one bit each.
    pub(crate) fn retire(&self, actor: &Actor, instance: &Instance, live: u64) {
        if !self.move_to_sibling(actor, instance, live) {
            let left = self.without_blamed(actor, instance).into_messages().chain(actor.mailbox.close());
            self.dead_letter(actor, left, &actor.closed_because(), true);
        }
        self.idle_hint.notify_waiters();
    }

    /// Moves an instance's messages to a live sibling, or else to one that may be started again; false when there is none.
    pub(crate) fn move_to_sibling(&self, actor: &Actor, instance: &Instance, live: u64) -> bool {
        let Some(sibling) = actor.mailbox.sibling_of(instance.index, live) else { return false };
        let left = self.without_blamed(actor, instance);
        actor.instances[sibling].backlog.lock().inherit(left);
        actor.mailbox.nudge(sibling);
        true
    }

    /// Takes an instance's backlog. The message that the last crash is blamed on gets no further attempt: it becomes a dead
    /// letter.
    fn without_blamed(&self, actor: &Actor, instance: &Instance) -> Backlog {
        let mut left = std::mem::take(&mut *instance.backlog.lock());
        if let Some(report) = instance.last_crash.lock().clone()
            // The attempt is compared too: a repeated ask has the same id as the blamed one.
            && let Some(message) = report.blamed.and_then(|(id, attempt)| left.remove(id, attempt))
        {
            self.dead_letter(actor, [message], &DeadReason::Crashed(report), true);
        }
        left
    }

    /// Removes a spawned actor for good: lookups do not find it, and its waiting messages become dead letters.
    pub(crate) fn forget(self: &Arc<Self>, actor: &Actor) {
        actor.set_presence(Presence::Gone);
        for instance in &actor.instances {
            self.retire(actor, instance, 0);
        }
        actor.membership.count_out();
        self.unmark_failed(actor);
        self.registry.remove(actor);
        self.first_start_over(actor);
    }

    /// Ends the first start of a spawned actor, whether it succeeded or failed.
    pub(crate) fn first_start_over(&self, actor: &Actor) {
        if let Some(spawned) = &actor.spawned
            && spawned.first_start.swap(0, Ordering::AcqRel) == 1
        {
            self.end_pending(1);
        }
    }

    /// Begins work that will cause messages by itself. Call this before the message that caused the work is finished.
    pub(crate) fn begin_pending(&self) {
        self.pending.0.fetch_add(1, Ordering::Release);
    }

    /// As [`Shared::begin_pending`]; the work ends when the result is dropped.
    pub(crate) fn pending(self: &Arc<Self>) -> Pending {
        self.begin_pending();
        Pending(self.clone())
    }

    /// Ends such work. Call this after everything that the work caused was accepted.
    pub(crate) fn end_pending(&self, count: u64) {
        self.pending.1.fetch_add(count, Ordering::Release);
        self.idle_hint.notify_waiters();
    }
}
