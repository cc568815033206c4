//! The note of the last group that was written, in a file beside the database. SQLite takes a damaged record of its log for the
//! log's end, so the database alone cannot tell that confirmed groups are gone.
//!
//! The note is written after its group is durable, and is not synced: it never names a group that the disk need not have. After a
//! kill it is exact, since the system keeps it; after a loss of power it may be older.
//!
//! The host never leaves a note that is not whole, whatever ends it. The file has its name when its first note is on the disk. Each
//! note after that takes the place of one with as many bytes, in one write to one sector of the disk: a kill does not part such
//! a write, and a disk keeps a sector whole. So a file that is empty, cut or of another kind was damaged by others.

use std::fs::{File, FileType, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use playhouse_kernel::{STARTS_OF_A_TIMELINE, StoreError};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::checksum::checksum;
use crate::error::{failed_file, no_space};
use crate::folder::{Folder, TAIL};
use crate::settings::Survives;

/// Bytes of the file, so that a shorter note leaves nothing of a longer one. The smallest sector of a disk has 512.
const BYTES: usize = 160;
/// The number of this start of the machine, on Linux.
const MACHINE: &str = "/proc/sys/kernel/random/boot_id";
/// A reader beside the host may see half of a note while it is written: it reads so many times, with a pause after each.
const READ_TRIES: u32 = 20;
const READ_PAUSE: Duration = Duration::from_millis(10);

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

/// The content of the file.
enum Found {
    Nothing,
    Whole(Note),
    /// The fault, in words.
    Damaged(String),
}

impl Tail {
    /// Opens the file in a store's folder, or makes it when there is none, and notes a position, which is durable.
    pub(crate) fn open(folder: &Folder, survives: Survives, at: Position) -> Result<Self, StoreError> {
        let place = folder.path().join(TAIL);
        let machine = machine();
        // It is a file, since its note was read before. If another program puts a FIFO there meanwhile, this does not wait.
        match OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&place) {
            Ok(file) => {
                let tail = Self { file, survives, machine };
                tail.note(at)?;
                Ok(tail)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let note = Note { at, survives, machine };
                let file = make(folder, &note)?;
                Ok(Self { file, survives, machine: note.machine })
            }
            Err(error) => Err(failed_file(&place, &error)),
        }
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

/// Makes the file with its first note: under another name, until the note is on the disk.
fn make(folder: &Folder, note: &Note) -> Result<File, StoreError> {
    let (part, place) = (folder.part("-tail"), folder.path().join(TAIL));
    let written = || {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all_at(note.line().as_bytes(), 0)?;
        file.sync_all()?;
        std::fs::rename(&part, &place)?;
        folder.sync()?;
        Ok(file)
    };
    written().map_err(|error: std::io::Error| {
        // The next process that takes the folder removes it otherwise.
        let _ = std::fs::remove_file(&part);
        match Errno::from_io_error(&error).and_then(no_space) {
            Some(why) => StoreError::Full(why.to_owned()),
            None => failed_file(&place, &error),
        }
    })
}

impl Note {
    /// The note in a store's folder, which this process has; none when there is none. A note that is damaged is an error: without
    /// it, the store may have lost its end.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>, StoreError> {
        match Found::read(folder)? {
            Found::Nothing => Ok(None),
            Found::Whole(note) => Ok(Some(note)),
            Found::Damaged(fault) => {
                let way_out = "it tells whether the log has lost entries: delete it to go on without that";
                Err(StoreError::Damaged { at: format!("{fault} ({way_out})") })
            }
        }
    }

    /// As [`Note::find`], while a host may write notes.
    pub(crate) fn find_beside_host(folder: &Path) -> Result<Option<Self>, StoreError> {
        for _ in 1..READ_TRIES {
            match Self::find(folder) {
                Err(StoreError::Damaged { .. }) => std::thread::sleep(READ_PAUSE),
                found => return found,
            }
        }
        Self::find(folder)
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

impl Found {
    fn read(folder: &Path) -> Result<Self, StoreError> {
        let place = folder.join(TAIL);
        let fault = |fault: &str| Ok(Self::Damaged(format!("the file `{}`, which is {fault}", place.display())));
        let failed = |error: std::io::Error| failed_file(&place, &error);
        // A look at its kind comes first: to open a device may be an order to it, and to read a FIFO waits for a writer.
        let kind = match std::fs::metadata(&place) {
            Ok(found) => found.file_type(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) => return Err(failed(error)),
        };
        if !kind.is_file() {
            return fault(&format!("{}, and no file", name_of(kind)));
        }
        let mut bytes = Vec::new();
        let opened = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&place);
        let read = opened.and_then(|file| file.take(BYTES as u64 + 1).read_to_end(&mut bytes));
        match (read.map_err(failed)?, std::str::from_utf8(&bytes).ok().and_then(Note::read)) {
            (0, _) => fault("empty"),
            (BYTES, Some(note)) => Ok(Self::Whole(note)),
            _ => fault("not as it was written"),
        }
    }
}

fn name_of(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

/// Refuses a folder whose database is gone or empty, when one was there: its messages would be lost without a word.
pub(crate) fn require_none(folder: &Path) -> Result<(), StoreError> {
    let known = match Found::read(folder)? {
        Found::Nothing | Found::Whole(Note { at: Position { run: 0, entry: 0 }, .. }) => return Ok(()),
        Found::Whole(Note { at: Position { run, entry }, .. }) => {
            let runs = run % STARTS_OF_A_TIMELINE;
            format!("though the file `{TAIL}` beside it knows of {runs} runs and {entry} entries")
        }
        Found::Damaged(fault) => format!("and beside it is {fault}"),
    };
    Err(StoreError::Damaged { at: format!("its database `store.db`, which is empty or gone, {known}") })
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
        let taken = Folder::take(folder.path()).expect("free");
        // A longer one first, of which nothing may be left.
        let tail = Tail::open(&taken, survives, at(u64::MAX, u64::MAX)).expect("a file");
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

    /// The error of a note that is damaged.
    fn refusal(folder: &Path) -> String {
        Note::find(folder).expect_err("it is damaged").to_string()
    }

    fn damaged(place: &Path, fault: &str) -> String {
        format!(
            "the store is damaged at the file `{}`, which is {fault} (it tells whether the log has lost entries: delete it to go \
             on without that): restore a backup",
            place.display()
        )
    }

    #[test]
    fn damaged_note_is_named_and_missing_one_proves_nothing() {
        let folder = noted(Survives::PowerLoss, at(3, 9));
        let place = folder.path().join(TAIL);
        let whole = std::fs::read(&place).expect("a file");
        assert_eq!(whole.len(), BYTES);
        let end = whole.iter().rposition(|byte| !byte.is_ascii_whitespace()).expect("words");
        for byte in 0..=end {
            let mut flipped = whole.clone();
            flipped[byte] ^= 1;
            std::fs::write(&place, flipped).expect("space");
            assert_eq!(refusal(folder.path()), damaged(&place, "not as it was written"), "byte {byte}");
        }
        for bytes in [&whole[..BYTES - 1], &[&whole[..], b" "].concat(), &[0; BYTES], &[0xff; 3 * BYTES]] {
            std::fs::write(&place, bytes).expect("space");
            assert_eq!(refusal(folder.path()), damaged(&place, "not as it was written"), "{bytes:?}");
        }
        std::fs::remove_file(&place).expect("a file");
        assert_eq!(Note::find(folder.path()), Ok(None));
    }

    #[test]
    fn note_that_is_empty_or_no_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join(TAIL);
        std::fs::write(&place, "").expect("space");
        assert_eq!(refusal(folder.path()), damaged(&place, "empty"));
        std::fs::remove_file(&place).expect("a file");
        std::fs::create_dir(&place).expect("space");
        assert_eq!(refusal(folder.path()), damaged(&place, "a folder, and no file"));
        std::fs::remove_dir(&place).expect("a folder");
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &place, fifo, 0o600.into(), 0).expect("a FIFO");
        assert_eq!(refusal(folder.path()), damaged(&place, "a FIFO, and no file"));
        std::fs::remove_file(&place).expect("a FIFO");
        std::os::unix::fs::symlink("/dev/zero", &place).expect("space");
        assert_eq!(refusal(folder.path()), damaged(&place, "a device, and no file"));
        let _listener = std::fs::remove_file(&place).and_then(|()| std::os::unix::net::UnixListener::bind(&place));
        assert_eq!(refusal(folder.path()), damaged(&place, "a socket, and no file"));
    }

    #[test]
    fn note_that_is_being_written_is_read_again() {
        let folder = noted(Survives::PowerLoss, at(3, 9));
        let place = folder.path().join(TAIL);
        let whole = std::fs::read(&place).expect("a file");
        std::fs::write(&place, &whole[..BYTES / 2]).expect("space");
        let (asked, is_asked) = std::sync::mpsc::channel();
        let rest = std::thread::spawn({
            let place = place.clone();
            move || is_asked.recv().map(|()| std::fs::write(place, whole).expect("space"))
        });
        assert!(Note::find(folder.path()).is_err());
        asked.send(()).expect("a thread");
        assert!(matches!(Note::find_beside_host(folder.path()), Ok(Some(_))));
        rest.join().expect("no panic").expect("asked");
    }

    /// The environment of a process that may write no byte: the folder of its store.
    const LIMITED: &str = "PLAYHOUSE_TEST_TAIL";

    /// The process, when [`file_without_its_first_note_has_no_name`] starts this program as one.
    #[tokio::test]
    async fn limited_process() {
        use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
        let Ok(path) = std::env::var(LIMITED) else { return };
        let folder = Folder::take(Path::new(&path)).expect("free");
        let too_large = tokio::signal::unix::SignalKind::from_raw(Signal::XFSZ.as_raw());
        let _heard = tokio::signal::unix::signal(too_large).expect("a signal");
        setrlimit(Resource::Fsize, Rlimit { current: Some(0), ..getrlimit(Resource::Fsize) }).expect("a limit");
        let refused = Tail::open(&folder, Survives::PowerLoss, at(1, 0)).err();
        assert!(matches!(refused, Some(StoreError::Full(_))), "{refused:?}");
    }

    /// The moment between the making of the file and its first note, in which a kill would leave it empty.
    #[test]
    fn file_without_its_first_note_has_no_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = std::process::Command::new(std::env::current_exe().expect("a program"));
        process.args(["--exact", "tail::tests::limited_process", "--nocapture"]).env(LIMITED, folder.path());
        let output = process.output().expect("a process");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["lock"]);
    }
}
