//! Ten thousand WebSocket connections, each with a handler of its own that is passivated, and a broadcast to all of them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use playhouse_benches::effort::Effort;
use playhouse_benches::load;
use playhouse_benches::manifest::manifest;
use playhouse_benches::process::Server;
use playhouse_benches::report::Report;

const CHAT: &str = r#"
[play]
max_instances = 10100

[[http]]
name = "chat"
listen = "127.0.0.1:PORT"
connections = 10200

[[http.route]]
path = "/live"
websocket = "chat"
connections = 10000

[[plugin]]
name = "chat"
sends_to = ["/gate/**"]
idle = "stop"
idle_after = "5s"
"#;

/// Time for the handlers to be passivated.
const PASSIVATION: Duration = Duration::from_secs(12);

async fn connect(address: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET /live HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let (head, _) = load::read_head(&mut stream).await?;
    ensure!(head.starts_with("HTTP/1.1 101"), "{head}");
    Ok(stream)
}

/// Sends a short text. Its mask is zero, so that its bytes stay.
async fn send(stream: &mut TcpStream, text: &str) -> Result<()> {
    let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    Ok(stream.write_all(&frame).await?)
}

/// Reads a short text. Pings are skipped.
async fn receive(stream: &mut TcpStream) -> Result<String> {
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await?;
        let mut payload = vec![0; (head[1] & 0x7f).into()];
        stream.read_exact(&mut payload).await?;
        match head[0] & 0x0f {
            0x1 => return Ok(String::from_utf8(payload)?),
            0x9 => {}
            opcode => anyhow::bail!("a frame with the opcode {opcode}"),
        }
    }
}

pub(crate) async fn connections(effort: Effort, report: &mut Report) -> Result<()> {
    let number = effort.of(10_000);
    let (folder, address) = manifest(CHAT)?;
    let file = folder.path().join("playhouse.toml");
    let server = Server::start("play", &[&file.display().to_string(), &address])?;
    let began = Instant::now();
    let mut streams = Vec::with_capacity(number);
    for _ in 0..number {
        streams.push(connect(&address).await?);
    }
    let per_second = number as f64 / began.elapsed().as_secs_f64();
    report.add("WebSocket connections opened in a row", format!("{per_second:.0} a second"), "", None);
    if !effort.quick {
        tokio::time::sleep(PASSIVATION).await;
    }
    let mib = server.memory()? as f64 / f64::from(1 << 20);
    report.add(
        &format!("{number} WebSocket connections, handlers passivated"),
        format!("{mib:.0} MiB"),
        "<= 1024 MiB",
        Some(mib <= 1024.0),
    );
    let (mut longest, mut times) = (Duration::ZERO, Vec::new());
    for turn in 0..3 {
        let began = Instant::now();
        send(&mut streams[0], if turn == 0 { "ann" } else { "hello" }).await?;
        for stream in &mut streams {
            let text = receive(stream).await?;
            ensure!(text.starts_with("ann"), "{text}");
        }
        longest = longest.max(began.elapsed());
        times.push(began.elapsed().as_secs_f64());
    }
    report.add(
        &format!("a broadcast to {number} connections, the longest of {}", times.len()),
        format!("{:.2} s", longest.as_secs_f64()),
        "<= 1 s",
        Some(longest <= Duration::from_secs(1)),
    );
    Ok(())
}
