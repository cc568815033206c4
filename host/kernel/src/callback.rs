//! What an actor is told about each of its messages once that is over: the words, and those that are still to be told. Only
//! where its code wants to know; see [`crate::Launcher::calls_back`].

use std::collections::VecDeque;
use std::sync::Arc;

use crate::actor::{Pending, World};
use crate::crash::CrashReason;
use crate::hand::{Failure, Outcome};
use crate::message::{Envelope, MessageId};

/// A message, or a notice, that was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDone {
    /// Which one.
    pub id: MessageId,
    /// Which attempt at it this was, from 1.
    pub attempt: u32,
    /// What came of it.
    pub outcome: TaskOutcome,
    /// It is a dead letter now. Otherwise, when it failed, it is handled again.
    pub dead_letter: bool,
}

/// What came of an attempt at a message. It is final: what it sent is delivered, or dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskOutcome {
    /// Handled, without a reply, or with one that nobody waited for.
    Done,
    /// Handled, and somebody got the reply.
    Replied,
    /// The handler failed it.
    Failed(Failure),
    /// It, or one of those in hand with it, crashed the actor: in a word as of [`CrashReason::kind`], and for people.
    Crashed(String, String),
}

impl TaskDone {
    /// From the outcome that a commit makes final; none: done without a reply.
    pub(crate) fn committed(envelope: &Envelope, outcome: Option<&Outcome>, attempts: u32) -> Self {
        let attempt = envelope.attempt + 1;
        let (outcome, dead_letter) = match outcome {
            Some(Outcome::Done(Some(_))) if envelope.reply.is_some() => (TaskOutcome::Replied, false),
            None | Some(Outcome::Done(_)) => (TaskOutcome::Done, false),
            Some(Outcome::Failed(failure)) => {
                let last = matches!(failure, Failure::Reject(_)) || attempt >= attempts;
                (TaskOutcome::Failed(failure.clone()), last)
            }
        };
        Self { id: envelope.id, attempt, outcome, dead_letter }
    }

    /// After a crash. `attempt` counts it.
    pub(crate) fn crashed(id: MessageId, attempt: u32, reason: &CrashReason, dead_letter: bool) -> Self {
        let outcome = TaskOutcome::Crashed(reason.kind().to_owned(), reason.to_string());
        Self { id, attempt, outcome, dead_letter }
    }
}

/// What a lane's incarnation, this or the next, is still to be told.
#[derive(Default)]
pub(crate) struct Reports {
    queue: VecDeque<TaskDone>,
    /// How many of them, from the front, are told one at a time: one of them crashed the actor.
    solo: usize,
    /// The play is not idle: what the code does about them is still to come.
    pending: Option<Pending>,
}

impl Reports {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn add(&mut self, world: &Arc<World>, reports: impl IntoIterator<Item = TaskDone>) {
        self.queue.extend(reports);
        if self.pending.is_none() && !self.queue.is_empty() {
            self.pending = Some(world.pending());
        }
    }

    /// What is told in one call. [`Pending`] is to be kept until that is over.
    pub(crate) fn take(&mut self, world: &Arc<World>) -> Option<(Vec<TaskDone>, Pending)> {
        let count = if self.solo > 0 { 1 } else { self.queue.len() };
        self.solo = self.solo.saturating_sub(count);
        let taken: Vec<_> = self.queue.drain(..count).collect();
        let pending = if self.queue.is_empty() { self.pending.take() } else { self.pending.clone() };
        if taken.is_empty() {
            return None;
        }
        Some((taken, pending.unwrap_or_else(|| world.pending())))
    }

    /// The call crashed. Told alone, it was told; of several nobody knows which one it was, and nothing of the call happened: the next
    /// run is told each of them alone.
    pub(crate) fn crashed(&mut self, world: &Arc<World>, told: Vec<TaskDone>) {
        if told.len() < 2 {
            return;
        }
        self.solo += told.len();
        self.put_back(world, told);
    }

    /// They were not told after all: they come first.
    pub(crate) fn put_back(&mut self, world: &Arc<World>, told: Vec<TaskDone>) {
        for report in told.into_iter().rev() {
            self.queue.push_front(report);
        }
        self.add(world, []);
    }

    /// The play does not wait until they are told: only an operator makes the next run.
    pub(crate) fn wait_for_operator(&mut self) {
        self.pending = None;
    }

    /// The play waits again until they are told.
    pub(crate) fn operator_came(&mut self, world: &Arc<World>) {
        self.add(world, []);
    }

    /// Takes over what another lane will not be told any more.
    pub(crate) fn inherit(&mut self, other: Self) {
        self.queue.extend(other.queue);
        self.pending = self.pending.take().or(other.pending);
    }
}
