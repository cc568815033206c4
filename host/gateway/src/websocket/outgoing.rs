//! The messages that wait for a client, and the order to close its connection: shared by the actor, which fills the queue, and
//! the link, which empties it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::settings::WebSocketSettings;

/// The end of a connection, as the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: u16,
    pub(super) reason: &'static str,
}

impl Close {
    /// The host or the connection stops.
    pub(super) const GOING_AWAY: Self = Self { code: 1001, reason: "the server ends the connection" };
    /// The client breaks the protocol.
    pub(super) const PROTOCOL: Self = Self { code: 1002, reason: "protocol error" };
    /// The client did not answer pings.
    pub(super) const SILENT: Self = Self { code: 1002, reason: "two pings without an answer" };
    /// A text is not UTF-8.
    pub(super) const NO_TEXT: Self = Self { code: 1007, reason: "a text is not UTF-8" };
    /// A message is larger than the handler takes.
    pub(super) const TOO_LARGE: Self = Self { code: 1009, reason: "a message is too large" };
    /// The handler crashed, or is not there.
    pub(super) const FAILED: Self = Self { code: 1011, reason: "the handler failed" };
    /// The client reads too slowly.
    pub(super) const SLOW: Self = Self { code: 1013, reason: "the client reads too slowly" };
    /// The handler cannot take the connection now.
    pub(super) const BUSY: Self = Self { code: 1013, reason: "try again later" };

    /// The frame that tells the client.
    pub(super) fn frame(&self) -> Frame {
        Frame::Close(Some(CloseFrame { code: CloseCode::from(self.code), reason: self.reason.into() }))
    }
}

/// Why a message does not wait for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotQueued {
    /// The queue has no space.
    #[error("the client reads too slowly: `queue` of its route is full, and the connection ends")]
    Full,
    /// The connection ends, or has ended.
    #[error("the connection of the client has ended")]
    Over,
}

/// The queue for one client.
pub(super) struct Outgoing {
    most_bytes: usize,
    state: Mutex<State>,
    /// Wakes the link.
    link: AtomicWaker,
    /// Whether the last message of the client was a text.
    sends_text: AtomicBool,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    close: Option<Close>,
}

fn cost(frame: &Frame) -> usize {
    frame.len() + WebSocketSettings::FRAME_BYTES
}

impl Outgoing {
    pub(super) fn new(most_bytes: usize) -> Self {
        // Until the client has sent something, a text is what most clients expect.
        let sends_text = AtomicBool::new(true);
        Self { most_bytes, state: Mutex::default(), link: AtomicWaker::new(), sends_text }
    }

    /// Adds a message. One that finds no space ends the connection, and drops all that waits.
    pub(super) fn push(&self, frame: Frame) -> Result<(), NotQueued> {
        let cost = cost(&frame);
        let mut state = self.state.lock();
        if state.close.is_some() {
            return Err(NotQueued::Over);
        }
        // One message always fits.
        let is_full = !state.frames.is_empty() && state.bytes.saturating_add(cost) > self.most_bytes;
        if is_full {
            state.frames = VecDeque::new();
            state.close = Some(Close::SLOW);
        } else {
            state.bytes += cost;
            state.frames.push_back(frame);
        }
        drop(state);
        self.link.wake();
        if is_full { Err(NotQueued::Full) } else { Ok(()) }
    }

    /// Ends the connection after all that waits. The first order counts.
    pub(super) fn close(&self, close: Close) {
        self.state.lock().close.get_or_insert(close);
        self.link.wake();
    }

    /// Marks the connection as ended: nothing more is taken.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.frames = VecDeque::new();
        state.close.get_or_insert(Close::GOING_AWAY);
    }

    /// Takes the next message.
    pub(super) fn next(&self) -> Option<Frame> {
        let mut state = self.state.lock();
        let frame = state.frames.pop_front()?;
        state.bytes -= cost(&frame);
        Some(frame)
    }

    /// The order to close, once nothing waits before it.
    pub(super) fn closing(&self) -> Option<Close> {
        let state = self.state.lock();
        state.close.clone().filter(|_| state.frames.is_empty())
    }

    /// Keeps the waker of the link.
    pub(super) fn register(&self, waker: &Waker) {
        self.link.register(waker);
    }

    /// Keeps the kind of the client's last message.
    pub(super) fn client_sent(&self, is_text: bool) {
        self.sends_text.store(is_text, Ordering::Relaxed);
    }

    /// Whether the last message of the client was a text.
    pub(super) fn client_sends_text(&self) -> bool {
        self.sends_text.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_without_space_ends_the_connection() {
        let outgoing = Outgoing::new(200);
        let frame = || Frame::binary(vec![0; 30]);
        assert_eq!(outgoing.push(frame()), Ok(()));
        assert_eq!(outgoing.push(frame()), Ok(()));
        assert!(outgoing.next().is_some());
        assert_eq!(outgoing.push(frame()), Ok(()), "what was taken frees its space");
        assert_eq!(outgoing.push(frame()), Err(NotQueued::Full));
        assert_eq!(outgoing.closing(), Some(Close::SLOW));
        assert_eq!(outgoing.push(frame()), Err(NotQueued::Over));
        assert!(Outgoing::new(1).push(frame()).is_ok(), "one message always fits");
    }

    #[test]
    fn order_to_close_comes_after_all_that_waits() {
        let outgoing = Outgoing::new(200);
        outgoing.push(Frame::text("last")).expect("it has space");
        outgoing.close(Close::GOING_AWAY);
        outgoing.close(Close::FAILED);
        assert_eq!(outgoing.closing(), None);
        assert!(outgoing.next().is_some());
        assert_eq!(outgoing.closing(), Some(Close::GOING_AWAY), "the first order counts");
    }
}
