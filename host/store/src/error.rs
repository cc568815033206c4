//! Errors of SQLite, as errors of a store.

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
