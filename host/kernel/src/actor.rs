//! What outlives an incarnation: the actor's mailbox, the messages that came back to it, its counters. And
//! the registry that finds actors by address.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use playhouse_frame::HEADER_BYTES;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::address::Address;
use crate::ask::Asks;
use crate::crash::CrashReport;
use crate::dead_letter::{DeadLetter, DeadLetters, DeadReason};
use crate::mailbox::{Mailbox, MailboxSpec};
use crate::message::{ActorId, Message};
use crate::plan::ActorSpec;
use crate::random;

/// An actor, from its registration to the end of the kernel.
pub(crate) struct Actor {
    pub(crate) id: ActorId,
    pub(crate) spec: ActorSpec,
    pub(crate) mailbox: Mailbox,
    /// Touched by the running incarnation alone, but it outlives it.
    pub(crate) backlog: Mutex<Backlog>,
    /// Messages that ended, one way or the other. Equals the mailbox's `accepted` when there is nothing left.
    finished: AtomicU64,
    /// Counts up whenever a message got its outcome: what a call's timeout is measured from.
    progress: AtomicU64,
    /// Messages in the call that runs: each adds to its time.
    in_call: AtomicU32,
    /// The last crash, for people who look.
    pub(crate) last_crash: Mutex<Option<Arc<CrashReport>>>,
}

/// Messages that came back from an incarnation. They go before those in the mailbox.
#[derive(Default)]
pub(crate) struct Backlog {
    /// To be handled now, in order.
    pub(crate) returned: VecDeque<Message>,
    /// How many of `returned`, from the front, must be handled one at a time: one of them crashed a batch.
    pub(crate) solo: usize,
    /// What is in hand was one of those.
    pub(crate) alone: bool,
    /// To be handled again at a time.
    pub(crate) delayed: Vec<(Instant, Message)>,
}

impl Backlog {
    pub(crate) fn len(&self) -> usize {
        self.returned.len() + self.delayed.len()
    }

    /// How many of `returned` go into one batch: the first always, then as many as fit.
    pub(crate) fn fitting(&self, most: usize, most_bytes: usize) -> usize {
        let mut bytes = 0;
        let fits = self.returned.iter().take(most).take_while(|message| {
            bytes += message.body.len() + HEADER_BYTES;
            bytes <= most_bytes
        });
        fits.count().max(1).min(self.returned.len())
    }

    /// How many messages more may come out of the mailbox: those that wait for a retry have its bounds, too.
    pub(crate) fn room(&self, spec: &MailboxSpec) -> usize {
        let bytes: usize = self.delayed.iter().map(|(_, message)| message.body.len() + HEADER_BYTES).sum();
        if bytes < spec.capacity_bytes { spec.capacity.saturating_sub(self.delayed.len()) } else { 0 }
    }

    /// Moves what is due to `returned` and says when the next one is.
    pub(crate) fn wake_due(&mut self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        if self.delayed.is_empty() {
            return None;
        }
        let now = now();
        self.delayed.sort_by_key(|(due, _)| *due);
        let due = self.delayed.partition_point(|(due, _)| *due <= now);
        self.returned.extend(self.delayed.drain(..due).map(|(_, message)| message));
        self.delayed.first().map(|(due, _)| *due)
    }

    fn drain(&mut self) -> impl Iterator<Item = Message> {
        let all = std::mem::take(self);
        all.returned.into_iter().chain(all.delayed.into_iter().map(|(_, message)| message))
    }
}

impl Actor {
    pub(crate) fn address(&self) -> &Address {
        &self.spec.address
    }

    /// Messages that wait, those that came back included.
    pub(crate) fn waiting(&self) -> usize {
        self.mailbox.len() + self.backlog.lock().len()
    }

    pub(crate) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Acquire)
    }

    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// A message got its outcome. Only the running incarnation says so.
    pub(crate) fn note_progress(&self) {
        self.progress.store(self.progress().wrapping_add(1), Ordering::Relaxed);
    }

    /// The wall-clock time of the call that runs.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.spec.timeout.saturating_mul(self.in_call.load(Ordering::Relaxed))
    }

    /// A call takes so many messages at once, and has the time of all of them.
    pub(crate) fn set_in_call(&self, messages: usize) {
        self.in_call.store(u32::try_from(messages).unwrap_or(u32::MAX), Ordering::Relaxed);
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
            self.dead_letters.add(DeadLetter {
                message,
                to: actor.address().clone(),
                sender,
                reason: reason.clone(),
                at: SystemTime::now(),
            });
        }
        if counted {
            actor.finish(ended);
        }
    }

    /// Closes an actor's mailbox for good; what waited becomes dead letters.
    pub(crate) fn retire(&self, actor: &Actor) {
        let mut left: Vec<_> = actor.backlog.lock().drain().collect();
        left.extend(actor.mailbox.close());
        // Who was to blame for the last crash, and will not get another attempt, is told so.
        let last_crash = actor.last_crash.lock().clone();
        let blamed = last_crash.as_ref().and_then(|report| report.blamed);
        // The attempt counts: a question that is asked again has its id from the one that is blamed.
        let (crashed, stopped): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|m| Some((m.envelope.id, m.envelope.attempt)) == blamed);
        if let Some(report) = last_crash {
            self.bury(actor, crashed, &DeadReason::Crashed(report), true);
        }
        self.bury(actor, stopped, &DeadReason::Stopped, true);
        self.idle_hint.notify_waiters();
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
            mailbox: Mailbox::new(spec.mailbox),
            spec,
            backlog: Mutex::default(),
            finished: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            in_call: AtomicU32::new(1),
            last_crash: Mutex::default(),
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
