//! Reports to the code about the outcomes of its messages: collected by the commit.

use super::Turn;
use crate::actor::reports::TaskDone;

impl Turn {
    /// Queues a report about each finished message. This comes before the outcomes are final: the play is not idle until the
    /// code got the reports.
    pub(super) fn report_outcomes(&self) {
        let attempts = self.actor.spec.restart.attempts;
        let mut notable = self.outcomes.notable().peekable();
        let reports = (self.committed..self.committed + self.outcomes.len()).map(|index| {
            let outcome = notable.next_if(|(at, _)| *at == index).map(|(_, outcome)| outcome);
            TaskDone::committed(&self.batch.envelope(index), outcome, attempts)
        });
        self.instance.backlog.lock().report(&self.shared.activity, reports);
    }

    /// Gives the next call the time of `messages` messages.
    pub(crate) fn set_in_call(&self, messages: usize) {
        self.instance.set_in_call(messages);
    }
}
