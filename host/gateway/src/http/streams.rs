//! The requests of a connection with HTTP/2, of which several are under way at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::activity::Activity;
use super::settings::HttpBounds;

/// The streams of a connection.
pub(super) struct Streams {
    activity: Arc<Activity>,
    state: Mutex<State>,
}

struct State {
    open: usize,
    /// Streams whose body arrives.
    arriving: usize,
    begun: u64,
    /// Since when none is open.
    since: Instant,
    /// By stream: the end of the time in which the client reads the response.
    deadlines: BTreeMap<u64, Instant>,
}

/// A request, until all of its response is taken.
pub(super) struct Stream {
    streams: Arc<Streams>,
    number: u64,
}

impl Streams {
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        let state = State { open: 0, arriving: 0, begun: 0, since: Instant::now(), deadlines: BTreeMap::new() };
        Self { activity, state: Mutex::new(state) }
    }

    /// Whether no request is under way.
    pub(super) fn is_free(&self) -> bool {
        self.state.lock().open == 0
    }

    /// Whether the connection waits for another request.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.open == 0 && state.begun > 0
    }

    /// Whether requests are under way, and the body of each one still arrives.
    pub(super) fn is_receiving(&self) -> bool {
        let state = self.state.lock();
        state.open > 0 && state.open == state.arriving
    }

    /// A request is there.
    pub(super) fn begin(self: &Arc<Self>) -> Stream {
        let mut state = self.state.lock();
        state.open += 1;
        state.begun += 1;
        Stream { streams: self.clone(), number: state.begun }
    }

    /// The end of the connection's time; `None` when something else bounds it.
    pub(super) fn deadline(&self, bounds: &HttpBounds) -> Option<Instant> {
        let state = self.state.lock();
        match state.open {
            0 if state.begun == 0 => Some(state.since + bounds.head_time),
            0 => Some(state.since + bounds.idle),
            _ => state.deadlines.values().min().copied(),
        }
    }
}

impl Stream {
    /// The body of the request arrives.
    pub(super) fn begin_body(&self) {
        self.streams.state.lock().arriving += 1;
    }

    /// The body of the request is there, or is not wanted.
    pub(super) fn end_body(&self) {
        self.streams.state.lock().arriving -= 1;
    }

    /// The response is there; the client has `time` to read it.
    pub(super) fn respond(&self, time: Duration) {
        self.streams.state.lock().deadlines.insert(self.number, Instant::now() + time);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.streams.state.lock();
        state.open -= 1;
        state.deadlines.remove(&self.number);
        if state.open == 0 {
            // From now on, the connection is idle: its task sets its timer.
            state.since = Instant::now();
            self.streams.activity.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn deadline_is_that_of_the_first_response_or_of_idleness() {
        let bounds = HttpBounds::default();
        let streams = Arc::new(Streams::new(Arc::new(Activity::new())));
        let after = || streams.deadline(&bounds).map(|deadline| deadline - Instant::now());
        assert_eq!((after(), streams.is_idle()), (Some(bounds.head_time), false), "its first head");
        let (one, two) = (streams.begin(), streams.begin());
        assert_eq!(after(), None, "the routes bound the time");
        one.begin_body();
        assert!(!streams.is_receiving(), "the other one is with its receiver");
        two.begin_body();
        assert!(streams.is_receiving());
        one.end_body();
        two.end_body();
        one.respond(Duration::from_secs(5));
        two.respond(Duration::from_secs(3));
        assert_eq!(after(), Some(Duration::from_secs(3)));
        drop(two);
        assert_eq!(after(), Some(Duration::from_secs(5)));
        drop(one);
        assert_eq!((after(), streams.is_idle()), (Some(bounds.idle), true));
    }
}
