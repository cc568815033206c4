//! The folder of a store. One host at a time has it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use playhouse_kernel::StoreError;
use rustix::fs::{FlockOperation, flock, statfs};
use rustix::io::Errno;

use crate::error::no_space;

/// The name of the file.
pub(crate) const TAIL: &str = "tail";

/// Network file systems by their magic numbers, as in `statfs(2)` and `linux/magic.h`. Their locks and shared memory do not hold
/// between machines, and SQLite's write-ahead log needs both.
const NETWORK: [(u64, &str); 15] = [
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "afs"),
    (0x7375_7245, "coda"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "ceph"),
    (0x0116_1970, "gfs2"),
    (0x7461_636f, "ocfs2"),
    (0x0bd0_0bd0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
    // Nothing says whether it is sshfs or a disk.
    (0x6573_5546, "fuse, which may lead anywhere"),
];

/// The name of the database.
pub(crate) const DATABASE: &str = "store.db";

/// Rights of a folder with which every user may put files into it, or other files in their place.
const ALL_MAY_WRITE: u32 = 0o002;
/// Rights of a file that are not those of its owner.
const OF_OTHERS: u32 = 0o077;

/// The file by which one process has a folder.
const LOCK: &str = "lock";
/// The ending of files that are not whole yet.
const PART: &str = ".part";
/// A process that its parent starts has the parent's locks until it runs its own program. So a lock that was given up may be taken for
/// a moment longer: it is tried again so many times, each after a pause.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A folder that this process has for itself. Dropping it releases the lock; the system does so as well when the process dies.
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes a folder, and makes it when there is none.
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| not_usable("the folder of the store cannot be made at", path, &error))?;
        let found = std::fs::metadata(path);
        let found = found.map_err(|error| not_usable("the folder of the store cannot be read at", path, &error))?;
        let rights = found.permissions().mode();
        if rights & ALL_MAY_WRITE != 0 {
            let shown = path.display();
            return Err(StoreError::Failed(format!(
                "every user may write in `{shown}`, and so change what the store has: `chmod o-w {shown}`"
            )));
        }
        let kind = statfs(path).map_err(|error| not_usable("no file system for", path, &error.into()))?.f_type;
        // The kernel's numbers have 32 bits; some systems extend their sign.
        if let Some(name) = network_name(kind.cast_unsigned() & 0xffff_ffff) {
            return Err(StoreError::Failed(format!(
                "`{}` is on a network file system ({name}), which does not keep a store safe: set `path` of `[play.store]` \
                 to a folder on a local disk",
                path.display()
            )));
        }
        let place = path.join(LOCK);
        let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&place);
        let mut lock = lock
            .map_err(|error| not_usable("the file that keeps other hosts away cannot be opened at", &place, &error))?;
        let mut tries = 0;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if tries < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
                Err(Errno::WOULDBLOCK) => return Err(StoreError::Taken { by: owner(&mut lock) }),
                Err(error) => return Err(not_usable("no lock on", &place, &error.into())),
            }
            tries += 1;
        }
        let noted = note_process(&mut lock);
        noted
            .map_err(|error| not_usable("the file that keeps other hosts away cannot be written at", &place, &error))?;
        let folder = Self { path: path.to_owned(), _lock: lock };
        folder
            .remove_parts()
            .map_err(|error| not_usable("files that an earlier process left cannot be removed from", path, &error))?;
        folder.take_rights()?;
        Ok(folder)
    }

    /// Leaves the files of the store to their owner alone, whatever rights the folder gives: others made them, or an older version.
    fn take_rights(&self) -> Result<(), StoreError> {
        let files = ["", "-wal", "-shm"].map(|ending| self.beside(ending));
        for file in files.into_iter().chain([self.path.join(TAIL), self.lock_place()]) {
            match std::fs::metadata(&file) {
                Ok(found) if found.permissions().mode() & OF_OTHERS != 0 => {
                    let taken = std::fs::set_permissions(&file, Permissions::from_mode(0o600));
                    taken.map_err(|error| {
                        let shown = file.display();
                        let why =
                            format!("other users may read or write `{shown}`, and that cannot be changed ({error})");
                        let way_out = format!("as user {}, to whom it belongs, `chmod 600 {shown}`", found.uid());
                        StoreError::Failed(format!("{why}: {way_out}"))
                    })?;
                }
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(not_usable("a file of the store cannot be read at", &file, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes the files that a process left which ended in the middle of its work.
    fn remove_parts(&self) -> std::io::Result<()> {
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            // SQLite puts its own files beside that of an unfinished database, with longer names.
            if name.to_str().is_some_and(|name| name.starts_with(DATABASE) && name.contains(PART)) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file by which one process has the folder.
    pub(crate) fn lock_place(&self) -> PathBuf {
        self.path.join(LOCK)
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// A file of this folder beside the database.
    pub(crate) fn beside(&self, ending: &str) -> PathBuf {
        self.path.join(format!("{DATABASE}{ending}"))
    }

    /// The place of a file that is not whole yet, and gets another name when it is. The next process that takes the folder removes it.
    pub(crate) fn part(&self, ending: &str) -> PathBuf {
        self.beside(&format!("{ending}{PART}"))
    }

    /// Makes the names of files as durable as the files.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// Notes this process in the lock file, for others that find it locked. A full disk may have no space for that.
fn note_process(lock: &mut File) -> std::io::Result<()> {
    // In the block of the note before.
    let note = format!("{:<31}\n", std::process::id());
    match lock.rewind().and_then(|()| lock.write_all(note.as_bytes())) {
        Err(error) if Errno::from_io_error(&error).is_some_and(|error| no_space(error).is_some()) => lock.set_len(0),
        written => written,
    }
}

/// The error of a place that cannot be used, and the way out.
fn not_usable(what: &str, place: &Path, error: &std::io::Error) -> StoreError {
    if let Some(why) = Errno::from_io_error(error).and_then(no_space) {
        return StoreError::Full(why.to_owned());
    }
    let elsewhere = "set `path` of `[play.store]` to another folder";
    let (why, way_out) = match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            let file = place.ancestors().find(|above| above.exists() && !above.is_dir()).unwrap_or(place);
            (format!("`{}` is no folder", file.display()), format!("move that away, or {elsewhere}"))
        }
        ErrorKind::IsADirectory => {
            ("this is a folder, and no file".to_owned(), format!("move it away, or {elsewhere}"))
        }
        ErrorKind::PermissionDenied => {
            let above = place.ancestors().find_map(|above| Some((above, std::fs::metadata(above).ok()?)));
            let owner = above.map_or_else(String::new, |(above, found)| {
                let rights = found.permissions().mode() & 0o7777;
                format!("; `{}` belongs to user {} and has the rights {rights:03o}", above.display(), found.uid())
            });
            let user = rustix::process::geteuid().as_raw();
            let why = format!("{error} for user {user}{owner}");
            (
                why,
                format!(
                    "start it as the owner, or give user {user} the rights to read and write there, or {elsewhere}"
                ),
            )
        }
        ErrorKind::ReadOnlyFilesystem => (error.to_string(), format!("mount it for writing, or {elsewhere}")),
        _ => (error.to_string(), elsewhere.to_owned()),
    };
    StoreError::Failed(format!("{what} `{}`: {why}: {way_out}", place.display()))
}

/// Whether a database is gone or empty. SQLite would remove the log beside it.
pub(crate) fn is_blank(database: &Path) -> bool {
    std::fs::metadata(database).map_or(0, |file| file.len()) == 0
}

/// Makes a file for its owner alone, when there is none.
pub(crate) fn make_private(file: &Path) -> std::io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file).map(drop)
}

/// The name of a network file system; none for others.
fn network_name(kind: u64) -> Option<&'static str> {
    NETWORK.into_iter().find(|(number, _)| *number == kind).map(|(_, name)| name)
}

/// The process that has the lock, as the lock file says.
fn owner(lock: &mut File) -> String {
    let mut text = String::new();
    let read = lock.rewind().and_then(|()| lock.take(32).read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(process)) => format!("process {process}"),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_has_one_owner_at_a_time() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("a/store");
        let first = Folder::take(&path).expect("free");
        let second = Folder::take(&path).err();
        assert_eq!(second, Some(StoreError::Taken { by: format!("process {}", std::process::id()) }));
        drop(first);
        assert!(Folder::take(&path).is_ok());
    }

    fn refusal(path: &Path) -> String {
        Folder::take(path).err().expect("it cannot be used").to_string()
    }

    #[test]
    fn file_in_place_of_the_folder_is_named_with_the_way_out() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("file");
        std::fs::write(&file, "").expect("a file");
        for path in [file.clone(), file.join("store")] {
            let (at, is) = (path.display(), file.display());
            let refused = format!(
                "the store failed: the folder of the store cannot be made at `{at}`: `{is}` is no folder: move that away, or set `path` \
                 of `[play.store]` to another folder"
            );
            assert_eq!(refusal(&path), refused);
        }
    }

    #[test]
    fn folder_in_place_of_the_lock_is_named_with_the_way_out() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(home.path().join(LOCK)).expect("a folder");
        let refused = format!(
            "the store failed: the file that keeps other hosts away cannot be opened at `{}/lock`: this is a folder, and no file: move \
             it away, or set `path` of `[play.store]` to another folder",
            home.path().display()
        );
        assert_eq!(refusal(home.path()), refused);
    }

    /// The tests may run as root, who has all rights.
    #[test]
    fn missing_rights_are_named_with_the_owner() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(home.path(), Permissions::from_mode(0o500)).expect("an own folder");
        let denied =
            not_usable("no folder at", &home.path().join("a"), &ErrorKind::PermissionDenied.into()).to_string();
        let user = rustix::process::geteuid().as_raw();
        let owner =
            format!("for user {user}; `{}` belongs to user {user} and has the rights 500: ", home.path().display());
        let way_out =
            format!("start it as the owner, or give user {user} the rights to read and write there, or set `path` of");
        assert!(denied.contains(&owner) && denied.contains(&way_out), "{denied}");
    }

    #[test]
    fn place_without_space_is_full() {
        let full = not_usable("no folder at", Path::new("/there"), &Errno::NOSPC.into());
        assert_eq!(full, StoreError::Full("the disk has no space left".to_owned()));
    }

    #[test]
    fn network_file_systems_have_names() {
        assert_eq!(network_name(0x6969), Some("nfs"));
        assert!(network_name(0x6573_5546).is_some_and(|name| name.starts_with("fuse")), "sshfs");
        assert_eq!(network_name(0xef53), None, "ext4");
    }
}
