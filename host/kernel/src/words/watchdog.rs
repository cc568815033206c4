//! The limits of a call, and of a whole start, on the time in which the code runs or waits for a result of the host. Time in
//! which it is ready and waits for a thread is the host's, and so is the time in which the host did not run. The limits cost
//! nothing while a call returns at once: the measurement begins when the call first has to wait.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};

use crate::words::clock::{Clock, later, take_yielded};
use crate::words::crash::CrashReason;

/// The limit of a call, and the time that is not billed to it.
pub(crate) trait TimeLimit: Copy {
    /// The limit of one wait.
    fn stretch(self) -> Duration;
    /// The limit of all waits together since the last progress.
    fn whole(self) -> Duration;
    /// A number that changes whenever the call made progress.
    fn progress(self) -> u64;
    /// Time that was the host's so far: delays of the machine, and waits of the code for the host itself.
    fn hosts(self, now: Instant) -> Duration;
    /// Whether the code waits for another actor that waits for the host.
    fn is_the_hosts(self) -> bool;
}

/// The time that is left for a start. Time in which a hook's messages wait for space does not count.
pub(crate) struct StartTime {
    limit: Duration,
    left: Duration,
}

impl StartTime {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, left: limit }
    }
}

/// Polls a call. `Err` is the limit that it exceeded.
pub(crate) async fn within_limits<T>(
    clock: &Clock,
    limit: impl TimeLimit,
    call: impl Future<Output = T>,
) -> Result<T, CrashReason> {
    let mut call = pin!(call);
    match poll_once(call.as_mut()).await {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => watch(clock, limit, None, call).await,
    }
}

/// Polls a future once, and returns the result of the poll.
pub(crate) fn poll_once<F: Future>(mut future: Pin<&mut F>) -> impl Future<Output = Poll<F::Output>> {
    poll_fn(move |cx| Poll::Ready(future.as_mut().poll(cx)))
}

/// Continues a call of an actor's code, or of a mailbox's policy, that was polled once and has to wait; with `start`, as a
/// part of that start. `Err` is the limit that the call exceeded.
pub(crate) fn watch<'a, T, L: TimeLimit + 'a>(
    clock: &'a Clock,
    limit: L,
    mut start: Option<&'a mut StartTime>,
    mut call: Pin<&'a mut impl Future<Output = T>>,
) -> impl Future<Output = Result<T, CrashReason>> {
    let mut watch: Option<Box<Watch<'_, L>>> = None;
    poll_fn(move |cx| {
        let Some(watch) = &mut watch else {
            let left = start.as_ref().map_or(Duration::MAX, |start| start.left);
            return watch.insert(Box::new(Watch::begin(clock, limit, left))).poll_timer(cx, left);
        };
        let turn = watch.begin_turn(cx);
        let polled = match &watch.alarm {
            Some((_, waker)) => call.as_mut().poll(&mut Context::from_waker(waker)),
            None => call.as_mut().poll(cx),
        };
        if polled.is_ready() && start.is_none() {
            return polled.map(Ok);
        }
        let took = watch.end_turn(turn.as_ref());
        let mut left = Duration::MAX;
        if let Some(start) = &mut start {
            start.left = start.left.saturating_sub(took);
            left = start.left;
        }
        if let Poll::Ready(value) = polled {
            return Poll::Ready(Ok(value));
        }
        let exceeded = match (watch.exceeded(), &start) {
            (Some(limit), _) => CrashReason::Timeout { limit },
            (None, Some(start)) if left.is_zero() => CrashReason::StartTimeout { limit: start.limit },
            _ => return watch.poll_timer(cx, left),
        };
        if !limit.is_the_hosts() {
            return Poll::Ready(Err(exceeded));
        }
        watch.excuse(took);
        if let Some(start) = &mut start {
            start.left = start.limit;
            left = start.left;
        }
        watch.poll_timer(cx, left)
    })
}

/// The measurement of one call that had to wait.
struct Watch<'a, L> {
    clock: &'a Clock,
    limit: L,
    /// Fires no later than a limit may be exceeded.
    timer: Pin<Box<Sleep>>,
    /// The waker of the call from its third poll on, which records when each of its waits was over. Most calls that wait do
    /// so once, and never need it.
    alarm: Option<(Arc<Alarm>, Waker)>,
    /// Whether the last poll of the call used the alarm.
    tells: bool,
    /// When the call last returned without a result, and the total of the host's time at that moment.
    since: Instant,
    host: Duration,
    /// Whether the call could go on already at that moment.
    ready: bool,
    /// Its time so far: of this wait, and in total since the instance's progress was `seen`.
    stretch: Duration,
    whole: Duration,
    seen: u64,
}

/// The state of a call that had to wait, when it is polled again.
struct TurnStart {
    at: Instant,
    /// When the wait was over.
    woken: Option<Instant>,
    thread_time: Option<Duration>,
}

