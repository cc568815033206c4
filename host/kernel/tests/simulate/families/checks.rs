//! The rules for a play that is idle, and for its end: each message has one end, and a member that keeps nothing is nowhere.

use std::sync::Arc;

use playhouse_kernel::{ActorView, Address, DeadLetter, FamilyView};

use super::book::{Book, Sent};
use super::code::serial_of;
use super::play::{By, Serial, Work};

/// Nothing is left to do, and no failure counts any more.
pub fn when_idle(book: &mut Book, family: FamilyView, members: &[ActorView], letters: &[Arc<DeadLetter>]) {
    book.must(members.is_empty(), || format!("members stay in memory: {members:?}"));
    book.must(family.live == 0, || format!("members have an instance: {family:?}"));
    let kept = book.rows.len();
    book.must(family.members == kept, || format!("{kept} members are in the store, and the family counts {family:?}"));
    if book.play.is_stored {
        return;
    }
    book.seen.insert("without a store");
    for serial in 0..book.sent.len() {
        let of = letters.iter().filter(|letter| serial_of(&letter.message.body) == serial);
        let kinds: Vec<_> = of.map(|letter| letter.reason.kind()).collect();
        let Sent { is_ask, accepted, done, .. } = book.sent[serial];
        let ends = done + kinds.len();
        book.must(ends <= 1 || is_ask, || format!("#{serial} was handled {done} times, and has the letters {kinds:?}"));
        if accepted == Some(true) {
            let ends = end_of(book, serial, |book, serial| {
                let of = letters.iter().filter(|letter| serial_of(&letter.message.body) == serial);
                book.sent[serial].done + of.count()
            });
            book.must(ends == 1, || format!("#{serial} was accepted, and ended {ends} times"));
        }
        letter_fits(book, serial, &kinds);
    }
}

/// The last life of a play with a store is over.
pub fn in_the_end(book: &mut Book, members: &[Address]) {
    let kept = book.rows.len();
    book.must(members.len() == kept, || format!("the store has {members:?}, and its entries make {kept}"));
    for serial in 0..book.sent.len() {
        let count = |of: &std::collections::BTreeMap<Serial, usize>| of.get(&serial).copied().unwrap_or_default();
        let (puts, takes) = (count(&book.rows.puts), count(&book.rows.takes));
        let kinds = book.rows.letters.get(&serial).cloned().unwrap_or_default();
        let Sent { is_ask, accepted, done, to, .. } = book.sent[serial];
        book.must(puts <= 1 && takes == puts, || format!("#{serial} was put {puts} times, and ended {takes} times"));
        book.must(kinds.len() <= 1 || is_ask, || format!("#{serial} has the letters {kinds:?}"));
        book.must(accepted != Some(false) || puts == 0, || format!("#{serial} was refused, and is in the store"));
        if puts == 1 && kinds.is_empty() {
            book.must(done > 0 || to.is_none(), || format!("#{serial} ended, and was not handled"));
        }
        if accepted == Some(true) {
            let ends = end_of(book, serial, |book, serial| {
                let lettered = book.rows.letters.contains_key(&serial);
                usize::from(book.rows.puts.contains_key(&serial) || lettered)
            });
            book.must(ends == 1, || format!("#{serial} was accepted, and is not in the store"));
        }
        let kinds: Vec<_> = kinds.iter().map(String::as_str).collect();
        letter_fits(book, serial, &kinds);
    }
}

/// The ends of a message, and if it was sent on, those of the other one.
fn end_of(book: &Book, serial: Serial, ends: impl Fn(&Book, Serial) -> usize) -> usize {
    match book.sent[serial].carries {
        Some(carried) => ends(book, serial).min(ends(book, carried)),
        None => ends(book, serial),
    }
}

fn letter_fits(book: &mut Book, serial: Serial, kinds: &[&str]) {
    let Sent { work, is_ask, .. } = book.sent[serial];
    for kind in kinds {
        let fits = match *kind {
            _ if is_ask => continue,
            "crashed" => work == Work::Poison || work == Work::Shock && book.play.attempts == 1,
            "rejected" => work == Work::Rejected,
            "failed" => work == Work::Retried && book.play.attempts == 1,
            "host-died" => book.play.lives.len() > 1,
            "not-created" | "too-many-members" | "creates-too-fast" => {
                refusal(book, serial, kind);
                continue;
            }
            _ => false,
        };
        book.must(fits, || format!("#{serial} ({work:?}) is a dead letter: {kind}"));
    }
}

/// A message was refused, since no member was made for it.
pub fn refusal(book: &mut Book, serial: Serial, kind: &str) {
    let by: By = book.sent[serial].by;
    let rate = book.play.makes(by);
    match kind {
        "not-created" => {
            book.seen.insert("not-created");
            book.must(rate.is_none(), || format!("{by:?} may make members, and #{serial} was refused"));
        }
        "too-many-members" => {
            book.seen.insert("too-many-members");
            book.must(rate.is_some(), || format!("{by:?} may make no members, and #{serial} is one too many"));
        }
        "creates-too-fast" => {
            book.seen.insert("creates-too-fast");
            book.must(rate.is_some_and(|rate| rate < 100), || format!("#{serial} of {by:?} came too fast: {rate:?}"));
        }
        _ => {}
    }
}
