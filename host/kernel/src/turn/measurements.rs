//! Counts and observations of an actor's own metrics, as the current message records them. Their order among the sends does not
//! show, so that they have a list of their own, and sends stay in runs.

use crate::actor::own_metrics::OwnMetrics;

/// Lists above this length are not kept for the next turn.
const KEPT: usize = 1 << 10;

/// The addition of a message to a metric.
#[derive(Clone, Copy)]
pub(super) enum Amount {
    Count(u64),
    Observed(f64),
}

impl Amount {
    /// Whether a metric takes it. A sum of observed values must not fall.
    pub(super) fn is_good(self) -> bool {
        match self {
            Self::Count(_) => true,
            Self::Observed(value) => value.is_finite() && value >= 0.0,
        }
    }
}

/// The counts and observations that are recorded and not yet committed.
#[derive(Default)]
pub(super) struct Measurements {
    /// Those of finished messages, then those of the current message.
    list: Vec<(u32, Amount)>,
    /// How many of `list` belong to finished messages.
    finished: usize,
}

impl Measurements {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether the current message, or the hook, recorded any.
    pub(super) fn has_current(&self) -> bool {
        self.list.len() > self.finished
    }

    pub(super) fn push(&mut self, metric: u32, amount: Amount) {
        self.list.push((metric, amount));
    }

    /// Keeps those of the current message, or of the hook, for the commit.
    #[inline]
    pub(super) fn finish(&mut self) {
        self.finished = self.list.len();
    }

    /// Drops those of the current message, or of the hook.
    pub(super) fn drop_current(&mut self) {
        self.list.truncate(self.finished);
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.finished = 0;
    }

    /// Makes those of finished messages visible.
    #[cold]
    pub(super) fn commit(&mut self, metrics: &OwnMetrics) {
        for (metric, amount) in self.list.drain(..self.finished) {
            match amount {
                Amount::Count(by) => metrics.count(metric, by),
                Amount::Observed(value) => metrics.observe(metric, value),
            }
        }
        self.finished = 0;
        if self.list.is_empty() && self.list.capacity() > KEPT {
            self.list = Vec::new();
        }
    }
}
