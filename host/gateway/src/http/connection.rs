//! A connection, as the accept loop and its requests see it: the other end, and the end of its time.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::{Response, StatusCode};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::{Activity, Phase};
use super::body::ReplyBody;
use super::clients::Place;
use super::response::close_after;
use super::settings::HttpBounds;
use super::streams::{Stream, Streams};
use super::unread;

/// A connection.
pub(super) struct Connection {
    /// The other end of the socket.
    pub(super) peer: IpAddr,
    /// Counts the connection among those of its client.
    pub(super) place: Place,
    opened: Instant,
    pub(super) activity: Arc<Activity>,
    /// With HTTP/2.
    streams: OnceLock<Arc<Streams>>,
    /// The body that was arriving at the last look.
    seen_body: Mutex<Option<SeenBody>>,
}

/// The time that a new connection has for its first request, and a body for its first bytes, when others need its place.
const SILENCE: Duration = Duration::from_secs(1);
/// Bytes of a body in each second, below which it makes space for others.
const SLOW_BODY: f64 = 1024.0;

/// A body that arrives.
struct SeenBody {
    /// The number of the phase.
    phase: u64,
    since: Instant,
    /// Bytes of the connection's bodies at that time.
    bytes: u64,
}

/// The order in which connections make space for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Eviction {
    /// It has never had a request, and had the time for one.
    Silent,
    /// It waits for another request.
    Idle,
    /// The head of another request arrives.
    Head,
    /// The body of a request arrives, and slowly so.
    SlowBody,
}

/// The body of a request that arrives, until the value is dropped.
pub(super) struct Arrival<'c> {
    activity: &'c Activity,
    stream: Option<&'c Stream>,
}

impl Arrival<'_> {
    /// Bytes arrived.
    pub(super) fn read(&self, bytes: usize) {
        self.activity.body_read(bytes);
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        match self.stream {
            Some(stream) => stream.end_body(),
            None => self.activity.end_body(),
        }
    }
}

/// A request of a connection, until its response.
pub(super) struct Ticket {
    /// The number of the request in the connection, from 1.
    pub(super) number: u64,
    /// With HTTP/2.
    stream: Option<Stream>,
}

impl Connection {
    pub(super) fn new(peer: IpAddr, place: Place) -> Self {
        Self {
            peer,
            place,
            opened: Instant::now(),
            activity: Arc::new(Activity::new()),
            streams: OnceLock::new(),
            seen_body: Mutex::default(),
        }
    }

    /// Says that the connection has HTTP/2.
    pub(super) fn set_http2(&self) {
        self.streams.get_or_init(|| Arc::new(Streams::new(self.activity.clone())));
    }

    /// How soon it makes space for another one; `None` while it has a request that is not slow, and while it is too new for one.
    pub(super) fn eviction(&self) -> Option<Eviction> {
        let phase = self.activity.now().0;
        let (is_free, has_had_one) = match self.streams.get() {
            Some(streams) => (streams.is_free(), streams.is_idle()),
            None => (matches!(phase, Phase::Idle | Phase::Head), self.activity.requests() > 0),
        };
        let is_new = self.opened.elapsed() < SILENCE;
        match (has_had_one, phase) {
            _ if !is_free => Some(Eviction::SlowBody).filter(|_| self.has_slow_body()),
            (true, Phase::Head) if self.streams.get().is_none() => Some(Eviction::Head).filter(|_| !is_new),
            (true, _) => Some(Eviction::Idle),
            (false, _) => Some(Eviction::Silent).filter(|_| !is_new),
        }
    }

    /// Whether a body has arrived slowly since the first look at it.
    fn has_slow_body(&self) -> bool {
        let (phase, number) = self.activity.now();
        // The streams of a connection do not change its phase.
        let (is_arriving, phase) = match self.streams.get() {
            Some(streams) => (streams.is_receiving(), 0),
            None => (phase == Phase::Body, number),
        };
        let mut seen = self.seen_body.lock();
        let bytes = self.activity.body_bytes();
        match &*seen {
            _ if !is_arriving => *seen = None,
            Some(body) if body.phase == phase => {
                let age = body.since.elapsed();
                return age >= SILENCE && ((bytes - body.bytes) as f64) < SLOW_BODY * age.as_secs_f64();
            }
            _ => *seen = Some(SeenBody { phase, since: Instant::now(), bytes }),
        }
        false
    }

    /// The body of a request arrives.
    pub(super) fn receive<'c>(&'c self, ticket: &'c Ticket) -> Arrival<'c> {
        let stream = ticket.stream.as_ref();
        match stream {
            Some(stream) => stream.begin_body(),
            None => self.activity.begin_body(),
        }
        Arrival { activity: &self.activity, stream }
    }

    /// Whether requests come as streams of HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.streams.get().is_some()
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
        stream.respond(if response.body().is_delayed() { time + unread::TIME } else { time });
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
            let is_over = activity.is_evicted() && streams.is_receiving();
            return if is_over { Some(Instant::now()) } else { streams.deadline(bounds) };
        }
        if number != self.seen {
            self.seen = number;
            self.deadline = activity.limit(phase, bounds).map(|time| Instant::now() + time);
        }
        let is_over = match phase {
            // A head that is not complete is no request under way.
            Phase::Head => activity.is_told_to_end(),
            Phase::Body => activity.is_evicted(),
            _ => false,
        };
        if is_over {
            self.deadline = Some(Instant::now());
        }
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(http2: bool) -> Connection {
        let connection = Connection::new(IpAddr::from([127, 0, 0, 1]), Place::default());
        if http2 {
            connection.set_http2();
        }
        connection
    }

    #[tokio::test(start_paused = true)]
    async fn slow_body_makes_space_and_a_steady_one_does_not() {
        for http2 in [false, true] {
            let connection = connection(http2);
            let ticket = connection.begin();
            let arrival = connection.receive(&ticket);
            assert_eq!(connection.eviction(), None, "the first look");
            tokio::time::advance(Duration::from_millis(900)).await;
            assert_eq!(connection.eviction(), None);
            tokio::time::advance(Duration::from_millis(100)).await;
            assert_eq!(connection.eviction(), Some(Eviction::SlowBody));
            arrival.read(1024);
            assert_eq!(connection.eviction(), None, "1 KiB in a second");
            tokio::time::advance(Duration::from_secs(1)).await;
            arrival.read(1023);
            assert_eq!(connection.eviction(), Some(Eviction::SlowBody));
            drop(arrival);
            assert_eq!(connection.eviction(), None, "its receiver has it");
            tokio::time::advance(SILENCE).await;
            assert_eq!(connection.eviction(), None);
            let _again = connection.receive(&ticket);
            assert_eq!(connection.eviction(), None, "another body has its own time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn evicted_connection_ends_while_a_body_arrives_alone() {
        let bounds = HttpBounds::default();
        for http2 in [false, true] {
            let connection = connection(http2);
            let mut limit = Limit::new();
            let ticket = connection.begin();
            connection.activity.tell_to_end();
            let arrival = connection.receive(&ticket);
            assert_eq!(limit.deadline(&connection, &bounds), None, "an orderly stop waits for the body");
            connection.activity.evict();
            assert_eq!(limit.deadline(&connection, &bounds), Some(Instant::now()));
            drop(arrival);
            assert_eq!(Limit::new().deadline(&connection, &bounds), None, "the body came in time");
        }
    }
}
