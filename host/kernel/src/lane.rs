//! A lane: one of the places in which an actor runs its code. An actor with `instances = 4` has four of them in front of
//! one mailbox; each starts, crashes and restarts alone. Here lives what a lane keeps between its incarnations, and what the
//! supervision asks the one that runs.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_frame::HEADER_BYTES;
use tokio::time::Instant;

use crate::actor::{Pending, World};
use crate::callback::{Reports, TaskDone};
use crate::consult::Question;
use crate::crash::CrashReport;
use crate::host_wait::HostWaits;
use crate::mailbox::MailboxSpec;
use crate::message::{Message, MessageId};
use crate::slots::Leave;

/// One lane of an actor. Its running incarnation alone touches most of it.
pub(crate) struct Lane {
    /// Its number among the lanes of the actor.
    pub(crate) index: usize,
    pub(crate) backlog: Mutex<Backlog>,
    /// The last crash here, for people who look.
    pub(crate) last_crash: Mutex<Option<Arc<CrashReport>>>,
    /// It waits before a restart, and starts no earlier than that.
    pub(crate) back_at: Mutex<Option<Instant>>,
    /// The number of its latest incarnation; 0 before the first.
    incarnation: AtomicU64,
    /// The time in which one message runs or waits.
    pub(crate) timeout: Duration,
    /// Counts up whenever a message got its outcome: what a call's timeout is measured from.
    progress: AtomicU64,
    /// Messages in the call that runs: each adds to its time.
    in_call: AtomicU32,
    /// Whether it could make room for another.
    pub(crate) leave: Leave,
    /// Times that are the host's.
    pub(crate) host_waits: HostWaits,
}

