//! The store itself: a writer and a reader, each in a thread of its own.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use playhouse_kernel::{
    ActorId, Address, BoxFuture, ExpiringKey, Image, JournalGroup, StateSize, Store, StoreError, StoredActor,
    StoredLetter, StoredMessage, StoredOrigin, StoredTimer, StoredValue,
};

use crate::migrations::Migrated;
use crate::origins;
use crate::reader::Reader;
use crate::reserve::Reserve;
use crate::settings::StoreSettings;
use crate::worker::Worker;
use crate::writer::Writer;

/// A store in a folder. Nothing is touched before [`Store::open`]. Dropping it ends its threads, moves the write-ahead log into the
/// database, and gives the folder free; a group under way is written first.
pub struct SqliteStore {
    settings: StoreSettings,
    reserve: Arc<Reserve>,
    threads: OnceLock<Threads>,
    migrated: OnceLock<Migrated>,
}

/// The reader ends first: its connection would keep the log from being moved.
struct Threads {
    reader: Worker<Reader>,
    writer: Worker<Writer>,
}

impl SqliteStore {
    /// A store with these settings.
    pub fn new(settings: StoreSettings) -> Self {
        let reserve = Arc::new(Reserve::new(&settings));
        Self { settings, reserve, threads: OnceLock::new(), migrated: OnceLock::new() }
    }

    /// The migration that [`Store::open`] made; none when the store had the current format.
    pub fn migrated(&self) -> Option<&Migrated> {
        self.migrated.get()
    }

    async fn open_threads(&self) -> Result<Image, StoreError> {
        // The work of opening is done by a thread, too.
        let opener = Worker::start("store opening", self.settings.clone())?;
        let reserve = self.reserve.clone();
        let opened = opener.run(|settings| {
            let (writer, image, migrated) = Writer::open(settings, reserve)?;
            let reader = Reader::open(&writer.folder().database(), settings)?;
            let threads = Threads {
                reader: Worker::start("store reader", reader)?,
                writer: Worker::start("store writer", writer)?,
            };
            Ok((threads, image, migrated))
        });
        let (threads, image, migrated) = opened.await?;
        if let Some(migrated) = migrated {
            // The threads are set once as well.
            let _ = self.migrated.set(migrated);
        }
        let opened_twice = |_| StoreError::Failed("the store was opened twice".to_owned());
        self.threads.set(threads).map_err(opened_twice)?;
        Ok(image)
    }

    fn threads(&self) -> Result<&Threads, StoreError> {
        self.threads.get().ok_or_else(|| StoreError::Failed("the store is not open".to_owned()))
    }
}

impl Store for SqliteStore {
    fn open(&self) -> BoxFuture<'_, Result<Image, StoreError>> {
        Box::pin(self.open_threads())
    }

    fn write(&self, group: Arc<JournalGroup>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.threads()?.writer.run(move |writer| writer.write(&group)).await })
    }

    fn shortage(&self) -> Option<String> {
        self.reserve.shortage(0)
    }

    fn shortage_with(&self, bytes: usize) -> Option<String> {
        self.reserve.shortage(bytes)
    }

    fn outside_bytes(&self) -> usize {
        self.reserve.outside_bytes()
    }

    fn actor(&self, address: &Address) -> BoxFuture<'_, Result<Option<StoredActor>, StoreError>> {
        let address = address.clone();
        Box::pin(async move { self.threads()?.reader.run(move |reader| reader.actor(&address)).await })
    }

    fn children(
        &self,
        above: &Address,
        after: Option<&Address>,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Address>, StoreError>> {
        let (above, after) = (above.clone(), after.cloned());
        Box::pin(async move {
            self.threads()?.reader.run(move |reader| reader.children(&above, after.as_ref(), most)).await
        })
    }

    fn messages(
        &self,
        mailbox: ActorId,
        from: u64,
        most_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        Box::pin(
            async move { self.threads()?.reader.run(move |reader| reader.messages(mailbox, from, most_bytes)).await },
        )
    }

    fn held(
        &self,
        mailbox: ActorId,
        from: u64,
        most_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        Box::pin(async move { self.threads()?.reader.run(move |reader| reader.held(mailbox, from, most_bytes)).await })
    }

    fn value(&self, actor: ActorId, key: &str) -> BoxFuture<'_, Result<Option<StoredValue>, StoreError>> {
        let key = key.to_owned();
        Box::pin(async move { self.threads()?.reader.run(move |reader| reader.value(actor, &key)).await })
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
        Box::pin(async move {
            let read = move |reader: &mut Reader| reader.keys(actor, &prefix, after.as_deref(), most, now);
            self.threads()?.reader.run(read).await
        })
    }

    fn state_size(&self, actor: ActorId) -> BoxFuture<'_, Result<StateSize, StoreError>> {
        Box::pin(async move { self.threads()?.reader.run(move |reader| reader.state_size(actor)).await })
    }

    fn expiring(&self, most: usize) -> BoxFuture<'_, Result<Vec<ExpiringKey>, StoreError>> {
        Box::pin(async move { self.threads()?.reader.run(move |reader| reader.expiring(most)).await })
    }

    fn shorten_lifetimes(&self, now: SystemTime) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.threads()?.writer.run(move |writer| writer.shorten_lifetimes(now)).await })
    }

    fn timers(&self, actor: ActorId, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredTimer>, StoreError>> {
        Box::pin(async move { self.threads()?.reader.run(move |reader| reader.timers(actor, after, most)).await })
    }

    fn letters(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredLetter>, StoreError>> {
        Box::pin(async move { self.threads()?.reader.run(move |reader| reader.letters(after, most)).await })
    }

    fn origins(&self, source: &str, from: &[u8], most: usize) -> BoxFuture<'_, Result<Vec<StoredOrigin>, StoreError>> {
        let (source, from) = (source.to_owned(), from.to_vec());
        Box::pin(async move {
            let read = move |reader: &mut Reader| origins::origins(reader.db(), &source, &from, most);
            self.threads()?.reader.run(read).await
        })
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.settings.path).finish_non_exhaustive()
    }
}
