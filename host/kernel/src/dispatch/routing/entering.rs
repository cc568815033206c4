//! Entries of the journal, as actors and senders outside make them: messages that are put, and dead letters.

use std::sync::atomic::Ordering;

use crate::actor::Actor;
use crate::dispatch::routing::Routing;
use crate::dispatch::routing::output::Output;
use crate::dispatch::routing::reservation::Reserved;
use crate::journal::entry::{Op, StoredLetter};
use crate::journal::order::{Draft, HasEntered, Journal, Room};
use crate::mailbox::message_log::message_of;
use crate::mailbox::{Load, with_tokens};
use crate::words::dead_letter::DeadReason;
use crate::words::message::{ActorId, Envelope, Message, Payload, records_of};
use crate::words::send_error::SendError;

/// The journal of a play with a store.
pub(crate) type PlayJournal = Journal<Output>;

/// Number of ids that are noted at a time.
pub(crate) const ID_BLOCK: u64 = 1 << 20;

impl Routing {
    /// Enters what `fill` makes. The play is not idle before it is durable.
    pub(crate) fn enter<T>(
        &self,
        journal: &PlayJournal,
        actor: Option<ActorId>,
        room: Room<'_>,
        fill: impl FnOnce(&mut Draft<Output>) -> T,
    ) -> HasEntered<T> {
        self.activity.begin();
        let entered = journal.enter(actor, room, fill);
        if !entered.queued {
            self.activity.end(1);
        }
        entered
    }

    /// Makes a dead letter, as a part of an entry. The caller logs it.
    pub(crate) fn letter_in(&self, draft: &mut Draft<Output>, actor: &Actor, message: Message, reason: &DeadReason) {
        if message.envelope.reply.is_some() {
            draft.output(Output::Answer(message.envelope.reply, Err(Self::answer_of(actor, reason))));
        }
        let number = message.sequence();
        if number != 0 {
            draft.take(actor.id, number);
        }
        let record = message.record();
        let (letter, evicted) = self.keep_letter(actor, message, reason);
        draft.op(Op::Letter(Box::new(StoredLetter { record, ..letter })));
        for number in evicted {
            draft.op(Op::LetterGone { number });
        }
    }

    /// Keeps a dead letter in memory. Returns it as a store keeps it, without its record, and the numbers of those that it
    /// displaced.
    pub(super) fn keep_letter(&self, actor: &Actor, message: Message, reason: &DeadReason) -> (StoredLetter, Vec<u64>) {
        let sender = self.registry.by_id(message.envelope.sender).map(|s| s.address().clone());
        // The letters of all descendants count for the actor of the plan above them.
        let owner = self.registry.planned_above(actor);
        let (number, letter, evicted) =
            self.dead_letters.add(owner, message, actor.address().clone(), sender, reason.clone());
        let stored = StoredLetter {
            number,
            copy: letter.id.copy,
            record: Vec::new(),
            to: letter.to.clone(),
            owner,
            sender: letter.sender.clone(),
            kind: reason.kind().to_owned(),
            why: reason.to_string(),
            at: letter.at,
        };
        (stored, evicted)
    }

