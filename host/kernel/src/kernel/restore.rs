//! The start of a kernel on a store: messages, dead letters and ids of earlier runs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::actor::family::Family;
use crate::actor::instance::Suspects;
use crate::actor::reports::TaskDone;
use crate::dispatch::Shared;
use crate::dispatch::keys::SOURCE;
use crate::dispatch::origins::origin_gone;
use crate::dispatch::routing::dead_letter::log_letter;
use crate::dispatch::routing::entering::ID_BLOCK;
use crate::dispatch::shared::restoring::{MailboxRestore, restore_timers};
use crate::dispatch::{kept_answers, kept_reports};
use crate::journal::entry::{Op, StoredLetter};
use crate::journal::order::EntrySpace;
use crate::journal::store::{Image, Store, StoreError, StoredActor, StoredSuspect};
use crate::kernel::left_out::LeftOut;
use crate::mailbox::message_log::message_of;
use crate::words::address::Address;
use crate::words::dead_letter::{DeadLetter, DeadReason, LetterId};
use crate::words::message::{ActorId, records_of};

/// Dead letters that are read at a time.
const READ_LETTERS: usize = 1024;
/// Keys of requests that are read at a time, each with an answer.
const READ_KEYS: usize = 64;

/// Gives the actors of a plan everything that the store has for them. Messages of actors that the plan does not have any more, or
/// whose mailboxes are no longer stored, stay in the store.
/// Members of families come into memory when a message comes. Returns those that have messages already.
pub(super) async fn restore(
    shared: &Shared,
    image: &Image,
    store: &dyn Store,
) -> Result<Vec<(Arc<Family>, Address)>, StoreError> {
    let Some(journal) = &shared.routing.journal else { return Ok(Vec::new()) };
    let registry = &shared.routing.registry;
    let mut suspects = suspects_of(image);
    let mut host_died = Vec::new();
    let mut members = Members::default();
    let mut left_out = LeftOut::default();
    for known in &image.actors {
        if let Some(family) = registry.family_of(&known.address).filter(|family| family.stored.is_some()) {
            members.add(shared, family, known, store).await?;
            continue;
        }
        let actor = registry.get(&known.address).filter(|actor| actor.mailbox.is_stored());
        match actor {
            Some(actor) => {
                if let Some(state) = &actor.keyed_state {
                    state.restore(known.state, Vec::new());
                }
                let suspects = suspects.remove(&actor.id).unwrap_or_default();
                let mailbox = MailboxRestore { is_unclean: image.is_unclean, suspects, host_died: Vec::new() };
                let died = mailbox.run(shared, &actor, known, store).await?;
                host_died.extend(died.into_iter().map(|(message, ends)| (actor.clone(), message, ends)));
                restore_timers(shared, known, store).await?;
            }
            None => left_out.add(shared, known),
        }
    }
    left_out.log();
    members.begin(&mut suspects, image.is_unclean);
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
    let entered = shared.routing.enter(journal, None, EntrySpace::NONE, |draft| {
        draft.op(Op::Ids { below });
        for actor in new {
            draft.op(Op::Born { actor: actor.id, address: actor.address().clone() });
        }
        for (_, actor, _) in &members.empty {
            draft.op(Op::Gone { actor: *actor });
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
    // The store has them until then.
    for (family, _, member) in members.empty {
        if let Some(stored) = &family.stored {
            stored.removed(member, entered.number);
        }
    }
    for (actor, message, ends) in host_died {
        log_letter(None, &actor, &message.envelope, &DeadReason::HostDied(ends));
    }
    Ok(members.wanted)
}

/// The members of families that the store has.
#[derive(Default)]
struct Members {
    families: HashMap<ActorId, (Arc<Family>, Vec<ActorId>)>,
    /// Those that have messages.
    wanted: Vec<(Arc<Family>, Address)>,
    /// Those that keep nothing.
    empty: Vec<(Arc<Family>, ActorId, Address)>,
}

impl Members {
    async fn add(
        &mut self,
        shared: &Shared,
        family: Arc<Family>,
        known: &StoredActor,
        store: &dyn Store,
    ) -> Result<(), StoreError> {
        if known.waiting + known.timers + known.state.keys == 0 && known.halted != Some(true) {
            self.empty.push((family, known.id, known.address.clone()));
            return Ok(());
        }
        family.count_in(1);
        if known.timers > 0 {
            restore_timers(shared, known, store).await?;
        }
        if known.waiting > 0 {
            let (_, waiting) = self.families.entry(family.head).or_insert_with(|| (family.clone(), Vec::new()));
            waiting.push(known.id);
            self.wanted.push((family, known.address.clone()));
        }
        Ok(())
    }

    /// Lets members come into memory. The suspects among their messages are known to their families then.
    fn begin(&self, suspects: &mut HashMap<ActorId, Suspects>, is_unclean: bool) {
        for (family, waiting) in self.families.values() {
            let of_family = waiting.iter().filter_map(|id| Some((*id, suspects.remove(id)?))).collect();
            if let Some(stored) = &family.stored {
                stored.begin(of_family, is_unclean);
            }
        }
    }
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
