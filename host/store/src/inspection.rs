//! A look into a store beside its host, or without one. It only reads.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use playhouse_kernel::{ActorId, Address, STARTS_OF_A_TIMELINE, StateSize, StoreError, StoredMessage, WaitingNumbers};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::check::{Checked, check};
use crate::children;
use crate::columns::{signed, unsigned};
use crate::error::{OrderError, store_error};
use crate::folder::{DATABASE, is_blank};
use crate::mailbox::Known;
use crate::migrations::write_copy;
use crate::reader::Reader;
use crate::rows::{actor_sum, known_of};
use crate::schema::{FORMAT, Format, format_of, pragma};
use crate::settings::StoreSettings;
use crate::state::State;
use crate::tail::{Note, Position, require_none};

/// A store that is looked at.
pub struct Inspection {
    reader: Reader,
    place: PathBuf,
}

/// The facts about a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFacts {
    /// The number of its format.
    pub format: u32,
    /// Number of runs of a host on it, since it was made or restored for the first time.
    pub runs: u64,
    /// Whether it was restored from a backup.
    pub is_restored: bool,
    /// The number of the last entry.
    pub last_entry: u64,
    /// Bytes of the database, with the pages that only its log has so far.
    pub bytes: u64,
    /// Bytes of the database's log.
    pub log_bytes: u64,
    /// Bytes of the database without content, which it fills again, or [`compact`](crate::StoppedStore::compact) gives back.
    pub free_bytes: u64,
    /// The dead letters.
    pub letters: u64,
    /// The mailboxes, in order of their actors' ids.
    pub mailboxes: Vec<MailboxFacts>,
}

/// The facts about the mailbox of an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxFacts {
    /// The id of its actor.
    pub id: ActorId,
    /// The address of its actor.
    pub address: Address,
    /// The messages that wait, held ones included.
    pub waiting: u64,
    /// The messages that are handled again, each not before its time.
    pub held: u64,
    /// Bytes of their records in the database.
    pub bytes: u64,
    /// The highest number that one of its messages ever had; 0 when it never had any.
    pub last_number: u64,
    /// The last order of an operator: whether it is stopped.
    pub halted: Option<bool>,
    /// The size of its actor's state.
    pub state: StateSize,
    /// The number of its actor's timers.
    pub timers: u64,
    /// Whether its actor was spawned.
    pub is_child: bool,
}

impl MailboxFacts {
    /// Whether the store has more of its actor than the address, or had. An actor of a plan in memory has no more.
    pub fn is_used(&self) -> bool {
        self.last_number > 0 || self.state.keys > 0 || self.timers > 0 || self.is_child
    }
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFacts {
    /// Its bytes.
    pub bytes: u64,
    /// The number of the last entry in it.
    pub last_entry: u64,
}

impl Inspection {
    /// Opens the store in a folder, to read. A host may run on it.
    pub fn open(path: &Path) -> Result<Self, OrderError> {
        let place = existing(path)?;
        let reader = Reader::open(&place, &StoreSettings::new(path))?;
        require_current(reader.db(), &place)?;
        Ok(Self { reader, place })
    }

    /// The facts about the store, as they are at one moment.
    pub fn facts(&self) -> Result<StoreFacts, StoreError> {
        let tx = self.moment()?;
        let (state, image) = State::read_with_image(&tx)?;
        let mailboxes = image.actors.into_iter().map(|actor| {
            let (held, held_bytes) = held_of(&tx, actor.id).map_err(store_error)?;
            Ok(MailboxFacts {
                id: actor.id,
                address: actor.address,
                waiting: actor.waiting,
                held,
                bytes: actor.bytes + held_bytes,
                last_number: actor.last_number,
                halted: actor.halted,
                state: actor.state,
                timers: actor.timers,
                is_child: actor.child.is_some(),
            })
        });
        let mailboxes = mailboxes.collect::<Result<_, StoreError>>()?;
        let pages = |count| -> rusqlite::Result<u64> {
            Ok(u64::from(pragma::<u32>(&tx, count)?) * u64::from(pragma::<u32>(&tx, "page_size")?))
        };
        let log = PathBuf::from(format!("{}-wal", self.place.display()));
        let size = |place: &Path| std::fs::metadata(place).map_or(0, |file| file.len());
        Ok(StoreFacts {
            format: FORMAT,
            runs: image.boots % STARTS_OF_A_TIMELINE,
            is_restored: image.boots >= STARTS_OF_A_TIMELINE,
            last_entry: image.last,
            bytes: pages("page_count").map_err(store_error)?,
            log_bytes: size(&log),
            free_bytes: pages("freelist_count").map_err(store_error)?,
            letters: state.letters(),
            mailboxes,
        })
    }

