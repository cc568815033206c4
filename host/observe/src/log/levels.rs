//! Levels by actor: each overrides the host-wide level, in both directions, for the lines of an actor and for the host's lines about
//! it. `actors` has the levels of the manifest, and `filter` applies all of them to events of `tracing`.

mod actors;
mod filter;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use parking_lot::{RwLock, RwLockReadGuard};
use playhouse_kernel::Address;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use actors::ActorLevels;
pub use filter::LogFilter;

/// The levels by actor of one play. Clones share them. They have effect in a subscriber with [`LogLevels::filter`].
#[derive(Debug, Clone, Default)]
pub struct LogLevels {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The rank of the most verbose level in `table`; 0 without one. Read before each event, so that it has no lock.
    most: AtomicU8,
    table: RwLock<ActorLevels>,
}

/// The level of a spawned actor, until it is dropped.
#[derive(Debug)]
pub struct SpawnedLevel {
    levels: LogLevels,
    address: String,
    number: u64,
}

impl LogLevels {
    /// Sets the levels of a play: those of all actors of the manifest, `None` for the host-wide level, and those of the plugins
    /// that may be spawned.
    pub fn set(
        &self,
        actors: impl IntoIterator<Item = (Address, Option<Level>)>,
        spawnable: impl IntoIterator<Item = Level>,
    ) {
        *self.shared.table.write() = ActorLevels::new(actors, spawnable);
        self.changed();
    }

    /// Sets the level of an actor that is spawned from a plugin with a level.
    pub fn spawned(&self, address: &Address, level: Level) -> SpawnedLevel {
        let number = self.shared.table.write().add_spawned(address, level);
        SpawnedLevel { levels: self.clone(), address: address.to_string(), number }
    }

    /// The level of the actor at this address; `None` if the host-wide level holds.
    pub fn level_of(&self, address: &str) -> Option<Level> {
        if self.shared.most.load(Relaxed) == 0 {
            return None;
        }
        self.table().level_of(address)
    }

    /// A filter for a layer of a subscriber: `host` decides for all events that are about no actor with a level of its own.
    pub fn filter<F>(&self, host: F) -> LogFilter<F> {
        LogFilter::new(self.clone(), host)
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

    fn table(&self) -> RwLockReadGuard<'_, ActorLevels> {
        self.shared.table.read()
    }

    /// Makes `tracing` ask the filter again about each place in the code that reports events: it keeps the answers.
    fn changed(&self) {
        let most = self.table().all().map(rank).max().unwrap_or(0);
        self.shared.most.store(most, Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }
}

impl Drop for SpawnedLevel {
    fn drop(&mut self) {
        self.levels.shared.table.write().remove_spawned(&self.address, self.number);
    }
}

/// 1 for an error to 5 for a trace.
fn rank(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}
