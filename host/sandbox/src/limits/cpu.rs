//! The CPU time of one incarnation, by the clock of the sandbox and by the clock of the thread.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use playhouse_kernel::ResourceUse;
use wasmtime::UpdateDeadline;

/// The time between two ticks of the sandbox's clock.
pub(crate) const TICK: Duration = Duration::from_millis(10);
const TICK_NS: u64 = 10_000_000;

/// Counts the CPU time of one incarnation while its code runs. Time in which it waits, for the executor or for an
/// answer, does not count.
///
/// A tick stands for at most one tick of CPU time, even if it is noticed late: a thread that was preempted did not
/// work meanwhile. Once a call continues after its first tick, or after its first few waits, the thread's own CPU clock is read
/// at each tick and around each poll. So long steps without a check, such as copies of a whole memory, count in full, and
/// so do short steps between waits that end at once. The first tick may stand for almost no time, so the budget is used up only
/// when one tick more than the budget has been counted.
pub(crate) struct CpuMeter {
    clock: Arc<AtomicU64>,
    /// The budget of one message.
    each_ns: u64,
    /// The budget of all messages of this call.
    budget_ns: AtomicU64,
    used_ns: AtomicU64,
    /// The clock when the code last began to run, or was last counted.
    running_since: AtomicU64,
    /// The number of polls of this call.
    polls: AtomicU32,
    /// The thread's CPU clock at the time of `running_since`; 0 when it was not read.
    thread_ns: AtomicU64,
    /// CPU time of this message's host calls on other threads in the low bits, and the number of the message in the high bits: a
    /// call that ends after its message is not counted.
    host: AtomicU64,
    /// The counts of the actor, for readers. A call adds to them what this meter counts, at ticks and waits alone: the first
    /// tick of a call stands for the time before it and for the time after the last one, so that the sum of many short calls
    /// is right on average.
    uses: Mutex<Arc<ResourceUse>>,
}

/// The first polls of a call, around which the thread's clock is not read.
const UNREAD_POLLS: u32 = 4;

/// The bits of [`CpuMeter::host`] that hold a time, up to three days. The other bits hold a number that wraps around.
const HOST_NS: u64 = (1 << 48) - 1;

/// The message that a host call on another thread is billed to.
#[derive(Clone, Copy)]
pub(crate) struct Bill(u64);

impl CpuMeter {
    pub(crate) fn new(clock: Arc<AtomicU64>, budget: Duration, uses: Arc<ResourceUse>) -> Self {
        let each_ns = u64::try_from(budget.as_nanos()).unwrap_or(u64::MAX);
        Self {
            clock,
            each_ns,
            budget_ns: AtomicU64::new(each_ns),
            used_ns: AtomicU64::new(0),
            running_since: AtomicU64::new(0),
            polls: AtomicU32::new(0),
            thread_ns: AtomicU64::new(0),
            host: AtomicU64::new(0),
            uses: Mutex::new(uses),
        }
    }

    /// Starts a call, in which each message has the whole budget.
    pub(crate) fn restart(&self, messages: u32) {
        self.budget_ns.store(self.each_ns.saturating_mul(u64::from(messages)), Relaxed);
        self.used_ns.store(0, Relaxed);
        self.host.store((self.host.load(Relaxed) | HOST_NS).wrapping_add(1), Relaxed);
        self.running_since.store(self.clock.load(Relaxed), Relaxed);
        self.polls.store(0, Relaxed);
    }

    /// Polls a future that runs the guest, and counts the time that it takes.
    pub(crate) fn poll<T>(&self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.running_since.store(self.clock.load(Relaxed), Relaxed);
        // Reading the thread's clock costs a system call. A call that ends before its first tick and waits only a few times skips
        // it.
        let polls = self.polls.load(Relaxed);
        self.polls.store(polls.saturating_add(1), Relaxed);
        let long = polls >= UNREAD_POLLS || self.used_ns.load(Relaxed) > 0;
        self.thread_ns.store(if long { thread_ns() } else { 0 }, Relaxed);
        let polled = poll(cx);
        if polled.is_pending() {
            self.count();
        }
        polled
    }

