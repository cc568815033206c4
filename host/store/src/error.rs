//! Errors of SQLite and of files, as errors of a store, and the reasons why an order is not followed.

use std::path::{Path, PathBuf};

use playhouse_kernel::StoreError;
use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};
use rusqlite::{Error, ErrorCode};
use rustix::io::Errno;

/// The error of a statement, right after it on the same thread. Only a lack of space and a database that another program locks may
/// be tried again: nothing was kept.
pub(crate) fn store_error(error: Error) -> StoreError {
    // SQLite itself takes only one of the system's errors for a full disk; a failed write leaves the others here.
    let system = Errno::from_io_error(&std::io::Error::last_os_error());
    translated(error, system)
}

fn translated(error: Error, system: Option<Errno>) -> StoreError {
    let Some(code) = error.sqlite_error_code() else {
        // A row that does not have the types of its table.
        return StoreError::Damaged { at: error.to_string() };
    };
    let is_write = error
        .sqlite_error()
        .is_some_and(|error| [SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE].contains(&error.extended_code));
    match code {
        ErrorCode::DiskFull => StoreError::Full("the disk, or `size` of `[play.store]`, has no space left".to_owned()),
        ErrorCode::SystemIoFailure if is_write && let Some(why) = system.and_then(no_space) => {
            StoreError::Full(why.to_owned())
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::Full("another program has locked the database".to_owned())
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation => {
            StoreError::Damaged { at: format!("the database `store.db` ({error})") }
        }
        _ => StoreError::Failed(format!("the database `store.db`: {error}")),
    }
}

/// The errors of a write that mean a lack of space, in words.
pub(crate) fn no_space(error: Errno) -> Option<&'static str> {
    match error {
        Errno::NOSPC => Some("the disk has no space left"),
        Errno::DQUOT => Some("the user's quota of the disk is used up"),
        Errno::FBIG => Some("a file is as large as the system allows (`ulimit -f`)"),
        _ => None,
    }
}

/// The error of a file of the store.
pub(crate) fn failed_file(place: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Failed(format!("`{}`: {error}", place.display()))
}

/// Why an order about a store is not followed.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The store does not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It makes no sense as given. The text says why, and the way out.
    #[error("{0}")]
    Refused(String),
    /// A file is no backup that can be restored.
    #[error("the backup `{}` cannot be restored: {why}", .file.display())]
    BadBackup {
        /// The file.
        file: PathBuf,
        /// The reason.
        why: String,
    },
    /// A file outside of the store cannot be written, since its disk is full, or fails.
    #[error("`{}` cannot be written: {why}", .place.display())]
    Unwritten {
        /// The file.
        place: PathBuf,
        /// The error.
        why: String,
    },
    /// A file outside of the store.
    #[error("`{}`: {error}", .place.display())]
    File {
        /// The file.
        place: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
}

impl OrderError {
    pub(crate) fn file(place: &Path) -> impl Fn(std::io::Error) -> Self {
        move |error| match Errno::from_io_error(&error).and_then(no_space) {
            Some(why) => Self::Unwritten { place: place.to_owned(), why: why.to_owned() },
            None => Self::File { place: place.to_owned(), error },
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi::{self, SQLITE_IOERR_FSYNC, SQLITE_IOERR_READ};

    use super::*;

    fn of(code: i32, system: Errno) -> StoreError {
        translated(Error::SqliteFailure(ffi::Error::new(code), None), Some(system))
    }

    #[test]
    fn lack_of_space_is_full_in_all_its_forms() {
        for (code, system) in [
            (SQLITE_IOERR_WRITE, Errno::DQUOT),
            (SQLITE_IOERR_WRITE, Errno::FBIG),
            (SQLITE_IOERR_SHMSIZE, Errno::NOSPC),
            (ffi::SQLITE_FULL, Errno::NOSPC),
        ] {
            assert!(matches!(of(code, system), StoreError::Full(_)), "{code} {system}");
        }
    }

    #[test]
    fn other_failures_of_the_disk_are_the_end() {
        for (code, system) in [
            (SQLITE_IOERR_WRITE, Errno::IO),
            // The system may have dropped what it could not write.
            (SQLITE_IOERR_FSYNC, Errno::NOSPC),
            (SQLITE_IOERR_READ, Errno::FBIG),
        ] {
            assert!(matches!(of(code, system), StoreError::Failed(_)), "{code} {system}");
        }
    }
}
