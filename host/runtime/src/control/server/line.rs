//! Reads requests: each is a line of bounded length, which must arrive in bounded time from its first byte on.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};

use crate::control::protocol::Refusal;

/// Time for a request to arrive from its first byte on, and for a response to be read.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The result of reading a line.
pub(super) enum Line {
    /// A line of this length at the front of the buffer, its `\n` not counted.
    Whole(usize),
    /// No line; the bytes that follow cannot be understood.
    Broken(Refusal),
    /// The end of the connection.
    None,
}

/// Reads until a line is at the front of `buffer`. The wait for the first byte has no limit.
pub(super) async fn read_line(
    stream: &mut UnixStream,
    buffer: &mut Vec<u8>,
    longest_bytes: usize,
    patience: Duration,
) -> Line {
    let mut searched = 0;
    let mut deadline = (!buffer.is_empty()).then(|| Instant::now() + patience);
    loop {
        if let Some(at) = memchr::memchr(b'\n', &buffer[searched..]) {
            return Line::Whole(searched + at);
        }
        searched = buffer.len();
        if searched > longest_bytes {
            let text = format!("a request to this host has at most {longest_bytes} bytes");
            return Line::Broken(Refusal::new("too-large", text));
        }
        let read = match deadline {
            None => stream.read_buf(buffer).await,
            Some(deadline) => {
                let Ok(read) = timeout_at(deadline, stream.read_buf(buffer)).await else {
                    let text = format!("a request must be complete within {patience:?} after its first byte");
                    return Line::Broken(Refusal::new("too-slow", text));
                };
                read
            }
        };
        match read {
            Ok(0) if buffer.is_empty() => return Line::None,
            Ok(0) => return Line::Broken(Refusal::new("malformed", "this is no request: it ends without a line end")),
            Ok(_) => {}
            Err(_) => return Line::None,
        }
        deadline = deadline.or_else(|| Some(Instant::now() + patience));
    }
}
