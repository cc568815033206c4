//! The body of a response: bytes that are there as a whole. HTTP/2 gets them in pieces, so that the window of a slow reader holds
//! them back here, where the time limit of the response is known.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::streams::Stream;

/// Bytes of a piece for HTTP/2: one frame.
const PIECE: usize = 16 << 10;

/// A body.
#[derive(Default)]
pub(super) struct ReplyBody {
    bytes: Bytes,
    /// The end of the request's body: with HTTP/2, the end of the response waits for it.
    unread: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// The stream of HTTP/2 that the body belongs to, until all of it is taken.
    stream: Option<Stream>,
}

impl ReplyBody {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Removes the bytes.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Ends the body after `unread`.
    pub(super) fn end_after(&mut self, unread: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.unread = Some(unread);
    }

    /// Whether the end of the body waits for the request.
    pub(super) fn is_delayed(&self) -> bool {
        self.unread.is_some()
    }

    pub(super) fn keep(&mut self, stream: Stream) {
        self.stream = Some(stream);
    }
}

impl<B: Into<Bytes>> From<B> for ReplyBody {
    fn from(bytes: B) -> Self {
        Self { bytes: bytes.into(), ..Self::default() }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.bytes.is_empty() {
            if let Some(unread) = &mut this.unread {
                ready!(unread.as_mut().poll(cx));
                this.unread = None;
            }
            return Poll::Ready(None);
        }
        let piece = if this.stream.is_some() { PIECE.min(this.bytes.len()) } else { this.bytes.len() };
        Poll::Ready(Some(Ok(Frame::data(this.bytes.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && self.unread.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
