//! The cost of a mailbox's policy: the same messages to the same native actor, through a mailbox without a policy, with a policy
//! in plain Rust, and with the component `plugins/priority`. The bodies have 64 bytes and ten priorities.
//!
//! `cargo xtask build-guests`, then `cargo run --profile bench --package playhouse-benches --example policies`

#![allow(missing_docs, unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use playhouse_kernel::{
    About, ActorSpec, Address, Arrivals, Behavior, BoxFuture, Crash, Kernel, Key, Launcher, MailboxPolicy, Outcome,
    Overflow, Plan, PolicyLauncher, PolicySpec, Rules, Turn, WhenFull,
};
use playhouse_sandbox::{Limits, LineOrigin, Output, Sandbox, SandboxConfig};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 5;
const TELLS: usize = 500_000;
const ASKS: usize = 20_000;
/// Messages in one turn of the source.
const TURN: usize = 256;

fn main() {
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 8, ..SandboxConfig::default() }).expect("a sandbox");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/priority.wasm");
    let plugin = sandbox.load_mailbox("priority", &file).expect("run `cargo xtask build-guests` first");
    let component = plugin.launcher(Limits::default(), BTreeMap::new(), Arc::new(Silent));
    let policies: [(&str, Option<Arc<dyn PolicyLauncher>>); 3] =
        [("none", None), ("in plain Rust", Some(Arc::new(Sorting))), ("priority.wasm", Some(component))];
    println!("{:>14} {:>16} {:>16} {:>16}", "policy", "tell", "of CPU", "a lone ask");
    for (name, policy) in policies {
        let spec = |batch| {
            let mut spec = ActorSpec::new(address("/sink"), Arc::new(Sink));
            let policy = policy.clone().map(PolicySpec::new);
            // No message is dropped: a sender waits while the mailbox is full, as without a policy.
            (spec.batch, spec.policy) =
                (batch, policy.map(|policy| Box::new(PolicySpec { overflow: Some(Overflow::Block), ..policy })));
            spec
        };
        let mut tells: Vec<_> = (0..ROUNDS).map(|_| run(tell(spec(64)))).collect();
        let mut asks: Vec<_> = (0..ROUNDS).map(|_| run(ask(spec(64)))).collect();
        tells.sort();
        asks.sort();
        let ((wall, cpu), ask) = (tells[ROUNDS / 2], asks[ROUNDS / 2]);
        println!("{name:>14} {:>13} ns {:>13} ns {:>13} ns", wall.as_nanos(), cpu.as_nanos(), ask.as_nanos());
    }
}

fn run<T>(measured: impl Future<Output = T>) -> T {
    let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("threads");
    workers.block_on(measured)
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("good")
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("below a second"))
}

/// Wall and CPU time of one message, all sent by one actor in turns.
async fn tell(sink: ActorSpec) -> (Duration, Duration) {
    let mut source = ActorSpec::new(address("/source"), Arc::new(Source));
    source.grants.sends_to = vec![address("/sink"), address("/source")];
    let kernel = Kernel::start(&Plan { actors: vec![sink, source], ..Plan::default() }).expect("a good plan");
    kernel.wait_booted().await;
    let (began, used) = (Instant::now(), cpu());
    let turns = (TELLS / TURN) as u64;
    kernel.tell(&address("/source"), &turns.to_le_bytes(), Duration::from_mins(1)).await.expect("there is room");
    kernel.wait_idle().await;
    let (wall, used) = (began.elapsed(), cpu().saturating_sub(used));
    let sink = kernel.actors().await.swap_remove(0);
    assert_eq!((sink.handled, kernel.dead_letter_counts().total()), (turns * TURN as u64, 0));
    let messages = u32::try_from(sink.handled).expect("few");
    (wall / messages, used / messages)
}

/// Time from an ask to its reply, one ask at a time.
async fn ask(sink: ActorSpec) -> Duration {
    let kernel = Kernel::start(&Plan { actors: vec![sink], ..Plan::default() }).expect("a good plan");
    kernel.wait_booted().await;
    let (to, body) = (address("/sink"), body(0));
    let asks = async move {
        let began = Instant::now();
        for _ in 0..ASKS {
            kernel.ask(&to, &body, Duration::from_mins(1)).await.expect("an answer");
        }
        began.elapsed() / u32::try_from(ASKS).expect("few")
    };
    tokio::spawn(asks).await.expect("no panic")
}

fn body(n: usize) -> [u8; 64] {
    let mut body = [b' '; 64];
    body[0] = b'0' + (n % 10) as u8;
    body
}

struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
}

/// An actor that handles each message at once and replies.
struct Sink;
/// An actor that sends `TURN` messages in each turn, and tells itself the number of turns that are left.
struct Source;

struct Run(Turn, fn(&mut Turn) -> Outcome);

impl Launcher for Sink {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let run: Box<dyn Behavior> = Box::new(Run(turn, |_| Outcome::Done(Some(Vec::new()))));
        Box::pin(async { Ok(run) })
    }

    fn plugin(&self) -> &'static str {
        "sink"
    }
}

impl Launcher for Source {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let run: Box<dyn Behavior> = Box::new(Run(turn, |turn| {
            let left = u64::from_le_bytes(turn.body().try_into().expect("8 bytes"));
            for n in 0..TURN {
                turn.tell("/sink", &body(n)).expect("granted");
            }
            if left > 1 {
                turn.tell("/source", &(left - 1).to_le_bytes()).expect("granted");
            }
            Outcome::Done(None)
        }));
        Box::pin(async { Ok(run) })
    }

    fn plugin(&self) -> &'static str {
        "source"
    }
}

impl Behavior for Run {
    fn turn(&mut self) -> &mut Turn {
        &mut self.0
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        while self.0.current().is_some() {
            let outcome = (self.1)(&mut self.0);
            self.0.finish(outcome);
        }
        Box::pin(async { Ok(()) })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }
}

/// The policy of the component `plugins/priority`, in plain Rust.
struct Sorting;

#[derive(Default)]
struct Sorter(BTreeSet<(u8, Key)>);

impl PolicyLauncher for Sorting {
    fn launch(&self, _: About) -> BoxFuture<'_, Result<Box<dyn MailboxPolicy>, Crash>> {
        Box::pin(async { Ok(Box::new(Sorter::default()) as Box<dyn MailboxPolicy>) })
    }

    fn plugin(&self) -> &'static str {
        "sorting"
    }
}

impl MailboxPolicy for Sorter {
    fn rules(&mut self) -> BoxFuture<'_, Result<Rules, Crash>> {
        Box::pin(async { Ok(Rules { when_full: WhenFull::Block, prefix_bytes: 1024 }) })
    }

    fn put<'a>(&'a mut self, arrivals: &'a Arrivals) -> BoxFuture<'a, Result<Vec<Key>, Crash>> {
        let mut from = 0;
        for entry in &arrivals.entries {
            self.0.insert((!arrivals.prefixes[from], entry.key));
            from = entry.prefix_end as usize;
        }
        Box::pin(async { Ok(Vec::new()) })
    }

    fn take(&mut self, most: u32, _: Option<Key>) -> BoxFuture<'_, Result<Vec<Key>, Crash>> {
        let next = std::iter::from_fn(|| self.0.pop_first()).take(most as usize);
        let keys = next.map(|(_, key)| key).collect();
        Box::pin(async { Ok(keys) })
    }

    fn size(&mut self) -> BoxFuture<'_, Result<u64, Crash>> {
        let size = self.0.len() as u64;
        Box::pin(async move { Ok(size) })
    }
}
