//! What outlives an incarnation: the actor's mailbox, the messages that came back to it, its counters. And
//! what all actors share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use playhouse_frame::HEADER_BYTES;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::address::Address;
use crate::ask::Asks;
use crate::behavior::Launcher;
use crate::crash::CrashReport;
use crate::dead_letter::{DeadLetter, DeadLetters, DeadReason};
use crate::mailbox::Mailbox;
use crate::message::{ActorId, Message};
use crate::plan::{ActorSpec, Plan};
use crate::random;
use crate::registry::Registry;
use crate::spawn::Template;
use crate::supervision::task::Commands;

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
}

/// An actor, from its registration to the end of the kernel, or until it is gone.
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
    presence: AtomicU8,
    pub(crate) spawned: Option<Spawned>,
    /// By name.
    pub(crate) children: Mutex<BTreeMap<Box<str>, Arc<Actor>>>,
    /// Makes the next incarnation: that of the spec, or of the last spawn that adopted it.
    pub(crate) launcher: Mutex<Arc<dyn Launcher>>,
}

/// Messages that came back from an incarnation. They go before those in the mailbox.
#[derive(Default)]
pub(crate) struct Backlog {
    /// To be handled now, in order.
    pub(crate) returned: VecDeque<Message>,
    /// How many of `returned`, from the front, must be handled one at a time: one of them crashed a batch.
    pub(crate) solo: usize,
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
    /// An actor that nobody finds yet.
    pub(crate) fn new(id: ActorId, spec: ActorSpec, spawned: Option<Spawned>) -> Self {
        Self {
            id,
            mailbox: Mailbox::new(spec.mailbox),
            backlog: Mutex::default(),
            finished: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            in_call: AtomicU32::new(1),
            last_crash: Mutex::default(),
            presence: AtomicU8::new(Presence::Reserved as u8),
            spawned,
            children: Mutex::default(),
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
    /// From which actors are spawned, by name.
    pub(crate) templates: BTreeMap<String, Arc<dyn Template>>,
    /// To the supervision.
    pub(crate) commands: Commands,
    /// One-shot timers and spawned children that keep the play from being idle: how many there were, and are no more.
    pending: (AtomicU64, AtomicU64),
    /// Told whenever an actor may have become idle, while somebody waits for that.
    pub(crate) idle_hint: Notify,
    /// Restarts of all actors.
    pub(crate) restarts: AtomicU64,
    /// Shutdown hooks that failed.
    pub(crate) failed_shutdowns: AtomicU64,
    random: AtomicU64,
}

impl World {
    pub(crate) fn new(plan: &Plan, commands: Commands) -> Self {
        Self {
            registry: Registry::default(),
            asks: Asks::default(),
            dead_letters: DeadLetters::new(plan.dead_letters),
            templates: plan.plugins.clone(),
            commands,
            pending: Default::default(),
            idle_hint: Notify::new(),
            restarts: AtomicU64::new(0),
            failed_shutdowns: AtomicU64::new(0),
            random: AtomicU64::new(plan.seed),
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
        let blamed = last_crash.as_ref().and_then(|report| report.blamed).map(|(id, _)| id);
        let (crashed, stopped): (Vec<_>, Vec<_>) = left.into_iter().partition(|m| Some(m.envelope.id) == blamed);
        if let Some(report) = last_crash {
            self.bury(actor, crashed, &DeadReason::Crashed(report), true);
        }
        self.bury(actor, stopped, &DeadReason::Stopped, true);
        self.idle_hint.notify_waiters();
    }

    /// An actor that was spawned is gone for good: nobody finds it any more, and what waited becomes dead letters.
    pub(crate) fn forget(&self, actor: &Actor) {
        actor.set_presence(Presence::Gone);
        self.retire(actor);
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

    /// It is over. After whatever it caused was accepted.
    pub(crate) fn end_pending(&self, count: u64) {
        self.pending.1.fetch_add(count, Ordering::Release);
        self.idle_hint.notify_waiters();
    }

    /// Whether no actor has a message waiting or in hand, and none will come by itself. Sound without stopping anybody:
    /// what ended is counted before what began, both only grow, and nothing ends before what it caused began.
    pub(crate) fn is_idle(&self) -> bool {
        let ended = self.pending.1.load(Ordering::Acquire);
        let finished = self.registry.total(Actor::finished);
        let accepted = self.registry.total(|actor| actor.mailbox.accepted());
        let begun = self.pending.0.load(Ordering::Acquire);
        finished == accepted && begun == ended
    }
}
