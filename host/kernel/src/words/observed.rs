//! The counts and the observed values of an actor's own metrics, as plain data.

/// The upper bounds of the classes of observed values: the default boundaries of OpenTelemetry, continued down to 0.001. One more
/// class has all larger values.
pub const OBSERVATION_BOUNDS: [f64; 25] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0,
    500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10_000.0,
];

/// Number of classes of observed values.
pub(crate) const OBSERVATION_CLASSES: usize = OBSERVATION_BOUNDS.len() + 1;

/// The class of a value: an index into [`OBSERVATION_BOUNDS`], or its length.
pub(crate) fn observation_class(value: f64) -> usize {
    OBSERVATION_BOUNDS.partition_point(|bound| *bound < value)
}

/// The sum of two sums of observed values, which stays a number.
pub(crate) fn observed_sum(sum: f64, more: f64) -> f64 {
    (sum + more).min(f64::MAX)
}

/// Observed values by class.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// The number of values in each class of [`OBSERVATION_BOUNDS`], and of larger ones.
    pub counts: [u64; OBSERVATION_CLASSES],
    /// The sum of all values.
    pub sum: f64,
}

/// One of an actor's own metrics, or the sum of those of several actors. A name is usually counted or observed, but may be both.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OwnMetric {
    /// The sum of all counts; none when the name was never counted.
    pub counted: Option<u64>,
    /// The observed values; none when there is none.
    pub observed: Option<Box<Observed>>,
}

impl OwnMetric {
    /// Adds the metric of another actor.
    pub fn add(&mut self, other: &Self) {
        if let Some(other) = other.counted {
            let counted = self.counted.get_or_insert_default();
            *counted = counted.saturating_add(other);
        }
        if let Some(other) = &other.observed {
            let observed = self.observed.get_or_insert_default();
            for (count, other) in observed.counts.iter_mut().zip(other.counts) {
                *count += other;
            }
            observed.sum = observed_sum(observed.sum, other.sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_belongs_to_the_first_bound_not_below_it() {
        assert!(OBSERVATION_BOUNDS.is_sorted());
        assert_eq!(observation_class(0.0), 0);
        assert_eq!(observation_class(0.001), 0);
        assert_eq!(observation_class(0.0011), 1);
        assert_eq!(observation_class(12.5), 13);
        assert_eq!(observation_class(f64::MAX), OBSERVATION_BOUNDS.len());
    }

    #[test]
    fn sums_never_fall_and_stay_numbers() {
        let most = OwnMetric { counted: Some(u64::MAX), observed: None };
        let observed = Observed { sum: f64::MAX, ..Observed::default() };
        let mut sum = OwnMetric { counted: Some(1), observed: Some(Box::new(observed)) };
        sum.add(&most);
        sum.add(&sum.clone());
        assert_eq!(sum.counted, Some(u64::MAX));
        assert_eq!(sum.observed.map(|observed| observed.sum), Some(f64::MAX));
    }
}
