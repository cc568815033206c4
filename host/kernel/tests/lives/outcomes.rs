//! The promises about reports of outcomes: see `docs/decisions/076`.

use std::collections::BTreeSet;

use playhouse_kernel::{EntryNumber, JournalEntry, MessageId, Op};

use crate::ledger::{Ledger, id_of};

/// Checks an entry that is durable, before its operations are noted.
pub fn durable_entry(ledger: &mut Ledger, number: EntryNumber, entry: &JournalEntry) {
    let mut reported = BTreeSet::new();
    for op in &entry.ops {
        match op {
            Op::Origin { source, position, value } if entry.bytes[source.clone()] == *b"report" => {
                let id = MessageId(u128::from_le_bytes(*entry.bytes[value.clone()].first_chunk().unwrap()));
                let (place, life) = (place_of(&entry.bytes[position.clone()]), ledger.life);
                reported.insert(id);
                let other = ledger.outcomes.waiting.insert(place, (id, life));
                ledger.must(other.is_none(), || format!("the report {place:?} of entry {number} replaces {other:?}"));
            }
            Op::OriginGone { source, position } if entry.bytes[source.clone()] == *b"report" => {
                let place = place_of(&entry.bytes[position.clone()]);
                let is_gone = entry.ops.iter().any(|op| matches!(op, Op::Gone { actor } if actor.0 == place.0));
                let told = ledger.outcomes.waiting.remove(&place);
                let is_heard = told.is_some_and(|(id, _)| ledger.outcomes.heard.contains(&id));
                ledger.must(is_heard || is_gone, || format!("entry {number} ends the report {place:?}: {told:?}"));
                if told.is_some_and(|(_, life)| life < ledger.life) && !is_gone {
                    ledger.seen.insert("a report survived");
                }
            }
            _ => {}
        }
    }
    for (mailbox, id) in ended_in(ledger, entry) {
        let is_wanted = ledger.who_is(mailbox).is_some_and(|who| ledger.outcomes.wanted_by.contains(&who));
        ledger
            .must(!is_wanted || reported.contains(&id), || format!("entry {number} ends {id}, and no report says so"));
    }
}

/// The messages at which an attempt of their actor ends in this entry.
fn ended_in(ledger: &Ledger, entry: &JournalEntry) -> Vec<(u64, MessageId)> {
    let blamed = entry.ops.iter().filter_map(|op| match op {
        Op::Letter(letter) if ["crashed", "host-died"].contains(&&*letter.kind) => Some(id_of(&letter.record)),
        _ => None,
    });
    let blamed: BTreeSet<_> = blamed.collect();
    let numbers = entry.ops.iter().flat_map(|op| match op {
        Op::Take { mailbox, numbers } => numbers.clone().map(|number| (mailbox.0, number)).collect(),
        Op::Hold { mailbox, number, .. } => vec![(mailbox.0, *number)],
        _ => Vec::new(),
    });
    let messages = numbers.filter_map(|(mailbox, number)| {
        let id = ledger.kept[&ledger.numbers[&(mailbox, number)]].id?;
        let is_own = entry.actor.is_some_and(|actor| actor.0 == mailbox);
        (is_own || blamed.contains(&id)).then_some((mailbox, id))
    });
    messages.collect()
}

/// Checks what is left when the last life is over.
pub fn in_the_end(ledger: &mut Ledger) {
    let left = ledger.outcomes.waiting.clone();
    ledger.must(left.is_empty(), || format!("reports are left in the store: {left:?}"));
}

fn place_of(position: &[u8]) -> (u64, u64) {
    let (actor, number) = position.split_first_chunk().unwrap();
    (u64::from_be_bytes(*actor), u64::from_be_bytes(number.try_into().unwrap()))
}
