//! The tables, the number of their format, and the settings of a connection.

use std::path::Path;
use std::time::Duration;

use playhouse_kernel::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::children;
use crate::error::{failed_file, store_error};
use crate::folder::make_private;
use crate::origins;
use crate::settings::{StoreSettings, Survives};
use crate::tail::{Note, Position};

/// The format that this version writes. `pragma user_version` has it.
pub(crate) const FORMAT: u32 = 3;
/// Tells a store from the databases of other programs: `pragma application_id`, "Play".
const APPLICATION: i32 = 0x506c_6179;
/// The wait for another program that has locked the database.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that a connection keeps: more than there are.
const STATEMENTS: usize = 64;
/// See [`StoreSettings::small_pages`].
const SMALL_PAGE_BYTES: u32 = 1024;
/// Pages that a connection keeps in memory, in KiB.
const CACHE_KIB: i32 = 16 << 10;

/// Each row has the checksum of its other columns, since SQLite has none: a flipped bit is found when the row is read.
const TABLES: &str = "
    create table store(
        id integer primary key check (id = 1),
        boots integer not null,
        last_entry integer not null,
        free_id integer not null,
        last_letter integer not null,
        letters integer not null,
        running integer not null,
        checksum integer not null
    ) strict;
    insert into store values (1, 0, 0, 0, 0, 0, 0, 0);

    -- Actors with their mailboxes: those of the plan, and stored children. All numbers below taken_below are gone from `frame`, and the ranges in taken_later.
    -- frames and frame_bytes are the number of an actor's rows in `frame`, and the bytes of their records; format 1 had no frame_bytes.
    -- timers_given and timers_chosen are the highest ids that timers ever had.
    create table actor(
        id integer primary key,
        address text not null unique,
        halted integer,
        last_number integer not null,
        waiting integer not null,
        taken_below integer not null,
        taken_later blob not null,
        frames integer not null,
        state_keys integer not null,
        state_bytes integer not null,
        timers integer not null,
        timers_given integer not null,
        timers_chosen integer not null,
        suspects integer not null,
        checksum integer not null,
        frame_bytes integer not null default 0
    ) strict;

    -- Messages in order, one record after another: `first` is the number of the first one.
    create table frame(
        id integer primary key,
        mailbox integer not null,
        first integer not null,
        messages integer not null,
        records blob not null,
        checksum integer not null
    ) strict;
    create unique index frame_at on frame(mailbox, first);

    -- Messages that are handled again, each not before its time.
    create table held(
        mailbox integer not null,
        number integer not null,
        due_ns integer not null,
        record blob not null,
        checksum integer not null,
        primary key (mailbox, number)
    ) strict, without rowid;

    -- Values of actors' states. With a rowid and an index: values of a kilobyte and more would make the pages of a table without one
    -- hold few keys each, and its reads and writes twice as slow. ends_ns and lifetime_ns are null for a value that stays; formats 1 and 2
    -- had neither.
    create table state(
        id integer primary key,
        actor integer not null,
        key text not null,
        value blob not null,
        checksum integer not null,
        ends_ns integer,
        lifetime_ns integer
    ) strict;
    create unique index state_at on state(actor, key);
    create index state_ends on state(ends_ns, lifetime_ns) where ends_ns is not null;

    -- Timers of actors: due_ns is their next time, wait_ns their delay or period.
    create table timer(
        row integer primary key,
        actor integer not null,
        id integer not null,
        due_ns integer not null,
        wait_ns integer not null,
        again integer not null,
        recipient text not null,
        record blob not null,
        checksum integer not null
    ) strict;
    create unique index timer_at on timer(actor, id);

    -- Messages that may have ended runs of a host: how many before the run `boot`, in which they were in process last.
    create table suspect(
        mailbox integer not null,
        number integer not null,
        ends integer not null,
        boot integer not null,
        checksum integer not null,
        primary key (mailbox, number)
    ) strict, without rowid;

    create table letter(
        number integer primary key,
        copy integer not null,
        record blob not null,
        recipient text not null,
        owner integer not null,
        sender text,
        kind text not null,
        why text not null,
        at_ns integer not null,
        checksum integer not null
    ) strict;
";

/// The format of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// It has no tables yet.
    None,
    Current,
    Older(u32),
}