    /// Puts a message of a sender outside of turns, and waits until it is durable. `and`: enters more with it.
    pub(super) async fn offer_stored(
        &self,
        journal: &PlayJournal,
        mut space: Reserved,
        (envelope, payload): (&Envelope, &Payload<'_>),
        and: impl FnOnce(&mut Draft<Output>),
    ) -> Result<(), SendError> {
        let target = space.target.clone();
        let not_stored = |why: String| SendError::NotStored { to: target.address().clone(), why: why.into() };
        if let Some(why) = journal.full() {
            return Err(not_stored(why));
        }
        let record = record_of(envelope, payload);
        let room = journal.room(record.len()).await;
        let entered = self.enter(journal, None, room, |draft| {
            let refused = put(draft, &mut space, &record).is_some();
            if !refused {
                and(draft);
            }
            refused
        });
        if entered.value {
            return Err(SendError::Stopped(target.address().clone()));
        }
        journal.durable(entered.number).await.map_err(|error| not_stored(error.to_string()))
    }

    /// Puts a message of a timer without waiting. Returns the message when the mailbox was closed.
    pub(crate) fn put_now(
        &self,
        journal: &PlayJournal,
        mut space: Reserved,
        envelope: &Envelope,
        payload: &Payload<'_>,
    ) -> Option<DeadReason> {
        let record = record_of(envelope, payload);
        let put = |draft: &mut Draft<Output>| put(draft, &mut space, &record);
        self.enter(journal, None, Room::NONE, put).value.map(|(_, reason)| reason)
    }

    /// Counts messages that were accepted, and that a commit ends unhandled.
    pub(crate) fn count_unhandled(&self, actor: &Actor, messages: u64) {
        actor.mailbox.count_unhandled(messages);
        self.unhandled.fetch_add(messages, Ordering::Relaxed);
    }

    /// An id for a spawned actor. In a play with a store, no later run gives it again: ids are noted in blocks, before the first
    /// of them can be in an entry.
    pub(crate) fn new_id(&self) -> ActorId {
        let id = self.registry.new_id();
        if let Some(journal) = &self.journal
            && id.0.is_multiple_of(ID_BLOCK)
        {
            self.enter(journal, None, Room::NONE, |draft| draft.op(Op::Ids { below: id.0 + 2 * ID_BLOCK }));
        }
        id
    }

    /// Waits until everything so far is durable, if there is a journal.
    pub(crate) async fn all_durable(&self) -> bool {
        match &self.journal {
            Some(journal) => journal.all_durable().await.is_ok(),
            None => true,
        }
    }
}

/// The size of one message.
pub(crate) fn load_of(payload: &Payload<'_>) -> Load {
    Load { messages: 1, bytes: playhouse_frame::HEADER_BYTES + payload.len(), first_bytes: payload.len() }
}

fn record_of(envelope: &Envelope, payload: &Payload<'_>) -> Vec<u8> {
    let mut record = envelope.encode(payload.len()).to_vec();
    record.extend_from_slice(payload.parts);
    record.extend_from_slice(payload.body);
    record
}

/// Puts records into their mailbox, as a part of an entry: at once when the receiver is stored, and when they are durable at
/// the edge. Returns the messages, and why they are dead letters, when the
/// mailbox was closed since its space was reserved.
pub(crate) fn put(
    draft: &mut Draft<Output>,
    space: &mut Reserved,
    records: &[u8],
) -> Option<(Vec<Message>, DeadReason)> {
    let Reserved { target, load, is_counted, .. } = &*space;
    let (target, load, reserved) = (target.clone(), *load, *is_counted);
    space.use_up();
    if target.mailbox.is_stored() {
        let (later, from) = (target.is_edge(), draft.entry.bytes.len());
        let Draft { entry, wakers, .. } = draft;
        let Some(first) = target.mailbox.put_stored(records, load, later, &mut entry.bytes, wakers) else {
            return Some((records_of(records).map(message_of).collect(), target.closed_because()));
        };
        let (messages, to) = (u32::try_from(load.messages).unwrap_or(u32::MAX), entry.bytes.len());
        if later {
            let records = with_tokens(records, &entry.bytes[from..]);
            draft.output(Output::Deliver { target: target.clone(), records, load, reserved });
        }
        draft.op(Op::Put { mailbox: target.id, first, messages, records: from..to });
        return None;
    }
    draft.output(Output::Deliver { target, records: records.to_vec(), load, reserved });
    None
}

/// Notes the new state of a message that is handled again, over all runs of the host.
pub(crate) fn hold(draft: &mut Draft<Output>, mailbox: ActorId, message: &Message, due: std::time::SystemTime) {
    let number = message.sequence();
    if number != 0 {
        let from = draft.entry.bytes.len();
        draft.entry.bytes.extend_from_slice(&message.record());
        let record = from..draft.entry.bytes.len();
        draft.op(Op::Hold { mailbox, number, due, record });
    }
}
