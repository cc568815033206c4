//! The messages that wait for a client, and the order to close its connection: shared by the actor, which fills the queue, and
//! the link, which empties it.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use playhouse_kernel::{AboutActor, Address, LogEvent};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::settings::WebSocketSettings;
use crate::events::WebSocketUndelivered;

/// The plugin of a connection, as operators see it.
const PLUGIN: &str = "native:WebSocket";

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

/// The queue for one client.
pub(super) struct Outgoing {
    most_bytes: usize,
    state: Mutex<State>,
    /// Wakes the link.
    link: AtomicWaker,
    /// Whether the last message of the client was a text.
    sends_text: AtomicBool,
    /// The address of the connection.
    address: OnceLock<Address>,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    close: Option<Close>,
    /// Messages that were dropped.
    undelivered: u64,
}

impl State {
    fn drop_frames(&mut self) {
        self.undelivered += std::mem::take(&mut self.frames).len() as u64;
        self.bytes = 0;
    }
}

fn cost(frame: &Frame) -> usize {
    frame.len() + WebSocketSettings::FRAME_BYTES
}

impl Outgoing {
    pub(super) fn new(most_bytes: usize) -> Self {
        // Until the client has sent something, a text is what most clients expect.
        let sends_text = AtomicBool::new(true);
        let (state, link, address) = (Mutex::default(), AtomicWaker::new(), OnceLock::new());
        Self { most_bytes, state, link, sends_text, address }
    }

    /// Keeps the address of the connection, for the log.
    pub(super) fn belongs_to(&self, connection: &Address) {
        self.address.get_or_init(|| connection.clone());
    }

    /// Adds a message. One that finds no space ends the connection, and drops all that waits. After the end, a message is counted
    /// and dropped: a client that is gone is no fault of the sender.
    pub(super) fn push(&self, frame: Frame) {
        let cost = cost(&frame);
        let mut state = self.state.lock();
        // One message always fits.
        let is_full = !state.frames.is_empty() && state.bytes.saturating_add(cost) > self.most_bytes;
        if state.close.is_some() {
            state.undelivered += 1;
            return;
        }
        if is_full {
            state.drop_frames();
            state.undelivered += 1;
            state.close = Some(Close::SLOW);
        } else {
            state.bytes += cost;
            state.frames.push_back(frame);
        }
        drop(state);
        self.link.wake();
    }

    /// Ends the connection after all that waits. The first order counts.
    pub(super) fn close(&self, close: Close) {
        self.state.lock().close.get_or_insert(close);
        self.link.wake();
    }

    /// Marks the connection as ended: nothing more is taken.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.drop_frames();
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

/// Once the actor and the link are gone, nothing more is added.
impl Drop for Outgoing {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        state.drop_frames();
        if let (1.., Some(address)) = (state.undelivered, self.address.get()) {
            let subject = AboutActor { address, plugin: PLUGIN };
            WebSocketUndelivered { subject, messages: state.undelivered }.log();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_without_space_ends_the_connection() {
        let outgoing = Outgoing::new(200);
        let push = || outgoing.push(Frame::binary(vec![0; 30]));
        push();
        push();
        assert!(outgoing.next().is_some());
        push();
        assert_eq!(outgoing.closing(), None, "what was taken frees its space");
        push();
        assert_eq!(outgoing.closing(), Some(Close::SLOW));
        push();
        assert_eq!(outgoing.state.lock().undelivered, 4, "the two that waited, the one without space, and a later one");
        let small = Outgoing::new(1);
        small.push(Frame::binary(vec![0; 30]));
        assert!(small.next().is_some(), "one message always fits");
    }

    #[test]
    fn order_to_close_comes_after_all_that_waits() {
        let outgoing = Outgoing::new(200);
        outgoing.push(Frame::text("last"));
        outgoing.close(Close::GOING_AWAY);
        outgoing.close(Close::FAILED);
        assert_eq!(outgoing.closing(), None);
        assert!(outgoing.next().is_some());
        assert_eq!(outgoing.closing(), Some(Close::GOING_AWAY), "the first order counts");
    }
}
