//! The state of a store in memory, and the entries of a group applied to it and to the tables. An entry that cannot be true is
//! refused.

use std::collections::{BTreeMap, BTreeSet};

use playhouse_kernel::{
    ActorId, Address, Image, JournalEntry, JournalGroup, Op, StoreError, StoredActor, StoredSuspect, check_key,
};
use rusqlite::{Connection, Transaction, params};

use crate::checksum::checksum;
use crate::children::{self, ChildChanges, Children};
use crate::error::store_error;
use crate::mailbox::{Changes, Known};
use crate::origins::{OriginChanges, Origins};
use crate::rows::{
    actor_sum, delete_actor, delete_ended, known_of, signed, suspect_of, suspect_sum, unsigned, write_actor,
    write_letter, write_new,
};
use crate::tail::Position;

/// Everything that the database has, without messages and letters.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) boots: u64,
    last_entry: u64,
    free_id: u64,
    last_letter: u64,
    /// The dead letters that are kept.
    letters: u64,
    /// Whether a run is under way, or did not end in order.
    pub(crate) is_running: bool,
    actors: BTreeMap<u64, Known>,
    children: Children,
    origins: Origins,
}

/// The changes of one group.
#[derive(Default)]
struct GroupChanges<'g> {
    /// By the actor's id.
    mailboxes: BTreeMap<u64, Changes<'g>>,
    /// Other actors whose rows change.
    actors: BTreeSet<u64>,
    children: ChildChanges<'g>,
    /// Actors whose rows are deleted.
    gone: BTreeSet<u64>,
    origins: OriginChanges<'g>,
}

