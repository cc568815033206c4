//! Times the gateways beside the bare libraries below them: an HTTP server of hyper alone, and consumers of NATS and Redis alone.
//!
//! The load and the server are processes of their own, on cores of their own where the machine has two. Both servers have one
//! thread. Rounds are interleaved; the table has medians.
//!
//! | file | content |
//! |---|---|
//! | `server.rs` | the process that serves: a play, or hyper alone |
//! | `http.rs` | requests over kept connections; idle connections |
//! | `websocket.rs` | ten thousand connections, a broadcast to all |
//! | `queues.rs` | NATS and Redis, with servers of their own |
//! | `cron.rs` | the lateness of ticks |

#![allow(missing_docs, clippy::unwrap_used)]

mod cron;
mod http;
mod queues;
mod server;
mod websocket;

use anyhow::{Context, Result, bail};
use playhouse_benches::effort::Effort;
use playhouse_benches::process;
use playhouse_benches::report::Report;

const USAGE: &str = "usage: cargo xtask bench gateways [--quick] [--rounds N] [WORD...]

  --quick      little work and one round, for correctness only
  --rounds N   number of rounds; the default is 5
  WORD         only workloads with one of these words: http, idle, websocket, nats, redis, cron
";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut effort, mut words) = (Effort { quick: false, rounds: 5 }, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--serve" => {
                let role = arguments.next().context("--serve needs a role")?;
                return server::serve(&role, &arguments.collect::<Vec<_>>());
            }
            "--quick" => effort = Effort { quick: true, rounds: 1 },
            "--rounds" => effort.rounds = arguments.next().context("--rounds needs a number")?.parse()?,
            "--bench" => {} // cargo says so
            "--help" => {
                print!("{USAGE}");
                return Ok(());
            }
            word if !word.starts_with('-') => words.push(word.to_owned()),
            other => bail!("unknown option `{other}`\n\n{USAGE}"),
        }
    }
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    process::raise_descriptor_limit()?;
    process::Side::Load.pin();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::default();
    if wanted("http") {
        runtime.block_on(http::requests(effort, &mut report))?;
    }
    if wanted("idle") {
        runtime.block_on(http::idle_connections(effort, &mut report))?;
    }
    if wanted("websocket") {
        runtime.block_on(websocket::connections(effort, &mut report))?;
    }
    if wanted("nats") {
        runtime.block_on(queues::nats(effort, &mut report))?;
    }
    if wanted("redis") {
        runtime.block_on(queues::redis(effort, &mut report))?;
    }
    if wanted("cron") {
        runtime.block_on(cron::ticks(effort, &mut report))?;
    }
    report.print();
    Ok(())
}
