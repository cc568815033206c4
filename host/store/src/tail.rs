//! The note of the last group that was written, in a file beside the database. SQLite takes a damaged record of its log for the
//! log's end, so the database alone cannot tell that confirmed groups are gone.
//!
//! The note is written after its group is durable, and is not synced: it never names a group that the disk need not have. After a
//! kill it is exact, since the system keeps it; after a loss of power it may be older.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use playhouse_kernel::{STARTS_OF_A_TIMELINE, StoreError};
use rustix::io::Errno;

use crate::checksum::checksum;
use crate::error::{failed_file, no_space};
use crate::settings::Survives;

/// The name of the file.
pub(crate) const TAIL: &str = "tail";
/// Bytes of the file, so that a shorter note leaves nothing of a longer one.
const BYTES: usize = 160;
/// The number of this start of the machine, on Linux.
const MACHINE: &str = "/proc/sys/kernel/random/boot_id";

/// A position in the history of a store: the run of the host, and the last entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    pub(crate) run: u64,
    pub(crate) entry: u64,
}

/// A note, as it is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    at: Position,
    survives: Survives,
    /// The start of the machine.
    machine: String,
}

/// The file, open for notes.
pub(crate) struct Tail {
    file: File,
    survives: Survives,
    machine: String,
}

impl Tail {
    /// Opens the file in a store's folder, and makes it when there is none.
    pub(crate) fn open(folder: &Path, survives: Survives) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(folder.join(TAIL)).map_err(failed)?;
        Ok(Self { file, survives, machine: machine() })
    }

    /// Notes a position, which is durable.
    pub(crate) fn note(&self, at: Position) -> Result<(), StoreError> {
        let note = Note { at, survives: self.survives, machine: self.machine.clone() };
        match self.file.write_all_at(note.line().as_bytes(), 0) {
            // The note before is as true; it only proves less.
            Err(error) if Errno::from_io_error(&error).is_some_and(|error| no_space(error).is_some()) => Ok(()),
            written => written.map_err(failed),
        }
    }
}

impl Note {
    /// The note in a store's folder. None when there is none, or when it is damaged: it proves nothing then, and the log is whole
    /// unless two places are damaged at once.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>, StoreError> {
        let mut text = String::new();
        let read = File::open(folder.join(TAIL)).and_then(|file| file.take(BYTES as u64).read_to_string(&mut text));
        match read {
            Ok(_) => Ok(Self::read(&text)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => Ok(None),
            Err(error) => Err(failed_file(&folder.join(TAIL), &error)),
        }
    }

    /// Checks that the store's position, read after the note, is not before it.
    pub(crate) fn check(&self, at: Position) -> Result<(), StoreError> {
        // Without syncs, the machine's end may take the last groups and leave the note.
        let machine = machine();
        if self.survives == Survives::Crash && (self.machine != machine || machine.is_empty()) {
            return Ok(());
        }
        let noted = self.at;
        let lost = match noted.entry.saturating_sub(at.entry) {
            0 if noted.run <= at.run => return Ok(()),
            0 => format!("run {}", noted.run),
            1 => format!("entry {}", noted.entry),
            _ => format!("entries {} to {}", at.entry + 1, noted.entry),
        };
        let way_out = format!("delete the file `{TAIL}` to go on without that");
        Err(StoreError::Damaged { at: format!("its log `store.db-wal`, which has lost {lost} ({way_out})") })
    }

    fn line(&self) -> String {
        let Self { at: Position { run, entry }, survives, machine } = self;
        let survives = match survives {
            Survives::PowerLoss => "power-loss",
            Survives::Crash => "crash",
        };
        let text = format!("run {run} entry {entry} survives {survives} machine {machine}");
        let line = format!("{text} checksum {}", checksum(&[text.as_bytes()]));
        format!("{line:width$}\n", width = BYTES - 1)
    }

