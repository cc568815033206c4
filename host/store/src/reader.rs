//! The reader: messages, states and dead letters, on a connection of its own, so that it never waits for the writer.

use std::path::Path;
use std::time::{Duration, SystemTime};

use playhouse_kernel::{
    ActorId, Address, ExpiringKey, StateSize, StoreError, StoredActor, StoredLetter, StoredMessage, StoredTimer,
    StoredValue, records_of,
};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use crate::children;
use crate::columns::{nanos, signed, time, unsigned};
use crate::error::store_error;
use crate::mailbox::Known;
use crate::rows::{actor_sum, frame_sum, held_sum, known_of, letter_sum, timer_sum};
use crate::schema::connect;
use crate::settings::StoreSettings;
use crate::taken::Taken;
use crate::values;

/// Pages that the connection keeps in memory, in KiB. Most are those of frames, each of which is read once.
const CACHE_KIB: i32 = 4 << 10;

/// A connection that only reads.
pub(crate) struct Reader {
    db: Connection,
}

/// The part of a mailbox that a reader needs.
struct Mailbox {
    id: u64,
    taken: Taken,
    last_number: u64,
}

impl Reader {
    pub(crate) fn open(database: &Path, settings: &StoreSettings) -> Result<Self, StoreError> {
        let db = connect(database, settings, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.pragma_update(None, "cache_size", -CACHE_KIB).map_err(store_error)?;
        Ok(Self { db })
    }

    /// Its connection.
    pub(crate) fn db(&self) -> &Connection {
        &self.db
    }

    /// As [`Store::actor`](playhouse_kernel::Store::actor).
    pub(crate) fn actor(&mut self, address: &Address) -> Result<Option<StoredActor>, StoreError> {
        // All tables as they were at one moment.
        let tx = Transaction::new(&mut self.db, TransactionBehavior::Deferred).map_err(store_error)?;
        let read = || {
            let mut row = tx.prepare_cached("select * from actor where address = ?")?;
            row.query_row([address.as_str()], known_of).optional()
        };
        let Some(row) = read().map_err(store_error)? else { return Ok(None) };
        let (id, known) = checked(row)?;
        let (child, leaves) = children::row(&tx, id)?.map_or((None, false), |(child, leaves)| (Some(child), leaves));
        let values = if known.state.is_small() { values::all(&tx, ActorId(id), known.state)? } else { Vec::new() };
        let stored = known.stored(ActorId(id), address.clone());
        Ok(Some(StoredActor { child: child.map(Box::new), leaves, values, ..stored }))
    }

    /// As [`Store::children`](playhouse_kernel::Store::children).
    pub(crate) fn children(
        &mut self,
        above: &Address,
        after: Option<&Address>,
        most: usize,
    ) -> Result<Vec<Address>, StoreError> {
        let above = if above.is_root() { "" } else { above.as_str() };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        // `0` follows `/`: between the two is all that is below. Deeper ones have another `/`.
        let (from, end) = (format!("{above}/"), format!("{above}0"));
        let from = after.map_or(from.as_str(), Address::as_str);
        let read = || {
            let mut rows = self.db.prepare_cached(
                "select address from actor where address > ? and address < ? and instr(substr(address, ?), '/') = 0
                    order by address limit ?",
            )?;
            let name_at = i64::try_from(above.chars().count()).unwrap_or(i64::MAX - 2) + 2;
            let rows = rows.query_map(params![from, end, name_at, most], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let damaged = |_| StoreError::Damaged { at: "an address in table `actor`".to_owned() };
        read().map_err(store_error)?.iter().map(|address| Address::parse(address).map_err(damaged)).collect()
    }

    /// As [`Store::messages`](playhouse_kernel::Store::messages).
    pub(crate) fn messages(
        &mut self,
        mailbox: ActorId,
        from: u64,
        most_bytes: usize,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        // Both tables as they were at one moment.
        let tx = Transaction::new(&mut self.db, TransactionBehavior::Deferred).map_err(store_error)?;
        let Some(mailbox) = Mailbox::read(&tx, mailbox.0)? else { return Ok(Vec::new()) };
        let held = mailbox.held(&tx, from, most_bytes)?;
        let in_order = mailbox.in_order(&tx, from, most_bytes)?;
        let mut messages: Vec<_> = held.into_iter().chain(in_order).collect();
        messages.sort_by_key(|message| message.number);
        Ok(fitting(messages, most_bytes))
    }

    /// As [`Store::held`](playhouse_kernel::Store::held).
    pub(crate) fn held(
        &mut self,
        mailbox: ActorId,
        from: u64,
        most_bytes: usize,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let tx = Transaction::new(&mut self.db, TransactionBehavior::Deferred).map_err(store_error)?;
        let Some(mailbox) = Mailbox::read(&tx, mailbox.0)? else { return Ok(Vec::new()) };
        Ok(fitting(mailbox.held(&tx, from, most_bytes)?, most_bytes))
    }

    /// As [`Store::value`](playhouse_kernel::Store::value).
    pub(crate) fn value(&mut self, actor: ActorId, key: &str) -> Result<Option<StoredValue>, StoreError> {
        values::value(&self.db, actor, key)
    }

    /// As [`Store::keys`](playhouse_kernel::Store::keys).
    pub(crate) fn keys(
        &mut self,
        actor: ActorId,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        now: SystemTime,
    ) -> Result<Vec<String>, StoreError> {
        let sql_limit = i64::try_from(most).unwrap_or(i64::MAX);
        let tx = Transaction::new(&mut self.db, TransactionBehavior::Deferred).map_err(store_error)?;
        // The keys are in the index; the times are in the rows, and are read only if a time is over anywhere.
        let is_any_over = values::is_any_over(&tx, now).map_err(store_error)?;
        // SQLite compares texts by their bytes. The keys with a prefix follow one another, from the prefix itself on.
        let is_after = after.is_some_and(|after| after >= prefix);
        let sql = match (is_after, is_any_over) {
            (true, false) => "select key from state where actor = ?1 and key > ?2 order by key limit ?3",
            (false, false) => "select key from state where actor = ?1 and key >= ?2 order by key limit ?3",
            (true, true) => {
                "select key from state where actor = ?1 and key > ?2 and (ends_ns is null or ends_ns > ?4) order by key limit ?3"
            }
            (false, true) => {
                "select key from state where actor = ?1 and key >= ?2 and (ends_ns is null or ends_ns > ?4) order by key limit ?3"
            }
        };
        let from = after.filter(|after| *after >= prefix).unwrap_or(prefix);
        let read = || {
            let mut rows = tx.prepare_cached(sql)?;
            let (id, now_ns) = (signed(actor.0), nanos(now));
            let key = |row: &Row<'_>| row.get::<_, String>(0);
            let keys = if is_any_over {
                rows.query_map(params![id, from, sql_limit, now_ns], key)?
            } else {
                rows.query_map(params![id, from, sql_limit], key)?
            };
            let has_prefix = |key: &rusqlite::Result<String>| key.as_ref().map_or(true, |key| key.starts_with(prefix));
            keys.take_while(has_prefix).collect::<rusqlite::Result<Vec<_>>>()
        };
        let keys = read().map_err(store_error)?;
        let is_all = prefix.is_empty() && after.is_none() && keys.len() < most && !is_any_over;
        // A row that is not there has no checksum.
        if is_all && size_of(&tx, actor)?.keys != keys.len() as u64 {
            return Err(StoreError::Damaged { at: format!("the keys of actor {} in table `state`", actor.0) });
        }
        Ok(keys)
    }

    /// As [`Store::expiring`](playhouse_kernel::Store::expiring).
    pub(crate) fn expiring(&mut self, most: usize) -> Result<Vec<ExpiringKey>, StoreError> {
        values::expiring(&self.db, most)
    }

    /// As [`Store::state_size`](playhouse_kernel::Store::state_size).
    pub(crate) fn state_size(&mut self, actor: ActorId) -> Result<StateSize, StoreError> {
        size_of(&self.db, actor)
    }

    /// As [`Store::timers`](playhouse_kernel::Store::timers).
    pub(crate) fn timers(&mut self, actor: ActorId, after: u64, most: usize) -> Result<Vec<StoredTimer>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut rows = self
            .db
            .prepare_cached("select * from timer where actor = ? and id > ? order by id limit ?")
            .map_err(store_error)?;
        let timers = rows.query_map(params![signed(actor.0), signed(after), most], timer_of).map_err(store_error)?;
        let checked = timers.map(|row| {
            let (_, id, timer, sum) = row.map_err(store_error)?;
            let damaged = || StoreError::Damaged { at: format!("timer {id} of actor {} in table `timer`", actor.0) };
            timer.filter(|timer| timer_sum(actor.0, timer) == sum).ok_or_else(damaged)
        });
        checked.collect()
    }

    /// As [`Store::letters`](playhouse_kernel::Store::letters).
    pub(crate) fn letters(&mut self, after: u64, most: usize) -> Result<Vec<StoredLetter>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut rows = self
            .db
            .prepare_cached("select * from letter where number > ? order by number limit ?")
            .map_err(store_error)?;
        let letters = rows.query_map(params![signed(after), most], letter_of).map_err(store_error)?;
        let checked = letters.map(|row| {
            let (number, letter, sum) = row.map_err(store_error)?;
            let damaged = || StoreError::Damaged { at: format!("dead letter {number}") };
            letter.filter(|letter| letter_sum(letter) == sum).ok_or_else(damaged)
        });
        checked.collect()
    }
}

impl Mailbox {
    fn read(tx: &Transaction<'_>, id: u64) -> Result<Option<Self>, StoreError> {
        let columns = |row: &Row<'_>| {
            let taken = Taken::read(unsigned(row, 0)?, row.get_ref(1)?.as_blob()?);
            Ok((taken, unsigned(row, 2)?))
        };
        let mut row = tx
            .prepare_cached("select taken_below, taken_later, last_number from actor where id = ?")
            .map_err(store_error)?;
        match row.query_row([signed(id)], columns).optional().map_err(store_error)? {
            None => Ok(None),
            Some((Some(taken), last_number)) => Ok(Some(Self { id, taken, last_number })),
            Some((None, _)) => Err(StoreError::Damaged { at: format!("the row of actor {id} in table `actor`") }),
        }
    }

