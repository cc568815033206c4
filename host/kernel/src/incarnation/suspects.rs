//! Messages that may have ended earlier runs of the host, by more memory than there is or by a fault of the host. After a run that did
//! not end in order, the first messages of each mailbox are handled one at a time, each noted in the store before.

use std::pin::pin;

use tokio::sync::OwnedMutexGuard;

use crate::actor::host_wait::held_up;
use crate::actor::host_waits::Obstacle;
use crate::incarnation::state::{Broken, Incarnation};
use crate::journal::entry::Op;
use crate::journal::order::EntrySpace;

impl Incarnation {
    /// Notes that a message is handed over, and waits until that is durable. If one more end of the host makes a dead letter of it, it
    /// is the only such message in process until the result is dropped, so that another one's guilt is not its own.
    pub(super) async fn note_suspect(&self, number: u64) -> Result<Option<OwnedMutexGuard<()>>, Broken> {
        let routing = &self.shared.routing;
        let Some(journal) = &routing.journal else { return Ok(None) };
        let mailbox = self.actor.id;
        let ends = self.instance.backlog.lock().ended_by(number);
        let noting = pin!(async {
            let is_last = ends.saturating_add(1) >= self.actor.spec.restart.attempts;
            let alone = if is_last { Some(self.shared.last_chances.clone().lock_owned().await) } else { None };
            let note = Op::Suspect { mailbox, number, ends, in_process: true };
            let entered = routing.enter(journal, Some(mailbox), EntrySpace::NONE, |draft| draft.op(note));
            let durable = held_up(&self.instance, Obstacle::Disk, journal.durable(entered.number));
            if durable.await.is_err() {
                // The store has failed, and the play ends: a signal comes. The message is not handed over without a note.
                std::future::pending::<()>().await;
            }
            alone
        });
        self.unless_killed(noting).await
    }
}