/// Opens the database, and makes it when there is none, nor was one. Returns its format before that.
pub(crate) fn open(place: &Path, settings: &StoreSettings, current: u32) -> Result<(Connection, Format), StoreError> {
    // SQLite would let other users read it, and its log as well.
    make_private(place).map_err(|error| failed_file(place, &error))?;
    let mut db = connect(place, settings, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut made = || -> rusqlite::Result<Result<Format, StoreError>> {
        let mode: String = db.query_row("pragma journal_mode = wal", [], |row| row.get(0))?;
        if mode != "wal" {
            let why = format!("the file system of `{}` has no write-ahead log for SQLite", place.display());
            return Ok(Err(StoreError::Failed(why)));
        }
        let tx = Transaction::new(&mut db, TransactionBehavior::Immediate)?;
        let format = format_of(&tx, place, current);
        if format == Ok(Format::None) {
            // The log of a database that is gone is not overwritten.
            let note = place.parent().map_or(Ok(None), Note::find);
            if let Err(error) = note.and_then(|note| note.map_or(Ok(()), |note| note.check(Position::default()))) {
                return Ok(Err(error));
            }
            make_tables(&tx)?;
            tx.pragma_update(None, "application_id", APPLICATION)?;
            tx.pragma_update(None, "user_version", FORMAT)?;
            tx.commit()?;
        }
        Ok(format)
    };
    let format = made().map_err(store_error)??;
    Ok((db, format))
}

fn make_tables(db: &Connection) -> rusqlite::Result<()> {
    [TABLES, children::TABLES, origins::TABLES].iter().try_for_each(|tables| db.execute_batch(tables))
}

/// Whether a database has the tables and indexes of this format, with their columns, and could be written: no checksum has the names of
/// these. The statements that make them are run in memory, since a connection that only reads ignores their conditions.
pub(crate) fn has_all_tables(db: &Connection) -> rusqlite::Result<bool> {
    let (new, own) = (Connection::open_in_memory()?, Connection::open_in_memory()?);
    make_tables(&new)?;
    let mut made = db.prepare("select sql from sqlite_schema where sql is not null order by rowid")?;
    for sql in made.query_map([], |row| row.get::<_, String>(0))? {
        if own.execute_batch(&sql?).is_err() {
            return Ok(false);
        }
    }
    Ok(columns(&own)? == columns(&new)?)
}

/// The columns of all tables and indexes, in order.
fn columns(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "select a.type || ' ' || a.name || ' ' || c.name || ' ' || c.type || ' ' || c.[notnull] || ' ' || c.pk, a.name, c.cid
            from sqlite_schema a join pragma_table_info(a.name) c where a.type = 'table'
        union all select a.type || ' ' || a.name || ' of ' || a.tbl_name || ' ' || c.name, a.name, c.seqno
            from sqlite_schema a join pragma_index_info(a.name) c where a.type = 'index'
        order by 2, 3";
    db.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// The format of a database that is a store.
pub(crate) fn format_of(db: &Connection, place: &Path, current: u32) -> Result<Format, StoreError> {
    let read = || -> rusqlite::Result<(i32, u32, u32)> {
        let tables = db.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
        Ok((pragma(db, "application_id")?, pragma(db, "user_version")?, tables))
    };
    match read().map_err(store_error)? {
        (APPLICATION, found, _) if found == current => Ok(Format::Current),
        (APPLICATION, found, _) if found > current => Err(StoreError::Newer { found }),
        (APPLICATION, found, _) => Ok(Format::Older(found)),
        (0, 0, 0) => Ok(Format::None),
        _ => {
            let why = format!("`{}` is a database of another program: use another folder", place.display());
            Err(StoreError::Failed(why))
        }
    }
}

/// One more connection to a database that is open.
pub(crate) fn connect(place: &Path, settings: &StoreSettings, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connected = || {
        let db = Connection::open_with_flags(place, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        if settings.small_pages {
            // A database that has pages keeps their size.
            db.pragma_update(None, "page_size", SMALL_PAGE_BYTES)?;
        }
        db.set_prepared_statement_cache_capacity(STATEMENTS);
        // A checkpoint may fail, and the connection's own would hide that: `checkpoint` makes all of them.
        db.pragma_update(None, "wal_autocheckpoint", 0)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Otherwise a statement that could use `state_ends` for some values of its parameters is prepared again for each of them.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        db.pragma_update(None, "temp_store", "memory")?;
        db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        let synchronous = match settings.survives {
            Survives::PowerLoss => "full",
            Survives::Crash => "normal",
        };
        db.pragma_update(None, "synchronous", synchronous)?;
        if let Some(bytes) = settings.size_bytes {
            let page_bytes: u32 = pragma(&db, "page_size")?;
            let pages = (bytes / u64::from(page_bytes)).clamp(1, u32::MAX.into());
            // The pragma answers with the bound, which is never below the pages that there are.
            db.query_row(&format!("pragma max_page_count = {pages}"), [], |_| Ok(()))?;
        }
        Ok(db)
    };
    connected().map_err(store_error)
}

/// A number that the database has about itself.
pub(crate) fn pragma<T: rusqlite::types::FromSql>(db: &Connection, name: &str) -> rusqlite::Result<T> {
    db.query_row(&format!("pragma {name}"), [], |row| row.get(0))
}
