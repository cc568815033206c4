//! Actors that other actors spawned: what is needed to start them again, as rows with checksums and a count.

use std::collections::{BTreeMap, BTreeSet};

use playhouse_kernel::{ActorId, StoreError, StoredChild};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::checksum::checksum;
use crate::columns::{signed, unsigned};
use crate::error::store_error;

/// The tables. A row that vanishes has no checksum, so the rows are counted.
pub(crate) const TABLES: &str = "
    -- Actors that an actor spawned. A child that leaves was stopped by its parent, and is gone when its messages have ended.
    create table child(
        actor integer primary key,
        parent integer not null,
        plugin text not null,
        config blob not null,
        leaves integer not null,
        checksum integer not null
    ) strict;

    create table child_count(
        id integer primary key check (id = 1),
        children integer not null,
        checksum integer not null
    ) strict;
    insert into child_count values (1, 0, 0);
";

/// The children as they are after the changes of the group under way.
#[derive(Default)]
pub(crate) struct Children {
    /// Whether each leaves.
    known: BTreeMap<u64, bool>,
}

/// The changes of one group, by the child's id.
#[derive(Default)]
pub(crate) struct ChildChanges<'g> {
    born: BTreeMap<u64, &'g StoredChild>,
    leaving: BTreeSet<u64>,
    gone: BTreeSet<u64>,
}

impl Children {
    /// Reads who is whose child, and checks the rows.
    pub(crate) fn read(db: &Connection) -> Result<Self, StoreError> {
        let mut children = Self::default();
        children.known.extend(rows(db)?.into_iter().map(|(actor, _, leaves)| (actor, leaves)));
        let (expected, there) = counts(db).map_err(store_error)?;
        match expected {
            None => Err(StoreError::Damaged { at: "table `child_count`".to_owned() }),
            Some(count) if count == there => Ok(children),
            Some(count) => Err(StoreError::Damaged { at: miscounted(there, count) }),
        }
    }

    /// An actor is spawned.
    pub(crate) fn born<'g>(&mut self, changes: &mut ChildChanges<'g>, actor: u64, child: &'g StoredChild) {
        self.known.insert(actor, false);
        changes.born.insert(actor, child);
    }

    /// A child is stopped by its parent.
    pub(crate) fn leaves(&mut self, changes: &mut ChildChanges<'_>, actor: u64) -> Result<(), String> {
        match self.known.get_mut(&actor) {
            Some(leaves @ false) => *leaves = true,
            _ => return Err(format!("actor {actor} is no child that may be stopped")),
        }
        changes.leaving.insert(actor);
        Ok(())
    }

    /// An actor is gone. Does nothing if it was no child.
    pub(crate) fn gone(&mut self, changes: &mut ChildChanges<'_>, actor: u64) {
        changes.leaving.remove(&actor);
        let was_child = self.known.remove(&actor).is_some();
        if changes.born.remove(&actor).is_none() && was_child {
            changes.gone.insert(actor);
        }
    }

    /// Writes what one group changed, and the count.
    pub(crate) fn write(&self, changes: &ChildChanges<'_>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        if changes.born.is_empty() && changes.leaving.is_empty() && changes.gone.is_empty() {
            return Ok(());
        }
        for actor in &changes.gone {
            tx.prepare_cached("delete from child where actor = ?")?.execute([signed(*actor)])?;
        }
        for (actor, child) in &changes.born {
            let leaves = self.known.get(actor).is_some_and(|leaves| *leaves);
            write_row(*actor, child, leaves, tx)?;
        }
        for actor in changes.leaving.iter().filter(|actor| !changes.born.contains_key(actor)) {
            let mut row = tx.prepare_cached("select * from child where actor = ?")?;
            let (_, child, ..) = row.query_row([signed(*actor)], child_of)?;
            if let Some(child) = child {
                write_row(*actor, &child, true, tx)?;
            }
        }
        let count = self.known.len() as u64;
        let mut row = tx.prepare_cached("update child_count set (children, checksum) = (?, ?)")?;
        row.execute(params![signed(count), count_sum(count)])?;
        Ok(())
    }
}

/// The child with an id, and whether it leaves; none for an actor that was not spawned.
pub(crate) fn row(db: &Connection, actor: u64) -> Result<Option<(StoredChild, bool)>, StoreError> {
    let row = db.prepare_cached("select * from child where actor = ?");
    let row = row.and_then(|mut row| row.query_row([signed(actor)], child_of).optional()).map_err(store_error)?;
    row.map(|row| checked(row).map(|(_, child, leaves)| (child, leaves))).transpose()
}

