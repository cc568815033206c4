//! The promises, checked as entries become durable, and against the history of the store when the last life is over.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use playhouse_kernel::{Image, JournalGroup, Op};

use crate::disk::Observer;
use crate::ledger::{Ledger, Serial};
use crate::play::{Kind, Play};
use crate::{outcomes, watchers};

/// A group is durable.
pub fn durable(ledger: &mut Ledger, group: &JournalGroup) {
    for (number, entry) in (group.first..).zip(&group.entries) {
        outcomes::durable_entry(ledger, number, entry);
        ledger.durable_entry(number, entry);
        watchers::durable_entry(ledger, number, entry);
    }
}

impl Observer for Mutex<Ledger> {
    fn durable(&self, group: &JournalGroup) {
        durable(&mut self.lock(), group);
    }

    fn seen(&self, label: &'static str) {
        self.lock().seen.insert(label);
    }

    fn note(&self, line: String) {
        self.lock().note(line);
    }

    fn broken(&self, what: String) {
        self.lock().broken.push(what);
    }
}

pub fn in_the_end(ledger: &mut Ledger, play: &Play, history: &[std::sync::Arc<JournalGroup>], image: &Image) {
    each_message_ends_once(ledger, play);
    turns_are_whole(ledger, play);
    timers_fire_once(ledger, play);
    state_goes_with_turns(ledger, play);
    ids_are_unique(ledger, history);
    orders_hold(ledger, play);
    children_come_with_turns(ledger);
    outcomes::in_the_end(ledger);
    let planned = image.actors.iter().filter(|actor| actor.child.is_none()).map(|actor| actor.id.0).collect();
    watchers::in_the_end(ledger, &planned);
    let left = image.actors.iter().filter(|actor| actor.leaves).count();
    ledger.must(left == 0, || format!("{left} children were stopped, and are not gone"));
    let left: u64 = image.actors.iter().map(|actor| actor.waiting).sum();
    ledger.must(left == 0, || format!("{left} messages are left in the store"));
    let left: u64 = image.actors.iter().map(|actor| actor.timers).sum();
    ledger.must(left == 0, || format!("{left} timers are left in the store"));
    let left = ledger.answers.clone();
    ledger.must(left.is_empty(), || format!("answers are left in the store: {left:?}"));
}

fn each_message_ends_once(ledger: &mut Ledger, play: &Play) {
    for serial in 0..ledger.sent.len() {
        let sent = &ledger.sent[serial];
        let kept = ledger.kept.get(&serial).cloned().unwrap_or_default();
        let (acknowledged, stored) = (sent.acknowledged, play.roles[sent.to].kind != Kind::Memory);
        if acknowledged && stored {
            ledger.must(kept.put.len() == 1, || format!("#{serial} was acknowledged, and is kept {:?}", kept.put));
        }
        ledger.must(kept.put.len() <= 1, || format!("#{serial} is kept more than once: {:?}", kept.put));
        // A question that is asked again may expire again.
        let most_letters = if ledger.repeatable.contains(&serial) { usize::MAX } else { 1 };
        ledger.must(kept.letters.len() <= most_letters, || format!("#{serial} has the letters {:?}", kept.letters));
        let both = ledger.dropped.contains(&serial) && !kept.letters.is_empty();
        ledger.must(!both, || format!("#{serial} was dropped, and is a letter"));
        ledger.must(kept.put.len() == kept.taken.len(), || {
            format!("#{serial} was put {:?} and taken {:?}", kept.put, kept.taken)
        });
    }
}