    fn held(&self, tx: &Transaction<'_>, from: u64, most_bytes: usize) -> Result<Vec<StoredMessage>, StoreError> {
        let mut rows = tx
            .prepare_cached(
                "select number, due_ns, record, checksum from held where mailbox = ? and number >= ? order by number",
            )
            .map_err(store_error)?;
        let columns = |row: &Row<'_>| {
            Ok((unsigned(row, 0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?, row.get::<_, i64>(3)?))
        };
        let (mut held, mut bytes) = (Vec::new(), 0);
        for row in rows.query_map(params![signed(self.id), signed(from)], columns).map_err(store_error)? {
            let (number, due_ns, record, sum) = row.map_err(store_error)?;
            if held_sum(self.id, number, due_ns, &record) != sum {
                return Err(StoreError::Damaged { at: format!("held message {number} of actor {}", self.id) });
            }
            bytes += record.len();
            held.push(StoredMessage { number, due: Some(time(due_ns)), record });
            if bytes > most_bytes {
                break;
            }
        }
        Ok(held)
    }

    /// The messages in frames. Each number that is not taken must be there.
    fn in_order(&self, tx: &Transaction<'_>, from: u64, most_bytes: usize) -> Result<Vec<StoredMessage>, StoreError> {
        let mut next = from.max(self.taken.below());
        let mut rows = tx
            .prepare_cached(
                "select first, messages, records, checksum from frame where mailbox = ?1 and first >=
                    coalesce((select max(first) from frame where mailbox = ?1 and first <= ?2), 0)
                 order by first",
            )
            .map_err(store_error)?;
        let mut rows = rows.query(params![signed(self.id), signed(next)]).map_err(store_error)?;
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(store_error)? {
            let (first, count, sum) = frame_of(row).map_err(store_error)?;
            let records = row.get_ref(2).and_then(|records| Ok(records.as_blob()?)).map_err(store_error)?;
            if frame_sum(self.id, first, count, records) != sum {
                return Err(self.damaged(first));
            }
            self.check_no_gap(next, first)?;
            for (number, record) in (first..first + count).zip(records_of(records)) {
                if number >= next && !self.taken.contains(number) {
                    bytes += record.len();
                    messages.push(StoredMessage { number, due: None, record: record.to_vec() });
                    if bytes > most_bytes {
                        return Ok(messages);
                    }
                }
            }
            next = next.max(first + count);
        }
        self.check_no_gap(next, self.last_number + 1)?;
        Ok(messages)
    }

