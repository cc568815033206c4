//! Stores of older formats: a copy is kept, and the store is brought to the current format, step by step in one transaction.

use std::fs::File;
use std::path::{Path, PathBuf};

use playhouse_kernel::StoreError;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::error::{failed_file, store_error};
use crate::folder::{Folder, is_blank, make_private};
use crate::format_1;
use crate::format_2;
use crate::schema::{FORMAT, Format, open};
use crate::settings::StoreSettings;
use crate::tail::require_none;

/// Changes the tables of one format into those of the next. It runs in the transaction of the whole migration.
type Step = fn(&Transaction<'_>) -> Result<(), StoreError>;

/// The formats that a version knows.
pub(crate) struct Formats {
    /// The one that it writes.
    pub(crate) current: u32,
    /// The older ones, each with the step to the next. Each version that was released can be migrated from.
    pub(crate) steps: &'static [(u32, Step)],
}

/// The formats of this version.
pub(crate) const FORMATS: Formats =
    Formats { current: FORMAT, steps: &[(1, format_1::to_format_2), (2, format_2::to_format_3)] };

/// A store of an older format that was brought to the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The format before.
    pub from: u32,
    /// The format now.
    pub to: u32,
    /// The store as it was.
    pub copy: PathBuf,
}

/// Opens the database of a folder, makes it when there is none, and migrates an older one.
pub(crate) fn open_migrated(
    folder: &Folder,
    settings: &StoreSettings,
    formats: &Formats,
) -> Result<(Connection, Option<Migrated>), StoreError> {
    let place = folder.database();
    if is_blank(&place) {
        require_none(folder.path())?;
        if !is_blank(&folder.beside("-wal")) {
            let why = format!("`{}-wal` is the log of a database that is not there", place.display());
            return Err(StoreError::Failed(format!("{why}: put `store.db` back, or move the log away")));
        }
    }
    let (mut db, format) = open(&place, settings, formats.current)?;
    let Format::Older(from) = format else { return Ok((db, None)) };
    let copy = folder.beside(&format!(".v{from}"));
    keep_copy(folder, &db, from, &copy)?;
    migrate(&mut db, formats, from)?;
    Ok((db, Some(Migrated { from, to: formats.current, copy })))
}

/// Writes the store as it is into a file beside it.
fn keep_copy(folder: &Folder, db: &Connection, from: u32, copy: &Path) -> Result<(), StoreError> {
    let part = folder.part(&format!(".v{from}"));
    write_copy(db, &part)?;
    std::fs::rename(&part, copy).and_then(|()| folder.sync()).map_err(|error| failed_file(copy, &error))
}

/// Writes the database as it is now into a new file, which is durable then.
pub(crate) fn write_copy(db: &Connection, to: &Path) -> Result<(), StoreError> {
    let Some(name) = to.to_str() else {
        return Err(StoreError::Failed(format!("`{}` is no text", to.display())));
    };
    // SQLite would let other users read it, and takes an empty file.
    make_private(to).map_err(|error| failed_file(to, &error))?;
    db.execute("vacuum into ?", [name]).map_err(|error| match error.sqlite_error_code() {
        // The bound of the store does not hold for a copy.
        Some(ErrorCode::DiskFull) => StoreError::Full("the disk has no space left".to_owned()),
        _ => store_error(error),
    })?;
    File::open(to).and_then(|file| file.sync_all()).map_err(|error| failed_file(to, &error))
}

