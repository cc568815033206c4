//! Messages from outside, from actor to actor, and along a pipeline.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use playhouse_benches::load::percentile;
use playhouse_kernel::Told;

use crate::figures::Figures;
use crate::house::{Bell, House, PATIENCE, Running, address, runtime};

/// Messages of one sender that are not confirmed.
pub(crate) const IN_FLIGHT: usize = 4096;
/// Receivers of messages from outside.
const RECEIVERS: usize = 16;
/// Lengths of the pipelines.
pub(crate) const LENGTHS: [usize; 3] = [1, 3, 6];

/// A body of 100 bytes that the driver counts.
pub(crate) fn body() -> [u8; 100] {
    let mut body = [b'x'; 100];
    body[..8].fill(0);
    body
}

/// Messages for actors that handle them at the same time: confirmed messages in a second.
pub(crate) fn in_flight(units: usize, folder: &Path) -> Result<Figures> {
    let house = House::new()?;
    runtime()?.block_on(async {
        let names: Vec<_> = (0..RECEIVERS).map(|n| format!("/r{n}")).collect();
        let actors = names.iter().map(|at| house.driver(at, "sink", "", &[])).collect();
        let running = Running::open(folder, actors).await?;
        let receivers: Vec<_> = names.iter().map(|at| address(at)).collect();
        let (groups, _) = running.store.written();
        let began = Instant::now();
        let mut told: VecDeque<Told> = VecDeque::with_capacity(IN_FLIGHT);
        for n in 0..units {
            if told.len() == IN_FLIGHT
                && let Some(oldest) = told.pop_front()
            {
                oldest.durable().await?;
            }
            told.push_back(running.kernel.tell_later(&receivers[n % RECEIVERS], &body(), PATIENCE).await?);
        }
        for told in told {
            told.durable().await?;
        }
        let took = began.elapsed();
        let groups = running.store.written().0 - groups;
        // All of them are handled, too.
        let mut handled = 0;
        for to in &receivers {
            let answer = String::from_utf8(running.kernel.ask(to, b"sum", PATIENCE).await?)?;
            handled += answer.split(' ').next().unwrap_or_default().parse::<usize>()?;
        }
        ensure!(handled == units, "{handled} of {units} were handled");
        running.stop().await;
        let figures = Figures::of("tell", units as f64 / took.as_secs_f64());
        Ok(figures.with("tell-group", units as f64 / groups.max(1) as f64))
    })
}

/// One message at a time: p50 in microseconds until it is confirmed.
pub(crate) fn alone(units: usize, folder: &Path) -> Result<Figures> {
    let house = House::new()?;
    runtime()?.block_on(async {
        let running = Running::open(folder, vec![house.driver("/r", "sink", "", &[])]).await?;
        let (to, mut times) = (address("/r"), Vec::with_capacity(units));
        for _ in 0..units {
            let began = Instant::now();
            running.kernel.tell(&to, &body(), PATIENCE).await?;
            times.push(began.elapsed());
        }
        running.stop().await;
        Ok(Figures::of("lone", percentile(&mut times, 50).as_secs_f64() * 1e6))
    })
}

/// From one durable actor to another, some in each turn: messages in a second until the last is handled.
pub(crate) fn inside(units: usize, folder: &Path) -> Result<Figures> {
    let house = House::new()?;
    runtime()?.block_on(async {
        let bell = Bell::default();
        let sink = house.driver("/sink", "sink", "/source", &[("bell", "/bell"), ("ack", "/source")]);
        let source = house.driver("/source", "sink", "/sink", &[]);
        let running = Running::open(folder, vec![bell.actor(), sink, source]).await?;
        let kernel = &running.kernel;
        kernel.tell(&address("/sink"), format!("want {units}").as_bytes(), PATIENCE).await?;
        let began = Instant::now();
        kernel.tell(&address("/source"), format!("go {units} 100").as_bytes(), PATIENCE).await?;
        bell.wait(kernel).await?;
        let took = began.elapsed();
        running.stop().await;
        Ok(Figures::of("inside", units as f64 / took.as_secs_f64()))
    })
}

/// One message at a time along durable actors, to the actor in memory at their end: p50 in microseconds, and the groups that the
/// store wrote for each.
pub(crate) fn pipeline(units: usize, folder: &Path) -> Result<Figures> {
    let house = House::new()?;
    runtime()?.block_on(async {
        let mut figures = Figures::default();
        for length in LENGTHS {
            let bell = Bell::default();
            let next = |n: usize| if n == length { "/bell".to_owned() } else { format!("/p{n}") };
            let relays = (0..length).rev().map(|n| house.driver(&format!("/p{n}"), "relay", &next(n + 1), &[]));
            let actors = [bell.actor()].into_iter().chain(relays).collect();
            let running = Running::open(&folder.join(length.to_string()), actors).await?;
            let mut times = Vec::with_capacity(units);
            let (before, _) = running.store.written();
            for _ in 0..units {
                let began = Instant::now();
                // The confirmation is waited for beside the way of the message.
                let told = running.kernel.tell_later(&address("/p0"), &body(), PATIENCE).await?;
                bell.wait(&running.kernel).await?;
                times.push(began.elapsed());
                told.durable().await?;
            }
            let groups = (running.store.written().0 - before) as f64 / units as f64;
            running.stop().await;
            let name = format!("pipeline-{length}");
            figures.extend(
                Figures::of(&name, percentile(&mut times, 50).as_secs_f64() * 1e6)
                    .with(&format!("{name}-groups"), groups),
            );
        }
        Ok(figures)
    })
}
