//! Turns that change one key of a state.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use playhouse_kernel::{ActorSpec, StartKind};

use crate::figures::Figures;
use crate::floors::ACTORS;
use crate::house::{House, PATIENCE, Running, address, runtime};

/// With the usual batches: messages in a second.
pub(crate) fn batches(units: usize, folder: &Path) -> Result<Figures> {
    turns("state", units, 256, folder)
}

/// Each message in a turn of its own.
pub(crate) fn singles(units: usize, folder: &Path) -> Result<Figures> {
    turns("state-single", units, 1, folder)
}

/// The messages wait in the mailboxes before the actors start: the figure is of turns alone.
fn turns(name: &str, units: usize, batch: usize, folder: &Path) -> Result<Figures> {
    let house = House::new()?;
    runtime()?.block_on(async {
        let names: Vec<_> = (0..ACTORS).map(|n| format!("/a{n}")).collect();
        let actor = |at: &String| ActorSpec { start: StartKind::Manual, batch, ..house.adder(at) };
        let running = Running::open(folder, names.iter().map(actor).collect()).await?;
        let to: Vec<_> = names.iter().map(|at| address(at)).collect();
        let mut last = None;
        for n in 0..units {
            last = Some(running.kernel.tell_later(&to[n % ACTORS], b"1", PATIENCE).await?);
        }
        if let Some(last) = last {
            last.durable().await?;
        }
        let (groups, entries) = running.store.written();
        let began = Instant::now();
        for at in &to {
            ensure!(running.kernel.start_actor(at).await.is_ok(), "{at} does not start");
        }
        let mut sum = 0;
        for at in &to {
            // The question is behind all messages: one more is added.
            let answer = running.kernel.ask(at, b"0", PATIENCE).await?;
            sum += String::from_utf8(answer)?.parse::<usize>()?;
        }
        let took = began.elapsed();
        ensure!(sum == units, "the sum is {sum}, not {units}");
        let written = running.store.written();
        running.stop().await;
        let group = (written.1 - entries) as f64 / (written.0 - groups).max(1) as f64;
        Ok(Figures::of(name, units as f64 / took.as_secs_f64()).with(&format!("{name}-group"), group))
    })
}
