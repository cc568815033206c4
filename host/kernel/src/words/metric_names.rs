//! The names of an actor's own metrics, as the plan declares them.

use std::sync::Arc;

/// Maximum number of metrics of an actor's own.
pub const MAX_METRICS: usize = 32;
/// Maximum bytes of the name of such a metric.
pub const MAX_METRIC_NAME_BYTES: usize = 64;

/// The last words of names that the exposition formats keep for themselves: the name of a sample would look like that of another
/// metric.
const RESERVED: [&str; 6] = ["total", "bucket", "sum", "count", "info", "created"];

/// Why a name cannot be declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetricNameError {
    /// Not a name of lower-case letters, digits and `_`.
    #[error("it is not 1 to {MAX_METRIC_NAME_BYTES} bytes of `a` to `z`, `0` to `9` and `_`, with a letter first")]
    Form,
    /// It ends with a word that the exposition adds.
    #[error("its last word is `{0}`, which names of samples end with")]
    Reserved(&'static str),
    /// The actor has it already.
    #[error("it is declared twice")]
    Twice,
    /// The actor has the most metrics that are allowed.
    #[error("an actor has at most {MAX_METRICS} metrics of its own")]
    TooMany,
}

/// The names of an actor's own metrics. The place of a name in the list is its number.
///
/// ```
/// use playhouse_kernel::{MetricNameError, MetricNames};
///
/// assert!(MetricNames::new(["orders", "amount"]).is_ok());
/// assert_eq!(MetricNames::new(["orders_total"]).unwrap_err(), MetricNameError::Reserved("total"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricNames(
    /// Shared by all actors that are spawned from one plugin; none without names, which is the usual case.
    Option<Arc<Vec<Arc<str>>>>,
);

impl MetricNames {
    /// These names, in this order.
    pub fn new(names: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, MetricNameError> {
        let mut all = Self::default();
        names.into_iter().try_for_each(|name| all.push(name.as_ref()))?;
        Ok(all)
    }

    /// Adds a name.
    pub fn push(&mut self, name: &str) -> Result<(), MetricNameError> {
        let of_form = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let bytes = name.as_bytes();
        let begins = bytes.first().is_some_and(u8::is_ascii_lowercase);
        if !begins || bytes.len() > MAX_METRIC_NAME_BYTES || !bytes.iter().copied().all(of_form) {
            return Err(MetricNameError::Form);
        }
        let last_word = name.rsplit('_').next().unwrap_or(name);
        if let Some(word) = RESERVED.iter().find(|word| **word == last_word) {
            return Err(MetricNameError::Reserved(word));
        }
        if self.number(name).is_some() {
            return Err(MetricNameError::Twice);
        }
        let names = Arc::make_mut(self.0.get_or_insert_default());
        if names.len() == MAX_METRICS {
            return Err(MetricNameError::TooMany);
        }
        names.push(name.into());
        Ok(())
    }

    /// All names, in the order of their numbers.
    pub fn all(&self) -> &[Arc<str>] {
        self.0.as_ref().map_or(&[], |names| names.as_slice())
    }

    /// The number of a name.
    pub fn number(&self, name: &str) -> Option<u32> {
        (0..).zip(self.all()).find(|(_, known)| ***known == *name).map(|(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_has_a_form_and_no_reserved_end() {
        let long = "a".repeat(MAX_METRIC_NAME_BYTES);
        for good in ["a", "orders", "wait_seconds", "a__1_", "total_orders", "counted", long.as_str()] {
            assert_eq!(MetricNames::new([good]).map(|names| names.number(good)), Ok(Some(0)), "{good}");
        }
        let longer = "a".repeat(MAX_METRIC_NAME_BYTES + 1);
        for bad in ["", "_a", "1a", "Orders", "a-b", "a b", "a\n", "é", "a:b", longer.as_str()] {
            assert_eq!(MetricNames::new([bad]), Err(MetricNameError::Form), "{bad:?}");
        }
        for word in RESERVED {
            for bad in [word.to_owned(), format!("a_{word}")] {
                assert_eq!(MetricNames::new([&bad]), Err(MetricNameError::Reserved(word)), "{bad}");
            }
        }
    }

    #[test]
    fn names_are_different_and_few() {
        assert_eq!(MetricNames::new(["a", "b", "a"]), Err(MetricNameError::Twice));
        let names = |count: usize| (0..count).map(|n| format!("n{n}"));
        assert_eq!(MetricNames::new(names(MAX_METRICS)).map(|names| names.number("n31")), Ok(Some(31)));
        assert_eq!(MetricNames::new(names(MAX_METRICS + 1)), Err(MetricNameError::TooMany));
    }
}
