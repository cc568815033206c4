//! A store that counts the groups and entries that are written to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use playhouse_kernel::{BoxFuture, JournalGroup, Store, StoreError, delegate_store};

/// The store of a measurement.
pub(crate) struct CountedStore {
    inner: Arc<dyn Store>,
    groups: AtomicU64,
    entries: AtomicU64,
}

impl CountedStore {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, groups: AtomicU64::new(0), entries: AtomicU64::new(0) }
    }

    /// The groups and the entries that were written.
    pub(crate) fn written(&self) -> (u64, u64) {
        (self.groups.load(Ordering::Relaxed), self.entries.load(Ordering::Relaxed))
    }
}

impl Store for CountedStore {
    delegate_store!(self.inner: open, space, messages, reads);

    fn write(&self, group: Arc<JournalGroup>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(group.entries.len() as u64, Ordering::Relaxed);
        self.inner.write(group)
    }
}
