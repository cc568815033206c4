//! Bounds on one incarnation: memory, summed over all its memories and tables, and CPU time, by the clock of the sandbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use playhouse_kernel::Bounds;
use wasmtime::{ResourceLimiter, UpdateDeadline};

use crate::accounts::{Account, Held};
use crate::footprint::{ELEMENT_BYTES, MOST_CORE_INSTANCES, MOST_MEMORIES, MOST_TABLE_ELEMENTS, MOST_TABLES};

/// The limits of one incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all its memories and tables together. Default: 64 MiB.
    pub memory_bytes: u64,
    /// CPU time for one message, or for one hook; a call with several messages has this time for each of them. A call may
    /// exceed the limit by up to 10 ms. Default: 100 ms.
    pub cpu: Duration,
    /// Open resources: streams, files, pollables, errors. Default: 1024.
    pub resources: usize,
    /// Lines on its standard error, each second, over all its incarnations. Default: 1000.
    pub log_lines: u64,
    /// Bytes on its standard error, each second, over all its incarnations. Default: 1 MiB.
    pub log_bytes: u64,
    /// Bytes that the host keeps of an HTTP request without its body: method, scheme, authority, path with query, fields and
    /// trailers. All requests and fields at a time may have 64 times as many bytes. Default: 64 KiB.
    pub request_head_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            cpu: Duration::from_millis(100),
            resources: 1024,
            log_lines: 1000,
            log_bytes: 1 << 20,
            request_head_bytes: 64 << 10,
        }
    }
}

impl Limits {
    /// The smaller of both values, for each limit.
    #[must_use]
    pub fn within(self, bounds: &Bounds) -> Self {
        Self {
            memory_bytes: self.memory_bytes.min(bounds.memory_bytes),
            cpu: self.cpu.min(bounds.cpu),
            resources: self.resources.min(bounds.resources),
            log_lines: self.log_lines.min(bounds.log_lines),
            log_bytes: self.log_bytes.min(bounds.log_bytes),
            request_head_bytes: self.request_head_bytes.min(bounds.request_head_bytes),
        }
    }

    /// The bounds of the actors that it spawns.
    pub(crate) fn bounds(self) -> Bounds {
        let Self { memory_bytes, cpu, resources, log_lines, log_bytes, request_head_bytes } = self;
        Bounds { memory_bytes, cpu, resources, log_lines, log_bytes, request_head_bytes, ..Bounds::NONE }
    }
}

/// The time between two ticks of the sandbox's clock.
pub(crate) const TICK: Duration = Duration::from_millis(10);
const TICK_NS: u64 = 10_000_000;

/// Memories and tables of one store, against its limit.
pub(crate) struct MemoryLimiter {
    limit_bytes: u64,
    held: Arc<Held>,
    /// The part of the held bytes that was counted for the present growth.
    growing_bytes: u64,
    /// The refusal of a growth during the current message: a trap that follows is most likely due to it.
    pub(crate) refused: Option<Refused>,
    /// `limits.resources`, and below it `play.limits.stack`: for reports only, since wasmtime enforces both.
    pub(crate) most_resources: usize,
    pub(crate) stack_bytes: usize,
}

/// The limit that refused a growth.
#[derive(Debug, Clone)]
pub(crate) enum Refused {
    /// All memories and tables together would be larger than the limit.
    Memory,
    /// The use that an account counts together would be larger than its limit.
    Account(Arc<Account>),
    /// One table would be larger than a table of the pool.
    Table,
}

impl MemoryLimiter {
    pub(crate) fn new(limits: &Limits, held: Arc<Held>, stack_bytes: usize) -> Self {
        let (limit_bytes, most_resources) = (limits.memory_bytes, limits.resources);
        Self { limit_bytes, held, growing_bytes: 0, refused: None, most_resources, stack_bytes }
    }

    pub(crate) fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// Wasmtime refuses a growth beyond `maximum` in any case, so such a growth is not counted here.
    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>, each_bytes: u64) -> bool {
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.growing_bytes = 0;
            return true;
        }
        let more_bytes = (desired.saturating_sub(current) as u64).saturating_mul(each_bytes);
        self.growing_bytes = 0;
        if self.held.bytes().saturating_add(more_bytes) > self.limit_bytes {
            self.refused = Some(Refused::Memory);
        } else if let Err(account) = self.held.grow(more_bytes) {
            self.refused = Some(Refused::Account(account));
        } else {
            self.growing_bytes = more_bytes;
            return true;
        }
        false
    }

    /// Takes back the count of a granted growth for which the system had no memory.
    fn grow_failed(&mut self) {
        self.held.shrink(std::mem::take(&mut self.growing_bytes));
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, maximum, 1))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.grow_failed();
        Ok(())
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.grow_failed();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // A growth beyond a smaller maximum meets the guest's own bound, not the pool's.
        if desired > MOST_TABLE_ELEMENTS && maximum == Some(MOST_TABLE_ELEMENTS) {
            self.refused = Some(Refused::Table);
        }
        Ok(self.grow(current, desired, maximum, ELEMENT_BYTES))
    }

    fn instances(&self) -> usize {
        MOST_CORE_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        MOST_MEMORIES as usize
    }

    fn tables(&self) -> usize {
        MOST_TABLES as usize
    }
}

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
}

