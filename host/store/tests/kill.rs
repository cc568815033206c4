//! A real host that is killed again and again while senders outside note what was acknowledged.
//!
//! The test starts its own program as the host: [`host`] runs then, and tells the test of each acknowledgement. A message goes from
//! `/clerk` to `/ledger` and on to `/book`, which nobody starts, so that the book has all that was handled. Some messages are
//! retried, and some are rejected.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    ActorGrants, ActorSpec, ActorView, Address, Backoff, DeadLetterSpec, Failure, Keep, Kernel, MailboxSpec, Message,
    NativeActor, NativeContext, NativeLauncher, NativeResult, Plan, RestartSpec, StartKind, State, Store,
};
use playhouse_store::{SqliteStore, StoreSettings};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

/// Lives of the host. Each ends with a kill.
const LIVES: u64 = 12;
/// Senders that wait for each acknowledgement.
const SENDERS: u64 = 16;
/// The environment of the host: its folder and its life.
const HOST: &str = "PLAYHOUSE_TEST_HOST";

/// Passes messages on to the next actor.
struct Relay(&'static str);

impl NativeActor for Relay {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let text = String::from_utf8(msg.body.clone()).unwrap();
        let number: u64 = text.rsplit(' ').next().unwrap().parse().unwrap();
        ctx.tell(self.0, msg.body.clone()).unwrap();
        match ctx.address().as_str() {
            "/clerk" if is_retried(number) && msg.envelope.attempt == 0 => Err(Failure::Retry("once more".into())),
            "/ledger" if is_rejected(number) => Err(Failure::Reject("not this one".into())),
            _ => Ok(()),
        }
    }
}

fn is_retried(number: u64) -> bool {
    number % 7 == 3
}

fn is_rejected(number: u64) -> bool {
    number % 11 == 5
}

