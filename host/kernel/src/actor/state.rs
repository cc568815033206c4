//! The part of an actor that outlives an incarnation: mailbox, instances, children, counters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::actor::code::Code;
use crate::actor::failure_counts::FailureCounts;
use crate::actor::instance::Instance;
use crate::actor::keyed_state::KeyedState;
use crate::actor::member::Member;
use crate::actor::spec::ActorSpec;
use crate::actor::subtree::Membership;
use crate::journal::entry::StoredChild;
use crate::mailbox::Mailbox;
use crate::words::address::Address;
use crate::words::crash::CrashReport;
use crate::words::dead_letter::DeadReason;
use crate::words::event::{AboutActor, AboutRun, Described};
use crate::words::failed::FailedActor;
use crate::words::limits::Usage;
use crate::words::message::{ActorId, kept_number};
use crate::words::resource_use::{ResourceUse, Resources};
use crate::words::send_error::AskError;
use crate::words::totals::ActorTotals;

/// Whether other actors can find this actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Presence {
    /// The turn that spawns the actor has not committed.
    Reserved = 0,
    There = 1,
    /// The actor stops for good, or has stopped; lookups do not find it.
    Gone = 2,
    /// The head of a family, which is there for the tree alone: nothing can be sent to it.
    Head = 3,
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
    /// The code of the next incarnation: that of the spec, or of the last spawn that adopted this actor.
    pub(crate) code: Mutex<Code>,
    /// Set when the actor belongs to its parent itself, over all incarnations and runs of the host.
    pub(crate) kept: Option<Box<KeptChild>>,
    /// For a member of a family, whose head is the parent. Boxed, since most actors are none.
    pub(crate) member: Option<Box<Member>>,
}

/// The extra state of a spawned actor that is stored.
pub(crate) struct KeptChild {
    /// Its birth, as the store has it.
    pub(crate) child: StoredChild,
    /// Whether the store knows that it was stopped for good.
    pub(crate) leaves: AtomicBool,
    /// Tasks that make dead letters of its messages; each ends its channel.
    pub(crate) unread_tasks: Mutex<Vec<oneshot::Receiver<()>>>,
}

impl KeptChild {
    pub(crate) fn new(child: StoredChild) -> Self {
        Self { child, leaves: AtomicBool::new(false), unread_tasks: Mutex::default() }
    }
}

impl Spawned {
    /// For a child of `parent` that its incarnation with the number `by` spawns.
    pub(crate) fn new(parent: ActorId, by: u64, code: Code) -> Self {
        Self {
            parent,
            by: AtomicU64::new(by),
            first_start: AtomicU8::new(0),
            failed_start: OnceLock::new(),
            code: Mutex::new(code),
            kept: None,
            member: None,
        }
    }

    /// As [`Spawned::new`], for a child that is stored.
    pub(crate) fn kept(child: StoredChild, code: Code) -> Self {
        let parent = child.parent;
        Self { kept: Some(Box::new(KeptChild::new(child))), ..Self::new(parent, 0, code) }
    }
}

/// An actor, from its registration to the end of the kernel, or until it is gone. Its many fields are the parts that outlive
/// incarnations; most of its many methods read one counter or flag that several tasks change.
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
    /// Boxed, since most actors have none.
    pub(crate) spawned: Option<Box<Spawned>>,
    /// The actor's place in the subtrees that have limits.
    pub(crate) membership: Membership,
    /// Children by name.
    pub(crate) children: Mutex<BTreeMap<Box<str>, Arc<Actor>>>,
    /// The failure, while the actor is in the state `failed`.
    pub(crate) failed: Mutex<Option<Arc<FailedActor>>>,
    /// Its crashes and restarts so far.
    pub(crate) failures: FailureCounts,
    /// Its keyed state; boxed, since most actors have none.
    pub(crate) keyed_state: Option<Box<KeyedState>>,
    /// Made when code that counts its resources runs first.
    resources: OnceLock<Arc<ResourceUse>>,
}

impl Described for Actor {
    fn about(&self) -> AboutActor<'_> {
        AboutActor { address: self.address(), plugin: self.spec.code.plugin() }
    }
}

impl Actor {
    /// A new actor. Lookups do not find it yet.
    pub(crate) fn new(id: ActorId, spec: ActorSpec, spawned: Option<Spawned>, membership: Membership) -> Self {
        Self {
            id,
            mailbox: Mailbox::new(spec.mailbox, spec.policy.as_deref().cloned(), spec.instances),
            instances: (0..spec.instances).map(|index| Arc::new(Instance::new(index, spec.limits.timeout))).collect(),
            incarnations: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            presence: AtomicU8::new(Presence::Reserved as u8),
            spawned: spawned.map(Box::new),
            membership,
            children: Mutex::default(),
            failed: Mutex::default(),
            failures: FailureCounts::default(),
            keyed_state: spec.state.as_deref().map(|spec| Box::new(KeyedState::new(*spec))),
            resources: OnceLock::new(),
            spec,
        }
    }

