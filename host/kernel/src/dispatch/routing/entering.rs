//! Entries of the journal, as actors and senders outside make them: messages that are put, and dead letters.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use crate::actor::Actor;
use crate::dispatch::routing::Routing;
use crate::dispatch::routing::output::Output;
use crate::dispatch::routing::reservation::Reserved;
use crate::journal::entry::{EntryNumber, Lifetime, Op, StoredLetter};
use crate::journal::order::{Draft, EntrySpace, HasEntered, Journal};
use crate::journal::store::StoreError;
use crate::mailbox::message_log::message_of;
use crate::mailbox::{Load, Overflow, Refused};
use crate::words::address::Address;
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
        space_in_journal: EntrySpace<'_>,
        fill: impl FnOnce(&mut Draft<Output>) -> T,
    ) -> HasEntered<T> {
        self.activity.begin();
        let entered = journal.enter(actor, space_in_journal, fill);
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
            self.kept_answers.end_turns(draft, actor.id, number..number + 1);
            draft.take(actor.id, number);
        }
        self.letter_for(draft, (self.registry.planned_above(actor), actor.address()), message, reason);
    }

    /// As [`Routing::letter_in`], of a message that is in no mailbox.
    pub(crate) fn letter_for(
        &self,
        draft: &mut Draft<Output>,
        (owner, to): (ActorId, &Address),
        message: Message,
        reason: &DeadReason,
    ) {
        let (record, sender) = (message.record(), self.sender_of(&message));
        let (number, letter, evicted) =
            self.dead_letters.add(owner, message, to.clone(), sender.clone(), reason.clone());
        draft.op(Op::Letter(Box::new(StoredLetter {
            number,
            copy: letter.id.copy,
            record,
            to: to.clone(),
            owner,
            sender,
            kind: reason.kind().to_owned(),
            why: reason.to_string(),
            at: letter.at,
        })));
        draft.output(Output::Feed(letter));
        for number in evicted {
            draft.op(Op::LetterGone { number });
        }
    }

    /// Puts a message of a sender outside of turns into a stored mailbox, and waits until it is durable; at a full store no longer than
    /// until `deadline`.
    pub(crate) async fn offer_stored(
        &self,
        journal: &PlayJournal,
        target: &Arc<Actor>,
        message: (&Envelope, &Payload<'_>),
        deadline: Instant,
    ) -> Result<(), SendError> {
        let entry = self.enter_one(journal, target, message, deadline, |_| ()).await?;
        durable_by(journal, entry, target.address(), deadline).await
    }

    /// As [`Routing::offer_stored`], without waiting until the message is durable: returns the number of its entry. `and`: enters
    /// more with it.
    pub(crate) async fn enter_one(
        &self,
        journal: &PlayJournal,
        target: &Arc<Actor>,
        (envelope, payload): (&Envelope, &Payload<'_>),
        deadline: Instant,
        and: impl FnOnce(&mut Draft<Output>),
    ) -> Result<EntryNumber, SendError> {
        check_size(target, payload.body)?;
        let (record, sender) = (record_of(envelope, payload), envelope.sender);
        self.enter_records(journal, target, (&record, load_of(payload), sender), deadline, and).await
    }

    /// Puts records of senders outside of turns into a stored mailbox, in one entry, and returns its number. Nothing waits after
    /// the entry, so that a caller that is dropped either has all of it or nothing.
    pub(crate) async fn enter_records(
        &self,
        journal: &PlayJournal,
        target: &Arc<Actor>,
        (records, load, sender): (&[u8], Load, ActorId),
        deadline: Instant,
        and: impl FnOnce(&mut Draft<Output>),
    ) -> Result<EntryNumber, SendError> {
        let mut space = match self.reserve_one(target, load, deadline, sender).await {
            Ok(space) => space,
            Err(Refused::Closed) => return Err(SendError::Stopped(target.address().clone())),
            Err(Refused::Full) => return Err(found_full(target)),
        };
        let full = || self.refusal_of_store(target);
        full().map_or(Ok(()), Err)?;
        let Some(space_in_journal) = journal.space_outside(records.len(), deadline).await else {
            return Err(full().unwrap_or_else(|| SendError::not_stored(target.address(), &"the disk is too slow")));
        };
        // It may be full since then.
        full().map_or(Ok(()), Err)?;
        if journal.is_large_outside(records.len()) {
            self.refusal_of_large(target, records.len()).map_or(Ok(()), Err)?;
        }
        let entered = self.enter(journal, None, space_in_journal, |draft| {
            let refused = put(draft, &mut space, records).is_some();
            if !refused {
                and(draft);
            }
            refused
        });
        if entered.value { Err(SendError::Stopped(target.address().clone())) } else { Ok(entered.number) }
    }

    /// The refusal of a message or question from outside while the store takes none.
    pub(crate) fn refusal_of_store(&self, target: &Actor) -> Option<SendError> {
        let journal = self.journal.as_ref().filter(|_| target.mailbox.is_stored())?;
        journal.full().map(|why| SendError::not_stored(target.address(), &StoreError::Full(why)))
    }

    /// The refusal of records from outside, of which no others are on their way, that would need the space which the store keeps.
    #[cold]
    fn refusal_of_large(&self, target: &Actor, bytes: usize) -> Option<SendError> {
        let why = self.store().ok()?.shortage_with(bytes)?;
        let why = StoreError::Full(format!("{why}: too little for {bytes} bytes more"));
        Some(SendError::not_stored(target.address(), &why))
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
        self.enter(journal, None, EntrySpace::NONE, put).value.map(|(_, reason)| reason)
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
            self.enter(journal, None, EntrySpace::NONE, |draft| draft.op(Op::Ids { below: id.0 + 2 * ID_BLOCK }));
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

/// Waits until the entry of a message from outside is durable; at a full store no longer than until `deadline`.
pub(crate) async fn durable_by(
    journal: &PlayJournal,
    entry: EntryNumber,
    to: &Address,
    deadline: Instant,
) -> Result<(), SendError> {
    match journal.durable_by(entry, deadline).await {
        Ok(()) => Ok(()),
        Err(error @ StoreError::Full(_)) => {
            let later = "the message is stored when there is space, if the host runs then";
            Err(SendError::not_stored(to, &format!("{error}; {later}")))
        }
        Err(error) => Err(SendError::not_stored(to, &error)),
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
            let records = entry.bytes[from..].to_vec();
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

/// Gives a key of an actor's keyed state a value, or removes it.
pub(crate) fn change_state(
    draft: &mut Draft<Output>,
    (actor, key): (ActorId, &str),
    value: Option<&[u8]>,
    lifetime: Option<Lifetime>,
) {
    let bytes = &mut draft.entry.bytes;
    let from = bytes.len();
    bytes.extend_from_slice(key.as_bytes());
    let key = from..bytes.len();
    match value {
        Some(value) => {
            bytes.extend_from_slice(value);
            let value = key.end..bytes.len();
            draft.op(Op::Set { actor, key, value, lifetime: lifetime.map(Box::new) });
        }
        None => draft.op(Op::Unset { actor, key }),
    }
}

/// Removes a key's value if its time ended by then.
pub(crate) fn expire_value(draft: &mut Draft<Output>, (actor, key): (ActorId, &str), by: std::time::SystemTime) {
    let from = draft.entry.bytes.len();
    draft.entry.bytes.extend_from_slice(key.as_bytes());
    let key = from..draft.entry.bytes.len();
    draft.op(Op::Expire { actor, key, by });
}

/// Refuses a body that is too large for its receiver.
pub(crate) fn check_size(target: &Actor, body: &[u8]) -> Result<(), SendError> {
    let limit_bytes = target.spec.limits.message_bytes;
    if body.len() <= limit_bytes {
        return Ok(());
    }
    Err(SendError::TooLarge { to: target.address().clone(), bytes: body.len(), limit_bytes })
}

/// Counts a message that found no space.
pub(super) fn found_full(target: &Actor) -> SendError {
    // A message that an overflow rule drops is counted with its dead letter.
    if target.mailbox.overflow() != Overflow::DropNewest {
        target.mailbox.count_loss(&DeadReason::MailboxFull);
    }
    SendError::MailboxFull(target.address().clone())
}
