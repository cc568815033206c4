//! Bodies from guest to guest: tell, pipeline, ping-pong, fan-in; and from a deep mailbox into one guest.

use anyhow::{Result, ensure};
use playhouse_kernel::{ActorSpec, Kernel};

use super::harness::{Bell, Harness, PATIENCE, address, stop, tell};
use crate::figure::{Clock, Figures, check_sum};
use crate::raw;

/// One stage of relays.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// A number of actors; a sender uses each in turn.
    Actors(usize),
    /// A number of instances of one actor.
    Instances(usize),
}

/// Sends bodies from a source through stages of relays to a sink. Consumers start first.
pub(super) async fn flow(
    harness: &Harness,
    relays: &[Stage],
    count: u64,
    bytes: usize,
    acked: bool,
) -> Result<Figures> {
    let bell = Bell::default();
    let acks: &[_] = if acked { &[("bell", "/bell"), ("ack", "/source")] } else { &[("bell", "/bell")] };
    let mut sink = harness.actor("/sink", "sink", &[], acks);
    sink.grants.sends_to.push(address("/source"));
    let (mut actors, mut to) = (vec![bell.actor(), sink], vec!["/sink".to_owned()]);
    for (number, &stage) in relays.iter().enumerate().rev() {
        let (relays, instances) = match stage {
            Stage::Actors(relays) => (relays, 1),
            Stage::Instances(instances) => (1, instances),
        };
        let names: Vec<_> = (0..relays).map(|n| format!("/relay-{number}-{n}")).collect();
        let targets: Vec<_> = to.iter().map(String::as_str).collect();
        let relay = |at: &String| ActorSpec { instances, ..harness.actor(at, "relay", &targets, &[]) };
        actors.extend(names.iter().map(relay));
        to = names;
    }
    let targets: Vec<_> = to.iter().map(String::as_str).collect();
    actors.push(harness.actor("/source", "sink", &targets, &[]));
    let kernel = harness.start(actors).await?;
    let go = |count| format!("go {count} {bytes}{}", if acked { " acked" } else { "" });
    let sources = ["/source".to_owned()];
    ring_after(&kernel, &bell, &sources, "/sink", go, count / 10, bytes).await?;
    let figures = ring_after(&kernel, &bell, &sources, "/sink", go, count, bytes).await?;
    stop(kernel).await;
    Ok(figures)
}

/// Orders `count` bodies from each source, waits until the sink has all of them, and checks them.
async fn ring_after(
    kernel: &Kernel,
    bell: &Bell,
    sources: &[String],
    sink: &str,
    go: impl Fn(u64) -> String,
    count: u64,
    bytes: usize,
) -> Result<Figures> {
    let senders = sources.len() as u64;
    tell(kernel, sink, &format!("want {}", count * senders)).await?;
    let clock = Clock::start();
    for source in sources {
        tell(kernel, source, &go(count)).await?;
    }
    bell.wait(kernel).await?;
    let figures = clock.figures(count * senders);
    check_sum(&kernel.ask(&address(sink), b"sum", PATIENCE).await?, senders, count, bytes)?;
    Ok(figures)
}

pub(super) async fn ping_pong(harness: &Harness, trips: u64) -> Result<Figures> {
    let bell = Bell::default();
    let pong = harness.actor("/pong", "relay", &["/ping"], &[]);
    let ping = harness.actor("/ping", "ping", &["/pong"], &[("bell", "/bell")]);
    let kernel = harness.start(vec![bell.actor(), pong, ping]).await?;
    let (go, sources) = (|count| format!("go {count} 64"), ["/ping".to_owned()]);
    ring_after(&kernel, &bell, &sources, "/ping", go, trips / 10, 64).await?;
    let figures = ring_after(&kernel, &bell, &sources, "/ping", go, trips, 64).await?;
    stop(kernel).await;
    Ok(figures)
}

pub(super) async fn fan_in(harness: &Harness, senders: u64, count: u64) -> Result<Figures> {
    let bell = Bell::default();
    let sources: Vec<_> = (0..senders).map(|n| format!("/source-{n}")).collect();
    let mut actors = vec![bell.actor(), harness.actor("/sink", "sink", &[], &[("bell", "/bell")])];
    actors.extend(sources.iter().map(|at| harness.actor(at, "sink", &["/sink"], &[])));
    let kernel = harness.start(actors).await?;
    let go = |count| format!("go {count} 64");
    ring_after(&kernel, &bell, &sources, "/sink", go, count / senders / 10, 64).await?;
    let figures = ring_after(&kernel, &bell, &sources, "/sink", go, count / senders, 64).await?;
    stop(kernel).await;
    Ok(figures)
}

/// Messages wait in a mailbox before the actor starts: only the kernel and a call for each message are timed.
pub(super) async fn batch_of_one(harness: &Harness, count: u64) -> Result<Figures> {
    let bell = Bell::default();
    let mut sink = harness.actor("/sink", "sink", &[], &[("bell", "/bell")]);
    sink.batch = 1;
    sink.start = playhouse_kernel::StartKind::Manual;
    sink.mailbox.capacity = usize::try_from(count)? + 1;
    sink.mailbox.capacity_bytes = sink.mailbox.capacity * 1024;
    let kernel = harness.start(vec![bell.actor(), sink]).await?;
    let sink = address("/sink");
    tell(&kernel, "/sink", &format!("want {count}")).await?;
    for body in raw::bodies(count) {
        kernel.tell(&sink, &body, PATIENCE).await?;
    }
    let clock = Clock::start();
    ensure!(kernel.resume(&sink).await.is_some(), "`/sink` is missing");
    bell.wait(&kernel).await?;
    let figures = clock.figures(count);
    check_sum(&kernel.ask(&sink, b"sum", PATIENCE).await?, 1, count, 64)?;
    stop(kernel).await;
    Ok(figures)
}
