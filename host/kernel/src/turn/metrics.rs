//! The calls by which an actor counts and observes, with their checks.

use super::Turn;
use super::measurements::Amount;
use crate::words::address::Address;
use crate::words::overrun::Overrun;

/// Why a count or an observation was not recorded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The plan does not declare the name.
    #[error("`{actor}` has no metric `{}`: add the name to `metrics` of {place}", name.escape_debug())]
    Undeclared {
        /// The name.
        name: String,
        /// The actor.
        actor: Address,
        /// The place where its names are declared.
        place: String,
    },
    /// The number was never given out.
    #[error("`{actor}` has no metric with the number {metric}")]
    UnknownNumber {
        /// The number.
        metric: u32,
        /// The actor.
        actor: Address,
    },
    /// The value is no number, is not finite, or is negative.
    #[error("`{name}` of `{actor}` cannot observe {value}: a value is finite and not negative")]
    BadValue {
        /// The metric.
        name: String,
        /// The actor.
        actor: Address,
        /// The value.
        value: f64,
    },
    /// The turn does more than its limits allow, and will not be committed.
    #[error("more than {0}")]
    Overrun(#[from] Overrun),
}

impl Turn {
    /// Records that the current message adds `by` to a metric of this actor's own, which the plan declares
    /// ([`crate::ActorSpec::metrics`]).
    pub fn count(&mut self, name: &str, by: u64) -> Result<(), MetricError> {
        let metric = self.metric(name)?;
        self.count_metric(metric, by)
    }

    /// Records that the current message observed a value of a metric of this actor's own. The value is finite and not negative.
    pub fn observe(&mut self, name: &str, value: f64) -> Result<(), MetricError> {
        let metric = self.metric(name)?;
        self.observe_metric(metric, value)
    }

    /// The number of a metric of this actor's own, for [`Turn::count_metric`] and [`Turn::observe_metric`]. All incarnations have
    /// the same number for a name.
    pub fn metric(&self, name: &str) -> Result<u32, MetricError> {
        self.actor.spec.metrics.number(name).ok_or_else(|| self.undeclared(name))
    }

    /// As [`Turn::count`], by number.
    pub fn count_metric(&mut self, metric: u32, by: u64) -> Result<(), MetricError> {
        self.measure(metric, Amount::Count(by))
    }

    /// As [`Turn::observe`], by number.
    pub fn observe_metric(&mut self, metric: u32, value: f64) -> Result<(), MetricError> {
        self.measure(metric, Amount::Observed(value))
    }

    fn measure(&mut self, metric: u32, amount: Amount) -> Result<(), MetricError> {
        let actor = self.address();
        let Some(name) = self.actor.spec.metrics.all().get(metric as usize) else {
            return Err(MetricError::UnknownNumber { metric, actor: actor.clone() });
        };
        if let Amount::Observed(value) = amount
            && !amount.is_good()
        {
            return Err(MetricError::BadValue { name: name.to_string(), actor: actor.clone(), value });
        }
        Ok(self.record_measurement(metric, amount)?)
    }

    /// Records an amount for a metric; both were checked.
    pub(super) fn record_measurement(&mut self, metric: u32, amount: Amount) -> Result<(), Overrun> {
        self.budget.admit(&self.actor.spec, 0, self.measurements.len())?;
        self.measurements.push(metric, amount);
        Ok(())
    }

    #[cold]
    fn undeclared(&self, name: &str) -> MetricError {
        let plugin = self.actor.spec.code.plugin();
        let place = if plugin.starts_with("native:") {
            "its ActorSpec".to_owned()
        } else if self.actor.spawned.is_some() {
            format!("[[plugin]] `{plugin}` in the manifest")
        } else {
            "its [[actor]] in the manifest".to_owned()
        };
        MetricError::Undeclared { name: name.to_owned(), actor: self.address().clone(), place }
    }
}
