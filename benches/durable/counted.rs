//! A store that counts the groups and entries that are written to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use playhouse_kernel::{
    ActorId, Address, BoxFuture, ExpiringKey, Image, JournalGroup, StateSize, Store, StoreError, StoredActor,
    StoredLetter, StoredMessage, StoredOrigin, StoredTimer, StoredValue,
};

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
    fn open(&self) -> BoxFuture<'_, Result<Image, StoreError>> {
        self.inner.open()
    }

    fn write(&self, group: Arc<JournalGroup>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(group.entries.len() as u64, Ordering::Relaxed);
        self.inner.write(group)
    }

    fn shortage(&self) -> Option<String> {
        self.inner.shortage()
    }

    fn outside_bytes(&self) -> usize {
        self.inner.outside_bytes()
    }

    fn actor(&self, address: &Address) -> BoxFuture<'_, Result<Option<StoredActor>, StoreError>> {
        self.inner.actor(address)
    }

    fn children(
        &self,
        above: &Address,
        after: Option<&Address>,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Address>, StoreError>> {
        self.inner.children(above, after, most)
    }

    fn messages(&self, of: ActorId, from: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        self.inner.messages(of, from, most)
    }

    fn held(&self, of: ActorId, from: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        self.inner.held(of, from, most)
    }

    fn value(&self, of: ActorId, key: &str) -> BoxFuture<'_, Result<Option<StoredValue>, StoreError>> {
        self.inner.value(of, key)
    }

    fn keys(
        &self,
        of: ActorId,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        self.inner.keys(of, prefix, after, most, now)
    }

    fn state_size(&self, of: ActorId) -> BoxFuture<'_, Result<StateSize, StoreError>> {
        self.inner.state_size(of)
    }

    fn expiring(&self, most: usize) -> BoxFuture<'_, Result<Vec<ExpiringKey>, StoreError>> {
        self.inner.expiring(most)
    }

    fn shorten_lifetimes(&self, now: SystemTime) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.shorten_lifetimes(now)
    }

    fn timers(&self, of: ActorId, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredTimer>, StoreError>> {
        self.inner.timers(of, after, most)
    }

    fn letters(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredLetter>, StoreError>> {
        self.inner.letters(after, most)
    }

    fn origins(&self, source: &str, from: &[u8], most: usize) -> BoxFuture<'_, Result<Vec<StoredOrigin>, StoreError>> {
        self.inner.origins(source, from, most)
    }
}
