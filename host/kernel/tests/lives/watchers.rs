//! The promises about watches and their notices: see `docs/decisions/076`.

use std::collections::{BTreeMap, BTreeSet};

use playhouse_kernel::{EntryNumber, JournalEntry, Op};

use crate::belongings::{Row, WatchPlace};
use crate::ledger::{Ledger, is_notice};

/// The position and the value of each watch in an entry, in order; no value for one that ends.
fn changes(entry: &JournalEntry) -> Vec<(WatchPlace, Option<&[u8]>)> {
    let of_watch = |op: &Op| match op {
        Op::Origin { source, position, value } => Some((source.clone(), position.clone(), Some(value.clone()))),
        Op::OriginGone { source, position } => Some((source.clone(), position.clone(), None)),
        _ => None,
    };
    let all = entry.ops.iter().filter_map(of_watch).filter(|(source, ..)| entry.bytes[source.clone()] == *b"watch");
    let all = all.map(|(_, position, value)| {
        let (actor, id) = entry.bytes[position].split_first_chunk().unwrap();
        let place = (u64::from_be_bytes(*actor), u64::from_be_bytes(id.try_into().unwrap()));
        (place, value.map(|value| &entry.bytes[value]))
    });
    // At 0 is the last id of all.
    all.filter(|((_, id), _)| *id != 0).collect()
}

/// The notices in records: watch, and change with its kind.
fn notices_in(records: &[u8]) -> Vec<(u64, String)> {
    let (mut notices, mut rest) = (Vec::new(), records);
    while !rest.is_empty() {
        let content = u32::from_le_bytes(*rest.first_chunk().unwrap()) & !(1 << 31);
        let (record, others) = rest.split_at(64 + content as usize);
        rest = others;
        if is_notice(record) {
            let text = String::from_utf8_lossy(record).into_owned();
            // The ids of watches begin so.
            let body = text.split_once("\n4503").unwrap().1;
            let fields: Vec<_> = body.split('\n').collect();
            notices.push((format!("4503{}", fields[0]).parse().unwrap(), format!("{} {}", fields[3], fields[4])));
        }
    }
    notices
}

/// Checks an entry that is durable.
pub fn durable_entry(ledger: &mut Ledger, number: EntryNumber, entry: &JournalEntry) {
    let changes = changes(entry);
    for op in &entry.ops {
        let (watcher, notices) = match op {
            Op::Put { mailbox, records, .. } => (mailbox.0, notices_in(&entry.bytes[records.clone()])),
            // One of an entry that puts none: it found no space.
            Op::Letter(letter)
                if is_notice(&letter.record) && !entry.ops.iter().any(|op| matches!(op, Op::Take { .. })) =>
            {
                (ledger.addresses[letter.to.as_str()].0, notices_in(&letter.record))
            }
            _ => continue,
        };
        for (id, change) in notices {
            noticed(ledger, number, (watcher, id), &change, &changes);
        }
    }
    for (place, value) in changes {
        let Some(value) = value else {
            let watch = ledger.watches.rows.remove(&place);
            ledger.must(watch.is_some(), || format!("the watch {place:?} ends twice, in entry {number}"));
            ledger.watches.lost.remove(&place);
            continue;
        };
        let target = u64::from_le_bytes(*value.first_chunk().unwrap());
        let row = Row { target, is_up: value[16] & 1 != 0, lasts: value[16] & 2 != 0 };
        let life = ledger.life;
        if ledger.watches.rows.insert(place, row).is_none() {
            let other = ledger.watches.begun.insert(place, (number, life));
            ledger.must(other.is_none(), || format!("two watches have the id {place:?}: {other:?}"));
        }
    }
}

fn noticed(
    ledger: &mut Ledger,
    number: EntryNumber,
    place: WatchPlace,
    change: &str,
    changes: &[(WatchPlace, Option<&[u8]>)],
) {
    ledger.note(format!("entry {number}: the watch {place:?} tells {change}"));
    let is_last = ledger.watches.gone.contains(&place);
    ledger.must(!is_last, || format!("the watch {place:?} tells {change} in entry {number}, after its last notice"));
    let Some(row) = ledger.watches.rows.get(&place).cloned() else {
        ledger.must(false, || format!("the watch {place:?} tells {change} in entry {number}, and is not there"));
        return;
    };
    let after = changes.iter().rfind(|(of, _)| *of == place).map(|(_, value)| value.is_none());
    ledger.must(after == Some(change.starts_with("gone")), || {
        format!("entry {number} tells {change}, and leaves the watch {place:?} so: {after:?}")
    });
    if ledger.watches.begun.get(&place).is_some_and(|(_, life)| *life < ledger.life) {
        ledger.seen.insert("a watch of an earlier life");
    }
    match change {
        "crashed host-died" => {
            ledger.must(row.is_up && !row.lasts, || format!("entry {number} tells of a loss of {row:?}"));
            ledger.seen.insert("a watched actor was lost");
        }
        "gone " => {
            ledger.watches.gone.insert(place);
            ledger.seen.insert("a watched child is gone");
        }
        _ => {}
    }
    if !change.starts_with("started") {
        ledger.watches.lost.remove(&place);
    }
}

/// Checks what is left when the last life is over. `planned`: the ids of the actors of the plan.
pub fn in_the_end(ledger: &mut Ledger, planned: &BTreeSet<u64>) {
    let lost = ledger.watches.lost.clone();
    ledger.must(lost.is_empty(), || format!("these watchers were not told that an actor was lost: {lost:?}"));
    for (place, row) in ledger.watches.rows.clone() {
        let is_there = |id: u64| planned.contains(&id) || ledger.lives.contains_key(&id);
        let (watcher, target) = (is_there(place.0), is_there(row.target));
        ledger
            .must(watcher && target, || format!("the watch {place:?} is left, and its actors are not there: {row:?}"));
    }
    let mut last = BTreeMap::new();
    for (at, run) in ledger.runs.iter().enumerate() {
        if run.done == Some(true) && !run.is_unsure {
            last.insert(run.of, at);
        } else {
            last.remove(&run.of);
        }
    }
    for (of, at) in last {
        let kept = ledger.kept.get(&of).cloned().unwrap_or_default();
        let is_over = !kept.letters.is_empty() || ledger.dropped.contains(&of);
        let Some(entry) = kept.taken.first().copied().filter(|_| !is_over) else { continue };
        for id in ledger.runs[at].watches.clone() {
            let begun: Vec<_> =
                ledger.watches.begun.iter().filter(|((_, of), _)| *of == id).map(|(_, (at, _))| *at).collect();
            ledger.must(begun.contains(&entry), || {
                format!("run {at} of #{of} watches as {id}, and its entry {entry} does not: {begun:?}")
            });
        }
    }
    for ((actor, id), (entry, _)) in ledger.watches.begun.clone() {
        let by = |run: &crate::ledger::Run| {
            let taken = ledger.kept.get(&run.of).is_some_and(|kept| kept.taken.contains(&entry));
            run.watches.contains(&id) && (taken || ledger.sent[run.of].is_ask)
        };
        let known = ledger.runs.iter().any(by);
        ledger.must(known, || format!("actor {actor} watches as {id} since entry {entry}, and no turn did that"));
    }
}
