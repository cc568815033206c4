//! Reports to an actor about the outcome of each of its messages: the types, and the queue of reports that were not given
//! yet. Only for code that wants reports; see [`crate::Launcher::calls_back`].

use std::collections::VecDeque;
use std::sync::Arc;

use crate::actor::activity::{Activity, ActivityGuard};
use crate::words::crash::CrashReason;
use crate::words::dead_letter::DeadReason;
use crate::words::message::{Envelope, MessageId};
use crate::words::outcome::{Failure, Outcome};

/// A message, or a notice, that was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDone {
    /// Its id.
    pub id: MessageId,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// Its outcome.
    pub outcome: TaskOutcome,
    /// Whether the message is a dead letter now. If it failed and is none, it is handled again.
    pub dead_letter: bool,
}

/// The outcome of an attempt at a message. It is final: the sends of the attempt are delivered, or dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskOutcome {
    /// Handled, without a reply, or with a reply that no asker waited for.
    Done,
    /// Handled, and an asker got the reply.
    Replied,
    /// The handler failed the message.
    Failed(Failure),
    /// The message, or another one of its turn, crashed the actor: the kind of [`CrashReason::kind`], and a text for
    /// operators. The kind is `host-died` when the message ended the host too often.
    Crashed(String, String),
}

impl TaskDone {
    /// The report about an outcome that a commit makes final; none: done without a reply.
    pub(crate) fn committed(envelope: &Envelope, outcome: Option<&Outcome>, attempts: u32) -> Self {
        let attempt = envelope.attempt + 1;
        let (outcome, dead_letter) = match outcome {
            Some(Outcome::Done(Some(_)) | Outcome::DoneWith(_)) if envelope.reply.is_ask() => {
                (TaskOutcome::Replied, false)
            }
            None | Some(Outcome::Done(_) | Outcome::DoneWith(_)) => (TaskOutcome::Done, false),
            Some(Outcome::Failed(failure)) => {
                let last = !matches!(failure, Failure::Retry(_)) || attempt >= attempts;
                (TaskOutcome::Failed(failure.clone()), last)
            }
        };
        Self { id: envelope.id, attempt, outcome, dead_letter }
    }

    /// The report about a message that ended the host, and is a dead letter for that.
    pub(crate) fn host_died(id: MessageId, attempt: u32, reason: &DeadReason) -> Self {
        let outcome = TaskOutcome::Crashed(reason.kind().to_owned(), reason.to_string());
        Self { id, attempt, outcome, dead_letter: true }
    }

    /// The report after a crash. `attempt` includes the attempt that crashed.
    pub(crate) fn crashed(id: MessageId, attempt: u32, reason: &CrashReason, dead_letter: bool) -> Self {
        let outcome = TaskOutcome::Crashed(reason.kind().to_owned(), reason.to_string());
        Self { id, attempt, outcome, dead_letter }
    }
}

/// A report that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) done: TaskDone,
    /// Its number among the reports that the store has for the actor; 0 when the store does not have it.
    pub(crate) number: u64,
}

impl From<TaskDone> for Report {
    fn from(done: TaskDone) -> Self {
        Self { done, number: 0 }
    }
}

/// The reports that an instance's incarnation, the current or the next one, still has to get.
#[derive(Default)]
pub(crate) struct Reports {
    queue: VecDeque<Report>,
    /// Number of reports, from the front, that are given one at a time because one of them crashed the actor.
    solo: usize,
    /// Keeps the play from being idle until the code has handled the reports.
    pending: Option<ActivityGuard>,
}

impl Reports {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn add(&mut self, activity: &Arc<Activity>, reports: impl IntoIterator<Item = Report>) {
        self.queue.extend(reports);
        if self.pending.is_none() && !self.queue.is_empty() {
            self.pending = Some(activity.guard());
        }
    }

    /// The reports for one call. Keep [`ActivityGuard`] until that call is over.
    pub(crate) fn take(&mut self, activity: &Arc<Activity>) -> Option<(Vec<Report>, ActivityGuard)> {
        let count = if self.solo > 0 { 1 } else { self.queue.len() };
        self.solo = self.solo.saturating_sub(count);
        let taken: Vec<_> = self.queue.drain(..count).collect();
        let pending = if self.queue.is_empty() { self.pending.take() } else { self.pending.clone() };
        if taken.is_empty() {
            return None;
        }
        Some((taken, pending.unwrap_or_else(|| activity.guard())))
    }

    /// Handles a crash of the call. A single report counts as given. Of several, the one to blame is unknown and the call had
    /// no effect: the next run gets each of them alone.
    pub(crate) fn crashed(&mut self, activity: &Arc<Activity>, told: Vec<Report>) {
        if told.len() < 2 {
            return;
        }
        self.solo += told.len();
        self.put_back(activity, told);
    }

    /// Puts reports that were not given back to the front.
    pub(crate) fn put_back(&mut self, activity: &Arc<Activity>, told: Vec<Report>) {
        for report in told.into_iter().rev() {
            self.queue.push_front(report);
        }
        self.add(activity, []);
    }

    /// Lets the play be idle although reports wait: only an operator starts the next run.
    pub(crate) fn wait_for_operator(&mut self) {
        self.pending = None;
    }

    /// Makes the play wait for the reports again.
    pub(crate) fn operator_came(&mut self, activity: &Arc<Activity>) {
        self.add(activity, []);
    }

    /// Takes over the reports of an instance that will not run again.
    pub(crate) fn inherit(&mut self, other: Self) {
        self.queue.extend(other.queue);
        self.pending = self.pending.take().or(other.pending);
    }
}
