//! The initial resources of a component's instance, and the check against the host's bounds.

use std::path::Path;

use crate::component::LoadError;
use crate::limits::{MOST_CORE_INSTANCES, MOST_MEMORIES, MOST_TABLE_ELEMENTS, MOST_TABLES};

/// The initial resources of the core instances of one component.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Footprint {
    pub(crate) core_instances: u32,
    pub(crate) memories: u32,
    pub(crate) tables: u32,
    /// Elements of the largest table.
    pub(crate) table_elements: u64,
    /// Bytes of all memories and tables together, as `limits.memory` counts them.
    pub(crate) bytes: u64,
}

impl Footprint {
    /// Refuses a component that needs more of a resource than an instance on this host may have.
    pub(crate) fn check(&self, file: &Path) -> Result<(), LoadError> {
        let counts = [
            ("core instances", u64::from(self.core_instances), u64::from(MOST_CORE_INSTANCES)),
            ("memories", u64::from(self.memories), u64::from(MOST_MEMORIES)),
            ("tables", u64::from(self.tables), u64::from(MOST_TABLES)),
            ("elements in one table", self.table_elements, MOST_TABLE_ELEMENTS as u64),
        ];
        match counts.into_iter().find(|(_, found, most)| found > most) {
            None => Ok(()),
            Some((what, found, most)) => Err(LoadError::TooMany { file: file.to_owned(), what, found, most }),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.core_instances = self.core_instances.saturating_add(other.core_instances);
        self.memories = self.memories.saturating_add(other.memories);
        self.tables = self.tables.saturating_add(other.tables);
        self.table_elements = self.table_elements.max(other.table_elements);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_has_its_bound() {
        let refused = |footprint: Footprint| match footprint.check(Path::new("a.wasm")) {
            Err(LoadError::TooMany { what, found, most, .. }) => (what, found, most),
            other => panic!("{other:?}"),
        };
        let none = Footprint::default();
        assert!(
            Footprint { core_instances: 64, memories: 16, tables: 64, table_elements: 65_536, ..none }
                .check(Path::new("a"))
                .is_ok()
        );
        assert_eq!(refused(Footprint { core_instances: 65, ..none }), ("core instances", 65, 64));
        assert_eq!(refused(Footprint { memories: 17, ..none }), ("memories", 17, 16));
        assert_eq!(refused(Footprint { tables: 65, ..none }), ("tables", 65, 64));
        assert_eq!(refused(Footprint { table_elements: 65_537, ..none }), ("elements in one table", 65_537, 65_536));
    }
}
