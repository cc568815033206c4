//! Requests over kept connections, each with one request under way.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request that is sent many times.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its path.
    pub path: String,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether the response must have the same body.
    pub echo: bool,
}

/// Sends `requests` requests with a body of 64 bytes, one after another, and checks that the body comes back.
pub async fn connection(address: SocketAddr, requests: usize) -> Result<Vec<Duration>> {
    let request = Request { path: "/echo".into(), body: vec![b'x'; 64], echo: true };
    self::requests(address, &request, requests).await
}

/// Sends a request `number` times, one after another, over one connection. Returns the times until their responses.
pub async fn requests(address: SocketAddr, request: &Request, number: usize) -> Result<Vec<Duration>> {
    let Request { path, body, echo } = request;
    let bytes = post(address, path, body);
    let mut connection = Connection::open(address, number).await?;
    for _ in 0..number {
        connection.request(&bytes, echo.then_some(body)).await?;
    }
    Ok(connection.times)
}

/// As [`requests`], with a path of its own for each request.
pub async fn requests_to(
    address: SocketAddr,
    path: impl Fn(usize) -> String,
    body: &[u8],
    number: usize,
) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(address, number).await?;
    for sent in 0..number {
        connection.request(&post(address, &path(sent), body), None).await?;
    }
    Ok(connection.times)
}

fn post(address: SocketAddr, path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A kept connection, and the times of its requests.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    times: Vec<Duration>,
}

impl Connection {
    async fn open(address: SocketAddr, number: usize) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 4096], times: Vec::with_capacity(number) })
    }

    /// Sends one request. `echo`: the body that the response must have.
    async fn request(&mut self, bytes: &[u8], echo: Option<&Vec<u8>>) -> Result<()> {
        let began = Instant::now();
        self.stream.write_all(bytes).await?;
        let (buffer, mut filled) = (&mut self.buffer, 0);
        loop {
            let read = self.stream.read(&mut buffer[filled..]).await?;
            ensure!(read > 0, "the server closed the connection");
            filled += read;
            let Some(end) = memchr::memmem::find(&buffer[..filled], b"\r\n\r\n") else { continue };
            let length = match echo {
                Some(body) => body.len(),
                None => content_length(&buffer[..end]).context("a length")?,
            };
            if filled >= end + 4 + length {
                ensure!(buffer.starts_with(b"HTTP/1.1 2"), "not answered with success: {}", first_line(buffer));
                ensure!(echo.is_none_or(|body| buffer[end + 4..filled] == body[..]), "the body is another one");
                break;
            }
        }
        self.times.push(began.elapsed());
        Ok(())
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let value = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().to_owned())
    };
    head.lines().find_map(value)?.parse().ok()
}

fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
}

/// The latency below which this share of the requests is, in percent.
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

/// Reads the head of a response, and what came after it.
pub async fn read_head(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
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
