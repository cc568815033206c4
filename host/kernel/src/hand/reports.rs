//! What the code is told about its messages once they are over: collected by the commit.

use super::Hand;
use crate::callback::TaskDone;

impl Hand {
    /// Has the code told what comes of the finished messages. Before they are: until then the play is not idle.
    pub(super) fn report_outcomes(&self) {
        let attempts = self.actor.spec.restart.attempts;
        let mut notable = self.outcomes.notable().peekable();
        let reports = (self.committed..self.committed + self.outcomes.len()).map(|index| {
            let outcome = notable.next_if(|(at, _)| *at == index).map(|(_, outcome)| outcome);
            TaskDone::committed(&self.batch.envelope(index), outcome, attempts)
        });
        self.lane.backlog.lock().report(&self.world, reports);
    }

    /// The call that follows has the time of so many messages.
    pub(crate) fn set_in_call(&self, messages: usize) {
        self.lane.set_in_call(messages);
    }
}
