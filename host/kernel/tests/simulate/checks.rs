//! Checks of a play that is over or idle: every message has exactly one end, and the kernel's dead letters are the ledger's.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use playhouse_kernel::{DeadLetter, DeadLetterCounts};

use crate::bodies;
use crate::ledger::{Certain, Entry, How, Kept, Ledger, RunId, Sender};
use crate::trace::Serial;
use crate::world::Play;

/// The end of a message, as far as the actors know it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It was never accepted: the kernel refused it, or its cause failed.
    Never,
    Done,
    Letter,
    /// One of these. Only the kernel knows which one.
    Either,
}

/// The kernel's views when all is over.
pub struct Aftermath {
    pub letters: Vec<Arc<DeadLetter>>,
    pub counts: DeadLetterCounts,
}

/// The play is done: every accepted message has ended, except the messages `kept` for actors that failed for good.
pub fn when_idle(ledger: &mut Ledger, counts: &DeadLetterCounts, kept: u64) {
    let mut letters = (0_u64, 0);
    for serial in 0..ledger.entries.len() {
        match end_of(ledger, serial) {
            End::Letter => letters = (letters.0 + 1, letters.1 + 1),
            End::Either => letters.1 += 1,
            End::Never | End::Done => {}
        }
    }
    let total = counts.total();
    ledger.must((letters.0..=letters.1).contains(&(total + kept)), || {
        format!("all is done with {total} dead letters and {kept} kept, and {letters:?} messages were not handled")
    });
}

pub fn in_the_end(ledger: &mut Ledger, play: &Play, aftermath: &Aftermath) {
    ledger.over = true;
    ledger.seen.extend(aftermath.counts.by_reason.keys());
    if aftermath.counts.sum().forgotten > 0 {
        ledger.seen.insert("forgotten letters");
    }
    let letters = by_serial(ledger, play, &aftermath.letters);
    let complete = aftermath.counts.sum().forgotten == 0;
    if complete {
        settle_the_unsure(ledger, &letters);
    }
    for serial in 0..ledger.entries.len() {
        let found = letters.get(&serial).map_or(0, Vec::len);
        let end = end_of(ledger, serial);
        let fits = match end {
            End::Never | End::Done => found == 0,
            End::Letter => found == 1 || !complete && found == 0,
            End::Either => found <= 1,
        };
        let expected = match end {
            End::Never => "it was never sent",
            End::Done => "it was handled",
            End::Letter => "it was not handled",
            End::Either => "nobody knows",
        };
        ledger.must(fits, || format!("#{serial}: {expected}, and there are {found} dead letters of it"));
        if ledger.may_fire(serial) == Certain::No
            && ledger.entries[serial].cause.is_some_and(|run| ledger.runs[run].kept == Kept::Yes)
        {
            ledger.seen.insert("a timer died with its incarnation");
        }
        check_flow(ledger, serial);
        check_reply(ledger, serial);
    }
    when_idle(ledger, &aftermath.counts, 0);
    check_counts(ledger, play, aftermath);
    check_order(ledger);
    check_ids(ledger);
    let alive: usize = ledger.alive.iter().sum();
    ledger.must(alive == 0, || format!("{alive} incarnations outlive the play"));
    let waiting = ledger.calls.len();
    ledger.must(waiting == 0, || format!("{waiting} calls outlive the play"));
}

fn end_of(ledger: &Ledger, serial: Serial) -> End {
    let entry = &ledger.entries[serial];
    let accepted = match entry.cause.map(|cause| ledger.sends_kept(cause)) {
        None => entry.accepted,
        Some(Kept::Yes | Kept::Returned) => Certain::Yes,
        Some(Kept::Maybe) => Certain::Maybe,
        Some(Kept::NotYet | Kept::No) => Certain::No,
    };
    let accepted = match (accepted, ledger.may_fire(serial)) {
        (Certain::Yes, Certain::Yes) => Certain::Yes,
        (Certain::No, _) | (_, Certain::No) => Certain::No,
        _ => Certain::Maybe,
    };
    let done = entry.runs.last().map_or(Certain::No, |&run| match (ledger.runs[run].how, ledger.runs[run].kept) {
        (How::Done, Kept::Yes | Kept::Returned) => Certain::Yes,
        (How::Done, Kept::Maybe) => Certain::Maybe,
        _ => Certain::No,
    });
    match (accepted, done) {
        (Certain::No, _) => End::Never,
        (_, Certain::Yes) => End::Done,
        (Certain::Yes, Certain::No) => End::Letter,
        // An actor handled it, so it was accepted.
        (Certain::Maybe, Certain::No) if !entry.runs.is_empty() => End::Letter,
        _ => End::Either,
    }
}

