//! The facts about a store in memory, and the entries of a group applied to them and to the tables. An entry that cannot be true is
//! refused.

use std::collections::{BTreeMap, BTreeSet};

use playhouse_kernel::{ActorId, Address, Image, JournalEntry, JournalGroup, Op, StoreError, StoredActor, check_key};
use rusqlite::{Connection, Transaction, params};

use crate::actors::{self, Actors};
use crate::checksum::checksum;
use crate::children::{self, ChildChanges, Children};
use crate::columns::{signed, unsigned};
use crate::error::store_error;
use crate::mailbox::{Changes, Known};
use crate::origins::{OriginChanges, Origins};
use crate::rows::{delete_actor, delete_ended, write_actor, write_letter, write_new};
use crate::tail::Position;
use crate::values::ValueChange;

/// The facts about the database, and the actors that are in use.
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
    actors: Actors,
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
    /// Reads the facts about the store, and checks the rows of all actors.
    pub(crate) fn read(db: &Connection) -> Result<Self, StoreError> {
        actors::read_all(db, |_, _| {})?;
        Self::reread(db)
    }

    /// As [`State::read`], with the image that a kernel gets.
    pub(crate) fn read_with_image(db: &Connection) -> Result<(Self, Image), StoreError> {
        let mut children = children::rows(db)?.into_iter().peekable();
        let (mut all, mut suspects) = (Vec::new(), Vec::new());
        actors::read_all(db, |actor, of_actor| {
            // Both are in order of their ids.
            let child = children.next_if(|(id, ..)| *id == actor.id.0);
            let (child, leaves) = child.map_or((None, false), |(_, child, leaves)| (Some(Box::new(child)), leaves));
            all.push(StoredActor { child, leaves, ..actor });
            suspects.extend(of_actor);
        })?;
        if let Some((id, ..)) = children.next() {
            return Err(StoreError::Damaged { at: format!("actor {id} in table `child`, of which there is no row") });
        }
        let state = Self::reread(db)?;
        let image = Image {
            boots: state.boots,
            last: state.last_entry,
            free_id: state.free_id,
            actors: all,
            last_letter: state.last_letter,
            is_unclean: state.is_running,
            suspects,
        };
        Ok((state, image))
    }

    /// As [`State::read`], without the rows of actors: each is checked when a group names it.
    pub(crate) fn reread(db: &Connection) -> Result<Self, StoreError> {
        let mut state = Self::read_store_row(db)?;
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
                actors: Actors::default(),
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
    pub(crate) fn last_number_of(&mut self, mailbox: ActorId, db: &Connection) -> Result<u64, StoreError> {
        let never = || StoreError::Failed(format!("actor {} was never born", mailbox.0));
        self.actors.get(mailbox.0, db)?.map(|known| known.last_number).ok_or_else(never)
    }

    /// The number of the last entry.
    pub(crate) fn last_entry(&self) -> u64 {
        self.last_entry
    }

    /// The number of dead letters.
    pub(crate) fn letters(&self) -> u64 {
        self.letters
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
            Op::Born { actor, address } => self.born(*actor, address, changes, tx)?,
            Op::Spawned { actor, address, child } => {
                self.known(child.parent, &changes.gone, tx)?;
                self.born(*actor, address, changes, tx)?;
                self.children.born(&mut changes.children, actor.0, child);
            }
            Op::Leaves { actor } => self.children.leaves(&mut changes.children, actor.0).map_err(impossible)?,
            Op::Gone { actor } => {
                if self.known(*actor, &changes.gone, tx)?.waiting > 0 {
                    return Err(impossible(format!("actor {} goes, and has messages", actor.0)));
                }
                self.children.gone(&mut changes.children, actor.0);
                self.actors.remove(actor.0);
                changes.mailboxes.remove(&actor.0);
                changes.actors.remove(&actor.0);
                changes.gone.insert(actor.0);
            }
            Op::Put { mailbox, first, messages, records } => {
                let known = self.known(*mailbox, &changes.gone, tx)?;
                let changes = changes.mailboxes.entry(mailbox.0).or_default();
                known.put(changes, *first, *messages, &entry.bytes[records.clone()]).map_err(impossible)?;
            }
            Op::Hold { mailbox, number, due, record } => {
                let known = self.known(*mailbox, &changes.gone, tx)?;
                let changes = changes.mailboxes.entry(mailbox.0).or_default();
                known.hold(changes, *number, *due, &entry.bytes[record.clone()]).map_err(impossible)?;
            }
            Op::Take { mailbox, numbers } => {
                let known = self.known(*mailbox, &changes.gone, tx)?;
                let changes = changes.mailboxes.entry(mailbox.0).or_default();
                known.take(changes, numbers.clone()).map_err(impossible)?;
            }
            Op::Suspect { mailbox, number, ends, in_process } => {
                let boot = if *in_process { self.boots } else { 0 };
                let known = self.known(*mailbox, &changes.gone, tx)?;
                let changes = changes.mailboxes.entry(mailbox.0).or_default();
                known.suspect(changes, *number, (*ends, boot)).map_err(impossible)?;
            }
            Op::Ended => self.is_running = false,
            Op::Set { actor, key, value, lifetime } => {
                let key = key_of(&entry.bytes[key.clone()]).map_err(impossible)?;
                self.known(*actor, &changes.gone, tx)?;
                let changes = changes.mailboxes.entry(actor.0).or_default();
                let (value, lifetime) = (&entry.bytes[value.clone()], lifetime.as_deref().copied());
                changes.state.insert(key, ValueChange::Set { value, lifetime });
            }
            Op::Expire { actor, key, by } => {
                let key = key_of(&entry.bytes[key.clone()]).map_err(impossible)?;
                if !changes.gone.contains(&actor.0) && self.actors.get(actor.0, tx)?.is_some() {
                    let changes = &mut changes.mailboxes.entry(actor.0).or_default().state;
                    let expired = ValueChange::expire(changes.get(key), (*actor, key), *by, tx)?;
                    changes.extend(expired.map(|expired| (key, expired)));
                }
            }
            Op::Unset { actor, key } => {
                let key = key_of(&entry.bytes[key.clone()]).map_err(impossible)?;
                self.known(*actor, &changes.gone, tx)?;
                changes.mailboxes.entry(actor.0).or_default().state.insert(key, ValueChange::Unset);
            }
            Op::Timer { actor, timer } => {
                let known = self.known(*actor, &changes.gone, tx)?;
                let changes = changes.mailboxes.entry(actor.0).or_default();
                known.set_timer(changes, timer);
            }
            Op::Cancel { actor, id } => {
                let known = self.known(*actor, &changes.gone, tx)?;
                let changes = changes.mailboxes.entry(actor.0).or_default();
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
                self.known(*actor, &changes.gone, tx)?.halted = Some(*halted);
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

    fn born(
        &mut self,
        actor: ActorId,
        address: &Address,
        changes: &mut GroupChanges<'_>,
        tx: &Transaction<'_>,
    ) -> Result<(), StoreError> {
        if self.actors.get(actor.0, tx)?.is_some() {
            return Err(StoreError::Damaged { at: format!("actor {} is born twice", actor.0) });
        }
        // The index of the table finds an address that is there already.
        self.actors.insert(actor.0, Known::new(address.to_string()));
        changes.actors.insert(actor.0);
        Ok(())
    }

    /// `gone`: the actors that the group has removed. Their rows are deleted at its end.
    fn known(&mut self, actor: ActorId, gone: &BTreeSet<u64>, tx: &Transaction<'_>) -> Result<&mut Known, StoreError> {
        let known = if gone.contains(&actor.0) { None } else { self.actors.get(actor.0, tx)? };
        known.ok_or_else(|| StoreError::Damaged { at: format!("actor {} was never born, or is gone", actor.0) })
    }

    /// Writes the net changes. Everything that is deleted comes first, so that a store which is almost full has space.
    fn write(&mut self, changes: &GroupChanges<'_>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        self.origins.delete(&changes.origins, tx)?;
        for id in &changes.gone {
            delete_actor(*id, tx)?;
        }
        for step in [delete_ended, write_new] {
            for (id, changes) in &changes.mailboxes {
                if let Some(known) = self.actors.named(*id) {
                    step(*id, known, changes, tx)?;
                }
            }
        }
        let others = changes.actors.iter().filter(|id| !changes.mailboxes.contains_key(id));
        for id in others.chain(changes.mailboxes.keys()) {
            if let Some(known) = self.actors.named(*id) {
                write_actor(*id, known, tx)?;
            }
        }
        self.children.write(&changes.children, tx)?;
        self.origins.write(&changes.origins, tx)?;
        self.actors.forget_others(|id| changes.mailboxes.contains_key(&id) || changes.actors.contains(&id));
        self.write_store_row(tx)
    }
}

/// The key in these bytes.
fn key_of(bytes: &[u8]) -> Result<&str, String> {
    let key = std::str::from_utf8(bytes).map_err(|_| "a key that is not UTF-8".to_owned())?;
    check_key(key).map_err(|error| error.to_string())?;
    Ok(key)
}
