//! The rows of the tables: how they are written, and their checksums.

use std::collections::{BTreeMap, BTreeSet};

use playhouse_kernel::{ActorId, Address, StateSize, StoredLetter, StoredSuspect, StoredTimer, TimerIds};
use rusqlite::{Row, Transaction, params};

use crate::checksum::checksum;
use crate::columns::{nanos, nanos_of, signed, unsigned};
use crate::mailbox::{Changes, Frame, Known};
use crate::suspects::Suspects;
use crate::taken::Taken;
use crate::timers::Timers;
use crate::values;

/// Deletes what one group ended in a mailbox.
pub(crate) fn delete_ended(
    id: u64,
    known: &mut Known,
    changes: &Changes<'_>,
    tx: &Transaction<'_>,
) -> rusqlite::Result<()> {
    if changes.took && known.frames > 0 {
        delete_frames(id, known, tx)?;
    }
    for (number, _) in changes.held.iter().filter(|(_, held)| held.is_none()) {
        let mut gone = tx.prepare_cached("delete from held where mailbox = ? and number = ?")?;
        gone.execute(params![signed(id), signed(*number)])?;
    }
    for number in changes.suspects.iter().filter(|number| !known.suspects.messages.contains_key(number)) {
        let mut gone = tx.prepare_cached("delete from suspect where mailbox = ? and number = ?")?;
        gone.execute(params![signed(id), signed(*number)])?;
    }
    for (timer, _) in changes.timers.iter().filter(|(_, timer)| timer.is_none()) {
        let mut gone = tx.prepare_cached("delete from timer where actor = ? and id = ?")?;
        gone.execute(params![signed(id), signed(*timer)])?;
    }
    for (key, change) in &changes.state {
        values::delete(id, key, change, &mut known.state, tx)?;
    }
    Ok(())
}

/// Deletes the frames whose messages are all gone.
fn delete_frames(id: u64, known: &mut Known, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let below = signed(known.taken.below());
    if known.frames == 1 {
        let mut gone =
            tx.prepare_cached("delete from frame where mailbox = ?1 and first < ?2 and first + messages <= ?2")?;
        if gone.execute(params![signed(id), below])? == 1 {
            (known.frames, known.frame_bytes) = (0, 0);
        }
        return Ok(());
    }
    // The lengths are at the beginnings of the rows, so that none of their records is read.
    let mut ended = tx.prepare_cached(
        "select id, length(records) from frame where mailbox = ?1 and first < ?2 and first + messages <= ?2",
    )?;
    let ended = ended.query_map(params![signed(id), below], |row| Ok((row.get::<_, i64>(0)?, unsigned(row, 1)?)))?;
    let mut gone = tx.prepare_cached("delete from frame where id = ?")?;
    for (row, bytes) in ended.collect::<rusqlite::Result<Vec<_>>>()? {
        known.frames -= gone.execute([row])? as u64;
        known.frame_bytes = known.frame_bytes.saturating_sub(bytes);
    }
    Ok(())
}

/// Deletes everything of an actor that is gone.
pub(crate) fn delete_actor(id: u64, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let of_mailbox = ["frame", "held", "suspect"].map(|table| (table, "mailbox"));
    let of_actor = ["state", "timer"].map(|table| (table, "actor"));
    for (table, column) in of_mailbox.into_iter().chain(of_actor).chain([("actor", "id")]) {
        tx.prepare_cached(&format!("delete from {table} where {column} = ?"))?.execute([signed(id)])?;
    }
    Ok(())
}

