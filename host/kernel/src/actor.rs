//! What outlives an incarnation: the actor's mailbox, its lanes, its children, its counters. And what all actors share.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::address::Address;
use crate::ask::{Answer, AskError, Asks, Party};
use crate::behavior::Launcher;
use crate::clock::Clock;
use crate::crash::CrashReport;
use crate::dead_letter::DeadReason;
use crate::dead_letter::store::DeadLetters;
use crate::failed::FailedActor;
use crate::lane::{Backlog, Lane};
use crate::mailbox::Mailbox;
use crate::message::{ActorId, Message};
use crate::plan::{ActorSpec, Plan, RestartKind};
use crate::pressure::Door;
use crate::random;
use crate::registry::Registry;
use crate::slots::PlaySlots;
use crate::spawn::Template;
use crate::subtree::Membership;
use crate::supervision::events::State;
use crate::supervision::task::{Command, Commands};

/// Whether others may find an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Presence {
    /// It will be there when the turn that spawns it commits.
    Reserved = 0,
    There = 1,
    /// It stops for good, or has: who looks for it finds nobody.
    Gone = 2,
}

/// What is special about an actor that another one spawned.
pub(crate) struct Spawned {
    pub(crate) parent: ActorId,
    /// The incarnation of the parent that it belongs to. When the parent has a later one, it is an orphan.
    pub(crate) by: AtomicU64,
    /// Its first start is not through.
    pub(crate) first_start: AtomicU8,
    /// How that failed, if it did.
    pub(crate) failed_start: OnceLock<Arc<CrashReport>>,
}

/// An actor, from its registration to the end of the kernel, or until it is gone.
pub(crate) struct Actor {
    pub(crate) id: ActorId,
    pub(crate) spec: ActorSpec,
    pub(crate) mailbox: Mailbox,
    /// Where its incarnations run, at most one in each at a time.
    pub(crate) lanes: Box<[Arc<Lane>]>,
    /// Incarnations so far, of all lanes.
    incarnations: AtomicU64,
    /// Messages that ended, one way or the other. Equals the mailbox's `accepted` when there is nothing left.
    finished: AtomicU64,
    presence: AtomicU8,
    pub(crate) spawned: Option<Spawned>,
    /// In the subtrees that have limits.
    pub(crate) membership: Membership,
    /// By name.
    pub(crate) children: Mutex<BTreeMap<Box<str>, Arc<Actor>>>,
    /// Why it is failed, while it is.
    pub(crate) failed: Mutex<Option<Arc<FailedActor>>>,
    /// Makes the next incarnation: that of the spec, or of the last spawn that adopted it.
    pub(crate) launcher: Mutex<Arc<dyn Launcher>>,
}