/// Of all runs of a message one counts, and its sends are in the entry that took the message; of the other runs nothing is left.
fn turns_are_whole(ledger: &mut Ledger, play: &Play) {
    let mut counts: BTreeMap<Serial, usize> = BTreeMap::new();
    for run in 0..ledger.runs.len() {
        let (who, of) = (ledger.runs[run].who, ledger.runs[run].of);
        let to_stored = |serial: &&Serial| play.roles[ledger.sent[**serial].to].kind != Kind::Memory;
        let sends: Vec<_> = ledger.runs[run].sends.iter().filter(to_stored).copied().collect();
        let entry_of = |serial: &Serial| {
            let kept = ledger.kept.get(serial)?;
            // A send without space is a dead letter of the same entry.
            kept.put.first().map(|(entry, _)| *entry).or_else(|| kept.letters.first().copied())
        };
        let entries: BTreeSet<_> = sends.iter().map(entry_of).collect();
        let is_stored = play.roles[who].kind != Kind::Memory;
        if sends.is_empty() || entries == BTreeSet::from([None]) {
            continue;
        }
        ledger.must(entries.len() == 1, || format!("run {run} of #{of} is kept in parts: {sends:?} in {entries:?}"));
        let taken = ledger.kept.get(&of).and_then(|kept| kept.taken.first().copied());
        if is_stored && ledger.repeatable.contains(&of) {
            *counts.entry(of).or_default() += 1;
        }
        if is_stored && !ledger.sent[of].is_ask {
            *counts.entry(of).or_default() += 1;
            ledger.must(entries.contains(&taken), || {
                format!("run {run} of #{of} sent in {entries:?}, and its message ended in {taken:?}")
            });
            let (done, is_unsure) = (ledger.runs[run].done, ledger.runs[run].is_unsure);
            ledger
                .must(done == Some(true) || is_unsure, || format!("run {run} of #{of} is kept, and ended as {done:?}"));
        }
        let order: Vec<_> = sends
            .iter()
            .filter_map(|serial| Some((ledger.sent[*serial].to, *ledger.kept.get(serial)?.put.first()?)))
            .collect();
        for to in 0..play.roles.len() {
            let numbers: Vec<_> =
                order.iter().filter(|(target, _)| *target == to).map(|(_, (_, number))| *number).collect();
            ledger.must(numbers.is_sorted(), || format!("the sends of run {run} overtook each other: {numbers:?}"));
        }
    }
    for (serial, runs) in counts {
        ledger.must(runs == 1, || format!("{runs} runs of #{serial} are kept"));
    }
}

/// A timer is set in the entry of the turn that set it, and ends once: in the entry with its message, or in that of a turn that
/// cancelled it.
fn timers_fire_once(ledger: &mut Ledger, play: &Play) {
    // The run of each message that counts: the last one.
    let mut last: BTreeMap<Serial, usize> = BTreeMap::new();
    for (at, run) in ledger.runs.iter().enumerate() {
        if run.done == Some(true) && !run.is_unsure {
            last.insert(run.of, at);
        } else {
            last.remove(&run.of);
        }
    }
    let mut cancelled_in: BTreeMap<Serial, Vec<u64>> = BTreeMap::new();
    let mut cancelled_by: BTreeMap<Serial, BTreeSet<u64>> = BTreeMap::new();
    for (at, run) in ledger.runs.iter().enumerate() {
        let Some(kept) = ledger.kept.get(&run.of) else { continue };
        for serial in &run.cancels {
            cancelled_by.entry(*serial).or_default().extend(kept.taken.iter().copied());
            if last.get(&run.of) == Some(&at) && kept.letters.is_empty() && !ledger.dropped.contains(&run.of) {
                cancelled_in.entry(*serial).or_default().extend(kept.taken.iter().copied());
            }
        }
    }
    let is_ask = |ledger: &Ledger, of: Serial| ledger.sent[of].is_ask;
    for at in 0..ledger.runs.len() {
        let (who, of) = (ledger.runs[at].who, ledger.runs[at].of);
        if play.roles[who].kind == Kind::Memory {
            continue;
        }
        let taken = ledger.kept.get(&of).map(|kept| kept.taken.clone()).unwrap_or_default();
        let has_letter = ledger.kept.get(&of).is_some_and(|kept| !kept.letters.is_empty());
        let is_dropped = ledger.dropped.contains(&of);
        let counts = last.get(&of) == Some(&at) && !taken.is_empty() && !has_letter && !is_dropped;
        for serial in ledger.runs[at].timers.clone() {
            let kept = ledger.kept.get(&serial).cloned().unwrap_or_default();
            ledger.must(kept.set.len() <= 1 && kept.set.len() == kept.ended.len(), || {
                format!("the timer of #{serial} was set in {:?}, and ended in {:?}", kept.set, kept.ended)
            });
            if !is_ask(ledger, of) {
                let set = kept.set.clone();
                ledger.must(set == taken || set.is_empty() && !counts, || {
                    format!("run {at} of #{of} ended in {taken:?}, and the timer of #{serial} was set in {set:?}")
                });
            }
            let Some(ended) = kept.ended.first().copied() else { continue };
            let fired: Vec<_> = kept.put.iter().map(|(entry, _)| *entry).collect();
            if ledger.ended_with_child.contains(&serial) {
                ledger.must(fired.is_empty(), || format!("the timer of #{serial} ended with its actor, and fired"));
                continue;
            }
            let is_cancelled = cancelled_by.get(&serial).is_some_and(|entries| entries.contains(&ended));
            let has_left = fired == [ended] || fired.is_empty() && kept.letters == [ended];
            let to_memory = play.roles[ledger.sent[serial].to].kind == Kind::Memory;
            let is_silent = fired.is_empty() && kept.letters.iter().all(|letter| to_memory && *letter >= ended);
            ledger.must(has_left || is_silent && (is_cancelled || to_memory) || is_asked_run(ledger, serial), || {
                format!("the timer of #{serial} ended in {ended}, and sent in {fired:?}")
            });
            if is_cancelled && is_silent {
                ledger.seen.insert("a timer was cancelled");
            }
            // The turns of several instances may enter in another order than they ran.
            let is_ordered = play.roles[who].instances == 1;
            for entry in cancelled_in.get(&serial).cloned().unwrap_or_default() {
                ledger.must(ended <= entry || !is_ordered, || {
                    format!("the timer of #{serial} ended in {ended}, after its cancel in {entry}")
                });
            }
        }
    }
}

