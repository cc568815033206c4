//! The store of a play. A group that was under way when the host died is kept up to an entry by chance.

use std::sync::Arc;

use parking_lot::Mutex;
use playhouse_kernel::{BoxFuture, JournalGroup, MemoryStore, Store, StoreError, delegate_store};

use crate::checks::durable;
use crate::dice::Dice;
use crate::ledger::Book;
use crate::play::Play;

pub struct Disk {
    memory: MemoryStore,
    under_way: Mutex<Option<Arc<JournalGroup>>>,
    dice: Mutex<Dice>,
    play: Arc<Play>,
    book: Book,
    /// In the last life it works.
    works: Mutex<bool>,
}

impl Disk {
    pub fn new(seed: u64, play: Arc<Play>, book: Book) -> Arc<Self> {
        let dice = Mutex::new(Dice::new(seed, 1));
        Arc::new(Self {
            memory: MemoryStore::new(),
            under_way: Mutex::default(),
            dice,
            play,
            book,
            works: Mutex::default(),
        })
    }

    pub fn work(&self) {
        *self.works.lock() = true;
    }

    pub fn history(&self) -> Vec<Arc<JournalGroup>> {
        self.memory.history()
    }

    /// The host is dead: a part of the group in hand is kept.
    pub fn settle(&self) {
        let Some(group) = self.under_way.lock().take() else { return };
        let kept = self.dice.lock().below(group.entries.len() + 1);
        let mut book = self.book.lock();
        book.seen.insert("a life ended in a group");
        if kept > 0 && kept < group.entries.len() {
            book.seen.insert("half a group was kept");
        }
        book.note(format!("of the group in hand, {kept} of {} entries are kept", group.entries.len()));
        drop(book);
        if kept > 0 {
            let entries = group.entries[..kept].to_vec();
            self.keep(Arc::new(JournalGroup { entries, ..(*group).clone() }));
        }
    }

    fn keep(&self, group: Arc<JournalGroup>) {
        let written = futures_util::FutureExt::now_or_never(self.memory.write(group.clone())).expect("it never waits");
        let mut book = self.book.lock();
        match written {
            Ok(()) => durable(&mut book, &group),
            Err(error) => book.broken.push(format!("the store refused {group:?}: {error}")),
        }
    }

    async fn write_slowly(&self, group: Arc<JournalGroup>) -> Result<(), StoreError> {
        let (full, fails, pause) = {
            let (mut dice, (least, most)) = (self.dice.lock(), self.play.write);
            (dice.percent(self.play.full), dice.percent(self.play.fails), dice.millis(least, most))
        };
        let works = *self.works.lock();
        *self.under_way.lock() = Some(group.clone());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        if full && !works {
            *self.under_way.lock() = None;
            self.book.lock().seen.insert("the store was full");
            return Err(StoreError::Full("no space".to_owned()));
        }
        if fails && !works {
            self.book.lock().seen.insert("the store failed");
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
