//! The lateness of cron ticks.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use playhouse_benches::effort::Effort;
use playhouse_benches::load;
use playhouse_benches::manifest::manifest;
use playhouse_benches::process::Server;
use playhouse_benches::report::Report;

const TICKS: &str = r#"
[play]
native = ["/ticks"]

[[http]]
listen = "127.0.0.1:PORT"

[[http.route]]
path = "/ticks"
methods = ["GET"]
ask = "/ticks"

[[cron]]
name = "each-second"
schedule = "* * * * * *"
tell = "/ticks"
"#;

pub(crate) async fn ticks(effort: Effort, report: &mut Report) -> Result<()> {
    let (folder, address) = manifest(TICKS)?;
    let file = folder.path().join("playhouse.toml");
    let server = Server::start("play", &[&file.display().to_string(), &address])?;
    let wanted = if effort.quick { 1 } else { 20 };
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut stream = TcpStream::connect(server.address()?).await?;
        stream
            .write_all(format!("GET /ticks HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
            .await?;
        let (head, mut body) = load::read_head(&mut stream).await?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut body).await?;
        let text = String::from_utf8(body)?;
        let (ticks, micros) = text.split_once(' ').expect("two numbers");
        if ticks.parse::<u64>()? >= wanted {
            let late = micros.parse::<u64>()? as f64 / 1000.0;
            report.add(
                &format!("the latest of {ticks} cron ticks"),
                format!("{late:.1} ms"),
                "within 50 ms",
                Some(late <= 50.0),
            );
            return Ok(());
        }
    }
}
