//! The phase of a connection, and the end of its time: the time limits of a connection need one timer, not one for each request.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use super::settings::HttpBounds;

/// The work of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It waits for a request.
    Idle,
    /// The head of a request arrives.
    Head,
    /// A request is being answered: the route bounds the time.
    Busy,
    /// The body of a request arrives: the route bounds the time.
    Body,
    /// The response is being written.
    Writing,
    /// All is said, and what the client still sends is thrown away, so that the client gets the last response.
    Closing,
}

/// The time in which a client closes its side.
const LINGER: Duration = Duration::from_secs(1);

/// The phase of a connection, as its socket and its service see it. All of them run in the task of the connection, which reads
/// the phase when it has nothing else to do.
#[derive(Debug)]
pub(super) struct Activity {
    /// The number of changes, and the phase: a phase that came again is another one.
    word: AtomicU64,
    /// Requests so far.
    requests: AtomicU64,
    /// The time for the response, in microseconds.
    writing_micros: AtomicU64,
    /// The status of the response to a head that could not be read; 0 without one.
    refused: AtomicU16,
    /// Bytes of bodies so far.
    body_bytes: AtomicU64,
    /// Whether the connection is to end as soon as no request is under way.
    is_told_to_end: AtomicBool,
    /// Whether the connection is to end also while a body arrives.
    is_evicted: AtomicBool,
    /// Wakes the task of the connection.
    waker: OnceLock<Waker>,
}

const PHASE_BITS: u32 = 3;

impl Activity {
    /// A new connection has its first head to send.
    pub(super) fn new() -> Self {
        Self {
            word: AtomicU64::new(Phase::Head as u64),
            requests: AtomicU64::new(0),
            writing_micros: AtomicU64::new(0),
            refused: AtomicU16::new(0),
            body_bytes: AtomicU64::new(0),
            is_told_to_end: AtomicBool::new(false),
            is_evicted: AtomicBool::new(false),
            waker: OnceLock::new(),
        }
    }

    /// The phase, and a number that is another one for each phase.
    pub(super) fn now(&self) -> (Phase, u64) {
        let word = self.word.load(Ordering::Relaxed);
        (Self::phase_of(word), word)
    }

    fn phase_of(word: u64) -> Phase {
        match word & ((1 << PHASE_BITS) - 1) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Busy,
            3 => Phase::Body,
            4 => Phase::Writing,
            _ => Phase::Closing,
        }
    }

    fn set(&self, phase: Phase) {
        let changes = (self.word.load(Ordering::Relaxed) >> PHASE_BITS) + 1;
        self.word.store(changes << PHASE_BITS | phase as u64, Ordering::Relaxed);
    }

    fn change(&self, from: Phase, to: Phase) {
        if self.now().0 == from {
            self.set(to);
        }
    }

    /// Bytes arrived.
    pub(super) fn read(&self) {
        self.change(Phase::Idle, Phase::Head);
    }

    /// A request is there. Returns its number in the connection, from 1.
    pub(super) fn begin(&self) -> u64 {
        self.set(Phase::Busy);
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The body of the request arrives.
    pub(super) fn begin_body(&self) {
        self.change(Phase::Busy, Phase::Body);
    }

    /// The body of the request is there, or is not wanted.
    pub(super) fn end_body(&self) {
        self.change(Phase::Body, Phase::Busy);
    }

    /// Bytes of a body arrived.
    pub(super) fn body_read(&self, bytes: usize) {
        self.body_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes of bodies so far.
    pub(super) fn body_bytes(&self) -> u64 {
        self.body_bytes.load(Ordering::Relaxed)
    }

    /// The number of requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The response is there; the client has `time` to read it.
    pub(super) fn respond(&self, time: Duration) {
        self.writing_micros.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.set(Phase::Writing);
    }

    /// Bytes are written. Without a request under way, they are the answer to a head that could not be read: it is no request, and
    /// the connection ends after it.
    pub(super) fn written(&self, bytes: &[u8]) {
        if matches!(self.now().0, Phase::Idle | Phase::Head)
            && let Some(status) = status_of(bytes)
        {
            self.refused.store(status, Ordering::Relaxed);
        }
    }

    /// The status of the answer to a head that could not be read.
    pub(super) fn refused(&self) -> Option<u16> {
        Some(self.refused.load(Ordering::Relaxed)).filter(|status| *status > 0)
    }

    /// All that was written is with the system.
    pub(super) fn flushed(&self) {
        self.change(Phase::Writing, Phase::Idle);
    }

    /// Nothing more is written.
    pub(super) fn close(&self) {
        if self.now().0 != Phase::Closing {
            self.set(Phase::Closing);
        }
    }

    /// The time for a phase from its beginning; `None` when something else bounds it.
    pub(super) fn limit(&self, phase: Phase, bounds: &HttpBounds) -> Option<Duration> {
        Some(match phase {
            Phase::Idle => bounds.idle,
            Phase::Head => bounds.head_time,
            Phase::Busy | Phase::Body => return None,
            Phase::Writing => Duration::from_micros(self.writing_micros.load(Ordering::Relaxed)),
            Phase::Closing => LINGER,
        })
    }

    /// Keeps the waker of the connection's task, which is always the same one.
    pub(super) fn keep_waker(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }

    /// Ends the connection as soon as no request is under way.
    pub(super) fn tell_to_end(&self) {
        self.is_told_to_end.store(true, Ordering::Release);
        self.wake();
    }

    /// Ends the connection as soon as no request is under way but one whose body arrives.
    pub(super) fn evict(&self) {
        self.is_evicted.store(true, Ordering::Release);
        self.tell_to_end();
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.is_evicted.load(Ordering::Acquire)
    }

    /// Has the connection's task look at its phase and its time again.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    pub(super) fn is_told_to_end(&self) -> bool {
        self.is_told_to_end.load(Ordering::Acquire)
    }
}

/// The status in the first line of a response.
fn status_of(response: &[u8]) -> Option<u16> {
    let digits = response.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_without_a_request_is_that_to_a_bad_head() {
        let activity = Activity::new();
        activity.begin();
        activity.written(b"HTTP/1.1 200 OK\r\n");
        assert_eq!(activity.refused(), None);
        activity.respond(Duration::from_secs(3));
        activity.flushed();
        activity.written(b"HTTP/1.1 431 Too Large\r\n");
        assert_eq!(activity.refused(), Some(431));
        assert_eq!((status_of(b"HTTP/1.1 4"), status_of(b"x")), (None, None));
    }

    #[test]
    fn phases_follow_a_request() {
        let activity = Activity::new();
        let phase = || activity.now().0;
        assert_eq!((phase(), activity.begin(), phase()), (Phase::Head, 1, Phase::Busy));
        activity.flushed();
        activity.read();
        assert_eq!(phase(), Phase::Busy, "neither a flush nor more bytes end a request");
        activity.begin_body();
        activity.flushed();
        assert_eq!(phase(), Phase::Body, "a flush of `100 Continue`");
        activity.end_body();
        assert_eq!(phase(), Phase::Busy);
        activity.respond(Duration::from_secs(3));
        let (writing, number) = activity.now();
        assert_eq!(activity.limit(writing, &HttpBounds::default()), Some(Duration::from_secs(3)));
        activity.flushed();
        assert_eq!(phase(), Phase::Idle);
        activity.begin();
        activity.respond(Duration::from_secs(3));
        assert_ne!(activity.now().1, number, "the second response has its own time");
    }
}
