//! The cost of the starts of sandboxed actors, in CPU time, and the memory of those that live. Figures of two builds compare only when
//! both run by turns on the same machine; instructions say more than times on a busy one: `perf stat -e instructions:u` of
//! `starts again 10000 FILE`.
//!
//! `cargo run --release -p playhouse-sandbox --example starts -- again|live|shared|native TIMES FILE`
//!
//! - `again` stops one actor, starts it again and asks it, TIMES times.
//! - `live` starts TIMES actors that all live at the same time, and stops them.
//! - `shared` does the same with actors that share one instance; FILE was exported with `shared`.
//! - `native` does the same with actors in plain Rust: the kernel's own part of each start.

#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Address, Bounds, Kernel, Launcher, Message, NativeActor, NativeContext, NativeLauncher, NativeResult,
    Plan, Stage, SupervisionSpec,
};
use playhouse_sandbox::{Grants, Groups, Limits, LineOrigin, Output, Plugin, Sandbox, SandboxConfig, SubtreeLimits};

const PATIENCE: Duration = Duration::from_mins(1);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [work, times, file] = &args[..] else { panic!("usage: starts again|live|shared|native TIMES FILE") };
    let times: u32 = times.parse().expect("a number");
    let config = SandboxConfig { max_instances: if work == "live" { times } else { 2 }, ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config).expect("a sandbox");
    let plugin = sandbox.load("counted", Path::new(file)).expect("a plugin");
    let times = times.min(if work == "live" { sandbox.max_instances() } else { u32::MAX });
    let work = work.clone();
    let measured = async move {
        match work.as_str() {
            "again" => again(&Code::Own(plugin), times).await,
            "live" => live(&Code::Own(plugin), times).await,
            "shared" => live(&Code::Shared(plugin.groups().expect("exported with `shared`"), plugin), times).await,
            "native" => live(&Code::Native, times).await,
            _ => panic!("unknown work `{work}`"),
        }
    };
    // On a worker, as the actors of a host are: the allocator treats the first thread otherwise.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("threads");
    let task = runtime.spawn(measured);
    runtime.block_on(task).expect("no panic");
}

async fn again(code: &Code, times: u32) {
    let kernel = start(code, 1).await;
    let echo = address(0);
    // The first starts bring pages and buffers into place.
    cycle(&kernel, &echo, 100).await;
    let cpu = Cpu::now();
    cycle(&kernel, &echo, times).await;
    println!("{} for each stop, start and ask", cpu.since(times));
    kernel.shut_down();
    kernel.wait_stopped().await;
}

async fn cycle(kernel: &Kernel, echo: &Address, times: u32) {
    for _ in 0..times {
        kernel.halt(echo).await;
        kernel.resume(echo).await;
        kernel.ask(echo, b"", PATIENCE).await.expect("an answer");
    }
}

async fn live(code: &Code, times: u32) {
    // The code of the process itself gets its pages.
    let kernel = start(code, 1).await;
    kernel.shut_down();
    kernel.wait_stopped().await;
    let (before, cpu) = (Memory::now(), Cpu::now());
    let kernel = start(code, times).await;
    println!("{} for each start", cpu.since(times));
    Memory::now().print_since(&before, times);
    let cpu = Cpu::now();
    kernel.shut_down();
    kernel.wait_stopped().await;
    println!("{} for each stop", cpu.since(times));
}

/// The code of the actors.
enum Code {
    Own(Plugin),
    Shared(Groups, Plugin),
    Native,
}

impl Code {
    fn launcher(&self) -> Arc<dyn Launcher> {
        let (limits, config, output) = (Limits::default(), BTreeMap::new(), Arc::new(Silent));
        match self {
            Self::Own(plugin) => plugin.launcher(limits, config, output),
            Self::Shared(groups, plugin) => {
                let accounts = plugin.accounts(&Bounds::NONE, &Address::root(), SubtreeLimits::default());
                groups.launcher_in(&Bounds::NONE, accounts, Grants::default(), limits, config, output)
            }
            Self::Native => NativeLauncher::new(|| Nothing),
        }
    }
}

/// Ignores its messages.
struct Nothing;

impl NativeActor for Nothing {
    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        Ok(())
    }
}

async fn start(code: &Code, count: u32) -> Kernel {
    let actor = |number| ActorSpec::new(address(number), code.launcher());
    let supervision = SupervisionSpec { intensity: u32::MAX, ..SupervisionSpec::default() };
    let actors = (0..count).map(actor).collect();
    let kernel = Kernel::start(&Plan { actors, supervision, ..Plan::default() }).expect("a good plan");
    let stage = kernel.wait_booted().await;
    assert!(matches!(stage, Stage::Running), "{stage:?}");
    kernel
}

fn address(number: u32) -> Address {
    Address::parse(&format!("/a{number}")).expect("a good address")
}

/// CPU time of this process, in ticks of 10 ms.
struct Cpu {
    user: u64,
    system: u64,
}

impl Cpu {
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
        let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
        let ticks = |at: usize| fields[at].parse().expect("a number");
        Self { user: ticks(11), system: ticks(12) }
    }

    fn since(&self, times: u32) -> String {
        let now = Self::now();
        let each = |ticks: u64| ticks as f64 * 10_000.0 / f64::from(times);
        let (user, system) = (each(now.user - self.user), each(now.system - self.system));
        format!("{:.1} µs of CPU, {user:.1} in the process and {system:.1} in the system,", user + system)
    }
}

/// Kilobytes of this process.
struct Memory(BTreeMap<String, f64>);

impl Memory {
    fn now() -> Self {
        let mut kib = BTreeMap::new();
        let mut add = |text: &str, keys: &[&str]| {
            for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
                if keys.contains(&key) {
                    let value = value.trim().trim_end_matches(" kB").parse().expect("a number");
                    kib.insert(key.to_owned(), value);
                }
            }
        };
        add(&fs::read_to_string("/proc/self/smaps_rollup").expect("Linux"), &["Rss", "Private_Dirty", "Private_Clean"]);
        add(&fs::read_to_string("/proc/self/status").expect("Linux"), &["VmPTE"]);
        Self(kib)
    }

    fn print_since(&self, before: &Self, times: u32) {
        for (key, kib) in &self.0 {
            println!("{key}: {:.1} KiB for each", (kib - before.0[key]) / f64::from(times));
        }
    }
}

struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
}
