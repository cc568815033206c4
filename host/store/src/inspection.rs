//! A look into a store beside its host, or without one, and orders for a store without a host. What only reads works beside a host.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use playhouse_kernel::{ActorId, StoreError, StoredMessage};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use crate::checkpoint::checkpoint;
use crate::error::store_error;
use crate::folder::{DATABASE, Folder};
use crate::reader::Reader;
use crate::rows::{signed, unsigned};
use crate::schema::{check_format, connect, open};
use crate::settings::StoreSettings;
use crate::state::State;
use crate::tail::{Note, Position, TAIL};

/// Bytes of messages that are read at a time.
const PAGE_BYTES: usize = 4 << 20;
/// Dead letters that are read at a time.
const PAGE_LETTERS: usize = 1024;
/// The step of the number of runs by a restore: no run after it has the number of one before.
const RUNS_OF_A_TIMELINE: u64 = 1 << 32;

/// A store that is looked at.
pub struct Inspection {
    db: Connection,
    reader: Reader,
    place: PathBuf,
}

/// The facts about a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFacts {
    /// Number of runs of a host on it.
    pub runs: u64,
    /// The number of the last entry.
    pub last_entry: u64,
    /// Bytes of the database, and of its log.
    pub bytes: (u64, u64),
    /// The dead letters.
    pub letters: u64,
    /// The mailboxes, in order of their actors' ids.
    pub mailboxes: Vec<MailboxFacts>,
}

/// The facts about a durable mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxFacts {
    /// The id of its actor.
    pub id: ActorId,
    /// The address of its actor.
    pub address: String,
    /// The messages that wait, held ones included.
    pub waiting: u64,
    /// The messages that are handled again, each not before its time.
    pub held: u64,
    /// Bytes of their records in the database.
    pub bytes: u64,
    /// The last order of an operator: whether it is stopped.
    pub halted: Option<bool>,
}

impl Inspection {
    /// Opens the store in a folder, to read. A host may run on it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let place = path.join(DATABASE);
        if !place.exists() {
            return Err(StoreError::Failed(format!("there is no store in `{}`", path.display())));
        }
        let settings = StoreSettings::new(path);
        let db = connect(&place, &settings, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        check_format(&db, &place)?;
        let reader = Reader::open(&place, &settings)?;
        Ok(Self { db, reader, place })
    }

    /// The facts about the store, as they are at one moment.
    pub fn facts(&self) -> Result<StoreFacts, StoreError> {
        let tx = Transaction::new_unchecked(&self.db, TransactionBehavior::Deferred).map_err(store_error)?;
        let state = State::read(&tx)?;
        let image = state.image()?;
        let mailboxes = image.actors.into_iter().map(|actor| {
            let (held, bytes) = size_of(&tx, actor.id).map_err(store_error)?;
            let (address, waiting) = (actor.address.to_string(), actor.waiting);
            Ok(MailboxFacts { id: actor.id, address, waiting, held, bytes, halted: actor.halted })
        });
        let log = |ending: &str| PathBuf::from(format!("{}{ending}", self.place.display()));
        let size = |place: &Path| std::fs::metadata(place).map_or(0, |file| file.len());
        Ok(StoreFacts {
            runs: image.boots,
            last_entry: image.last,
            bytes: (size(&self.place), size(&log("-wal"))),
            letters: state.letters(),
            mailboxes: mailboxes.collect::<Result<_, StoreError>>()?,
        })
    }

    /// As [`Store::messages`](playhouse_kernel::Store::messages).
    pub fn messages(
        &mut self,
        mailbox: ActorId,
        from: u64,
        most_bytes: usize,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        self.reader.messages(mailbox, from, most_bytes)
    }

