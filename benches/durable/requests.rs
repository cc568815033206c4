//! HTTP requests to durable actors with state.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use playhouse_benches::load::{Request, percentile, requests};
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

[[actor]]
address = "/add"
plugin = "echo"

"#;

/// Requests of 256 connections, each with one under way: in a second, their p99 in milliseconds, and the host's CPU time of each in
/// microseconds.
pub(crate) fn many(units: usize, folder: &Path) -> Result<Figures> {
    let mut ran = run("add", 256, units, folder)?;
    let p99 = percentile(&mut ran.times, 99).as_secs_f64() * 1e3;
    Ok(Figures::of("http", ran.in_a_second()).with("http-p99", p99).with("http-cpu", ran.cpu_us()))
}

/// Requests one at a time: p50 in microseconds.
pub(crate) fn alone(units: usize, folder: &Path) -> Result<Figures> {
    let mut ran = run("add", 1, units, folder)?;
    Ok(Figures::of("http-lone", percentile(&mut ran.times, 50).as_secs_f64() * 1e6))
}

/// Sends without an answer of 256 connections: accepted in a second.
pub(crate) fn sends(units: usize, folder: &Path) -> Result<Figures> {
    let ran = run("send", 256, units, folder)?;
    Ok(Figures::of("http-sends", ran.in_a_second()))
}

/// A number of requests.
struct Ran {
    took: Duration,
    /// The CPU time of the host.
    cpu: Duration,
    /// The times of the requests.
    times: Vec<Duration>,
}

impl Ran {
    fn in_a_second(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64()
    }

    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.times.len() as f64
    }
}

fn run(route: &str, connections: usize, units: usize, folder: &Path) -> Result<Ran> {
    let mut text = PLAY.replace("FOLDER", &folder.join("store").display().to_string());
    for n in 0..ACTORS {
        write!(text, "[[actor]]\naddress = \"/add/{n}\"\nplugin = \"bench-adder\"\n")?;
        text.push_str("mailbox = { kind = \"durable\" }\nstate = {}\n\n");
    }
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
                let path = format!("/{route}/{}", n % ACTORS);
                let request = Request { path, body: b"1".to_vec(), echo: false };
                tokio::spawn(async move { requests(address, &request, (units / connections).max(1)).await })
            })
            .collect();
        let mut times = Vec::with_capacity(units);
        for task in tasks {
            times.extend(task.await??);
        }
        ensure!(!times.is_empty(), "no request was made");
        Ok(Ran { took: began.elapsed(), cpu: server.cpu()?.saturating_sub(before), times })
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
