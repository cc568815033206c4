//! The counts and observed values of an instance's own metrics. The incarnation alone writes them, at a commit, so that a count
//! is a load and a store; readers see each number for itself.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::words::metric_names::MetricNames;
use crate::words::observed::{OBSERVATION_CLASSES, Observed, OwnMetric, observation_class, observed_sum};
use crate::words::totals::ActorTotals;

/// The own metrics of one instance, by number.
pub(crate) struct OwnMetrics(Box<[Metric]>);

#[derive(Default)]
struct Metric {
    count: AtomicU64,
    /// Whether it was counted: a count of 0 shows, too.
    is_counted: AtomicBool,
    /// Boxed, since most names are either counted or observed.
    observed: OnceLock<Box<Observations>>,
}

#[derive(Default)]
struct Observations {
    counts: [AtomicU64; OBSERVATION_CLASSES],
    /// The bits of the sum.
    sum: AtomicU64,
}

impl OwnMetrics {
    /// No counts, for this number of names.
    pub(crate) fn new(names: usize) -> Self {
        Self(std::iter::repeat_with(Metric::default).take(names).collect())
    }

    /// Adds to the counter with this number.
    pub(crate) fn count(&self, metric: u32, by: u64) {
        let metric = &self.0[metric as usize];
        metric.count.store(metric.count.load(Relaxed).saturating_add(by), Relaxed);
        metric.is_counted.store(true, Relaxed);
    }

    /// Adds an observed value, which is finite and not negative.
    pub(crate) fn observe(&self, metric: u32, value: f64) {
        let observed = self.0[metric as usize].observed.get_or_init(Box::default);
        let count = &observed.counts[observation_class(value)];
        count.store(count.load(Relaxed) + 1, Relaxed);
        let sum = observed_sum(f64::from_bits(observed.sum.load(Relaxed)), value);
        observed.sum.store(sum.to_bits(), Relaxed);
    }

    /// Adds all metrics that were used to the totals, under their names.
    pub(crate) fn add_to(&self, names: &MetricNames, totals: &mut ActorTotals) {
        for (name, metric) in names.all().iter().zip(&self.0) {
            let counted = metric.is_counted.load(Relaxed).then(|| metric.count.load(Relaxed));
            let observed = metric.observed.get().map(|observed| {
                let counts = observed.counts.each_ref().map(|count| count.load(Relaxed));
                Box::new(Observed { counts, sum: f64::from_bits(observed.sum.load(Relaxed)) })
            });
            if counted.is_some() || observed.is_some() {
                totals.own.entry(name.clone()).or_default().add(&OwnMetric { counted, observed });
            }
        }
    }
}
