//! Requests over kept connections, each with one request under way.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends `requests` requests with a body of 64 bytes, one after another, and checks that the body comes back.
pub(crate) async fn connection(address: SocketAddr, requests: usize) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let body = [b'x'; 64];
    let mut request = format!("POST /echo HTTP/1.1\r\nHost: {address}\r\nContent-Length: 64\r\n\r\n").into_bytes();
    request.extend_from_slice(&body);
    let (mut times, mut buffer) = (Vec::with_capacity(requests), vec![0; 4096]);
    for _ in 0..requests {
        let began = Instant::now();
        stream.write_all(&request).await?;
        let mut filled = 0;
        loop {
            let read = stream.read(&mut buffer[filled..]).await?;
            ensure!(read > 0, "the server closed the connection");
            filled += read;
            if let Some(end) = memchr::memmem::find(&buffer[..filled], b"\r\n\r\n")
                && filled >= end + 4 + body.len()
            {
                ensure!(buffer.starts_with(b"HTTP/1.1 200"), "not answered with 200: {}", first_line(&buffer));
                ensure!(buffer[end + 4..filled] == body, "the body is another one");
                break;
            }
        }
        times.push(began.elapsed());
    }
    Ok(times)
}

fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
}

/// The latency below which this share of the requests is.
pub(crate) fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() as f64 * share) as usize).min(times.len() - 1)]
}

/// Reads the head of a response, and what came after it.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let read = stream.read_buf(&mut bytes).await?;
        ensure!(read > 0, "the server closed the connection");
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes).context("text")?, rest));
        }
    }
}
