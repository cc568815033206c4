//! The body of a response: bytes that are there as a whole. HTTP/2 gets them in pieces, so that the window of a slow reader holds
//! them back here, where the time limit of the response is known.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::streams::Stream;

/// Bytes of a piece for HTTP/2: one frame.
const PIECE: usize = 16 << 10;

/// A body.
#[derive(Default)]
pub(super) struct ReplyBody {
    bytes: Bytes,
    /// The stream of HTTP/2 that the body belongs to, until all of it is taken.
    stream: Option<Stream>,
}

impl ReplyBody {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn keep(&mut self, stream: Stream) {
        self.stream = Some(stream);
    }
}

impl<B: Into<Bytes>> From<B> for ReplyBody {
    fn from(bytes: B) -> Self {
        Self { bytes: bytes.into(), stream: None }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let piece = if this.stream.is_some() { PIECE.min(this.bytes.len()) } else { this.bytes.len() };
        Poll::Ready(Some(Ok(Frame::data(this.bytes.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
