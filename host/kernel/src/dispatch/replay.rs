//! Operations on dead letters: send them again, or drop them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use playhouse_frame::Content;

use crate::dispatch::Shared;
use crate::dispatch::mailbox_orders::ORDER_PATIENCE;
use crate::dispatch::routing::Routing;
use crate::dispatch::routing::output::Output;
use crate::journal::entry::{EntryNumber, Op};
use crate::journal::order::{Draft, EntrySpace};
use crate::words::address::Address;
use crate::words::clock::later;
use crate::words::dead_letter::{LetterError, LetterFilter, LetterId};
use crate::words::event::{AboutActor, AboutMessage, Described, LogEvent};
use crate::words::events::{LetterDropped, LetterReplayed};
use crate::words::message::{ActorId, Envelope, MessageId, Payload, ReplyToken};

/// The index of replays among all messages that a message causes: far from its sends, some of which may be delivered.
const REPLAYS: u64 = 1 << 63;

/// The result of an operation on several letters. Letters that failed are still kept.
#[derive(Debug, Clone, Default)]
pub struct LettersMoved {
    /// Number of letters that were removed from the store.
    pub done: u64,
    /// The others, oldest first.
    pub failed: Vec<(LetterId, LetterError)>,
}

/// The dead letters, for orders of operators.
pub(crate) struct LetterOrders<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) routing: &'a Routing,
}

