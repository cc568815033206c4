//! The memory of unused addresses: passivated sandboxed actors. Most of them never had an instance; ten thousand start for a
//! message, answer, and are passivated again, with a limit of a thousand instances.
//!
//! `cargo run --profile bench --package playhouse-benches --example addresses [NUMBER]`, after `cargo xtask build-guests`.

#![allow(missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use playhouse_kernel::{ActorSpec, Address, Kernel, Plan, StartKind, State};
use playhouse_sandbox::{Limits, LineOrigin, Output, Sandbox, SandboxConfig};

const ADDRESSES: usize = 1_000_000;
const WOKEN: usize = 10_000;
/// The memory that a million addresses may take.
const GOAL_BYTES: usize = 2 << 30;

fn main() -> anyhow::Result<()> {
    let addresses = std::env::args().nth(1).map_or(Ok(ADDRESSES), |text| text.parse())?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measure(addresses))
}

async fn measure(addresses: usize) -> anyhow::Result<()> {
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/counter.wasm");
    let plugin = sandbox.load("counter", &file)?;
    let output: Arc<dyn Output> = Arc::new(Silent);
    let before = rss_bytes()?;
    let began = Instant::now();
    let actors = (0..addresses).map(|n| {
        let launcher = plugin.launcher(Limits::default(), std::collections::BTreeMap::new(), output.clone());
        let idle_stop = Some(Duration::from_millis(50));
        Ok(ActorSpec { start: StartKind::OnMessage, idle_stop, ..ActorSpec::new(address(n)?, launcher) })
    });
    let actors = actors.collect::<anyhow::Result<Vec<_>>>()?;
    let max_instances = Some(plugin.max_instances());
    let kernel = Kernel::start(&Plan { actors, max_instances, ..Plan::default() })?;
    kernel.wait_booted().await;
    let shown = |what: &str, since: Instant| -> anyhow::Result<()> {
        let bytes = rss_bytes()?.saturating_sub(before);
        println!(
            "{what}: {} MiB, {} bytes for each of {addresses} addresses, after {:.1} s",
            bytes >> 20,
            bytes / addresses.max(1),
            since.elapsed().as_secs_f64()
        );
        Ok(())
    };
    shown("never started", began)?;
    let began = Instant::now();
    let woken = WOKEN.min(addresses);
    let step = addresses / woken.max(1);
    let tasks = (0..64).map(|task| {
        let kernel = kernel.clone();
        tokio::spawn(async move {
            for n in (task..woken).step_by(64) {
                kernel.ask(&address(n * step)?, b"one", Duration::from_mins(1)).await?;
            }
            anyhow::Ok(())
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    println!(
        "{woken} actors were started by one ask each, {:.0} a second",
        woken as f64 / began.elapsed().as_secs_f64()
    );
    while sandbox.instances() > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let views = kernel.actors().await;
    anyhow::ensure!(views.iter().all(|view| view.state == State::Passivated), "an actor is not passivated");
    anyhow::ensure!(views.iter().filter(|view| view.handled == 1).count() == woken, "an actor did not handle its ask");
    drop(views);
    shown("passivated again", began)?;
    let all = rss_bytes()?;
    println!("the whole process: {} MiB; a million addresses are to fit in {} MiB", all >> 20, GOAL_BYTES >> 20);
    Ok(())
}

/// An output that drops all bytes of guests.
struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
}

fn address(n: usize) -> anyhow::Result<Address> {
    Ok(Address::parse(&format!("/n{n}"))?)
}

fn rss_bytes() -> anyhow::Result<usize> {
    let pages: usize = std::fs::read_to_string("/proc/self/statm")?.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(pages * rustix::param::page_size())
}
