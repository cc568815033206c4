//! A store that fails when it is told to, for tests of everything that writes to a store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use crate::journal::entry::Group;
use crate::journal::store::{Store, StoreError};

/// The fate of one call of [`Store::write`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It takes this long.
    Slow(Duration),
    /// It fails, and nothing is kept.
    Lost(StoreError),
    /// It fails, and only these first entries of the group are kept: as after a crash in the middle of the write.
    Torn {
        /// The number of entries that are kept.
        kept: usize,
        /// The error.
        error: StoreError,
    },
    /// The group is kept, and the call never returns.
    Unanswered,
}

/// Wraps a store, and lets its writes fail in the order of the given faults.
pub struct FaultyStore<S> {
    inner: S,
    faults: Mutex<VecDeque<Option<Fault>>>,
    shortage: Shortage,
    outside_bytes: usize,
    space_bytes: usize,
}

/// The answer of [`Store::shortage`], which a test changes while the store is in use.
pub type Shortage = Arc<Mutex<Option<String>>>;

impl<S: Store> FaultyStore<S> {
    /// `faults`: for each call of [`Store::write`] from now on, what happens to it; none lets it pass. Calls after those pass.
    pub fn new(inner: S, faults: impl IntoIterator<Item = Option<Fault>>) -> Self {
        Self {
            inner,
            faults: Mutex::new(faults.into_iter().collect()),
            shortage: Shortage::default(),
            outside_bytes: usize::MAX,
            space_bytes: usize::MAX,
        }
    }

    /// With this answer of [`Store::outside_bytes`].
    pub fn with_outside_bytes(self, outside_bytes: usize) -> Self {
        Self { outside_bytes, ..self }
    }

    /// With space for messages of so many bytes, beyond which [`Store::shortage_with`] refuses them.
    pub fn with_space_bytes(self, space_bytes: usize) -> Self {
        Self { space_bytes, ..self }
    }

    /// The answer of [`Store::shortage`].
    pub fn shortage(&self) -> Shortage {
        self.shortage.clone()
    }

    async fn write_faulty(&self, group: Arc<Group>) -> Result<(), StoreError> {
        let fault = self.faults.lock().pop_front().flatten();
        match fault {
            None => self.inner.write(group).await,
            Some(Fault::Slow(pause)) => {
                tokio::time::sleep(pause).await;
                self.inner.write(group).await
            }
            Some(Fault::Lost(error)) => Err(error),
            Some(Fault::Torn { kept, error }) => {
                let entries: Vec<_> = group.entries.iter().take(kept).cloned().collect();
                if !entries.is_empty() {
                    self.inner.write(Arc::new(Group { boot: group.boot, first: group.first, entries })).await?;
                }
                Err(error)
            }
            Some(Fault::Unanswered) => {
                self.inner.write(group).await?;
                std::future::pending().await
            }
        }
    }
}

impl<S: Store> Store for FaultyStore<S> {
    delegate_store!(self.inner: open, messages, reads);

    fn write(&self, group: Arc<Group>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.write_faulty(group))
    }

    fn shortage(&self) -> Option<String> {
        self.shortage.lock().clone()
    }

    fn shortage_with(&self, bytes: usize) -> Option<String> {
        self.shortage.lock().clone().or_else(|| (bytes > self.space_bytes).then(|| "little space".to_owned()))
    }

    fn outside_bytes(&self) -> usize {
        self.outside_bytes
    }
}
