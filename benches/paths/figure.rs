//! The figures of one run of one workload: wall and CPU time, times of single requests, and memory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::body;

/// The measured quantities. Less is better for all of them but `Units`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// Wall-clock nanoseconds for each unit of work.
    Wall,
    /// User and system nanoseconds of the whole process for each unit of work.
    Cpu,
    /// Nanoseconds of a single request, at three percentiles.
    P50,
    P99,
    P999,
    /// Bytes of resident memory for each unit of work.
    Rss,
    /// Units of work.
    Units,
}

impl Metric {
    pub(crate) const ALL: [Self; 7] = [Self::Wall, Self::Cpu, Self::P50, Self::P99, Self::P999, Self::Rss, Self::Units];

    /// The metric's name in JSON.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Wall => "wall_ns",
            Self::Cpu => "cpu_ns",
            Self::P50 => "p50_ns",
            Self::P99 => "p99_ns",
            Self::P999 => "p999_ns",
            Self::Rss => "rss_bytes",
            Self::Units => "units",
        }
    }
}

/// The figures of one run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Figures(pub(crate) BTreeMap<Metric, f64>);

impl Figures {
    /// The figures as one line of JSON, for the process that started this run.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        self.0.iter().map(|(metric, value)| (metric.key().to_owned(), serde_json::json!(value))).collect()
    }

    /// Reads such a line back.
    pub(crate) fn of_json(line: &str) -> Result<Self> {
        let values: serde_json::Value =
            serde_json::from_str(line).with_context(|| format!("`{line}` is no figures"))?;
        let read = |metric: Metric| Some((metric, values[metric.key()].as_f64()?));
        Ok(Self(Metric::ALL.into_iter().filter_map(read).collect()))
    }

    /// Adds percentiles of these.
    pub(crate) fn with_times(mut self, mut times: Vec<Duration>) -> Self {
        times.sort();
        for (metric, per_mille) in [(Metric::P50, 500), (Metric::P99, 990), (Metric::P999, 999)] {
            // With at least a thousand samples, the last percentile is not the largest sample.
            let index = (times.len() * per_mille / 1000).min(times.len().saturating_sub(1));
            if let Some(time) = times.get(index) {
                self.0.insert(metric, time.as_nanos() as f64);
            }
        }
        self
    }

    /// Adds one figure.
    pub(crate) fn with(mut self, metric: Metric, value: f64) -> Self {
        self.0.insert(metric, value);
        self
    }
}

/// A clock of the wall and CPU time since its start.
pub(crate) struct Clock {
    wall: Instant,
    cpu: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_time() }
    }

    /// The figures for each of `units` since the start.
    pub(crate) fn figures(&self, units: u64) -> Figures {
        let (wall, cpu) = (self.wall.elapsed(), cpu_time().saturating_sub(self.cpu));
        let each = |time: Duration| time.as_nanos() as f64 / units.max(1) as f64;
        let figures = [(Metric::Wall, each(wall)), (Metric::Cpu, each(cpu)), (Metric::Units, units as f64)];
        Figures(figures.into_iter().collect())
    }
}

/// User and system time of this process so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Resident memory of this process.
pub(crate) fn rss_bytes() -> Result<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    Ok(pages.context("/proc/self/statm has no second number")? * rustix::param::page_size() as f64)
}

/// Checks the counting actor's report of data bodies, `count` of each sender.
pub(crate) fn check_sum(answer: &[u8], senders: u64, count: u64, bytes: usize) -> Result<()> {
    // The sum of the numbers from 0 to `count - 1`, each shifted up by one byte, and `count` times the words that all bodies
    // share.
    let numbers = (u128::from(count) * u128::from(count.saturating_sub(1)) / 2) << 8;
    let sum = count.wrapping_mul(body::sum(&body::template(bytes))).wrapping_add(numbers as u64);
    let (answer, expected) = (String::from_utf8_lossy(answer), (count * senders, sum.wrapping_mul(senders)));
    let expected = format!("{} {}", expected.0, expected.1);
    ensure!(answer == expected, "`{answer}` arrived (count and sum) instead of `{expected}`");
    Ok(())
}

/// The numbered body of an ask; the reply must have the same bytes.
pub(crate) fn question(number: u64) -> Vec<u8> {
    let mut body = body::template(64);
    body::set_number(&mut body, number);
    body
}
