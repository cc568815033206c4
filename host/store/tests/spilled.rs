//! A mailbox far larger than its memory, on the real store, whose host is killed while it fills and while it drains.
//!
//! The test starts its own program as the host: [`host`] runs then. `/relay` passes messages on to `/book`, which nobody starts.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    ActorGrants, ActorSpec, Address, Keep, Kernel, MailboxSpec, Message, NativeActor, NativeContext, NativeLauncher,
    NativeResult, Plan, StartKind, Store,
};
use playhouse_store::{SqliteStore, StoreSettings};

const MESSAGES: u64 = 200_000;
/// Senders that wait for each acknowledgement.
const SENDERS: u64 = 500;
/// Bytes of a body: all messages together have some 210 MB.
const BODY: usize = 1000;
/// Most memory of the host. The journal has up to 64 MiB of entries on their way to the disk, three connections have 16 MiB of
/// pages each, and a group of 8 MiB is there a few times.
const MEMORY_KIB: u64 = 150 << 10;
/// The environment of the host: what it does, and its folder.
const HOST: &str = "PLAYHOUSE_TEST_SPILLED";

struct Relay;

impl NativeActor for Relay {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        ctx.tell("/book", msg.body).unwrap();
        Ok(())
    }
}

fn addr(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn plan() -> Plan {
    let actor = |address: &str| ActorSpec {
        mailbox: MailboxSpec {
            keep: Keep::Stored,
            capacity: MESSAGES as usize,
            capacity_bytes: 1 << 30,
            memory_bytes: 1 << 20,
            ..MailboxSpec::default()
        },
        grants: ActorGrants { sends_to: vec![addr("/book")], ..ActorGrants::default() },
        start: StartKind::Manual,
        ..ActorSpec::new(addr(address), NativeLauncher::new(|| Relay))
    };
    Plan { actors: vec![actor("/book"), actor("/relay")], ..Plan::default() }
}

fn body(sender: u64, number: u64) -> Vec<u8> {
    let mut body = format!("{sender} {number} ").into_bytes();
    body.resize(BODY, b'x');
    body
}

/// Writes a line in one piece, so that a kill leaves no half of one.
fn say(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// The host, when this program is started as one.
#[tokio::test]
async fn host() {
    let Ok(text) = std::env::var(HOST) else { return };
    let (deed, folder) = text.split_once(' ').unwrap();
    let store = Arc::new(SqliteStore::new(StoreSettings::new(Path::new(folder))));
    let kernel = Kernel::open(&plan(), store).await.unwrap();
    if deed == "fills" {
        fill(&kernel).await;
    } else {
        kernel.resume(&addr("/relay")).await;
    }
    loop {
        let waiting = kernel.actors().await[1].waiting;
        say(&format!("waiting {waiting} of {} KiB", peak_kib()));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn fill(kernel: &Kernel) {
    let sends = (0..SENDERS).map(|sender| {
        let kernel = kernel.clone();
        tokio::spawn(async move {
            for number in 0..MESSAGES / SENDERS {
                kernel.tell(&addr("/relay"), &body(sender, number), Duration::from_mins(1)).await.unwrap();
            }
        })
    });
    for send in sends.collect::<Vec<_>>() {
        send.await.unwrap();
    }
}

/// The most memory that this process ever had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

fn start(deed: &str, folder: &Path) -> Child {
    let mut host = Command::new(std::env::current_exe().unwrap());
    host.args(["--exact", "host", "--nocapture"]).env(HOST, format!("{deed} {}", folder.display()));
    host.stdout(Stdio::piped()).spawn().unwrap()
}

/// Kills the host as soon as `/relay` has so few waiting messages, and returns how many it had, and the host's memory.
fn kill_when(mut host: Child, most: u64) -> (u64, u64) {
    for line in BufReader::new(host.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(rest) = line.strip_prefix("waiting ") else { continue };
        let mut words = rest.trim_end_matches(" KiB").split(" of ").map(|word| word.parse().unwrap());
        let (waiting, kib) = (words.next().unwrap(), words.next().unwrap());
        if waiting <= most {
            host.kill().unwrap();
            host.wait().unwrap();
            return (waiting, kib);
        }
    }
    panic!("the host ended: {:?}", host.wait());
}

#[tokio::test]
async fn spilled_messages_survive_kills_in_order_in_bounded_memory() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("store");
    let (waiting, filling) = kill_when(start("fills", &folder), u64::MAX);
    assert_eq!(waiting, MESSAGES);
    let mut draining = Vec::new();
    for left in [MESSAGES * 3 / 4, MESSAGES / 2, 0] {
        let (waiting, kib) = kill_when(start("drains", &folder), left);
        draining.push((waiting, kib));
    }
    assert!(filling < MEMORY_KIB && draining.iter().all(|(_, kib)| *kib < MEMORY_KIB), "{filling} {draining:?}");
    check_book(&folder).await;
}

/// All messages came to the book once, and each sender's in order.
async fn check_book(folder: &Path) {
    let store = SqliteStore::new(StoreSettings::new(folder));
    let image = store.open().await.unwrap();
    let book = image.actors.iter().find(|actor| actor.address == addr("/book")).unwrap();
    // The last turns may have been on their way when nothing waited any more.
    let left: u64 = image.actors.iter().map(|actor| actor.waiting).sum();
    assert_eq!(left, MESSAGES);
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    for actor in [book.id].into_iter().chain(image.actors.iter().map(|actor| actor.id).filter(|id| *id != book.id)) {
        let mut from = 1;
        loop {
            let messages = store.messages(actor, from, 8 << 20).await.unwrap();
            let Some(last) = messages.last() else { break };
            from = last.number + 1;
            for message in &messages {
                // The body is the end of the record.
                let text = std::str::from_utf8(&message.record[message.record.len() - BODY..]).unwrap();
                let mut numbers = text.split(' ').map_while(|word| word.parse::<u64>().ok());
                let (sender, number) = (numbers.next().unwrap(), numbers.next().unwrap());
                let expected = next.entry(sender).or_default();
                assert_eq!(number, *expected, "of sender {sender}");
                *expected += 1;
            }
        }
    }
    assert!(next.len() as u64 == SENDERS && next.values().all(|next| *next == MESSAGES / SENDERS));
}
