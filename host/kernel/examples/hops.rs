//! The cost of the kernel's own path from one actor to the next, with native actors: a hop from actor to actor, asks from outside, and
//! tells in batches and alone, of 64 bytes and of 64 KiB. Figures of two builds compare only when both run by turns on the same machine; instructions say more
//! than times on a busy one: `perf stat` or callgrind of `hops WORKERS 1 WORKLOAD`.
//!
//! `cargo run --release -p playhouse-kernel --example hops [WORKERS [ROUNDS [WORKLOAD]]]`

#![allow(missing_docs)]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use playhouse_frame::{Encoder, Inbound, Op, Reader, trailer};
use playhouse_kernel::{
    ActorSpec, Address, Behavior, BoxFuture, BulkError, Crash, Kernel, Launcher, Message, NativeActor, NativeContext,
    NativeLauncher, NativeResult, Plan, Turn,
};
use tokio::sync::Notify;

/// Messages that a sink waits for, and sinks that have not got them yet.
static WANTED: AtomicU64 = AtomicU64::new(u64::MAX);
static OPEN: AtomicU64 = AtomicU64::new(0);
static DONE: Notify = Notify::const_new();

const PATIENCE: Duration = Duration::from_mins(10);
/// Messages in one turn of the source.
const TURN: u64 = 256;
/// A large body, and the number of them in one turn: a mebibyte.
const LARGE: usize = 64 << 10;
const LARGE_TURN: u64 = 16;
static LARGE_BODY: [u8; LARGE] = [0; LARGE];
/// Askers at the same time.
const ASKERS: u64 = 64;

/// A workload: its name, its units, and how many of them a round has.
const WORKLOADS: [(&str, &str, u64); 10] = [
    ("ping-pong", "round trip", 200_000),
    ("ask", "lone ask", 100_000),
    ("asks-64", "ask", 400_000),
    ("tell", "message", 5_000_000),
    ("tell-1", "message", 1_000_000),
    ("tell-64k", "message of 64 KiB", 50_000),
    ("frames-64k", "message of 64 KiB in frames", 50_000),
    ("pipeline", "message", 2_000_000),
    ("fan-out", "message", 1_000_000),
    ("beside", "ask beside a ping-pong pair", 2_000),
];

fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |default| args.next().and_then(|arg| arg.parse().ok()).unwrap_or(default);
    let (workers, rounds) = (number(2), number(5));
    let only = std::env::args().nth(3);
    for (name, unit, units) in WORKLOADS {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let mut figures: Vec<_> = (0..rounds).map(|_| run(workers, measure(name, units))).collect();
        figures.sort_by_key(|figure| figure.wall);
        let Figure { wall, cpu, p50, p99 } = &figures[rounds / 2];
        println!("{name} {workers} wall {wall} cpu {cpu} p50 {p50} p99 {p99} ns per {unit}");
    }
}

/// Nanoseconds for each unit; the percentiles are 0 where nothing is timed alone.
struct Figure {
    wall: u64,
    cpu: u64,
    p50: u64,
    p99: u64,
}

fn run<T: Send + 'static>(workers: usize, measured: impl Future<Output = T> + Send + 'static) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_time().build().expect("threads");
    // On a worker, as a connection of a gateway is.
    let task = runtime.spawn(measured);
    runtime.block_on(task).expect("no panic")
}

async fn measure(name: &str, units: u64) -> Figure {
    let kernel = play(if name == "tell-1" { 1 } else { 256 });
    kernel.wait_booted().await;
    let (began, used) = (Instant::now(), cpu_ns());
    let mut times = match name {
        "ping-pong" => flow(&kernel, "/ping", units, (1, 1)).await,
        "ask" => asks(kernel.clone(), units).await,
        "asks-64" => asks_at_a_time(&kernel, units).await,
        "tell" | "tell-1" => flow(&kernel, "/source", units, (0, 1)).await,
        "tell-64k" => flow(&kernel, "/source", units, (3, 1)).await,
        "frames-64k" => flow(&kernel, "/frames", units, (0, 1)).await,
        "pipeline" => flow(&kernel, "/source", units, (1, 1)).await,
        "fan-out" => flow(&kernel, "/source", units, (2, 8)).await,
        "beside" => {
            tell(&kernel, "/ping", u64::MAX, 1).await;
            asks(kernel.clone(), units).await
        }
        other => unreachable!("no workload {other}"),
    };
    let (wall, cpu) = (began.elapsed().as_nanos() as u64, cpu_ns() - used);
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    Figure { wall: wall / units, cpu: cpu / units, p50: at(50), p99: at(99) }
}

