//! The levels that operators set while a play runs.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Level;

use crate::log::AddressPattern;

/// Maximum number of levels of operators at a time.
pub const MOST_OVERRIDES: usize = 64;

/// A level that an operator set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The actors.
    pub pattern: AddressPattern,
    /// Their level.
    pub level: Level,
    /// The operator who set the level, as log lines name them.
    pub by: String,
    /// The time for which the level holds; `None` for good.
    pub lasts: Option<Duration>,
    /// The end of that time.
    pub ends: Option<Instant>,
}

/// The error when too many levels are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MOST_OVERRIDES} levels of operators are in force, and there can be no more")]
pub struct TooManyOverrides;

/// The levels that are in force, each pattern once.
#[derive(Debug, Default)]
pub(super) struct Overrides(Vec<Override>);

impl Overrides {
    /// Adds a level, and returns the one that it replaces.
    pub(super) fn add(&mut self, new: Override) -> Result<Option<Override>, TooManyOverrides> {
        if let Some(old) = self.0.iter_mut().find(|old| old.pattern == new.pattern) {
            return Ok(Some(std::mem::replace(old, new)));
        }
        if self.0.len() == MOST_OVERRIDES {
            return Err(TooManyOverrides);
        }
        self.0.push(new);
        Ok(None)
    }

    pub(super) fn remove(&mut self, pattern: &AddressPattern) -> Option<Override> {
        let index = self.0.iter().position(|old| old.pattern == *pattern)?;
        Some(self.0.remove(index))
    }

    /// Removes the levels whose time is over.
    pub(super) fn take_ended(&mut self, now: Instant) -> Vec<Override> {
        self.0.extract_if(.., |old| old.ends.is_some_and(|ends| ends <= now)).collect()
    }

    /// The next end of a level.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.0.iter().filter_map(|old| old.ends).min()
    }

    /// The level of an actor: that of the most specific pattern.
    pub(super) fn level_of(&self, address: &str) -> Option<Level> {
        let matching = self.0.iter().filter(|old| old.pattern.matches(address));
        matching.max_by_key(|old| old.pattern.precision()).map(|old| old.level)
    }

    pub(super) fn all(&self) -> &[Override] {
        &self.0
    }
}
