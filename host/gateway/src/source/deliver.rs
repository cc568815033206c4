//! The way of a source's messages into the mailbox: one after another, so that their order stays; and the wait for their ends.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use playhouse_kernel::{AboutActor, Admitted, AskError, Ends, Incoming, Ingress, LogEvent, MessageId, SendError, Told};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;

use super::kept::Kept;
use super::supply::{SourceSettings, Taken};
use super::table::{End, Table};
use crate::broker_events::SourceRefused;
use crate::traffic::Counts;

/// The time that one try waits for space in the mailbox.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause after a refusal that will pass: memory is short, the store is full, or the mailbox is full and refuses.
const PAUSE: Duration = Duration::from_millis(50);
/// Maximum number of ends that are taken at a time.
const MOST_ENDS: usize = 1024;

/// Where the messages go that are in the mailbox, until they end.
pub(super) struct Awaited {
    /// With the turn that handles them.
    pub(super) turns: Ends,
    /// When they are durable: their mailbox is stored.
    pub(super) disk: UnboundedSender<(MessageId, Told)>,
}

/// Delivers messages.
pub(super) struct Deliverer {
    pub(super) settings: SourceSettings,
    pub(super) ingress: Arc<Ingress>,
    pub(super) table: Arc<Table>,
    pub(super) counts: Arc<Counts>,
    /// The broker's limit on deliveries, as it is now.
    pub(super) max_deliver: watch::Receiver<Option<u32>>,
    /// None when the receiver's messages are in memory.
    pub(super) kept: Option<Arc<Kept>>,
}

impl Deliverer {
    /// Delivers what comes. Nothing else that a source does waits for this.
    pub(super) async fn run(self, mut taken: UnboundedReceiver<Vec<Taken>>, awaited: Awaited) {
        while let Some(taken) = taken.recv().await {
            for next in taken {
                self.deliver(&next, &awaited).await;
                self.table.delivered();
            }
        }
    }

    /// Delivers one message, unless it has ended already. Waiting costs no attempt.
    async fn deliver(&self, taken: &Taken, awaited: &Awaited) {
        let tell = &self.settings.tell;
        // One that was given back in the meantime is for another consumer.
        while self.table.is_open(taken.id) {
            let attempts = self.ingress.receiver_limits(tell).map_or(1, |(_, attempts)| attempts);
            let message = Incoming {
                flow: taken.flow.unwrap_or_else(|| taken.id.flow()),
                failures: failures(taken.deliveries, attempts, *self.max_deliver.borrow()),
                ..Incoming::new(taken.id, &taken.metadata, &taken.body)
            };
            if let Some(why) = &taken.fault {
                return self.refuse(taken, &message, why.clone()).await;
            }
            match self.tell(taken, &message, awaited).await {
                Ok(true) => return,
                Ok(false) => return self.end_known(taken.id).await,
                // The overflow rule made a dead letter of it.
                Err(error @ SendError::Dropped { .. }) => {
                    return self.table.end(taken.id, End::of(Err(AskError::NotSent(error))));
                }
                // Members of families that do not exist, and that a source does not make.
                Err(error @ (SendError::TooLarge { .. } | SendError::NotCreated { .. })) => {
                    return self.refuse(taken, &message, error.to_string()).await;
                }
                // Each of these passes, or the play ends: the mailbox is full, memory is short, the store is full. The message is
                // kept alive in the meantime.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Puts a message into the mailbox. False: it is in the store already.
    async fn tell(&self, taken: &Taken, message: &Incoming<'_>, awaited: &Awaited) -> Result<bool, SendError> {
        let tell = &self.settings.tell;
        let Some(kept) = &self.kept else {
            return self.ingress.tell_with_end(tell, message, PATIENCE, &awaited.turns).await.map(|()| true);
        };
        let position = kept.position_of(taken);
        match self.ingress.tell_from(tell, message, &position.origin(), PATIENCE).await? {
            Admitted::New(told) => {
                let _ = awaited.disk.send((taken.id, told));
                Ok(true)
            }
            Admitted::Known => Ok(false),
        }
    }

    /// Ends a message that is in the store.
    async fn end_known(&self, id: MessageId) {
        self.counts.repeated.add(1);
        let end = if self.ingress.wait_durable().await.is_ok() { End::Handled } else { End::GivenBack };
        self.table.end(id, end);
    }

    /// Ends a message that can never be delivered. An operator finds it, or its first bytes, among the dead letters.
    async fn refuse(&self, taken: &Taken, message: &Incoming<'_>, why: String) {
        self.counts.refused.add(1);
        let event = SourceRefused {
            subject: AboutActor { address: &self.settings.address, plugin: super::supply::PLUGIN },
            position: &taken.position.to_string(),
            bytes: taken.body.len(),
            why: &why,
        };
        event.log();
        let (tell, text) = (&self.settings.tell, why.clone());
        let rejected = match &self.kept {
            None => self.ingress.reject(tell, message, text).await,
            Some(kept) => {
                let position = kept.position_of(taken);
                self.ingress.reject_from(tell, message, text, &position.origin()).await
            }
        };
        let end = match rejected {
            // The store failed: the letter may be lost, and the broker delivers the message again.
            Err(SendError::NotStored { .. }) => End::GivenBack,
            // Without the receiver, its address is in the log line alone.
            _ => End::Refused(why),
        };
        self.table.end(taken.id, end);
    }
}

/// The failed attempts that a message begins with: those of earlier deliveries, and as many more as the broker makes fewer
/// attempts than the actor. At least one attempt is left.
fn failures(deliveries: u32, attempts: u32, max_deliver: Option<u32>) -> u32 {
    let fewer = max_deliver.map_or(0, |most| attempts.saturating_sub(most.max(1)));
    deliveries.saturating_sub(1).saturating_add(fewer).min(attempts.saturating_sub(1))
}

/// Takes the ends of the messages that were delivered. Those of one turn come together.
pub(super) async fn collect(
    table: Arc<Table>,
    mut turns: UnboundedReceiver<(MessageId, Result<(), AskError>)>,
    mut disk: UnboundedReceiver<(MessageId, Told)>,
) {
    let mut come = Vec::new();
    let mut waiting = FuturesUnordered::new();
    loop {
        tokio::select! {
            count = turns.recv_many(&mut come, MOST_ENDS) => {
                if count == 0 {
                    return;
                }
                table.end_all(come.drain(..).map(|(id, ended)| (id, End::of(ended))));
            }
            // A store that failed may have the message or not: the next run of the host knows.
            Some((id, told)) = disk.recv() => waiting.push(async move {
                (id, told.durable().await.map_or(End::GivenBack, |_| End::Handled))
            }),
            Some((id, end)) = waiting.next() => table.end(id, end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_limit_of_broker_and_actor_makes_the_letter() {
        assert_eq!(failures(1, 3, None), 0);
        assert_eq!(failures(2, 3, None), 1);
        assert_eq!(failures(9, 3, None), 2, "one attempt is left");
        assert_eq!(failures(1, 3, Some(5)), 0);
        assert_eq!(failures(1, 3, Some(2)), 1);
        assert_eq!(failures(2, 3, Some(2)), 2);
        assert_eq!(failures(1, 1, Some(1)), 0);
    }
}