    /// The bill for a host call that begins now.
    pub(crate) fn open_bill(&self) -> Bill {
        Bill(self.host.load(Relaxed) & !HOST_NS)
    }

    /// Runs a host call on this thread, which is not the guest's, and counts its CPU time as the guest's, unless the message has
    /// ended by then.
    pub(crate) fn bill<T>(&self, to: Bill, call: impl FnOnce() -> T) -> T {
        let before_ns = thread_ns();
        let done = call();
        let more_ns = thread_ns().saturating_sub(before_ns);
        self.uses().add_cpu_ns(more_ns);
        let add = |host: u64| {
            let sum_ns = (host & HOST_NS).saturating_add(more_ns).min(HOST_NS);
            (host & !HOST_NS == to.0).then_some(to.0 | sum_ns)
        };
        let _ = self.host.try_update(Relaxed, Relaxed, add);
        done
    }

    /// The counts of the actor.
    pub(crate) fn uses(&self) -> Arc<ResourceUse> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts for another actor from now on.
    pub(crate) fn count_for(&self, uses: &Arc<ResourceUse>) {
        let mut counted = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&counted, uses) {
            counted.clone_from(uses);
        }
    }

    /// The budget of the call that runs.
    pub(crate) fn budget(&self) -> Duration {
        Duration::from_nanos(self.budget_ns.load(Relaxed))
    }

    /// Decides about the guest that a tick interrupted: it continues, yields to other tasks, or is over its budget.
    pub(crate) fn ticked(&self) -> UpdateDeadline {
        let (ticks, used_ns) = self.count();
        let used_ns = used_ns.saturating_add(self.host.load(Relaxed) & HOST_NS);
        if used_ns >= self.budget_ns.load(Relaxed).saturating_add(TICK_NS) {
            UpdateDeadline::Interrupt
        } else if ticks == 0 {
            // The tick happened while the guest waited.
            UpdateDeadline::Continue(1)
        } else {
            // Timers and sockets get to run, and their time is not counted as the guest's.
            UpdateDeadline::YieldCustom(1, Box::pin(playhouse_kernel::yield_to_others()))
        }
    }

    /// Returns the ticks since the last count, and the CPU time of this message.
    fn count(&self) -> (u64, u64) {
        let now = self.clock.load(Relaxed);
        let ticks = now.saturating_sub(self.running_since.swap(now, Relaxed));
        let before_ns = self.thread_ns.load(Relaxed);
        if ticks == 0 && before_ns == 0 {
            return (0, self.used_ns.load(Relaxed));
        }
        let more_ns = if before_ns == 0 {
            TICK_NS
        } else {
            let thread_ns = thread_ns();
            self.thread_ns.store(thread_ns, Relaxed);
            thread_ns.saturating_sub(before_ns)
        };
        let used_ns = self.used_ns.load(Relaxed).saturating_add(more_ns);
        self.used_ns.store(used_ns, Relaxed);
        self.uses().add_cpu_ns(more_ns);
        (ticks, used_ns)
    }
}

/// CPU time of this thread so far.
pub(crate) fn thread_time() -> Duration {
    Duration::from_nanos(thread_ns())
}