impl Lane {
    pub(crate) fn new(index: usize, timeout: Duration) -> Self {
        Self {
            index,
            timeout,
            backlog: Mutex::default(),
            last_crash: Mutex::default(),
            back_at: Mutex::default(),
            incarnation: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            in_call: AtomicU32::new(1),
            leave: Leave::default(),
            host_waits: HostWaits::default(),
        }
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::Relaxed)
    }

    /// An incarnation with this number begins.
    pub(crate) fn begin(&self, incarnation: u64) {
        self.incarnation.store(incarnation, Ordering::Relaxed);
        self.backlog.lock().cut_off = None;
    }

    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// A message got its outcome. Only the running incarnation says so.
    pub(crate) fn note_progress(&self) {
        self.progress.store(self.progress().wrapping_add(1), Ordering::Relaxed);
    }

    /// The same of the call that runs.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.timeout.saturating_mul(self.in_call.load(Ordering::Relaxed))
    }

    /// Messages in the call that runs.
    pub(crate) fn in_call(&self) -> usize {
        self.in_call.load(Ordering::Relaxed) as usize
    }

    /// A call takes so many messages at once, and has the time of all of them.
    pub(crate) fn set_in_call(&self, messages: usize) {
        self.in_call.store(u32::try_from(messages).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

/// What goes before the messages in the mailbox, and only in this lane: messages that came back from an incarnation.
#[derive(Default)]
pub(crate) struct Backlog {
    /// To be handled now, in order.
    pub(crate) returned: VecDeque<Message>,
    /// How many of `returned`, from the front, must be handled one at a time: one of them crashed a batch.
    pub(crate) solo: usize,
    /// The messages, with their failed attempts, that were in hand when the last incarnation was killed, here or in a lane
    /// whose messages came here.
    #[allow(clippy::box_collection)] // one word in the many lanes that have none
    cut_off: Option<Box<BTreeSet<(MessageId, u32)>>>,
    /// The message in hand is one of those that are handled alone.
    pub(crate) alone: bool,
    /// To be handled again at a time.
    pub(crate) delayed: Vec<(Instant, Message)>,
    /// What the incarnation that runs is asked before its next batch. Here, since who looks for messages looks here first.
    pub(crate) questions: VecDeque<Question>,
    /// What it is told before its next batch. Boxed, since few actors want to know.
    reports: Option<Box<Reports>>,
}

impl Backlog {
    pub(crate) fn len(&self) -> usize {
        self.returned.len() + self.delayed.len()
    }

    /// Gives back what is kept for later.
    pub(crate) fn shrink(&mut self) {
        self.returned.shrink_to_fit();
        self.delayed.shrink_to_fit();
        self.questions.shrink_to_fit();
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

    /// Returns messages to the front, `solo` of them to be handled one at a time.
    pub(crate) fn put_back(&mut self, messages: impl DoubleEndedIterator<Item = Message>, solo: usize) {
        let before = self.returned.len();
        for message in messages.rev() {
            self.returned.push_front(message);
        }
        // Who was taken alone still goes alone. And in front of others that do: `solo` counts from the front.
        self.solo += if self.alone || self.solo > 0 { self.returned.len() - before } else { solo };
    }

    /// Returns the messages of a call that a kill cut off, of which the code had the first `tried` in hand.
    pub(crate) fn put_back_killed(&mut self, messages: Vec<Message>, tried: usize) {
        if tried > 0 && !messages.is_empty() {
            let tried = messages.iter().take(tried).map(|message| (message.envelope.id, message.envelope.attempt));
            self.cut_off.get_or_insert_default().extend(tried);
        }
        self.put_back(messages.into_iter(), 0);
    }

    /// The next incarnation, or this one, is told about these.
    pub(crate) fn report(&mut self, world: &Arc<World>, reports: impl IntoIterator<Item = TaskDone>) {
        self.reports.get_or_insert_default().add(world, reports);
    }

    /// Whether messages are to be handled, or outcomes to be told.
    pub(crate) fn has_work(&self) -> bool {
        self.len() > 0 || self.reports.as_ref().is_some_and(|reports| !reports.is_empty())
    }

    /// What is to be told now, in one call.
    pub(crate) fn take_reports(&mut self, world: &Arc<World>) -> Option<(Vec<TaskDone>, Pending)> {
        self.reports.as_mut()?.take(world)
    }

    /// The call that told it crashed.
    pub(crate) fn reports_crashed(&mut self, world: &Arc<World>, told: Vec<TaskDone>) {
        self.reports.get_or_insert_default().crashed(world, told);
    }

    /// The call that told it was cut off from outside, and nothing of it happened.
    pub(crate) fn reports_not_told(&mut self, world: &Arc<World>, told: Vec<TaskDone>) {
        self.reports.get_or_insert_default().put_back(world, told);
    }

    /// Its actor failed and is not tried again by itself: nobody waits for what the next run is told.
    pub(crate) fn wait_for_operator(&mut self) {
        if let Some(reports) = &mut self.reports {
            reports.wait_for_operator();
        }
    }

    /// Its actor is failed no more.
    pub(crate) fn operator_came(&mut self, world: &Arc<World>) {
        if let Some(reports) = &mut self.reports {
            reports.operator_came(world);
        }
    }

    /// Takes over what another lane will not handle any more.
    pub(crate) fn inherit(&mut self, other: Self) {
        self.put_back(other.returned.into_iter(), other.solo);
        self.delayed.extend(other.delayed);
        if let Some(cut_off) = other.cut_off {
            self.cut_off.get_or_insert_default().extend(*cut_off);
        }
        if let Some(reports) = other.reports {
            self.reports.get_or_insert_default().inherit(*reports);
        }
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

    /// Moves all that waits for a retry to `returned`, in the order in which it is due; nothing is due later.
    pub(crate) fn wake_all(&mut self) -> Option<Instant> {
        self.delayed.sort_by_key(|(due, _)| *due);
        self.returned.extend(self.delayed.drain(..).map(|(_, message)| message));
        None
    }

    /// Takes out the message with this id and so many failures.
    pub(crate) fn remove(&mut self, id: MessageId, failures: u32) -> Option<Message> {
        let wanted = |message: &Message| (message.envelope.id, message.envelope.attempt) == (id, failures);
        if let Some(at) = self.returned.iter().position(wanted) {
            self.solo -= usize::from(at < self.solo);
            return self.returned.remove(at);
        }
        let at = self.delayed.iter().position(|(_, message)| wanted(message))?;
        Some(self.delayed.remove(at).1)
    }

    pub(crate) fn into_messages(mut self) -> impl Iterator<Item = Message> {
        if let Some(cut_off) = &self.cut_off {
            for Message { envelope, .. } in &mut self.returned {
                envelope.attempt += u32::from(cut_off.contains(&(envelope.id, envelope.attempt)));
            }
        }
        self.returned.into_iter().chain(self.delayed.into_iter().map(|(_, message)| message))
    }
}
