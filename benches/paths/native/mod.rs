//! The workloads in native libraries, written once for all. A library implements [`Peer`](worker::Peer).
//!
//! All libraries run the same [`Worker`] with mailboxes that never make a sender wait, the fastest kind of each library: the
//! sender's handler needs no await, and `acked` workloads limit the number of bodies in flight by themselves.

pub(crate) mod actix;
pub(crate) mod kameo;
pub(crate) mod ractor;
mod runtime;
pub(crate) mod worker;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use tokio::sync::Notify;

use crate::figure::{Clock, Figures, Metric, check_sum, question, rss_bytes};
use crate::workload::Work;
use worker::{Branch, Msg, Peer, Role, Worker};

/// Runs one workload once.
pub(crate) fn run<P: Peer>(work: Work, units: u64) -> Result<Figures> {
    P::run(async move {
        match work {
            Work::Tell { bytes, acked } => flow::<P>(&[], units, bytes, acked).await,
            Work::PingPong => ping_pong::<P>(units).await,
            Work::Pipeline { middle, acked, .. } => flow::<P>(&[1, middle], units, 64, acked).await,
            Work::Ask { at_a_time } => ask::<P>(at_a_time, units).await,
            Work::Spawn { .. } => spawn::<P>(units).await,
            Work::FanIn { senders } => fan_in::<P>(senders, units).await,
            Work::Skynet => skynet::<P>(units).await,
            Work::BesideFlooded => beside_flooded::<P>(units).await,
            Work::BatchOfOne | Work::Crash | Work::BesideSpinning => bail!("no library has {work:?}"),
        }
    })
}

async fn start<P: Peer>(role: Role) -> Result<P> {
    P::start(Worker::new(role)).await
}

fn link<P: Peer>(to: Vec<P>, ack: Option<P>) -> Msg<P> {
    Msg::Link(Box::new((to, ack)))
}

/// Sends bodies from a source through stages of relays to a sink. `relays` has the number of relays of each stage.
async fn flow<P: Peer>(relays: &[usize], count: u64, bytes: usize, acked: bool) -> Result<Figures> {
    let source: P = start(Role::Sink).await?;
    let mut to = vec![start::<P>(Role::Sink).await?];
    let sink = to[0].clone();
    sink.tell(link(Vec::new(), acked.then(|| source.clone())));
    for &side_by_side in relays.iter().rev() {
        let mut stage = Vec::new();
        for _ in 0..side_by_side {
            let relay: P = start(Role::Relay).await?;
            relay.tell(link(to.clone(), None));
            stage.push(relay);
        }
        to = stage;
    }
    source.tell(link(to, None));
    let go = |count| Msg::Go { count, bytes, acked };
    ring_after(&[&source], &sink, go, count / 10, bytes).await?;
    ring_after(&[&source], &sink, go, count, bytes).await
}

/// Orders `count` bodies from each source, waits until the sink has all of them, and checks them.
async fn ring_after<P: Peer>(
    sources: &[&P],
    sink: &P,
    go: impl Fn(u64) -> Msg<P>,
    count: u64,
    bytes: usize,
) -> Result<Figures> {
    let (bell, senders) = (Arc::new(Notify::new()), sources.len() as u64);
    sink.tell(Msg::Want(count * senders, bell.clone()));
    let clock = Clock::start();
    for source in sources {
        source.tell(go(count));
    }
    bell.notified().await;
    let figures = clock.figures(count * senders);
    check_sum(&sink.ask(b"sum".to_vec()).await?, senders, count, bytes)?;
    Ok(figures)
}

async fn ping_pong<P: Peer>(trips: u64) -> Result<Figures> {
    let (ping, pong): (P, P) = (start(Role::Ping).await?, start(Role::Relay).await?);
    ping.tell(link(vec![pong.clone()], None));
    pong.tell(link(vec![ping.clone()], None));
    let go = |count| Msg::Go { count, bytes: 64, acked: false };
    ring_after(&[&ping], &ping, go, trips / 10, 64).await?;
    ring_after(&[&ping], &ping, go, trips, 64).await
}

