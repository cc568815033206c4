//! Time that the machine takes from the process: the budgets of actors measure the actor's code, not the machine.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The time `wait` from now, or the latest that a clock can hold.
pub(crate) fn later(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or_else(|| now + Duration::from_hours(24 * 365))
}

/// Tells which time belongs to the host. All its values only grow.
pub trait HostClock: Send + Sync + 'static {
    /// CPU time that the calling thread used.
    fn thread_time(&self) -> Duration;

    /// Total time by which timers and tasks were late until `now`, because their threads were busy or the process did not
    /// run.
    fn delayed(&self, now: Instant) -> Duration;

    /// Total time until `now` in which the process did not run at all although it had work: it was suspended.
    fn suspended(&self, now: Instant) -> Duration;

    /// The time of the world. It is read once, at the start of a kernel, and compared with the times that a store keeps.
    fn world(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// The clock of a plan. The default is none: all time that passes counts for the actors.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<dyn HostClock>>);

impl<C: HostClock> From<Arc<C>> for Clock {
    fn from(clock: Arc<C>) -> Self {
        Self(Some(clock))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.0.is_some()).finish()
    }
}

impl Clock {
    pub(crate) fn world(&self) -> SystemTime {
        self.0.as_ref().map_or_else(SystemTime::now, |clock| clock.world())
    }

    pub(crate) fn thread_time(&self) -> Option<Duration> {
        self.0.as_ref().map(|clock| clock.thread_time())
    }

    pub(crate) fn delayed(&self, now: Instant) -> Duration {
        self.0.as_ref().map(|clock| clock.delayed(now)).unwrap_or_default()
    }

    /// The current time, on a clock that stands still while the process is suspended.
    pub(crate) fn running_time(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(self.suspended(now)).unwrap_or(now)
    }

    /// As [`later`], on that clock.
    pub(crate) fn running_later(&self, wait: Duration) -> Instant {
        self.running_time().checked_add(wait).unwrap_or_else(|| later(wait))
    }

    pub(crate) fn suspended(&self, now: Instant) -> Duration {
        self.0.as_ref().map(|clock| clock.suspended(now)).unwrap_or_default()
    }
}

thread_local! {
    /// Whether the last call that this thread polled yielded although it could go on.
    static YIELDED: Cell<bool> = const { Cell::new(false) };
}

/// Lets other tasks, timers and sockets run in the middle of a call of an actor's code. The time until the code goes on is
/// the host's: unlike other waits, it is not billed to the code.
pub async fn yield_to_others() {
    let mut others = pin!(tokio::task::yield_now());
    poll_fn(|cx| {
        let polled = others.as_mut().poll(cx);
        if polled.is_pending() {
            YIELDED.set(true);
        }
        polled
    })
    .await;
}

/// Whether the last call that this thread polled only let others run. Clears the mark.
pub(crate) fn take_yielded() -> bool {
    YIELDED.replace(false)
}
