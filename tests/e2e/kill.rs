//! A bank whose host is killed again and again while senders outside note what was confirmed. In the end each confirmed transfer
//! has happened once, and each other one at most once.
//!
//! A transfer goes from a server to `/clerk`, from there to two accounts in one turn, and from each account, which adds it to its
//! state, to `/ledger`, which nobody starts before the last life. Some bookings set a timer. A transfer that was not confirmed is sent
//! again in the next life, under the same key. `cargo xtask kill` kills more often: see `kills`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
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
const ACCOUNTS: u64 = 100;
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

/// Whether a booking sets a timer, as the guest has it.
fn reminds((.., number): Key) -> bool {
    number % 5 == 2
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
             sends_to = {sends_to:?}\nmailbox = {{ kind = \"durable\", memory = \"64KiB\" }}\nstate = {{}}\n{more}\n"
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
#[derive(Debug, Clone, Copy, Default)]
struct Producer {
    sent: u64,
    confirmed: u64,
    /// Whether the transfer that an earlier life did not confirm was confirmed now.
    repeated: bool,
}

/// Sends transfers one after another until the host is gone; before them `again`, which was sent in an earlier life.
fn produce(at: &str, life: u64, producer: u64, again: Option<Key>, confirmed: mpsc::Sender<()>) -> Producer {
    let mut known = Producer::default();
    let Ok(stream) = TcpStream::connect(at) else { return known };
    let _ = stream.set_nodelay(true);
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut requests = stream;
    if let Some(again) = again {
        if !request(again, &mut requests, &mut answers) {
            return known;
        }
        known.repeated = true;
    }
    loop {
        known.sent += 1;
        if !request((life, producer, known.sent), &mut requests, &mut answers) {
            return known;
        }
        known.confirmed += 1;
        let _ = confirmed.send(());
    }
}

/// Sends one transfer under its key. False: the host was gone before it confirmed the transfer.
fn request(key @ (life, producer, number): Key, requests: &mut TcpStream, answers: &mut impl BufRead) -> bool {
    let (from, to, amount) = transfer(key);
    let key = format!("k{life}-{producer}-{number}");
    let body = format!("{key} /a{from} /a{to} {amount}");
    let head = format!("POST /transfers HTTP/1.1\r\nHost: bank\r\nIdempotency-Key: \"{key}\"\r\n");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    if requests.write_all(request.as_bytes()).is_err() {
        return false;
    }
    match answer(answers) {
        Some(202) => true,
        Some(other) => panic!("the answer to {body} is {other}"),
        None => false,
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
    /// Transfers that were confirmed in a later life than that in which they were sent first.
    repeated: u64,
    /// Kills with a transfer that was sent and not confirmed.
    hit_requests: u64,
    /// Kills with messages of the clerk or an account that were not handled.
    hit_turns: u64,
}

/// Transfers that were sent and not confirmed, by producer.
type Unconfirmed = BTreeMap<u64, Key>;

/// One life of the host. Returns what each producer knows.
fn live(store: &Path, life: u64, unconfirmed: &Unconfirmed, counts: &mut Counts) -> Vec<Producer> {
    let (mut host, at) = start(store);
    let (sender, confirmed) = mpsc::channel();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (at, confirmed, again) = (at.clone(), sender.clone(), unconfirmed.get(&producer).copied());
            std::thread::spawn(move || produce(&at, life, producer, again, confirmed))
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
    counts.repeated += known.iter().filter(|known| known.repeated).count() as u64;
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

/// A line of the ledger: the key, the account and the amount of a booking.
type Line = (Key, u64, i64);

/// The lines of the ledger, and the timers that fired, in the last life, which ends in order.
fn ledger(store: &Path) -> (Vec<Line>, Vec<(Key, u64)>) {
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
    let (mut lines, mut fired) = (Vec::new(), Vec::new());
    for line in ended.stdout.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["timer", key, account] => fired.push((key_of(key), account_of(account))),
            [key, account, amount] => lines.push((key_of(key), account_of(account), amount.parse().unwrap())),
            _ => panic!("{line}"),
        }
    }
    (lines, fired)
}

fn account_of(address: &str) -> u64 {
    address.strip_prefix("/a").unwrap().parse().unwrap()
}

/// The content of the store after the last life.
struct Kept {
    /// The keys of all dead letters.
    letters: Vec<Key>,
    /// The balances of all accounts.
    balances: BTreeMap<u64, i64>,
    /// The timers that did not fire.
    timers: Vec<(Key, u64)>,
}

fn kept(store: &Path) -> Kept {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::new(StoreSettings::new(store));
        let image = store.open().await.unwrap();
        assert!(image.actors.iter().all(|actor| actor.waiting == 0), "{image:?}");
        let letters = store.letters(0, usize::MAX).await.unwrap();
        let letters = letters.iter().map(|letter| key_in(&letter.record)).collect();
        let (mut balances, mut timers) = (BTreeMap::new(), Vec::new());
        for actor in image.actors.iter().filter(|actor| actor.address.as_str().starts_with("/a")) {
            let account = account_of(actor.address.as_str());
            if let Some(balance) = store.value(actor.id, "balance").await.unwrap() {
                balances.insert(account, String::from_utf8(balance.value).unwrap().parse().unwrap());
            }
            let waiting = store.timers(actor.id, 0, usize::MAX).await.unwrap();
            timers.extend(waiting.iter().map(|timer| (key_in(&timer.record), account)));
        }
        Kept { letters, balances, timers }
    })
}

/// The key in the body, which is the end of a record.
fn key_in(record: &[u8]) -> Key {
    let text = String::from_utf8_lossy(record).into_owned();
    key_of(text[text.rfind('k').unwrap()..].split(' ').next().unwrap())
}

#[test]
fn confirmed_transfers_happen_once_over_many_kills() {
    cargo(&["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "bank"]);
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let (mut counts, mut known) = (Counts::default(), BTreeMap::<_, Producer>::new());
    let mut unconfirmed = Unconfirmed::new();
    for life in 0..kills() {
        for (producer, sent) in (0..).zip(live(&store, life, &unconfirmed, &mut counts)) {
            if sent.repeated
                && let Some((life, producer, number)) = unconfirmed.remove(&producer)
                && let Some(before) = known.get_mut(&(life, producer))
            {
                before.confirmed = number;
            }
            known.insert((life, producer), sent);
            if sent.sent > sent.confirmed {
                unconfirmed.insert(producer, (life, producer, sent.sent));
            }
        }
    }
    let (lines, fired) = ledger(&store);
    let kept = kept(&store);
    println!("{counts:?}, {} lines of the ledger, {} letters", lines.len(), kept.letters.len());
    println!("{} timers fired, {} wait", fired.len(), kept.timers.len());
    check_once(&known, &lines, &kept.letters);
    check_order(&lines);
    check_balances(&lines, &kept.balances);
    check_timers(&lines, &fired, &kept.timers);
    // Of ten kills, chance may let only few hit a turn.
    let least = if counts.kills < 100 { 1 } else { 3 };
    let is_enough = counts.hit_requests * 10 >= counts.kills * 3 && counts.hit_turns * 10 >= counts.kills * least;
    assert!(is_enough, "{counts:?}: too few kills hit something under way");
}

fn check_once(known: &BTreeMap<(u64, u64), Producer>, lines: &[Line], letters: &[Key]) {
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
fn check_order(lines: &[Line]) {
    let mut last: BTreeMap<(u64, u64, u64), u64> = BTreeMap::new();
    for (key @ (life, producer, number), account, _) in lines {
        if !comes_late(*key) {
            let before = last.insert((*life, *producer, *account), *number).unwrap_or(0);
            assert!(before < *number, "{key:?} on {account} after {before}");
        }
    }
}

/// The balance of each account is the sum of its bookings.
fn check_balances(lines: &[Line], balances: &BTreeMap<u64, i64>) {
    let mut sums: BTreeMap<u64, i64> = BTreeMap::new();
    for (_, account, amount) in lines {
        *sums.entry(*account).or_default() += amount;
    }
    assert_eq!(&sums, balances);
    assert_eq!(balances.values().sum::<i64>(), 0, "the sum of all accounts");
}

/// Each timer fired once, or waits.
fn check_timers(lines: &[Line], fired: &[(Key, u64)], waiting: &[(Key, u64)]) {
    let mut all: Vec<_> = fired.iter().chain(waiting).copied().collect();
    all.sort_unstable();
    let mut set: Vec<_> =
        lines.iter().map(|(key, account, _)| (*key, *account)).filter(|(key, _)| reminds(*key)).collect();
    set.sort_unstable();
    assert_eq!(all, set);
}