    /// Checks that no message from `next` to before `end` should be there.
    fn check_no_gap(&self, next: u64, end: u64) -> Result<(), StoreError> {
        self.taken.first_missing(next..end).map_or(Ok(()), |missing| Err(self.damaged(missing)))
    }

    fn damaged(&self, number: u64) -> StoreError {
        StoreError::Damaged { at: format!("message {number} of actor {} in table `frame`", self.id) }
    }
}

/// The first message, and those after it as far as all of them have no more bytes than `most_bytes`.
fn fitting(mut messages: Vec<StoredMessage>, most_bytes: usize) -> Vec<StoredMessage> {
    let mut bytes = 0;
    let fits = messages.iter().position(|message| {
        bytes += message.record.len();
        bytes > most_bytes
    });
    messages.truncate(fits.map_or(usize::MAX, |at| at.max(1)));
    messages
}

fn frame_of(row: &Row<'_>) -> rusqlite::Result<(u64, u64, i64)> {
    Ok((unsigned(row, 0)?, unsigned(row, 1)?, row.get(3)?))
}

/// A row of `timer`: its actor, its id, the timer if its receiver is an address, and its checksum.
pub(crate) fn timer_of(row: &Row<'_>) -> rusqlite::Result<(u64, u64, Option<StoredTimer>, i64)> {
    let (actor, id, to) = (unsigned(row, 1)?, unsigned(row, 2)?, row.get::<_, String>(6)?);
    let timer = match Address::parse(&to) {
        Ok(to) => Some(StoredTimer {
            id,
            due: time(row.get(3)?),
            wait: Duration::from_nanos(unsigned(row, 4)?),
            again: row.get(5)?,
            to,
            record: row.get(7)?,
        }),
        Err(_) => None,
    };
    Ok((actor, id, timer, row.get(8)?))
}

