//! The step from format 1 to format 2, which counts the bytes of the frames of each mailbox, so that a start need not read the frames,
//! and has a table of spawned actors.
//!
//! It is written in terms of both formats as they were, and not of the current rows.

use playhouse_kernel::StoreError;
use rusqlite::{Row, Transaction, params};

use crate::checksum::checksum;
use crate::error::store_error;

/// Spawned actors, which stores of format 1 have if a later one of its versions made them.
const CHILDREN: &str = "
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

/// The step.
pub(crate) fn to_format_2(tx: &Transaction<'_>) -> Result<(), StoreError> {
    let has_children = "select count(*) > 0 from sqlite_schema where type = 'table' and name = 'child'";
    if !tx.query_row(has_children, [], |row| row.get::<_, bool>(0)).map_err(store_error)? {
        tx.execute_batch(CHILDREN).map_err(store_error)?;
    }
    add_frame_bytes(tx)
}

/// Adds the column `frame_bytes` to `actor`. A row that is not as it was written stays refused: the new checksum is written after the old
/// one was compared.
fn add_frame_bytes(tx: &Transaction<'_>) -> Result<(), StoreError> {
    let column = "alter table actor add column frame_bytes integer not null default 0";
    tx.execute_batch(column).map_err(store_error)?;
    let counted = "select *, (select coalesce(sum(length(records)), 0) from frame where mailbox = actor.id) from actor";
    let mut rows = tx.prepare(counted).map_err(store_error)?;
    let actors = rows.query_map([], Before::read).and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>);
    let mut update =
        tx.prepare("update actor set (frame_bytes, checksum) = (?, ?) where id = ?").map_err(store_error)?;
    for Before { id, columns, frame_bytes, sum } in actors.map_err(store_error)? {
        let mut parts: Vec<_> = columns.iter().map(Vec::as_slice).collect();
        if checksum(&parts) != sum {
            return Err(StoreError::Damaged { at: format!("the row of actor {id} in table `actor`") });
        }
        let bytes = frame_bytes.to_le_bytes();
        parts.push(&bytes);
        update.execute(params![frame_bytes, checksum(&parts), id]).map_err(store_error)?;
    }
    Ok(())
}

/// A row of `actor` of format 1.
struct Before {
    id: i64,
    /// The bytes of its columns, as its checksum takes them.
    columns: Vec<Vec<u8>>,
    sum: i64,
    /// The bytes of the mailbox's frames.
    frame_bytes: i64,
}

impl Before {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let number = |column: usize| row.get::<_, i64>(column).map(|number| number.to_le_bytes().to_vec());
        let halted = row.get::<_, Option<bool>>(2)?.map_or(2, u64::from).to_le_bytes().to_vec();
        let timers = [number(10)?, number(11)?, number(12)?, number(13)?].concat();
        let columns = vec![
            number(0)?,
            row.get::<_, String>(1)?.into_bytes(),
            halted,
            number(3)?,
            number(4)?,
            number(5)?,
            row.get(6)?,
            number(7)?,
            number(8)?,
            number(9)?,
            timers,
        ];
        Ok(Self { id: row.get(0)?, columns, sum: row.get(14)?, frame_bytes: row.get(16)? })
    }
}
