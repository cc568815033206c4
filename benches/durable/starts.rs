//! Hosts that are killed with messages waiting, and start again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use playhouse_kernel::{ActorSpec, Message, NativeActor, NativeContext, NativeLauncher, NativeResult, StartKind};
use tokio::sync::Notify;

use crate::figures::Figures;
use crate::house::{PATIENCE, Running, address, runtime, stored};
use crate::role::Role;

/// The mailboxes of a host with many messages.
const MAILBOXES: usize = 1000;
/// The memory of each mailbox that is drained: far less than its messages have.
const DRAINED_MEMORY: usize = 64 << 10;

/// Milliseconds from the start of a process to its first message, after a kill with `units` messages in one mailbox.
pub(crate) fn after_kill(units: usize, folder: &Path) -> Result<Figures> {
    fill(units, 1, folder)?;
    Ok(Figures::of("start-killed", first(units, "one", folder)?))
}

/// As [`after_kill`], with many messages in many mailboxes.
pub(crate) fn with_many(units: usize, folder: &Path) -> Result<Figures> {
    fill(units, MAILBOXES, folder)?;
    Ok(Figures::of("start-many", first(units, "many", folder)?))
}

/// Handles all messages of many mailboxes, most of which are on the disk alone: messages in a second.
pub(crate) fn drain(units: usize, folder: &Path) -> Result<Figures> {
    fill(units, MAILBOXES, folder)?;
    let mut child = Role::start("drain", units, folder)?;
    let line = child.line()?;
    child.end()?;
    let words: Vec<f64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [per_second, mib] = words[..] else { bail!("figures: {line}") };
    Ok(Figures::of("drain", per_second).with("drain-memory", mib))
}

/// Fills mailboxes, and kills the process when all messages are confirmed.
fn fill(units: usize, mailboxes: usize, folder: &Path) -> Result<()> {
    Role::start(if mailboxes == 1 { "fill-one" } else { "fill-many" }, units, folder)?.wait_for("filled")
}

fn first(units: usize, mailboxes: &str, folder: &Path) -> Result<f64> {
    let began = Instant::now();
    Role::start(&format!("first-{mailboxes}"), units, folder)?.wait_for("first")?;
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// A process of this measurement.
pub(crate) fn play_role(role: &str, folder: &Path, units: usize) -> Result<()> {
    playhouse_runtime::allocator::keep_freed();
    let mailboxes = if role.ends_with("one") { 1 } else { MAILBOXES };
    let names: Vec<_> = (0..mailboxes).map(|n| format!("/m{n}")).collect();
    let counter = Counter::default();
    let actor = |at: &String| {
        let counter = counter.clone();
        let spec = ActorSpec::new(address(at), NativeLauncher::new(move || counter.clone()));
        let start = if role.starts_with("fill") { StartKind::Manual } else { StartKind::Auto };
        let mut spec = stored(ActorSpec { start, ..spec });
        if role == "drain" {
            spec.mailbox.memory_bytes = DRAINED_MEMORY;
        }
        spec
    };
    let actors = names.iter().map(actor).collect();
    runtime()?.block_on(async {
        let before = Instant::now();
        let running = Running::open(folder, actors).await?;
        if role.starts_with("fill") {
            let to: Vec<_> = names.iter().map(|at| address(at)).collect();
            let mut last = None;
            for n in 0..units {
                last = Some(running.kernel.tell_later(&to[n % mailboxes], &[b'x'; 100], PATIENCE).await?);
            }
            if let Some(last) = last {
                last.durable().await?;
            }
            println!("filled");
            std::future::pending::<()>().await;
        }
        if role.starts_with("first") {
            counter.wait(1).await;
            println!("first");
            std::future::pending::<()>().await;
        }
        counter.wait(units as u64).await;
        let per_second = units as f64 / before.elapsed().as_secs_f64();
        let windows = (mailboxes * DRAINED_MEMORY) as f64 / f64::from(1 << 20);
        println!("{per_second} {}", (peak_mib()? - windows).max(0.0));
        running.stop().await;
        Ok(())
    })
}

/// The most memory that this process had, in MiB.
fn peak_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
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
