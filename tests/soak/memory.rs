//! Samples of the process as the system sees it, and the check that its memory is flat.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Maximum growth from the middle to the end. A leak of one page in ten crashes exceeds it in the shortest soak; a leak of a
/// hundred bytes for each crash exceeds it in a soak of a minute.
const MOST_GROWTH_KB: u64 = 4 << 10;

/// The process at one time.
pub(crate) struct Sample {
    pub(crate) at: Duration,
    crashes: u64,
    rss_kb: u64,
    threads: u64,
    files: u64,
}

impl Sample {
    pub(crate) fn of_now(at: Duration, crashes: u64) -> Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).with_context(|| format!("no {key}"))
        };
        let files = std::fs::read_dir("/proc/self/fd").context("/proc/self/fd")?.count() as u64;
        Ok(Self { at, crashes, rss_kb: number("VmRSS:")?, threads: number("Threads:")?, files })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, crashes, rss_kb, .. } = self;
        let rate = *crashes as f64 / at.as_secs_f64();
        write!(f, "{:>5.1} s {crashes:>9} {rate:>10.0} {:>5.1} MB", at.as_secs_f64(), *rss_kb as f64 / 1024.0)
    }
}

/// All samples of a soak, in order.
#[derive(Default)]
pub(crate) struct Curve(Vec<Sample>);

impl Curve {
    pub(crate) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// The medians of the second fifth, when all caches are filled, and of the last fifth. A single sample depends on the objects
    /// that are alive at that moment, and on when the heap gives pages back.
    fn middle_and_end(&self, of: impl Fn(&Sample) -> u64) -> (u64, u64) {
        let median = |from: usize, to: usize| {
            let mut values: Vec<_> = self.0[self.0.len() * from / 5..self.0.len() * to / 5].iter().map(&of).collect();
            values.sort_unstable();
            values[values.len() / 2]
        };
        (median(1, 2), median(4, 5))
    }

    pub(crate) fn check(&self) -> Result<()> {
        ensure!(self.0.len() >= 50, "{} samples say nothing", self.0.len());
        let (middle, end) = self.middle_and_end(|sample| sample.rss_kb);
        let grown = end.saturating_sub(middle);
        ensure!(grown <= MOST_GROWTH_KB, "RSS grew by {grown} kB, and {MOST_GROWTH_KB} kB are allowed");
        let (middle, end) = self.middle_and_end(|sample| sample.threads);
        ensure!(end <= middle, "{middle} threads became {end}");
        let (middle, end) = self.middle_and_end(|sample| sample.files);
        ensure!(end <= middle, "{middle} open files became {end}");
        Ok(())
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(last) = self.0.last() else { return Ok(()) };
        let (middle, end) = self.middle_and_end(|sample| sample.rss_kb);
        let (crashes, rate) = (last.crashes, last.crashes as f64 / last.at.as_secs_f64());
        write!(f, "{crashes} crashes, {rate:.0} a second; RSS {middle} kB after the warm-up and {end} kB at the end")
    }
}
