//! The writer of a journal: gives everything that waits to the store, as one group, and then the next. There is no timer: while
//! one group is written, the next one grows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::journal::entry::{EntryNumber, Group};
use crate::journal::order::{Entered, Journal, Over};
use crate::journal::store::{Store, StoreError};
use crate::words::event::{AboutHost, LogEvent};
use crate::words::events::{StoreFreed, StoreFull};

/// Most bytes of one group, after its first entry.
const GROUP_BYTES: usize = 8 << 20;
/// Most operations of one group, after its first entry.
const GROUP_OPS: usize = 64 << 10;
/// The pauses between two attempts at a full store.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// How long a host that ends waits for space in its store. Everything that did not get into it was not confirmed.
const END_PATIENCE: Duration = Duration::from_secs(10);
/// Pauses between two looks at a store that is short of space, when there is nothing to write.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Those outside of the order of entries.
pub(crate) trait Edge<O>: Send + Sync {
    /// Carries out an output, now that its entry is durable.
    fn carry_out(&self, output: O);

    /// So many of those that were queued are durable and carried out, or will never be.
    fn settled(&self, entered: u64);
}

/// Entries in hand.
struct Taken<O> {
    group: Arc<Group>,
    outputs: Vec<O>,
    /// As in [`Entered::space`].
    space: (usize, usize),
    /// How many were queued.
    entered: u64,
}

/// The bounds of one group, after its first entry.
#[derive(Clone, Copy)]
struct Bounds {
    bytes: usize,
    ops: usize,
}

impl<O> Journal<O> {
    /// Writes to `store` until the journal is closed, or the store fails.
    pub(crate) async fn write_to(&self, store: &dyn Store, edge: &dyn Edge<O>) {
        let mut full_since = None;
        self.note_space(store.shortage(), &mut full_since);
        let end = loop {
            let mut taken = match self.next_group(store, &mut full_since).await {
                Ok(taken) => taken,
                Err(over) => break over,
            };
            if !taken.group.entries.is_empty()
                && let Err(error) = self.write(store, &mut taken, &mut full_since).await
            {
                edge.settled(taken.entered + self.end(Over::Failed(error)));
                return;
            }
            let Taken { group, outputs, space, entered } = taken;
            let last = group.first + group.entries.len() as EntryNumber - 1;
            for output in outputs {
                edge.carry_out(output);
            }
            let waiters = {
                let mut inner = self.inner.lock();
                inner.durable = last;
                let later = inner.waiters.split_off(&(last + 1, 0));
                std::mem::replace(&mut inner.waiters, later)
            };
            for waiter in waiters.into_values() {
                let _ = waiter.send(());
            }
            self.space.add_permits(space.0);
            self.outside.add_permits(space.1);
            edge.settled(entered);
        };
        edge.settled(self.end(end));
    }

    /// Writes a group. While the store is full, the group takes in what is queued: with the messages that ended in the meantime, it may
    /// need less space than without.
    async fn write(
        &self,
        store: &dyn Store,
        taken: &mut Taken<O>,
        full_since: &mut Option<Instant>,
    ) -> Result<(), StoreError> {
        let (mut pause, longest) = PAUSES;
        loop {
            match store.write(taken.group.clone()).await {
                Err(StoreError::Full(why)) => {
                    self.note_space(Some(why.clone()), full_since);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                    let mut inner = self.inner.lock();
                    if inner.ends_since.is_some_and(|since| since.elapsed() >= END_PATIENCE) {
                        return Err(StoreError::Full(why));
                    }
                    if let Some(error) = inner.failing.take() {
                        return Err(error);
                    }
                    let everything = Bounds { bytes: usize::MAX, ops: usize::MAX };
                    taken.take_queued(&mut inner.queued, everything);
                }
                written => {
                    // Before anyone learns of the group: the next message is refused if there is no space for it.
                    self.note_space(store.shortage(), full_since);
                    return written;
                }
            }
        }
    }

    /// Notes why the store is full, or that it has space.
    fn note_space(&self, full: Option<String>, full_since: &mut Option<Instant>) {
        match (full, &full_since) {
            (None, None) => {}
            (None, Some(since)) => {
                self.inner.lock().full = None;
                StoreFreed { subject: AboutHost, seconds: since.elapsed().as_secs_f64() }.log();
                *full_since = None;
            }
            (Some(why), since) => {
                let is_new = since.is_none();
                self.inner.lock().full = Some(why.clone());
                if is_new {
                    *full_since = Some(Instant::now());
                    let why = StoreError::Full(why).to_string();
                    StoreFull { subject: AboutHost, behind: self.view().behind, why: &why }.log();
                }
            }
        }
    }

    /// The next entries, as soon as there are some. `Err`: there are no more.
    async fn next_group(&self, store: &dyn Store, full_since: &mut Option<Instant>) -> Result<Taken<O>, Over> {
        loop {
            {
                let mut inner = self.inner.lock();
                if let Some(error) = inner.failing.take() {
                    return Err(Over::Failed(error));
                }
                if !inner.queued.is_empty() {
                    let group = Group { boot: self.boot, first: inner.durable + 1, entries: Vec::new() };
                    let mut taken = Taken { group: Arc::new(group), outputs: Vec::new(), space: (0, 0), entered: 0 };
                    taken.take_queued(&mut inner.queued, Bounds { bytes: GROUP_BYTES, ops: GROUP_OPS });
                    return Ok(taken);
                }
                if inner.closed {
                    return Err(Over::Closed);
                }
            }
            if full_since.is_none() {
                self.work.notified().await;
            } else if tokio::time::timeout(LOOK_EVERY, self.work.notified()).await.is_err() {
                // Another program may have made space on the disk, and nothing comes that would be written.
                self.note_space(store.shortage(), full_since);
            }
        }
    }

    /// Ends the journal: those who wait for its entries get the error. Returns how many were queued.
    fn end(&self, over: Over) -> u64 {
        let (waiters, queued) = {
            let mut inner = self.inner.lock();
            inner.over = Some(over);
            (std::mem::take(&mut inner.waiters), std::mem::take(&mut inner.queued))
        };
        let dropped = queued.len() as u64;
        // Outputs that nobody may see are dropped outside of the lock.
        drop((waiters, queued));
        self.space.close();
        self.outside.close();
        self.ended.notify_waiters();
        dropped
    }
}

impl<O> Taken<O> {
    /// Takes queued entries in, in order, and at least one if the group is empty.
    fn take_queued(&mut self, queued: &mut VecDeque<Entered<O>>, bounds: Bounds) {
        // In place, unless the store still has the group of an earlier attempt.
        let group = Arc::make_mut(&mut self.group);
        let (mut bytes, mut ops) = (0, 0);
        while let Some(Entered { entry, .. }) = queued.front() {
            bytes += entry.bytes.len();
            ops += entry.ops.len();
            if !group.entries.is_empty() && (bytes > bounds.bytes || ops > bounds.ops) {
                break;
            }
            let Some(Entered { entry, outputs, space }) = queued.pop_front() else { break };
            if !entry.ops.is_empty() {
                group.entries.push(entry);
            }
            self.outputs.extend(outputs);
            self.space.0 += space.0;
            self.space.1 += space.1;
            self.entered += 1;
        }
    }
}
