//! Measures starts after a kill, and drains, of the kernel and the store alone: native actors, no sandbox.
//!
//! ```text
//! cargo run --release -p playhouse-store --example starts -- FOLDER [MESSAGES [ROUNDS]]
//! ```
//!
//! A process fills a store in FOLDER, if there is none, and is killed. In each round, a process starts on that store, and is killed at its
//! first message. At the end, a process drains it. `benches/durable` measures the same with the whole host in the process.
//!
//! `--role groups FOLDER COUNT` writes groups without a kernel: each puts a message into all mailboxes, and takes the one before. It costs
//! the most for each message, since all frames are of one message. Its instructions can be counted: `valgrind --tool=none` and others.

#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use playhouse_kernel::{
    ActorId, ActorSpec, Address, JournalEntry, JournalGroup, Keep, Kernel, Message, NativeActor, NativeContext,
    NativeLauncher, NativeResult, Op, Plan, Stage, StartKind, Store,
};
use playhouse_store::{SqliteStore, StoreSettings};
use tokio::sync::Notify;

const MAILBOXES: usize = 1000;
const PATIENCE: Duration = Duration::from_mins(5);
/// The memory of each mailbox that is drained: far less than its messages have.
const DRAINED_MEMORY: usize = 64 << 10;
/// The settings of glibc's allocator that the host makes: it keeps freed memory up to this size.
const KEPT_BYTES: &str = "33554432";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--role", role, folder, units] => play_role(role, Path::new(folder), units.parse().unwrap()),
        [folder] => measure(Path::new(folder), 10_000_000, 5),
        [folder, units] => measure(Path::new(folder), units.parse().unwrap(), 5),
        [folder, units, rounds] => measure(Path::new(folder), units.parse().unwrap(), rounds.parse().unwrap()),
        _ => eprintln!("usage: starts FOLDER [MESSAGES [ROUNDS]]"),
    }
}

fn measure(folder: &Path, units: usize, rounds: usize) {
    if !folder.exists() {
        std::fs::create_dir_all(folder).unwrap();
        println!("fill: {}", run("fill", folder, units));
    }
    for role in std::iter::repeat_n("first", rounds).chain(["drain"]) {
        let began = Instant::now();
        let line = run(role, folder, units);
        println!("{role}: process {:.0} ms; {line}", began.elapsed().as_secs_f64() * 1e3);
    }
}

/// Runs a process until it says something, and kills it. Returns what it said.
fn run(role: &str, folder: &Path, units: usize) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--role", role]).arg(folder).arg(units.to_string());
    command.env("MALLOC_MMAP_THRESHOLD_", KEPT_BYTES).env("MALLOC_TRIM_THRESHOLD_", KEPT_BYTES);
    let mut child: Child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    line.trim().to_owned()
}

fn play_role(role: &str, folder: &Path, units: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if role == "groups" {
        runtime.block_on(write_groups(folder, units as u64));
        println!("{}", usage());
        return;
    }
    runtime.block_on(async {
        let began = Instant::now();
        let counter = Counter::default();
        let actors = (0..MAILBOXES).map(|n| actor(n, role, &counter)).collect();
        let store = Arc::new(SqliteStore::new(StoreSettings::new(&folder.join("store"))));
        let kernel = Kernel::open(&Plan { actors, ..Plan::default() }, store).await.unwrap();
        let opened = began.elapsed();
        assert!(matches!(kernel.wait_booted().await, Stage::Running));
        match role {
            "fill" => fill(&kernel, units).await,
            "first" => counter.wait(1).await,
            // Messages that were handled before a kill are gone.
            _ => counter.wait(units as u64 / 100 * 98).await,
        }
        let took = began.elapsed().as_secs_f64();
        println!(
            "open {:.0} ms, all {:.0} ms; {:.0} messages/s; {}",
            opened.as_secs_f64() * 1e3,
            took * 1e3,
            units as f64 / took,
            usage()
        );
        std::future::pending::<()>().await;
    });
}

