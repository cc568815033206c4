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
//! | `families` | plays with a family, on a store, over several lives of the host |
//!
//! `PLAYHOUSE_SEED=n cargo test -p playhouse-kernel --test simulate TEST -- --nocapture` runs one play of a test again and prints its log.
//! `PLAYHOUSE_SEEDS=n` sets the number of plays in place of [`PLAYS`].

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod actors;
mod bodies;
mod checks;
mod dice;
#[path = "../lives/disk.rs"]
mod disk;
mod driver;
mod families;
mod given;
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
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;

use given::Given;

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

/// Plays of one kind.
struct Plays {
    /// The test that runs them.
    test: &'static str,
    /// Runs the play of a seed. With true, or when a promise is broken, it has its log.
    give: fn(u64, bool) -> Given,
    /// Labels of events that all plays together must have seen.
    everything: &'static [&'static str],
}

#[test]
fn every_play_keeps_every_promise() {
    Plays { test: "every_play_keeps_every_promise", give: driver::give, everything: &EVERYTHING }.run();
}

#[test]
fn every_family_keeps_every_promise() {
    let everything = &families::EVERYTHING;
    Plays { test: "every_family_keeps_every_promise", give: |seed, _| families::give(seed), everything }.run();
}

impl Plays {
    fn run(&self) {
        if let Some(seed) = number("PLAYHOUSE_SEED") {
            return match self.give(seed, true) {
                Ok(play) => eprintln!("{}", play.log.join("\n")),
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
                    let seeds = (thread..plays).step_by(threads as usize);
                    for seed in seeds.take_while(|_| !failed.load(Ordering::Relaxed)) {
                        running.store(seed, Ordering::Relaxed);
                        let failure = self.check(seed, seen);
                        let failure = failure.map(|failure| format!("{failure}\n{}", self.how_to_replay(seed)));
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
                        let failures = failures.join("\n\n");
                        let text = format!("{failures}\none of these seeds turns in circles: {running:?}\n");
                        let _ = std::io::stderr().write_all(text.as_bytes());
                        std::process::abort();
                    }
                }
            }
            assert!(failures.is_empty(), "{}", failures.join("\n\n"));
        });
        if plays >= PLAYS {
            let never: Vec<_> = self.everything.iter().filter(|what| !seen.lock().contains(*what)).collect();
            assert!(never.is_empty(), "in all these plays there was never: {never:?}");
        }
    }

    fn how_to_replay(&self, seed: u64) -> String {
        format!(
            "This was seed {seed}. Give it again with\n\
             PLAYHOUSE_SEED={seed} cargo test -p playhouse-kernel --test simulate {} -- --nocapture",
            self.test
        )
    }

    /// Runs a play once or twice, and returns its errors.
    fn check(&self, seed: u64, seen: &Mutex<BTreeSet<&'static str>>) -> Option<String> {
        let twice = seed.is_multiple_of(TWICE_EVERY);
        let play = match self.give(seed, twice) {
            Ok(play) => play,
            Err(failure) => return Some(failure),
        };
        seen.lock().extend(play.seen);
        if !twice {
            return None;
        }
        let (first, second) = (play.log, self.give(seed, true).ok()?.log);
        let parted = (0..first.len().max(second.len())).find(|&line| first.get(line) != second.get(line))?;
        Some(format!("given twice, it is not the same play:\n{:?}\n{:?}", first.get(parted), second.get(parted)))
    }

    /// Runs a play. The error has its log and its broken promises.
    fn give(&self, seed: u64, wants_log: bool) -> Result<Given, String> {
        let play = catch_unwind(AssertUnwindSafe(|| (self.give)(seed, wants_log)));
        let play = play.map_err(|_| "the play panicked".to_owned())?;
        if play.broken.is_empty() { Ok(play) } else { Err([&play.log[..], &play.broken].concat().join("\n")) }
    }
}
