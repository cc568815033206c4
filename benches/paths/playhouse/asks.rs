//! Asks from outside: one at a time, many at a time, and beside a busy neighbour.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use playhouse_kernel::{ActorSpec, Kernel};

use super::harness::{Harness, PATIENCE, address, stop, tell};
use crate::figure::{Clock, Figures, question};

/// Asks one after another, and checks the replies.
async fn ask_in_turn(kernel: Kernel, asks: u64) -> Result<Vec<Duration>> {
    let (whom, mut times) = (address("/echo"), Vec::with_capacity(asks as usize));
    for number in 0..asks {
        let question = question(number);
        let began = Instant::now();
        let reply = kernel.ask(&whom, &question, PATIENCE).await?;
        times.push(began.elapsed());
        ensure!(reply == question, "the reply is not the question");
    }
    Ok(times)
}

pub(super) async fn ask(harness: &Harness, at_a_time: u64, asks: u64) -> Result<Figures> {
    let kernel = harness.start(vec![echo(harness)]).await?;
    ask_in_turn(kernel.clone(), asks / 10 / at_a_time).await?;
    let clock = Clock::start();
    let askers: Vec<_> = (0..at_a_time).map(|_| tokio::spawn(ask_in_turn(kernel.clone(), asks / at_a_time))).collect();
    let mut times = Vec::new();
    for asker in askers {
        times.extend(asker.await??);
    }
    let figures = clock.figures(times.len() as u64).with_times(times);
    stop(kernel).await;
    Ok(figures)
}

/// Asks beside an actor that loops in each message until its CPU budget ends, and restarts at once.
pub(super) async fn beside_spinning(harness: &Harness, crashes: u64) -> Result<Figures> {
    let kernel = harness.start(vec![echo(harness), harness.actor("/spinning", "sink", &[], &[])]).await?;
    let (feeder, spinning) = (kernel.clone(), address("/spinning"));
    // Each message uses up the budget three times; this task waits while the mailbox is full, until the end of the play.
    let feeder = tokio::spawn(async move { while feeder.tell(&spinning, b"spin", PATIENCE).await.is_ok() {} });
    let (clock, mut times) = (Clock::start(), Vec::new());
    while kernel.restarts() < crashes {
        times.extend(ask_in_turn(kernel.clone(), 100).await?);
    }
    let figures = clock.figures(times.len() as u64).with_times(times);
    kernel.kill();
    kernel.wait_stopped().await;
    feeder.await?;
    Ok(figures)
}

/// Asks beside an actor to which another one sends without end.
pub(super) async fn beside_flooded(harness: &Harness, asks: u64) -> Result<Figures> {
    let mut sink = harness.actor("/sink", "sink", &[], &[("ack", "/source")]);
    sink.grants.sends_to.push(address("/source"));
    let source = harness.actor("/source", "sink", &["/sink"], &[]);
    let kernel = harness.start(vec![echo(harness), sink, source]).await?;
    tell(&kernel, "/source", &format!("go {} 64 acked", u64::MAX)).await?;
    let clock = Clock::start();
    let times = ask_in_turn(kernel.clone(), asks).await?;
    let figures = clock.figures(asks).with_times(times);
    let sum = kernel.ask(&address("/sink"), b"sum", PATIENCE).await?;
    ensure!(sum != b"0 0", "nothing was flooded");
    kernel.kill();
    kernel.wait_stopped().await;
    Ok(figures)
}

fn echo(harness: &Harness) -> ActorSpec {
    harness.actor("/echo", "echo", &[], &[])
}
