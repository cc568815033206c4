//! A metric: name, type, unit and help.

/// A family of samples with one name, which the host has for each play.
pub type Family = AnyFamily<'static>;

/// A family of samples with one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnyFamily<'a> {
    /// The name, with the unit, and without `_total` or `_info`.
    pub name: &'a str,
    /// The type.
    pub kind: Kind,
    /// The unit; the name ends with it.
    pub unit: Option<Unit>,
    /// The meaning, in one sentence.
    pub help: &'a str,
    /// The names of the labels.
    pub labels: &'a [&'a str],
}

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows. Its samples end with `_total`.
    Counter,
    /// A number that grows and falls.
    Gauge,
    /// Counts of values up to each of several bounds, their sum and their number.
    Histogram,
    /// Texts about the host; the value is always 1. Its sample ends with `_info`.
    Info,
}

impl Kind {
    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    /// The end of the name of its samples.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// The unit of a family's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// Its name, with which the name of the family ends.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
        }
    }
}
