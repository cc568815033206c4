//! Bodies from guest to guest: tell, pipeline, ping-pong, fan-in; and from a deep mailbox into one guest.

use anyhow::{Result, ensure};
use playhouse_kernel::Kernel;

use super::{Bell, House, PATIENCE, address, stop, tell};
use crate::figure::{Clock, Figures, check_sum};
use crate::raw;

/// From a source through stages of relays, each so many side by side, to a sink. Consumers come up first.
pub(super) async fn flow(house: &House, relays: &[usize], count: u64, bytes: usize, acked: bool) -> Result<Figures> {
    let bell = Bell::default();
    let acks: &[_] = if acked { &[("bell", "/bell"), ("ack", "/source")] } else { &[("bell", "/bell")] };
    let mut sink = house.actor("/sink", "sink", &[], acks);
    sink.sends_to.push(address("/source"));
    let (mut actors, mut to) = (vec![bell.actor(), sink], vec!["/sink".to_owned()]);
    for (stage, &side_by_side) in relays.iter().enumerate().rev() {
        let names: Vec<_> = (0..side_by_side).map(|n| format!("/relay-{stage}-{n}")).collect();
        let targets: Vec<_> = to.iter().map(String::as_str).collect();
        actors.extend(names.iter().map(|at| house.actor(at, "relay", &targets, &[])));
        to = names;
    }
    let targets: Vec<_> = to.iter().map(String::as_str).collect();
    actors.push(house.actor("/source", "sink", &targets, &[]));
    let kernel = house.start(actors).await?;
    let go = |count| format!("go {count} {bytes}{}", if acked { " acked" } else { "" });
    let sources = ["/source".to_owned()];
    ring_after(&kernel, &bell, &sources, "/sink", go, count / 10, bytes).await?;
    let figures = ring_after(&kernel, &bell, &sources, "/sink", go, count, bytes).await?;
    stop(kernel).await;
    Ok(figures)
}

/// Orders `count` bodies of each source and waits until the sink has them all; then checks them.
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

pub(super) async fn ping_pong(house: &House, trips: u64) -> Result<Figures> {
    let bell = Bell::default();
    let pong = house.actor("/pong", "relay", &["/ping"], &[]);
    let ping = house.actor("/ping", "ping", &["/pong"], &[("bell", "/bell")]);
    let kernel = house.start(vec![bell.actor(), pong, ping]).await?;
    let (go, sources) = (|count| format!("go {count} 64"), ["/ping".to_owned()]);
    ring_after(&kernel, &bell, &sources, "/ping", go, trips / 10, 64).await?;
    let figures = ring_after(&kernel, &bell, &sources, "/ping", go, trips, 64).await?;
    stop(kernel).await;
    Ok(figures)
}

pub(super) async fn fan_in(house: &House, senders: u64, count: u64) -> Result<Figures> {
    let bell = Bell::default();
    let sources: Vec<_> = (0..senders).map(|n| format!("/source-{n}")).collect();
    let mut actors = vec![bell.actor(), house.actor("/sink", "sink", &[], &[("bell", "/bell")])];
    actors.extend(sources.iter().map(|at| house.actor(at, "sink", &["/sink"], &[])));
    let kernel = house.start(actors).await?;
    let go = |count| format!("go {count} 64");
    ring_after(&kernel, &bell, &sources, "/sink", go, count / senders / 10, 64).await?;
    let figures = ring_after(&kernel, &bell, &sources, "/sink", go, count / senders, 64).await?;
    stop(kernel).await;
    Ok(figures)
}

/// Messages that wait in a mailbox before the actor starts: nothing is timed but the kernel and a call for each.
pub(super) async fn batch_of_one(house: &House, count: u64) -> Result<Figures> {
    let bell = Bell::default();
    let mut sink = house.actor("/sink", "sink", &[], &[("bell", "/bell")]);
    sink.batch = 1;
    sink.auto_start = false;
    sink.mailbox.capacity = usize::try_from(count)? + 1;
    sink.mailbox.capacity_bytes = sink.mailbox.capacity * 1024;
    let kernel = house.start(vec![bell.actor(), sink]).await?;
    let sink = address("/sink");
    tell(&kernel, "/sink", &format!("want {count}")).await?;
    for body in raw::bodies(count) {
        kernel.tell(&sink, &body, PATIENCE).await?;
    }
    let clock = Clock::start();
    ensure!(kernel.resume(&sink).await.is_some(), "nobody to start");
    bell.wait(&kernel).await?;
    let figures = clock.figures(count);
    check_sum(&kernel.ask(&sink, b"sum", PATIENCE).await?, 1, count, 64)?;
    stop(kernel).await;
    Ok(figures)
}
