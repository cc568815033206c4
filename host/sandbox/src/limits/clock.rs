//! Measures the delay of the runtime's tasks and of the process's threads, which is the host's time and not the actors'.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use playhouse_kernel::HostClock;
use tokio::runtime::Handle;

use super::cpu::{TICK, thread_time};

/// The time between two beats of the runtime.
const PULSE: Duration = Duration::from_millis(20);
/// A beat of the runtime counts as late only beyond this delay.
const PULSE_SLACK: Duration = Duration::from_millis(5);
/// A beat of the process counts as late only beyond this delay: all its threads have to wait for a core sometimes.
const PROCESS_SLACK: Duration = Duration::from_millis(100);

/// A beat that is expected, and the sum of the delays of the beats before.
pub(crate) struct Beat {
    period: Duration,
    slack: Duration,
    state: Mutex<State>,
}

struct State {
    due: Instant,
    late: Duration,
}

impl Beat {
    /// The beat of the thread that ticks for the sandbox.
    pub(crate) fn of_the_process() -> Self {
        Self::new(TICK, PROCESS_SLACK, Instant::now())
    }

    fn new(period: Duration, slack: Duration, now: Instant) -> Self {
        Self { period, slack, state: Mutex::new(State { due: now + period, late: Duration::ZERO }) }
    }

    /// Notes a beat. The next one is due in one period.
    pub(crate) fn beat(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let overdue = self.overdue(&state, now);
        state.late += overdue;
        state.due = now + self.period;
    }

    /// The sum of the delays until now, that of the overdue beat included.
    fn late(&self, now: Instant) -> Duration {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.late + self.overdue(&state, now)
    }

    fn overdue(&self, state: &State, now: Instant) -> Duration {
        now.saturating_duration_since(state.due).saturating_sub(self.slack)
    }
}

/// The clock of a host: of its process, and of one runtime.
pub struct RunClock {
    process: Arc<Beat>,
    runtime: Arc<Beat>,
}

impl RunClock {
    /// Begins to measure a Tokio runtime, until the result is dropped.
    pub(crate) fn begin(process: Arc<Beat>, of: &Handle) -> Arc<Self> {
        let runtime = Arc::new(Beat::new(PULSE, PULSE_SLACK, Instant::now()));
        let beat = Arc::downgrade(&runtime);
        of.spawn(async move {
            loop {
                tokio::time::sleep(PULSE).await;
                let Some(beat) = beat.upgrade() else { return };
                beat.beat(Instant::now());
            }
        });
        Arc::new(Self { process, runtime })
    }
}

impl HostClock for RunClock {
    fn thread_time(&self) -> Duration {
        thread_time()
    }

    fn delayed(&self, now: tokio::time::Instant) -> Duration {
        self.runtime.late(now.into_std())
    }

    fn suspended(&self, now: tokio::time::Instant) -> Duration {
        self.process.late(now.into_std())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn beats_in_time_add_nothing_and_late_ones_their_delay() {
        let began = Instant::now();
        let beat = Beat::new(MS(20), MS(5), began);
        beat.beat(began + MS(24));
        assert_eq!(beat.late(began + MS(40)), Duration::ZERO);
        assert_eq!(beat.late(began + MS(149)), MS(100), "the beat was due at 44 ms");
        beat.beat(began + MS(149));
        assert_eq!(beat.late(began + MS(150)), MS(100));
        assert_eq!(beat.late(began + MS(1174)), MS(1100));
    }

    #[tokio::test]
    async fn clock_tells_how_long_the_runtime_was_kept_busy() {
        let clock = RunClock::begin(Arc::new(Beat::of_the_process()), &Handle::current());
        let before = clock.delayed(tokio::time::Instant::now());
        std::thread::sleep(MS(100));
        let busy = clock.delayed(tokio::time::Instant::now()).saturating_sub(before);
        assert!(busy >= MS(70), "{busy:?}");
    }
}
