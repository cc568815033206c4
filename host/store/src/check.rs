//! The check of a whole store: everything is read, and each damage is named with its place. SQLite finds damaged pages and
//! indexes; the checksums of the rows find everything else that was changed, and the note of the last group a log that lost its end.

use std::collections::BTreeMap;

use playhouse_kernel::{StateSize, StoreError, check_key, cost_of, records_of};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use crate::children;
use crate::columns::{signed, unsigned};
use crate::error::store_error;
use crate::mailbox::Known;
use crate::origins;
use crate::reader::{letter_of, timer_of};
use crate::rows::{actor_sum, frame_sum, held_sum, known_of, letter_sum, suspect_of, suspect_sum, timer_sum};
use crate::schema::{FORMAT, has_all_tables};
use crate::state::State;
use crate::tail::Note;
use crate::values::{lifetime_of, value_sum};

/// Most damages that are named.
const MOST_DAMAGES: usize = 100;

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Each damage with its place, at most 100.
    pub damages: Vec<String>,
    /// Whether there are more damages.
    pub has_more: bool,
    /// The messages that were read, held ones included.
    pub messages: u64,
    /// The dead letters that were read.
    pub letters: u64,
    /// The keys of states that were read.
    pub keys: u64,
    /// The timers that were read.
    pub timers: u64,
}

/// Checks the rows of a table.
type Rows = fn(&mut Check<'_>) -> rusqlite::Result<()>;

/// A check under way.
struct Check<'a> {
    tx: Transaction<'a>,
    note: Option<&'a Note>,
    found: Checked,
    /// The actors whose rows are sound.
    actors: BTreeMap<u64, Known>,
}

/// Checks a database as it is at one moment, which is not before the note's. `Err`: it cannot be read at all.
pub(crate) fn check(db: &Connection, note: Option<&Note>) -> Result<Checked, StoreError> {
    let tx = Transaction::new_unchecked(db, TransactionBehavior::Deferred).map_err(store_error)?;
    let mut check = Check { tx, note, found: Checked::default(), actors: BTreeMap::new() };
    check.pages()?;
    if !has_all_tables(&check.tx).map_err(store_error)? {
        check.damage(format!("the names in the database `store.db`, which are not those of format {FORMAT}"));
    }
    check.store();
    let tables: [(&str, Rows); 9] = [
        ("actor", |check| check.actors()),
        ("frame", |check| check.frames()),
        ("held", |check| check.held()),
        ("state", |check| check.states()),
        ("suspect", |check| check.suspects()),
        ("timer", |check| check.timers()),
        ("letter", |check| check.letters()),
        ("child", |check| check.children()),
        ("origin", |check| check.origins()),
    ];
    for (table, rows) in tables {
        if let Err(error) = rows(&mut check) {
            check.damage(format!("table `{table}`, which cannot be read to its end: {error}"));
        }
    }
    Ok(check.found)
}

