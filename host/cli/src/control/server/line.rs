//! Requests as they come in: a line of bounded length, in bounded time from its first byte on.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};

use crate::control::protocol::Refusal;

/// What came in.
pub(super) enum Line {
    /// A line of this length at the front of the buffer, its `\n` not counted.
    Whole(usize),
    /// No line; nothing that follows can be understood.
    Broken(Refusal),
    /// Nothing any more.
    None,
}

/// Reads on until there is a line at the front of `buffer`. Before the first byte of one it waits without an end.
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
            let text = format!("a request has at most {longest_bytes} bytes here");
            return Line::Broken(Refusal::new("too-large", text));
        }
        let read = match deadline {
            None => stream.read_buf(buffer).await,
            Some(deadline) => {
                let Ok(read) = timeout_at(deadline, stream.read_buf(buffer)).await else {
                    let text = format!("a request must be here {patience:?} after its first byte");
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
