//! A bank whose host is killed again and again while senders outside note what was confirmed. In the end each confirmed transfer
//! has happened once, and each other one at most once.
//!
//! A transfer goes from a server to `/clerk`, from there to two accounts in one turn, and from each account to `/ledger`, which
//! nobody starts before the last life. `cargo xtask kill` kills more often: see `kills`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use playhouse_kernel::Store;
use playhouse_store::{Inspection, SqliteStore, StoreSettings};
use playhouse_tests::{built, cargo};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Host, folder};

/// Kills, unless `PLAYHOUSE_KILLS` says how many.
const KILLS: u64 = 10;
/// Senders outside. Each waits until its transfer is confirmed.
const PRODUCERS: u64 = 8;
const ACCOUNTS: u64 = 10;
/// Most transfers that are confirmed before a kill.
const CONFIRMED: u64 = 400;

/// Life, producer and number: the key of a transfer.
type Key = (u64, u64, u64);

fn kills() -> u64 {
    std::env::var("PLAYHOUSE_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number of kills"))
}

/// Numbers that look random, and are the same for the same input.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

/// The accounts and the amount of a transfer.
fn transfer((life, producer, number): Key) -> (u64, u64, i64) {
    let dice = mixed(life << 40 ^ producer << 32 ^ number);
    let from = dice % ACCOUNTS;
    // Another one.
    let to = (from + 1 + dice / ACCOUNTS % (ACCOUNTS - 1)) % ACCOUNTS;
    (from, to, (dice >> 32).cast_signed() % 1000 + 1)
}

/// As the guest has it.
fn is_rejected((.., number): Key) -> bool {
    number % 11 == 5
}

fn comes_late((.., number): Key) -> bool {
    number % 7 == 3 || number % 53 == 9
}

fn bank(store: &Path) -> TempDir {
    let folder = folder("");
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    let built = built().join("../wasm32-wasip2/guest/bank.wasm");
    std::fs::copy(built, folder.path().join("plugins/bank.wasm")).unwrap();
    let accounts: Vec<_> = (0..ACCOUNTS).map(|account| format!("/a{account}")).collect();
    let actor = |address: &str, role: &str, sends_to: &[String], more: &str| {
        format!(
            "[[actor]]\naddress = \"{address}\"\nplugin = \"bank\"\nconfig = {{ role = \"{role}\" }}\n\
             sends_to = {sends_to:?}\nmailbox = {{ kind = \"durable\", memory = \"64KiB\" }}\n{more}\n"
        )
    };
    let mut manifest = format!("[play.store]\npath = {:?}\n", store.display().to_string());
    manifest += "[play.dead_letters]\ncapacity = 1000000\nbytes = \"1GiB\"\n[play.supervision]\nintensity = 1000000\n";
    manifest += &actor("/ledger", "ledger", &[], "start = \"manual\"");
    for account in &accounts {
        manifest += &actor(account, "account", &["/ledger".to_owned()], "");
    }
    manifest += &actor("/clerk", "clerk", &accounts, "restart.backoff = { initial = \"1ms\", max = \"5ms\" }");
    manifest += "[[http]]\nlisten = \"127.0.0.1:0\"\n[[http.route]]\npath = \"/transfers\"\ntell = \"/clerk\"\n";
    std::fs::write(folder.path().join("playhouse.toml"), manifest).unwrap();
    folder
}

/// Starts the bank, and returns the address of its server.
fn start(store: &Path) -> (Host, String) {
    let mut host = Host::spawn(bank(store), &[]);
    let line = host.wait_for("takes requests at ");
    let (_, at) = line.split_once("takes requests at ").unwrap();
    let at = at.split_whitespace().next().unwrap().to_owned();
    host.wait_for(" is up: ");
    (host, at)
}

/// Knowledge of a producer when its host is gone: how many transfers it sent, and how many of them, from the first, were confirmed.
#[derive(Debug, Clone, Copy)]
struct Sent {
    sent: u64,
    confirmed: u64,
}