impl Check<'_> {
    fn damage(&mut self, place: String) {
        if self.found.damages.len() < MOST_DAMAGES {
            self.found.damages.push(place);
        } else {
            self.found.has_more = true;
        }
    }

    /// The pages of the file, and the indexes.
    fn pages(&mut self) -> Result<(), StoreError> {
        let mut lines = Vec::new();
        let mut read = || -> rusqlite::Result<()> {
            let mut rows = self.tx.prepare(&format!("pragma integrity_check({MOST_DAMAGES})"))?;
            for line in rows.query_map([], |row| row.get::<_, String>(0))? {
                lines.push(line?);
            }
            Ok(())
        };
        match read().map_err(store_error) {
            // The check itself stops at some damages, and its lines have the others.
            Ok(()) => {}
            Err(StoreError::Damaged { at }) if !lines.is_empty() => self.damage(at),
            Err(error) => return Err(error),
        }
        for line in lines.iter().flat_map(|lines| lines.lines()) {
            if line != "ok" && !line.starts_with("***") {
                self.damage(format!("the database `store.db`: {line}"));
            }
        }
        Ok(())
    }

    fn store(&mut self) {
        let checked = State::read_store_row(&self.tx)
            .and_then(|state| self.note.map_or(Ok(()), |note| note.check(state.position())));
        if let Err(error) = checked {
            self.damage(place_of(error));
        }
    }

    fn actors(&mut self) -> rusqlite::Result<()> {
        let mut damaged = Vec::new();
        {
            let mut rows = self.tx.prepare("select * from actor order by id")?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                match known_of(row) {
                    Ok((id, Some(known), sum)) if actor_sum(id, &known) == sum => drop(self.actors.insert(id, known)),
                    _ => damaged.push(row_id(row)),
                }
            }
        }
        for id in damaged {
            self.damage(format!("the row of actor {id} in table `actor`"));
        }
        Ok(())
    }

    fn frames(&mut self) -> rusqlite::Result<()> {
        let mut damaged = Vec::new();
        {
            let mut rows =
                self.tx.prepare("select id, mailbox, first, messages, records, checksum from frame order by id")?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                match frame(row) {
                    Ok((mailbox, first, messages, is_sound)) if is_sound => {
                        let known = self.actors.get(&mailbox);
                        let left = (first..first + messages)
                            .filter(|number| known.is_some_and(|known| !known.taken.contains(*number)));
                        self.found.messages += left.count() as u64;
                    }
                    Ok((mailbox, first, messages, _)) => {
                        damaged.push(format!(
                            "{}, in row {} of table `frame`",
                            self.named(mailbox, first, messages),
                            row_id(row)
                        ));
                    }
                    Err(_) => damaged.push(format!("row {} of table `frame`", row_id(row))),
                }
            }
        }
        for place in damaged {
            self.damage(place);
        }
        self.gaps()
    }

    /// The frames that are not there, and those that nobody knows.
    fn gaps(&mut self) -> rusqlite::Result<()> {
        let mut damaged = Vec::new();
        {
            let mut rows = self
                .tx
                .prepare("select first, messages, length(records) from frame where mailbox = ? order by first")?;
            for (id, known) in &self.actors {
                let (mut next, mut frames, mut frame_bytes) = (known.taken.below(), 0, 0);
                let mut missing = |numbers: std::ops::Range<u64>| {
                    if let Some(first) = known.taken.first_missing(numbers) {
                        damaged.push(format!("message {first} of `{}`, which is not in table `frame`", known.address));
                    }
                };
                let mut rows = rows.query([signed(*id)])?;
                while let Some(row) = rows.next()? {
                    let (first, messages) = (unsigned(row, 0)?, unsigned(row, 1)?);
                    missing(next..first);
                    next = next.max(first.saturating_add(messages));
                    frames += 1;
                    frame_bytes += unsigned(row, 2)?;
                }
                missing(next..known.last_number + 1);
                if frames != known.frames {
                    let Known { address, frames: expected, .. } = known;
                    damaged.push(format!("table `frame`, which has {frames} rows of {expected} for `{address}`"));
                } else if frame_bytes != known.frame_bytes {
                    damaged.push(format!("the bytes of the messages of `{}` in table `actor`", known.address));
                }
            }
            let mut strange = self.tx.prepare("select distinct mailbox from frame")?;
            for mailbox in strange.query_map([], |row| unsigned(row, 0))? {
                let mailbox = mailbox?;
                if !self.actors.contains_key(&mailbox) {
                    damaged
                        .push(format!("the rows of table `frame` for actor {mailbox}, of which there is no sound row"));
                }
            }
        }
        for place in damaged {
            self.damage(place);
        }
        Ok(())
    }

    fn held(&mut self) -> rusqlite::Result<()> {
        let (mut damaged, mut counts) = (Vec::new(), BTreeMap::<u64, u64>::new());
        {
            let mut rows = self.tx.prepare("select mailbox, number, due_ns, record, checksum from held")?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                let (mailbox, number) = (unsigned(row, 0)?, unsigned(row, 1)?);
                let is_sound = || -> rusqlite::Result<bool> {
                    let record = row.get_ref(3)?.as_blob()?;
                    Ok(held_sum(mailbox, number, row.get(2)?, record) == row.get::<_, i64>(4)?)
                };
                if is_sound().unwrap_or(false) {
                    self.found.messages += 1;
                } else {
                    damaged.push(format!("{} in table `held`", self.named(mailbox, number, 1)));
                }
                *counts.entry(mailbox).or_default() += 1;
            }
        }
        for (id, known) in &self.actors {
            let held = counts.get(id).copied().unwrap_or(0);
            if known.waiting != known.taken.missing_up_to(known.last_number) + held {
                damaged.push(format!("table `held`, which has {held} messages of `{}`, and not all", known.address));
            }
        }
        for place in damaged {
            self.damage(place);
        }
        Ok(())
    }

    fn states(&mut self) -> rusqlite::Result<()> {
        let (mut damaged, mut sizes) = (Vec::new(), BTreeMap::<u64, StateSize>::new());
        {
            let mut rows = self.tx.prepare(
                "select id, actor, key, value, checksum, ends_ns, lifetime_ns from state order by actor, key",
            )?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                match value(row) {
                    Ok((actor, key, bytes, is_sound)) => {
                        let size = sizes.entry(actor).or_default();
                        *size = StateSize { keys: size.keys + 1, bytes: size.bytes + cost_of(&key, bytes) };
                        if is_sound {
                            self.found.keys += 1;
                        } else {
                            damaged.push(format!(
                                "the value of `{}` of {}, in row {} of table `state`",
                                key.escape_debug(),
                                self.owner(actor),
                                row_id(row)
                            ));
                        }
                    }
                    Err(_) => damaged.push(format!("row {} of table `state`", row_id(row))),
                }
            }
        }
        for (id, known) in &self.actors {
            let (size, address) = (sizes.remove(id).unwrap_or_default(), &known.address);
            if size.keys != known.state.keys {
                let (keys, expected) = (size.keys, known.state.keys);
                damaged.push(format!("table `state`, which has {keys} keys of {expected} for `{address}`"));
            } else if size != known.state {
                damaged.push(format!("the size of the state of `{address}` in table `actor`"));
            }
        }
        for actor in sizes.into_keys() {
            damaged.push(format!("the rows of table `state` for actor {actor}, of which there is no sound row"));
        }
        for place in damaged {
            self.damage(place);
        }
        Ok(())
    }

    fn suspects(&mut self) -> rusqlite::Result<()> {
        let (mut damaged, mut counts) = (Vec::new(), BTreeMap::<u64, u64>::new());
        {
            let mut rows = self.tx.prepare("select * from suspect order by mailbox, number")?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                *counts.entry(unsigned(row, 0)?).or_default() += 1;
                if !suspect_of(row).is_ok_and(|(suspect, sum)| suspect_sum(&suspect) == sum) {
                    let (mailbox, number) = (unsigned(row, 0)?, unsigned(row, 1)?);
                    damaged.push(format!("{} in table `suspect`", self.named(mailbox, number, 1)));
                }
            }
        }
        for (id, known) in &self.actors {
            let (rows_there, expected) = (counts.remove(id).unwrap_or_default(), known.suspects.rows);
            if rows_there != expected {
                let address = &known.address;
                damaged.push(format!("table `suspect`, which has {rows_there} rows of {expected} for `{address}`"));
            }
        }
        for mailbox in counts.into_keys() {
            damaged.push(format!("the rows of table `suspect` for actor {mailbox}, of which there is no sound row"));
        }
        for place in damaged {
            self.damage(place);
        }
        Ok(())
    }

    fn timers(&mut self) -> rusqlite::Result<()> {
        let (mut damaged, mut counts) = (Vec::new(), BTreeMap::<u64, u64>::new());
        {
            let mut rows = self.tx.prepare("select * from timer order by actor, id")?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                *counts.entry(unsigned(row, 1)?).or_default() += 1;
                match timer_of(row) {
                    Ok((actor, _, Some(timer), sum)) if timer_sum(actor, &timer) == sum => self.found.timers += 1,
                    Ok((actor, id, ..)) => {
                        let owner = self.owner(actor);
                        damaged.push(format!("timer {id} of {owner}, in row {} of table `timer`", row_id(row)));
                    }
                    Err(_) => damaged.push(format!("row {} of table `timer`", row_id(row))),
                }
            }
        }
        for (id, known) in &self.actors {
            let (rows_there, expected) = (counts.remove(id).unwrap_or_default(), known.timers.rows);
            if rows_there != expected {
                let address = &known.address;
                damaged.push(format!("table `timer`, which has {rows_there} rows of {expected} for `{address}`"));
            }
        }
        for actor in counts.into_keys() {
            damaged.push(format!("the rows of table `timer` for actor {actor}, of which there is no sound row"));
        }
        for place in damaged {
            self.damage(place);
        }
        Ok(())
    }

    fn letters(&mut self) -> rusqlite::Result<()> {
        let (mut damaged, mut rows_there) = (Vec::new(), 0);
        {
            let mut rows = self.tx.prepare("select * from letter order by number")?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                rows_there += 1;
                let is_sound = |letter: &playhouse_kernel::StoredLetter, sum| {
                    letter_sum(letter) == sum && records_of(&letter.record).next().is_some()
                };
                match letter_of(row) {
                    Ok((_, Some(letter), sum)) if is_sound(&letter, sum) => self.found.letters += 1,
                    _ => damaged.push(format!("dead letter {} in table `letter`", row_id(row))),
                }
            }
        }
        let expected = State::read_store_row(&self.tx).map(|state| state.letters());
        if let Ok(expected) = expected
            && expected != rows_there
        {
            damaged.push(format!("table `letter`, which has {rows_there} rows of {expected}"));
        }
        for place in damaged {
            self.damage(place);
        }
        Ok(())
    }

    fn children(&mut self) -> rusqlite::Result<()> {
        let mut damaged = children::damages(&self.tx)?;
        let mut rows = self.tx.prepare("select actor from child order by actor")?;
        for actor in rows.query_map([], |row| unsigned(row, 0))? {
            let actor = actor?;
            if !self.actors.contains_key(&actor) {
                damaged.push(format!("actor {actor} in table `child`, of which there is no sound row"));
            }
        }
        drop(rows);
        for place in damaged {
            self.damage(place);
        }
        Ok(())
    }

    fn origins(&mut self) -> rusqlite::Result<()> {
        let damaged = origins::damages(&self.tx)?;
        for place in damaged {
            self.damage(place);
        }
        Ok(())
    }

    /// An actor, by its address if its row is sound.
    fn owner(&self, actor: u64) -> String {
        self.actors.get(&actor).map_or_else(|| format!("actor {actor}"), |known| format!("`{}`", known.address))
    }

    /// Messages with their mailbox.
    fn named(&self, mailbox: u64, first: u64, messages: u64) -> String {
        let of = self.owner(mailbox);
        match messages {
            1 => format!("message {first} of {of}"),
            _ => format!("messages {first} to {} of {of}", first.saturating_add(messages.saturating_sub(1))),
        }
    }
}

