//! The open connections of the server, a bounded number of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::task::AbortHandle;

type Open = Arc<Mutex<BTreeMap<u64, (Arc<AtomicBool>, AbortHandle)>>>;

/// All open connections, the oldest first.
pub(super) struct Connections {
    most: usize,
    open: Open,
    last: Mutex<u64>,
}

/// One connection, in its own task.
pub(super) struct Connection {
    number: u64,
    has_request: Arc<AtomicBool>,
    open: Open,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Arc::default(), last: Mutex::default() }
    }

    /// Runs a connection in a task. When there are too many, the oldest one that has not sent its request is closed; the new
    /// one is, when all have.
    pub(super) fn open<F>(&self, converse: impl FnOnce(Connection) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut open = self.open.lock();
        if open.len() >= self.most {
            let silent = open.iter().find(|(_, (has_request, _))| !has_request.load(Ordering::Relaxed));
            let Some(number) = silent.map(|(number, _)| *number) else { return };
            if let Some((_, task)) = open.remove(&number) {
                task.abort();
            }
        }
        let mut last = self.last.lock();
        *last += 1;
        let has_request = Arc::<AtomicBool>::default();
        let connection = Connection { number: *last, has_request: has_request.clone(), open: self.open.clone() };
        // The task removes its entry when it ends, for which it needs the lock that is held here.
        let task = tokio::spawn(converse(connection)).abort_handle();
        open.insert(*last, (has_request, task));
    }
}

impl Connection {
    /// Its request has come.
    pub(super) fn begin(&self) {
        self.has_request.store(true, Ordering::Relaxed);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.lock().remove(&self.number);
    }
}
