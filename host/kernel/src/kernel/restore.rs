//! The start of a kernel on a store: messages, dead letters and ids of earlier runs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::actor::Actor;
use crate::actor::instance::Suspects;
use crate::actor::reports::TaskDone;
use crate::dispatch::Shared;
use crate::dispatch::keys::SOURCE;
use crate::dispatch::origins::origin_gone;
use crate::dispatch::routing::dead_letter::log_letter;
use crate::dispatch::routing::entering::ID_BLOCK;
use crate::dispatch::shared::unread::checked_record;
use crate::dispatch::{kept_answers, kept_reports};
use crate::journal::entry::{Op, StoredLetter, TimerIds};
use crate::journal::order::EntrySpace;
use crate::journal::store::{Image, Store, StoreError, StoredActor, StoredSuspect};
use crate::mailbox::message_log::message_of;
use crate::words::clock::later;
use crate::words::dead_letter::{DeadLetter, DeadReason, LetterId};
use crate::words::event::{AboutHost, LogEvent};
use crate::words::events::MessagesKept;
use crate::words::message::{ActorId, Message, records_of};

/// Bytes of messages that are read at a time.
const PAGE_BYTES: usize = 256 << 10;
/// Of the messages that wait in order, so many bytes of each mailbox are read before the play starts. The others are read as those that
/// are only in the store: a start with millions of them takes no longer than one with thousands.
const START_BYTES: usize = 16 << 10;
/// After a run that did not end in order, so many messages of each mailbox are handled one at a time: of those that wait in order, and of
/// those that wait for a retry.
const FIRST_SUSPECTS: usize = 64;
/// Dead letters, and timers, that are read at a time.
const READ_LETTERS: usize = 1024;
/// Keys of requests that are read at a time, each with an answer.
const READ_KEYS: usize = 64;

/// Gives the actors of a plan everything that the store has for them. Messages of actors that the plan does not have any more, or
/// whose mailboxes are no longer stored, stay in the store.
pub(super) async fn restore(shared: &Shared, image: &Image, store: &dyn Store) -> Result<(), StoreError> {
    let Some(journal) = &shared.routing.journal else { return Ok(()) };
    let registry = &shared.routing.registry;
    let mut suspects = suspects_of(image);
    let mut host_died = Vec::new();
    for known in &image.actors {
        let actor = registry.get(&known.address).filter(|actor| actor.mailbox.is_stored());
        match actor {
            Some(actor) => {
                if let Some(state) = &actor.keyed_state {
                    state.restore(known.state);
                }
                let suspects = suspects.remove(&actor.id).unwrap_or_default();
                let mailbox = MailboxRestore { is_unclean: image.is_unclean, suspects, host_died: Vec::new() };
                let died = mailbox.run(shared, &actor, known, store).await?;
                host_died.extend(died.into_iter().map(|(message, ends)| (actor.clone(), message, ends)));
                restore_timers(shared, &actor, known, store).await?;
            }
            None if known.waiting + known.timers > 0 || known.child.is_some() => {
                let StoredActor { waiting, timers, .. } = *known;
                MessagesKept { subject: AboutHost, to: known.address.as_str(), waiting, timers }.log();
            }
            None => {}
        }
    }
    let evicted = restore_letters(shared, image, store).await?;
    restore_keys(shared, store).await?;
    let is_there = |actor| registry.by_id(actor).is_some_and(|actor| actor.mailbox.is_stored());
    shared.routing.kept_watches.restore(store, is_there).await?;
    let wants = |actor| Some(registry.by_id(actor).filter(|actor| actor.mailbox.is_stored())?.spec.code.calls_back());
    let reports = shared.routing.kept_reports.restore(store, wants).await?;
    for (actor, reports) in reports.waiting {
        let Some(actor) = registry.by_id(actor) else { continue };
        actor.instances[0].backlog.lock().report(&shared.activity, reports);
    }
    let turns_over = shared.routing.kept_answers.restore(store).await?;
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
        for position in turns_over {
            origin_gone(draft, kept_answers::SOURCE, &position);
        }
        for position in reports.over {
            origin_gone(draft, kept_reports::SOURCE, &position);
        }
        for &StoredSuspect { mailbox, number, ends, .. } in image.suspects.iter().filter(|known| ended(image, known)) {
            draft.op(Op::Suspect { mailbox, number, ends: ends.saturating_add(1), in_process: false });
        }
        for (actor, message, ends) in &host_died {
            let why = DeadReason::HostDied(*ends);
            if actor.spec.code.calls_back() {
                let done = TaskDone::host_died(message.envelope.id, message.envelope.attempt + ends, &why);
                let report = shared.routing.kept_reports.keep(draft, actor.id, done);
                actor.instances[0].backlog.lock().report(&shared.activity, [report]);
            }
            shared.routing.letter_in(draft, actor, message.clone(), &why);
        }
    });
    for (actor, message, ends) in host_died {
        log_letter(None, &actor, &message.envelope, &DeadReason::HostDied(ends));
    }
    Ok(())
}

/// How many runs each suspect may have ended, by mailbox and number.
fn suspects_of(image: &Image) -> HashMap<ActorId, Suspects> {
    let mut suspects = HashMap::<ActorId, Suspects>::new();
    for known in &image.suspects {
        let ends = known.ends.saturating_add(ended(image, known).into());
        suspects.entry(known.mailbox).or_default().insert(known.number, ends);
    }
    suspects
}

