//! The actors of a store, for its writer. Their rows are read when a group names them, and a bounded number of them stays in memory:
//! an actor that nobody uses takes none.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::iter::Peekable;

use playhouse_kernel::{ActorId, Address, StoreError, StoredActor, StoredSuspect};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::columns::{signed, unsigned};
use crate::error::store_error;
use crate::mailbox::Known;
use crate::rows::{actor_sum, known_of, suspect_of, suspect_sum};

/// Actors that stay in memory after a group that did not name them: some megabytes.
const MOST_KNOWN: usize = 16 << 10;

/// The actors that are in memory, as they are after the changes of the group under way.
#[derive(Default)]
pub(crate) struct Actors {
    known: BTreeMap<u64, Known>,
}

impl Actors {
    /// The actor; none when the database has no such one.
    pub(crate) fn get(&mut self, id: u64, db: &Connection) -> Result<Option<&mut Known>, StoreError> {
        Ok(match self.known.entry(id) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(place) => read(db, id)?.map(|known| place.insert(known)),
        })
    }

    /// The actor, which the group under way has named.
    pub(crate) fn named(&mut self, id: u64) -> Option<&mut Known> {
        self.known.get_mut(&id)
    }

    /// Adds a new actor.
    pub(crate) fn insert(&mut self, id: u64, known: Known) {
        self.known.insert(id, known);
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.known.remove(&id);
    }

    /// Forgets actors, if they are many, that the last group did not name.
    pub(crate) fn forget_others(&mut self, is_named: impl Fn(u64) -> bool) {
        if self.known.len() > MOST_KNOWN {
            self.known.retain(|id, _| is_named(*id));
        }
    }

    /// The number of actors in memory.
    #[cfg(test)]
    pub(crate) fn in_memory(&self) -> usize {
        self.known.len()
    }
}

/// Reads all actors in the order of their ids, and checks their rows, one actor after another. `each` gets every actor and its suspects.
pub(crate) fn read_all(
    db: &Connection,
    mut each: impl FnMut(StoredActor, Vec<StoredSuspect>),
) -> Result<(), StoreError> {
    let in_order = |sql: &str| db.prepare(sql).map_err(store_error);
    let mut held = in_order("select mailbox, number from held order by mailbox, number")?;
    let mut held = held.query_map([], two_numbers).map_err(store_error)?.peekable();
    let mut timers = in_order("select actor, id from timer order by actor, id")?;
    let mut timers = timers.query_map([], two_numbers).map_err(store_error)?.peekable();
    let mut suspects = in_order("select * from suspect order by mailbox, number")?;
    let suspect = |row: &Row<'_>| suspect_of(row).map(|(suspect, sum)| (suspect.mailbox.0, (suspect, sum)));
    let mut suspects = suspects.query_map([], suspect).map_err(store_error)?.peekable();
    let mut actors = in_order("select * from actor order by id")?;
    // A row that has another actor's id is missed there as well: its own place says more.
    let mut missing = Ok(());
    for row in actors.query_map([], known_of).map_err(store_error)? {
        let (id, mut known) = checked(row.map_err(store_error)?)?;
        while let Some((mailbox, number)) = next_up_to(&mut held, id)? {
            if mailbox != id {
                return Err(held_damaged(mailbox, number));
            }
            known.held.insert(number);
        }
        while let Some((actor, timer)) = next_up_to(&mut timers, id)? {
            if actor != id {
                return Err(timer_damaged(actor, timer));
            }
            known.timers.ids.insert(timer);
        }
        let mut of_actor = Vec::new();
        while let Some((mailbox, suspect)) = next_up_to(&mut suspects, id)? {
            if mailbox != id {
                return Err(suspect_damaged(&suspect.0));
            }
            of_actor.push(add_suspect(&mut known, suspect)?);
        }
        missing = missing.and_then(|()| require_all(id, &known));
        let damaged = |_| StoreError::Damaged { at: format!("the address of actor {id} in table `actor`") };
        let address = Address::parse(&known.address).map_err(damaged)?;
        each(known.stored(ActorId(id), address), of_actor);
    }
    // Rows of actors that are not there.
    if let Some((mailbox, number)) = next_up_to(&mut held, u64::MAX)? {
        return Err(held_damaged(mailbox, number));
    }
    if let Some((actor, timer)) = next_up_to(&mut timers, u64::MAX)? {
        return Err(timer_damaged(actor, timer));
    }
    match next_up_to(&mut suspects, u64::MAX)? {
        Some((_, (suspect, _))) => Err(suspect_damaged(&suspect)),
        None => missing,
    }
}