impl Actor {
    /// An actor that nobody finds yet.
    pub(crate) fn new(id: ActorId, spec: ActorSpec, spawned: Option<Spawned>, membership: Membership) -> Self {
        Self {
            id,
            mailbox: Mailbox::new(spec.address.clone(), spec.mailbox, spec.policy.as_deref().cloned(), spec.instances),
            lanes: (0..spec.instances).map(|index| Arc::new(Lane::new(index, spec.timeout))).collect(),
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

    /// Whether it takes messages, or may again.
    pub(crate) fn is_there(&self) -> bool {
        !self.is_gone() && !self.mailbox.is_closed()
    }

    pub(crate) fn address(&self) -> &Address {
        &self.spec.address
    }

    /// Messages that wait, those that came back included.
    pub(crate) fn waiting(&self) -> usize {
        self.mailbox.len() + self.lanes.iter().map(|lane| lane.backlog.lock().len()).sum::<usize>()
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

    /// Whether it has messages waiting, in hand, or to be handled again.
    pub(crate) fn is_busy(&self) -> bool {
        self.finished() != self.mailbox.accepted()
    }

    /// Why what comes to its closed mailbox is not handled.
    pub(crate) fn closed_because(&self) -> DeadReason {
        let failed = self.spawned.as_ref().and_then(|spawned| spawned.failed_start.get());
        failed.map_or(DeadReason::Stopped, |report| DeadReason::FailedStart(report.clone()))
    }

    /// The number of the incarnation that begins in a lane now: no other of this actor has it.
    pub(crate) fn begin(&self, lane: &Lane) -> u64 {
        let number = self.incarnations.fetch_add(1, Ordering::Relaxed) + 1;
        lane.begin(number);
        number
    }

    /// The number of the latest incarnation; 0 before the first.
    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnations.load(Ordering::Relaxed)
    }

    /// The latest crash in any lane.
    pub(crate) fn last_crash(&self) -> Option<Arc<CrashReport>> {
        self.lanes.iter().filter_map(|lane| lane.last_crash.lock().clone()).max_by_key(|report| report.at)
    }

    /// When the first of its lanes starts again, if all of them wait before a restart.
    pub(crate) fn back_at(&self) -> Option<Instant> {
        let mut first = None;
        for lane in &self.lanes {
            let back_at = (*lane.back_at.lock())?;
            first = Some(first.map_or(back_at, |first: Instant| first.min(back_at)));
        }
        first
    }

    /// Refuses a question whose time is up before it can be handled.
    pub(crate) fn check_back_by(&self, deadline: Instant) -> Result<(), AskError> {
        match self.back_at() {
            Some(back_at) if back_at > deadline => Err(self.not_back_in_time()),
            _ => Ok(()),
        }
    }

    /// The error for a caller whose deadline comes before the restart, or who asks an actor that failed.
    pub(crate) fn not_back_in_time(&self) -> AskError {
        if let Some(failed) = &*self.failed.lock() {
            return AskError::ActorFailed(failed.told());
        }
        let why = self.last_crash().map(|report| format!(": it {}", report.crash.reason)).unwrap_or_default();
        AskError::Restarting(format!("it will not be back in time{why}"))
    }

    /// This actor as one that asks or is asked.
    pub(crate) fn party(&self) -> Party<'_> {
        Party { id: self.id, lanes: self.lanes.len(), address: self.address() }
    }

    /// Counts messages as ended. Only after everything they caused was delivered.
    pub(crate) fn finish(&self, messages: u64) {
        self.finished.fetch_add(messages, Ordering::Release);
    }
}

/// Keeps the play from being idle while it exists.
pub(crate) struct Pending(Arc<World>);

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

/// What all actors of one kernel share. No task of its own: whoever delivers does it here, in place.
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) asks: Asks,
    pub(crate) dead_letters: DeadLetters,
    /// To the outside.
    pub(crate) door: Door,
    /// From which actors are spawned, by name.
    pub(crate) templates: BTreeMap<String, Arc<dyn Template>>,
    /// To the supervision.
    pub(crate) commands: Commands,
    /// One-shot timers, spawned children and failures that keep the play from being idle: how many there were, and are
    /// no more.
    pub(crate) pending: (AtomicU64, AtomicU64),
    /// Actors that failed and are not tried again by themselves: the play does not wait for what waits there.
    pub(crate) failed_for_good: Mutex<HashSet<ActorId>>,
    /// The bound on incarnations that live, if there is one.
    pub(crate) slots: Option<PlaySlots>,
    /// When the kernel began.
    pub(crate) began: Instant,
    /// Told whenever an actor may have become idle, while somebody waits for that.
    pub(crate) idle_hint: Notify,
    /// Restarts of all actors.
    pub(crate) restarts: AtomicU64,
    /// Shutdown hooks that failed, and runs that were killed as they did not stop in time.
    pub(crate) failed_shutdowns: AtomicU64,
    /// Messages that were let into a mailbox and ended without being handled, of all actors that there are and were.
    pub(crate) unhandled: AtomicU64,
    /// Tells which time is the host's.
    pub(crate) clock: Clock,
    /// Runs the code of actors and of mailbox policies.
    runtime: Handle,
    random: AtomicU64,
}

