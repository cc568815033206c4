//! The result of a play.

use std::collections::BTreeSet;

/// A play that is over.
pub struct Given {
    /// Its log, line by line.
    pub log: Vec<String>,
    /// The labels of the events in it.
    pub seen: BTreeSet<&'static str>,
    /// The broken promises.
    pub broken: Vec<String>,
}
