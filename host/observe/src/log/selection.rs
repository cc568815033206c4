//! The lines that a reader wants: by actor, flow, level and time.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use playhouse_kernel::{Address, AddressError};
use tracing::Level;

use super::record::{Record, micros, rank};

/// Actors by address: `/a` is one actor, `/a/*` its children, and `/a/**` all actors below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPattern {
    top: Address,
    reach: Reach,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Below,
    Children,
    One,
}

/// The reason why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The part before the star is no address.
    #[error("{0}; a pattern is an address, or an address with `/*` (its children) or `/**` (all below it) after it")]
    Address(#[from] AddressError),
}

impl FromStr for AddressPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (top, reach) = match (text.strip_suffix("/**"), text.strip_suffix("/*")) {
            (Some(top), _) => (top, Reach::Below),
            (None, Some(top)) => (top, Reach::Children),
            (None, None) => (text, Reach::One),
        };
        let top = if top.is_empty() && reach != Reach::One { Address::root() } else { Address::parse(top)? };
        Ok(Self { top, reach })
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let top = if self.top.is_root() && self.reach != Reach::One { "" } else { self.top.as_str() };
        let end = match self.reach {
            Reach::One => "",
            Reach::Children => "/*",
            Reach::Below => "/**",
        };
        write!(f, "{top}{end}")
    }
}

impl AddressPattern {
    /// Whether an actor with this address matches. The address is one of the kernel, or empty.
    pub fn matches(&self, address: &str) -> bool {
        if self.reach == Reach::One {
            return address == self.top.as_str();
        }
        let top = if self.top.is_root() { "" } else { self.top.as_str() };
        let below = address.strip_prefix(top).and_then(|rest| rest.strip_prefix('/')).filter(|rest| !rest.is_empty());
        below.is_some_and(|rest| self.reach == Reach::Below || !rest.contains('/'))
    }

    /// How much the pattern says: of two that match the same actor, the one that says more is greater. `/a/b` is above `/a/*`,
    /// and both are above `/a/**`.
    pub(super) fn precision(&self) -> impl Ord + use<> {
        let segments = if self.top.is_root() { 0 } else { self.top.as_str().matches('/').count() };
        (segments, self.reach)
    }
}

/// A selection of lines: those that match each field that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSelection {
    /// Lines about an actor that matches one of these; all lines if it is empty.
    pub actors: Vec<AddressPattern>,
    /// Lines of this flow: its id, or the beginning of the id.
    pub flow: Option<String>,
    /// Lines of this level and of those that are more severe.
    pub level: Option<Level>,
    /// Lines since this time.
    pub since: Option<SystemTime>,
}

impl LogSelection {
    pub(super) fn selects(&self, record: &Record<'_>) -> bool {
        self.level.is_none_or(|level| record.level <= rank(level))
            && self.since.is_none_or(|since| record.at_micros >= micros(since))
            && self.flow.as_ref().is_none_or(|flow| record.flow.starts_with(flow.as_str()))
            && (self.actors.is_empty() || self.actors.iter().any(|pattern| pattern.matches(record.actor)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_matches_one_actor_its_children_or_all_below() {
        for (pattern, matched, others) in [
            ("/a", &["/a"][..], &["/a/b", "/ab", "", "/"][..]),
            ("/a/*", &["/a/b"], &["/a", "/a/b/c", "/ab/c"]),
            ("/a/**", &["/a/b", "/a/b/c"], &["/a", "/ab/c", ""]),
            ("/*", &["/a", "/b"], &["/a/b", "/", ""]),
            ("/**", &["/a", "/a/b/c"], &["/", ""]),
        ] {
            let parsed: AddressPattern = pattern.parse().expect("a pattern");
            assert_eq!(parsed.to_string(), pattern);
            assert!(matched.iter().all(|address| parsed.matches(address)), "{pattern}");
            assert!(!others.iter().any(|address| parsed.matches(address)), "{pattern}");
        }
        for bad in ["", "a", "*", "/a/", "/a/***", "/a*", "/*/b", "/a b"] {
            assert!(bad.parse::<AddressPattern>().is_err(), "{bad}");
        }
    }
}
