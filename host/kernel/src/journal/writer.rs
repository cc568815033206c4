//! The writer of a journal: gives everything that waits to the store, as one group, and then the next. There is no timer: while
//! one group is written, the next one grows.

use std::sync::Arc;
use std::time::Duration;

use crate::journal::entry::{EntryNumber, Group};
use crate::journal::order::{Entered, Journal, Over};
use crate::journal::store::{Store, StoreError};

/// Most bytes of one group, after its first entry.
const GROUP_BYTES: usize = 8 << 20;
/// Most operations of one group, after its first entry.
const GROUP_OPS: usize = 64 << 10;
/// The pauses between two attempts at a full store.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Those outside of the order of entries.
pub(crate) trait Edge<O>: Send + Sync {
    /// Carries out an output, now that its entry is durable.
    fn carry_out(&self, output: O);

    /// So many of those that were queued are durable and carried out, or will never be.
    fn settled(&self, entered: u64);
}

/// Entries in hand.
struct Taken<O> {
    group: Group,
    outputs: Vec<O>,
    space: usize,
    /// How many were queued.
    entered: u64,
}

impl<O> Journal<O> {
    /// Writes to `store` until the journal is closed, or the store fails.
    pub(crate) async fn write_to(&self, store: &dyn Store, edge: &dyn Edge<O>) {
        while let Some(Taken { group, outputs, space, entered }) = self.next_group().await {
            let group = Arc::new(group);
            let last = group.first + group.entries.len() as EntryNumber - 1;
            if !group.entries.is_empty()
                && let Err(error) = self.write(store, group).await
            {
                edge.settled(entered + self.end(Over::Failed(error)));
                return;
            }
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
            self.space.add_permits(space);
            edge.settled(entered);
        }
        edge.settled(self.end(Over::Closed));
    }

    async fn write(&self, store: &dyn Store, group: Arc<Group>) -> Result<(), StoreError> {
        let (mut pause, longest) = PAUSES;
        loop {
            match store.write(group.clone()).await {
                Err(error @ StoreError::Full(_)) => {
                    self.inner.lock().full = Some(error.to_string());
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
                written => {
                    self.inner.lock().full = None;
                    return written;
                }
            }
        }
    }

    /// The next entries, as soon as there are some; none when the journal is closed.
    async fn next_group(&self) -> Option<Taken<O>> {
        loop {
            {
                let mut inner = self.inner.lock();
                if !inner.queued.is_empty() {
                    let first = inner.durable + 1;
                    let mut taken = Taken {
                        group: Group { boot: self.boot, first, entries: Vec::new() },
                        outputs: Vec::new(),
                        space: 0,
                        entered: 0,
                    };
                    let (mut bytes, mut ops) = (0, 0);
                    while let Some(Entered { entry, .. }) = inner.queued.front() {
                        bytes += entry.bytes.len();
                        ops += entry.ops.len();
                        if !taken.group.entries.is_empty() && (bytes > GROUP_BYTES || ops > GROUP_OPS) {
                            break;
                        }
                        let Some(Entered { entry, outputs, space }) = inner.queued.pop_front() else { break };
                        if !entry.ops.is_empty() {
                            taken.group.entries.push(entry);
                        }
                        taken.outputs.extend(outputs);
                        taken.space += space;
                        taken.entered += 1;
                    }
                    return Some(taken);
                }
                if inner.closed {
                    return None;
                }
            }
            self.work.notified().await;
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
        self.ended.notify_waiters();
        dropped
    }
}