/// Reads the rows of one actor, and checks them.
fn read(db: &Connection, id: u64) -> Result<Option<Known>, StoreError> {
    let row = db.prepare_cached("select * from actor where id = ?");
    let row = row.and_then(|mut row| row.query_row([signed(id)], known_of).optional()).map_err(store_error)?;
    let Some(row) = row else { return Ok(None) };
    let (_, mut known) = checked(row)?;
    let numbers = |sql: &str| {
        let mut rows = db.prepare_cached(sql).map_err(store_error)?;
        let rows = rows.query_map([signed(id)], |row| unsigned(row, 0)).map_err(store_error)?;
        rows.collect::<Result<Vec<_>, _>>().map_err(store_error)
    };
    if !known.has_all() {
        known.held.extend(numbers("select number from held where mailbox = ?")?);
    }
    if known.timers.rows > 0 {
        known.timers.ids.extend(numbers("select id from timer where actor = ?")?);
    }
    if known.suspects.rows > 0 {
        let mut rows = db.prepare_cached("select * from suspect where mailbox = ?").map_err(store_error)?;
        for row in rows.query_map([signed(id)], suspect_of).map_err(store_error)? {
            add_suspect(&mut known, row.map_err(store_error)?)?;
        }
    }
    require_all(id, &known)?;
    Ok(Some(known))
}

fn checked((id, known, sum): (u64, Option<Known>, i64)) -> Result<(u64, Known), StoreError> {
    let damaged = || StoreError::Damaged { at: format!("the row of actor {id} in table `actor`") };
    let known = known.filter(|known| actor_sum(id, known) == sum).ok_or_else(damaged)?;
    Ok((id, known))
}

fn add_suspect(known: &mut Known, (suspect, sum): (StoredSuspect, i64)) -> Result<StoredSuspect, StoreError> {
    if suspect_sum(&suspect) != sum {
        return Err(suspect_damaged(&suspect));
    }
    known.suspects.messages.insert(suspect.number, (suspect.ends, suspect.boot));
    Ok(suspect)
}

/// Checks that no row of the actor is missing: rows that are not there have no checksum.
fn require_all(id: u64, known: &Known) -> Result<(), StoreError> {
    let parts = [
        (known.suspects.has_all(), "suspects", "suspect"),
        (known.timers.has_all(), "timers", "timer"),
        (known.has_all(), "held messages", "held"),
    ];
    match parts.into_iter().find(|(has_all, ..)| !has_all) {
        Some((_, what, table)) => {
            Err(StoreError::Damaged { at: format!("the {what} of actor {id} in table `{table}`") })
        }
        None => Ok(()),
    }
}

fn held_damaged(mailbox: u64, number: u64) -> StoreError {
    StoreError::Damaged { at: format!("message {number} of actor {mailbox} in table `held`") }
}

fn timer_damaged(actor: u64, id: u64) -> StoreError {
    StoreError::Damaged { at: format!("timer {id} of actor {actor} in table `timer`") }
}

fn suspect_damaged(suspect: &StoredSuspect) -> StoreError {
    let StoredSuspect { mailbox: ActorId(mailbox), number, .. } = suspect;
    StoreError::Damaged { at: format!("message {number} of actor {mailbox} in table `suspect`") }
}

fn two_numbers(row: &Row<'_>) -> rusqlite::Result<(u64, u64)> {
    Ok((unsigned(row, 0)?, unsigned(row, 1)?))
}

/// The next row, if it is of an actor up to this one.
fn next_up_to<T>(
    rows: &mut Peekable<impl Iterator<Item = rusqlite::Result<(u64, T)>>>,
    id: u64,
) -> Result<Option<(u64, T)>, StoreError> {
    let next = rows.next_if(|row| row.as_ref().map_or(true, |(actor, _)| *actor <= id));
    next.transpose().map_err(store_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actors_that_no_group_names_are_forgotten_when_they_are_many() {
        let mut actors = Actors::default();
        for id in 0..MOST_KNOWN as u64 {
            actors.insert(id, Known::new(format!("/a{id}")));
        }
        actors.forget_others(|_| false);
        assert_eq!(actors.in_memory(), MOST_KNOWN, "so many may stay");
        actors.insert(u64::MAX, Known::new("/b".to_owned()));
        actors.forget_others(|id| id < 2);
        assert_eq!(actors.in_memory(), 2);
    }
}
