//! Work that services give to durable actors: along a pipeline, and in a host that is killed with messages waiting.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use playhouse_kernel::{ActorSpec, StartKind, Told};

use crate::figures::Figures;
use crate::floors::ACTORS;
use crate::house::{Bell, House, PATIENCE, Running, address, runtime};
use crate::role::Role;

use crate::tells::body;

/// Messages at the beginning of the pipeline that are not confirmed.
const IN_FLIGHT: usize = 256;
/// The pause between two looks at a host that starts.
const LOOK: Duration = Duration::from_millis(1);

/// Along three durable actors, with some in flight: messages in a second until the last is handled.
pub(crate) fn chain(units: usize, folder: &Path) -> Result<Figures> {
    let house = House::new()?;
    runtime()?.block_on(async {
        let bell = Bell::default();
        let actors = vec![
            bell.actor(),
            house.driver("/c", "sink", "", &[("bell", "/bell")]),
            house.driver("/b", "relay", "/c", &[]),
            house.driver("/a", "relay", "/b", &[]),
        ];
        let running = Running::open(folder, actors).await?;
        let (kernel, to) = (&running.kernel, address("/a"));
        kernel.tell(&address("/c"), format!("want {units}").as_bytes(), PATIENCE).await?;
        let began = Instant::now();
        let mut told: VecDeque<Told> = VecDeque::with_capacity(IN_FLIGHT);
        for _ in 0..units {
            if told.len() == IN_FLIGHT
                && let Some(oldest) = told.pop_front()
            {
                oldest.durable().await?;
            }
            told.push_back(kernel.tell_later(&to, &body(), PATIENCE).await?);
        }
        bell.wait(kernel).await?;
        let took = began.elapsed();
        running.stop().await;
        Ok(Figures::of("chain", units as f64 / took.as_secs_f64()))
    })
}

/// Milliseconds from the start of a process to its first and its last message, after a kill with `units` messages waiting for actors
/// with state. Their sums show that each message was handled once.
pub(crate) fn recover(units: usize, folder: &Path) -> Result<Figures> {
    Role::start("adders-fill", units, folder)?.wait_for("filled")?;
    let began = Instant::now();
    let mut host = Role::start("adders", units, folder)?;
    host.wait_for("first")?;
    let first = began.elapsed();
    host.wait_for("last")?;
    let last = began.elapsed();
    host.wait_for("once")?;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(Figures::of("recover", ms(first)).with("recover-last", ms(last)))
}

/// A host of [`recover`].
pub(crate) fn play_role(role: &str, folder: &Path, units: usize) -> Result<()> {
    let house = House::new()?;
    let names: Vec<_> = (0..ACTORS).map(|n| format!("/a{n}")).collect();
    let start = if role == "adders-fill" { StartKind::Manual } else { StartKind::Auto };
    let actors = names.iter().map(|at| ActorSpec { start, ..house.adder(at) }).collect();
    let to: Vec<_> = names.iter().map(|at| address(at)).collect();
    runtime()?.block_on(async {
        let running = Running::open(folder, actors).await?;
        if role == "adders-fill" {
            let mut last = None;
            for n in 0..units {
                last = Some(running.kernel.tell_later(&to[n % ACTORS], b"1", PATIENCE).await?);
            }
            if let Some(last) = last {
                last.durable().await?;
            }
            println!("filled");
            std::future::pending::<()>().await;
        }
        for (count, word) in [(1, "first"), (units as u64, "last")] {
            while running.kernel.handled() < count {
                tokio::time::sleep(LOOK).await;
            }
            println!("{word}");
        }
        let mut sum = 0;
        for at in &to {
            sum += String::from_utf8(running.kernel.ask(at, b"0", PATIENCE).await?)?.parse::<usize>()?;
        }
        ensure!(sum == units, "the sum is {sum}, not {units}");
        println!("once");
        std::future::pending().await
    })
}
