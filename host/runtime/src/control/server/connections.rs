//! The bound on open connections. When all are in use by clients that wait for nothing, the one that has been idle
//! longest makes room for the next: a crowd of idle clients locks nobody out. The same holds when the process may open no more files.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The connections that are open.
pub(super) struct Connections {
    most: usize,
    open: Mutex<Open>,
    /// Told when a connection is closed.
    closed: Notify,
}

#[derive(Default)]
struct Open {
    /// A counter of connections and requests, which gives their order in time.
    clock: u64,
    /// The open connections by the order in which they came.
    slots: BTreeMap<u64, Slot>,
}

struct Slot {
    /// The count at which the connection became idle; `None` while a request is worked on.
    idle_since: Option<u64>,
    evicted: Arc<Notify>,
}

/// One open connection, idle at first. Dropping it frees its place.
pub(super) struct Connection {
    connections: Arc<Connections>,
    id: u64,
    evicted: Arc<Notify>,
}

impl Connections {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default(), closed: Notify::new() })
    }

    /// Opens one more, if need be in place of an idle one. None when a request of each is worked on.
    pub(super) fn open(self: &Arc<Self>) -> Option<Connection> {
        let mut open = self.lock();
        if open.slots.len() >= self.most && !open.evict() {
            return None;
        }
        open.clock += 1;
        let (id, evicted) = (open.clock, Arc::<Notify>::default());
        open.slots.insert(id, Slot { idle_since: Some(id), evicted: evicted.clone() });
        drop(open);
        Some(Connection { connections: self.clone(), id, evicted })
    }

    /// Closes the connection that has been idle longest, and waits until it, or another one, is closed. At once when none is idle.
    pub(super) async fn close_longest_idle(&self) -> bool {
        let mut closed = pin!(self.closed.notified());
        closed.as_mut().enable();
        let evicted = self.lock().evict();
        if evicted {
            closed.await;
        }
        evicted
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Takes the place of the connection that has been idle longest; false when none is idle.
    fn evict(&mut self) -> bool {
        let idle = self.slots.iter().filter_map(|(id, slot)| Some((slot.idle_since?, *id))).min();
        let evicted = idle.and_then(|(_, id)| self.slots.remove(&id));
        evicted.inspect(|slot| slot.evicted.notify_one()).is_some()
    }
}

impl Connection {
    /// Marks the connection as busy with a whole request. False when it has lost its place: then the request must not be done.
    pub(super) fn begin(&self) -> bool {
        let mut open = self.connections.lock();
        open.slots.get_mut(&self.id).map(|slot| slot.idle_since = None).is_some()
    }

    /// Marks the connection as idle after the answer.
    pub(super) fn end(&self) {
        let mut open = self.connections.lock();
        open.clock += 1;
        let now = open.clock;
        if let Some(slot) = open.slots.get_mut(&self.id) {
            slot.idle_since = Some(now);
        }
    }

    /// Resolves when the connection has lost its place.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.lock().slots.remove(&self.id);
        self.connections.closed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_idle_connection_is_closed_and_busy_ones_stay() {
        let connections = Connections::new(3);
        let [first, second, third] = std::array::from_fn(|_| connections.open().expect("room"));
        assert!(first.begin());
        assert!(second.begin());
        second.end();
        // The second connection is idle since its request, the third one since it came.
        let fourth = connections.open().expect("the third makes room");
        assert!(!third.begin() && second.begin() && fourth.begin());
        assert!(connections.open().is_none(), "all are busy");
        drop(first);
        assert!(connections.open().is_some());
    }

    #[tokio::test]
    async fn wait_ends_once_an_idle_connection_is_closed() {
        let connections = Connections::new(3);
        let [busy, idle] = std::array::from_fn(|_| connections.open().expect("room"));
        assert!(busy.begin());
        let closing = async {
            idle.evicted().await;
            drop(idle);
        };
        assert!(tokio::join!(connections.close_longest_idle(), closing).0);
        assert!(!connections.close_longest_idle().await, "the other one is busy");
    }

    #[tokio::test]
    async fn evicted_connection_is_told() {
        let connections = Connections::new(1);
        let first = connections.open().expect("room");
        let _second = connections.open().expect("the first makes room");
        first.evicted().await;
    }
}
