//! A look into a store beside its host, or without one, and orders for a store without a host. What only reads works beside a host.

use std::fs::File;
use std::path::{Path, PathBuf};

use playhouse_kernel::{ActorId, StateSize, StoreError, StoredMessage, cost_of};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::checkpoint::checkpoint;
use crate::error::store_error;
use crate::folder::{DATABASE, Folder};
use crate::reader::Reader;
use crate::rows::{known_of, signed, state_sum, unsigned};
use crate::schema::{check_format, connect, open};
use crate::settings::StoreSettings;
use crate::state::State;

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
    /// The size of its actor's state.
    pub state: StateSize,
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
            Ok(MailboxFacts { id: actor.id, address, waiting, held, bytes, halted: actor.halted, state: actor.state })
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
        // A host that runs meanwhile takes messages away, but leaves none damaged.
        for mailbox in self.facts()?.mailboxes {
            let mut from = 0;
            while let Some(last) = self.reader.messages(mailbox.id, from, PAGE_BYTES)?.last() {
                from = last.number + 1;
            }
            self.check_state(mailbox.id)?;
        }
        let mut after = 0;
        while let Some(last) = self.reader.letters(after, PAGE_LETTERS)?.last() {
            after = last.number;
        }
        Ok(())
    }

    /// Reads the whole state of an actor, as it is at one moment, and compares it with its size.
    fn check_state(&self, actor: ActorId) -> Result<(), StoreError> {
        let tx = Transaction::new_unchecked(&self.db, TransactionBehavior::Deferred).map_err(store_error)?;
        let row = tx.query_row("select * from actor where id = ?", [signed(actor.0)], known_of).optional();
        let Some((_, Some(known), _)) = row.map_err(store_error)? else { return Ok(()) };
        let mut rows = tx.prepare("select key, value, checksum from state where actor = ?").map_err(store_error)?;
        let mut rows = rows.query([signed(actor.0)]).map_err(store_error)?;
        let mut size = StateSize::default();
        while let Some(row) = rows.next().map_err(store_error)? {
            let columns = || Ok((row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_blob()?, row.get::<_, i64>(2)?));
            let (key, value, sum) = columns().map_err(store_error)?;
            if state_sum(actor.0, key, value) != sum {
                let at = format!("the value of `{}` of actor {} in table `state`", key.escape_debug(), actor.0);
                return Err(StoreError::Damaged { at });
            }
            size = StateSize { keys: size.keys + 1, bytes: size.bytes + cost_of(key, value.len()) };
        }
        if size == known.state {
            return Ok(());
        }
        let (found, wanted) = (size.keys, known.state.keys);
        Err(StoreError::Damaged {
            at: format!("table `state`, which has {found} of {wanted} keys of actor {}", actor.0),
        })
    }

    /// As [`Store::value`](playhouse_kernel::Store::value).
    pub fn value(&mut self, actor: ActorId, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.reader.value(actor, key)
    }

    /// As [`Store::keys`](playhouse_kernel::Store::keys).
    pub fn keys(
        &mut self,
        actor: ActorId,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.reader.keys(actor, prefix, after, most)
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
