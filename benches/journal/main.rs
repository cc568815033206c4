//! One order under one lock beside epochs, for the journal of a play with a store: a model of both, without a kernel and a disk.
//!
//! Each commit takes one message from a mailbox and puts one into another. With *one lock*, the commit enters a queue under it,
//! which a writer swaps out and copies. With *epochs*, a commit counts itself into the current epoch on a counter of its own
//! thread; the writer closes the epoch, waits for the commits inside, and copies only messages that are still there.
//!
//! `cargo run --profile bench --package playhouse-benches --example journal`

#![allow(missing_docs)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const RECORD_BYTES: usize = 164;
const RUN: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;

/// A counter on a cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct Counter([AtomicU64; 2]);

#[derive(Default)]
struct Mailbox {
    records: Vec<[u8; RECORD_BYTES]>,
    /// The number of the first record, and whether the writer knows that the mailbox changed.
    first: u64,
    dirty: bool,
    stored_to: u64,
}

#[derive(Default)]
struct Queue {
    number: u64,
    ops: Vec<(usize, u64)>,
    bytes: Vec<u8>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take_and_put(mailboxes: &[Mutex<Mailbox>], from: usize, to: usize) -> [u8; RECORD_BYTES] {
    let record = {
        let mut mailbox = lock(&mailboxes[from]);
        mailbox.first += u64::from(!mailbox.records.is_empty());
        mailbox.records.pop().unwrap_or([7; RECORD_BYTES])
    };
    lock(&mailboxes[to]).records.push(record);
    record
}

struct Figures {
    commits: u64,
    written: u64,
}

fn one_lock(threads: usize, actors: usize) -> Figures {
    let mailboxes: Vec<_> = (0..actors).map(|_| Mutex::new(Mailbox::default())).collect();
    let (queue, over, commits) = (Mutex::new(Queue::default()), AtomicBool::new(false), AtomicU64::new(0));
    let mut written = 0;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (mailboxes, queue, over, commits) = (&mailboxes, &queue, &over, &commits);
            scope.spawn(move || {
                let (mut at, mut done) = (thread, 0);
                while !over.load(Ordering::Relaxed) {
                    let to = (at * 31 + 17) % mailboxes.len();
                    let mut queue = lock(queue);
                    let record = take_and_put(mailboxes, at % mailboxes.len(), to);
                    queue.number += 1;
                    let number = queue.number;
                    queue.ops.push((at, number));
                    queue.ops.push((to, number));
                    queue.bytes.extend_from_slice(&record);
                    drop(queue);
                    (at, done) = (to, done + 1);
                }
                commits.fetch_add(done, Ordering::Relaxed);
            });
        }
        let began = Instant::now();
        let mut disk = Vec::new();
        while began.elapsed() < RUN {
            let taken = std::mem::take(&mut *lock(&queue));
            lock(&queue).number = taken.number;
            disk.clear();
            disk.extend_from_slice(&taken.bytes);
            written += disk.len() as u64;
            std::thread::sleep(Duration::from_micros(500));
        }
        over.store(true, Ordering::Relaxed);
    });
    Figures { commits: commits.into_inner(), written }
}

fn epochs(threads: usize, actors: usize) -> Figures {
    let mailboxes: Vec<_> = (0..actors).map(|_| Mutex::new(Mailbox::default())).collect();
    let counters: Vec<_> = (0..threads).map(|_| Counter::default()).collect();
    let dirty: Vec<_> = (0..threads).map(|_| Mutex::new(Vec::new())).collect();
    let (epoch, over, commits) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
    let mut written = 0;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (mailboxes, epoch, over, commits) = (&mailboxes, &epoch, &over, &commits);
            let (counter, dirty) = (&counters[thread], &dirty[thread]);
            scope.spawn(move || {
                let (mut at, mut done) = (thread, 0);
                while !over.load(Ordering::Relaxed) {
                    let mut inside = epoch.load(Ordering::SeqCst);
                    loop {
                        counter.0[inside as usize & 1].fetch_add(1, Ordering::SeqCst);
                        let now = epoch.load(Ordering::SeqCst);
                        if now == inside {
                            break;
                        }
                        counter.0[inside as usize & 1].fetch_sub(1, Ordering::SeqCst);
                        inside = now;
                    }
                    let (from, to) = (at % mailboxes.len(), (at * 31 + 17) % mailboxes.len());
                    take_and_put(mailboxes, from, to);
                    for mailbox in [from, to] {
                        if !std::mem::replace(&mut lock(&mailboxes[mailbox]).dirty, true) {
                            lock(dirty).push(mailbox);
                        }
                    }
                    counter.0[inside as usize & 1].fetch_sub(1, Ordering::SeqCst);
                    (at, done) = (to, done + 1);
                }
                commits.fetch_add(done, Ordering::Relaxed);
            });
        }
        let began = Instant::now();
        let mut disk: Vec<u8> = Vec::new();
        while began.elapsed() < RUN {
            let closed = epoch.fetch_add(1, Ordering::SeqCst);
            for counter in &counters {
                while counter.0[closed as usize & 1].load(Ordering::SeqCst) > 0 {
                    std::thread::yield_now();
                }
            }
            disk.clear();
            for dirty in &dirty {
                for mailbox in std::mem::take(&mut *lock(dirty)) {
                    let mut mailbox = lock(&mailboxes[mailbox]);
                    mailbox.dirty = false;
                    let stored = mailbox.stored_to.saturating_sub(mailbox.first) as usize;
                    for record in mailbox.records.iter().skip(stored) {
                        disk.extend_from_slice(record);
                    }
                    mailbox.stored_to = mailbox.first + mailbox.records.len() as u64;
                }
            }
            written += disk.len() as u64;
            std::thread::sleep(Duration::from_micros(500));
        }
        over.store(true, Ordering::Relaxed);
    });
    Figures { commits: commits.into_inner(), written }
}

fn median(run: impl Fn() -> Figures) -> (f64, f64) {
    let mut figures: Vec<_> = (0..ROUNDS).map(|_| run()).collect();
    figures.sort_unstable_by_key(|figures| figures.commits);
    let Figures { commits, written } = figures[ROUNDS / 2];
    (commits as f64 / RUN.as_secs_f64() / 1e6, written as f64 / commits as f64)
}

fn main() {
    println!("threads  actors | one lock: M commits/s  B written each | epochs: M commits/s  B written each");
    for threads in [1, 2, 4] {
        for actors in [16, 100_000] {
            let (locked, epochs) = (median(|| one_lock(threads, actors)), median(|| epochs(threads, actors)));
            println!(
                "{threads:7} {actors:7} | {:22.2} {:15.0} | {:20.2} {:15.0}",
                locked.0, locked.1, epochs.0, epochs.1
            );
        }
    }
}
