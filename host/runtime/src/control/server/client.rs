//! The client at the other end of a connection: whether it still waits, and the writes to it.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::line::PATIENCE;
use crate::control::protocol::{Refusal, Response, encode};

/// Whether the client has closed its connection in both directions, so that no client waits for the answer. A client that
/// half-closed its connection may still read.
pub(super) fn is_gone(stream: &UnixStream) -> bool {
    let mut look = [PollFd::new(stream, PollFlags::empty())];
    let looked = poll(&mut look, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    looked.is_err() || look[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

/// Writes a response; false when the client does not take it in time.
pub(super) async fn write(stream: &mut UnixStream, response: &Response) -> bool {
    matches!(tokio::time::timeout(PATIENCE, stream.write_all(&encode(response))).await, Ok(Ok(())))
}

/// Says why a connection is closed, without waiting.
pub(super) fn say(stream: &UnixStream, kind: &str, message: String) {
    let _ = stream.try_write(&encode(&Response::Error(Refusal::new(kind, message))));
}

/// Tells a client that each connection is in use. The text fits into the socket's empty buffer, so that the host does not wait.
pub(super) fn refuse(stream: &UnixStream, most: usize) {
    say(stream, "busy", format!("{most} others wait for answers of this host: try again later"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn half_closed_client_still_gets_its_answer() {
        let (here, there) = UnixStream::pair().expect("a pair");
        assert!(!is_gone(&here));
        let there = there.into_std().expect("ours");
        there.shutdown(std::net::Shutdown::Write).expect("open");
        assert!(!is_gone(&here));
        drop(there);
        assert!(is_gone(&here));
    }
}
