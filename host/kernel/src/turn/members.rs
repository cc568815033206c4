//! Sends to members of families: a member that is not in memory is found, or made, when the turn commits.

use std::sync::Arc;

use super::Turn;
use crate::actor::Actor;
use crate::actor::pinned::Pinned;
use crate::dispatch::routing::delivery::Run;
use crate::mailbox::message_log::message_of;
use crate::words::dead_letter::DeadReason;
use crate::words::message::records_of;
use crate::words::send_error::SendError;

/// A target that is not made, with the reason: its messages are dead letters.
pub(super) type NotMade = (Arc<Actor>, DeadReason);

impl Turn {
    /// The actor that gets what is sent on a route, whose target is `target`.
    pub(super) async fn pinned(&mut self, route: usize, target: Arc<Actor>) -> Result<Pinned, NotMade> {
        if target.member().is_none() {
            return Ok(Pinned::new(self.shared.routing.relayed(target)));
        }
        match self.shared.receiver(target.address(), self.actor.id).await {
            Ok(member) => {
                self.routes.found(route, member.clone());
                Ok(member)
            }
            Err(error) => Err((target, DeadReason::NotMade(Box::new(error)))),
        }
    }

    /// The receiver of a question, which is a member of a family.
    pub(super) async fn pinned_for_ask(&mut self, route: usize, target: &Actor) -> Result<Pinned, SendError> {
        let member = self.shared.receiver(target.address(), self.actor.id).await?;
        self.routes.found(route, member.clone());
        Ok(member)
    }

    /// Makes dead letters of the next run of the commit.
    pub(super) fn dead_letter_run(&mut self, stand_in: &Actor, reason: &DeadReason) {
        let before = self.outbox.bytes.len();
        let next = self.outbox.next_run();
        let Run { from, to, messages, .. } = *next.run;
        *next.delivered += messages;
        (next.run.from, next.run.messages) = (to, 0);
        let letters: Vec<_> = records_of(&next.bytes[from..to]).map(message_of).collect();
        self.shared.routing.dead_letter(stand_in, letters, reason, false);
        self.outbox.end_run(before);
    }
}