/// A child is spawned in the entry of the turn that spawned it, and in no other.
fn children_come_with_turns(ledger: &mut Ledger) {
    let mut last: BTreeMap<Serial, usize> = BTreeMap::new();
    for (at, run) in ledger.runs.iter().enumerate() {
        if run.done == Some(true) && !run.is_unsure {
            last.insert(run.of, at);
        } else {
            last.remove(&run.of);
        }
    }
    for (entry, child) in ledger.spawned.clone() {
        let by = |run: &crate::ledger::Run| {
            let taken = ledger.kept.get(&run.of).is_some_and(|kept| kept.taken.contains(&entry));
            run.spawns.contains(&child) && (taken || ledger.sent[run.of].is_ask)
        };
        let known = ledger.runs.iter().any(by);
        ledger.must(known, || format!("{child} is spawned in entry {entry}, and in no turn"));
    }
    for (of, at) in last {
        let kept = ledger.kept.get(&of).cloned().unwrap_or_default();
        if !kept.letters.is_empty() || ledger.dropped.contains(&of) {
            continue;
        }
        let Some(entry) = kept.taken.first().copied() else { continue };
        for child in ledger.runs[at].spawns.clone() {
            let is_born = ledger.spawned.contains(&(entry, child));
            ledger.must(is_born, || format!("run {at} of #{of} spawned {child}, and its entry {entry} did not"));
        }
    }
}

/// Whether the timer of a message was cancelled by a turn that handled a question, which is in no entry of its own.
fn is_asked_run(ledger: &Ledger, serial: Serial) -> bool {
    ledger.runs.iter().any(|run| run.cancels.contains(&serial) && ledger.sent[run.of].is_ask)
}

