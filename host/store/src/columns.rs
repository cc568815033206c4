//! Numbers and times as columns of rows have them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Row;

/// SQLite's integers have a sign; numbers beyond its largest one do not occur, but would come back as they were.
pub(crate) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A column as [`signed`] wrote it.
pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// Nanoseconds since 1970, up to 2262.
pub(crate) fn nanos(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Nanoseconds, up to 292 years.
pub(crate) fn nanos_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// The time that [`nanos`] wrote.
pub(crate) fn time(nanos: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos.max(0).cast_unsigned())
}
