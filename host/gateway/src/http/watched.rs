//! A socket that tells the [`Activity`] of its connection what it sees.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;

/// Bytes that are thrown away after the last response, so that a client that still sends gets that response.
const MOST_THROWN_AWAY: usize = 16 << 20;
/// Responses of at most this size are written as one piece: that costs the system less than a list of pieces.
const MOST_JOINED: usize = 1 << 10;

/// A socket of a connection.
pub(super) struct Watched<S> {
    socket: S,
    activity: Arc<Activity>,
    is_write_closed: bool,
    thrown_away: usize,
}

impl<S> Watched<S> {
    pub(super) fn new(socket: S, activity: Arc<Activity>) -> Self {
        Self { socket, activity, is_write_closed: false, thrown_away: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            this.activity.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.activity.written(bytes);
        Pin::new(&mut this.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.activity.written(slices.first().map_or(&[], |slice| slice));
        let mut space = [0; MOST_JOINED];
        match joined(slices, &mut space) {
            Some(bytes) => Pin::new(&mut this.socket).poll_write(cx, bytes),
            None => Pin::new(&mut this.socket).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.socket).poll_flush(cx))?;
        this.activity.flushed();
        Poll::Ready(Ok(()))
    }

    /// Closes the side of the server, and waits until the client closes its own: a socket that is dropped with bytes that were
    /// not read resets the connection, and the client loses the last response.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_write_closed {
            this.activity.close();
            ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
            this.is_write_closed = true;
        }
        let mut space = [0; 8 << 10];
        while this.thrown_away < MOST_THROWN_AWAY {
            let mut buffer = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.socket).poll_read(cx, &mut buffer))?;
            match buffer.filled().len() {
                0 => break,
                bytes => this.thrown_away += bytes,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// All bytes of the slices, if there is space for them.
fn joined<'s>(slices: &[io::IoSlice<'_>], space: &'s mut [u8]) -> Option<&'s [u8]> {
    let mut filled = 0;
    for slice in slices {
        space.get_mut(filled..filled + slice.len())?.copy_from_slice(slice);
        filled += slice.len();
    }
    Some(&space[..filled])
}

#[cfg(test)]
mod tests {
    use io::IoSlice;

    use super::*;

    #[test]
    fn small_pieces_are_joined() {
        let mut space = [0; 8];
        assert_eq!(joined(&[IoSlice::new(b"head"), IoSlice::new(b"body")], &mut space), Some(&b"headbody"[..]));
        assert_eq!(joined(&[IoSlice::new(b"head"), IoSlice::new(b"bodies")], &mut space), None);
        assert_eq!(joined(&[], &mut space), Some(&b""[..]));
    }
}
