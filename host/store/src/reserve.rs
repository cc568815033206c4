//! The space that a store keeps for turns and for orders of operators. When only that is left, messages from outside are refused, so that
//! those inside are still handled, and what an operator drops makes space.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use rustix::fs::statvfs;

use crate::folder::DATABASE;
use crate::settings::StoreSettings;

/// The space that is kept of `size`: a sixteenth, within these bounds, and never more than a quarter.
const KEPT_OF_SIZE: (u64, u64) = (1 << 20, 64 << 20);
/// The space that is kept on the disk: a sixteenth of it, and no more than this.
const KEPT_ON_DISK: u64 = 32 << 20;
/// The kept space is this many times what may be on its way from outside: a message takes more space than its bytes.
const KEPT_PER_OUTSIDE: u64 = 2;

/// The space of a store.
pub(crate) struct Reserve {
    folder: PathBuf,
    size_bytes: Option<u64>,
    /// Bytes of the database that are in use, after the last group.
    used_bytes: AtomicU64,
    /// Bytes of the database once all of its log is in it, after the last group.
    whole_bytes: AtomicU64,
}

impl Reserve {
    pub(crate) fn new(settings: &StoreSettings) -> Self {
        let StoreSettings { path, size_bytes, .. } = settings;
        Self {
            folder: path.clone(),
            size_bytes: *size_bytes,
            used_bytes: AtomicU64::new(0),
            whole_bytes: AtomicU64::new(0),
        }
    }

    /// Notes the pages in use. A database that does not tell them shows that with its next group.
    pub(crate) fn note(&self, db: &Connection) {
        let number = |pragma: &str| db.prepare_cached(pragma)?.query_row([], |row| row.get::<_, u32>(0)).map(u64::from);
        let whole =
            || -> rusqlite::Result<(u64, u64)> { Ok((number("pragma page_count")?, number("pragma page_size")?)) };
        let Ok((pages, page_bytes)) = whole() else { return };
        self.whole_bytes.store(pages * page_bytes, Ordering::Relaxed);
        if self.size_bytes.is_none() {
            return;
        }
        if let Ok(free) = number("pragma freelist_count") {
            self.used_bytes.store(pages.saturating_sub(free) * page_bytes, Ordering::Relaxed);
        }
    }

    /// Why only the kept space is left; none when there is more.
    pub(crate) fn shortage(&self) -> Option<String> {
        let used = self.used_bytes.load(Ordering::Relaxed);
        if self.size_bytes.is_some_and(|size| used > size - kept_of(size)) {
            return Some("`size` of `[play.store]` is used up, but for what is kept for turns and orders".to_owned());
        }
        // A disk that does not tell is not full.
        let disk = statvfs(&self.folder).ok()?;
        let kept = KEPT_ON_DISK.min(disk.f_blocks.saturating_mul(disk.f_frsize) / 16);
        let free = disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(self.growth());
        (free < kept).then(|| format!("the disk has {} KiB left, which are kept for turns and orders", free >> 10))
    }

    /// Whether the log is to be moved into the database now, which has space to grow as long as turns have not used up what is kept.
    pub(crate) fn wants_growth(&self) -> bool {
        self.growth() > 0 && self.shortage().is_some()
    }

    /// Bytes by which the database grows when its log is moved into it, without which the log cannot begin again.
    fn growth(&self) -> u64 {
        let database = std::fs::metadata(self.folder.join(DATABASE)).map_or(u64::MAX, |file| file.len());
        self.whole_bytes.load(Ordering::Relaxed).saturating_sub(database)
    }

    /// Most bytes of messages from outside that may be on their way to the store.
    pub(crate) fn outside_bytes(&self) -> usize {
        let most = self.size_bytes.map_or(u64::MAX, |size| kept_of(size) / KEPT_PER_OUTSIDE);
        usize::try_from(most).unwrap_or(usize::MAX)
    }
}

/// The part of `size` that is kept.
fn kept_of(size: u64) -> u64 {
    let (least, most) = KEPT_OF_SIZE;
    (size / 16).clamp(least, most).min(size / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_space_follows_the_size() {
        let kept = [256 << 10, 1 << 20, 16 << 20, 160 << 20, 10 << 30].map(kept_of);
        assert_eq!(kept, [64 << 10, 256 << 10, 1 << 20, 10 << 20, 64 << 20]);
    }
}
