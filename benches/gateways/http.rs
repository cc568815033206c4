//! Requests to an actor through the HTTP gateway, beside hyper alone; idle connections.

use std::time::{Duration, Instant};

use anyhow::Result;
use tempfile::TempDir;
use tokio::net::TcpStream;

use playhouse_benches::effort::Effort;
use playhouse_benches::load;
use playhouse_benches::load::{connection, percentile};
use playhouse_benches::manifest::manifest;
use playhouse_benches::process::Server;
use playhouse_benches::report::{Report, median};

const CONNECTIONS: usize = 64;

const ECHO: &str = r#"
[play]

[[http]]
listen = "127.0.0.1:PORT"
connections = CONNECTIONS
idle = "1h"
requests = 1000000

[[http.route]]
path = "/echo"
methods = ["POST"]
ask = "/echo"

[[actor]]
address = "/echo"
plugin = "echo"
"#;

/// A play that takes `connections` connections, and answers each request with its body.
pub(crate) fn echo_play(connections: usize) -> Result<(TempDir, Server)> {
    let (folder, address) = manifest(&ECHO.replace("CONNECTIONS", &connections.to_string()))?;
    let file = folder.path().join("playhouse.toml");
    let server = Server::start("play", &[&file.display().to_string(), &address])?;
    Ok((folder, server))
}

/// The figures of one server in one round.
struct Round {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    cpu_per_request: Duration,
}

async fn round(server: &Server, requests: usize) -> Result<Round> {
    let address = server.address()?;
    let each = requests / CONNECTIONS;
    // Warm up.
    run(address, each / 10 + 1).await?;
    let (cpu, began) = (server.cpu()?, Instant::now());
    let mut times = run(address, each).await?;
    let (took, cpu) = (began.elapsed(), server.cpu()?.saturating_sub(cpu));
    Ok(Round {
        per_second: times.len() as f64 / took.as_secs_f64(),
        p50: percentile(&mut times, 50),
        p99: percentile(&mut times, 99),
        cpu_per_request: cpu / times.len() as u32,
    })
}

async fn run(address: std::net::SocketAddr, each: usize) -> Result<Vec<Duration>> {
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(connection(address, each))).collect();
    let mut times = Vec::new();
    for connection in connections {
        times.extend(connection.await??);
    }
    Ok(times)
}

pub(crate) async fn requests(effort: Effort, report: &mut Report) -> Result<()> {
    let requests = effort.of(200_000).max(CONNECTIONS);
    let hyper = Server::start("hyper", &[])?;
    let (_folder, play) = echo_play(2 * CONNECTIONS)?;
    let (mut ours, mut theirs, mut alone) = (Vec::new(), Vec::new(), (Vec::new(), Vec::new()));
    for _ in 0..effort.rounds {
        theirs.push(round(&hyper, requests).await?);
        ours.push(round(&play, requests).await?);
        let lone = async |server: &Server| -> Result<f64> {
            let mut times = load::connection(server.address()?, requests / 20 + 10).await?;
            Ok(percentile(&mut times, 50).as_secs_f64() * 1e6)
        };
        alone.0.push(lone(&play).await?);
        alone.1.push(lone(&hyper).await?);
    }
    let of = |rounds: &[Round], figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    let ratio = |figure: &dyn Fn(&Round) -> f64| of(&ours, figure) / of(&theirs, figure);
    let (per_second, p99, cpu) = (
        ratio(&|round| round.per_second),
        ratio(&|round| round.p99.as_secs_f64()),
        ratio(&|round| round.cpu_per_request.as_secs_f64()),
    );
    let shown = |figure: &dyn Fn(&Round) -> f64, unit: &str| {
        format!("{:.1} {unit} beside {:.1} {unit} of hyper", of(&ours, figure), of(&theirs, figure))
    };
    report.add(
        "HTTP ask of 64 bytes, 64 connections",
        format!("{per_second:.2}x of hyper: {}", shown(&|round| round.per_second / 1e3, "k/s")),
        ">= 0.8x",
        Some(per_second >= 0.8),
    );
    let micros = |pick: fn(&Round) -> Duration| move |round: &Round| pick(round).as_secs_f64() * 1e6;
    report.add("p50 of the same", shown(&micros(|round| round.p50), "us"), "", None);
    report.add(
        "p99 of the same",
        format!("{p99:.2}x of hyper: {}", shown(&micros(|round| round.p99), "us")),
        "<= 2x",
        Some(p99 <= 2.0),
    );
    report.add(
        "CPU of the server per request",
        format!("{cpu:.2}x of hyper: {}", shown(&micros(|round| round.cpu_per_request), "us")),
        "<= 1.5x",
        Some(cpu <= 1.5),
    );
    let added = median(alone.0) - median(alone.1);
    report.add("added to a lone ask, p50", format!("{added:.1} us beside hyper"), "<= 60 us", Some(added <= 60.0));
    Ok(())
}

pub(crate) async fn idle_connections(effort: Effort, report: &mut Report) -> Result<()> {
    let number = effort.of(10_000);
    let (_folder, play) = echo_play(number + CONNECTIONS)?;
    let address = play.address()?;
    connection(address, 10).await?;
    let before = play.memory()?;
    let mut idle = Vec::with_capacity(number);
    for _ in 0..number {
        let mut stream = TcpStream::connect(address).await?;
        // Each connection had a request.
        let request = format!("POST /echo HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1\r\n\r\nx");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await?;
        let (head, _) = load::read_head(&mut stream).await?;
        anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        idle.push(stream);
    }
    let whole = play.memory()?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let each = (whole.saturating_sub(before)) / number as u64;
    report.add(
        &format!("{number} idle keep-alives"),
        format!("{:.0} MiB, {each} bytes each", mib(whole)),
        "<= 200 MiB",
        Some(mib(whole) <= 200.0),
    );
    drop(idle);
    Ok(())
}