/// Writes what one group brought to a mailbox.
pub(crate) fn write_new(
    id: u64,
    known: &mut Known,
    changes: &Changes<'_>,
    tx: &Transaction<'_>,
) -> rusqlite::Result<()> {
    for Frame { first, messages, records } in known.new_frames(changes) {
        let mut row =
            tx.prepare_cached("insert into frame(mailbox, first, messages, records, checksum) values (?, ?, ?, ?, ?)")?;
        let sum = frame_sum(id, first, messages, &records);
        row.execute(params![signed(id), signed(first), signed(messages), records, sum])?;
        known.frames += 1;
        known.frame_bytes += records.len() as u64;
    }
    for (number, held) in &changes.held {
        let Some((due, record)) = held else { continue };
        let due_ns = nanos(*due);
        let mut row = tx.prepare_cached("insert or replace into held values (?, ?, ?, ?, ?)")?;
        row.execute(params![signed(id), signed(*number), due_ns, record, held_sum(id, *number, due_ns, record)])?;
    }
    for number in &changes.suspects {
        let Some(&(ends, boot)) = known.suspects.messages.get(number) else { continue };
        let sum = suspect_sum(&StoredSuspect { mailbox: ActorId(id), number: *number, ends, boot });
        let mut row = tx.prepare_cached("insert or replace into suspect values (?, ?, ?, ?, ?)")?;
        row.execute(params![signed(id), signed(*number), ends, signed(boot), sum])?;
    }
    for timer in changes.timers.values().flatten() {
        write_timer(id, timer, tx)?;
    }
    for (key, change) in &changes.state {
        values::write(id, key, change, &mut known.state, tx)?;
    }
    Ok(())
}

/// Writes the row of an actor.
pub(crate) fn write_actor(id: u64, known: &Known, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut row = tx.prepare_cached(
        "insert into actor values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict(id) do update set
            (halted, last_number, waiting, taken_below, taken_later, frames, state_keys, state_bytes,
             timers, timers_given, timers_chosen, suspects, checksum, frame_bytes) =
            (excluded.halted, excluded.last_number, excluded.waiting, excluded.taken_below, excluded.taken_later,
             excluded.frames, excluded.state_keys, excluded.state_bytes,
             excluded.timers, excluded.timers_given, excluded.timers_chosen, excluded.suspects,
             excluded.checksum, excluded.frame_bytes)",
    )?;
    row.execute(params![
        signed(id),
        known.address,
        known.halted,
        signed(known.last_number),
        signed(known.waiting),
        signed(known.taken.below()),
        known.taken.later(),
        signed(known.frames),
        signed(known.state.keys),
        signed(known.state.bytes),
        signed(known.timers.rows),
        signed(known.timers.highest.given),
        signed(known.timers.highest.chosen),
        signed(known.suspects.rows),
        actor_sum(id, known),
        signed(known.frame_bytes),
    ])?;
    Ok(())
}

/// A row of `actor`, without the numbers of held messages and suspects and the ids of timers: its id, the actor if the row can be read, and its checksum.
pub(crate) fn known_of(row: &Row<'_>) -> rusqlite::Result<(u64, Option<Known>, i64)> {
    let taken = Taken::read(unsigned(row, 5)?, row.get_ref(6)?.as_blob()?);
    let known = Known {
        address: row.get(1)?,
        halted: row.get(2)?,
        last_number: unsigned(row, 3)?,
        waiting: unsigned(row, 4)?,
        taken: Taken::default(),
        frames: unsigned(row, 7)?,
        frame_bytes: unsigned(row, 15)?,
        held: BTreeSet::new(),
        state: StateSize { keys: unsigned(row, 8)?, bytes: unsigned(row, 9)? },
        timers: Timers {
            rows: unsigned(row, 10)?,
            ids: BTreeSet::new(),
            highest: TimerIds { given: unsigned(row, 11)?, chosen: unsigned(row, 12)? },
        },
        suspects: Suspects { rows: unsigned(row, 13)?, messages: BTreeMap::new() },
    };
    Ok((unsigned(row, 0)?, taken.map(|taken| Known { taken, ..known }), row.get(14)?))
}

/// The checksum of a row of `actor`.
pub(crate) fn actor_sum(id: u64, known: &Known) -> i64 {
    let halted = known.halted.map_or(2, u64::from);
    let numbers = [id, halted, known.last_number, known.waiting, known.taken.below(), known.frames];
    let [id, halted, last, waiting, below, frames] = numbers.map(u64::to_le_bytes);
    let [keys, bytes] = [known.state.keys, known.state.bytes].map(u64::to_le_bytes);
    let TimerIds { given, chosen } = known.timers.highest;
    let timers = [known.timers.rows, given, chosen, known.suspects.rows].map(u64::to_le_bytes);
    let (address, later, timers) = (known.address.as_bytes(), known.taken.later(), timers.as_flattened());
    let of_frames = known.frame_bytes.to_le_bytes();
    checksum(&[&id, address, &halted, &last, &waiting, &below, &later, &frames, &keys, &bytes, timers, &of_frames])
}

