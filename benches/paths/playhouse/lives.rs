//! The lives of actors: spawn and stop, crash and restart.

use std::time::Instant;

use anyhow::{Result, ensure};
use playhouse_kernel::AskError;

use super::harness::{Bell, Harness, PATIENCE, address, stop, tell};
use crate::figure::{Clock, Figures, Metric, rss_bytes};

/// Spawns actors that are all alive and idle at the same time, as many as the sandbox admits. The pool for their instances
/// exists before the measurement. `shared`: they share one instance.
pub(super) async fn spawn(harness: &Harness, count: u64, shared: bool) -> Result<Figures> {
    let count = if shared { count } else { count.min(u64::from(harness.sandbox.max_instances())) };
    let instances = if shared { 1 } else { count };
    let actors = (0..count).map(|n| harness.actor(&format!("/a{n}"), "sink", &[], &[])).collect();
    let rss = rss_bytes()?;
    let clock = Clock::start();
    let kernel = harness.start(actors).await?;
    ensure!(u64::from(harness.sandbox.instances()) == instances, "{} are alive", harness.sandbox.instances());
    let last = address(&format!("/a{}", count - 1));
    ensure!(kernel.ask(&last, b"sum", PATIENCE).await? == b"0 0", "the last actor counted messages that were not sent");
    let rss = (rss_bytes()? - rss) / count as f64;
    stop(kernel).await;
    Ok(clock.figures(count).with(Metric::Rss, rss))
}

/// Time from the message that crashes the actor to its next answer, without backoff.
pub(super) async fn crash(harness: &Harness, crashes: u64) -> Result<Figures> {
    let kernel = harness.start(vec![harness.actor("/fragile", "sink", &[], &[])]).await?;
    let (fragile, mut times) = (address("/fragile"), Vec::new());
    let clock = Clock::start();
    for _ in 0..crashes {
        let began = Instant::now();
        let crashed = kernel.ask(&fragile, b"crash", PATIENCE).await;
        ensure!(matches!(crashed, Err(AskError::Crashed(_))), "{crashed:?}");
        ensure!(kernel.ask(&fragile, b"sum", PATIENCE).await? == b"0 0", "the actor kept its state");
        times.push(began.elapsed());
    }
    let figures = clock.figures(crashes).with_times(times);
    ensure!(kernel.restarts() == crashes, "{} restarts", kernel.restarts());
    stop(kernel).await;
    Ok(figures)
}

/// Guests that spawn guests, and stop them when they are done.
pub(super) async fn skynet(harness: &Harness, leaves: u64) -> Result<Figures> {
    let bell = Bell::default();
    let mut root = harness.actor("/root", "sink", &[], &[("bell", "/bell")]);
    root.grants.spawns = vec![harness.driver.name().to_owned()];
    let kernel = harness.start(vec![bell.actor(), root]).await?;
    let clock = Clock::start();
    tell(&kernel, "/root", &format!("grow 0 {leaves}")).await?;
    bell.wait(&kernel).await?;
    let figures = clock.figures(leaves);
    let (sum, expected) = (kernel.ask(&address("/root"), b"sum", PATIENCE).await?, leaves * (leaves - 1) / 2);
    ensure!(sum == format!("0 {expected}").as_bytes(), "the leaves sum up to {}", String::from_utf8_lossy(&sum));
    stop(kernel).await;
    Ok(figures)
}