fn thread_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(clock: &Arc<AtomicU64>, budget_ms: u64) -> CpuMeter {
        CpuMeter::new(clock.clone(), Duration::from_millis(budget_ms), Arc::default())
    }

    fn poll(meter: &CpuMeter, ran: impl FnOnce()) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _ = meter.poll(&mut cx, |_| {
            ran();
            Poll::<()>::Pending
        });
    }

    #[test]
    fn time_spent_waiting_is_not_cpu_time() {
        let clock = Arc::new(AtomicU64::new(7));
        let meter = meter(&clock, 20);
        meter.restart(1);
        for _ in 0..100 {
            poll(&meter, || {});
            clock.fetch_add(5, Relaxed);
        }
        poll(&meter, || assert!(matches!(meter.ticked(), UpdateDeadline::Continue(1))));
    }

    #[test]
    fn late_tick_counts_once_and_long_call_by_thread_clock() {
        let clock = Arc::new(AtomicU64::new(7));
        let meter = meter(&clock, 1);
        meter.restart(1);
        poll(&meter, || {
            clock.fetch_add(1000, Relaxed);
            assert!(matches!(meter.ticked(), UpdateDeadline::YieldCustom(1, _)), "it may have been preempted");
        });
        poll(&meter, || {
            let began = thread_ns();
            while thread_ns() - began < 2_000_000 {}
            clock.fetch_add(1, Relaxed);
            assert!(matches!(meter.ticked(), UpdateDeadline::Interrupt));
        });
        meter.restart(1);
        poll(&meter, || {
            clock.fetch_add(1, Relaxed);
            assert!(matches!(meter.ticked(), UpdateDeadline::YieldCustom(1, _)), "a new message has the whole budget");
        });
        meter.restart(64);
        assert_eq!(meter.budget(), Duration::from_millis(64));
    }

    #[test]
    fn meter_counts_short_steps_between_waits_that_are_over_at_once() {
        let clock = Arc::new(AtomicU64::new(7));
        let meter = meter(&clock, 1);
        meter.restart(1);
        let step = || {
            let began = thread_ns();
            while thread_ns() - began < 1_000_000 {}
        };
        for _ in 0..UNREAD_POLLS + 12 {
            poll(&meter, step);
        }
        poll(&meter, || {
            clock.fetch_add(1, Relaxed);
            assert!(matches!(meter.ticked(), UpdateDeadline::Interrupt));
        });
    }

    #[test]
    fn meter_counts_host_calls_on_other_threads() {
        let clock = Arc::new(AtomicU64::new(7));
        let meter = meter(&clock, 1);
        meter.restart(1);
        let call = || {
            let began = thread_ns();
            while thread_ns() - began < 12_000_000 {}
        };
        let bill = meter.open_bill();
        std::thread::scope(|threads| drop(threads.spawn(|| meter.bill(bill, call)).join()));
        poll(&meter, || assert!(matches!(meter.ticked(), UpdateDeadline::Interrupt)));
        meter.restart(1);
        poll(&meter, || {
            assert!(matches!(meter.ticked(), UpdateDeadline::Continue(1)), "they belonged to the previous message");
        });
    }

    #[test]
    fn sum_of_all_calls_grows_by_ticks_and_waits() {
        let clock = Arc::new(AtomicU64::new(7));
        let meter = meter(&clock, 1000);
        let sum = || meter.uses().read().cpu;
        for _ in 0..3 {
            meter.restart(1);
            poll(&meter, || {});
        }
        assert_eq!(sum(), Duration::ZERO, "no tick came");
        for calls in 1..=3_u32 {
            meter.restart(1);
            poll(&meter, || {
                clock.fetch_add(1, Relaxed);
                meter.ticked();
            });
            assert_eq!(sum(), TICK * calls);
        }
        meter.bill(meter.open_bill(), || {
            let began = thread_ns();
            while thread_ns() - began < 2_000_000 {}
        });
        assert!(sum() >= TICK * 3 + Duration::from_millis(2));
    }

    #[test]
    fn abandoned_call_is_billed_to_no_later_message() {
        let meter = meter(&Arc::default(), 1);
        let call = || {
            let began = thread_ns();
            while thread_ns() - began < 2_000_000 {}
        };
        let bill = meter.open_bill();
        meter.bill(bill, call);
        assert!(meter.host.load(Relaxed) & HOST_NS >= 2_000_000);
        meter.restart(1);
        meter.bill(bill, call);
        assert_eq!(meter.host.load(Relaxed) & HOST_NS, 0);
        // The number of the message wraps around.
        for _ in 1..1 << 16 {
            meter.restart(1);
        }
        meter.bill(bill, || ());
        assert_eq!(meter.open_bill().0, bill.0);
    }
}
