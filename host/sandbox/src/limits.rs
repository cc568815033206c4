//! Bounds on what one incarnation may use: memory, summed over all it has, and CPU, by the clock of the sandbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use wasmtime::{ResourceLimiter, UpdateDeadline};

/// What one incarnation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all its memories and tables together. Default: 64 MiB.
    pub memory_bytes: u64,
    /// CPU time for one message, or for one hook. It may be exceeded by up to 10 ms. Default: 100 ms.
    pub cpu: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 64 << 20, cpu: Duration::from_millis(100) }
    }
}

/// The time between two ticks of the sandbox's clock.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// Bytes of one table element, as wasmtime stores it.
const ELEMENT_BYTES: u64 = 8;

/// Memories and tables of one store, against its limit.
pub(crate) struct MemoryLimiter {
    limit_bytes: u64,
    used_bytes: u64,
    /// Growth was refused while the present message was in hand: the trap that follows is most likely due to it.
    pub(crate) refused: bool,
}

impl MemoryLimiter {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, used_bytes: 0, refused: false }
    }

    pub(crate) fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    fn grow(&mut self, more_bytes: u64) -> bool {
        let wanted = self.used_bytes.saturating_add(more_bytes);
        let fits = wanted <= self.limit_bytes;
        if fits {
            self.used_bytes = wanted;
        } else {
            self.refused = true;
        }
        fits
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current) as u64))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow((desired.saturating_sub(current) as u64).saturating_mul(ELEMENT_BYTES)))
    }

    // A component is a handful of core modules; these bounds are far above that.
    fn instances(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }

    fn tables(&self) -> usize {
        64
    }
}

/// Counts the ticks that hit one incarnation while its code ran. Time in which it waits, for the executor or
/// for an answer, does not count.
///
/// A tick that follows right after the start may stand for almost no time, so the budget is only used up when
/// one tick more than it has been counted.
pub(crate) struct CpuMeter {
    clock: Arc<AtomicU64>,
    budget_ticks: u64,
    used_ticks: AtomicU64,
    /// The clock when the code was last let run.
    running_since: AtomicU64,
}

impl CpuMeter {
    pub(crate) fn new(clock: Arc<AtomicU64>, budget: Duration) -> Self {
        let budget_ticks = u64::try_from(budget.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX - 1);
        Self { clock, budget_ticks, used_ticks: AtomicU64::new(0), running_since: AtomicU64::new(0) }
    }

    /// A new message has the whole budget.
    pub(crate) fn restart(&self) {
        self.used_ticks.store(0, Relaxed);
        self.running_since.store(self.clock.load(Relaxed), Relaxed);
    }

    /// Polls a future that runs the guest, and counts the time that it takes.
    pub(crate) fn poll<T>(&self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.running_since.store(self.clock.load(Relaxed), Relaxed);
        let polled = poll(cx);
        if polled.is_pending() {
            self.count();
        }
        polled
    }

    /// What becomes of the guest that a tick interrupted: it yields to the others, or is over its budget.
    pub(crate) fn ticked(&self) -> UpdateDeadline {
        let (counted, used) = self.count();
        if used > self.budget_ticks {
            UpdateDeadline::Interrupt
        } else if counted == 0 {
            // The tick was one that passed while it waited.
            UpdateDeadline::Continue(1)
        } else {
            // Tokio's own yield lets timers and sockets have their turn as well.
            UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
        }
    }

    /// Returns the ticks since the last count, and all of this message.
    fn count(&self) -> (u64, u64) {
        let now = self.clock.load(Relaxed);
        let ticks = now.saturating_sub(self.running_since.swap(now, Relaxed));
        let used = self.used_ticks.load(Relaxed).saturating_add(ticks);
        self.used_ticks.store(used, Relaxed);
        (ticks, used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_count_together() {
        let mut limiter = MemoryLimiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.table_growing(0, 5, None).unwrap());
        assert!(!limiter.refused);
        assert!(!limiter.memory_growing(60, 61, None).unwrap());
        assert!(limiter.refused);
    }

    #[test]
    fn time_spent_waiting_is_not_cpu_time() {
        let clock = Arc::new(AtomicU64::new(7));
        let meter = CpuMeter::new(clock.clone(), Duration::from_millis(20));
        meter.restart();
        let tick = |ticks| clock.fetch_add(ticks, Relaxed);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for _ in 0..100 {
            let _ = meter.poll(&mut cx, |_| Poll::<()>::Pending);
            tick(5);
        }
        for (ticks, interrupted) in [(0, false), (1, false), (1, false), (1, true)] {
            let _ = meter.poll(&mut cx, |_| {
                tick(ticks);
                assert_eq!(matches!(meter.ticked(), UpdateDeadline::Interrupt), interrupted);
                Poll::<()>::Pending
            });
        }
        meter.restart();
        tick(1);
        assert!(matches!(meter.ticked(), UpdateDeadline::YieldCustom(1, _)));
    }
}
