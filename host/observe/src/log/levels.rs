//! Levels by actor: each overrides the host-wide level, in both directions, for the lines of an actor and for the host's lines about
//! it. `actors` has the levels of the manifest, `overrides` those that operators set while the play runs, and `filter` applies all of
//! them to events of `tracing`.

mod actors;
pub(super) mod filter;
mod overrides;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::RwLock;
use playhouse_kernel::Address;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::Level;
use tracing::level_filters::LevelFilter;

use actors::ActorLevels;
use overrides::Overrides;
pub use overrides::{MOST_OVERRIDES, Override, TooManyOverrides};

use super::record::rank;
use super::selection::AddressPattern;

/// The levels by actor of one play, which have effect in a subscriber with a [`LogFilter`](super::LogFilter). Clones share the levels.
#[derive(Debug, Clone, Default)]
pub struct LogLevels {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The rank of the most verbose level in `table`; 0 without one. Read before each event, so that it has no lock.
    most: AtomicU8,
    table: RwLock<Table>,
    /// Whether a filter applies the levels.
    is_in_use: AtomicBool,
    /// Notified when an operator sets a level.
    set: Notify,
}

#[derive(Debug, Default)]
struct Table {
    actors: ActorLevels,
    overrides: Overrides,
}

/// All levels that are in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LevelsInForce {
    /// Actors of the manifest, by address.
    pub actors: Vec<(String, Level)>,
    /// Plugins whose spawned actors have this level.
    pub plugins: Vec<(String, Level)>,
    /// The levels of operators, which go before those of the manifest. The most specific of several patterns decides.
    pub overrides: Vec<Override>,
}

/// The level of a spawned actor, until it is dropped.
#[derive(Debug)]
pub struct SpawnedLevel {
    levels: LogLevels,
    address: String,
    number: u64,
}

impl LogLevels {
    /// Sets the levels of a play, and ends those of operators: the levels of all actors of the manifest, `None` for the host-wide
    /// level, and of the plugins that may be spawned, by name.
    pub fn set(
        &self,
        actors: impl IntoIterator<Item = (Address, Option<Level>)>,
        spawnable: impl IntoIterator<Item = (String, Level)>,
    ) {
        {
            let mut table = self.shared.table.write();
            table.actors.replace(actors, spawnable);
            table.overrides = Overrides::default();
        }
        self.changed();
    }

    /// Sets the level of an actor that is spawned from a plugin with a level.
    pub fn spawned(&self, address: &Address, level: Level) -> SpawnedLevel {
        let number = self.shared.table.write().actors.add_spawned(address, level);
        SpawnedLevel { levels: self.clone(), address: address.to_string(), number }
    }

    /// The level of the actor at this address; `None` if the host-wide level holds.
    pub fn level_of(&self, address: &str) -> Option<Level> {
        if self.shared.most.load(Relaxed) == 0 {
            return None;
        }
        let table = self.shared.table.read();
        table.overrides.level_of(address).or_else(|| table.actors.level_of(address))
    }

    /// Sets the level of all actors that match `pattern`, now or later, and returns the one that it replaces. With `lasts` the
    /// level ends after this time, while [`LogLevels::wait_ended`] is awaited. `by` names the operator.
    pub fn override_level(
        &self,
        pattern: AddressPattern,
        level: Level,
        lasts: Option<Duration>,
        by: String,
    ) -> Result<Option<Override>, TooManyOverrides> {
        // A time that is out of range is as good as forever.
        let ends = lasts.and_then(|lasts| Instant::now().checked_add(lasts));
        let new = Override { pattern, level, by, lasts, ends };
        let replaced = self.shared.table.write().overrides.add(new)?;
        self.changed();
        self.shared.set.notify_one();
        Ok(replaced)
    }

    /// Ends the level of this pattern, and returns it; `None` without one.
    pub fn reset(&self, pattern: &AddressPattern) -> Option<Override> {
        let ended = self.shared.table.write().overrides.remove(pattern)?;
        self.changed();
        Some(ended)
    }

    /// All levels that are in force.
    pub fn in_force(&self) -> LevelsInForce {
        let table = self.shared.table.read();
        LevelsInForce {
            actors: table.actors.of_manifest(),
            plugins: table.actors.spawnable().to_vec(),
            overrides: table.overrides.all().to_vec(),
        }
    }

    /// Waits until the time of some levels is over, and ends these. A play awaits it again and again while it runs.
    pub async fn wait_ended(&self) -> Vec<Override> {
        loop {
            let next_end = self.shared.table.read().overrides.next_end();
            let end = async {
                match next_end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = end => {}
                () = self.shared.set.notified() => {}
            }
            let ended = self.shared.table.write().overrides.take_ended(Instant::now());
            if !ended.is_empty() {
                self.changed();
                return ended;
            }
        }
    }

    /// Whether the program's log applies levels by actor.
    pub fn are_in_use(&self) -> bool {
        self.shared.is_in_use.load(Relaxed)
    }

    /// A filter applies the levels from now on.
    fn put_in_use(&self) {
        self.shared.is_in_use.store(true, Relaxed);
    }

    /// The most verbose level of an actor; `OFF` without one.
    fn most_verbose(&self) -> LevelFilter {
        match self.shared.most.load(Relaxed) {
            0 => LevelFilter::OFF,
            1 => LevelFilter::ERROR,
            2 => LevelFilter::WARN,
            3 => LevelFilter::INFO,
            4 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        }
    }

    /// Makes `tracing` ask the filter again about each place in the code that reports events: it keeps the answers.
    fn changed(&self) {
        {
            // Written under the lock, so that it is that of the last change.
            let table = self.shared.table.write();
            let overrides = table.overrides.all().iter().map(|one| one.level);
            self.shared.most.store(table.actors.all().chain(overrides).map(rank).max().unwrap_or(0), Relaxed);
        }
        if self.are_in_use() {
            tracing::callsite::rebuild_interest_cache();
        }
    }
}

impl Drop for SpawnedLevel {
    fn drop(&mut self) {
        self.levels.shared.table.write().actors.remove_spawned(&self.address, self.number);
    }
}
