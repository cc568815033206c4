//! The task of one connection: it reads and writes the socket. Messages of the client go to the handler one after another, so
//! that a client which sends faster than its handler works waits; what is for the client is written meanwhile.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use hyper::body::Bytes;
use playhouse_kernel::{Address, BoxFuture, Incoming, Ingress, Metadata, SendError};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

use super::outgoing::{Close, Outgoing};
use super::settings::WebSocketSettings;
use super::socket::Socket;

/// The metadata that says what a message is to the client: `text` or `binary`.
pub(super) const FRAME: &str = "frame";
pub(super) const TEXT: &str = "text";
pub(super) const BINARY: &str = "binary";

/// Bytes that are read or written at once; each connection has two such buffers.
const BUFFER_BYTES: usize = 4 << 10;
/// The time in which a client reads the last frames and closes its side.
const LINGER: Duration = Duration::from_secs(5);
/// The time for which a message waits for space in the handler's mailbox before the connection ends.
const PATIENCE: Duration = Duration::from_mins(1);
/// The pause before another attempt while memory is short.
const MEMORY_PAUSE: Duration = Duration::from_millis(100);
/// The time until a handler that was just spawned exists, and the pause between two looks.
const SPAWNED_WITHIN: Duration = Duration::from_secs(10);
const SPAWN_PAUSE: Duration = Duration::from_millis(1);
/// Pings without an answer.
const MOST_PINGS: u32 = 2;

/// The way to the handler of a connection.
#[derive(Clone)]
pub(super) struct ToHandler {
    pub(super) ingress: Arc<Ingress>,
    pub(super) handler: Address,
}

/// The end of the conversation.
enum End {
    /// The client is to be told.
    Told(Close),
    /// The client closed.
    ByClient,
    /// The socket is broken.
    Broken,
}

struct Link {
    socket: WebSocketStream<Box<dyn Socket>>,
    outgoing: Arc<Outgoing>,
    to: ToHandler,
    /// A message on its way to the handler.
    delivery: Option<BoxFuture<'static, Result<(), Close>>>,
    pings: Interval,
    /// Pings since the client last sent something.
    unanswered: u32,
    /// The time since which the client takes no more bytes.
    blocked: Option<Instant>,
}

/// Speaks with the client until the connection ends.
pub(super) async fn converse(
    socket: Box<dyn Socket>,
    outgoing: Arc<Outgoing>,
    to: ToHandler,
    settings: &WebSocketSettings,
) {
    let most = settings.message_bytes;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(most))
        .max_frame_size(Some(most));
    let socket = WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await;
    let mut pings = interval_at(Instant::now() + settings.ping, settings.ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let until = Instant::now() + SPAWNED_WITHIN;
    while to.ingress.receiver_limits(&to.handler).is_none() && Instant::now() < until {
        sleep(SPAWN_PAUSE).await;
    }
    let mut link = Link { socket, outgoing, to, delivery: None, pings, unanswered: 0, blocked: None };
    let end = poll_fn(|cx| link.poll(cx)).await;
    link.outgoing.end();
    let _ = timeout(LINGER, end_with(link.socket, end)).await;
}

/// Tells a client that its connection cannot be served.
pub(super) async fn refuse(socket: Box<dyn Socket>, close: Close) {
    let socket = WebSocketStream::from_raw_socket(socket, Role::Server, None).await;
    let _ = timeout(LINGER, end_with(socket, End::Told(close))).await;
}

/// Writes what is left, and waits until the client has closed its side: bytes that nobody reads would make the system reset
/// the connection, and the client would lose the last frames.
async fn end_with(mut socket: WebSocketStream<Box<dyn Socket>>, end: End) {
    match end {
        End::Broken => return,
        End::Told(close) => {
            if socket.send(close.frame()).await.is_err() {
                return;
            }
        }
        End::ByClient => {
            // This writes the answer. The server closes first, since the client has nothing more to say.
            let _ = socket.flush().await;
            return;
        }
    }
    while let Some(Ok(frame)) = socket.next().await {
        if frame.is_close() {
            return;
        }
    }
    // After a broken frame, nothing more is understood.
    let mut raw = socket.into_inner();
    let _ = tokio::io::AsyncWriteExt::shutdown(&mut raw).await;
    let mut rest = vec![0; BUFFER_BYTES];
    while raw.read(&mut rest).await.is_ok_and(|bytes| bytes > 0) {}
}