impl State {
    /// Reads everything, and checks it.
    pub(crate) fn read(db: &Connection) -> Result<Self, StoreError> {
        let mut state = Self::read_store_row(db)?;
        let mut rows = db.prepare("select * from actor").map_err(store_error)?;
        for row in rows.query_map([], known_of).map_err(store_error)? {
            let (id, known, sum) = row.map_err(store_error)?;
            let damaged = || StoreError::Damaged { at: format!("the row of actor {id} in table `actor`") };
            let known = known.filter(|known| actor_sum(id, known) == sum).ok_or_else(damaged)?;
            state.actors.insert(id, known);
        }
        let mut rows = db.prepare("select mailbox, number from held").map_err(store_error)?;
        let held = rows.query_map([], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?))).map_err(store_error)?;
        for row in held {
            let (mailbox, number) = row.map_err(store_error)?;
            let damaged = || StoreError::Damaged { at: format!("message {number} of actor {mailbox} in table `held`") };
            state.actors.get_mut(&mailbox).ok_or_else(damaged)?.held.insert(number);
        }
        let mut rows = db.prepare("select actor, id from timer").map_err(store_error)?;
        let timers = rows.query_map([], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?))).map_err(store_error)?;
        for row in timers {
            let (actor, id) = row.map_err(store_error)?;
            let damaged = || StoreError::Damaged { at: format!("timer {id} of actor {actor} in table `timer`") };
            state.actors.get_mut(&actor).ok_or_else(damaged)?.timers.ids.insert(id);
        }
        let mut rows = db.prepare("select * from suspect").map_err(store_error)?;
        for row in rows.query_map([], suspect_of).map_err(store_error)? {
            let (suspect, sum) = row.map_err(store_error)?;
            let StoredSuspect { mailbox: ActorId(mailbox), number, ends, boot } = suspect;
            let at = format!("message {number} of actor {mailbox} in table `suspect`");
            let known = state.actors.get_mut(&mailbox).filter(|_| suspect_sum(&suspect) == sum);
            known.ok_or(StoreError::Damaged { at })?.suspects.messages.insert(number, (ends, boot));
        }
        // Rows that are not there have no checksum.
        if let Some((id, _)) = state.actors.iter().find(|(_, known)| !known.suspects.has_all()) {
            return Err(StoreError::Damaged { at: format!("the suspects of actor {id} in table `suspect`") });
        }
        if let Some((id, _)) = state.actors.iter().find(|(_, known)| !known.timers.has_all()) {
            return Err(StoreError::Damaged { at: format!("the timers of actor {id} in table `timer`") });
        }
        if let Some((id, _)) = state.actors.iter().find(|(_, known)| !known.has_all()) {
            return Err(StoreError::Damaged { at: format!("the held messages of actor {id} in table `held`") });
        }
        let letters = db.query_row("select count(*) from letter", [], |row| unsigned(row, 0)).map_err(store_error)?;
        if letters != state.letters {
            return Err(StoreError::Damaged {
                at: format!("table `letter`, which has {letters} rows of {}", state.letters),
            });
        }
        state.children = Children::read(db)?;
        state.origins = Origins::read(db)?;
        Ok(state)
    }

    /// Reads the row of the whole store, and checks it.
    pub(crate) fn read_store_row(db: &Connection) -> Result<Self, StoreError> {
        let read = db.query_row("select * from store", [], |row| {
            let state = Self {
                boots: unsigned(row, 1)?,
                last_entry: unsigned(row, 2)?,
                free_id: unsigned(row, 3)?,
                last_letter: unsigned(row, 4)?,
                letters: unsigned(row, 5)?,
                is_running: row.get(6)?,
                actors: BTreeMap::new(),
                children: Children::default(),
                origins: Origins::default(),
            };
            Ok((state, row.get::<_, i64>(7)?))
        });
        match read {
            Ok((state, sum)) if state.checksum() == sum || state.is_new() => Ok(state),
            Ok(_) | Err(rusqlite::Error::QueryReturnedNoRows) => {
                Err(StoreError::Damaged { at: "table `store`".to_owned() })
            }
            Err(error) => Err(store_error(error)),
        }
    }

    /// Whether no host has opened the store yet.
    fn is_new(&self) -> bool {
        (self.boots, self.last_entry, self.free_id, self.last_letter, self.letters) == (0, 0, 0, 0, 0)
            && !self.is_running
    }

    fn checksum(&self) -> i64 {
        let running = u64::from(self.is_running);
        let numbers = [self.boots, self.last_entry, self.free_id, self.last_letter, self.letters, running];
        checksum(&numbers.map(u64::to_le_bytes).each_ref().map(<[u8; 8]>::as_slice))
    }

    pub(crate) fn write_store_row(&self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut row = tx.prepare_cached(
            "update store set (boots, last_entry, free_id, last_letter, letters, running, checksum) =
                (?, ?, ?, ?, ?, ?, ?)",
        )?;
        let Self { boots, last_entry, free_id, last_letter, letters, .. } = self;
        row.execute(params![
            signed(*boots),
            signed(*last_entry),
            signed(*free_id),
            signed(*last_letter),
            signed(*letters),
            self.is_running,
            self.checksum()
        ])?;
        Ok(())
    }

    pub(crate) fn position(&self) -> Position {
        Position { run: self.boots, entry: self.last_entry }
    }

    /// The highest number that a message of a mailbox ever had.
    pub(crate) fn last_number_of(&self, mailbox: ActorId) -> Result<u64, StoreError> {
        let never = || StoreError::Failed(format!("actor {} was never born", mailbox.0));
        self.actors.get(&mailbox.0).map(|known| known.last_number).ok_or_else(never)
    }

    /// The number of the last entry.
    pub(crate) fn last_entry(&self) -> u64 {
        self.last_entry
    }

    /// The number of dead letters.
    pub(crate) fn letters(&self) -> u64 {
        self.letters
    }

    /// `db`: the database as this state was read from it.
    pub(crate) fn image(&self, db: &Connection) -> Result<Image, StoreError> {
        let mut children = children::rows(db)?.into_iter().peekable();
        let actors = self.actors.iter().map(|(id, known)| {
            // Both are in order of their ids.
            let child = children.next_if(|(actor, ..)| actor == id);
            let (child, leaves) = child.map_or((None, false), |(_, child, leaves)| (Some(Box::new(child)), leaves));
            let address = Address::parse(&known.address);
            let damaged = |_| StoreError::Damaged { at: format!("the address of actor {id} in table `actor`") };
            Ok(StoredActor { child, leaves, ..known.stored(ActorId(*id), address.map_err(damaged)?) })
        });
        let actors = actors.collect::<Result<_, StoreError>>()?;
        if let Some((id, ..)) = children.next() {
            return Err(StoreError::Damaged { at: format!("actor {id} in table `child`, of which there is no row") });
        }
        let suspects = self.actors.iter().flat_map(|(id, known)| {
            let mailbox = ActorId(*id);
            let of_mailbox = known.suspects.messages.iter();
            of_mailbox.map(move |(&number, &(ends, boot))| StoredSuspect { mailbox, number, ends, boot })
        });
        Ok(Image {
            boots: self.boots,
            last: self.last_entry,
            free_id: self.free_id,
            actors,
            last_letter: self.last_letter,
            is_unclean: self.is_running,
            suspects: suspects.collect(),
        })
    }

    pub(crate) fn apply(&mut self, group: &JournalGroup, tx: &Transaction<'_>) -> Result<(), StoreError> {
        let impossible = |at: String| StoreError::Damaged { at };
        if group.boot != self.boots {
            return Err(impossible(format!("a group of start {} after start {}", group.boot, self.boots)));
        }
        if group.first != self.last_entry + 1 || group.entries.is_empty() {
            let entries = group.entries.len();
            return Err(impossible(format!("{entries} entries from {} on after {}", group.first, self.last_entry)));
        }
        let mut changes = GroupChanges::default();
        for entry in &group.entries {
            for op in &entry.ops {
                self.apply_op(op, entry, &mut changes, tx)?;
            }
        }
        self.last_entry = group.last();
        self.write(&changes, tx).map_err(store_error)
    }

    fn apply_op<'g>(
        &mut self,
        op: &'g Op,
        entry: &'g JournalEntry,
        changes: &mut GroupChanges<'g>,
        tx: &Transaction<'_>,
    ) -> Result<(), StoreError> {
        let impossible = |at: String| StoreError::Damaged { at };
        match op {
            Op::Ids { below } => {
                if *below < self.free_id {
                    return Err(impossible(format!("ids below {below} after those below {}", self.free_id)));
                }
                self.free_id = *below;
            }
            Op::Born { actor, address } => self.born(*actor, address, changes)?,
            Op::Spawned { actor, address, child } => {
                self.known(child.parent)?;
                self.born(*actor, address, changes)?;
                self.children.born(&mut changes.children, actor.0, child);
            }
            Op::Leaves { actor } => self.children.leaves(&mut changes.children, actor.0).map_err(impossible)?,
            Op::Gone { actor } => {
                if self.known(*actor)?.waiting > 0 {
                    return Err(impossible(format!("actor {} goes, and has messages", actor.0)));
                }
                self.children.gone(&mut changes.children, actor.0);
                self.actors.remove(&actor.0);
                changes.mailboxes.remove(&actor.0);
                changes.actors.remove(&actor.0);
                changes.gone.insert(actor.0);
            }
            Op::Put { mailbox, first, messages, records } => {
                let (known, changes) = (self.known(*mailbox)?, changes.mailboxes.entry(mailbox.0).or_default());
                known.put(changes, *first, *messages, &entry.bytes[records.clone()]).map_err(impossible)?;
            }
            Op::Hold { mailbox, number, due, record } => {
                let (known, changes) = (self.known(*mailbox)?, changes.mailboxes.entry(mailbox.0).or_default());
                known.hold(changes, *number, *due, &entry.bytes[record.clone()]).map_err(impossible)?;
            }
            Op::Take { mailbox, numbers } => {
                let (known, changes) = (self.known(*mailbox)?, changes.mailboxes.entry(mailbox.0).or_default());
                known.take(changes, numbers.clone()).map_err(impossible)?;
            }
            Op::Suspect { mailbox, number, ends, in_process } => {
                let boot = if *in_process { self.boots } else { 0 };
                let (known, changes) = (self.known(*mailbox)?, changes.mailboxes.entry(mailbox.0).or_default());
                known.suspect(changes, *number, (*ends, boot)).map_err(impossible)?;
            }
            Op::Ended => self.is_running = false,
            Op::Set { actor, key, value } => {
                let key = key_of(&entry.bytes[key.clone()]).map_err(impossible)?;
                self.known(*actor)?;
                let changes = changes.mailboxes.entry(actor.0).or_default();
                changes.state.insert(key, Some(&entry.bytes[value.clone()]));
            }
            Op::Unset { actor, key } => {
                let key = key_of(&entry.bytes[key.clone()]).map_err(impossible)?;
                self.known(*actor)?;
                changes.mailboxes.entry(actor.0).or_default().state.insert(key, None);
            }
            Op::Timer { actor, timer } => {
                let (known, changes) = (self.known(*actor)?, changes.mailboxes.entry(actor.0).or_default());
                known.set_timer(changes, timer);
            }
            Op::Cancel { actor, id } => {
                let (known, changes) = (self.known(*actor)?, changes.mailboxes.entry(actor.0).or_default());
                known.end_timer(changes, *id).map_err(impossible)?;
            }
            Op::Letter(letter) => {
                if letter.number <= self.last_letter {
                    return Err(impossible(format!("letter {} is written twice", letter.number)));
                }
                self.last_letter = letter.number;
                self.letters += 1;
                write_letter(letter, tx).map_err(store_error)?;
            }
            Op::LetterGone { number } => {
                let gone = tx.prepare_cached("delete from letter where number = ?");
                let gone = gone.and_then(|mut gone| gone.execute([signed(*number)])).map_err(store_error)?;
                if gone == 0 {
                    return Err(impossible(format!("letter {number} goes twice")));
                }
                self.letters = self.letters.saturating_sub(1);
            }
            Op::Halted { actor, halted } => {
                self.known(*actor)?.halted = Some(*halted);
                changes.actors.insert(actor.0);
            }
            Op::Origin { source, position, value } => {
                let [source, position, value] = [source, position, value].map(|part| &entry.bytes[part.clone()]);
                changes.origins.set(source, position, Some(value)).map_err(impossible)?;
            }
            Op::OriginGone { source, position } => {
                let [source, position] = [source, position].map(|part| &entry.bytes[part.clone()]);
                changes.origins.set(source, position, None).map_err(impossible)?;
            }
        }
        Ok(())
    }

    fn born(&mut self, actor: ActorId, address: &Address, changes: &mut GroupChanges<'_>) -> Result<(), StoreError> {
        if self.actors.contains_key(&actor.0) {
            return Err(StoreError::Damaged { at: format!("actor {} is born twice", actor.0) });
        }
        // The index of the table finds an address that is there already.
        self.actors.insert(actor.0, Known::new(address.to_string()));
        changes.actors.insert(actor.0);
        Ok(())
    }

    fn known(&mut self, actor: ActorId) -> Result<&mut Known, StoreError> {
        let never = || StoreError::Damaged { at: format!("actor {} was never born", actor.0) };
        self.actors.get_mut(&actor.0).ok_or_else(never)
    }

    /// Writes the net changes. Everything that is deleted comes first, so that a store which is almost full has space.
    fn write(&mut self, changes: &GroupChanges<'_>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        self.origins.delete(&changes.origins, tx)?;
        for id in &changes.gone {
            delete_actor(*id, tx)?;
        }
        for step in [delete_ended, write_new] {
            for (id, changes) in &changes.mailboxes {
                if let Some(known) = self.actors.get_mut(id) {
                    step(*id, known, changes, tx)?;
                }
            }
        }
        let others = changes.actors.iter().filter(|id| !changes.mailboxes.contains_key(id));
        for id in others.chain(changes.mailboxes.keys()) {
            if let Some(known) = self.actors.get(id) {
                write_actor(*id, known, tx)?;
            }
        }
        self.children.write(&changes.children, tx)?;
        self.origins.write(&changes.origins, tx)?;
        self.write_store_row(tx)
    }
}

/// The key in these bytes.
fn key_of(bytes: &[u8]) -> Result<&str, String> {
    let key = std::str::from_utf8(bytes).map_err(|_| "a key that is not UTF-8".to_owned())?;
    check_key(key).map_err(|error| error.to_string())?;
    Ok(key)
}