fn actor(n: usize, role: &str, counter: &Counter) -> ActorSpec {
    let counter = counter.clone();
    let mut spec = ActorSpec::new(address(n), NativeLauncher::new(move || counter.clone()));
    spec.mailbox.keep = Keep::Stored;
    spec.mailbox.capacity = 20_000_000;
    spec.mailbox.capacity_bytes = 16 << 30;
    match role {
        "fill" => spec.start = StartKind::Manual,
        "drain" => spec.mailbox.memory_bytes = DRAINED_MEMORY,
        _ => {}
    }
    spec
}

fn address(n: usize) -> Address {
    Address::parse(&format!("/m{n}")).unwrap()
}

/// All messages are confirmed when this returns.
async fn fill(kernel: &Kernel, units: usize) {
    let to: Vec<_> = (0..MAILBOXES).map(address).collect();
    let mut last = None;
    for n in 0..units {
        last = Some(kernel.tell_later(&to[n % MAILBOXES], &[b'x'; 100], PATIENCE).await.unwrap());
    }
    last.unwrap().durable().await.unwrap();
}

/// Groups that each put a message into all mailboxes, and take the one before.
async fn write_groups(folder: &Path, groups: u64) {
    let store = SqliteStore::new(StoreSettings::new(&folder.join("store")));
    let image = store.open().await.unwrap();
    let mut record = vec![b'x'; 164];
    record[..64].fill(0);
    record[..4].copy_from_slice(&100_u32.to_le_bytes());
    let born = |n: usize| Op::Born { actor: ActorId(1 + n as u64), address: address(n) };
    for group in 0..groups {
        let mut ops: Vec<_> = if group == 0 { (0..MAILBOXES).map(born).collect() } else { Vec::new() };
        for mailbox in (1..=MAILBOXES as u64).map(ActorId) {
            ops.push(Op::Put { mailbox, first: group + 1, messages: 1, records: 0..record.len() });
            if group > 0 {
                ops.push(Op::Take { mailbox, numbers: group..group + 1 });
            }
        }
        let entries = vec![JournalEntry { ops, bytes: record.clone(), ..JournalEntry::default() }];
        let group = JournalGroup { boot: image.boots, first: image.last + 1 + group, entries };
        store.write(Arc::new(group)).await.unwrap();
    }
}

/// The time of the CPUs and the memory of this process.
fn usage() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let ticks = |at: usize| stat.split_whitespace().nth(at).unwrap().parse::<u64>().unwrap() * 10;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches(&[':', '\t', ' ', 'k', 'B'][..]).parse::<f64>().unwrap() / 1024.0
    };
    let (peak, now, file) = (mib("VmHWM"), mib("RssAnon"), mib("RssFile"));
    let windows = (MAILBOXES * DRAINED_MEMORY) as f64 / f64::from(1 << 20);
    let (user, system) = (ticks(13), ticks(14));
    format!(
        "user {user} ms, system {system} ms; peak {peak:.0} MiB ({:.0} beyond the windows of a drain), anonymous {now:.0}, files {file:.0}",
        peak - windows
    )
}

/// Counts the messages of all actors.
#[derive(Clone, Default)]
struct Counter {
    handled: Arc<AtomicU64>,
    more: Arc<Notify>,
    /// The count that [`Counter::wait`] waits for.
    goal: Arc<AtomicU64>,
}

impl Counter {
    async fn wait(&self, goal: u64) {
        self.goal.store(goal, Ordering::SeqCst);
        while self.handled.load(Ordering::SeqCst) < goal {
            self.more.notified().await;
        }
    }
}

impl NativeActor for Counter {
    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        let handled = self.handled.fetch_add(1, Ordering::SeqCst) + 1;
        if handled >= self.goal.load(Ordering::SeqCst) {
            self.more.notify_one();
        }
        Ok(())
    }
}
