//! A store without a host: this process has it for itself, and changes it by an operator's orders.

use std::path::{Path, PathBuf};

use playhouse_kernel::{
    ActorId, JournalEntry, JournalGroup, Op, PortableMessage, StateChange, StoreError, WaitingNumbers, check_key,
};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::checkpoint::{checkpoint, fold_log, reuse_log};
use crate::error::{OrderError, failed_file, store_error};
use crate::folder::Folder;
use crate::inspection::{Inspection, existing, require_current};
use crate::migrations::write_copy;
#[cfg(test)]
use crate::reserve::Disk;
use crate::reserve::Reserve;
use crate::schema::connect;
use crate::settings::StoreSettings;
use crate::state::State;
use crate::tail::Note;

/// Most bytes of messages of one entry, after the first.
const ENTRY_BYTES: usize = 8 << 20;

/// A store that no host has. Until this is dropped, no host gets it.
pub struct StoppedStore {
    inspection: Inspection,
    db: Folding,
    /// Released last.
    folder: Folder,
}

/// A connection that moves the log into the database at its end, so that the database is one file again.
struct Folding {
    db: Connection,
    reserve: Reserve,
    /// The file of the database's log.
    log: PathBuf,
    /// The damage of a log that lost its end, or may have lost it. Then nothing is changed, the log neither.
    loss: Option<StoreError>,
}

impl Folding {
    fn require_whole(&self) -> Result<(), StoreError> {
        self.loss.clone().map_or(Ok(()), Err)
    }
}

impl Drop for Folding {
    fn drop(&mut self) {
        if self.loss.is_none() {
            fold_log(&self.db, &self.log);
        }
    }
}