impl Link {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.outgoing.register(cx.waker());
        loop {
            let mut is_moving = false;
            if let Some(delivery) = &mut self.delivery
                && let Poll::Ready(delivered) = delivery.poll_unpin(cx)
            {
                self.delivery = None;
                is_moving = true;
                if let Err(close) = delivered {
                    return Poll::Ready(End::Told(close));
                }
            }
            if self.delivery.is_none()
                && let Poll::Ready(frame) = self.socket.poll_next_unpin(cx)
            {
                is_moving = true;
                if let Some(end) = self.received(frame) {
                    return Poll::Ready(end);
                }
            }
            if let Some(end) = self.write(cx) {
                return Poll::Ready(end);
            }
            if !is_moving {
                break;
            }
        }
        while self.pings.poll_tick(cx).is_ready() {
            if let Some(end) = self.ping() {
                return Poll::Ready(end);
            }
            if let Some(end) = self.write(cx) {
                return Poll::Ready(end);
            }
        }
        Poll::Pending
    }

    fn received(&mut self, frame: Option<Result<Frame, Error>>) -> Option<End> {
        self.unanswered = 0;
        let (body, kind) = match frame {
            Some(Ok(Frame::Text(text))) => (Bytes::from(text), TEXT),
            Some(Ok(Frame::Binary(bytes))) => (bytes, BINARY),
            Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => return None,
            Some(Ok(Frame::Close(_))) | None => return Some(End::ByClient),
            Some(Err(error)) => return Some(end_of(&error)),
        };
        self.outgoing.client_sent(kind == TEXT);
        self.delivery = Some(Box::pin(deliver(self.to.clone(), kind, body)));
        None
    }

    /// Writes what waits, as far as the client takes it.
    fn write(&mut self, cx: &mut Context<'_>) -> Option<End> {
        loop {
            match self.socket.poll_ready_unpin(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Some(End::Broken),
                Poll::Pending => return self.blocked(),
            }
            let Some(frame) = self.outgoing.next() else { break };
            if self.socket.start_send_unpin(frame).is_err() {
                return Some(End::Broken);
            }
        }
        match self.socket.poll_flush_unpin(cx) {
            Poll::Ready(Ok(())) => self.blocked = None,
            Poll::Ready(Err(_)) => return Some(End::Broken),
            Poll::Pending => return self.blocked(),
        }
        self.outgoing.closing().map(End::Told)
    }

    /// The client takes no more bytes now. A connection that ends because of that does not wait any longer.
    fn blocked(&mut self) -> Option<End> {
        self.blocked.get_or_insert_with(Instant::now);
        self.outgoing.closing().filter(|close| *close == Close::SLOW).map(End::Told)
    }

    /// Asks the client for a sign of life, or ends a connection without one.
    fn ping(&mut self) -> Option<End> {
        if self.blocked.is_some_and(|since| since.elapsed() >= self.pings.period()) {
            return Some(End::Told(Close::SLOW));
        }
        // While a message waits for the handler, the link reads no answers.
        if self.delivery.is_some() || self.blocked.is_some() {
            return None;
        }
        if self.unanswered >= MOST_PINGS {
            return Some(End::Told(Close::SILENT));
        }
        self.unanswered += 1;
        self.socket.start_send_unpin(Frame::Ping(Bytes::new())).err().map(|_| End::Broken)
    }
}

/// The end after an error of the client's.
fn end_of(error: &Error) -> End {
    End::Told(match error {
        Error::Capacity(_) => Close::TOO_LARGE,
        Error::Utf8(_) => Close::NO_TEXT,
        Error::Protocol(tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            return End::Broken;
        }
        Error::Protocol(_) => Close::PROTOCOL,
        _ => return End::Broken,
    })
}

/// Gives a message of the client to the handler. `Err`: the connection ends.
async fn deliver(to: ToHandler, kind: &'static str, body: Bytes) -> Result<(), Close> {
    let mut metadata = Metadata::new();
    // One short pair is far below the bounds.
    let _ = metadata.push(FRAME, kind);
    let message = Incoming::new(to.ingress.next_id(), &metadata, &body);
    loop {
        match to.ingress.tell(&to.handler, &message, PATIENCE).await {
            Ok(()) | Err(SendError::Dropped { .. }) => return Ok(()),
            Err(SendError::MemoryPressure(_)) => sleep(MEMORY_PAUSE).await,
            Err(SendError::TooLarge { .. }) => return Err(Close::TOO_LARGE),
            Err(SendError::MailboxFull(_)) => return Err(Close::BUSY),
            Err(_) => return Err(Close::FAILED),
        }
    }
}

/// A task that ends with its owner.
pub(super) struct Task(pub(super) tokio::task::JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_unpin(cx).map(|_| ())
    }
}