    pub(crate) fn set_presence(&self, presence: Presence) {
        self.presence.store(presence as u8, Ordering::Release);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.presence.load(Ordering::Relaxed) == Presence::Gone as u8
    }

    /// Whether messages may be sent to it, or may be once it is spawned.
    pub(crate) fn is_addressable(&self) -> bool {
        self.presence.load(Ordering::Relaxed) < Presence::Gone as u8
    }

    /// Its part as a member of a family; none for other actors.
    #[inline]
    pub(crate) fn member(&self) -> Option<&Member> {
        self.spawned.as_ref()?.member.as_deref()
    }

    /// Whether its watches, and the reports about its messages, belong to it and not to an incarnation. Those of a member of a family do
    /// not: while it is in the store alone, nothing is told to it.
    pub(crate) fn keeps_watches(&self) -> bool {
        self.mailbox.is_stored() && self.member().is_none()
    }

    /// Whether it stands for a family in the tree.
    pub(crate) fn is_head(&self) -> bool {
        self.presence.load(Ordering::Relaxed) == Presence::Head as u8
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.presence.load(Ordering::Relaxed) == Presence::Reserved as u8
    }

    /// Whether the actor takes messages, or may take them again.
    pub(crate) fn is_there(&self) -> bool {
        self.is_addressable() && !self.mailbox.is_closed()
    }

    /// The code of the next incarnation.
    pub(crate) fn code(&self) -> Code {
        self.spawned.as_ref().map_or_else(|| self.spec.code.clone(), |spawned| spawned.code.lock().clone())
    }

    pub(crate) fn address(&self) -> &Address {
        &self.spec.address
    }

    /// An incarnation of the actor as the subject of events.
    pub(crate) fn about_run(&self, incarnation: u64) -> AboutRun<'_> {
        AboutRun { actor: self.about(), incarnation }
    }

    /// Whether others than the store learn from it what it knows: its own state ends with the host, or its code reaches
    /// outside. It gets only what is durable.
    pub(crate) fn is_edge(&self) -> bool {
        !self.mailbox.is_stored() || self.spec.reaches_outside
    }

    /// Messages that wait, including those that were put back.
    pub(crate) fn waiting(&self) -> usize {
        self.mailbox.len() + self.put_back()
    }

    /// Messages that were put back to an instance, and wait there.
    pub(crate) fn put_back(&self) -> usize {
        self.instances.iter().map(|instance| instance.backlog.lock().len()).sum()
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

    /// Whether nothing of it is in memory but itself: no message waits or is on its way, and no incarnation runs.
    pub(crate) fn is_releasable(&self) -> bool {
        !self.is_busy()
            && self.mailbox.is_releasable()
            && self.instances.iter().all(|instance| !instance.backlog.lock().has_work())
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

    /// The use of its `limits.subtree` by the actor and all actors below it; empty without such limits.
    pub(crate) fn subtree_usage(&self) -> Vec<Usage> {
        let own = self.membership.subtree().filter(|subtree| subtree.is_of(self.address()));
        let mut usage = own.map(|subtree| subtree.usage()).unwrap_or_default();
        usage.extend(self.code().subtree_usage());
        usage
    }

    /// Adds the counts that only grow, all but its CPU time: [`Actor::resources`] has that.
    pub(crate) fn add_to(&self, totals: &mut ActorTotals) {
        totals.handled += self.handled();
        totals.incarnations += self.incarnation();
        self.mailbox.add_to(totals);
        self.failures.add_to(totals);
        for instance in &self.instances {
            instance.add_turns_to(totals);
            instance.add_own_metrics_to(&self.spec.metrics, totals);
        }
    }

    /// The counts of the resources that its code uses.
    pub(crate) fn resource_use(&self) -> &Arc<ResourceUse> {
        self.resources.get_or_init(Arc::default)
    }

    /// As [`Actor::resource_use`]; none when its code does not count them.
    pub(crate) fn uses(&self) -> Option<&Arc<ResourceUse>> {
        self.resources.get()
    }

    /// The resources that its code uses; none when its code does not count them.
    pub(crate) fn resources(&self) -> Option<Resources> {
        self.resources.get().map(|resources| resources.read())
    }

    /// The host's time, summed over all instances.
    pub(crate) fn host_waited(&self) -> Duration {
        self.instances.iter().map(|instance| instance.host_waits.total()).sum()
    }

    /// Counts messages as ended. Call this only after their effects were delivered.
    pub(crate) fn finish(&self, messages: u64) {
        self.finished.fetch_add(messages, Ordering::Release);
    }
}
