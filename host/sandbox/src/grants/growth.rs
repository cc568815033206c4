//! The bounds on the growth of granted folders. Each folder that is granted for writing has one counter in this process for all
//! actors with a grant of it; each grant has its own limit on that counter. A file, folder or link counts as [`ENTRY_BYTES`] plus
//! the size of the file, or of the folder as the system reports it. Removals are given back.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use rustix::io::Errno;

/// The bytes that each name in a folder counts for: about a block of the disk, so that empty files are bounded as well.
pub(crate) const ENTRY_BYTES: u64 = 4 << 10;

type Growths = HashMap<(u64, u64), Weak<Growth>>;

/// The counters by device and inode. One map for the process, since all kernels and sandboxes in it write to the same disk.
static GROWTHS: LazyLock<Mutex<Growths>> = LazyLock::new(Mutex::default);

/// The growth of one folder by guests since it was first granted; negative if they removed more than they added.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    bytes: AtomicI64,
}

impl Growth {
    /// The counter of the folder with this metadata. It starts at zero again after its last holder dropped it.
    pub(crate) fn of(folder: &Metadata) -> Arc<Self> {
        let mut growths = GROWTHS.lock().unwrap_or_else(PoisonError::into_inner);
        growths.retain(|_, growth| growth.strong_count() > 0);
        let key = (folder.dev(), folder.ino());
        if let Some(growth) = growths.get(&key).and_then(Weak::upgrade) {
            return growth;
        }
        let growth = Arc::default();
        growths.insert(key, Arc::downgrade(&growth));
        growth
    }

    fn add(&self, bytes: i64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Adds `bytes` unless the sum would exceed the limit.
    fn try_add(&self, bytes: i64, limit: i64) -> bool {
        let add = |now: i64| now.checked_add(bytes).filter(|&sum| sum <= limit);
        self.bytes.fetch_update(Relaxed, Relaxed, add).is_ok()
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> i64 {
        self.bytes.load(Relaxed)
    }
}

/// The counters that one grant's changes go to, each with its limit: the folder's own, and those of the grants of its actor's
/// parents that the folder lies in.
#[derive(Debug, Clone)]
pub(crate) struct Quota(Vec<(Arc<Growth>, i64)>);

impl Quota {
    pub(crate) fn new(growth: Arc<Growth>, limit_bytes: u64) -> Self {
        Self(vec![(growth, i64::try_from(limit_bytes).unwrap_or(i64::MAX))])
    }

    /// The same counters, the first of them with this limit.
    pub(crate) fn limited_to(mut self, limit_bytes: u64) -> Self {
        self.0[0].1 = i64::try_from(limit_bytes).unwrap_or(i64::MAX);
        self
    }

    /// The limit on the folder's own counter.
    pub(crate) fn limit_bytes(&self) -> u64 {
        self.0[0].1.unsigned_abs()
    }

    /// Adds the counters and limits of another quota. Of two limits on one counter the smaller one holds.
    pub(crate) fn within(mut self, above: &Self) -> Self {
        for (growth, limit) in &above.0 {
            match self.0.iter_mut().find(|(own, _)| Arc::ptr_eq(own, growth)) {
                Some((_, own)) => *own = (*own).min(*limit),
                None => self.0.push((growth.clone(), *limit)),
            }
        }
        self
    }

    /// Counts bytes that are about to be used. The error is that of a full disk, and then no counter changes.
    pub(crate) fn take(&self, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let more = i64::try_from(bytes).map_err(|_| Errno::NOSPC)?;
        for (taken, (growth, limit)) in self.0.iter().enumerate() {
            if !growth.try_add(more, *limit) {
                self.0[..taken].iter().for_each(|(growth, _)| growth.add(-more));
                return Err(Errno::NOSPC.into());
            }
        }
        Ok(())
    }

    /// Counts a change from `before` to `after` bytes that has already happened, even beyond the limits.
    pub(crate) fn changed(&self, before: u64, after: u64) {
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let by = signed(after) - signed(before);
        if by != 0 {
            self.0.iter().for_each(|(growth, _)| growth.add(by));
        }
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.changed(bytes, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_has_one_counter_for_all_its_grants() {
        let (top, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let metadata = top.path().metadata().unwrap();
        let growth = Growth::of(&metadata);
        assert!(Arc::ptr_eq(&growth, &Growth::of(&metadata)));
        assert!(!Arc::ptr_eq(&growth, &Growth::of(&other.path().metadata().unwrap())));
        let (small, large) = (Quota::new(growth.clone(), 10), Quota::new(growth.clone(), 20));
        large.take(8).unwrap();
        assert_eq!(small.take(3).unwrap_err().raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
        small.take(2).unwrap();
        large.take(10).unwrap();
        small.give_back(15);
        assert_eq!(growth.bytes(), 5);
    }

    #[test]
    fn take_counts_everywhere_or_nowhere() {
        let (own, above) = (Arc::new(Growth::default()), Arc::new(Growth::default()));
        let quota = Quota::new(own.clone(), 100).within(&Quota::new(above.clone(), 10));
        assert!(quota.take(11).is_err());
        assert!(quota.take(u64::MAX).is_err());
        assert_eq!((own.bytes(), above.bytes()), (0, 0));
        quota.take(10).unwrap();
        assert_eq!((own.bytes(), above.bytes()), (10, 10));
        let same = Quota::new(above.clone(), 100).within(&quota);
        assert!(same.take(1).is_err(), "the smaller limit holds");
        same.give_back(30);
        same.take(25).unwrap();
    }
}