/// Decides about a run that was cut off in its commit: its messages show whether it was kept. Either all of it was kept, or
/// nothing.
fn settle_the_unsure(ledger: &mut Ledger, letters: &BTreeMap<Serial, Vec<&DeadLetter>>) {
    for run in 0..ledger.runs.len() {
        if ledger.runs[run].kept != Kept::Maybe {
            continue;
        }
        let ended =
            |serial: Serial, ledger: &Ledger| letters.contains_key(&serial) || !ledger.entries[serial].runs.is_empty();
        let last = ledger.runs[run].of.is_none_or(|serial| ledger.entries[serial].runs.last() == Some(&run));
        let dead_lettered = ledger.runs[run].of.is_some_and(|serial| letters.contains_key(&serial));
        let failed = ledger.runs[run].how != How::Done;
        let kept = if failed { continue } else { last && !dead_lettered };
        let sends = ledger.runs[run].sends.clone();
        let seen = sends.iter().filter(|&&serial| ended(serial, ledger)).count();
        ledger.must(seen == if kept { sends.len() } else { 0 }, || {
            format!("run {run} was cut off in its commit (kept: {kept}), and {seen} of {} sends are seen", sends.len())
        });
        ledger.keep(run, if kept { Kept::Yes } else { Kept::No });
    }
}

fn by_serial<'a>(
    ledger: &mut Ledger,
    play: &Play,
    letters: &'a [Arc<DeadLetter>],
) -> BTreeMap<Serial, Vec<&'a DeadLetter>> {
    let mut found: BTreeMap<Serial, Vec<&DeadLetter>> = BTreeMap::new();
    for letter in letters {
        let serial = bodies::serial(&letter.message.body);
        if serial >= ledger.entries.len() {
            ledger.blame(format!("a dead letter without a sender: {letter:?}"));
            continue;
        }
        check_letter(ledger, play, serial, letter);
        found.entry(serial).or_default().push(letter);
    }
    found
}

/// A dead letter matches the events.
fn check_letter(ledger: &mut Ledger, play: &Play, serial: Serial, letter: &DeadLetter) {
    let entry = &ledger.entries[serial];
    // An end that was not kept does not count.
    let ended = |run: &RunId| if ledger.runs[*run].kept == Kept::No { How::Open } else { ledger.runs[*run].how };
    let last = entry.runs.last().map(ended);
    let limit = play.roles[entry.to].restart.attempts;
    let attempt = letter.message.envelope.attempt;
    let never = last.is_none();
    let unsure = entry.runs.last().is_some_and(|&run| ledger.runs[run].kept == Kept::Maybe);
    // Perhaps a kill cut off the call with this message, in its last run or before that began.
    let cut_off = u32::from(letter.reason.kind() == "stopped");
    let why_fits = match letter.reason.kind() {
        "rejected" => last == Some(How::Rejected),
        "failed" => last == Some(How::Retried) && attempt == limit,
        "crashed" => !never && (unsure || last != Some(How::Rejected)) && attempt <= limit,
        "ask-crashed" | "expired" => entry.is_ask,
        "overflow" => never && Ledger::drops(play, entry.to) != Certain::No,
        "mailbox-full" => never && Ledger::drops(play, entry.to) != Certain::Yes,
        "abandoned" => never && play.roles[entry.to].mind.is_some_and(|mind| mind.abandon + mind.fault > 0),
        "stopped" => true,
        _ => false,
    };
    let sender = match entry.sender {
        Sender::Outside => None,
        Sender::Actor(who) => Some(&play.roles[who].address),
    };
    let who_fits = letter.to == play.roles[entry.to].address && letter.sender.as_ref() == sender;
    let fits = why_fits && who_fits && (entry.blames.0..=entry.blames.1 + cut_off).contains(&attempt);
    let (blames, reason) = (entry.blames, &letter.reason);
    ledger.must(fits, || {
        format!("#{serial} ended as {last:?} after {blames:?} failures; its letter: {reason}, attempt {attempt}")
    });
}

