//! The families of actors' own metrics: one for each name that some actor counted, and one for each that some actor observed.
//!
//! The two have different fronts, and no name ends as a sample does (see `playhouse_kernel::MetricNames`). So a name means one
//! thing in the whole play, whatever other actors do: one that counts a name and one that observes it have a family each.

use std::collections::BTreeMap;

use playhouse_kernel::{ActorMetrics, OBSERVATION_BOUNDS, OwnMetric};

use crate::exposition::Exposition;
use crate::families::ACTOR;
use crate::family::{AnyFamily, Kind};

/// The front of the families of counted names.
pub const COUNTED: &str = "playhouse_counted_";
/// The front of the families of observed names.
pub const OBSERVED: &str = "playhouse_observed_";

/// The metric of one row, with the labels of that row.
type Row<'a> = ([&'a str; 2], &'a OwnMetric);

/// Adds the families of all names that were used, sorted by name: first the counted ones.
pub(crate) fn add(text: &mut Exposition, rows: &[(String, &ActorMetrics)]) {
    let mut names: BTreeMap<&str, Vec<Row<'_>>> = BTreeMap::new();
    for (actor, row) in rows {
        for (name, metric) in &row.totals.own {
            names.entry(name).or_default().push(([actor, &row.plugin], metric));
        }
    }
    for (name, rows) in &names {
        let mut counted = rows.iter().filter_map(|(labels, metric)| Some((labels, metric.counted?))).peekable();
        if counted.peek().is_none() {
            continue;
        }
        let (name, help) = (format!("{COUNTED}{name}"), format!("Sum of what actors counted as {name}."));
        let family = AnyFamily { name: &name, kind: Kind::Counter, unit: None, help: &help, labels: ACTOR };
        let mut samples = text.family(&family);
        for (labels, counted) in counted {
            samples.add(labels, counted);
        }
    }
    for (name, rows) in &names {
        let mut observed =
            rows.iter().filter_map(|(labels, metric)| Some((labels, metric.observed.as_ref()?))).peekable();
        if observed.peek().is_none() {
            continue;
        }
        let (name, help) = (format!("{OBSERVED}{name}"), format!("Values that actors observed as {name}."));
        let family = AnyFamily { name: &name, kind: Kind::Histogram, unit: None, help: &help, labels: ACTOR };
        let mut samples = text.family(&family);
        for (labels, observed) in observed {
            samples.add_histogram(labels, &OBSERVATION_BOUNDS, &observed.counts, observed.sum);
        }
    }
}
