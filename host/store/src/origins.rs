//! Positions of sources outside: rows, their checksums, and their count.

use std::collections::BTreeMap;

use playhouse_kernel::{StoreError, StoredOrigin};
use rusqlite::{Connection, Row, Transaction, params};

use crate::checksum::checksum;
use crate::columns::{signed, unsigned};
use crate::error::store_error;

/// The tables. A row that vanishes has no checksum, so the rows are counted.
pub(crate) const TABLES: &str = "
    create table origin(
        id integer primary key,
        source text not null,
        position blob not null,
        value blob not null,
        checksum integer not null
    ) strict;
    create unique index origin_at on origin(source, position);

    create table origin_count(
        id integer primary key check (id = 1),
        origins integer not null,
        checksum integer not null
    ) strict;
    insert into origin_count values (1, 0, 0);
";

/// The positions as they are after the changes of the group under way.
#[derive(Default)]
pub(crate) struct Origins {
    /// How many there are.
    count: u64,
}

/// The changes of one group, by source and position; none for positions that go.
#[derive(Default)]
pub(crate) struct OriginChanges<'g>(BTreeMap<(&'g str, &'g [u8]), Option<&'g [u8]>>);

impl<'g> OriginChanges<'g> {
    pub(crate) fn set(&mut self, source: &'g [u8], position: &'g [u8], value: Option<&'g [u8]>) -> Result<(), String> {
        let source = std::str::from_utf8(source).map_err(|_| "a source whose name is not UTF-8".to_owned())?;
        self.0.insert((source, position), value);
        Ok(())
    }
}

impl Origins {
    /// Reads the count, and checks it.
    pub(crate) fn read(db: &Connection) -> Result<Self, StoreError> {
        let (expected, there) = counts(db).map_err(store_error)?;
        match expected {
            None => Err(StoreError::Damaged { at: "table `origin_count`".to_owned() }),
            Some(count) if count == there => Ok(Self { count }),
            Some(count) => Err(StoreError::Damaged { at: miscounted(there, count) }),
        }
    }

    /// Deletes what one group ended.
    pub(crate) fn delete(&mut self, changes: &OriginChanges<'_>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        for ((source, position), _) in changes.0.iter().filter(|(_, value)| value.is_none()) {
            let mut gone = tx.prepare_cached("delete from origin where source = ? and position = ?")?;
            self.count = self.count.saturating_sub(gone.execute(params![source, position])? as u64);
        }
        Ok(())
    }

    /// Writes what one group brought, and the count.
    pub(crate) fn write(&mut self, changes: &OriginChanges<'_>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        if changes.0.is_empty() {
            return Ok(());
        }
        for ((source, position), value) in &changes.0 {
            let Some(value) = value else { continue };
            let sum = origin_sum(source, position, value);
            let mut row = tx.prepare_cached(
                "insert or ignore into origin(source, position, value, checksum) values (?, ?, ?, ?)",
            )?;
            if row.execute(params![source, position, value, sum])? > 0 {
                self.count += 1;
                continue;
            }
            let mut row =
                tx.prepare_cached("update origin set (value, checksum) = (?, ?) where source = ? and position = ?")?;
            row.execute(params![value, sum, source, position])?;
        }
        let mut row = tx.prepare_cached("update origin_count set (origins, checksum) = (?, ?)")?;
        row.execute(params![signed(self.count), count_sum(self.count)])?;
        Ok(())
    }
}

/// As [`Store::origins`](playhouse_kernel::Store::origins).
pub(crate) fn origins(
    db: &Connection,
    source: &str,
    from: &[u8],
    most: usize,
) -> Result<Vec<StoredOrigin>, StoreError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let read = || {
        let mut rows = db.prepare_cached(
            "select position, value, checksum from origin where source = ? and position >= ? order by position limit ?",
        )?;
        let rows = rows.query_map(params![source, from, most], |row| {
            let origin = StoredOrigin { position: row.get(0)?, value: row.get(1)? };
            Ok((origin, row.get::<_, i64>(2)?))
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let checked = read().map_err(store_error)?.into_iter().map(|(origin, sum)| {
        let damaged = || StoreError::Damaged { at: format!("a position of `{source}` in table `origin`") };
        let is_sound = origin_sum(source, &origin.position, &origin.value) == sum;
        is_sound.then_some(origin).ok_or_else(damaged)
    });
    checked.collect()
}

/// Reads all rows. Returns each damage with its place.
pub(crate) fn damages(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut damaged = Vec::new();
    let mut rows = db.prepare("select id, source, position, value, checksum from origin order by id")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        if !is_sound(row).unwrap_or(false) {
            let source = row.get::<_, String>(1).map_or_else(|_| "a source".to_owned(), |source| format!("`{source}`"));
            let id = unsigned(row, 0).unwrap_or_default();
            damaged.push(format!("a position of {source}, in row {id} of table `origin`"));
        }
    }
    match counts(db)? {
        (None, _) => damaged.push("table `origin_count`".to_owned()),
        (Some(expected), there) if expected != there => damaged.push(miscounted(there, expected)),
        _ => {}
    }
    Ok(damaged)
}

fn is_sound(row: &Row<'_>) -> rusqlite::Result<bool> {
    let (source, position, value) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_blob()?, row.get_ref(3)?.as_blob()?);
    Ok(origin_sum(source, position, value) == row.get::<_, i64>(4)?)
}

/// The count as it is written, if its row is sound, and the rows that there are.
fn counts(db: &Connection) -> rusqlite::Result<(Option<u64>, u64)> {
    let written = db.query_row("select origins, checksum from origin_count", [], |row| {
        Ok((unsigned(row, 0)?, row.get::<_, i64>(1)?))
    });
    let written = match written {
        // As the tables are made.
        Ok((0, 0)) => Some(0),
        Ok((count, sum)) => Some(count).filter(|count| count_sum(*count) == sum),
        Err(rusqlite::Error::QueryReturnedNoRows) => None,
        Err(error) => return Err(error),
    };
    let there = db.query_row("select count(*) from origin", [], |row| unsigned(row, 0))?;
    Ok((written, there))
}

fn miscounted(there: u64, expected: u64) -> String {
    format!("table `origin`, which has {there} rows of {expected}")
}

fn count_sum(count: u64) -> i64 {
    checksum(&[&count.to_le_bytes()])
}

/// The checksum of a row of `origin`.
fn origin_sum(source: &str, position: &[u8], value: &[u8]) -> i64 {
    checksum(&[source.as_bytes(), position, value])
}
