//! A store in memory, for tests and for the simulator: it survives a kernel, and not the process.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use crate::journal::entry::{EntryNumber, ExpiringKey, Group, StoredLetter, StoredOrigin, StoredTimer, StoredValue};
use crate::journal::fold::Fold;
use crate::journal::store::{Image, Store, StoreError, StoredActor, StoredMessage};
use crate::words::address::Address;
use crate::words::keyed_state::StateSize;
use crate::words::message::ActorId;

/// Keeps entries in memory. Clones are handles to the same store. It checks each entry: an entry that cannot be true, such as
/// one that takes a message twice, is refused as [`StoreError::Damaged`].
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    fold: Fold,
    /// All groups of all runs, in order, for those who check a history.
    history: Vec<Arc<Group>>,
    /// For each run, the number of groups before it, and the time for [`Store::shorten_lifetimes`].
    runs: Vec<(usize, Option<SystemTime>)>,
}

impl Inner {
    fn begin(&mut self) -> Image {
        self.runs.push((self.history.len(), None));
        self.fold.begin()
    }

    /// Applies the whole group, or nothing of it.
    fn apply(&mut self, group: Arc<Group>) -> Result<(), StoreError> {
        if let Err(at) = self.fold.apply(&group) {
            self.fold = self.fold_of_history();
            return Err(StoreError::Damaged { at });
        }
        self.history.push(group);
        Ok(())
    }

    fn fold_of_history(&self) -> Fold {
        let mut fold = Fold::default();
        for (run, &(from, now)) in self.runs.iter().enumerate() {
            let to = self.runs.get(run + 1).map_or(self.history.len(), |(to, _)| *to);
            fold.begin();
            if let Some(now) = now {
                fold.shorten_lifetimes(now);
            }
            for group in &self.history[from..to] {
                fold.apply(group).expect("it was applied before");
            }
        }
        fold
    }
}

impl MemoryStore {
    /// A store without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// All groups that were written, of all runs, in order.
    pub fn history(&self) -> Vec<Arc<Group>> {
        self.inner.lock().history.clone()
    }

    /// The number of the last entry.
    pub fn last(&self) -> EntryNumber {
        self.inner.lock().fold.last
    }
}

impl Store for MemoryStore {
    fn open(&self) -> BoxFuture<'_, Result<Image, StoreError>> {
        let image = self.inner.lock().begin();
        Box::pin(async { Ok(image) })
    }

    fn write(&self, group: Arc<Group>) -> BoxFuture<'_, Result<(), StoreError>> {
        // Nothing happens before the first poll, as with a real store.
        Box::pin(async move { self.inner.lock().apply(group) })
    }

    fn actor(&self, address: &Address) -> BoxFuture<'_, Result<Option<StoredActor>, StoreError>> {
        let address = address.clone();
        Box::pin(async move { Ok(self.inner.lock().fold.actor(&address)) })
    }

    fn children(
        &self,
        above: &Address,
        after: Option<&Address>,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Address>, StoreError>> {
        let (above, after) = (above.clone(), after.cloned());
        Box::pin(async move { Ok(self.inner.lock().fold.children(&above, after.as_ref(), most)) })
    }

    fn messages(
        &self,
        mailbox: ActorId,
        from: u64,
        most_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        Box::pin(async move { Ok(self.inner.lock().fold.messages(mailbox, from, most_bytes)) })
    }

    fn held(
        &self,
        mailbox: ActorId,
        from: u64,
        most_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        Box::pin(async move { Ok(self.inner.lock().fold.held(mailbox, from, most_bytes)) })
    }

    fn value(&self, actor: ActorId, key: &str) -> BoxFuture<'_, Result<Option<StoredValue>, StoreError>> {
        let key = key.to_owned();
        Box::pin(async move { Ok(self.inner.lock().fold.value(actor, &key)) })
    }

    fn keys(
        &self,
        actor: ActorId,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        Box::pin(async move { Ok(self.inner.lock().fold.keys(actor, &prefix, after.as_deref(), most, now)) })
    }

    fn state_size(&self, actor: ActorId) -> BoxFuture<'_, Result<StateSize, StoreError>> {
        Box::pin(async move { Ok(self.inner.lock().fold.state_size(actor)) })
    }

    fn expiring(&self, most: usize) -> BoxFuture<'_, Result<Vec<ExpiringKey>, StoreError>> {
        Box::pin(async move { Ok(self.inner.lock().fold.expiring(most)) })
    }

    fn shorten_lifetimes(&self, now: SystemTime) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut inner = self.inner.lock();
            if let Some((_, of_run)) = inner.runs.last_mut() {
                *of_run = Some(now);
            }
            inner.fold.shorten_lifetimes(now);
            Ok(())
        })
    }

    fn timers(&self, actor: ActorId, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredTimer>, StoreError>> {
        Box::pin(async move { Ok(self.inner.lock().fold.timers(actor, after, most)) })
    }

    fn letters(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredLetter>, StoreError>> {
        Box::pin(async move { Ok(self.inner.lock().fold.letters(after, most)) })
    }

    fn origins(&self, source: &str, from: &[u8], most: usize) -> BoxFuture<'_, Result<Vec<StoredOrigin>, StoreError>> {
        let (source, from) = (source.to_owned(), from.to_vec());
        Box::pin(async move { Ok(self.inner.lock().fold.origins(&source, &from, most)) })
    }
}
