//! A store that only appends its groups to a file and syncs it. It reads nothing back: what any journal of files would cost at least.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use playhouse_kernel::{
    ActorId, Address, BoxFuture, ExpiringKey, Image, JournalGroup, StateSize, Store, StoreError, StoredActor,
    StoredLetter, StoredMessage, StoredOrigin, StoredTimer, StoredValue,
};

/// The bytes of an operation without its records, keys and values.
const OPERATION: usize = 24;

/// The file, and a buffer for one group.
pub(crate) struct AppendStore(Arc<Mutex<(File, Vec<u8>)>>);

impl AppendStore {
    pub(crate) fn new(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self(Arc::new(Mutex::new((File::create(folder.join("log"))?, Vec::new())))))
    }
}

fn append((file, buffer): &mut (File, Vec<u8>), group: &JournalGroup) -> std::io::Result<()> {
    buffer.clear();
    for entry in &group.entries {
        buffer.resize(buffer.len() + entry.ops.len() * OPERATION, 1);
        buffer.extend_from_slice(&entry.bytes);
    }
    file.write_all(buffer)?;
    file.sync_data()
}

/// A read that finds nothing.
fn nothing<'a, T: Default + Send + 'a>() -> BoxFuture<'a, Result<T, StoreError>> {
    Box::pin(std::future::ready(Ok(T::default())))
}

impl Store for AppendStore {
    fn open(&self) -> BoxFuture<'_, Result<Image, StoreError>> {
        Box::pin(async { Ok(Image { boots: 1, free_id: 1, ..Image::default() }) })
    }

    fn write(&self, group: Arc<JournalGroup>) -> BoxFuture<'_, Result<(), StoreError>> {
        let file = Arc::clone(&self.0);
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || append(&mut file.lock().unwrap(), &group)).await;
            let failed = |error: &dyn std::fmt::Display| StoreError::Failed(error.to_string());
            written.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
        })
    }

    fn actor(&self, _: &Address) -> BoxFuture<'_, Result<Option<StoredActor>, StoreError>> {
        nothing()
    }

    fn children(&self, _: &Address, _: Option<&Address>, _: usize) -> BoxFuture<'_, Result<Vec<Address>, StoreError>> {
        nothing()
    }

    fn messages(&self, _: ActorId, _: u64, _: usize) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        nothing()
    }

    fn held(&self, _: ActorId, _: u64, _: usize) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        nothing()
    }

    fn value(&self, _: ActorId, _: &str) -> BoxFuture<'_, Result<Option<StoredValue>, StoreError>> {
        nothing()
    }

    fn keys(
        &self,
        _: ActorId,
        _: &str,
        _: Option<&str>,
        _: usize,
        _: SystemTime,
    ) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        nothing()
    }

    fn state_size(&self, _: ActorId) -> BoxFuture<'_, Result<StateSize, StoreError>> {
        nothing()
    }

    fn expiring(&self, _: usize) -> BoxFuture<'_, Result<Vec<ExpiringKey>, StoreError>> {
        nothing()
    }

    fn shorten_lifetimes(&self, _: SystemTime) -> BoxFuture<'_, Result<(), StoreError>> {
        nothing()
    }

    fn timers(&self, _: ActorId, _: u64, _: usize) -> BoxFuture<'_, Result<Vec<StoredTimer>, StoreError>> {
        nothing()
    }

    fn letters(&self, _: u64, _: usize) -> BoxFuture<'_, Result<Vec<StoredLetter>, StoreError>> {
        nothing()
    }

    fn origins(&self, _: &str, _: &[u8], _: usize) -> BoxFuture<'_, Result<Vec<StoredOrigin>, StoreError>> {
        nothing()
    }
}
