//! A backup becomes a store.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use playhouse_kernel::{STARTS_OF_A_TIMELINE, StoreError};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::check::check;
use crate::checkpoint::checkpoint;
use crate::error::{OrderError, failed_file, store_error};
use crate::folder::{Folder, TAIL, is_blank};
use crate::migrations::{FORMATS, migrate};
use crate::schema::{FORMAT, Format, connect, format_of};
use crate::settings::StoreSettings;
use crate::state::State;
use crate::stopped::{put_in_place, remove_if_there};
use crate::tail::Note;

/// The timelines that a store may have; the first one is that of stores which were never restored.
const TIMELINES: u64 = 1 << 31;

/// Makes a store in a folder from the file of an [`Inspection::backup`](crate::Inspection::backup). Its next run begins a new
/// timeline: no id is given that a run after the backup has given. `replaces`: a store that is there is kept under another name,
/// which is returned; without it, the folder must have no store.
///
/// Whenever the process ends, the folder has the store from before, or the restored one. A restore that fails leaves no folder that it made.
pub fn restore(path: &Path, from: &Path, replaces: bool) -> Result<Option<PathBuf>, OrderError> {
    for ending in ["-wal", "-journal"] {
        let log = PathBuf::from(format!("{}{ending}", from.display()));
        if log.exists() {
            let what = format!("`{}` has a log beside it (`{}`)", from.display(), log.display());
            return Err(OrderError::Refused(format!("{what}: it is the database of a store, and no backup")));
        }
    }
    let mut backup = File::open(from).map_err(OrderError::file(from))?;
    if !backup.metadata().map_err(OrderError::file(from))?.is_file() {
        return Err(OrderError::Refused(format!("`{}` is no file, and no backup", from.display())));
    }
    let made = missing_folders(path);
    let restored = Folder::take(path).map_err(OrderError::from).and_then(|folder| {
        restore_into(&folder, (&mut backup, from), replaces).inspect_err(|_| clean_up(&folder, &made))
    });
    if restored.is_err() {
        remove_empty(&made);
    }
    restored
}

/// The folder and those above it that are not there, from the innermost on.
fn missing_folders(path: &Path) -> Vec<PathBuf> {
    let named = path.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    named.take_while(|folder| !folder.exists()).map(Path::to_owned).collect()
}

/// Removes the lock of a folder that a restore has made.
fn clean_up(folder: &Folder, made: &[PathBuf]) {
    if made.first().is_some_and(|made| made == folder.path()) {
        let _ = std::fs::remove_file(folder.lock_place());
    }
}

/// Removes the folders that a restore has made. One in which somebody has put a file stays, with those above it.
fn remove_empty(made: &[PathBuf]) {
    for folder in made {
        if std::fs::remove_dir(folder).is_err() {
            break;
        }
    }
}

/// Puts a backup in place in a folder that this process has for itself.
fn restore_into(
    folder: &Folder,
    (backup, from): (&mut File, &Path),
    replaces: bool,
) -> Result<Option<PathBuf>, OrderError> {
    let path = folder.path();
    let is_there = folder.database().exists() || folder.beside("-wal").exists();
    if is_there && !replaces {
        let there = format!("there is a store in `{}` already", path.display());
        return Err(OrderError::Refused(format!(
            "{there}: with --replace it is kept aside, and the backup takes its place"
        )));
    }
    let part = folder.part(".restored");
    let kept = prepare(folder, &part, (backup, from), is_there);
    if kept.is_err() {
        // The next process that takes the folder removes it otherwise.
        let _ = std::fs::remove_file(&part);
    }
    let kept = kept?;
    put_in_place(folder, &part)?;
    Ok(kept)
}

/// Makes the store that takes the place of another one. Returns the name under which that one is kept.
fn prepare(
    folder: &Folder,
    part: &Path,
    (backup, from): (&mut File, &Path),
    is_there: bool,
) -> Result<Option<PathBuf>, OrderError> {
    let copied = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part);
    let copied = copied.and_then(|mut copy| std::io::copy(backup, &mut copy));
    copied.map_err(|error| failed_file(part, &error))?;
    begin_timeline(part, from).map_err(|error| of_backup(error, from))?;
    File::open(part).and_then(|copy| copy.sync_all()).map_err(|error| failed_file(part, &error))?;
    let kept = if is_there { keep_aside(folder)? } else { None };
    // The note is of another history.
    remove_if_there(&folder.path().join(TAIL))?;
    Ok(kept)
}

