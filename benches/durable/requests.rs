//! HTTP requests to durable actors with state.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use playhouse_benches::load::{percentile, requests_to};
use playhouse_benches::manifest::manifest;
use playhouse_benches::process::{Server, Side, raise_descriptor_limit};
use playhouse_runtime::Play;

use crate::figures::Figures;
use crate::floors::ACTORS;

/// A play with a store, whose actors add up.
const PLAY: &str = r#"
[play]

[play.store]
path = "FOLDER"

[[http]]
name = "web"
listen = "127.0.0.1:PORT"
connections = 1024
connections_per_client = 512
requests = 100000000

[[http.route]]
path = "/add/:id"
methods = ["POST"]
ask = "/add/:id"

[[http.route]]
path = "/send/:id"
methods = ["POST"]
tell = "/add/:id"

"#;

/// Actors of the manifest, `/add/0` and on.
const NAMED: &str = "[[actor]]\naddress = \"/add\"\nplugin = \"echo\"\n\n";

/// The same as members of a family.
const FAMILY: &str = r#"
[[family]]
address = "/add/*"
plugin = "bench-adder"
live = 500
members = 10000000
create = ["/gate/web"]
create_rate = 10000000
mailbox = { kind = "durable" }
state = {}
"#;

/// Requests of 256 connections, each with one under way: in a second, their p99 in milliseconds, and the host's CPU time of each in
/// microseconds.
pub(crate) fn many(units: usize, folder: &Path) -> Result<Figures> {
    let mut ran = run("add", 256, units, &named(), (ACTORS, folder))?;
    let p99 = percentile(&mut ran.times, 99).as_secs_f64() * 1e3;
    Ok(Figures::of("http", ran.in_a_second()).with("http-p99", p99).with("http-cpu", ran.cpu_us()))
}

/// Requests one at a time: p50 in microseconds.
pub(crate) fn alone(units: usize, folder: &Path) -> Result<Figures> {
    let mut ran = run("add", 1, units, &named(), (ACTORS, folder))?;
    Ok(Figures::of("http-lone", percentile(&mut ran.times, 50).as_secs_f64() * 1e6))
}

/// Sends without an answer of 256 connections: accepted in a second.
pub(crate) fn sends(units: usize, folder: &Path) -> Result<Figures> {
    let ran = run("send", 256, units, &named(), (ACTORS, folder))?;
    Ok(Figures::of("http-sends", ran.in_a_second()))
}

/// As [`many`], for members of a family.
pub(crate) fn members(units: usize, folder: &Path) -> Result<Figures> {
    let mut ran = run("add", 256, units, FAMILY, (ACTORS, folder))?;
    let p99 = percentile(&mut ran.times, 99).as_secs_f64() * 1e3;
    Ok(Figures::of("http-members", ran.in_a_second()).with("http-members-p99", p99))
}

/// Each request to a member that the store alone has, or nobody: in a second, and the memory of the host in MiB.
pub(crate) fn cold_members(units: usize, folder: &Path) -> Result<Figures> {
    let ran = run("add", 256, units, FAMILY, (units, folder))?;
    Ok(Figures::of("http-cold", ran.in_a_second()).with("http-cold-memory", ran.memory as f64 / f64::from(1 << 20)))
}

fn named() -> String {
    let mut text = NAMED.to_owned();
    for n in 0..ACTORS {
        let _ = write!(text, "[[actor]]\naddress = \"/add/{n}\"\nplugin = \"bench-adder\"\n");
        text.push_str("mailbox = { kind = \"durable\" }\nstate = {}\n\n");
    }
    text
}

/// A number of requests.
struct Ran {
    took: Duration,
    /// The CPU time of the host.
    cpu: Duration,
    /// The times of the requests.
    times: Vec<Duration>,
    /// Bytes of the host's memory after them.
    memory: u64,
}

impl Ran {
    fn in_a_second(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64()
    }

    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.times.len() as f64
    }
}

/// Requests to so many receivers in turn.
fn run(
    route: &str,
    connections: usize,
    units: usize,
    actors: &str,
    (receivers, folder): (usize, &Path),
) -> Result<Ran> {
    let text = PLAY.replace("FOLDER", &folder.join("store").display().to_string()) + actors;
    raise_descriptor_limit()?;
    let (manifest, address) = manifest(&text)?;
    let file = manifest.path().join("playhouse.toml").display().to_string();
    let server = Server::start("play", &[&file, &address])?;
    Side::Load.pin();
    let address = server.address()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (before, began) = (server.cpu()?, Instant::now());
        let tasks: Vec<_> = (0..connections)
            .map(|n| {
                let each = (units / connections).max(1);
                let route = route.to_owned();
                tokio::spawn(async move {
                    // A connection has the receivers of its own, as many of them as requests if there are so many.
                    let path = move |sent: usize| format!("/{route}/{}", (n + sent * connections) % receivers);
                    requests_to(address, path, b"1", each).await
                })
            })
            .collect();
        let mut times = Vec::with_capacity(units);
        for task in tasks {
            times.extend(task.await??);
        }
        ensure!(!times.is_empty(), "no request was made");
        Ok(Ran { took: began.elapsed(), cpu: server.cpu()?.saturating_sub(before), times, memory: server.memory()? })
    })
}

/// The process of the play. It ends with its stdin.
pub(crate) fn serve(manifest: &Path) -> Result<()> {
    raise_descriptor_limit()?;
    playhouse_runtime::allocator::keep_freed();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let running = Play::from_manifest(manifest)?.start().await?;
        running.wait_booted().await;
        let up = std::env::args().nth(4).context("the text that says that the play is up")?;
        println!("{up}");
        tokio::task::spawn_blocking(|| {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
        })
        .await?;
        running.kill();
        Ok(())
    })
}
