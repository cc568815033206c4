//! The levels that the manifest gives to actors and to spawned ones.

use std::collections::HashMap;

use playhouse_kernel::Address;
use tracing::Level;

/// The levels of the manifest. An actor of the manifest has its own; a spawned actor that of its plugin, or else that of its
/// parent.
#[derive(Debug, Default)]
pub(super) struct ActorLevels {
    /// By address: all actors of the manifest, `None` without a level; and the spawned actors whose plugins have one.
    by_address: HashMap<String, Entry>,
    /// The plugins with a level that may be spawned.
    spawnable: Vec<(String, Level)>,
    /// The number of the last spawned actor.
    last: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    level: Option<Level>,
    /// The number of a spawned actor: another one may have its address by the time it is removed. 0 for an actor of the manifest.
    number: u64,
}

impl ActorLevels {
    /// Has the levels of another manifest from now on. Numbers of spawned actors go on, because one of the play before may still be
    /// removed.
    pub(super) fn replace(
        &mut self,
        actors: impl IntoIterator<Item = (Address, Option<Level>)>,
        spawnable: impl IntoIterator<Item = (String, Level)>,
    ) {
        let entry = |(address, level): (Address, _)| (address.to_string(), Entry { level, number: 0 });
        self.by_address = actors.into_iter().map(entry).collect();
        self.spawnable = spawnable.into_iter().collect();
    }

    /// Adds a spawned actor and returns its number.
    pub(super) fn add_spawned(&mut self, address: &Address, level: Level) -> u64 {
        self.last += 1;
        self.by_address.insert(address.to_string(), Entry { level: Some(level), number: self.last });
        self.last
    }

    pub(super) fn remove_spawned(&mut self, address: &str, number: u64) {
        if self.by_address.get(address).is_some_and(|entry| entry.number == number) {
            self.by_address.remove(address);
        }
    }

    /// The level of the actor, or of the nearest one above it that is known.
    pub(super) fn level_of(&self, address: &str) -> Option<Level> {
        let mut address = address;
        loop {
            if let Some(entry) = self.by_address.get(address) {
                return entry.level;
            }
            address = &address[..address.rfind('/')?];
        }
    }

    /// All levels, of actors and of plugins that may be spawned.
    pub(super) fn all(&self) -> impl Iterator<Item = Level> + '_ {
        self.by_address.values().filter_map(|entry| entry.level).chain(self.spawnable.iter().map(|(_, level)| *level))
    }

    /// The actors of the manifest with a level, by address.
    pub(super) fn of_manifest(&self) -> Vec<(String, Level)> {
        let of_manifest = self.by_address.iter().filter(|(_, entry)| entry.number == 0);
        let mut levels: Vec<_> = of_manifest.filter_map(|(at, entry)| Some((at.clone(), entry.level?))).collect();
        levels.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        levels
    }

    /// The plugins with a level that may be spawned.
    pub(super) fn spawnable(&self) -> &[(String, Level)] {
        &self.spawnable
    }
}
