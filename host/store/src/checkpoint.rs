//! Checkpoints: the pages in the write-ahead log are moved into the database, by a thread beside the writer. Their errors count as
//! much as those of a write: after a sync of the database has failed, the log must not be overwritten.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::StoreError;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FallocateFlags, fallocate};

use crate::error::store_error;
use crate::reserve::Reserve;
use crate::schema::{BUSY_TIMEOUT, connect, pragma};
use crate::settings::StoreSettings;
use crate::worker::Worker;

/// Bytes of groups after which a checkpoint is made.
const EVERY_BYTES: usize = 4 << 20;
/// Bytes of the log beyond which the writer waits for a checkpoint of everything, so that the log begins again.
const MOST_LOG_BYTES: u64 = 64 << 20;
/// Bytes of the disk that the log has even when it is empty.
pub(crate) const KEPT_LOG_BYTES: u64 = 256 << 10;
/// The wait for a program that reads an old state of the database.
const READER_PATIENCE: Duration = Duration::from_millis(20);

/// The thread that makes checkpoints.
pub(crate) struct Checkpoints {
    worker: Worker<Connection>,
    shared: Arc<Shared>,
    /// Bytes of groups since the last checkpoint.
    bytes: usize,
    /// [`MOST_LOG_BYTES`] in pages.
    most_log_pages: u64,
}

#[derive(Default)]
struct Shared {
    under_way: AtomicBool,
    log_pages: AtomicU64,
    failure: Mutex<Option<StoreError>>,
}

impl Checkpoints {
    pub(crate) fn start(database: &Path, settings: &StoreSettings) -> Result<Self, StoreError> {
        let db = connect(database, settings, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let page_bytes: u32 = pragma(&db, "page_size").map_err(store_error)?;
        let most_log_pages = MOST_LOG_BYTES / u64::from(page_bytes.max(1));
        Ok(Self { worker: Worker::start("store checkpoints", db)?, shared: Arc::default(), bytes: 0, most_log_pages })
    }

    /// Before a group: the error of a checkpoint, and the wait for one when the log is too long.
    pub(crate) fn before_group(&self, db: &Connection) -> Result<(), StoreError> {
        if let Some(failure) = self.shared.failure.lock().clone() {
            return Err(failure);
        }
        if self.shared.log_pages.swap(0, Ordering::Relaxed) > self.most_log_pages {
            // A backup reads for as long as it takes, and the log grows meanwhile: writers do not wait for it.
            db.busy_timeout(READER_PATIENCE).map_err(store_error)?;
            let done = tolerate_full(checkpoint(db, "restart"));
            db.busy_timeout(BUSY_TIMEOUT).map_err(store_error)?;
            done?;
        }
        Ok(())
    }

    /// Notes a group that was written.
    pub(crate) fn after_group(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes < EVERY_BYTES || self.shared.under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        self.bytes = 0;
        let shared = self.shared.clone();
        self.worker.send(move |db| {
            match tolerate_full(checkpoint(db, "passive")) {
                Ok(pages) => shared.log_pages.store(pages.unwrap_or(0), Ordering::Relaxed),
                Err(error) => *shared.failure.lock() = Some(error),
            }
            shared.under_way.store(false, Ordering::Release);
        });
    }
}

/// Makes a checkpoint. Returns the pages in the log.
pub(crate) fn checkpoint(db: &Connection, how: &str) -> Result<u64, StoreError> {
    let pages = db.query_row(&format!("pragma wal_checkpoint({how})"), [], |row| row.get::<_, i64>(1));
    pages.map(|pages| u64::try_from(pages).unwrap_or(0)).map_err(store_error)
}

/// Moves the whole log into the database, and gives its space back. Returns whether it had any.
pub(crate) fn give_back_log(db: &Connection, log: &Path) -> Result<bool, StoreError> {
    let log_bytes = || std::fs::metadata(log).map_or(0, |file| file.len());
    let before = log_bytes();
    if before == 0 {
        return Ok(false);
    }
    // A backup reads for as long as it takes: the log stays as long.
    db.busy_timeout(READER_PATIENCE).map_err(store_error)?;
    let done = tolerate_full(checkpoint(db, "truncate"));
    db.busy_timeout(BUSY_TIMEOUT).map_err(store_error)?;
    done?;
    let has_shrunk = log_bytes() < before;
    keep_blocks(log);
    Ok(has_shrunk)
}

/// Before the first write to a store: on a disk with little space, the log begins again, in the blocks that it has.
pub(crate) fn reuse_log(db: &Connection, log: &Path, reserve: &Reserve) -> Result<(), StoreError> {
    if reserve.is_disk_short() { give_back_log(db, log).map(drop) } else { Ok(()) }
}

/// After the last write to a store: the database is one file again, and the next start has blocks for its log. If this fails, the log is
/// read at the next start.
pub(crate) fn fold_log(db: &Connection, log: &Path) {
    let _ = checkpoint(db, "truncate");
    keep_blocks(log);
}

/// Keeps blocks of the disk for the log, beyond its end: a disk that other programs fill has space for a start, and for orders of
/// operators. A file system that does not do it, or a disk without so much space, changes nothing.
fn keep_blocks(log: &Path) {
    if let Ok(log) = OpenOptions::new().write(true).open(log) {
        let _ = fallocate(log, FallocateFlags::KEEP_SIZE, 0, KEPT_LOG_BYTES);
    }
}

/// A full disk, or another program that reads, only means that the log stays as long as it is.
fn tolerate_full(checkpoint: Result<u64, StoreError>) -> Result<Option<u64>, StoreError> {
    match checkpoint {
        Ok(pages) => Ok(Some(pages)),
        Err(StoreError::Full(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
