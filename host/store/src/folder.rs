//! The folder of a store. One host at a time has it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use playhouse_kernel::StoreError;
use rustix::fs::{FlockOperation, flock, statfs};
use rustix::io::Errno;

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
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            StoreError::Failed(format!("{what} `{}`: {error}", path.display()))
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| failed("no folder", &error))?;
        let rights = std::fs::metadata(path).map_err(|error| failed("no folder", &error))?.permissions().mode();
        if rights & ALL_MAY_WRITE != 0 {
            let shown = path.display();
            return Err(StoreError::Failed(format!(
                "every user may write in `{shown}`, and so change what the store has: `chmod o-w {shown}`"
            )));
        }
        let kind = statfs(path).map_err(|error| failed("no file system for", &error))?.f_type;
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
        let mut lock = lock.map_err(|error| failed("no file `lock` in", &error))?;
        let mut tries = 0;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if tries < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
                Err(Errno::WOULDBLOCK) => return Err(StoreError::Taken { by: owner(&mut lock) }),
                Err(error) => return Err(failed("no lock on", &error)),
            }
            tries += 1;
        }
        let noted = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        noted.map_err(|error| failed("the file `lock` cannot be written in", &error))?;
        let folder = Self { path: path.to_owned(), _lock: lock };
        folder
            .remove_parts()
            .map_err(|error| failed("files that an earlier process left cannot be removed from", &error))?;
        folder
            .take_rights()
            .map_err(|error| failed("the rights of other users cannot be taken from the files in", &error))?;
        Ok(folder)
    }

    /// Leaves the files of the store to their owner alone, whatever rights the folder gives: others made them, or an older version.
    fn take_rights(&self) -> std::io::Result<()> {
        let files = ["", "-wal", "-shm"].map(|ending| self.beside(ending));
        for file in files.into_iter().chain([self.path.join(TAIL), self.lock_place()]) {
            match std::fs::metadata(&file) {
                Ok(found) if found.permissions().mode() & OF_OTHERS != 0 => {
                    std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
                }
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
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

    #[test]
    fn network_file_systems_have_names() {
        assert_eq!(network_name(0x6969), Some("nfs"));
        assert!(network_name(0x6573_5546).is_some_and(|name| name.starts_with("fuse")), "sshfs");
        assert_eq!(network_name(0xef53), None, "ext4");
    }
}
