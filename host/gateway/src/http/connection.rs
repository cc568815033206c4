//! A connection, as the accept loop and its requests see it: the other end, and the end of its time.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::{Response, StatusCode};
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::{Activity, Phase};
use super::body::ReplyBody;
use super::response::close_after;
use super::settings::HttpBounds;
use super::streams::{Stream, Streams};

/// A connection.
pub(super) struct Connection {
    /// The other end of the socket.
    pub(super) peer: IpAddr,
    opened: Instant,
    pub(super) activity: Arc<Activity>,
    /// With HTTP/2.
    streams: OnceLock<Arc<Streams>>,
}

/// The time that a new connection has for its first request, when others need its place.
const SILENCE: Duration = Duration::from_secs(1);

/// The order in which connections make space for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Eviction {
    /// It has never had a request, and had the time for one.
    Silent,
    /// It waits for another request.
    Idle,
    /// The head of another request arrives.
    Head,
}

/// A request of a connection, until its response.
pub(super) struct Ticket {
    /// The number of the request in the connection, from 1.
    pub(super) number: u64,
    /// With HTTP/2.
    stream: Option<Stream>,
}

impl Connection {
    pub(super) fn new(peer: IpAddr) -> Self {
        Self { peer, opened: Instant::now(), activity: Arc::new(Activity::new()), streams: OnceLock::new() }
    }

    /// Says that the connection has HTTP/2.
    pub(super) fn set_http2(&self) {
        self.streams.get_or_init(|| Arc::new(Streams::new(self.activity.clone())));
    }

    /// How soon it makes space for another one; `None` while it has a request, and while it is too new for one.
    pub(super) fn eviction(&self) -> Option<Eviction> {
        let phase = self.activity.now().0;
        let (is_free, has_had_one) = match self.streams.get() {
            Some(streams) => (streams.is_free(), streams.is_idle()),
            None => (matches!(phase, Phase::Idle | Phase::Head), self.activity.requests() > 0),
        };
        let is_new = self.opened.elapsed() < SILENCE;
        match (has_had_one, phase) {
            _ if !is_free => None,
            (true, Phase::Head) if self.streams.get().is_none() => Some(Eviction::Head).filter(|_| !is_new),
            (true, _) => Some(Eviction::Idle),
            (false, _) => Some(Eviction::Silent).filter(|_| !is_new),
        }
    }

    /// A request is there.
    pub(super) fn begin(&self) -> Ticket {
        Ticket { number: self.activity.begin(), stream: self.streams.get().map(Streams::begin) }
    }

    /// The response is there; the client has `time` to read it. With `is_last`, the connection ends after it.
    pub(super) fn respond(&self, ticket: Ticket, response: &mut Response<ReplyBody>, time: Duration, is_last: bool) {
        let Some(stream) = ticket.stream else {
            // A request that opens a WebSocket connection is the last one anyway.
            if is_last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                close_after(response);
            }
            return self.activity.respond(time);
        };
        if is_last {
            self.activity.tell_to_end();
        }
        stream.respond(time);
        response.body_mut().keep(stream);
    }
}

/// The timer of a connection. It is only set back when a limit comes earlier than the timer: one that fires too early looks
/// again.
pub(super) struct Limit {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether the timer will wake the task.
    is_set: bool,
    /// The phase for which the deadline holds.
    seen: u64,
    deadline: Option<Instant>,
}

impl Limit {
    pub(super) fn new() -> Self {
        Self { sleep: None, is_set: false, seen: u64::MAX, deadline: None }
    }

    /// Ready when the time of a connection is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, connection: &Connection, bounds: &HttpBounds) -> Poll<()> {
        let Some(deadline) = self.deadline(connection, bounds) else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            if !self.is_set || deadline < sleep.deadline() {
                sleep.as_mut().reset(deadline);
                self.is_set = true;
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.is_set = false;
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
        }
    }

    fn deadline(&mut self, connection: &Connection, bounds: &HttpBounds) -> Option<Instant> {
        let activity = &connection.activity;
        let (phase, number) = activity.now();
        if let Some(streams) = connection.streams.get().filter(|_| phase != Phase::Closing) {
            return streams.deadline(bounds);
        }
        if number != self.seen {
            self.seen = number;
            self.deadline = activity.limit(phase, bounds).map(|time| Instant::now() + time);
        }
        if phase == Phase::Head && activity.is_told_to_end() {
            // A head that is not complete is no request under way.
            self.deadline = Some(Instant::now());
        }
        self.deadline
    }
}
