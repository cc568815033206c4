//! The workloads in Playhouse: sandboxed guests with default settings unless a workload changes one.

mod asks;
mod flows;
pub(crate) mod harness;
mod lives;

use anyhow::Result;
use flows::Stage;
use harness::Harness;

use crate::figure::Figures;
use crate::workload::Work;

/// Runs one workload once. With `batches`, all waiting messages of a mailbox are handed over in one call.
pub(crate) fn run(work: Work, units: u64, batches: bool) -> Result<Figures> {
    let runtime = crate::runtime::multi_thread()?;
    // The asker is a task among the actors, as in a server, and as in the other libraries.
    runtime.block_on(async {
        tokio::spawn(async move {
            let harness = match work {
                Work::FanIn { senders } => Harness::with_capacity(senders + 1)?,
                Work::Spawn { shared: false } => Harness::with_capacity(units)?,
                Work::Spawn { shared: true } => Harness::sharing()?,
                Work::Skynet => Harness::with_capacity(4000)?,
                _ => Harness::new(batches)?,
            };
            match work {
                Work::Tell { bytes, acked } => flows::flow(&harness, &[], units, bytes, acked).await,
                Work::PingPong => flows::ping_pong(&harness, units).await,
                Work::Pipeline { middle, shared, acked } => {
                    let bs = if shared { Stage::Instances(middle) } else { Stage::Actors(middle) };
                    flows::flow(&harness, &[Stage::Actors(1), bs], units, 64, acked).await
                }
                Work::FanIn { senders } => flows::fan_in(&harness, senders, units).await,
                Work::BatchOfOne => flows::batch_of_one(&harness, units).await,
                Work::Ask { at_a_time } => asks::ask(&harness, at_a_time, units).await,
                Work::BesideSpinning => asks::beside_spinning(&harness, units).await,
                Work::BesideFlooded => asks::beside_flooded(&harness, units).await,
                Work::Spawn { shared } => lives::spawn(&harness, units, shared).await,
                Work::Crash => lives::crash(&harness, units).await,
                Work::Skynet => lives::skynet(&harness, units).await,
            }
        })
        .await?
    })
}
