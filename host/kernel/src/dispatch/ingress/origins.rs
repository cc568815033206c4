//! Messages from sources that keep their positions: see [`Origin`].

use std::time::Duration;

use crate::dispatch::ingress::{Incoming, Ingress, Told};
use crate::dispatch::origins::{Claim, Origin, origin_gone};
use crate::dispatch::routing::dead_letter::log_letter;
use crate::dispatch::routing::entering::PlayJournal;
use crate::journal::entry::{EntryNumber, StoredOrigin};
use crate::journal::order::EntrySpace;
use crate::journal::store::StoreError;
use crate::mailbox::{Keep, Overflow};
use crate::words::address::Address;
use crate::words::clock::later;
use crate::words::dead_letter::DeadReason;
use crate::words::message::{Message, Payload, ReplyToken};
use crate::words::send_error::SendError;

/// Positions that are read from the store at a time.
const PAGE: usize = 1024;

/// The outcome of [`Ingress::tell_from`].
#[derive(Debug)]
pub enum Admitted {
    /// The message is in the mailbox.
    New(Told),
    /// The message from this position was admitted before: see [`Ingress::wait_durable`].
    Known,
}

impl Ingress {
    /// Whether messages for this actor are stored, so that [`Ingress::tell_from`] may be used.
    pub fn is_stored(&self, to: &Address) -> bool {
        self.shared.routing.registry.spec(to, |spec| spec.mailbox.keep == Keep::Stored).unwrap_or_default()
    }

    /// Whether the play has a store, so that positions can be kept.
    pub fn has_store(&self) -> bool {
        self.shared.routing.journal.is_some()
    }

    /// Waits until everything that has entered so far is durable.
    pub async fn wait_durable(&self) -> Result<(), StoreError> {
        self.journal()?.all_durable().await
    }