/// Checks a backup, brings it to the current format, and lets its runs have numbers that no run before had: ids are made from
/// them.
fn begin_timeline(part: &Path, from: &Path) -> Result<(), OrderError> {
    let folder = part.parent().unwrap_or(part);
    let mut db = connect(part, &StoreSettings::new(folder), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    match format_of(&db, from, FORMAT)? {
        Format::Current => {}
        // The backup itself is the copy from before.
        Format::Older(found) => migrate(&mut db, &FORMATS, found)?,
        Format::None => return Err(OrderError::Refused(format!("`{}` is empty, and no backup", from.display()))),
    }
    let checked = check(&db, None)?;
    if let Some(damage) = checked.damages.into_iter().next() {
        return Err(StoreError::Damaged { at: damage }.into());
    }
    let mut state = State::read(&db)?;
    let runs = state.boots % STARTS_OF_A_TIMELINE;
    let timeline = new_timeline(state.boots / STARTS_OF_A_TIMELINE, || RandomState::new().hash_one(0));
    state.boots = timeline * STARTS_OF_A_TIMELINE + runs;
    // The run of the backup did not die: it is another store's.
    state.is_running = false;
    write_boots(&mut db, &state).map_err(store_error)?;
    Ok(())
}

/// The error of a backup: it is the file that an operator named, and not the copy of it in the store's folder.
fn of_backup(error: OrderError, file: &Path) -> OrderError {
    let why = match error {
        OrderError::Store(StoreError::Damaged { at }) => {
            format!("it is damaged at {}", at.replace("the database `store.db`", "the database in it"))
        }
        OrderError::Store(StoreError::Newer { found }) => {
            format!("it has format {found}, which is newer than this version: use the version that wrote it")
        }
        error => return error,
    };
    OrderError::BadBackup { file: file.to_owned(), why }
}

/// A timeline that no restore of the same backup has had: a random one.
fn new_timeline(before: u64, mut random: impl FnMut() -> u64) -> u64 {
    loop {
        let timeline = random() % TIMELINES;
        if timeline != 0 && timeline != before {
            return timeline;
        }
    }
}

fn write_boots(db: &mut Connection, state: &State) -> rusqlite::Result<()> {
    // A copy of a stopped store has the mode with a log, which would be one more file.
    db.query_row("pragma journal_mode = delete", [], |_| Ok(()))?;
    let tx = Transaction::new(db, TransactionBehavior::Immediate)?;
    state.write_store_row(&tx)?;
    tx.commit()
}

/// Keeps the store that is there under another name, beside the place that the next one takes.
fn keep_aside(folder: &Folder) -> Result<Option<PathBuf>, OrderError> {
    let place = folder.database();
    let names = std::iter::once(String::new()).chain((2..).map(|number| format!("-{number}")));
    let free = names.map(|name| folder.beside(&format!(".replaced{name}"))).find(|kept| !kept.exists());
    let kept = free.ok_or_else(|| OrderError::Refused("too many stores were replaced here".to_owned()))?;
    let failed = |error: std::io::Error| failed_file(&kept, &error);
    // SQLite would remove the log of an empty database.
    if !is_blank(&place) && fold(&place).is_ok() {
        // Under both names, so that there is a store at each moment.
        std::fs::hard_link(&place, &kept).map_err(failed)?;
        return Ok(Some(kept));
    }
    // The store is damaged, or has a log alone: its files are kept as they are, together.
    let moved = |from: &Path, to: &Path| match std::fs::rename(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed_file(to, &error)),
        _ => Ok(()),
    };
    moved(&folder.beside("-wal"), &PathBuf::from(format!("{}-wal", kept.display())))?;
    moved(&folder.path().join(TAIL), &PathBuf::from(format!("{}-{TAIL}", kept.display())))?;
    moved(&place, &kept)?;
    Ok(Some(kept))
}

/// Moves the log of a database into it, if both are whole.
fn fold(place: &Path) -> Result<(), StoreError> {
    let folder = place.parent().unwrap_or(place);
    let db = connect(place, &StoreSettings::new(folder), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let position = State::read(&db)?.position();
    Note::find(folder)?.map_or(Ok(()), |note| note.check(position))?;
    checkpoint(&db, "truncate").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeline_is_another_one_and_not_the_first() {
        let mut numbers = [0, 7, TIMELINES, TIMELINES + 9].into_iter();
        assert_eq!(new_timeline(7, || numbers.next().unwrap_or_default()), 9);
    }
}
