//! Whole plays from seeds: random actors, faults, limits, crowds and operators, on paused time. The actors keep a ledger of
//! their observations, and it must agree with the kernel's promises.
//!
//! | file | contents |
//! |---|---|
//! | `dice` | random numbers |
//! | `world` | a random play: the actors, their limits, the senders, the end |
//! | `actors`, `pen`, `bodies` | the work of actors on a message, its records, its contents |
//! | `mind`, `minds` | policies of mailboxes, with faults as well |
//! | `stage` | a play in progress |
//! | `ledger` | the history, and the promises for any moment |
//! | `checks` | the promises for the end |
//! | `driver` | one play from its start to its end |
//! | `trace` | the log of a play |
//!
//! `PLAYHOUSE_SEED=n cargo test -p playhouse-kernel --test simulate -- --nocapture` runs one play again and prints its log.
//! `PLAYHOUSE_SEEDS=n` sets the number of plays in place of [`PLAYS`].

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod actors;
mod bodies;
mod checks;
mod dice;
mod driver;
mod ledger;
mod mind;
mod minds;
mod pen;
mod stage;
mod trace;
mod world;

use std::collections::BTreeSet;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use parking_lot::Mutex;
use stage::Stage;

/// Number of plays, unless the environment sets another.
const PLAYS: u64 = 10_000;
/// Labels of events that all plays together must have seen: a simulator without events finds nothing.
const EVERYTHING: [&str; 34] = [
    "a gate did not open",
    "a message started a passivated actor",
    "a policy crashed",
    "a policy was given up",
    "an ordered start failed",
    "a start waited for space",
    "a start waited in its subtree",
    "a trial start",
    "a timer died with its incarnation",
    "a timer told",
    "abandoned",
    "an actor failed",
    "answer: a circle",
    "answer: actor failed",
    "answer: a reply",
    "answer: crashed",
    "answer: failed",
    "answer: no reply",
    "answer: not sent",
    "answer: restarting",
    "answer: stopped",
    "answer: too late",
    "ask-crashed",
    "crashed",
    "expired",
    "failed",
    "forgotten letters",
    "mailbox-full",
    "messages kept for an operator",
    "overflow",
    "rejected",
    "stopped",
    "the kernel gave up",
    "two instances at once",
];
/// Every tenth play runs twice, and both runs must be equal.
const TWICE_EVERY: u64 = 10;
/// Longer than any play takes, in real time: a play beyond it never ends.
const STUCK: Duration = Duration::from_secs(30);

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not `{text}`")))
}

#[test]
fn every_play_keeps_every_promise() {
    if let Some(seed) = number("PLAYHOUSE_SEED") {
        return match give(seed) {
            Ok(play) => eprintln!("{}", log(&play)),
            Err(failure) => panic!("{failure}"),
        };
    }
    let plays = number("PLAYHOUSE_SEEDS").unwrap_or(PLAYS);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(4);
    let running: Vec<AtomicU64> = (0..threads).map(AtomicU64::new).collect();
    let failed = AtomicBool::new(false);
    let seen = Mutex::new(BTreeSet::new());
    let (report, reports) = mpsc::channel();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (report, running, failed, seen) = (report.clone(), &running[thread as usize], &failed, &seen);
            scope.spawn(move || {
                for seed in (thread..plays).step_by(threads as usize).take_while(|_| !failed.load(Ordering::Relaxed)) {
                    running.store(seed, Ordering::Relaxed);
                    let failure = check(seed, seen).map(|failure| format!("{failure}\n{}", how_to_replay(seed)));
                    failed.fetch_or(failure.is_some(), Ordering::Relaxed);
                    let _ = report.send(failure);
                }
            });
        }
        drop(report);
        let mut failures = Vec::new();
        loop {
            match reports.recv_timeout(STUCK) {
                Ok(failure) => failures.extend(failure),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // The threads of these plays cannot be ended, so the process must end, and its output must not be
                    // captured.
                    let text = format!("{}\none of these seeds turns in circles: {running:?}\n", failures.join("\n\n"));
                    let _ = std::io::stderr().write_all(text.as_bytes());
                    std::process::abort();
                }
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    });
    if plays >= PLAYS {
        let never: Vec<_> = EVERYTHING.iter().filter(|what| !seen.lock().contains(*what)).collect();
        assert!(never.is_empty(), "in all these plays there was never: {never:?}");
    }
}

fn how_to_replay(seed: u64) -> String {
    format!(
        "This was seed {seed}. Give it again with\n\
         PLAYHOUSE_SEED={seed} cargo test -p playhouse-kernel --test simulate -- --nocapture"
    )
}

/// Runs a play once or twice, and returns its errors.
fn check(seed: u64, seen: &Mutex<BTreeSet<&'static str>>) -> Option<String> {
    let play = match give(seed) {
        Ok(play) => play,
        Err(failure) => return Some(failure),
    };
    seen.lock().extend(std::mem::take(&mut play.ledger().seen));
    if !seed.is_multiple_of(TWICE_EVERY) {
        return None;
    }
    let again = give(seed).ok()?;
    let (first, second) = (&play.ledger().trace, &again.ledger().trace);
    let parted = (0..first.len().max(second.len())).find(|&line| first.get(line) != second.get(line))?;
    Some(format!("given twice, it is not the same play:\n{:?}\n{:?}", first.get(parted), second.get(parted)))
}

/// Runs a play. The error has its log and its broken promises.
fn give(seed: u64) -> Result<Arc<Stage>, String> {
    let play = catch_unwind(AssertUnwindSafe(|| driver::give(seed))).map_err(|_| "the play panicked".to_owned())?;
    let broken = std::mem::take(&mut play.ledger().broken);
    if broken.is_empty() { Ok(play) } else { Err(format!("{}\n{}", log(&play), broken.join("\n"))) }
}

fn log(play: &Stage) -> String {
    play.ledger().trace.iter().map(|line| trace::Shown(&play.play, line).to_string() + "\n").collect()
}