/// Whether a message may have ended the run before this one: it was in process, and the run did not end in order.
fn ended(image: &Image, suspect: &StoredSuspect) -> bool {
    image.is_unclean && suspect.boot + 1 == image.boots
}

/// The restore of one mailbox.
struct MailboxRestore {
    /// Whether its first messages may have ended the run before.
    is_unclean: bool,
    /// How many runs each may have ended.
    suspects: Suspects,
    /// The messages that ended too many runs.
    host_died: Vec<(Message, u32)>,
}

impl MailboxRestore {
    /// Held messages are in memory; of the others, the first ones. Returns the messages that are dead letters now.
    async fn run(
        mut self,
        shared: &Shared,
        actor: &Arc<Actor>,
        known: &StoredActor,
        store: &dyn Store,
    ) -> Result<Vec<(Message, u32)>, StoreError> {
        let (mailbox, mut found) = (&actor.mailbox, Suspects::new());
        // A message that is handled alone is not in the log, and so are those before it.
        let looks = self.is_unclean || self.suspects.values().any(|ends| *ends > 0);
        mailbox.restore(&[], 0, known.last_number);
        let mut left = known.waiting;
        let mut messages = store.held(actor.id, 1, PAGE_BYTES).await?;
        let latest = later(actor.spec.restart.backoff.max);
        while let Some(last) = messages.last().map(|last| last.number).filter(|_| left > 0) {
            left = left.saturating_sub(messages.len() as u64);
            for stored in &messages {
                // However the clock jumped, a retry is no further away than its longest pause.
                let due = shared.moment_of(stored.due.unwrap_or(shared.began_at)).min(latest);
                let message = message_of(checked_record(stored, actor)?);
                let Some((message, ends)) = self.unless_host_died(actor, stored.number, message) else { continue };
                if ends > 0 || self.is_unclean && found.len() < FIRST_SUSPECTS {
                    found.insert(stored.number, ends);
                }
                mailbox.count_restored(1);
                actor.instances[0].backlog.lock().delayed.push((due, message));
            }
            messages = store.held(actor.id, last + 1, PAGE_BYTES).await?;
        }
        let memory_bytes = mailbox.spec().memory_bytes;
        let start_bytes = memory_bytes.min(START_BYTES);
        let (mut from, mut alone, mut alone_bytes, mut read_bytes) = (1, 0, 0, 0);
        let is_done = |alone, alone_bytes, read_bytes| {
            let all_suspects = !looks || alone == FIRST_SUSPECTS || alone_bytes >= memory_bytes;
            all_suspects && read_bytes >= start_bytes
        };
        while left > 0 && (looks && alone == 0 || mailbox.has_memory() && !is_done(alone, alone_bytes, read_bytes)) {
            let messages = store.messages(actor.id, from, start_bytes).await?;
            let Some(last) = messages.last() else {
                return Err(StoreError::Damaged { at: format!("message {from} of `{}`", actor.address()) });
            };
            from = last.number + 1;
            let mut records = Vec::new();
            let mut waiting = 0;
            for stored in messages.iter().filter(|message| message.due.is_none()) {
                left = left.saturating_sub(1);
                let record = checked_record(stored, actor)?;
                read_bytes += record.len();
                if !looks || alone == FIRST_SUSPECTS {
                    records.extend_from_slice(record);
                    waiting += 1;
                    continue;
                }
                let message = self.unless_host_died(actor, stored.number, message_of(record));
                let Some((message, ends)) = message else { continue };
                (alone, alone_bytes) = (alone + 1, alone_bytes + record.len());
                if ends > 0 || self.is_unclean {
                    found.insert(stored.number, ends);
                }
                mailbox.count_restored(1);
                actor.instances[0].backlog.lock().returned.push_back(message);
            }
            mailbox.restore(&records, waiting, known.last_number);
        }
        if left > 0 {
            let bytes = usize::try_from(known.bytes).unwrap_or(usize::MAX).saturating_sub(read_bytes);
            mailbox.restore_unread(left as usize, bytes, from);
        }
        actor.instances[0].backlog.lock().suspect(found);
        Ok(self.host_died)
    }

    /// The message, with the number of runs that it may have ended; none when these are too many.
    fn unless_host_died(&mut self, actor: &Actor, number: u64, message: Message) -> Option<(Message, u32)> {
        let ends = self.suspects.get(&number).copied().unwrap_or_default();
        if ends > 0 && ends >= actor.spec.restart.attempts {
            self.host_died.push((message, ends));
            return None;
        }
        Some((message, ends))
    }
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
            shared.restore_kept(actor.id, timer, &message);
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

async fn restore_keys(shared: &Shared, store: &dyn Store) -> Result<(), StoreError> {
    let mut from = Vec::new();
    loop {
        let page = store.origins(SOURCE, &from, READ_KEYS).await?;
        let Some(last) = page.last() else { return Ok(()) };
        // The next one in the order of bytes.
        from = [&last.position[..], &[0]].concat();
        for origin in &page {
            shared.routing.keys.restore(origin, shared.began_at);
        }
    }
}