/// A row of `state`: its actor, its key, the bytes of its value, and whether it is as it was written, under a key that may be.
fn value(row: &Row<'_>) -> rusqlite::Result<(u64, String, usize, bool)> {
    let (actor, key, value) = (unsigned(row, 1)?, row.get::<_, String>(2)?, row.get_ref(3)?.as_blob()?);
    let (sum, lifetime) = (row.get::<_, i64>(4)?, lifetime_of(row, 5)?);
    let is_sound = lifetime.is_ok_and(|lifetime| value_sum(actor, &key, value, lifetime.as_ref()) == sum)
        && check_key(&key).is_ok();
    Ok((actor, key, value.len(), is_sound))
}

/// A row of `frame`: its mailbox, its first number, its number of messages, and whether it is as it was written.
fn frame(row: &Row<'_>) -> rusqlite::Result<(u64, u64, u64, bool)> {
    let (mailbox, first, messages) = (unsigned(row, 1)?, unsigned(row, 2)?, unsigned(row, 3)?);
    let records = row.get_ref(4)?.as_blob()?;
    let is_sound = frame_sum(mailbox, first, messages, records) == row.get::<_, i64>(5)?;
    Ok((mailbox, first, messages, is_sound))
}

/// The number of a row, which is its first column.
fn row_id(row: &Row<'_>) -> u64 {
    unsigned(row, 0).unwrap_or_default()
}

fn place_of(error: StoreError) -> String {
    match error {
        StoreError::Damaged { at } => at,
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::write_actor;
    use crate::schema::open;
    use crate::settings::StoreSettings;

    /// A host that counts wrong writes a row that is sound in itself.
    #[test]
    fn wrong_number_of_bytes_is_a_damage() {
        let home = tempfile::tempdir().expect("a folder");
        let (mut db, _) =
            open(&home.path().join("store.db"), &StoreSettings::new(home.path()), FORMAT).expect("it is new");
        let known = Known { frame_bytes: 7, ..Known::new("/a".to_owned()) };
        let tx = Transaction::new(&mut db, TransactionBehavior::Immediate).expect("free");
        write_actor(1, &known, &tx).and_then(|()| tx.commit()).expect("space");
        let damages = check(&db, None).expect("it can be read").damages;
        assert_eq!(damages, ["the bytes of the messages of `/a` in table `actor`"]);
    }
}
