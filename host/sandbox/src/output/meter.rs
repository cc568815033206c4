//! The bound on an actor's standard error in each second. Lines beyond it are left out, counted, and reported once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use playhouse_kernel::Address;
use tokio::time::Instant;

use super::receiver::{LeftOut, Output};
use crate::limits::Limits;

const PERIOD: Duration = Duration::from_secs(1);

/// Counts the lines on one actor's standard error, over all its incarnations.
pub(crate) struct LogMeter {
    most_lines: u64,
    most_bytes: u64,
    period: Mutex<Option<Box<Period>>>,
}

/// A second that begins with the first line after the previous period.
struct Period {
    end: Instant,
    lines: u64,
    bytes: u64,
    left_out: (u64, u64),
}

impl LogMeter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { most_lines: limits.log_lines, most_bytes: limits.log_bytes, period: Mutex::default() }
    }

    /// Whether a line of `bytes` may be written.
    pub(crate) fn admit(self: &Arc<Self>, bytes: usize, from: &Address, output: &Arc<dyn Output>) -> bool {
        let (bytes, now) = (bytes as u64 + 1, Instant::now());
        if self.lock().as_ref().is_some_and(|period| period.end <= now) {
            self.say(from, &**output);
            self.lock().take();
        }
        let mut period = self.lock();
        let period =
            period.get_or_insert_with(|| Box::new(Period { end: now + PERIOD, lines: 0, bytes: 0, left_out: (0, 0) }));
        // After the first line that is left out, all further lines of the second are left out too: the log has no hidden gaps.
        let fits = period.lines < self.most_lines && period.bytes.saturating_add(bytes) <= self.most_bytes;
        if fits && period.left_out.0 == 0 {
            period.lines += 1;
            period.bytes += bytes;
            return true;
        }
        if period.left_out.0 == 0 {
            self.say_at(period.end, from.clone(), Arc::downgrade(output));
        }
        period.left_out.0 += 1;
        period.left_out.1 += bytes;
        false
    }

    /// Reports at the end of the period, also when the actor writes no further line.
    fn say_at(self: &Arc<Self>, end: Instant, from: Address, output: Weak<dyn Output>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let meter = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep_until(end).await;
            if let Some((meter, output)) = meter.upgrade().zip(output.upgrade()) {
                meter.say(&from, &*output);
            }
        });
    }

    /// Reports the lines that were left out since the last report.
    pub(crate) fn say(&self, from: &Address, output: &dyn Output) {
        let said = self.lock().as_mut().map(|period| std::mem::take(&mut period.left_out));
        if let Some((lines, bytes)) = said.filter(|(lines, _)| *lines > 0) {
            output.left_out(from, LeftOut { lines, bytes, most_lines: self.most_lines, most_bytes: self.most_bytes });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Period>>> {
        self.period.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::origin::LineOrigin;
    use super::*;

    #[derive(Default)]
    struct Said(Mutex<Vec<LeftOut>>);

    impl Output for Said {
        fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
        fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
        fn left_out(&self, _: &Address, left_out: LeftOut) {
            self.0.lock().expect("no test panics here").push(left_out);
        }
    }

    impl Said {
        fn all(&self) -> Vec<(u64, u64)> {
            self.0.lock().expect("no test panics here").iter().map(|said| (said.lines, said.bytes)).collect()
        }
    }

    fn meter(log_lines: u64, log_bytes: u64) -> (Arc<LogMeter>, Arc<Said>, Arc<dyn Output>) {
        let said = Arc::new(Said::default());
        let meter = LogMeter::new(&Limits { log_lines, log_bytes, ..Limits::default() });
        (Arc::new(meter), said.clone(), said)
    }

    #[tokio::test(start_paused = true)]
    async fn lines_beyond_the_limit_are_counted_and_reported_once() {
        let (meter, said, output) = meter(3, 1000);
        let admit = |bytes| meter.admit(bytes, &Address::root(), &output);
        for second in 1..=2 {
            assert_eq!([4; 10].map(admit), [true, true, true, false, false, false, false, false, false, false]);
            assert_eq!(said.all().len(), second - 1);
            tokio::time::sleep(PERIOD).await;
            tokio::task::yield_now().await;
            assert_eq!(said.all(), vec![(7, 35); second]);
        }
        tokio::time::sleep(PERIOD * 10).await;
        assert_eq!(said.all().len(), 2, "nothing more is left out");
    }

    #[tokio::test(start_paused = true)]
    async fn lines_after_the_first_left_out_line_are_left_out_too() {
        let (meter, said, output) = meter(100, 20);
        let admit = |bytes| meter.admit(bytes, &Address::root(), &output);
        assert!(admit(9) && !admit(10) && !admit(1));
        meter.say(&Address::root(), &*output);
        assert_eq!(said.all(), [(2, 13)]);
    }
}
