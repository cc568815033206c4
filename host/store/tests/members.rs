//! The memory of members of families that nobody uses, with a store and without. This file is a binary with one test, so that no other
//! test allocates meanwhile.
//!
//! `PLAYHOUSE_MEMBERS=1000000 cargo test --release -p playhouse-store --test members -- --nocapture` prints the figures of a million.

#![allow(missing_docs, clippy::unwrap_used)]

use std::alloc::System;
use std::sync::Arc;
use std::time::{Duration, Instant};

use playhouse_kernel::{
    ActorId, ActorSpec, Address, AskError, FamilySpec, JournalEntry, JournalGroup, Keep, Kernel, MailboxSpec, Message,
    NativeActor, NativeContext, NativeLauncher, NativeResult, Op, Plan, StateSpec, Store,
};
use playhouse_store::{SqliteStore, StoreSettings};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A number of members that evens out one-time costs.
const MEMBERS: usize = 20_000;
/// Most bytes of the host's heap for each member that nobody uses.
const MOST_BYTES: usize = 64;
/// Members that are used after the start.
const USED: usize = 5_000;
const SOON: Duration = Duration::from_mins(1);

/// Answers with the value of its state that the test wrote.
struct Stored;

impl NativeActor for Stored {
    async fn msg_handler(&mut self, _: Message, ctx: &mut NativeContext) -> NativeResult {
        let value = ctx.state_value("k").await?;
        ctx.reply(value.map_or_else(|| b"none".to_vec(), |value| value.to_vec()));
        Ok(())
    }
}

/// Keeps nothing.
struct Plain;

impl NativeActor for Plain {
    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        Ok(())
    }
}

fn addr(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn member(n: usize) -> Address {
    addr(&format!("/user/member-{n}"))
}

fn family(keep: Keep, members: usize) -> Plan {
    let spec = match keep {
        Keep::Stored => ActorSpec::new(addr("/user"), NativeLauncher::new(|| Stored)),
        Keep::Memory => ActorSpec::new(addr("/user"), NativeLauncher::new(|| Plain)),
    };
    let users = ActorSpec {
        idle_stop: Some(Duration::from_millis(1)),
        mailbox: MailboxSpec { keep, ..MailboxSpec::default() },
        state: (keep == Keep::Stored).then(|| Box::new(StateSpec::default())),
        family: Some(Arc::new(FamilySpec::new(100, members + 1).created_by(addr("/"), u32::MAX))),
        ..spec
    };
    Plan { actors: vec![users], ..Plan::default() }
}

/// Fills a store as runs of hosts would: each member has a state of one key.
async fn fill(settings: &StoreSettings, members: usize) {
    let store = SqliteStore::new(settings.clone());
    let image = store.open().await.unwrap();
    let mut first = image.last + 1;
    let first_id = image.free_id.max(1);
    let value = [b'v'; 100];
    for from in (0..members).step_by(1000) {
        let entry = |n: usize| {
            let actor = ActorId(first_id + n as u64);
            let set = Op::Set { actor, key: 0..1, value: 1..1 + value.len(), lifetime: None };
            let bytes = [b"k", &value[..]].concat();
            JournalEntry { actor: None, ops: vec![Op::Born { actor, address: member(n) }, set], bytes }
        };
        let mut entries: Vec<_> = (from..members.min(from + 1000)).map(entry).collect();
        entries[0].ops.insert(0, Op::Ids { below: first_id + (from + 1000) as u64 });
        let group = JournalGroup { boot: image.boots, first, entries };
        first = group.last() + 1;
        store.write(Arc::new(group)).await.unwrap();
    }
}

/// Waits until only the family itself is in memory.
async fn wait_all_left(kernel: &Kernel) {
    while kernel.actors().await.len() > 1 {
        tokio::task::yield_now().await;
    }
}

fn heap(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}

/// A line of `/proc/self/status`, in KiB.
fn status_kib(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

/// Returns the bytes of the heap for each member, after the start and after some were used.
async fn stored(members: usize) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let settings = StoreSettings::new(&folder.path().join("store"));
    let began = Instant::now();
    fill(&settings, members).await;
    let filled = began.elapsed();
    let region = Region::new(HEAP);
    let (before, began) = (status_kib("VmRSS"), Instant::now());
    let kernel = Kernel::open(&family(Keep::Stored, members), Arc::new(SqliteStore::new(settings))).await.unwrap();
    let opened = began.elapsed();
    let answer = kernel.ask(&member(members / 2), b"x", SOON).await.unwrap();
    let first = began.elapsed();
    assert_eq!(answer, [b'v'; 100]);
    wait_all_left(&kernel).await;
    let (after_start, peak) = (heap(&region), status_kib("VmHWM"));
    assert_eq!(kernel.actors().await[0].family.unwrap().members, members);
    let began = Instant::now();
    for n in 0..USED.min(members) {
        kernel.ask(&member(n * (members / USED.min(members))), b"x", SOON).await.unwrap();
    }
    let used = began.elapsed();
    wait_all_left(&kernel).await;
    let after_use = heap(&region);
    eprintln!(
        "{members} stored members: filled in {filled:?}; opened in {opened:?}, first answer after {first:?}; heap {after_start} bytes \
         after the start, {after_use} after {USED} asks of cold members in {used:?}; RSS {before} KiB before, peak {peak} KiB"
    );
    kernel.shut_down();
    kernel.wait_stopped().await;
    (after_start / members, after_use / members)
}

/// Returns the bytes of the heap for each member that was there, and left.
async fn in_memory(members: usize) -> usize {
    let region = Region::new(HEAP);
    let kernel = Kernel::start(&family(Keep::Memory, members)).unwrap();
    kernel.wait_booted().await;
    let began = Instant::now();
    for n in 0..members {
        // One after another, so that few are in memory at a time. There is no reply.
        let answer = kernel.ask(&member(n), b"x", SOON).await;
        assert_eq!(answer, Err(AskError::NoReply));
    }
    let made = began.elapsed();
    wait_all_left(&kernel).await;
    let left = heap(&region);
    eprintln!("{members} members in memory: made and handled in {made:?}; heap {left} bytes after all of them left");
    assert_eq!(kernel.actors().await[0].family.unwrap().members, 0);
    left / members
}

#[test]
fn members_that_nobody_uses_take_no_memory() {
    let members = std::env::var("PLAYHOUSE_MEMBERS").map_or(MEMBERS, |text| text.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let left = runtime.block_on(in_memory(members));
    assert!(left <= MOST_BYTES, "{left} bytes for each that was in memory");
    let (after_start, after_use) = runtime.block_on(stored(members));
    // The cache of the writer is bounded, and does not grow with the members.
    assert!(after_start <= MOST_BYTES + 100_000 / members.max(1), "{after_start} bytes for each stored one");
    let cache = 16_384 * 600 / members;
    assert!(after_use <= MOST_BYTES + cache, "{after_use} bytes for each stored one after some were used");
}