/// A message is in the state of its actor when it was handled, once, and since the entry that took it.
fn state_goes_with_turns(ledger: &mut Ledger, play: &Play) {
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    for serial in 0..ledger.sent.len() {
        let (to, is_ask) = (ledger.sent[serial].to, ledger.sent[serial].is_ask);
        if play.roles[to].state.is_none() {
            continue;
        }
        let entries = ledger.remembered.get(&serial).cloned().unwrap_or_default();
        ledger.must(entries.len() <= 1, || format!("#{serial} is in the state since {entries:?}"));
        let kept = ledger.kept.get(&serial).cloned().unwrap_or_default();
        if !is_ask {
            let is_handled = kept.letters.is_empty() && !ledger.dropped.contains(&serial);
            let handled = if is_handled { kept.taken.clone() } else { Vec::new() };
            ledger.must(entries == handled, || {
                format!("#{serial} was handled in {handled:?}, and is in the state since {entries:?}")
            });
        }
        if let Some(actor) = ledger.addresses.get(play.roles[to].address.as_str()) {
            *counts.entry(actor.0).or_default() += entries.len() as u64;
        }
    }
    let kept = ledger.counts.clone();
    for (actor, count) in counts {
        let said = kept.get(&actor).copied().unwrap_or_default();
        ledger
            .must(said == count, || format!("actor {actor} counts {said} messages in its state, and handled {count}"));
    }
}

/// No message, no actor and no letter has the id of another.
fn ids_are_unique(ledger: &mut Ledger, history: &[std::sync::Arc<JournalGroup>]) {
    let mut seen = BTreeMap::new();
    let ids: Vec<_> = ledger.kept.iter().filter_map(|(serial, kept)| Some((*serial, kept.id?))).collect();
    for (serial, id) in ids {
        // The sends of an ask that was repeated have the ids of the first ones.
        let of_ask = |serial: Serial| {
            let mut at = Some(serial);
            while let Some(serial) = at {
                if ledger.sent[serial].is_ask {
                    return true;
                }
                at = ledger.sent[serial].by.map(|run| ledger.runs[run].of);
            }
            false
        };
        if of_ask(serial) {
            continue;
        }
        let other = seen.insert(id, serial);
        ledger.must(other.is_none(), || format!("#{serial} and #{other:?} have the id {id}"));
    }
    let (mut actors, mut boots) = (BTreeMap::new(), 0);
    for group in history {
        ledger.must(group.boot >= boots, || format!("start {} after start {boots}", group.boot));
        boots = group.boot;
        for op in group.entries.iter().flat_map(|entry| &entry.ops) {
            if let Op::Born { actor, address } | Op::Spawned { actor, address, .. } = op {
                let other = actors.insert(actor.0, address.clone());
                ledger.must(other.is_none(), || format!("{address} and {other:?} have one id"));
            }
        }
    }
}

/// The runs of one stored sender are kept in the order in which they ran.
fn orders_hold(ledger: &mut Ledger, play: &Play) {
    for who in (0..play.roles.len()).filter(|&who| play.roles[who].instances == 1) {
        let taken = |run: &crate::ledger::Run| {
            let is_dropped = ledger.dropped.contains(&run.of);
            let kept = ledger.kept.get(&run.of).filter(|kept| kept.letters.is_empty() && !is_dropped)?;
            let first = kept.taken.first().copied()?;
            (run.who == who && run.done == Some(true)).then_some((run.of, first))
        };
        let mut last: BTreeMap<Serial, (usize, u64)> = BTreeMap::new();
        for (at, (serial, entry)) in ledger.runs.iter().enumerate().filter_map(|(at, run)| Some((at, taken(run)?))) {
            // The last run of a message is the one that counts.
            last.insert(serial, (at, entry));
        }
        for (&serial, &(at, _)) in &last {
            let life = ledger.runs[at].life;
            let before = ledger.runs[..at].iter().filter(|run| run.who == who && run.life == life && run.retried);
            let retried: BTreeSet<_> = before.filter(|run| !ledger.sent[run.of].is_ask).map(|run| run.of).collect();
            let held = |of: &Serial| ledger.kept.get(of).is_some_and(|kept| kept.holds > 0);
            let forgotten: Vec<_> = retried.iter().filter(|of| !held(of)).copied().collect();
            ledger.must(forgotten.is_empty(), || {
                format!("#{serial} is done, and retries before it are not: {forgotten:?}")
            });
        }
        let mut line: Vec<_> = last.into_values().collect();
        line.sort_unstable();
        let sorted = line.is_sorted_by_key(|(_, entry)| *entry);
        ledger.must(sorted, || format!("the turns of {who} were kept in another order: {line:?}"));
    }
}
