//! The step from format 2 to format 3, in which values of states may have a time after which they go. Rows of format 2 stay as they are.

use playhouse_kernel::StoreError;
use rusqlite::Transaction;

use crate::error::store_error;

/// The step.
pub(crate) fn to_format_3(tx: &Transaction<'_>) -> Result<(), StoreError> {
    tx.execute_batch(
        "alter table state add column ends_ns integer;
        alter table state add column lifetime_ns integer;
        create index state_ends on state(ends_ns, lifetime_ns) where ends_ns is not null;",
    )
    .map_err(store_error)
}
