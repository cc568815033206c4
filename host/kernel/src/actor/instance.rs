//! An instance: one of the parallel runs of an actor's code. An actor with `instances = 4` has four of them, with one
//! mailbox; each starts, crashes and restarts alone. This file holds the data that an instance keeps between its
//! incarnations, and the requests of the supervision to its current incarnation.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_frame::HEADER_BYTES;
use tokio::time::Instant;

use crate::actor::activity::{Activity, ActivityGuard};
use crate::actor::directive_request::DirectiveRequest;
use crate::actor::host_waits::HostWaits;
use crate::actor::own_metrics::OwnMetrics;
use crate::actor::reports::{Report, Reports};
use crate::actor::turn_counts::{PendingCall, TurnCounts};
use crate::mailbox::admission::EvictionState;
use crate::mailbox::{Keep, MailboxSpec};
use crate::words::crash::{Crash, CrashReport};
use crate::words::message::{Message, MessageId};
use crate::words::metric_names::MetricNames;
use crate::words::totals::ActorTotals;

/// One instance of an actor. Only its running incarnation uses most of it.
pub(crate) struct Instance {
    /// Its number among the instances of the actor.
    pub(crate) index: usize,
    pub(crate) backlog: Mutex<Backlog>,
    /// The last crash of this instance, for operators.
    pub(crate) last_crash: Mutex<Option<Arc<CrashReport>>>,
    /// The time of its restart, while it waits for one. It does not start earlier.
    pub(crate) back_at: Mutex<Option<Instant>>,
    /// The number of its latest incarnation; 0 before the first.
    incarnation: AtomicU64,
    /// The time limit of one message, including its waits.
    pub(crate) timeout: Duration,
    /// Counts up whenever a message gets its outcome: a call's timeout is measured from there.
    progress: AtomicU64,
    /// Number of messages in the current call: each adds to its time.
    in_call: AtomicU32,
    /// Whether it could end to free its slot.
    pub(crate) eviction: EvictionState,
    /// The times that are the host's.
    pub(crate) host_waits: HostWaits,
    /// Made when the first incarnation handles messages: many instances never run.
    turns: OnceLock<Box<TurnCounts>>,
    /// Made when the code first counts or observes something.
    own_metrics: OnceLock<Box<OwnMetrics>>,
}