/// The checksum of a row of `frame`.
pub(crate) fn frame_sum(mailbox: u64, first: u64, messages: u64, records: &[u8]) -> i64 {
    checksum(&[&mailbox.to_le_bytes(), &first.to_le_bytes(), &messages.to_le_bytes(), records])
}

/// The checksum of a row of `held`.
pub(crate) fn held_sum(mailbox: u64, number: u64, due_ns: i64, record: &[u8]) -> i64 {
    checksum(&[&mailbox.to_le_bytes(), &number.to_le_bytes(), &due_ns.to_le_bytes(), record])
}

/// Writes a timer, in place of the one with its id.
fn write_timer(actor: u64, timer: &StoredTimer, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut row = tx.prepare_cached(
        "insert into timer(actor, id, due_ns, wait_ns, again, recipient, record, checksum) values (?, ?, ?, ?, ?, ?, ?, ?)
            on conflict(actor, id) do update set (due_ns, wait_ns, again, recipient, record, checksum) =
            (excluded.due_ns, excluded.wait_ns, excluded.again, excluded.recipient, excluded.record, excluded.checksum)",
    )?;
    let StoredTimer { id, due, wait, again, to, record } = timer;
    row.execute(params![
        signed(actor),
        signed(*id),
        nanos(*due),
        nanos_of(*wait),
        again,
        to.as_str(),
        record,
        timer_sum(actor, timer),
    ])?;
    Ok(())
}

/// A row of `suspect`, and its checksum.
pub(crate) fn suspect_of(row: &Row<'_>) -> rusqlite::Result<(StoredSuspect, i64)> {
    let (mailbox, number) = (ActorId(unsigned(row, 0)?), unsigned(row, 1)?);
    Ok((StoredSuspect { mailbox, number, ends: row.get(2)?, boot: unsigned(row, 3)? }, row.get(4)?))
}

/// The checksum of a row of `suspect`.
pub(crate) fn suspect_sum(suspect: &StoredSuspect) -> i64 {
    let StoredSuspect { mailbox, number, ends, boot } = *suspect;
    checksum(&[[mailbox.0, number, ends.into(), boot].map(u64::to_le_bytes).as_flattened()])
}

/// The checksum of a row of `timer`.
pub(crate) fn timer_sum(actor: u64, timer: &StoredTimer) -> i64 {
    let StoredTimer { id, due, wait, again, to, record } = timer;
    let numbers = [actor, *id, u64::from(*again)].map(u64::to_le_bytes);
    let times = [nanos(*due), nanos_of(*wait)].map(i64::to_le_bytes);
    checksum(&[numbers.as_flattened(), times.as_flattened(), to.as_str().as_bytes(), record])
}

/// The checksum of a row of `letter`.
pub(crate) fn letter_sum(letter: &StoredLetter) -> i64 {
    let [number, copy, owner] = [letter.number, u64::from(letter.copy), letter.owner.0].map(u64::to_le_bytes);
    let sender = letter.sender.as_ref().map(Address::as_str).unwrap_or_default();
    let texts = [letter.to.as_str(), sender, &letter.kind, &letter.why].map(str::as_bytes);
    let [to, sender, kind, why] = texts;
    checksum(&[&number, &copy, &letter.record, to, &owner, sender, kind, why, &nanos(letter.at).to_le_bytes()])
}

/// Writes a new dead letter.
pub(crate) fn write_letter(letter: &StoredLetter, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut row = tx.prepare_cached("insert into letter values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    row.execute(params![
        signed(letter.number),
        letter.copy,
        letter.record,
        letter.to.as_str(),
        signed(letter.owner.0),
        letter.sender.as_ref().map(Address::as_str),
        letter.kind,
        letter.why,
        nanos(letter.at),
        letter_sum(letter),
    ])?;
    Ok(())
}