fn play(batch: usize) -> Kernel {
    let mut sink = actor("/sink", Sink::default, &[]);
    sink.batch = batch;
    let mut actors = vec![
        actor("/ping", || Bounce("/pong"), &["/pong"]),
        actor("/pong", || Bounce("/ping"), &["/ping"]),
        sink,
        actor("/relay", || Relay, &["/sink"]),
        actor("/source", || Source, &["/sink", "/relay", "/source"]),
    ];
    for (at, to) in [("/frames", &["/framed", "/frames"][..]), ("/framed", &[])] {
        let mut framed = ActorSpec::new(address(at), Arc::new(Framed));
        framed.grants.sends_to = to.iter().map(|to| address(to)).collect();
        actors.push(framed);
    }
    actors.extend((0..8).map(|n| actor(&format!("/source/{n}"), Sink::default, &[])));
    Kernel::start(&Plan { actors, ..Plan::default() }).expect("a good plan")
}

fn actor<A: NativeActor>(at: &str, make: fn() -> A, to: &[&str]) -> ActorSpec {
    let mut spec = ActorSpec::new(address(at), NativeLauncher::new(make));
    spec.grants.sends_to = to.iter().map(|to| address(to)).collect();
    spec
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("good")
}

async fn tell(kernel: &Kernel, to: &str, units: u64, way: u8) {
    let mut body = units.to_le_bytes().to_vec();
    body.push(way);
    kernel.tell(&address(to), &body, PATIENCE).await.expect("there is space");
}

/// Starts a flow to `sinks` sinks, and waits until each has its share of the messages.
async fn flow(kernel: &Kernel, to: &str, units: u64, (way, sinks): (u8, u64)) -> Vec<u64> {
    WANTED.store(units / sinks, Ordering::Relaxed);
    OPEN.store(sinks, Ordering::Relaxed);
    tell(kernel, to, units, way).await;
    DONE.notified().await;
    WANTED.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(kernel.dead_letter_counts().total(), 0);
    Vec::new()
}

/// A sink has all its messages.
fn finish() {
    if OPEN.fetch_sub(1, Ordering::Relaxed) == 1 {
        DONE.notify_one();
    }
}

/// The times of asks, one after the other.
async fn asks(kernel: Kernel, asks: u64) -> Vec<u64> {
    let to = address("/sink");
    let mut times = Vec::with_capacity(asks as usize);
    for _ in 0..asks {
        let began = Instant::now();
        kernel.ask(&to, &[7; 64], PATIENCE).await.expect("an answer");
        times.push(began.elapsed().as_nanos() as u64);
    }
    times
}

async fn asks_at_a_time(kernel: &Kernel, units: u64) -> Vec<u64> {
    let askers: Vec<_> = (0..ASKERS).map(|_| tokio::spawn(asks(kernel.clone(), units / ASKERS))).collect();
    let mut times = Vec::new();
    for asker in askers {
        times.extend(asker.await.expect("no panic"));
    }
    times
}

/// CPU time of the process, of all its threads.
fn cpu_ns() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let used = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    used.sum()
}

/// Sends a number on, less one, until it is zero; each round trip takes two.
struct Bounce(&'static str);

impl NativeActor for Bounce {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let left = u64::from_le_bytes(msg.body[..8].try_into()?);
        // The outside sends round trips.
        let left = if msg.body.len() == 9 { left.saturating_mul(2) } else { left };
        if left > 0 {
            ctx.tell(self.0, (left - 1).to_le_bytes())?;
        } else {
            finish();
        }
        Ok(())
    }
}