impl StoppedStore {
    /// Takes the store in a folder.
    pub fn take(path: &Path) -> Result<Self, OrderError> {
        let place = existing(path)?;
        let folder = Folder::take(path)?;
        let settings = StoreSettings::new(path);
        let db = connect(&place, &settings, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        require_current(&db, &place)?;
        // A damaged row, or note, does not hinder a look at the others, and an order that needs it finds it.
        let position = State::read_store_row(&db).map(|state| state.position());
        let checked = position.and_then(|position| Note::find(path)?.map_or(Ok(()), |note| note.check(position)));
        let loss = match checked {
            Err(error @ StoreError::Failed(_)) => return Err(error.into()),
            checked => checked.err(),
        };
        Ok(Self {
            inspection: Inspection::open(path)?,
            db: Folding { db, reserve: Reserve::new(&settings), log: folder.beside("-wal"), loss },
            folder,
        })
    }

    /// As a store on this disk.
    #[cfg(test)]
    pub(crate) fn on_disk(mut self, disk: fn(&Path) -> Option<Disk>) -> Self {
        self.db.reserve = Reserve::new(&StoreSettings::new(self.folder.path())).on_disk(disk);
        self
    }

    /// The damage of a store that lost confirmed entries, or whose note of them is damaged: a look does not show them, and an order that changes something is refused.
    pub fn loss(&self) -> Option<&StoreError> {
        self.db.loss.as_ref()
    }

    /// A look into it.
    pub fn inspection(&mut self) -> &mut Inspection {
        &mut self.inspection
    }

    /// Drops messages of a mailbox by their numbers, which [`Inspection::numbers`] has. Returns how many they are.
    pub fn drop_messages(&mut self, mailbox: ActorId, numbers: &WaitingNumbers) -> Result<u64, StoreError> {
        let ops = numbers.ranges().map(|numbers| Op::Take { mailbox, numbers });
        let entry = JournalEntry { ops: ops.collect(), ..JournalEntry::default() };
        if !entry.ops.is_empty() {
            self.write(vec![entry])?;
        }
        Ok(numbers.count())
    }

    /// Puts messages into a mailbox that the store has, after those that wait there: all of them, or none. As those from outside at a
    /// host, they do not get the space that is kept for turns and orders.
    pub fn put_messages(&mut self, mailbox: ActorId, messages: &[PortableMessage]) -> Result<(), StoreError> {
        let last_number = State::read(&self.db.db)?.last_number_of(mailbox, &self.db.db)?;
        let (mut entries, mut entry): (Vec<_>, JournalEntry) = Default::default();
        for (message, number) in messages.iter().zip(last_number + 1..) {
            let sender = match &message.from {
                Some(from) => self.inspection.id_of(from)?.unwrap_or(ActorId::OUTSIDE),
                None => ActorId::OUTSIDE,
            };
            let start = entry.bytes.len();
            entry.bytes.extend_from_slice(&message.sent_by(sender).stored_record(number));
            let end = entry.bytes.len();
            match entry.ops.last_mut() {
                Some(Op::Put { messages, records, .. }) => {
                    *messages += 1;
                    records.end = end;
                }
                _ => entry.ops.push(Op::Put { mailbox, first: number, messages: 1, records: start..end }),
            }
            if end > ENTRY_BYTES {
                entries.push(std::mem::take(&mut entry));
            }
        }
        entries.extend(Some(entry).filter(|entry| !entry.ops.is_empty()));
        if entries.is_empty() {
            return Ok(());
        }
        let bytes = entries.iter().map(|entry| entry.bytes.len()).sum();
        self.db.reserve.shortage(bytes).map_or(Ok(()), |why| Err(StoreError::Full(why)))?;
        self.write(entries)
    }

    /// Changes keys of an actor's state in one step. The bounds of the manifest are not known here, and do not hold.
    pub fn change_state(&mut self, actor: ActorId, changes: &[StateChange]) -> Result<(), OrderError> {
        let mut entry = JournalEntry::default();
        let mut append = |part: &[u8]| {
            let from = entry.bytes.len();
            entry.bytes.extend_from_slice(part);
            from..entry.bytes.len()
        };
        for (key, value) in changes {
            check_key(key).map_err(|error| OrderError::Refused(error.to_string()))?;
            let key = append(key.as_bytes());
            entry.ops.push(match value {
                Some(value) => Op::Set { actor, key, value: append(value), lifetime: None },
                None => Op::Unset { actor, key },
            });
        }
        if !entry.ops.is_empty() {
            self.write(vec![entry])?;
        }
        Ok(())
    }

    /// Writes entries as one group, as a host would.
    fn write(&mut self, entries: Vec<JournalEntry>) -> Result<(), StoreError> {
        self.db.require_whole()?;
        reuse_log(&self.db.db, &self.db.log, &self.db.reserve)?;
        let mut state = State::read(&self.db.db)?;
        let group = JournalGroup { boot: state.boots, first: state.last_entry() + 1, entries };
        let tx = Transaction::new(&mut self.db.db, TransactionBehavior::Immediate).map_err(store_error)?;
        state.apply(&group, &tx)?;
        tx.commit().map_err(store_error)
    }

    /// Gives the space of deleted messages back to the disk: the database is written anew beside itself, and takes the old one's
    /// place when it is whole. Returns its bytes before and after.
    pub fn compact(self) -> Result<(u64, u64), StoreError> {
        let Self { inspection, db, folder } = self;
        let place = folder.database();
        let bytes = |place: &Path| std::fs::metadata(place).map_or(0, |file| file.len());
        db.require_whole()?;
        checkpoint(&db.db, "truncate")?;
        let (part, before) = (folder.part(".compacted"), bytes(&place));
        write_copy(&db.db, &part)?;
        // No connection may have the old file open under the new one's name.
        drop((inspection, db));
        put_in_place(&folder, &part)?;
        Ok((before, bytes(&place)))
    }
}

/// Gives a new database the place of the one before, whose log must be empty: SQLite would add the log to the new one.
pub(crate) fn put_in_place(folder: &Folder, new: &Path) -> Result<(), StoreError> {
    let place = folder.database();
    remove_if_there(&folder.beside("-wal"))?;
    remove_if_there(&folder.beside("-shm"))?;
    folder
        .sync()
        .and_then(|()| std::fs::rename(new, &place))
        .and_then(|()| folder.sync())
        .map_err(|error| failed_file(&place, &error))
}

/// Removes a file of the store.
pub(crate) fn remove_if_there(file: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed_file(file, &error)),
        _ => Ok(()),
    }
}