    /// Reads everything. `Err`: the first place that is damaged.
    pub fn check(&mut self) -> Result<(), StoreError> {
        let found: String =
            self.db.query_row("pragma integrity_check(1)", [], |row| row.get(0)).map_err(store_error)?;
        if found != "ok" {
            return Err(StoreError::Damaged { at: format!("the database `store.db` ({found})") });
        }
        let note = self.place.parent().map_or(Ok(None), Note::find)?;
        let facts = self.facts()?;
        note.map_or(Ok(()), |note| note.check(Position { run: facts.runs, entry: facts.last_entry }))?;
        // A host that runs meanwhile takes messages away, but leaves none damaged.
        for mailbox in facts.mailboxes {
            let mut from = 0;
            while let Some(last) = self.reader.messages(mailbox.id, from, PAGE_BYTES)?.last() {
                from = last.number + 1;
            }
        }
        let mut after = 0;
        while let Some(last) = self.reader.letters(after, PAGE_LETTERS)?.last() {
            after = last.number;
        }
        Ok(())
    }

    /// Writes everything that is there now into one new file, which [`restore`] takes.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let failed = |error: std::io::Error| StoreError::Failed(format!("`{}`: {error}", to.display()));
        if to.exists() {
            return Err(StoreError::Failed(format!("`{}` exists already: name a new file", to.display())));
        }
        let Some(name) = to.to_str() else {
            return Err(StoreError::Failed(format!("`{}` is no text", to.display())));
        };
        self.db.execute("vacuum into ?", [name]).map_err(store_error)?;
        File::open(to).and_then(|file| file.sync_all()).map_err(failed)
    }
}

/// The number of held messages, and the bytes of all records.
fn size_of(tx: &Transaction<'_>, mailbox: ActorId) -> rusqlite::Result<(u64, u64)> {
    let sizes = "select (select count(*) from held where mailbox = ?1),
        (select coalesce(sum(length(records)), 0) from frame where mailbox = ?1) +
        (select coalesce(sum(length(record)), 0) from held where mailbox = ?1)";
    tx.prepare_cached(sizes)?.query_row(params![signed(mailbox.0)], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))
}

/// Gives the space of deleted messages back to the disk. No host may run on the store.
pub fn compact(path: &Path) -> Result<(), StoreError> {
    let (settings, folder) = (StoreSettings::new(path), Folder::take(path)?);
    let db = open(&folder.database(), &settings)?;
    db.execute_batch("vacuum").map_err(store_error)?;
    checkpoint(&db, "truncate").map(drop)
}

/// Makes a store in an empty folder from the file of a [`Inspection::backup`].
pub fn restore(path: &Path, from: &Path) -> Result<(), StoreError> {
    let refused = |why: String| Err(StoreError::Failed(why));
    if PathBuf::from(format!("{}-wal", from.display())).exists() {
        return refused(format!(
            "`{}` has a log beside it: it is the database of a store, and no backup",
            from.display()
        ));
    }
    let (settings, folder) = (StoreSettings::new(path), Folder::take(path)?);
    let place = folder.database();
    if place.exists() || PathBuf::from(format!("{}-wal", place.display())).exists() {
        return refused(format!("there is a store in `{}` already: move its files away", path.display()));
    }
    let failed = |error: std::io::Error| StoreError::Failed(format!("`{}`: {error}", from.display()));
    // The note is of another history.
    match std::fs::remove_file(path.join(TAIL)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return refused(format!("`{}`: {error}", path.join(TAIL).display()));
        }
        _ => {}
    }
    // Under its name only when it is whole and new: a crash in between leaves no store.
    let copy = place.with_extension("restored");
    let copied = std::fs::copy(from, &copy).and_then(|_| File::open(&copy)?.sync_all());
    copied.map_err(failed)?;
    let made = begin_timeline(&copy, &settings);
    let placed = made.and_then(|()| std::fs::rename(&copy, &place).map_err(failed));
    if placed.is_err() {
        let _ = std::fs::remove_file(&copy);
    }
    placed?;
    // The name is as durable as the file.
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Lets the runs of a restored store have numbers that no run before had: ids are made from them.
fn begin_timeline(place: &Path, settings: &StoreSettings) -> Result<(), StoreError> {
    let mut db = connect(place, settings, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check_format(&db, place)?;
    let mut state = State::read(&db)?;
    state.boots = (state.boots / RUNS_OF_A_TIMELINE + 1) * RUNS_OF_A_TIMELINE;
    let mut written = || {
        let tx = Transaction::new(&mut db, TransactionBehavior::Immediate)?;
        state.write_store_row(&tx)?;
        tx.commit()
    };
    written().map_err(store_error)
}
