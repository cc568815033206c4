//! Where a store is, over several openings.

use std::sync::Arc;

use playhouse_kernel::{Image, MemoryStore, Store};
use playhouse_store::{SqliteStore, StoreSettings};

/// A place that outlives its stores.
pub trait Home {
    type Store: Store;

    /// Opens the store that is there.
    async fn open(&self) -> (Arc<Self::Store>, Image);
}

#[derive(Default)]
pub struct InMemory(MemoryStore);

impl Home for InMemory {
    type Store = MemoryStore;

    async fn open(&self) -> (Arc<MemoryStore>, Image) {
        let image = self.0.open().await.unwrap();
        (Arc::new(self.0.clone()), image)
    }
}

pub struct OnDisk {
    folder: tempfile::TempDir,
    small_pages: bool,
}

impl Default for OnDisk {
    fn default() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), small_pages: false }
    }
}

impl OnDisk {
    pub fn with_small_pages() -> Self {
        Self { small_pages: true, ..Self::default() }
    }
}

impl Home for OnDisk {
    type Store = SqliteStore;

    async fn open(&self) -> (Arc<SqliteStore>, Image) {
        let settings = StoreSettings::new(&self.folder.path().join("store"));
        let store = SqliteStore::new(StoreSettings { small_pages: self.small_pages, ..settings });
        let image = store.open().await.unwrap();
        (Arc::new(store), image)
    }
}