/// All children, by id, and whether they leave.
pub(crate) fn rows(db: &Connection) -> Result<Vec<(u64, StoredChild, bool)>, StoreError> {
    let mut rows = db.prepare("select * from child order by actor").map_err(store_error)?;
    let rows = rows.query_map([], child_of).map_err(store_error)?;
    rows.map(|row| checked(row.map_err(store_error)?)).collect()
}

fn checked((actor, child, leaves, sum): ChildRow) -> Result<(u64, StoredChild, bool), StoreError> {
    let damaged = || StoreError::Damaged { at: format!("actor {actor} in table `child`") };
    let child = child.filter(|child| child_sum(actor, child, leaves) == sum).ok_or_else(damaged)?;
    Ok((actor, child, leaves))
}

/// Reads all rows. Returns each damage with its place.
pub(crate) fn damages(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut damaged = Vec::new();
    let mut rows = db.prepare("select * from child order by actor")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let is_sound = match child_of(row) {
            Ok((actor, Some(child), leaves, sum)) => child_sum(actor, &child, leaves) == sum,
            _ => false,
        };
        if !is_sound {
            damaged.push(format!("actor {} in table `child`", unsigned(row, 0).unwrap_or_default()));
        }
    }
    match counts(db)? {
        (None, _) => damaged.push("table `child_count`".to_owned()),
        (Some(expected), there) if expected != there => damaged.push(miscounted(there, expected)),
        _ => {}
    }
    Ok(damaged)
}

fn write_row(actor: u64, child: &StoredChild, leaves: bool, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut row = tx.prepare_cached("insert or replace into child values (?, ?, ?, ?, ?, ?)")?;
    let StoredChild { parent, plugin, config } = child;
    let sum = child_sum(actor, child, leaves);
    row.execute(params![signed(actor), signed(parent.0), plugin, bytes_of(config), leaves, sum])?;
    Ok(())
}

/// A row of `child`: its actor, the child if the row can be read, whether it leaves, and the checksum.
type ChildRow = (u64, Option<StoredChild>, bool, i64);

fn child_of(row: &Row<'_>) -> rusqlite::Result<ChildRow> {
    let (parent, plugin) = (ActorId(unsigned(row, 1)?), row.get(2)?);
    let child = config_of(row.get_ref(3)?.as_blob()?).map(|config| StoredChild { parent, plugin, config });
    Ok((unsigned(row, 0)?, child, row.get(4)?, row.get(5)?))
}

/// The checksum of a row of `child`.
fn child_sum(actor: u64, child: &StoredChild, leaves: bool) -> i64 {
    let StoredChild { parent, plugin, config } = child;
    let numbers = [actor, parent.0, leaves.into()].map(u64::to_le_bytes);
    checksum(&[numbers.as_flattened(), plugin.as_bytes(), &bytes_of(config)])
}

/// The values of a config by name, each text after its length in four bytes.
fn bytes_of(config: &BTreeMap<String, String>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in config.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

fn config_of(mut bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut config = BTreeMap::new();
    let mut text = || -> Option<Option<String>> {
        let Some((length, rest)) = bytes.split_first_chunk() else { return bytes.is_empty().then_some(None) };
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        bytes = rest;
        Some(Some(String::from_utf8(text.to_vec()).ok()?))
    };
    while let Some(name) = text()? {
        config.insert(name, text()??);
    }
    Some(config)
}

/// The count as it is written, if its row is sound, and the rows that there are.
fn counts(db: &Connection) -> rusqlite::Result<(Option<u64>, u64)> {
    let written = db.query_row("select children, checksum from child_count", [], |row| {
        Ok((unsigned(row, 0)?, row.get::<_, i64>(1)?))
    });
    let written = match written {
        // As the tables are made.
        Ok((0, 0)) => Some(0),
        Ok((count, sum)) => Some(count).filter(|count| count_sum(*count) == sum),
        Err(rusqlite::Error::QueryReturnedNoRows) => None,
        Err(error) => return Err(error),
    };
    let there = db.query_row("select count(*) from child", [], |row| unsigned(row, 0))?;
    Ok((written, there))
}

fn miscounted(there: u64, expected: u64) -> String {
    format!("table `child`, which has {there} rows of {expected}")
}

fn count_sum(count: u64) -> i64 {
    checksum(&[&count.to_le_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_comes_back_from_its_bytes() {
        let config = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        for config in [config(&[]), config(&[("a", "")]), config(&[("a", "b"), ("", "ü"), ("c", "x")])] {
            assert_eq!(config_of(&bytes_of(&config)), Some(config));
        }
        let bytes = bytes_of(&config(&[("a", "b")]));
        for cut in 1..bytes.len() {
            assert_eq!(config_of(&bytes[..cut]), None, "{cut}");
        }
    }
}