    /// The facts about one mailbox; none when no actor has the address.
    pub fn mailbox(&self, address: &Address) -> Result<Option<MailboxFacts>, StoreError> {
        let tx = self.moment()?;
        let Some((id, known)) = row_of(&tx, "address", address.as_str())? else { return Ok(None) };
        let (held, held_bytes) = held_of(&tx, ActorId(id)).map_err(store_error)?;
        let Known { waiting, frame_bytes, last_number, halted, state, timers, .. } = known;
        Ok(Some(MailboxFacts {
            id: ActorId(id),
            address: address.clone(),
            waiting,
            held,
            bytes: frame_bytes + held_bytes,
            last_number,
            halted,
            state,
            timers: timers.rows,
            is_child: children::row(&tx, id)?.is_some(),
        }))
    }

    /// The id of an actor; none when none has the address.
    pub fn id_of(&self, address: &Address) -> Result<Option<ActorId>, StoreError> {
        let mut row = self.reader.db().prepare_cached("select id from actor where address = ?").map_err(store_error)?;
        let id = row.query_row([address.as_str()], |row| unsigned(row, 0)).optional().map_err(store_error)?;
        Ok(id.map(ActorId))
    }

    /// The address of an actor; none when none has this id.
    pub fn address_of(&self, id: ActorId) -> Result<Option<Address>, StoreError> {
        let mut row = self.reader.db().prepare_cached("select address from actor where id = ?").map_err(store_error)?;
        let address: Option<String> =
            row.query_row([signed(id.0)], |row| row.get(0)).optional().map_err(store_error)?;
        Ok(address.and_then(|address| Address::parse(&address).ok()))
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

    /// The numbers of all messages that wait in a mailbox.
    pub fn numbers(&self, mailbox: ActorId) -> Result<WaitingNumbers, StoreError> {
        let tx = self.moment()?;
        let Some((_, known)) = row_of(&tx, "id", signed(mailbox.0))? else { return Ok(WaitingNumbers::default()) };
        let in_order = known.taken.missing_ranges(known.last_number);
        let read = || {
            let mut rows = tx.prepare_cached("select number from held where mailbox = ? order by number")?;
            let held = rows.query_map([signed(mailbox.0)], |row| unsigned(row, 0))?;
            held.collect::<rusqlite::Result<_>>()
        };
        Ok(WaitingNumbers { in_order, held: read().map_err(store_error)? })
    }

    /// As [`Store::value`](playhouse_kernel::Store::value), by the clock of the machine.
    pub fn value(&mut self, actor: ActorId, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.reader.value(actor, key)?.and_then(|value| value.at(SystemTime::now())))
    }

    /// As [`Store::keys`](playhouse_kernel::Store::keys), by the clock of the machine.
    pub fn keys(
        &mut self,
        actor: ActorId,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.reader.keys(actor, prefix, after, most, SystemTime::now())
    }