    /// All positions of a source that are kept. From now on, messages from those that are unique are known.
    pub async fn origins(&self, source: &str, are_unique: bool) -> Result<Vec<StoredOrigin>, StoreError> {
        // Those of an incarnation before this one may be on their way.
        self.wait_durable().await?;
        let routing = &self.shared.routing;
        let store = routing.store()?;
        let mut all: Vec<StoredOrigin> = Vec::new();
        loop {
            // The next position in the order of bytes.
            let from = all.last().map_or_else(Vec::new, |last| [&last.position[..], &[0]].concat());
            let page = store.origins(source, &from, PAGE).await.map_err(|error| routing.store_read_failed(error))?;
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        if are_unique && !all.is_empty() {
            routing.origins.add(source, all.iter().map(|origin| origin.position.clone()));
        }
        Ok(all)
    }

    /// Whether the message from a unique position was admitted.
    pub fn knows(&self, source: &str, position: &[u8]) -> bool {
        self.shared.routing.origins.contains(source, position)
    }

    /// As [`Ingress::tell_later`], into a stored mailbox: the message and its position are durable together. A message that the rule
    /// `drop-newest` drops becomes a dead letter together with its position, and is durable when the error is returned.
    pub async fn tell_from(
        &self,
        to: &Address,
        message: &Incoming<'_>,
        origin: &Origin<'_>,
        patience: Duration,
    ) -> Result<Admitted, SendError> {
        let routing = &self.shared.routing;
        let target = self.target(to).await?;
        let journal = routing.journal.as_ref().filter(|_| target.mailbox.is_stored());
        let journal = journal.ok_or_else(|| SendError::not_stored(to, &"its mailbox is in memory alone"))?;
        let mut claim = None;
        if origin.is_unique {
            let Some(claimed) = routing.origins.claim(origin.source, origin.position) else {
                return Ok(Admitted::Known);
            };
            claim = Some(claimed);
        }
        let (envelope, payload) = self.enveloped(message, ReplyToken::NONE);
        let entered = routing
            .enter_one(journal, &target, (&envelope, &payload), later(patience), |draft| origin.enter_in(draft))
            .await;
        let number = match entered {
            Ok(number) => number,
            Err(SendError::MailboxFull(_)) if target.mailbox.overflow() == Overflow::DropNewest => {
                let dropped = Message::of(envelope, payload);
                let number = self.letter_from(journal, to, dropped, &DeadReason::Overflow, origin);
                claim.into_iter().for_each(Claim::keep);
                journal.durable(number).await.map_err(|error| SendError::not_stored(to, &error))?;
                return Err(SendError::Dropped { to: to.clone(), id: envelope.id });
            }
            Err(error) => return Err(error),
        };
        claim.into_iter().for_each(Claim::keep);
        Ok(Admitted::New(Told::entered(message.id, journal, number, to)))
    }

    /// As [`Ingress::reject`]: the dead letter and the position are durable together, and when this returns. Does nothing for a unique
    /// position that is known.
    pub async fn reject_from(
        &self,
        to: &Address,
        message: &Incoming<'_>,
        why: String,
        origin: &Origin<'_>,
    ) -> Result<(), SendError> {
        let routing = &self.shared.routing;
        let target = routing.registry.get(to).map_or_else(|| self.shared.stand_in(to.clone()), Ok)?;
        let journal = routing.journal.as_ref().ok_or_else(|| SendError::not_stored(to, &"the play has no store"))?;
        let claim = origin.is_unique.then(|| routing.origins.claim(origin.source, origin.position));
        if !matches!(claim, Some(None)) {
            let most = message.body.len().min(target.spec.limits.message_bytes);
            let (envelope, payload) = self.enveloped(message, ReplyToken::NONE);
            let first = Message::of(envelope, Payload { body: &message.body[..most], ..payload });
            self.letter_from(journal, to, first, &DeadReason::Rejected(why), origin);
            claim.flatten().into_iter().for_each(Claim::keep);
        }
        journal.all_durable().await.map_err(|error| SendError::not_stored(to, &error))
    }

    fn letter_from(
        &self,
        journal: &PlayJournal,
        to: &Address,
        message: Message,
        reason: &DeadReason,
        origin: &Origin<'_>,
    ) -> EntryNumber {
        let routing = &self.shared.routing;
        let target = routing.registry.get(to).or_else(|| self.shared.stand_in(to.clone()).ok());
        let entered = routing.enter(journal, None, EntrySpace::NONE, |draft| {
            if let Some(target) = &target {
                log_letter(None, target, &message.envelope, reason);
                routing.letter_in(draft, target, message, reason);
            }
            origin.enter_in(draft);
        });
        entered.number
    }

    /// Keeps a position by itself. Returns when it is durable.
    pub async fn keep_origin(&self, origin: &Origin<'_>) -> Result<(), StoreError> {
        let journal = self.journal()?;
        let space = journal.space(origin.bytes()).await;
        let number = self.shared.routing.enter(journal, None, space, |draft| origin.enter_in(draft)).number;
        journal.durable(number).await
    }

    /// As [`Ingress::keep_origin`], without waiting for the disk. Does nothing without a store.
    pub fn keep_origin_later(&self, origin: &Origin<'_>) {
        if let Some(journal) = &self.shared.routing.journal {
            self.shared.routing.enter(journal, None, EntrySpace::NONE, |draft| origin.enter_in(draft));
        }
    }

    /// Removes positions that the source does not need any more. They are durable some time later; what comes from there then is new.
    pub fn forget_origins<'p>(&self, source: &str, positions: impl IntoIterator<Item = &'p [u8]>) {
        let routing = &self.shared.routing;
        let Some(journal) = &routing.journal else { return };
        routing.enter(journal, None, EntrySpace::NONE, |draft| {
            for position in positions {
                routing.origins.remove(source, position);
                origin_gone(draft, source, position);
            }
        });
    }

    fn journal(&self) -> Result<&PlayJournal, StoreError> {
        let no_store = || StoreError::Failed("this play has no store".to_owned());
        self.shared.routing.journal.as_deref().ok_or_else(no_store)
    }
}