    fn read(text: &str) -> Option<Self> {
        let (text, sum) = text.trim_end().split_once(" checksum ")?;
        if sum.parse() != Ok(checksum(&[text.as_bytes()])) {
            return None;
        }
        let mut words = text.split(' ').skip(1).step_by(2);
        let at = Position { run: words.next()?.parse().ok()?, entry: words.next()?.parse().ok()? };
        let survives = match words.next()? {
            "power-loss" => Survives::PowerLoss,
            "crash" => Survives::Crash,
            _ => return None,
        };
        Some(Self { at, survives, machine: words.next()?.to_owned() })
    }
}

/// Refuses a folder whose database is gone or empty, when one was there: its messages would be lost without a word.
pub(crate) fn require_none(folder: &Path) -> Result<(), StoreError> {
    let Some(Note { at: Position { run, entry }, .. }) = Note::find(folder)? else { return Ok(()) };
    if (run, entry) == (0, 0) {
        return Ok(());
    }
    let known = format!("the file `{TAIL}` beside it knows of {} runs and {entry} entries", run % STARTS_OF_A_TIMELINE);
    Err(StoreError::Damaged { at: format!("its database `store.db`, which is empty or gone, though {known}") })
}

/// This start of the machine; empty where the system has no name for it.
fn machine() -> String {
    std::fs::read_to_string(MACHINE).map(|id| id.trim().to_owned()).unwrap_or_default()
}

fn failed(error: std::io::Error) -> StoreError {
    StoreError::Failed(format!("the file `{TAIL}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(run: u64, entry: u64) -> Position {
        Position { run, entry }
    }

    fn noted(survives: Survives, position: Position) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let tail = Tail::open(folder.path(), survives).expect("a file");
        // A longer one first, of which nothing may be left.
        tail.note(at(u64::MAX, u64::MAX)).expect("space");
        tail.note(position).expect("space");
        folder
    }

    fn found(folder: &tempfile::TempDir) -> Note {
        Note::find(folder.path()).expect("it is read").expect("it is whole")
    }

    #[test]
    fn store_behind_its_note_is_damaged() {
        let note = found(&noted(Survives::PowerLoss, at(3, 9)));
        for fine in [at(3, 9), at(4, 9), at(4, 12)] {
            assert_eq!(note.check(fine), Ok(()), "{fine:?}");
        }
        for (behind, lost) in [(at(3, 8), "entry 9"), (at(3, 5), "entries 6 to 9"), (at(2, 9), "run 3")] {
            let refused = note.check(behind).expect_err("something is gone").to_string();
            assert!(refused.contains(lost), "{refused}");
        }
    }

    #[test]
    fn note_without_syncs_proves_nothing_after_a_loss_of_power() {
        let note = found(&noted(Survives::Crash, at(3, 9)));
        assert!(note.check(at(3, 8)).is_err(), "the machine went on");
        let note = Note { machine: "another".to_owned(), ..note };
        assert_eq!(note.check(at(3, 8)), Ok(()));
        let note = Note { survives: Survives::PowerLoss, ..note };
        assert!(note.check(at(3, 8)).is_err(), "each group was synced before its note");
    }

    #[test]
    fn damaged_or_missing_note_proves_nothing() {
        let folder = noted(Survives::PowerLoss, at(3, 9));
        let place = folder.path().join(TAIL);
        let whole = std::fs::read(&place).expect("a file");
        assert_eq!(whole.len(), BYTES);
        let end = whole.iter().rposition(|byte| !byte.is_ascii_whitespace()).expect("words");
        for byte in 0..=end {
            let mut flipped = whole.clone();
            flipped[byte] ^= 1;
            std::fs::write(&place, flipped).expect("space");
            assert_eq!(Note::find(folder.path()), Ok(None), "byte {byte}");
        }
        std::fs::remove_file(&place).expect("a file");
        assert_eq!(Note::find(folder.path()), Ok(None));
    }
}