impl<'a, L: TimeLimit> Watch<'a, L> {
    fn begin(clock: &'a Clock, limit: L, left: Duration) -> Self {
        let since = Instant::now();
        let first = limit.stretch().min(limit.whole()).min(left);
        let end = since.checked_add(first).unwrap_or_else(|| later(first));
        Self {
            clock,
            limit,
            timer: Box::pin(tokio::time::sleep_until(end)),
            alarm: None,
            tells: false,
            since,
            host: limit.hosts(since),
            ready: take_yielded(),
            stretch: Duration::ZERO,
            whole: Duration::ZERO,
            seen: limit.progress(),
        }
    }

    fn begin_turn(&self, cx: &Context<'_>) -> Option<TurnStart> {
        let (alarm, _) = self.alarm.as_ref()?;
        let woken = alarm.woken();
        alarm.set_task(cx.waker());
        Some(TurnStart { at: Instant::now(), woken, thread_time: self.clock.thread_time() })
    }

    /// Ends a poll in which the call did not return. Bills the wait before the poll, and the poll itself.
    fn end_turn(&mut self, turn: Option<&TurnStart>) -> Duration {
        let now = Instant::now();
        let host = self.limit.hosts(now);
        let the_hosts = host.saturating_sub(self.host);
        let (took, another) = match turn {
            // It is not known when the call could go on. If it could at once, only the poll was its own time, and that was
            // short.
            None if self.ready => (Duration::ZERO, true),
            None => ((now - self.since).saturating_sub(the_hosts), !self.timer.is_elapsed()),
            Some(turn) => {
                // A call that was not woken still waits.
                let over = turn.woken.map_or(turn.at, |woken| woken.min(turn.at));
                let waited = if self.ready { Duration::ZERO } else { over.saturating_duration_since(self.since) };
                let took = match (turn.thread_time, self.clock.thread_time()) {
                    (Some(before), Some(after)) => waited.saturating_sub(the_hosts) + after.saturating_sub(before),
                    _ => (waited + (now - turn.at)).saturating_sub(the_hosts),
                };
                let woken = if self.tells { turn.woken.is_some() } else { !self.timer.is_elapsed() };
                (took, woken || self.ready)
            }
        };
        // The call ran a little, and now waits for something else: that may take a whole wait again.
        self.stretch = if another { Duration::ZERO } else { self.stretch + took };
        let seen = self.limit.progress();
        self.whole = if seen == self.seen { self.whole + took } else { Duration::ZERO };
        (self.seen, self.since, self.host) = (seen, now, host);
        self.tells = turn.is_some();
        let (alarm, _) = self.alarm.get_or_insert_with(|| Alarm::new(now));
        self.ready = take_yielded() || alarm.is_woken();
        took
    }

    fn exceeded(&self) -> Option<Duration> {
        let (stretch, whole) = (self.limit.stretch(), self.limit.whole());
        match () {
            () if self.whole >= whole => Some(whole),
            () if self.stretch >= stretch => Some(stretch),
            () => None,
        }
    }

    /// Excuses a wait of this length that was the host's, and leaves time for another wait.
    fn excuse(&mut self, took: Duration) {
        self.stretch = Duration::ZERO;
        let left_for_another = self.limit.whole().saturating_sub(self.limit.stretch());
        self.whole = self.whole.saturating_sub(took).min(left_for_another);
    }

    /// Wakes the task when a limit may be exceeded. A timer that fires too early is set again.
    fn poll_timer<T>(&mut self, cx: &mut Context<'_>, left: Duration) -> Poll<Result<T, CrashReason>> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let stretch = self.limit.stretch().saturating_sub(self.stretch);
            let whole = self.limit.whole().saturating_sub(self.whole);
            self.timer.as_mut().reset(later(stretch.min(whole).min(left).max(SHORTEST)));
        }
        Poll::Pending
    }
}

/// The shortest time of the timer.
const SHORTEST: Duration = Duration::from_millis(1);

/// Records when the call was woken, and wakes its task.
struct Alarm {
    began: Instant,
    /// Nanoseconds from `began` to the wake-up; 0 without a wake-up.
    woken_ns: AtomicU64,
    task: Mutex<Waker>,
}

impl Alarm {
    fn new(began: Instant) -> (Arc<Self>, Waker) {
        let alarm = Arc::new(Self { began, woken_ns: AtomicU64::new(0), task: Mutex::new(Waker::noop().clone()) });
        (alarm.clone(), alarm.into())
    }

    fn set_task(&self, waker: &Waker) {
        self.task.lock().clone_from(waker);
    }

    fn is_woken(&self) -> bool {
        self.woken_ns.load(Ordering::Relaxed) != 0
    }

    /// The time of the wake-up since the last call of this function, if there was one.
    fn woken(&self) -> Option<Instant> {
        match self.woken_ns.swap(0, Ordering::Relaxed) {
            0 => None,
            ns => Some(self.began + Duration::from_nanos(ns)),
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        let _ = self.woken_ns.compare_exchange(0, ns, Ordering::Relaxed, Ordering::Relaxed);
        let task = self.task.lock().clone();
        task.wake();
    }
}