/// Answers each message that is not empty, and counts all.
#[derive(Default)]
struct Sink(u64);

impl NativeActor for Sink {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let sum: u64 = msg.body.iter().map(|byte| u64::from(*byte)).sum();
        if sum > 0 {
            ctx.reply(Vec::new());
        }
        self.0 += 1;
        if self.0 == WANTED.load(Ordering::Relaxed) {
            finish();
        }
        Ok(())
    }
}

struct Relay;

impl NativeActor for Relay {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        Ok(ctx.tell("/sink", msg.body)?)
    }
}

/// Sends `TURN` messages in a turn, and then tells itself how many are left.
struct Source;

impl NativeActor for Source {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let left = u64::from_le_bytes(msg.body[..8].try_into()?);
        let now = left.min(if msg.body[8] == 3 { LARGE_TURN } else { TURN });
        match msg.body[8] {
            0 => (0..now).try_for_each(|_| ctx.tell("/sink", [0; 64]))?,
            1 => (0..now).try_for_each(|_| ctx.tell("/relay", [0; 64]))?,
            3 => (0..now).try_for_each(|_| ctx.tell("/sink", LARGE_BODY.as_slice()))?,
            _ => {
                for _ in 0..now / 8 {
                    ctx.tell_all("*", [0; 64]).await?;
                }
            }
        }
        if left > now {
            let mut body = (left - now).to_le_bytes().to_vec();
            body.push(msg.body[8]);
            ctx.tell("/source", body)?;
        }
        Ok(())
    }
}

/// Takes and sends large bodies in frames, as the code of a component does: each frame is copied into its memory, and out of it.
struct Framed;

impl Launcher for Framed {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let guest: Box<dyn Behavior> =
            Box::new(FramedGuest { turn, memory: Vec::new(), out: Encoder::new(), count: 0 });
        Box::pin(async { Ok(guest) })
    }

    fn plugin(&self) -> &'static str {
        "framed"
    }

    fn takes_slot(&self) -> bool {
        false
    }
}

struct FramedGuest {
    turn: Turn,
    /// The last batch, in the guest's memory.
    memory: Vec<u8>,
    out: Encoder,
    count: u64,
}

impl FramedGuest {
    fn handle_all(&mut self) {
        let end = trailer(self.turn.len() as u32);
        let lent = self.turn.bulk().flat(&end);
        self.memory.clear();
        self.memory.extend_from_slice(&lent);
        let memory = std::mem::take(&mut self.memory);
        for record in Inbound::open(&memory).expect("the kernel writes good frames") {
            let body = &memory[record.expect("the kernel writes good frames").body];
            if body.len() == LARGE {
                let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
                self.count += 1 + sum;
                if self.count == WANTED.load(Ordering::Relaxed) {
                    finish();
                }
            } else {
                self.send(u64::from_le_bytes(body[..8].try_into().expect("a number")));
            }
            self.out.done(None);
        }
        self.memory = memory;
        let frame = self.out.take();
        let recorded = self.turn.bulk().record(frame, |bulk| {
            let mut ops = Reader::open(bulk.bytes()).expect("a good frame");
            while let Some(op) = ops.next(bulk.bytes()) {
                match op.expect("a good frame") {
                    Op::Tell { route, body } => bulk.tell(route, body)?,
                    Op::Done { messages } => bulk.done(messages as usize)?,
                    other => unreachable!("no such operation: {other:?}"),
                }
            }
            Ok::<_, BulkError>(())
        });
        recorded.expect("all of it is allowed");
    }

    fn send(&mut self, left: u64) {
        let mut route = |to| self.turn.bulk().resolve(to, 0).expect("granted").route;
        let (to, own) = (route("/framed"), route("/frames"));
        let now = left.min(LARGE_TURN);
        (0..now).for_each(|_| self.out.tell(to, &LARGE_BODY));
        if left > now {
            self.out.tell(own, &[&(left - now).to_le_bytes()[..], &[0]].concat());
        }
    }
}

impl Behavior for FramedGuest {
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.handle_all();
        Box::pin(async { Ok(()) })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }
}
