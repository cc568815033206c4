//! The rows of the table `state`: values of actors' states, some with a time after which they go.

use std::time::{Duration, SystemTime};

use playhouse_kernel::{ActorId, Address, ExpiringKey, Lifetime, StateSize, StoreError, StoredValue, cost_of};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use crate::checksum::checksum;
use crate::columns::{nanos, nanos_of, signed, time, unsigned};
use crate::error::store_error;

/// Rows that one transaction shortens.
const SHORTENED: u32 = 1024;

/// The change of one key by a group.
pub(crate) enum ValueChange<'g> {
    Set { value: &'g [u8], lifetime: Option<Lifetime> },
    Unset,
}

impl ValueChange<'_> {
    /// The change by which a key loses its value if the time of that ended by then; none when the value stays. `before`: the change of the
    /// key by the same group. A row that is not as it was written is refused: its time may be wrong.
    pub(crate) fn expire(
        before: Option<&Self>,
        (actor, key): (ActorId, &str),
        by: SystemTime,
        tx: &Transaction<'_>,
    ) -> Result<Option<Self>, StoreError> {
        let lifetime = match before {
            Some(Self::Set { lifetime, .. }) => *lifetime,
            Some(Self::Unset) => None,
            None => value(tx, actor, key)?.and_then(|value| value.lifetime),
        };
        Ok(lifetime.is_some_and(|lifetime| lifetime.is_over(by)).then_some(Self::Unset))
    }
}

/// Deletes the row of a key whose value goes.
pub(crate) fn delete(
    actor: u64,
    key: &str,
    change: &ValueChange<'_>,
    size: &mut StateSize,
    tx: &Transaction<'_>,
) -> rusqlite::Result<()> {
    if matches!(change, ValueChange::Set { .. }) {
        return Ok(());
    }
    let mut gone = tx.prepare_cached("delete from state where actor = ? and key = ? returning length(value)")?;
    let before = gone.query_row(params![signed(actor), key], |row| unsigned(row, 0)).optional()?;
    resize(size, key, before, None);
    Ok(())
}

/// Writes the row of a key that gets a value.
pub(crate) fn write(
    actor: u64,
    key: &str,
    change: &ValueChange<'_>,
    size: &mut StateSize,
    tx: &Transaction<'_>,
) -> rusqlite::Result<()> {
    let ValueChange::Set { value, lifetime } = change else { return Ok(()) };
    let mut row = tx.prepare_cached("select length(value) from state where actor = ? and key = ?")?;
    let before = row.query_row(params![signed(actor), key], |row| unsigned(row, 0)).optional()?;
    let mut row = tx.prepare_cached(
        "insert into state(actor, key, value, checksum, ends_ns, lifetime_ns) values (?, ?, ?, ?, ?, ?)
            on conflict(actor, key) do update set (value, checksum, ends_ns, lifetime_ns) =
            (excluded.value, excluded.checksum, excluded.ends_ns, excluded.lifetime_ns)",
    )?;
    let sum = value_sum(actor, key, value, lifetime.as_ref());
    let ends_ns = lifetime.map(|lifetime| nanos(lifetime.ends));
    row.execute(params![signed(actor), key, value, sum, ends_ns, lifetime.map(|lifetime| nanos_of(lifetime.length))])?;
    resize(size, key, before, Some(value.len() as u64));
    Ok(())
}

/// Counts a key whose value had, and has, so many bytes.
fn resize(size: &mut StateSize, key: &str, before: Option<u64>, after: Option<u64>) {
    let cost = |bytes: Option<u64>| bytes.map_or(0, |bytes| cost_of(key, bytes as usize));
    size.keys = size.keys.saturating_sub(before.is_some().into()) + u64::from(after.is_some());
    size.bytes = size.bytes.saturating_sub(cost(before)) + cost(after);
}

/// The checksum of a row. Without a time it is that of formats 1 and 2.
pub(crate) fn value_sum(actor: u64, key: &str, value: &[u8], lifetime: Option<&Lifetime>) -> i64 {
    let actor = actor.to_le_bytes();
    let Some(Lifetime { ends, length }) = lifetime else { return checksum(&[&actor, key.as_bytes(), value]) };
    let times = [nanos(*ends), nanos_of(*length)].map(i64::to_le_bytes);
    checksum(&[&actor, key.as_bytes(), value, times.as_flattened()])
}

/// The columns `ends_ns` and `lifetime_ns`, which follow one another from this one on. `Err`: only one of them has a value.
pub(crate) fn lifetime_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Result<Option<Lifetime>, ()>> {
    Ok(match (row.get::<_, Option<i64>>(column)?, row.get::<_, Option<i64>>(column + 1)?) {
        (Some(ends), Some(length)) => {
            Ok(Some(Lifetime { ends: time(ends), length: Duration::from_nanos(length.max(0).cast_unsigned()) }))
        }
        (None, None) => Ok(None),
        _ => Err(()),
    })
}