async fn fan_in<P: Peer>(senders: u64, count: u64) -> Result<Figures> {
    let sink: P = start(Role::Sink).await?;
    let mut sources = Vec::new();
    for _ in 0..senders {
        let source: P = start(Role::Sink).await?;
        source.tell(link(vec![sink.clone()], None));
        sources.push(source);
    }
    let go = |count| Msg::Go { count, bytes: 64, acked: false };
    let sources: Vec<_> = sources.iter().collect();
    ring_after(&sources, &sink, go, count / senders / 10, 64).await?;
    ring_after(&sources, &sink, go, count / senders, 64).await
}

/// Asks one after another, and checks the replies.
async fn ask_in_turn<P: Peer>(whom: P, asks: u64) -> Result<Vec<std::time::Duration>> {
    let mut times = Vec::with_capacity(asks as usize);
    for number in 0..asks {
        let question = question(number);
        let began = Instant::now();
        let reply = whom.ask(question.clone()).await?;
        times.push(began.elapsed());
        ensure!(reply == question, "the reply is not the question");
    }
    Ok(times)
}

async fn ask<P: Peer>(at_a_time: u64, asks: u64) -> Result<Figures> {
    let echo: P = start(Role::Sink).await?;
    ask_in_turn(echo.clone(), asks / 10 / at_a_time).await?;
    let clock = Clock::start();
    let askers: Vec<_> = (0..at_a_time).map(|_| P::task(ask_in_turn(echo.clone(), asks / at_a_time))).collect();
    let mut times = Vec::new();
    for asker in askers {
        times.extend(asker.await??);
    }
    Ok(clock.figures(times.len() as u64).with_times(times))
}

async fn spawn<P: Peer>(count: u64) -> Result<Figures> {
    let (rss, mut peers) = (rss_bytes()?, Vec::with_capacity(count as usize));
    let clock = Clock::start();
    for _ in 0..count {
        peers.push(start::<P>(Role::Sink).await?);
    }
    for peer in peers.iter().rev().take(1) {
        ensure!(peer.ask(b"sum".to_vec()).await? == b"0 0", "the last actor counted messages that were not sent");
    }
    let rss = (rss_bytes()? - rss) / count as f64;
    for peer in &peers {
        peer.tell(Msg::Stop);
    }
    for peer in peers {
        peer.gone().await;
    }
    Ok(clock.figures(count).with(Metric::Rss, rss))
}

async fn skynet<P: Peer>(leaves: u64) -> Result<Figures> {
    let (root, bell): (P, _) = (start(Role::Sink).await?, Arc::new(Notify::new()));
    // The root counts its ten children.
    root.tell(Msg::Want(10, bell.clone()));
    let clock = Clock::start();
    root.tell(Msg::Grow(Box::new(Branch { first: 0, leaves, parent: None })));
    bell.notified().await;
    let figures = clock.figures(leaves);
    let (sum, expected) = (root.ask(b"sum".to_vec()).await?, format!("10 {}", leaves * (leaves - 1) / 2));
    ensure!(sum == expected.as_bytes(), "the leaves sum up to {} instead of {expected}", String::from_utf8_lossy(&sum));
    Ok(figures)
}

async fn beside_flooded<P: Peer>(asks: u64) -> Result<Figures> {
    let (source, sink, quiet): (P, P, P) =
        (start(Role::Sink).await?, start(Role::Sink).await?, start(Role::Sink).await?);
    source.tell(link(vec![sink.clone()], None));
    sink.tell(link(Vec::new(), Some(source.clone())));
    source.tell(Msg::Go { count: u64::MAX, bytes: 64, acked: true });
    let clock = Clock::start();
    let times = ask_in_turn(quiet, asks).await?;
    let figures = clock.figures(asks).with_times(times);
    ensure!(sink.ask(b"sum".to_vec()).await? != b"0 0", "nothing was flooded");
    Ok(figures)
}
