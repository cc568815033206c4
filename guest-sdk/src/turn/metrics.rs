//! The numbers of the metrics that an actor has used.

use super::host::TurnHost;
use super::routes::same;
use crate::errors::MetricError;

/// Names of metrics, each resolved once. An actor has few, so that a search in order is short.
pub(super) struct Metrics {
    known: Vec<(Box<str>, u32)>,
}

impl Metrics {
    pub(super) const fn new() -> Self {
        Self { known: Vec::new() }
    }

    pub(super) fn find(&mut self, host: &impl TurnHost, name: &str) -> Result<u32, MetricError> {
        if let Some((_, number)) = self.known.iter().find(|(known, _)| same(known, name)) {
            return Ok(*number);
        }
        let number = host.metric(name)?;
        self.known.push((name.into(), number));
        Ok(number)
    }
}