fn addr(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn plan() -> Plan {
    let actor = |address: &'static str, next: &'static str, start| ActorSpec {
        mailbox: MailboxSpec {
            keep: Keep::Stored,
            capacity: 1 << 20,
            capacity_bytes: 1 << 30,
            ..MailboxSpec::default()
        },
        restart: RestartSpec {
            backoff: Backoff { initial: Duration::from_millis(2), max: Duration::from_millis(20) },
            ..RestartSpec::default()
        },
        grants: ActorGrants { sends_to: vec![addr(next)], ..ActorGrants::default() },
        start,
        ..ActorSpec::new(addr(address), NativeLauncher::new(move || Relay(next)))
    };
    let actors = vec![
        actor("/clerk", "/ledger", StartKind::Auto),
        actor("/ledger", "/book", StartKind::Auto),
        actor("/book", "/clerk", StartKind::Manual),
    ];
    let dead_letters = DeadLetterSpec { capacity: 1 << 20, capacity_bytes: 1 << 30 };
    Plan { actors, dead_letters, ..Plan::default() }
}

/// The host, when this program is started as one.
#[tokio::test]
async fn host() {
    let Ok(place) = std::env::var(HOST) else { return };
    let (life, folder) = place.split_once(' ').unwrap();
    let store = Arc::new(SqliteStore::new(StoreSettings::new(Path::new(folder))));
    let kernel = Kernel::open(&plan(), store).await.unwrap();
    let sends = (0..SENDERS).map(|sender| {
        let (kernel, life) = (kernel.clone(), life.to_owned());
        tokio::spawn(async move {
            for number in 1_u64.. {
                let text = format!("{life} {sender} {number}");
                kernel.tell(&addr("/clerk"), text.as_bytes(), Duration::from_mins(1)).await.unwrap();
                // One write for a line, so that a kill leaves no half of one.
                std::io::stdout().write_all(format!("ack {text}\n").as_bytes()).unwrap();
            }
        })
    });
    for send in sends.collect::<Vec<_>>() {
        send.await.unwrap();
    }
}

fn start(life: u64, folder: &Path) -> Child {
    let mut host = Command::new(std::env::current_exe().unwrap());
    host.args(["--exact", "host", "--nocapture"]).env(HOST, format!("{life} {}", folder.display()));
    host.stdout(Stdio::piped()).spawn().unwrap()
}

/// The highest acknowledged number of each sender. Kills the host after so many acknowledgements.
fn acknowledged(host: &mut Child, acks: u64) -> BTreeMap<u64, u64> {
    let (mut highest, mut seen) = (BTreeMap::new(), 0);
    for line in BufReader::new(host.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(text) = line.strip_prefix("ack ") else { continue };
        let mut words = text.split(' ').skip(1).map(|word| word.parse::<u64>().unwrap());
        highest.insert(words.next().unwrap(), words.next().unwrap());
        seen += 1;
        if seen == acks {
            // SIGKILL. The pipe is read to its end.
            host.kill().unwrap();
        }
    }
    host.wait().unwrap();
    highest
}

/// Everything that is left in the book and among the dead letters, by life and sender, once nothing is under way any more.
async fn outcome(folder: PathBuf) -> (Vec<String>, Vec<String>) {
    let settings = StoreSettings::new(&folder);
    let store = Arc::new(SqliteStore::new(settings.clone()));
    let kernel = Kernel::open(&plan(), store.clone()).await.unwrap();
    loop {
        let actors = kernel.actors().await;
        // The orderly stop would put back the messages of a batch that it interrupts. `/clerk` comes first, and its sends are in the
        // next mailbox when it is idle.
        let is_done = |actor: &ActorView| actor.waiting == 0 && actor.state == State::Idle;
        if actors.iter().all(|actor| is_done(actor) || actor.address == addr("/book")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kernel.shut_down();
    kernel.wait_stopped().await;
    drop(kernel);
    while Arc::strong_count(&store) > 1 {
        tokio::task::yield_now().await;
    }
    drop(store);
    let store = SqliteStore::new(settings);
    let image = store.open().await.unwrap();
    let book = image.actors.iter().find(|actor| actor.address == addr("/book")).unwrap();
    let others = image.actors.iter().filter(|actor| actor.address != book.address);
    assert!(others.clone().all(|actor| actor.waiting == 0), "{image:?}");
    // Beside the record's header lies the number of the message.
    let body = |record: &[u8]| String::from_utf8(record[64 + 8..].to_vec()).unwrap();
    let messages = store.messages(book.id, 0, usize::MAX).await.unwrap();
    let letters = store.letters(0, usize::MAX).await.unwrap();
    let bodies = messages.iter().map(|message| body(&message.record)).collect();
    (bodies, letters.iter().map(|letter| body(&letter.record)).collect())
}

#[tokio::test]
async fn acknowledged_messages_are_handled_once_over_many_kills() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("store");
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[3; 32]);
    let mut acks = BTreeMap::new();
    for life in 0..LIVES {
        let mut host = start(life, &folder);
        for (sender, highest) in acknowledged(&mut host, 1 + random.next_u64() % 600) {
            acks.insert((life, sender), highest);
        }
    }
    let (book, letters) = outcome(folder).await;
    let parsed = |text: &String| {
        let words: Vec<u64> = text.split(' ').map(|word| word.parse().unwrap()).collect();
        ((words[0], words[1]), words[2])
    };
    let mut ended: BTreeMap<(u64, u64), BTreeSet<u64>> = BTreeMap::new();
    for (is_letter, text) in book.iter().map(|text| (false, text)).chain(letters.iter().map(|text| (true, text))) {
        let (sender, number) = parsed(text);
        assert_eq!(is_rejected(number), is_letter, "{text}");
        assert!(ended.entry(sender).or_default().insert(number), "{text} ended twice");
    }
    assert!(acks.len() > LIVES as usize, "{acks:?}");
    for (sender, highest) in &acks {
        let numbers = &ended[sender];
        let last = *numbers.last().unwrap();
        assert_eq!(numbers.len() as u64, last, "{sender:?}: none is missing in {numbers:?}");
        assert!((*highest..=highest + 1).contains(&last), "{sender:?}: {highest} is acknowledged, {last} is the last");
    }
    let in_order = book.iter().map(parsed).filter(|(_, number)| !is_retried(*number));
    let mut last: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for (sender, number) in in_order {
        assert!(
            last.insert(sender, number).is_none_or(|before| before < number),
            "{sender:?} out of order at {number}"
        );
    }
}
