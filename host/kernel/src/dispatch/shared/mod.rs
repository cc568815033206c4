//! The state that all actors of one kernel share, put together from its parts.

pub(crate) mod expiring;
pub(crate) mod expiring_values;
mod families;
mod kept_children;
pub(crate) mod kept_timers;
pub(crate) mod restoring;
pub(crate) mod unread;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::activity::Activity;
use crate::actor::template::Template;
use crate::dispatch::memory_gate::MemoryGate;
use crate::dispatch::requests::{Request, Requests};
use crate::dispatch::routing::Routing;
use crate::dispatch::scheduled::Scheduled;
use crate::journal::entry::EntryNumber;
use crate::mailbox::admission::{PlaySlots, Slots};
use crate::words::address::Address;
use crate::words::clock::Clock;
use crate::words::random::Jitter;
use crate::words::send_error::{AskError, FullAnswer};
use crate::words::state::State;

/// The state that all actors of one kernel share. Its many fields are parts that know nothing of each other; each of its methods joins some of them.
pub(crate) struct Shared {
    /// The way of messages.
    pub(crate) routing: Routing,
    /// The work that keeps the play from being idle.
    pub(crate) activity: Arc<Activity>,
    /// The gate for messages from outside.
    pub(crate) memory_gate: MemoryGate,
    /// The plugins that actors may be spawned from, by name.
    pub(crate) templates: BTreeMap<String, Arc<dyn Template>>,
    /// Takes the requests of actors.
    pub(crate) supervisor: Box<dyn Requests>,
    /// The bound on live incarnations, if the plan has one.
    pub(crate) admission: Option<PlaySlots>,
    /// When the kernel started.
    pub(crate) began: Instant,
    /// The same moment on the clock of the world.
    pub(crate) began_at: SystemTime,
    /// Held by an operator's order about stored mailboxes: the entry of the last one.
    pub(crate) mailbox_orders: tokio::sync::Mutex<EntryNumber>,
    /// Held while a message is in process that is a dead letter if the host dies once more.
    pub(crate) last_chances: Arc<tokio::sync::Mutex<()>>,
    /// Restarts of all actors.
    pub(crate) restarts: AtomicU64,
    /// Failed shutdown hooks, and runs that were killed because they did not stop in time.
    pub(crate) failed_shutdowns: AtomicU64,
    /// Tells which time belongs to the host.
    pub(crate) clock: Clock,
    /// The runtime for the code of actors and of mailbox policies.
    pub(crate) runtime: Handle,
    /// The plan's seed, which is part of the ids of messages without a cause.
    pub(crate) seed: u64,
    /// Random pauses, from the plan's seed.
    pub(crate) jitter: Jitter,
}

impl Shared {
    /// Runs a task on the runtime of the actors, also when the supervision starts the task on a runtime of its own.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(task));
    }

    /// As [`Shared::spawn`], for an incarnation: it also runs on the threads of its senders.
    pub(crate) fn spawn_incarnation(&self, task: BoxFuture<'static, ()>) {
        drop(self.runtime.spawn(Scheduled::new(task)));
    }

    /// A time on the kernel's clock, as messages carry it: in microseconds since the kernel began, and not 0.
    pub(crate) fn time_of(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.began);
        since.as_secs().saturating_mul(1_000_000).saturating_add(since.subsec_micros().into()).max(1)
    }

    /// A moment on the clock of the world, which outlives the host. While the host runs, that clock does not jump.
    pub(crate) fn wall_time(&self, instant: Instant) -> SystemTime {
        self.began_at + instant.saturating_duration_since(self.began)
    }

    /// The moment of such a time, or now when it has passed.
    pub(crate) fn moment_of(&self, time: SystemTime) -> Instant {
        let now = Instant::now();
        let wait = time.duration_since(self.wall_time(now)).unwrap_or_default();
        now.checked_add(wait).unwrap_or(now)
    }

    /// The time until such a time; zero when it has passed.
    pub(crate) fn until(&self, time: u64) -> Duration {
        let at = self.began.checked_add(Duration::from_micros(time));
        at.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()))
    }

    /// The state of the actor at `address` after everything committed so far; none when there is no such actor.
    pub(crate) async fn state(&self, address: Address) -> Option<State> {
        let (answer, state) = oneshot::channel();
        if !self.supervisor.request(Request::State(address, answer)) {
            return None;
        }
        state.await.ok()?
    }

    /// Replaces a timeout by a clearer error when an operator has stopped `target`.
    pub(crate) async fn explained(&self, target: &Address, answer: FullAnswer) -> FullAnswer {
        match answer {
            Err(AskError::Timeout) if self.state(target.clone()).await == Some(State::Stopped) => {
                Err(AskError::StoppedByOperator(target.clone()))
            }
            Err(AskError::Timeout) => {
                let target = self.routing.registry.get(target);
                let refusal = target.and_then(|target| self.routing.refusal_of_store(&target));
                Err(refusal.map_or(AskError::Timeout, AskError::NotSent))
            }
            answer => answer,
        }
    }

    /// The bounds under which an incarnation of this actor needs a slot, from the narrowest to the widest.
    pub(crate) fn bounds_of<'a>(&'a self, actor: &'a Actor) -> impl Iterator<Item = &'a Arc<Slots>> {
        let takes_slot = actor.spec.code.takes_slot();
        let chain = actor.membership.subtree().into_iter().flat_map(|subtree| subtree.chain());
        let subtrees = chain.filter_map(|subtree| subtree.instances());
        let play = self.admission.as_ref();
        let spawned = play.filter(|_| actor.spawned.is_some()).map(|slots| slots.for_spawned(actor.address()));
        let family = actor.member().map(|member| &member.family.slots);
        let wider = spawned.into_iter().chain(play.map(|slots| &slots.all)).filter(move |_| takes_slot);
        subtrees.filter(move |_| takes_slot).chain(family).chain(wider)
    }

    /// The bounds for a mailbox's policy. For policies of the plan's own actors the bound of the whole play does not count,
    /// since that is made for instances.
    pub(crate) fn bounds_of_policy(&self, actor: &Actor) -> Vec<Arc<Slots>> {
        let all = self.admission.as_ref().filter(|_| actor.spawned.is_none()).map(|slots| &slots.all);
        self.bounds_of(actor).filter(|slots| all.is_none_or(|all| !Arc::ptr_eq(all, slots))).cloned().collect()
    }
}