/// Sends transfers one after another until the host is gone.
fn produce(at: &str, life: u64, producer: u64, confirmed: mpsc::Sender<()>) -> Sent {
    let mut known = Sent { sent: 0, confirmed: 0 };
    let Ok(stream) = TcpStream::connect(at) else { return known };
    let _ = stream.set_nodelay(true);
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut requests = stream;
    loop {
        let number = known.sent + 1;
        let (from, to, amount) = transfer((life, producer, number));
        let body = format!("k{life}-{producer}-{number} /a{from} /a{to} {amount}");
        let length = body.len();
        let request = format!("POST /transfers HTTP/1.1\r\nHost: bank\r\nContent-Length: {length}\r\n\r\n{body}");
        known.sent += 1;
        if requests.write_all(request.as_bytes()).is_err() {
            return known;
        }
        match answer(&mut answers) {
            Some(202) => known.confirmed += 1,
            Some(other) => panic!("the answer to {body} is {other}"),
            None => return known,
        }
        let _ = confirmed.send(());
    }
}

/// The status of the next answer; none when the connection ended before it was whole.
fn answer(answers: &mut impl BufRead) -> Option<u32> {
    let mut line = String::new();
    answers.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut body = 0;
    while line != "\r\n" {
        line.clear();
        if answers.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(length) = line.strip_prefix("content-length: ") {
            body = length.trim().parse().ok()?;
        }
    }
    answers.read_exact(&mut vec![0; body]).ok()?;
    Some(status)
}

/// Counts of the kills.
#[derive(Default, Debug)]
struct Counts {
    kills: u64,
    confirmed: u64,
    /// Kills with a transfer that was sent and not confirmed.
    hit_requests: u64,
    /// Kills with messages of the clerk or an account that were not handled.
    hit_turns: u64,
}

/// One life of the host. Returns what each producer knows.
fn live(store: &Path, life: u64, counts: &mut Counts) -> Vec<Sent> {
    let (mut host, at) = start(store);
    let (sender, confirmed) = mpsc::channel();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (at, confirmed) = (at.clone(), sender.clone());
            std::thread::spawn(move || produce(&at, life, producer, confirmed))
        })
        .collect();
    drop(sender);
    let most = 1 + mixed(life) % CONFIRMED;
    let seen = confirmed.iter().take(most as usize).count() as u64;
    assert_eq!(seen, most, "the host ended by itself:\n{}", host.said().join("\n"));
    // Not only right after an answer.
    std::thread::sleep(Duration::from_micros(mixed(life ^ 1 << 60) % 3000));
    host.die();
    let known: Vec<_> = producers.into_iter().map(|producer| producer.join().unwrap()).collect();
    counts.kills += 1;
    counts.confirmed += known.iter().map(|known| known.confirmed).sum::<u64>();
    counts.hit_requests += u64::from(known.iter().any(|known| known.sent > known.confirmed));
    let facts = Inspection::open(store).unwrap().facts().unwrap();
    let under_way = facts.mailboxes.iter().any(|mailbox| mailbox.address.as_str() != "/ledger" && mailbox.waiting > 0);
    counts.hit_turns += u64::from(under_way);
    known
}

fn key_of(text: &str) -> Key {
    let mut numbers = text.strip_prefix('k').unwrap().split('-').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap(), numbers.next().unwrap())
}

/// The lines of the ledger, in the last life, which ends in order.
fn ledger(store: &Path) -> Vec<(Key, u64, i64)> {
    let (host, _) = start(store);
    host.ok(&["start", "/ledger"]);
    for address in ["/clerk", "/ledger"].map(str::to_owned).into_iter().chain((0..ACCOUNTS).map(|a| format!("/a{a}"))) {
        host.actor_when(&address, |actor| actor["waiting"] == 0);
    }
    // The accounts may have sent more after the ledger was looked at.
    host.actor_when("/ledger", |actor| actor["waiting"] == 0);
    host.signal(Signal::INT);
    let ended = host.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let lines = ended.stdout.lines().map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        (key_of(words[0]), words[1].strip_prefix("/a").unwrap().parse().unwrap(), words[2].parse().unwrap())
    });
    lines.collect()
}

