//! Sandboxed actors that crash again and again, while memory, tasks, files and instances must not grow.
//!
//! | file | content |
//! |---|---|
//! | `main.rs` | the two acts, and the checks after each |
//! | `house.rs` | the plugins, the plans, and the tasks that make actors crash |
//! | `memory.rs` | samples of the process as the system sees it; the check that its memory is flat |
//!
//! The first act: as many actors as the sandbox admits, up to a thousand, crash at the same time. The second act: actors crash
//! again and again for `--seconds N` (default 5), and at least ten thousand times, while guests spawn and stop children.
//! `cargo xtask soak` builds the guests and runs the soak.

#![allow(missing_docs)]

mod house;
mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use playhouse_kernel::Kernel;

use house::{House, start, stop, torment, wait_for_childless};
use memory::{Curve, Sample};

/// Minimum number of crashes in the second act.
const LEAST_CRASHES: u64 = 10_000;
/// Time between two samples of the process.
const LOOK: Duration = Duration::from_millis(20);
/// Number of lines that the second act prints.
const LINES: u32 = 12;

fn main() -> Result<()> {
    let time = Duration::from_secs(seconds(std::env::args().skip(1))?);
    // Two workers on any number of cores: the heap has an arena for each thread, and the memory that arenas keep is no leak.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let acts = runtime.spawn(async move {
        let house = House::open()?;
        crowd(&house).await?;
        one_after_another(&house, time).await
    });
    runtime.block_on(acts)??;
    // A task counts as alive for a moment after its last message.
    let until = Instant::now() + house::PATIENCE;
    let tasks = || runtime.metrics().num_alive_tasks();
    while tasks() > 0 {
        ensure!(Instant::now() < until, "{} tasks are left", tasks());
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("soak: nothing is left, and nothing leaks");
    Ok(())
}

fn seconds(mut arguments: impl Iterator<Item = String>) -> Result<u64> {
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(5),
        (Some("--seconds"), Some(number)) => number.parse().context("--seconds is a number"),
        _ => anyhow::bail!("usage: soak [--seconds N]"),
    }
}

/// The first act. Ten actors below each parent, the default number of restarts within a period, all crash at the same time, and
/// each restarts once.
async fn crowd(house: &House) -> Result<()> {
    let children = house.crowd();
    let kernel = start(house.crowd_plan(&children)).await?;
    let began = Instant::now();
    for child in &children {
        kernel.tell(child, b"!panic", house::PATIENCE).await?;
    }
    kernel.wait_idle().await;
    let took = began.elapsed();
    for child in &children {
        ensure!(
            kernel.ask(child, b"alive", house::PATIENCE).await? == b"alive",
            "{child} does not answer after its restart"
        );
    }
    let crashes = children.len() as u64;
    ensure!(kernel.restarts() == crashes, "{crashes} crashes led to {} restarts", kernel.restarts());
    let again = kernel.actors().await.iter().filter(|actor| actor.incarnation > 1).count() as u64;
    ensure!(again == crashes, "{again} actors started again, and {crashes} crashed");
    println!("soak: {crashes} actors crashed at once, and each restarted once, within {took:.0?}");
    stop(kernel, house).await
}

/// The second act: crash after crash, until the time is over.
async fn one_after_another(house: &House, time: Duration) -> Result<()> {
    let kernel = start(house.plan()).await?;
    let enough = Arc::new(AtomicBool::new(false));
    let tormentors = torment(&kernel, &enough);
    let (began, mut curve, mut lines) = (Instant::now(), Curve::default(), 0);
    println!("soak:   time    crashes  crashes/s      RSS  tasks  letters kept of all");
    while began.elapsed() < time || kernel.restarts() < LEAST_CRASHES {
        tokio::time::sleep(LOOK).await;
        let sample = Sample::of_now(began.elapsed(), kernel.restarts())?;
        if sample.at >= time / LINES * lines {
            lines += 1;
            println!("soak: {sample} {}", standing(&kernel));
        }
        curve.push(sample);
    }
    enough.store(true, Ordering::Relaxed);
    for tormentor in tormentors {
        tormentor.await??;
    }
    kernel.wait_idle().await;
    let letters = kernel.dead_letter_counts();
    ensure!(letters.sum().kept() <= house::LETTERS as u64, "the dead-letter store keeps {}", letters.sum().kept());
    ensure!(letters.total() > house::LETTERS as u64, "the dead-letter store was never full: {letters:?}");
    wait_for_childless(&kernel).await;
    let (actors, planned) = (kernel.actors().await.len(), house.plan().actors.len());
    ensure!(actors == planned, "{actors} actors are left of {planned}");
    stop(kernel, house).await?;
    println!("soak: {curve}");
    curve.check()
}

fn standing(kernel: &Kernel) -> String {
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let letters = kernel.dead_letter_counts().sum();
    format!("{tasks:>6}  {:>7} {:>6}", letters.kept(), letters.all)
}
