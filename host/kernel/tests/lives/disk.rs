//! The store of a play. A group that was under way when the host died is kept up to an entry by chance.

use std::sync::Arc;

use parking_lot::Mutex;
use playhouse_kernel::{BoxFuture, JournalGroup, MemoryStore, Store, StoreError, delegate_store};

use crate::dice::Dice;

/// The faults of a store, by chance.
#[derive(Clone, Copy)]
pub struct Writes {
    /// In percent of its writes: the store is full, or fails for good.
    pub full: usize,
    pub fails: usize,
    /// The time of a write in milliseconds: at least, at most.
    pub takes: (usize, usize),
}

/// Is told everything that happens to a store.
pub trait Observer: Send + Sync + 'static {
    /// A group is durable.
    fn durable(&self, group: &JournalGroup);
    fn seen(&self, label: &'static str);
    fn note(&self, line: String);
    /// A promise is broken.
    fn broken(&self, what: String);
}

pub struct Disk {
    memory: MemoryStore,
    under_way: Mutex<Option<Arc<JournalGroup>>>,
    dice: Mutex<Dice>,
    writes: Writes,
    observer: Arc<dyn Observer>,
    /// In the last life it works.
    works: Mutex<bool>,
}

impl Disk {
    pub fn new(seed: u64, writes: Writes, observer: Arc<dyn Observer>) -> Arc<Self> {
        let dice = Mutex::new(Dice::new(seed, 1));
        let (memory, under_way, works) = (MemoryStore::new(), Mutex::default(), Mutex::default());
        Arc::new(Self { memory, under_way, dice, writes, observer, works })
    }

    pub fn work(&self) {
        *self.works.lock() = true;
    }

    /// All groups that it has.
    pub fn memory(&self) -> &MemoryStore {
        &self.memory
    }

    /// The host is dead: a part of the group in hand is kept.
    pub fn settle(&self) {
        let Some(group) = self.under_way.lock().take() else { return };
        let kept = self.dice.lock().below(group.entries.len() + 1);
        self.observer.seen("a life ended in a group");
        if kept > 0 && kept < group.entries.len() {
            self.observer.seen("half a group was kept");
        }
        self.observer.note(format!("of the group in hand, {kept} of {} entries are kept", group.entries.len()));
        if kept > 0 {
            let entries = group.entries[..kept].to_vec();
            self.keep(Arc::new(JournalGroup { entries, ..(*group).clone() }));
        }
    }

    fn keep(&self, group: Arc<JournalGroup>) {
        let written = futures_util::FutureExt::now_or_never(self.memory.write(group.clone())).expect("it never waits");
        match written {
            Ok(()) => self.observer.durable(&group),
            Err(error) => self.observer.broken(format!("the store refused {group:?}: {error}")),
        }
    }

    async fn write_slowly(&self, group: Arc<JournalGroup>) -> Result<(), StoreError> {
        let (full, fails, pause) = {
            let (mut dice, Writes { full, fails, takes }) = (self.dice.lock(), self.writes);
            (dice.percent(full), dice.percent(fails), dice.millis(takes.0, takes.1))
        };
        let works = *self.works.lock();
        *self.under_way.lock() = Some(group.clone());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        if full && !works {
            *self.under_way.lock() = None;
            self.observer.seen("the store was full");
            return Err(StoreError::Full("no space".to_owned()));
        }
        if fails && !works {
            self.observer.seen("the store failed");
            return Err(StoreError::Failed("the disk broke".to_owned()));
        }
        *self.under_way.lock() = None;
        self.keep(group);
        Ok(())
    }
}

impl Store for Disk {
    delegate_store!(self.memory: open, messages, reads);

    fn write(&self, group: Arc<JournalGroup>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.write_slowly(group))
    }
}