/// A row of `letter`: its number, the letter if its addresses are some, and its checksum.
pub(crate) fn letter_of(row: &Row<'_>) -> rusqlite::Result<(u64, Option<StoredLetter>, i64)> {
    let number = unsigned(row, 0)?;
    let (to, sender): (String, Option<String>) = (row.get(3)?, row.get(5)?);
    let sender = sender.map(|sender| Address::parse(&sender)).transpose();
    let letter = match (Address::parse(&to), sender) {
        (Ok(to), Ok(sender)) => Some(StoredLetter {
            number,
            copy: row.get(1)?,
            record: row.get(2)?,
            to,
            owner: ActorId(unsigned(row, 4)?),
            sender,
            kind: row.get(6)?,
            why: row.get(7)?,
            at: time(row.get(8)?),
        }),
        _ => None,
    };
    Ok((number, letter, row.get(9)?))
}

/// The size of an actor's state, as its row says.
fn size_of(db: &Connection, actor: ActorId) -> Result<StateSize, StoreError> {
    let read =
        || db.prepare_cached("select * from actor where id = ?")?.query_row([signed(actor.0)], known_of).optional();
    let row = read().map_err(store_error)?;
    row.map_or(Ok(StateSize::default()), |row| Ok(checked(row)?.1.state))
}

/// The id of an actor, and what its row says, when the row is as it was written.
fn checked((id, known, sum): (u64, Option<Known>, i64)) -> Result<(u64, Known), StoreError> {
    let damaged = || StoreError::Damaged { at: format!("the row of actor {id} in table `actor`") };
    Ok((id, known.filter(|known| actor_sum(id, known) == sum).ok_or_else(damaged)?))
}