/// The keys of all dead letters.
fn letters(store: &Path) -> Vec<Key> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::new(StoreSettings::new(store));
        let image = store.open().await.unwrap();
        assert!(image.actors.iter().all(|actor| actor.waiting == 0), "{image:?}");
        let letters = store.letters(0, usize::MAX).await.unwrap();
        let keys = letters.iter().map(|letter| {
            let text = String::from_utf8_lossy(&letter.record).into_owned();
            // The body is the end of the record.
            key_of(text[text.rfind('k').unwrap()..].split(' ').next().unwrap())
        });
        keys.collect()
    })
}

#[test]
fn confirmed_transfers_happen_once_over_many_kills() {
    cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "bank"]);
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let (mut counts, mut known) = (Counts::default(), BTreeMap::new());
    for life in 0..kills() {
        for (producer, sent) in (0..).zip(live(&store, life, &mut counts)) {
            known.insert((life, producer), sent);
        }
    }
    let lines = ledger(&store);
    let letters = letters(&store);
    println!("{counts:?}, {} lines of the ledger, {} letters", lines.len(), letters.len());
    check_once(&known, &lines, &letters);
    check_order(&lines);
    // Of ten kills, chance may let only few hit a turn.
    let least = if counts.kills < 100 { 1 } else { 3 };
    let is_enough = counts.hit_requests * 10 >= counts.kills * 3 && counts.hit_turns * 10 >= counts.kills * least;
    assert!(is_enough, "{counts:?}: too few kills hit something under way");
}

fn check_once(known: &BTreeMap<(u64, u64), Sent>, lines: &[(Key, u64, i64)], letters: &[Key]) {
    let mut bookings: BTreeMap<Key, BTreeMap<u64, i64>> = BTreeMap::new();
    for (key, account, amount) in lines {
        assert!(!is_rejected(*key), "{key:?} was rejected");
        let other = bookings.entry(*key).or_default().insert(*account, *amount);
        assert_eq!(other, None, "{key:?} was booked twice on {account}");
    }
    let rejected: BTreeSet<_> = letters.iter().copied().collect();
    assert_eq!(rejected.len(), letters.len(), "a letter came twice");
    assert!(rejected.iter().all(|key| is_rejected(*key)), "{rejected:?}");
    for (&(life, producer), sent) in known {
        for number in 1..=sent.sent {
            let key = (life, producer, number);
            let is_confirmed = number <= sent.confirmed;
            if is_rejected(key) {
                assert!(!is_confirmed || rejected.contains(&key), "{key:?} was confirmed, and is lost");
                continue;
            }
            let (from, to, amount) = transfer(key);
            match bookings.remove(&key) {
                Some(booked) => assert_eq!(booked, BTreeMap::from([(from, -amount), (to, amount)]), "{key:?}"),
                None => assert!(!is_confirmed, "{key:?} was confirmed, and is lost"),
            }
        }
    }
    assert!(bookings.is_empty(), "nobody sent {bookings:?}");
    assert_eq!(lines.iter().map(|(.., amount)| amount).sum::<i64>(), 0, "the sum of all accounts");
}

/// The transfers of one producer on one account are in the order in which they were sent, but for those that came again.
fn check_order(lines: &[(Key, u64, i64)]) {
    let mut last: BTreeMap<(u64, u64, u64), u64> = BTreeMap::new();
    for (key @ (life, producer, number), account, _) in lines {
        if !comes_late(*key) {
            let before = last.insert((*life, *producer, *account), *number).unwrap_or(0);
            assert!(before < *number, "{key:?} on {account} after {before}");
        }
    }
}