/// Brings a database from an older format to the current one: all of it, or nothing.
pub(crate) fn migrate(db: &mut Connection, formats: &Formats, from: u32) -> Result<(), StoreError> {
    let tx = Transaction::new(db, TransactionBehavior::Immediate).map_err(store_error)?;
    for format in from..formats.current {
        let Some((_, step)) = formats.steps.iter().find(|(of, _)| *of == format) else {
            let why = format!("the store has format {from}, which this version cannot read any more");
            return Err(StoreError::Failed(format!("{why}: start it with an older version first")));
        };
        step(&tx)?;
    }
    tx.pragma_update(None, "user_version", formats.current).map_err(store_error)?;
    tx.commit().map_err(store_error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;
    use crate::state::State;

    /// The variable that tells a test's own program in which folder to migrate, and where to die.
    const CHILD: &str = "PLAYHOUSE_TEST_MIGRATION";

    /// Formats after the current one, made up for these tests.
    const LATER: Formats = Formats { current: FORMAT + 2, steps: &[(FORMAT, add_colour), (FORMAT + 1, paint)] };

    fn add_colour(tx: &Transaction<'_>) -> Result<(), StoreError> {
        tx.execute_batch("alter table letter add column colour text").map_err(store_error)
    }

    fn paint(tx: &Transaction<'_>) -> Result<(), StoreError> {
        let paint = "create table paint(id integer primary key, name text) strict; insert into paint values (1, 'red')";
        tx.execute_batch(paint).map_err(store_error)?;
        die_at("in the transaction");
        Ok(())
    }

    /// Ends the process as `kill -9` does, if the test wants it here.
    fn die_at(place: &str) {
        if std::env::var(CHILD).is_ok_and(|wanted| wanted.ends_with(place)) {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::KILL).expect("it is this process");
        }
    }

    /// The copy of the store before its migration.
    const COPY: &str = "store.db.v3";

    fn folder() -> (tempfile::TempDir, StoreSettings) {
        let home = tempfile::tempdir().expect("a folder");
        let settings = StoreSettings::new(&home.path().join("store"));
        (home, settings)
    }

    fn opened(settings: &StoreSettings, formats: &Formats) -> Result<Option<Migrated>, StoreError> {
        let folder = Folder::take(&settings.path)?;
        let (db, migrated) = open_migrated(&folder, settings, formats)?;
        assert_eq!(crate::schema::pragma::<u32>(&db, "user_version"), Ok(formats.current));
        Ok(migrated)
    }

    /// A store of the current format that a host has run on seven times.
    fn old_store() -> (tempfile::TempDir, StoreSettings) {
        let (home, settings) = folder();
        assert_eq!(opened(&settings, &FORMATS), Ok(None));
        let (mut db, _) = open(&settings.path.join("store.db"), &settings, FORMAT).expect("it is there");
        let mut state = State::read(&db).expect("sound");
        state.boots = 7;
        let tx = Transaction::new(&mut db, TransactionBehavior::Immediate).expect("free");
        state.write_store_row(&tx).and_then(|()| tx.commit()).expect("space");
        (home, settings)
    }

    fn boots(place: &Path) -> u64 {
        let db = Connection::open(place).expect("it is there");
        State::read(&db).expect("sound").boots
    }

    #[test]
    fn older_store_is_migrated_and_its_copy_kept() {
        let (_home, settings) = old_store();
        let copy = settings.path.join(COPY);
        let migrated = Migrated { from: FORMAT, to: FORMAT + 2, copy: copy.clone() };
        assert_eq!(opened(&settings, &LATER), Ok(Some(migrated)));
        assert_eq!(opened(&settings, &LATER), Ok(None), "once");
        let db = Connection::open(settings.path.join("store.db")).expect("it is there");
        let colour: String = db.query_row("select name from paint", [], |row| row.get(0)).expect("the second step");
        let columns = db.prepare("select colour from letter").map(drop);
        assert_eq!((colour.as_str(), columns), ("red", Ok(())));
        assert_eq!((boots(&settings.path.join("store.db")), boots(&copy)), (7, 7));
        assert_eq!(crate::schema::pragma::<u32>(&Connection::open(copy).expect("kept"), "user_version"), Ok(FORMAT));
        assert_eq!(
            opened(&settings, &FORMATS),
            Err(StoreError::Newer { found: FORMAT + 2 }),
            "an older host refuses it"
        );
    }

    #[test]
    fn format_without_a_way_to_the_current_one_is_refused() {
        let (_home, settings) = old_store();
        let refused = opened(&settings, &Formats { current: FORMAT + 2, steps: &[(FORMAT + 1, paint)] });
        let refused = refused.expect_err("no step from the current format").to_string();
        assert!(
            refused.contains(&format!("the store has format {FORMAT}, which this version cannot read")),
            "{refused}"
        );
        assert_eq!(opened(&settings, &FORMATS), Ok(None), "nothing has changed");
    }

    #[test]
    fn failed_step_changes_nothing() {
        let fails: Step = |tx| tx.execute_batch("drop table held; create table letter(a)").map_err(store_error);
        let formats = Formats { current: FORMAT + 1, steps: Box::leak(Box::new([(FORMAT, fails)])) };
        let (_home, settings) = old_store();
        assert!(opened(&settings, &formats).is_err());
        assert_eq!(opened(&settings, &FORMATS), Ok(None));
        assert_eq!(boots(&settings.path.join("store.db")), 7);
    }

    #[test]
    fn log_without_its_database_is_refused() {
        let (_home, settings) = old_store();
        std::fs::rename(settings.path.join("store.db"), settings.path.join("elsewhere")).expect("ours");
        std::fs::write(settings.path.join("store.db-wal"), "the log").expect("ours");
        let refused = opened(&settings, &FORMATS).expect_err("messages would be lost without a word");
        assert!(refused.to_string().contains("store.db-wal` is the log of a database that is not there"), "{refused}");
    }

    /// Runs in a process of its own.
    #[test]
    fn child_migrates_and_dies() {
        let Ok(child) = std::env::var(CHILD) else { return };
        let (path, _) = child.split_once('|').expect("a folder, and where to die");
        let settings = StoreSettings::new(Path::new(path));
        let folder = Folder::take(&settings.path).expect("free");
        die_at("before everything");
        let (mut db, format) = open(&folder.database(), &settings, LATER.current).expect("it is there");
        assert_eq!(format, Format::Older(FORMAT));
        let copy = settings.path.join(COPY);
        write_copy(&db, &folder.part(&format!(".v{FORMAT}"))).expect("space");
        die_at("before the copy has its name");
        keep_copy(&folder, &db, FORMAT, &copy).expect_err("the part is there already");
        std::fs::remove_file(folder.part(&format!(".v{FORMAT}"))).expect("ours");
        keep_copy(&folder, &db, FORMAT, &copy).expect("space");
        die_at("after the copy");
        migrate(&mut db, &LATER, FORMAT).expect("it dies in it, or after it");
        die_at("at the end");
    }

    #[test]
    fn killed_migration_leaves_a_good_store() {
        let places =
            ["before everything", "before the copy has its name", "after the copy", "in the transaction", "at the end"];
        for place in places {
            let (_home, settings) = old_store();
            let program = std::env::current_exe().expect("this one");
            let mut child = Command::new(program);
            child.args(["--exact", "migrations::tests::child_migrates_and_dies"]);
            child.env(CHILD, format!("{}|{place}", settings.path.display()));
            let ended = child.output().expect("it runs");
            assert_eq!(ended.status.signal(), Some(9), "{place}: {}", String::from_utf8_lossy(&ended.stdout));
            let is_done = place == "at the end";
            if !is_done {
                assert_eq!(opened(&settings, &FORMATS), Ok(None), "{place}: the older version goes on with it");
            }
            assert_eq!(opened(&settings, &LATER).map(|migrated| migrated.is_none()), Ok(is_done), "{place}");
            assert_eq!(boots(&settings.path.join("store.db")), 7, "{place}");
            assert_eq!(boots(&settings.path.join(COPY)), 7, "{place}");
            let parts = std::fs::read_dir(&settings.path).expect("ours").filter(|entry| {
                entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().contains(".part"))
            });
            assert_eq!(parts.count(), 0, "{place}");
        }
    }
}
