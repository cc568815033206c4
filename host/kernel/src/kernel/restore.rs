//! The start of a kernel on a store: messages, dead letters and ids of earlier runs.

use std::sync::Arc;

use crate::actor::Actor;
use crate::dispatch::Shared;
use crate::dispatch::routing::entering::ID_BLOCK;
use crate::dispatch::unread::checked_record;
use crate::journal::entry::{Op, StoredLetter, TimerIds};
use crate::journal::order::EntrySpace;
use crate::journal::store::{Image, Store, StoreError, StoredActor};
use crate::mailbox::message_log::message_of;
use crate::words::dead_letter::{DeadLetter, DeadReason, LetterId};
use crate::words::event::{AboutHost, LogEvent};
use crate::words::events::MessagesKept;
use crate::words::clock::later;
use crate::words::message::{Message, records_of};

/// Bytes of messages that are read at a time.
const PAGE_BYTES: usize = 256 << 10;
/// Dead letters, and timers, that are read at a time.
const READ_LETTERS: usize = 1024;

/// Gives the actors of a plan everything that the store has for them. Messages of actors that the plan does not have any more, or
/// whose mailboxes are no longer stored, stay in the store.
pub(super) async fn restore(shared: &Shared, image: &Image, store: &dyn Store) -> Result<(), StoreError> {
    let Some(journal) = &shared.routing.journal else { return Ok(()) };
    let registry = &shared.routing.registry;
    for known in &image.actors {
        let actor = registry.get(&known.address).filter(|actor| actor.mailbox.is_stored());
        match actor {
            Some(actor) => {
                if let Some(state) = &actor.keyed_state {
                    state.restore(known.state);
                }
                restore_mailbox(shared, &actor, known, store).await?;
                restore_timers(shared, &actor, known, store).await?;
            }
            None if known.waiting + known.timers > 0 => {
                let StoredActor { waiting, timers, .. } = *known;
                MessagesKept { subject: AboutHost, to: known.address.as_str(), waiting, timers }.log();
            }
            None => {}
        }
    }
    let evicted = restore_letters(shared, image, store).await?;
    let mut new: Vec<_> = registry.all();
    new.retain(|actor| !image.actors.iter().any(|known| known.id == actor.id));
    new.sort_unstable_by_key(|actor| actor.id);
    let below = (registry.free_id() / ID_BLOCK + 2) * ID_BLOCK;
    shared.routing.enter(journal, None, EntrySpace::NONE, |draft| {
        draft.op(Op::Ids { below });
        for actor in new {
            draft.op(Op::Born { actor: actor.id, address: actor.address().clone() });
        }
        for number in evicted {
            draft.op(Op::LetterGone { number });
        }
    });
    Ok(())
}

/// Held messages are in memory; of the others, as many as the mailbox has memory for.
async fn restore_mailbox(
    shared: &Shared,
    actor: &Arc<Actor>,
    known: &StoredActor,
    store: &dyn Store,
) -> Result<(), StoreError> {
    let mailbox = &actor.mailbox;
    mailbox.restore(&[], 0, known.last_number);
    let mut left = known.waiting;
    let mut messages = store.held(actor.id, 1, PAGE_BYTES).await?;
    let latest = later(actor.spec.restart.backoff.max);
    while let Some(last) = messages.last().map(|last| last.number).filter(|_| left > 0) {
        left = left.saturating_sub(messages.len() as u64);
        mailbox.count_restored(messages.len() as u64);
        for message in &messages {
            // However the clock jumped, a retry is no further away than its longest pause.
            let due = shared.moment_of(message.due.unwrap_or(shared.began_at)).min(latest);
            let message = message_of(checked_record(message, actor)?);
            actor.instances[0].backlog.lock().delayed.push((due, message));
        }
        messages = store.held(actor.id, last + 1, PAGE_BYTES).await?;
    }
    let mut from = 1;
    while left > 0 && mailbox.has_memory() {
        let messages = store.messages(actor.id, from, PAGE_BYTES.min(mailbox.spec().memory_bytes)).await?;
        let Some(last) = messages.last() else {
            return Err(StoreError::Damaged { at: format!("message {from} of `{}`", actor.address()) });
        };
        from = last.number + 1;
        let mut records = Vec::new();
        let mut waiting = 0;
        for message in messages.iter().filter(|message| message.due.is_none()) {
            records.extend_from_slice(checked_record(message, actor)?);
            waiting += 1;
        }
        left = left.saturating_sub(waiting);
        mailbox.restore(&records, waiting as usize, known.last_number);
    }
    if left > 0 {
        let bytes = store.bytes(actor.id, from).await?;
        mailbox.restore_unread(left as usize, usize::try_from(bytes).unwrap_or(usize::MAX), from);
    }
    Ok(())
}

async fn restore_timers(
    shared: &Shared,
    actor: &Arc<Actor>,
    known: &StoredActor,
    store: &dyn Store,
) -> Result<(), StoreError> {
    let timers = &shared.routing.kept_timers;
    if known.timer_ids != TimerIds::default() {
        timers.restore_ids(actor.id, known.timer_ids);
    }
    let (mut after, mut left) = (0, known.timers);
    while left > 0 {
        let read = store.timers(actor.id, after, READ_LETTERS).await?;
        let damaged = |id: u64| StoreError::Damaged { at: format!("timer {id} of `{}`", actor.address()) };
        after = read.last().ok_or_else(|| damaged(after + 1))?.id;
        left = left.saturating_sub(read.len() as u64);
        for timer in &read {
            let message = Message::read(&timer.record).ok_or_else(|| damaged(timer.id))?;
            timers.restore(shared, actor.id, timer, &message);
        }
    }
    Ok(())
}

/// Returns the numbers of the letters that the bounds evict.
async fn restore_letters(shared: &Shared, image: &Image, store: &dyn Store) -> Result<Vec<u64>, StoreError> {
    let letters = &shared.routing.dead_letters;
    letters.count_on_from(image.last_letter);
    let (mut after, mut evicted) = (0, Vec::new());
    loop {
        let read = store.letters(after, READ_LETTERS).await?;
        let Some(last) = read.last() else { return Ok(evicted) };
        after = last.number;
        for StoredLetter { number, copy, record, to, owner, sender, kind, why, at } in read {
            let damaged = || StoreError::Damaged { at: format!("dead letter {number}") };
            let record = records_of(&record).next().ok_or_else(damaged)?;
            let message = message_of(record);
            let id = LetterId { message: message.envelope.id, copy };
            let letter = DeadLetter { id, message, to, sender, reason: DeadReason::recorded(&kind, &why), at };
            evicted.extend(letters.restore(number, letter, owner));
        }
    }
}
