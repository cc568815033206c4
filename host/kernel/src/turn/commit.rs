//! The commit: delivers the sends of finished messages, in order, then makes their outcomes final. It is the only way out of
//! a turn.

use tokio::time::Instant;

use super::Turn;
use crate::dispatch::routing::delivery::{Patience, Run};
use crate::words::dead_letter::DeadReason;
use crate::words::outcome::{Failure, Outcome};
use crate::words::send_error::AskError;

impl Turn {
    /// Delivers the sends of finished messages, in order, then makes their outcomes final. May wait for space in mailboxes.
    /// If this future is dropped, the next commit goes on where it was.
    pub(crate) async fn commit(&mut self) {
        self.commit_with(Patience::Yes).await;
    }

    /// As [`Turn::commit`], without waiting: a message that finds no space becomes a dead letter.
    pub(crate) async fn commit_now(&mut self) {
        self.commit_with(Patience::No).await;
    }

    async fn commit_with(&mut self, patience: Patience) {
        while self.runs_delivered < self.runs_finished {
            let index = self.runs_delivered;
            let route = self.runs[index].route;
            if route == Run::EFFECT {
                self.carry_out();
                self.delivered += 1;
                self.runs_delivered += 1;
                continue;
            }
            if self.routes[route].target.is_gone() {
                self.renew(route);
            }
            let target = self.routes[route].target.clone();
            let before = self.bytes.len();
            let (run, bytes, delivered) = (&mut self.runs[index], &mut self.bytes, &mut self.delivered);
            let pushed = self.shared.routing.deliver_run(&target, run, bytes, delivered);
            if run.messages > 0 {
                let how = (patience, &*self.instance);
                Box::pin(self.shared.routing.deliver_rest(&target, run, bytes, delivered, pushed, how)).await;
            }
            self.runs_delivered += 1;
            let gone = before - self.bytes.len();
            if gone > 0 {
                // The bytes up to the run's end moved into the mailbox.
                for run in &mut self.runs[index + 1..] {
                    run.from -= gone;
                    run.to -= gone;
                }
            }
        }
        self.forget_delivered();
        if self.calls_back {
            self.report_outcomes();
        }
        let mut outcomes = std::mem::take(&mut self.outcomes);
        let mut finished = outcomes.len();
        self.committed += finished;
        for (index, outcome) in outcomes.drain() {
            if !self.settle(index, outcome) {
                finished -= 1;
            }
        }
        self.outcomes = outcomes;
        self.actor.finish(finished as u64);
    }

    /// Makes the outcome of one message final; false when the message is kept for a retry.
    fn settle(&self, index: usize, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Done(reply) => {
                let token = self.batch.reply(index);
                if token.is_some() {
                    self.shared.routing.asks.answer(token, reply.ok_or(AskError::NoReply));
                }
                return true;
            }
            Outcome::Failed(failure) => {
                let mut message = self.batch.message(index);
                message.envelope.attempt += 1;
                let attempt = message.envelope.attempt;
                let restart = &self.actor.spec.restart;
                match failure {
                    Failure::Retry(text) if attempt < restart.attempts => {
                        let ceiling = restart.backoff.ceiling(attempt);
                        tracing::info!(
                            target: "playhouse", address = %self.address(), id = %message.envelope.id,
                            attempt, flow = format!("{:016x}", message.envelope.flow), hops = message.envelope.hops,
                            "will retry: {text}"
                        );
                        let due = Instant::now() + self.shared.jitter.below(ceiling);
                        self.instance.backlog.lock().delayed.push((due, message));
                        return false;
                    }
                    Failure::Retry(text) => {
                        self.shared.routing.dead_letter(&self.actor, [message], &DeadReason::Failed(text), false);
                    }
                    Failure::Reject(text) => {
                        self.shared.routing.dead_letter(&self.actor, [message], &DeadReason::Rejected(text), false);
                    }
                }
            }
        }
        true
    }

    fn forget_delivered(&mut self) {
        self.runs.drain(..self.runs_delivered);
        self.recorded -= self.delivered;
        (self.runs_finished, self.runs_delivered, self.delivered) = (0, 0, 0);
        if self.runs.is_empty() {
            self.forget_bytes();
        }
    }

    pub(super) fn forget_bytes(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > 1 << 20 {
            self.bytes = Vec::new();
        }
    }
}