/// As [`Store::value`](playhouse_kernel::Store::value).
pub(crate) fn value(db: &Connection, actor: ActorId, key: &str) -> Result<Option<StoredValue>, StoreError> {
    let read = || {
        let mut row =
            db.prepare_cached("select value, checksum, ends_ns, lifetime_ns from state where actor = ? and key = ?")?;
        row.query_row(params![signed(actor.0), key], |row| Ok((row.get(0)?, row.get(1)?, lifetime_of(row, 2)?)))
            .optional()
    };
    let found: Option<(Vec<u8>, i64, _)> = read().map_err(store_error)?;
    let Some((value, sum, lifetime)) = found else { return Ok(None) };
    match lifetime {
        Ok(lifetime) if value_sum(actor.0, key, &value, lifetime.as_ref()) == sum => {
            Ok(Some(StoredValue { value, lifetime }))
        }
        _ => Err(damaged(actor, key)),
    }
}

/// All values of an actor's state, which has this size, in the order of their keys.
pub(crate) fn all(db: &Connection, actor: ActorId, size: StateSize) -> Result<Vec<(String, StoredValue)>, StoreError> {
    let sql = "select key, value, checksum, ends_ns, lifetime_ns from state where actor = ? order by key";
    let mut rows = db.prepare_cached(sql).map_err(store_error)?;
    let rows = rows.query_map([signed(actor.0)], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, i64>(2)?, lifetime_of(row, 3)?))
    });
    let checked = rows.map_err(store_error)?.map(|row| {
        let (key, value, sum, lifetime) = row.map_err(store_error)?;
        match lifetime {
            Ok(lifetime) if value_sum(actor.0, &key, &value, lifetime.as_ref()) == sum => {
                Ok((key, StoredValue { value, lifetime }))
            }
            _ => Err(damaged(actor, &key)),
        }
    });
    let values = checked.collect::<Result<Vec<_>, _>>()?;
    // A row that is not there has no checksum.
    if values.len() as u64 != size.keys {
        return Err(StoreError::Damaged { at: format!("the keys of actor {} in table `state`", actor.0) });
    }
    Ok(values)
}

fn damaged(actor: ActorId, key: &str) -> StoreError {
    StoreError::Damaged { at: format!("the value of `{}` of actor {} in table `state`", key.escape_debug(), actor.0) }
}

/// Whether any value, of whichever actor, has a time that is over, and is not removed yet.
pub(crate) fn is_any_over(db: &Connection, now: SystemTime) -> rusqlite::Result<bool> {
    db.prepare_cached("select 1 from state where ends_ns <= ? limit 1")?.exists([nanos(now)])
}

/// As [`Store::expiring`](playhouse_kernel::Store::expiring).
pub(crate) fn expiring(db: &Connection, most: usize) -> Result<Vec<ExpiringKey>, StoreError> {
    let mut rows = db
        .prepare_cached(
            "select state.actor, actor.address, state.key, state.ends_ns from state left join actor on actor.id = state.actor
                where state.ends_ns is not null order by state.ends_ns limit ?",
        )
        .map_err(store_error)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let keys = rows.query_map([most], |row| {
        let address: Option<String> = row.get(1)?;
        Ok((ActorId(unsigned(row, 0)?), address, row.get::<_, String>(2)?, time(row.get(3)?)))
    });
    let checked = keys.map_err(store_error)?.map(|row| {
        let (actor, address, key, ends) = row.map_err(store_error)?;
        let address = address.and_then(|address| Address::parse(&address).ok()).ok_or_else(|| damaged(actor, &key))?;
        Ok(ExpiringKey { actor, address, key, ends })
    });
    checked.collect()
}

/// As [`Store::shorten_lifetimes`](playhouse_kernel::Store::shorten_lifetimes).
pub(crate) fn shorten_lifetimes(db: &mut Connection, now: SystemTime) -> Result<(), StoreError> {
    loop {
        let tx = Transaction::new(db, TransactionBehavior::Immediate).map_err(store_error)?;
        if shorten_some(&tx, now)? < SHORTENED as usize {
            return tx.commit().map_err(store_error);
        }
        tx.commit().map_err(store_error)?;
    }
}

fn shorten_some(tx: &Transaction<'_>, now: SystemTime) -> Result<usize, StoreError> {
    // The index has both columns, and its rows that end before now need not be looked at.
    let sql = "select id, actor, key from state where ends_ns > ?1 and ends_ns - lifetime_ns > ?1 limit ?2";
    let mut rows = tx.prepare_cached(sql).map_err(store_error)?;
    let rows = rows.query_map(params![nanos(now), SHORTENED], |row| {
        Ok((row.get::<_, i64>(0)?, ActorId(unsigned(row, 1)?), row.get::<_, String>(2)?))
    });
    let rows = rows.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).map_err(store_error)?;
    for (id, actor, key) in &rows {
        let Some(StoredValue { value, lifetime: Some(lifetime) }) = value(tx, *actor, key)? else { continue };
        let lifetime = Lifetime::since(now, lifetime.length);
        let sum = value_sum(actor.0, key, &value, Some(&lifetime));
        let mut row =
            tx.prepare_cached("update state set (ends_ns, checksum) = (?, ?) where id = ?").map_err(store_error)?;
        row.execute(params![nanos(lifetime.ends), sum, id]).map_err(store_error)?;
    }
    Ok(rows.len())
}
