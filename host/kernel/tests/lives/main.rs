//! Plays on a store, from seeds: a host that dies at random moments and starts again on what the store kept, on paused time. Some
//! actors are stored, others are at the edge; their code is not deterministic, crashes, retries, rejects and asks.
//!
//! | file | contents |
//! |---|---|
//! | `play` | a random play: the actors, the senders, the ends of its lives |
//! | `disk` | a store that takes time, is full at times, and keeps a prefix of the group in hand when the host dies |
//! | `actors` | the work of actors on a message |
//! | `ledger` | everything that actors, senders and the store saw |
//! | `belongings` | the watches and the reports in the store |
//! | `watchers`, `outcomes` | the promises about them, checked at each entry |
//! | `checks` | the promises, checked against the history of the store |
//! | `driver` | one play, life after life |
//! | `spilled` | mailboxes that are larger than their memory |
//! | `house` | a small play, whose actors do what messages say |
//! | `rules`, `store_rules`, `mailbox_rules`, `state_rules`, `value_rules`, `timer_rules`, `suspect_rules`, `origin_rules`, `key_rules`, `answer_rules`, `child_rules`, `family_rules`, `watch_rules`, `report_rules`, `full_rules` | the promises one by one, each in a small play; those about messages and turns, faults of the store, orders for mailboxes, keyed state, times of its values, timers, messages that end their host, sources, keys of requests, kept answers, children, families, watches, reports of outcomes, and a full store |
//!
//! `PLAYHOUSE_SEED=n cargo test -p playhouse-kernel --test lives -- --nocapture` runs one play again and prints its log.
//! `PLAYHOUSE_SEEDS=n` sets the number of plays in place of [`PLAYS`].

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod actors;
mod answer_rules;
mod belongings;
mod checks;
mod child_rules;
#[path = "../simulate/dice.rs"]
mod dice;
mod disk;
mod driver;
mod family_rules;
mod full_rules;
mod house;
mod key_rules;
mod ledger;
mod mailbox_rules;
mod name_rules;
mod origin_rules;
mod outcomes;
mod play;
mod report_rules;
mod rules;
mod spilled;
mod state_rules;
mod store_rules;
mod suspect_rules;
mod timer_rules;
mod value_rules;
mod watch_rules;
mod watchers;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Number of plays, unless the environment sets another.
const PLAYS: u64 = 3_000;
/// Every twentieth play runs twice, and both runs must be equal.
const TWICE_EVERY: u64 = 20;
/// Labels of events that all plays together must have seen.
const EVERYTHING: [&str; 35] = [
    "a child of an earlier life",
    "a child that was stopped in an earlier life is gone",
    "a child was stopped",
    "a drop",
    "a drop beyond the memory",
    "a letter survived",
    "a mailbox spilled",
    "a member handled a message of an earlier life",
    "a member that kept nothing is gone",
    "a life ended in a group",
    "a life ended in a turn",
    "a life ended in order",
    "a message came again in a later life",
    "a retry survived",
    "a message was blamed for the end of its host",
    "a report survived",
    "a send from an earlier life",
    "a suspect",
    "a timer survived",
    "a timer was cancelled",
    "a value was removed",
    "a value went after its time",
    "a watch of an earlier life",
    "a watched actor was lost",
    "a watched child is gone",
    "an acknowledged tell",
    "an answer from a stored actor",
    "an answer was kept",
    "an ask to the edge",
    "an order of an operator survived",
    "half a group was kept",
    "state from an earlier life",
    "the edge saw a stored message",
    "the store failed",
    "the store was full",
];

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not `{text}`")))
}

#[test]
fn every_life_keeps_every_promise() {
    if let Some(seed) = number("PLAYHOUSE_SEED") {
        let ledger = driver::give(seed);
        eprintln!("{}", ledger.trace.join("\n"));
        assert!(ledger.broken.is_empty(), "{}", ledger.broken.join("\n"));
        return;
    }
    let plays = number("PLAYHOUSE_SEEDS").unwrap_or(PLAYS);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(4);
    let (next, seen, failures) = (AtomicU64::new(0), Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while failures.lock().is_empty() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= plays {
                        return;
                    }
                    match catch_unwind(AssertUnwindSafe(|| check(seed))) {
                        Ok(Ok(labels)) => seen.lock().extend(labels),
                        Ok(Err(failure)) => failures.lock().push(failure),
                        Err(_) => failures.lock().push(format!("seed {seed} panicked")),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    if plays >= PLAYS {
        let never: Vec<_> = EVERYTHING.iter().filter(|what| !seen.lock().contains(*what)).collect();
        assert!(never.is_empty(), "in all these plays there was never: {never:?}");
    }
}

fn check(seed: u64) -> Result<BTreeSet<&'static str>, String> {
    let ledger = driver::give(seed);
    if !ledger.broken.is_empty() {
        let (trace, broken) = (ledger.trace.join("\n"), ledger.broken.join("\n"));
        return Err(format!(
            "{trace}\n{broken}\nThis was seed {seed}. Give it again with\n\
             PLAYHOUSE_SEED={seed} cargo test -p playhouse-kernel --test lives -- --nocapture"
        ));
    }
    if seed.is_multiple_of(TWICE_EVERY) {
        let again = driver::give(seed);
        let parted = (0..ledger.trace.len().max(again.trace.len()))
            .find(|&line| ledger.trace.get(line) != again.trace.get(line));
        if let Some(line) = parted {
            let lines = (ledger.trace.get(line), again.trace.get(line));
            return Err(format!("seed {seed}, given twice, is not the same play:\n{lines:?}"));
        }
    }
    Ok(ledger.seen)
}
