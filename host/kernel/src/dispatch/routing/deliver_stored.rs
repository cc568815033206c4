//! Delivery of single messages into stored mailboxes, for senders outside of turns: each is an entry of its own.

use std::sync::Arc;

use tokio::time::Instant;

use crate::actor::Actor;
use crate::dispatch::routing::Routing;
use crate::dispatch::routing::entering::PlayJournal;
use crate::mailbox::Overflow;
use crate::words::message::{Envelope, Payload};
use crate::words::send_error::SendError;

impl Routing {
    /// As [`Routing::deliver_one`], into a stored mailbox: returns when the message is durable.
    pub(crate) async fn deliver_stored(
        &self,
        journal: &PlayJournal,
        target: &Arc<Actor>,
        (envelope, payload): (&Envelope, &Payload<'_>),
        deadline: Instant,
    ) -> Result<(), SendError> {
        match self.offer_stored(journal, target, (envelope, payload), deadline, |_| ()).await {
            Err(SendError::MailboxFull(_)) if target.mailbox.overflow() == Overflow::DropNewest => {
                Err(self.drop_newest(target, envelope, payload))
            }
            offered => offered,
        }
    }
}