impl LetterOrders<'_> {
    /// Sends a letter's message again, as a new one without a sender. The letter is removed when the new message is in the
    /// mailbox. Returns when both are durable.
    pub(crate) async fn replay(&self, id: LetterId, patience: Duration) -> Result<MessageId, LetterError> {
        let (message, entry) = self.send_again(id, patience).await?;
        self.wait_gone(id, entry).await?;
        Ok(message)
    }

    /// As [`LetterOrders::replay`], without waiting for the store. Returns the number of the entry as well.
    async fn send_again(
        &self,
        id: LetterId,
        patience: Duration,
    ) -> Result<(MessageId, Option<EntryNumber>), LetterError> {
        let replay = self.routing.dead_letters.begin_replay(id)?;
        let letter = &replay.letter;
        let exists =
            self.routing.registry.get(&letter.to).is_some() || self.routing.registry.family_of(&letter.to).is_some();
        if exists {
            self.shared.memory_gate.pass()?;
        }
        let target = self.shared.receiver(&letter.to, ActorId::OUTSIDE).await?;
        let old = &letter.message.envelope;
        let (parts, before) = Content::parts(None, 0, &letter.message.metadata().into());
        let envelope = Envelope {
            id: old.id.caused(REPLAYS | replay.number),
            sender: ActorId::OUTSIDE,
            flow: old.flow,
            hops: old.hops.saturating_add(1),
            attempt: 0,
            // The original asker has got an error already, so that its deadline means nothing any more.
            reply: ReplyToken::NONE,
            parts,
        };
        let payload = Payload { parts: &before, body: &letter.message.body };
        let stored = self.routing.journal.as_ref().filter(|_| target.mailbox.is_stored());
        let entry = if let Some(journal) = stored {
            // The letter goes with the entry that has the message.
            let with = |draft: &mut Draft<Output>| draft.op(Op::LetterGone { number: replay.number });
            Some(self.routing.enter_one(journal, &target, (&envelope, &payload), later(patience), with).await?)
        } else {
            self.routing.offer(&target, &envelope, &payload, later(patience)).await?;
            self.note_gone(replay.number)
        };
        // Before any wait for the store: if the operator goes away in it, the letter is gone all the same.
        replay.accepted();
        let subject = (target.about(), AboutMessage::from(&envelope));
        LetterReplayed { subject, letter: id.to_string(), of: &id }.log();
        Ok((envelope.id, entry))
    }

    /// Notes in the store that a letter is gone, if there is a store. Returns the number of the entry.
    fn note_gone(&self, number: u64) -> Option<EntryNumber> {
        let journal = self.routing.journal.as_ref()?;
        let gone = |draft: &mut Draft<Output>| draft.op(Op::LetterGone { number });
        Some(self.routing.enter(journal, None, EntrySpace::NONE, gone).number)
    }

    /// Waits until it is durable that a letter is gone; at a full store not for long.
    async fn wait_gone(&self, letter: LetterId, entry: Option<EntryNumber>) -> Result<(), LetterError> {
        let Some((journal, entry)) = self.routing.journal.as_ref().zip(entry) else { return Ok(()) };
        let durable = journal.durable_by(entry, later(ORDER_PATIENCE)).await;
        durable.map_err(|error| LetterError::NotStored { letter, why: error.to_string() })
    }

    /// Replays all current letters that match, oldest first. After an address refused one, no more are sent there.
    pub(crate) async fn replay_all(
        &self,
        filter: &LetterFilter,
        patience: impl Fn(&Address) -> Duration,
    ) -> LettersMoved {
        let mut bulk = LettersMoved::default();
        let mut closed: HashMap<Address, LetterError> = HashMap::new();
        let mut last = None;
        for letter in self.routing.dead_letters.list() {
            if !filter.matches(&letter) {
                continue;
            }
            let result = match closed.get(&letter.to) {
                Some(error) => Err(error.clone()),
                None => self.send_again(letter.id, patience(&letter.to)).await,
            };
            match result {
                Ok((_, entry)) => {
                    bulk.done += 1;
                    last = Some((letter.id, entry));
                }
                // The letter was evicted before its turn. That is counted there, and is no failure here.
                Err(LetterError::Unknown(_)) => {}
                Err(error) => {
                    if matches!(error, LetterError::NotSent(_)) {
                        closed.insert(letter.to.clone(), error.clone());
                    }
                    bulk.failed.push((letter.id, error));
                }
            }
        }
        self.wait_last(last, &mut bulk).await;
        bulk
    }

    /// Waits until the last letter of several is gone for good: entries become durable in their order.
    async fn wait_last(&self, last: Option<(LetterId, Option<EntryNumber>)>, bulk: &mut LettersMoved) {
        if let Some((letter, entry)) = last
            && let Err(error) = self.wait_gone(letter, entry).await
        {
            bulk.failed.push((letter, error));
        }
    }

    /// Removes a letter. Returns when that is durable.
    pub(crate) async fn drop_letter(&self, id: LetterId) -> Result<(), LetterError> {
        let entry = self.remove_letter(id)?;
        self.wait_gone(id, entry).await
    }

    fn remove_letter(&self, id: LetterId) -> Result<Option<EntryNumber>, LetterError> {
        let (number, letter) = self.routing.dead_letters.remove(id)?;
        let entry = self.note_gone(number);
        let receiver = self.routing.registry.get(&letter.to);
        let plugin = receiver.as_ref().map(|actor| actor.about().plugin);
        let event = LetterDropped {
            subject: (AboutActor { address: &letter.to, plugin }, AboutMessage::from(&letter.message.envelope)),
            reason: letter.reason.kind(),
            letter: id.to_string(),
            of: &id,
            why: &letter.reason,
        };
        event.log();
        Ok(entry)
    }

    /// Removes the letters that match. Returns when that is durable.
    pub(crate) async fn drop_letters(&self, filter: &LetterFilter) -> LettersMoved {
        let mut bulk = LettersMoved::default();
        let mut last = None;
        for letter in self.routing.dead_letters.list().iter().filter(|letter| filter.matches(letter)) {
            match self.remove_letter(letter.id) {
                Ok(entry) => {
                    bulk.done += 1;
                    last = Some((letter.id, entry));
                }
                Err(LetterError::Unknown(_)) => {}
                Err(error) => bulk.failed.push((letter.id, error)),
            }
        }
        self.wait_last(last, &mut bulk).await;
        bulk
    }
}
