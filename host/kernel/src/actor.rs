//! What outlives an incarnation: the actor's mailbox, its lanes, its counters. And the registry that finds actors
//! by address.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::address::Address;
use crate::ask::{Asks, Party};
use crate::crash::CrashReport;
use crate::dead_letter::DeadReason;
use crate::dead_letter::store::DeadLetters;
use crate::lane::{Backlog, Lane};
use crate::mailbox::Mailbox;
use crate::message::{ActorId, Message};
use crate::plan::ActorSpec;
use crate::random;

/// An actor, from its registration to the end of the kernel.
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
}

impl Actor {
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

    /// This actor as one that asks or is asked.
    pub(crate) fn party(&self) -> Party<'_> {
        Party { id: self.id, lanes: self.lanes.len(), address: self.address() }
    }

    /// Counts messages as ended. Only after everything they caused was delivered.
    pub(crate) fn finish(&self, messages: u64) {
        self.finished.fetch_add(messages, Ordering::Release);
    }
}

/// What all actors of one kernel share. No task of its own: whoever delivers does it here, in place.
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) asks: Asks,
    pub(crate) dead_letters: DeadLetters,
    /// Told whenever an actor may have become idle, while somebody waits for that.
    pub(crate) idle_hint: Notify,
    /// Restarts of all actors.
    pub(crate) restarts: AtomicU64,
    /// Shutdown hooks that failed.
    pub(crate) failed_shutdowns: AtomicU64,
    random: AtomicU64,
}

impl World {
    pub(crate) fn new(dead_letters: DeadLetters, seed: u64) -> Self {
        Self {
            registry: Registry::default(),
            asks: Asks::default(),
            dead_letters,
            idle_hint: Notify::new(),
            restarts: AtomicU64::new(0),
            failed_shutdowns: AtomicU64::new(0),
            random: AtomicU64::new(seed),
        }
    }

    /// A pause of less than `ceiling`, from the plan's seed.
    pub(crate) fn jitter(&self, ceiling: Duration) -> Duration {
        random::duration_below(self.random.fetch_add(random::STEP, Ordering::Relaxed), ceiling)
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
            let answer = match reason {
                DeadReason::Rejected(text) | DeadReason::Failed(text) => crate::AskError::Failed(text.clone()),
                DeadReason::Crashed(report) | DeadReason::AskCrashed(report) => {
                    crate::AskError::Crashed(report.crash.reason.to_string())
                }
                DeadReason::MailboxFull | DeadReason::Overflow => {
                    crate::SendError::MailboxFull(actor.address().clone()).into()
                }
                DeadReason::Stopped => crate::AskError::Stopped,
                DeadReason::Expired => crate::AskError::Timeout,
            };
            self.asks.answer(message.envelope.reply, Err(answer));
            let sender = self.registry.by_id(message.envelope.sender).map(|s| s.address().clone());
            tracing::warn!(
                target: "playhouse",
                address = %actor.address(),
                id = %message.envelope.id,
                attempts = message.envelope.attempt,
                "dead letter: {reason}"
            );
            self.dead_letters.add(message, actor.address().clone(), sender, reason.clone());
        }
        if counted {
            actor.finish(ended);
        }
    }

    /// A lane will not run again: what it had goes to another one, or, after the last one, becomes dead letters with all
    /// that waits, and the mailbox is closed.
    pub(crate) fn retire(&self, actor: &Actor, lane: &Lane) {
        if !self.hand_on(actor, lane) {
            let left = self.without_blamed(actor, lane).into_messages().chain(actor.mailbox.close());
            self.bury(actor, left, &DeadReason::Stopped, true);
        }
        self.idle_hint.notify_waiters();
    }

    /// Gives what a lane had to one that goes on; false when there is none.
    pub(crate) fn hand_on(&self, actor: &Actor, lane: &Lane) -> bool {
        let Some(heir) = actor.mailbox.heir_of(lane.index) else { return false };
        let left = self.without_blamed(actor, lane);
        actor.lanes[heir].backlog.lock().inherit(left);
        actor.mailbox.nudge(heir);
        true
    }

    /// Takes a lane's backlog. Who was to blame for the last crash, and will not get another attempt, is told so.
    fn without_blamed(&self, actor: &Actor, lane: &Lane) -> Backlog {
        let mut left = std::mem::take(&mut *lane.backlog.lock());
        if let Some(report) = lane.last_crash.lock().clone()
            && let Some(message) = report.blamed.and_then(|(id, _)| left.remove(id))
        {
            self.bury(actor, [message], &DeadReason::Crashed(report), true);
        }
        left
    }

    /// Whether no actor has a message waiting or in hand. Sound without stopping anybody: `finished` is read
    /// before `accepted`, both only grow, and no message is finished before what it caused was accepted.
    pub(crate) fn is_idle(&self) -> bool {
        let actors = self.registry.all();
        let finished: u64 = actors.iter().map(|a| a.finished()).sum();
        let accepted: u64 = actors.iter().map(|a| a.mailbox.accepted()).sum();
        finished == accepted
    }
}

const SHARDS: usize = 16;

/// Actors by address and by id.
#[derive(Default)]
pub(crate) struct Registry {
    hasher: RandomState,
    by_address: [RwLock<HashMap<Address, Arc<Actor>>>; SHARDS],
    by_id: [RwLock<HashMap<ActorId, Arc<Actor>>>; SHARDS],
    last_id: AtomicU64,
}

impl Registry {
    /// Registers an actor; its address must be new.
    pub(crate) fn add(&self, spec: ActorSpec) -> Arc<Actor> {
        let id = ActorId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let actor = Arc::new(Actor {
            id,
            mailbox: Mailbox::new(spec.mailbox, spec.instances),
            lanes: (0..spec.instances).map(|index| Arc::new(Lane::new(index, spec.timeout))).collect(),
            spec,
            incarnations: AtomicU64::new(0),
            finished: AtomicU64::new(0),
        });
        let before = self.shard(actor.address()).write().insert(actor.address().clone(), actor.clone());
        assert!(before.is_none(), "two actors at {}", actor.address());
        self.by_id[id.0 as usize % SHARDS].write().insert(id, actor.clone());
        actor
    }

    pub(crate) fn get(&self, address: &Address) -> Option<Arc<Actor>> {
        self.shard(address).read().get(address).cloned()
    }

    pub(crate) fn by_id(&self, id: ActorId) -> Option<Arc<Actor>> {
        self.by_id[id.0 as usize % SHARDS].read().get(&id).cloned()
    }

    /// All actors, in the order of their registration.
    pub(crate) fn all(&self) -> Vec<Arc<Actor>> {
        let mut all: Vec<_> = self.by_id.iter().flat_map(|s| s.read().values().cloned().collect::<Vec<_>>()).collect();
        all.sort_by_key(|actor| actor.id);
        all
    }

    fn shard(&self, address: &Address) -> &RwLock<HashMap<Address, Arc<Actor>>> {
        &self.by_address[self.hasher.hash_one(address) as usize % SHARDS]
    }
}