impl Instance {
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
            eviction: EvictionState::default(),
            host_waits: HostWaits::default(),
            turns: OnceLock::new(),
            own_metrics: OnceLock::new(),
        }
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::Relaxed)
    }

    /// Begins the incarnation with this number.
    pub(crate) fn begin(&self, incarnation: u64) {
        let mut backlog = self.backlog.lock();
        self.incarnation.store(incarnation, Ordering::Relaxed);
        if let Some(rare) = &mut backlog.rare {
            rare.cut_off.clear();
            rare.task_crash = None;
        }
    }

    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// The counts of its turns. Only the running incarnation changes them.
    pub(crate) fn turns(&self) -> &TurnCounts {
        self.turns.get_or_init(Box::default)
    }

    /// A call of its code that did not return at once.
    pub(crate) fn pending_call(&self) -> Option<PendingCall> {
        self.turns.get()?.pending()
    }

    pub(crate) fn add_turns_to(&self, totals: &mut ActorTotals) {
        if let Some(turns) = self.turns.get() {
            turns.add_to(totals);
        }
    }

    /// The counts of its own metrics, which have these names. Only the running incarnation changes them.
    pub(crate) fn own_metrics(&self, names: &MetricNames) -> &OwnMetrics {
        self.own_metrics.get_or_init(|| Box::new(OwnMetrics::new(names.all().len())))
    }

    pub(crate) fn add_own_metrics_to(&self, names: &MetricNames, totals: &mut ActorTotals) {
        if let Some(metrics) = self.own_metrics.get() {
            metrics.add_to(names, totals);
        }
    }

    /// Counts an outcome. Only the running incarnation calls this.
    pub(crate) fn note_progress(&self) {
        self.progress.store(self.progress().wrapping_add(1), Ordering::Relaxed);
    }

    /// The time limit of the current call.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.timeout.saturating_mul(self.in_call.load(Ordering::Relaxed))
    }

    /// Number of messages in the current call.
    pub(crate) fn in_call(&self) -> usize {
        self.in_call.load(Ordering::Relaxed) as usize
    }

    /// Gives a call of `messages` messages the time of all of them.
    pub(crate) fn set_in_call(&self, messages: usize) {
        self.in_call.store(u32::try_from(messages).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

/// Messages that may have ended runs of the host, by number: how many runs each may have ended.
pub(crate) type Suspects = BTreeMap<u64, u32>;

/// Messages that were put back by an incarnation. They go before the messages in the mailbox, and only to this instance.
#[derive(Default)]
pub(crate) struct Backlog {
    /// Messages to be handled now, in order.
    pub(crate) returned: VecDeque<Message>,
    /// How many of `returned`, from the front, are handled one at a time, because one of them crashed a batch.
    pub(crate) solo: usize,
    /// Whether the current message is one of those that are handled alone.
    pub(crate) alone: bool,
    /// Messages to be handled again, with the time of the retry.
    pub(crate) delayed: Vec<(Instant, Message)>,
    /// Reports for the incarnation, before its next batch. Boxed, since few actors want reports.
    reports: Option<Box<Reports>>,
    /// Boxed: one word in the many instances that have nothing of it.
    pub(crate) rare: Option<Box<Rare>>,
}

/// The parts of a backlog that few instances have.
#[derive(Default)]
pub(crate) struct Rare {
    /// The started messages, with their failed attempts, of an incarnation that was killed, here or in an instance whose
    /// messages came here.
    cut_off: BTreeSet<(MessageId, u32)>,
    /// Messages that are handled one at a time, since they may have ended runs of the host.
    suspects: Suspects,
    /// Directive requests for the running incarnation, before its next batch. They are here because an incarnation looks here
    /// first.
    directive_requests: VecDeque<DirectiveRequest>,
    /// The crash of a task of the running incarnation.
    task_crash: Option<Box<Crash>>,
}

/// The work of an incarnation before its next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    TaskCrash,
    DirectiveRequest,
}

impl Rare {
    /// The work that comes before messages.
    pub(crate) fn comes_first(&self) -> Option<First> {
        if self.task_crash.is_some() {
            return Some(First::TaskCrash);
        }
        (!self.directive_requests.is_empty()).then_some(First::DirectiveRequest)
    }

    /// Queues a directive request for the running incarnation.
    pub(crate) fn request_directive(&mut self, request: DirectiveRequest) {
        self.directive_requests.push_back(request);
    }

    pub(crate) fn next_directive_request(&mut self) -> Option<DirectiveRequest> {
        self.directive_requests.pop_front()
    }

    /// Drops the directive requests of an incarnation that has ended.
    pub(crate) fn drop_directive_requests(&mut self) {
        self.directive_requests.clear();
    }

    /// Notes the crash of a task of the running incarnation; the first one counts.
    pub(crate) fn task_crashed(&mut self, crash: Crash) {
        self.task_crash.get_or_insert_with(|| Box::new(crash));
    }

    pub(crate) fn take_task_crash(&mut self) -> Option<Crash> {
        self.task_crash.take().map(|crash| *crash)
    }

    fn is_empty(&self) -> bool {
        let Self { cut_off, suspects, directive_requests, task_crash } = self;
        cut_off.is_empty() && suspects.is_empty() && directive_requests.is_empty() && task_crash.is_none()
    }
}

impl Backlog {
    pub(crate) fn len(&self) -> usize {
        self.returned.len() + self.delayed.len()
    }

    /// Frees the space of messages to be handled now, once there are none: the start of a host may have put back many.
    pub(crate) fn free_emptied(&mut self) {
        if self.returned.is_empty() {
            self.returned = VecDeque::new();
        }
    }

    /// Frees memory that is kept for later use.
    pub(crate) fn shrink(&mut self) {
        self.returned.shrink_to_fit();
        self.delayed.shrink_to_fit();
        if let Some(rare) = &mut self.rare {
            rare.directive_requests.shrink_to_fit();
            if rare.is_empty() {
                self.rare = None;
            }
        }
    }

    /// How many of `returned` go into one batch: the first one always, then as many as fit.
    pub(crate) fn fitting(&self, most: usize, most_bytes: usize) -> usize {
        let mut bytes = 0;
        let fits = self.returned.iter().take(most).take_while(|message| {
            bytes += message.content_bytes() + HEADER_BYTES;
            bytes <= most_bytes
        });
        fits.count().max(1).min(self.returned.len())
    }

    /// Notes the messages that may have ended runs of the host.
    pub(crate) fn suspect(&mut self, suspects: Suspects) {
        if !suspects.is_empty() {
            self.rare.get_or_insert_default().suspects = suspects;
        }
    }

    /// How many of the next `take` messages go together: those before the first suspect, or that one alone; and whether it is that one.
    pub(crate) fn up_to_suspect(&self, take: usize) -> (usize, bool) {
        let Some(rare) = &self.rare else { return (take, false) };
        let is_suspect = |message: &Message| rare.suspects.contains_key(&message.sequence());
        match self.returned.iter().take(take).position(is_suspect) {
            None => (take, false),
            Some(0) => (1, true),
            Some(before) => (before, false),
        }
    }

    /// The runs of the host that the message with this number may have ended.
    pub(crate) fn ended_by(&self, number: u64) -> u32 {
        self.rare.as_ref().and_then(|rare| rare.suspects.get(&number).copied()).unwrap_or_default()
    }

    /// Returns messages to the front; `solo` of them are handled one at a time.
    pub(crate) fn put_back(&mut self, messages: impl DoubleEndedIterator<Item = Message>, solo: usize) {
        let before = self.returned.len();
        for message in messages.rev() {
            self.returned.push_front(message);
        }
        // A message that was taken alone still goes alone. In front of others that go alone, all do: `solo` counts from the
        // front.
        self.solo += if self.alone || self.solo > 0 { self.returned.len() - before } else { solo };
    }

    /// Returns the messages of a call that a kill cut off; the code had started the first `tried` of them.
    pub(crate) fn put_back_killed(&mut self, messages: Vec<Message>, tried: usize) {
        if tried > 0 && !messages.is_empty() {
            let tried = messages.iter().take(tried).map(|message| (message.envelope.id, message.envelope.attempt));
            self.rare.get_or_insert_default().cut_off.extend(tried);
        }
        self.put_back(messages.into_iter(), 0);
    }

    /// Queues reports for this incarnation, or the next one.
    pub(crate) fn report(&mut self, activity: &Arc<Activity>, reports: impl IntoIterator<Item = Report>) {
        self.reports.get_or_insert_default().add(activity, reports);
    }

    /// Whether messages are to be handled, or reports to be given.
    pub(crate) fn has_work(&self) -> bool {
        self.len() > 0 || self.has_reports()
    }

    /// Whether reports are to be given.
    pub(crate) fn has_reports(&self) -> bool {
        self.reports.as_ref().is_some_and(|reports| !reports.is_empty())
    }

    /// The reports for the next call.
    pub(crate) fn take_reports(&mut self, activity: &Arc<Activity>) -> Option<(Vec<Report>, ActivityGuard)> {
        self.reports.as_mut()?.take(activity)
    }

    /// Handles a crash of the call with these reports.
    pub(crate) fn reports_crashed(&mut self, activity: &Arc<Activity>, told: Vec<Report>) {
        self.reports.get_or_insert_default().crashed(activity, told);
    }

    /// Puts back the reports of a call that was cut off from outside, and had no effect.
    pub(crate) fn reports_not_told(&mut self, activity: &Arc<Activity>, told: Vec<Report>) {
        self.reports.get_or_insert_default().put_back(activity, told);
    }

    /// Lets the play be idle although reports wait: the actor failed and has no trial start.
    pub(crate) fn wait_for_operator(&mut self) {
        if let Some(reports) = &mut self.reports {
            reports.wait_for_operator();
        }
    }

    /// Makes the play wait for the reports again: the actor is no longer failed.
    pub(crate) fn operator_came(&mut self, activity: &Arc<Activity>) {
        if let Some(reports) = &mut self.reports {
            reports.operator_came(activity);
        }
    }

    /// Takes over the messages of an instance that will not run again.
    pub(crate) fn inherit(&mut self, other: Self) {
        self.put_back(other.returned.into_iter(), other.solo);
        self.delayed.extend(other.delayed);
        if let Some(rare) = other.rare {
            let own = self.rare.get_or_insert_default();
            own.suspects.extend(rare.suspects);
            own.cut_off.extend(rare.cut_off);
        }
        if let Some(reports) = other.reports {
            self.reports.get_or_insert_default().inherit(*reports);
        }
    }

    /// How many more messages may be taken out of the mailbox. Messages that wait for a retry are bounded as the mailbox is, and all of
    /// them are in memory.
    pub(crate) fn space(&self, spec: &MailboxSpec) -> usize {
        let bytes: usize = self.delayed.iter().map(|(_, message)| message.content_bytes() + HEADER_BYTES).sum();
        let most_bytes = match spec.keep {
            Keep::Memory => spec.capacity_bytes,
            Keep::Stored => spec.capacity_bytes.min(spec.memory_bytes),
        };
        if bytes < most_bytes || self.delayed.is_empty() { spec.capacity.saturating_sub(self.delayed.len()) } else { 0 }
    }

    /// Moves messages that are due to `returned`, and returns when the next one is due.
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

    /// Moves all messages that wait for a retry to `returned`, in the order in which they are due. No later one is left.
    pub(crate) fn wake_all(&mut self) -> Option<Instant> {
        self.delayed.sort_by_key(|(due, _)| *due);
        self.returned.extend(self.delayed.drain(..).map(|(_, message)| message));
        None
    }

    /// Removes the message with this id and this number of failed attempts.
    pub(crate) fn remove(&mut self, id: MessageId, failures: u32) -> Option<Message> {
        let wanted = |message: &Message| (message.envelope.id, message.envelope.attempt) == (id, failures);
        if let Some(at) = self.returned.iter().position(wanted) {
            self.solo -= usize::from(at < self.solo);
            return self.returned.remove(at);
        }
        let at = self.delayed.iter().position(|(_, message)| wanted(message))?;
        Some(self.delayed.remove(at).1)
    }

    /// Removes the messages whose numbers in the mailbox are wanted, and returns the numbers.
    pub(crate) fn remove_stored(&mut self, is_wanted: &dyn Fn(u64) -> bool) -> Vec<u64> {
        let (mut removed, mut at, solo) = (Vec::new(), 0, self.solo);
        let mut stays = |message: &Message| {
            let number = message.sequence();
            let is_wanted = number != 0 && is_wanted(number);
            removed.extend(is_wanted.then_some(number));
            !is_wanted
        };
        self.returned.retain(|message| {
            let stays = stays(message);
            self.solo -= usize::from(!stays && at < solo);
            at += 1;
            stays
        });
        self.delayed.retain(|(_, message)| stays(message));
        removed
    }

    pub(crate) fn into_messages(mut self) -> impl Iterator<Item = Message> {
        if let Some(rare) = &self.rare {
            for Message { envelope, .. } in &mut self.returned {
                envelope.attempt += u32::from(rare.cut_off.contains(&(envelope.id, envelope.attempt)));
            }
        }
        self.returned.into_iter().chain(self.delayed.into_iter().map(|(_, message)| message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emptied_backlog_has_no_memory() {
        let mut backlog = Backlog::default();
        backlog.returned.reserve(64);
        backlog.free_emptied();
        assert_eq!(backlog.returned.capacity(), 0);
    }
}