/// The first polls of a call, around which the thread's clock is not read.
const UNREAD_POLLS: u32 = 4;

/// The bits of [`CpuMeter::host`] that hold a time, up to three days. The other bits hold a number that wraps around.
const HOST_NS: u64 = (1 << 48) - 1;

/// The message that a host call on another thread is billed to.
#[derive(Clone, Copy)]
pub(crate) struct Bill(u64);

impl CpuMeter {
    pub(crate) fn new(clock: Arc<AtomicU64>, budget: Duration) -> Self {
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
        let add = |host: u64| {
            let sum_ns = (host & HOST_NS).saturating_add(more_ns).min(HOST_NS);
            (host & !HOST_NS == to.0).then_some(to.0 | sum_ns)
        };
        let _ = self.host.try_update(Relaxed, Relaxed, add);
        done
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

    #[test]
    fn limits_within_bounds_are_the_narrower_of_both() {
        let ms = Duration::from_millis;
        let limits =
            Limits { memory_bytes: 10, cpu: ms(10), resources: 5, log_lines: 7, log_bytes: 8, request_head_bytes: 4 };
        let bounds = Bounds {
            memory_bytes: 5,
            cpu: ms(20),
            resources: 6,
            log_lines: 1,
            log_bytes: 9,
            request_head_bytes: 3,
            ..Bounds::NONE
        };
        let both = Limits { memory_bytes: 5, log_lines: 1, request_head_bytes: 3, ..limits };
        assert_eq!(limits.within(&bounds), both);
        assert_eq!(limits.within(&Bounds::NONE), limits);
        assert_eq!(Limits::default().within(&both.bounds()), both);
    }

    fn limiter(memory_bytes: u64, account_bytes: u64) -> MemoryLimiter {
        let account = Arc::new(Account::new("the test", account_bytes, None));
        MemoryLimiter::new(&Limits { memory_bytes, ..Limits::default() }, Held::new(&account), 0)
    }

    #[test]
    fn account_refuses_a_growth_within_the_own_limit() {
        let mut limiter = limiter(100, 50);
        assert!(!limiter.memory_growing(0, 60, None).expect("it never fails"));
        assert!(matches!(&limiter.refused, Some(Refused::Account(account)) if account.key == "the test"));
        assert!(limiter.memory_growing(0, 50, None).expect("it never fails"));
    }

    #[test]
    fn growth_that_the_system_refuses_is_not_counted() {
        let mut limiter = limiter(100, 100);
        for _ in 0..3 {
            assert!(limiter.memory_growing(0, 60, None).expect("it never fails"));
            limiter.memory_grow_failed(wasmtime::Error::msg("no memory")).expect("it never fails");
        }
        assert!(limiter.memory_growing(0, 60, None).expect("it never fails"));
        assert!(limiter.memory_growing(60, 110, Some(100)).expect("it never fails"), "wasmtime refuses it");
        limiter.memory_grow_failed(wasmtime::Error::msg("over its maximum")).expect("it never fails");
        assert_eq!(limiter.held.bytes(), 60);
    }

    #[test]
    fn memories_and_tables_count_together() {
        let mut limiter = limiter(100, u64::MAX);
        assert!(limiter.memory_growing(0, 60, None).expect("it never fails"));
        assert!(limiter.table_growing(0, 5, None).expect("it never fails"));
        assert!(limiter.refused.is_none());
        assert!(!limiter.memory_growing(60, 61, None).expect("it never fails"));
        assert!(matches!(limiter.refused, Some(Refused::Memory)));
    }

    #[test]
    fn growth_beyond_the_own_maximum_is_not_counted() {
        let mut limiter = limiter(100, u64::MAX);
        for _ in 0..10 {
            assert!(limiter.memory_growing(10, 60, Some(50)).expect("it never fails"));
        }
        assert!(limiter.memory_growing(0, 100, None).expect("it never fails"));
        assert!(limiter.refused.is_none());
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
        let meter = CpuMeter::new(clock.clone(), Duration::from_millis(20));
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
        let meter = CpuMeter::new(clock.clone(), Duration::from_millis(1));
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
        let meter = CpuMeter::new(clock.clone(), Duration::from_millis(1));
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
        let meter = CpuMeter::new(clock.clone(), Duration::from_millis(1));
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
    fn abandoned_call_is_billed_to_no_later_message() {
        let meter = CpuMeter::new(Arc::default(), Duration::from_millis(1));
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