impl World {
    pub(crate) fn new(plan: &Plan, commands: Commands) -> Self {
        Self {
            registry: Registry::default(),
            asks: Asks::default(),
            dead_letters: DeadLetters::new(plan.dead_letters),
            door: Door::default(),
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

    /// Runs a task on the runtime of the actors, also when supervision, which may have a runtime of its own, starts it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(task));
    }

    /// A pause of less than `ceiling`, from the plan's seed.
    pub(crate) fn jitter(&self, ceiling: Duration) -> Duration {
        random::duration_below(self.random.fetch_add(random::STEP, Ordering::Relaxed), ceiling)
    }

    /// Where the actor at an address stands, after all that was committed so far; none when there is none.
    pub(crate) async fn state(&self, address: Address) -> Option<State> {
        let (answer, state) = oneshot::channel();
        self.commands.send(Command::State(address, answer)).ok()?;
        state.await.ok()?
    }

    /// What the asker of `target` is told: of an answer that did not come in time, that a person stopped who was asked.
    pub(crate) async fn explained(&self, target: &Address, answer: Answer) -> Answer {
        match answer {
            Err(AskError::Timeout) if self.state(target.clone()).await == Some(State::Stopped) => {
                Err(AskError::StoppedByPerson(target.clone()))
            }
            answer => answer,
        }
    }

    /// Records messages for `actor` that will not be handled, and tells those who wait for an answer.
    /// `counted`: they had been let into its mailbox.
    pub(crate) fn bury(
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
                // It would be void for the next run anyway.
                continue;
            }
            let answer = match reason {
                DeadReason::Rejected(text) | DeadReason::Failed(text) => AskError::Failed(text.clone()),
                DeadReason::AskCrashed(report)
                    if report.blamed.is_none() && actor.spec.restart.kind != RestartKind::Temporary =>
                {
                    AskError::Restarting(format!("with others in hand, it {}", report.crash.reason))
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
                flow = format!("{:016x}", message.envelope.flow),
                hops = message.envelope.hops,
                "dead letter: {reason}"
            );
            self.dead_letters.add(self.accountable(actor), message, actor.address().clone(), sender, reason.clone());
        }
        // A commit ends the messages that it rejects itself.
        if counted || matches!(reason, DeadReason::Rejected(_) | DeadReason::Failed(_)) {
            actor.mailbox.count_unhandled(ended);
            self.unhandled.fetch_add(ended, Ordering::Relaxed);
        }
        if counted {
            actor.finish(ended);
        }
    }

    /// The actor of the plan that a spawned one is below: what is kept about all its descendants counts for it.
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

    /// A lane will not run again: what it had goes to another one, or, after the last one, becomes dead letters with all
    /// that waits, and the mailbox is closed. `live`: the lanes that go on, a bit each.
    pub(crate) fn retire(&self, actor: &Actor, lane: &Lane, live: u64) {
        if !self.hand_on(actor, lane, live) {
            let left = self.without_blamed(actor, lane).into_messages().chain(actor.mailbox.close());
            self.bury(actor, left, &actor.closed_because(), true);
        }
        self.idle_hint.notify_waiters();
    }

    /// Gives what a lane had to one that goes on, or else to one that may be started again; false when there is none.
    pub(crate) fn hand_on(&self, actor: &Actor, lane: &Lane, live: u64) -> bool {
        let Some(heir) = actor.mailbox.heir_of(lane.index, live) else { return false };
        let left = self.without_blamed(actor, lane);
        actor.lanes[heir].backlog.lock().inherit(left);
        actor.mailbox.nudge(heir);
        true
    }

    /// Takes a lane's backlog. Who was to blame for the last crash, and will not get another attempt, is told so.
    fn without_blamed(&self, actor: &Actor, lane: &Lane) -> Backlog {
        let mut left = std::mem::take(&mut *lane.backlog.lock());
        if let Some(report) = lane.last_crash.lock().clone()
            // The attempt counts: a question that is asked again has its id from the one that is blamed.
            && let Some(message) = report.blamed.and_then(|(id, attempt)| left.remove(id, attempt))
        {
            self.bury(actor, [message], &DeadReason::Crashed(report), true);
        }
        left
    }

    /// An actor that was spawned is gone for good: nobody finds it any more, and what waited becomes dead letters.
    pub(crate) fn forget(self: &Arc<Self>, actor: &Actor) {
        actor.set_presence(Presence::Gone);
        for lane in &actor.lanes {
            self.retire(actor, lane, 0);
        }
        actor.membership.count_out();
        self.unmark_failed(actor);
        self.registry.remove(actor);
        self.first_start_over(actor);
    }

    /// A spawned actor has come up for the first time, or never will.
    pub(crate) fn first_start_over(&self, actor: &Actor) {
        if let Some(spawned) = &actor.spawned
            && spawned.first_start.swap(0, Ordering::AcqRel) == 1
        {
            self.end_pending(1);
        }
    }

    /// What will cause messages by itself begins. Before the message that caused it is finished.
    pub(crate) fn begin_pending(&self) {
        self.pending.0.fetch_add(1, Ordering::Release);
    }

    /// As [`World::begin_pending`]; it is over when what this returns is dropped.
    pub(crate) fn pending(self: &Arc<Self>) -> Pending {
        self.begin_pending();
        Pending(self.clone())
    }

    /// It is over. After whatever it caused was accepted.
    pub(crate) fn end_pending(&self, count: u64) {
        self.pending.1.fetch_add(count, Ordering::Release);
        self.idle_hint.notify_waiters();
    }
}