    /// Reads everything, and names each damage. `Err`: the database cannot be read at all.
    pub fn check(&self) -> Result<Checked, StoreError> {
        // A host that runs meanwhile notes only what is in the database already.
        match self.place.parent().map_or(Ok(None), Note::find_beside_host) {
            Ok(note) => check(self.reader.db(), note.as_ref()),
            Err(StoreError::Damaged { at }) => {
                let mut checked = check(self.reader.db(), None)?;
                checked.damages.insert(0, at);
                Ok(checked)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes everything that is there now into one new file, which [`restore`](crate::restore) takes. The file has its name when it
    /// is whole and durable; until then, one beside it ends with `.part`.
    pub fn backup(&self, to: &Path) -> Result<BackupFacts, OrderError> {
        if to.exists() {
            return Err(OrderError::Refused(format!("`{}` exists already: name a new file", to.display())));
        }
        let name = to.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| OrderError::Refused(format!("`{}` names no file", to.display())))?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(OrderError::Refused(format!("there is no folder `{}` for the backup", folder.display())));
        }
        let part = to.with_file_name(format!("{name}.part"));
        // Of a backup that was killed.
        match std::fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(OrderError::file(&part)(error)),
            _ => {}
        }
        let made = self.write_backup(&part).and_then(|facts| {
            std::fs::rename(&part, to).map_err(OrderError::file(to))?;
            std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(OrderError::file(folder))?;
            Ok(facts)
        });
        if made.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        made
    }

    fn write_backup(&self, part: &Path) -> Result<BackupFacts, OrderError> {
        // For the store's user alone, as the store is.
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part);
        made.map_err(OrderError::file(part))?;
        // The only disk that is written is that of the backup.
        write_copy(self.reader.db(), part).map_err(|error| match error {
            StoreError::Full(why) | StoreError::Failed(why) => OrderError::Unwritten { place: part.to_owned(), why },
            error => error.into(),
        })?;
        let copy = Connection::open(part).map_err(store_error)?;
        let last_entry = State::read_store_row(&copy)?.last_entry();
        let bytes = std::fs::metadata(part).map_err(OrderError::file(part))?.len();
        Ok(BackupFacts { bytes, last_entry })
    }

    fn moment(&self) -> Result<Transaction<'_>, StoreError> {
        Transaction::new_unchecked(self.reader.db(), TransactionBehavior::Deferred).map_err(store_error)
    }
}

/// The database in a folder.
pub(crate) fn existing(path: &Path) -> Result<PathBuf, OrderError> {
    if path.exists() && !path.is_dir() {
        return Err(OrderError::Refused(format!("`{}` is no folder: name the folder of a store", path.display())));
    }
    let place = path.join(DATABASE);
    if is_blank(&place) {
        require_none(path)?;
    }
    if !place.exists() {
        return Err(OrderError::Refused(format!("there is no store in `{}`", path.display())));
    }
    Ok(place)
}

/// Refuses a store that this version does not read as it is.
pub(crate) fn require_current(db: &Connection, place: &Path) -> Result<(), OrderError> {
    match format_of(db, place, FORMAT)? {
        Format::Current => Ok(()),
        Format::None => {
            if let Some(note) = place.parent().map_or(Ok(None), Note::find)? {
                note.check(Position::default())?;
            }
            Err(OrderError::Refused(format!("`{}` is empty: no host has run on it", place.display())))
        }
        Format::Older(found) => Err(OrderError::Refused(format!(
            "the store has format {found}, and this version works with {FORMAT}: start its play once, which migrates it"
        ))),
    }
}

/// The row of an actor, by a column that tells them apart.
fn row_of(tx: &Transaction<'_>, column: &str, value: impl rusqlite::ToSql) -> Result<Option<(u64, Known)>, StoreError> {
    let row = tx.query_row(&format!("select * from actor where {column} = ?"), [value], known_of).optional();
    match row.map_err(store_error)? {
        None => Ok(None),
        Some((id, Some(known), sum)) if actor_sum(id, &known) == sum => Ok(Some((id, known))),
        Some((id, ..)) => Err(StoreError::Damaged { at: format!("the row of actor {id} in table `actor`") }),
    }
}

/// The number of held messages, and the bytes of their records.
fn held_of(tx: &Transaction<'_>, mailbox: ActorId) -> rusqlite::Result<(u64, u64)> {
    let sizes = "select count(*), coalesce(sum(length(record)), 0) from held where mailbox = ?1";
    tx.prepare_cached(sizes)?.query_row(params![signed(mailbox.0)], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))
}
