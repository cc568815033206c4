//! Errors of SQLite and of files, as errors of a store, and the reasons why an order is not followed.

use std::path::{Path, PathBuf};

use playhouse_kernel::StoreError;
use rusqlite::{Error, ErrorCode};

/// The error of a statement. Only a full disk and a database that another program locks may be tried again: nothing was kept.
pub(crate) fn store_error(error: Error) -> StoreError {
    let Some(code) = error.sqlite_error_code() else {
        // A row that does not have the types of its table.
        return StoreError::Damaged { at: error.to_string() };
    };
    match code {
        ErrorCode::DiskFull => StoreError::Full("the disk, or `size` of `[play.store]`, has no space left".to_owned()),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::Full("another program has locked the database".to_owned())
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation => {
            StoreError::Damaged { at: format!("the database `store.db` ({error})") }
        }
        _ => StoreError::Failed(format!("the database `store.db`: {error}")),
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
        move |error| Self::File { place: place.to_owned(), error }
    }
}