fn check_flow(ledger: &mut Ledger, serial: Serial) {
    let entry = &ledger.entries[serial];
    let flow = entry.flow.or(entry.id.map(playhouse_kernel::MessageId::flow));
    let envelopes: Vec<_> = entry.runs.iter().filter_map(|&run| ledger.runs[run].envelope).collect();
    let hops = entry.hops;
    for envelope in envelopes {
        let same = flow.is_none_or(|flow| flow == envelope.flow) && envelope.hops == hops;
        ledger.must(same, || format!("#{serial} is of flow {flow:?} after {hops} hops, and came as {envelope:?}"));
    }
}

/// A reply comes from a turn that was kept.
fn check_reply(ledger: &mut Ledger, serial: Serial) {
    let Some(run) = ledger.entries[serial].replied_by else { return };
    let fits = ledger.runs.get(run).is_some_and(|run| {
        run.of == Some(serial) && run.how == How::Done && matches!(run.kept, Kept::Yes | Kept::Returned | Kept::Maybe)
    });
    ledger.must(fits, || format!("the reply to #{serial} comes from run {run}, which did not commit or is another's"));
}

/// The counters match the dead letters, and the store keeps no more than its limit.
fn check_counts(ledger: &mut Ledger, play: &Play, aftermath: &Aftermath) {
    let Aftermath { letters, counts } = aftermath;
    ledger.must(letters.len() <= play.dead_letters.capacity, || format!("{} letters are kept", letters.len()));
    ledger.must(counts.total() == letters.len() as u64 + counts.sum().forgotten, || format!("the letters' {counts:?}"));
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for letter in letters {
        *kinds.entry(letter.reason.kind()).or_default() += 1;
    }
    let fits = kinds.iter().all(|(kind, count)| {
        let counted = counts.by_reason.get(kind).map_or(0, |fates| fates.all);
        if counts.sum().forgotten == 0 { counted == *count } else { counted >= *count }
    });
    ledger.must(fits, || format!("{counts:?}, and the letters are {kinds:?}"));
}

/// Two messages without a retry are handled in the order in which they left their sender, whatever crashed.
fn check_order(ledger: &mut Ledger) {
    let is_done = |entry: &Entry| {
        let retried = entry.runs.iter().any(|&run| ledger.runs[run].how == How::Retried);
        let kept = |run: RunId| matches!(ledger.runs[run].kept, Kept::Yes | Kept::Returned);
        entry.runs.last().copied().filter(|&run| ledger.runs[run].how == How::Done && kept(run) && !retried)
    };
    let mut done: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let told = ledger.entries.iter().enumerate().filter(|(serial, _)| ledger.comes_in_order(*serial));
    for (serial, entry) in told {
        if let Some(run) = is_done(entry) {
            done.entry((entry.sender, entry.to)).or_default().push((entry.released, run, serial));
        }
    }
    for ((sender, _to), mut line) in done {
        line.sort_unstable();
        for pair in line.windows(2) {
            ledger.must(pair[0].1 < pair[1].1, || format!("of {sender:?}, #{} overtook #{}", pair[1].2, pair[0].2));
        }
    }
}

/// Each message has its own id. The exception is an ask that a replay repeats, and the messages that follow from it.
fn check_ids(ledger: &mut Ledger) {
    let mut seen = HashSet::new();
    let mut doubled = Vec::new();
    for (serial, entry) in ledger.entries.iter().enumerate() {
        if entry.is_ask || entry.after_ask {
            continue;
        }
        let ids: HashSet<_> =
            entry.runs.iter().filter_map(|&run| ledger.runs[run].envelope.map(|envelope| envelope.id)).collect();
        if ids.len() > 1 || ids.into_iter().any(|id| !seen.insert(id)) {
            doubled.push(serial);
        }
    }
    ledger.must(doubled.is_empty(), || format!("their ids are others' too, or changed: {doubled:?}"));
}
