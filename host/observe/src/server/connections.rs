//! The open connections of the server, and the texts that they send: a bounded number of both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::AbortHandle;

/// Connections by their number.
type Entries = BTreeMap<u64, (Stage, AbortHandle)>;

type Open = Arc<Mutex<Entries>>;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its request has not come.
    Silent,
    /// Its response is being made.
    Answered,
    /// It sends the text with this number.
    Sends(u64),
}

/// All open connections, the oldest first.
pub(super) struct Connections {
    most: usize,
    most_texts: usize,
    open: Open,
    last: Mutex<u64>,
}

/// One connection, in its own task.
pub(super) struct Connection {
    number: u64,
    most_texts: usize,
    open: Open,
}

impl Connections {
    pub(super) fn new(most: usize, most_texts: usize) -> Self {
        Self { most, most_texts, open: Arc::default(), last: Mutex::default() }
    }

    /// Runs a connection in a task. When there are too many, the oldest one that has not sent its request is closed, or else one
    /// whose client takes the oldest text; the new one is, when all responses are being made.
    pub(super) fn open<F>(&self, converse: impl FnOnce(Connection) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut open = self.open.lock();
        if open.len() >= self.most {
            let silent = open.iter().find(|(_, (stage, _))| *stage == Stage::Silent).map(|(number, _)| *number);
            let Some(number) = silent.or_else(|| slowest(&open)) else { return };
            close(&mut open, number);
        }
        let mut last = self.last.lock();
        *last += 1;
        let connection = Connection { number: *last, most_texts: self.most_texts, open: self.open.clone() };
        // The task removes its entry when it ends, for which it needs the lock that is held here.
        let task = tokio::spawn(converse(connection)).abort_handle();
        open.insert(*last, (Stage::Silent, task));
    }
}

/// The connection that sends the oldest text, the oldest of several.
fn slowest(open: &Entries) -> Option<u64> {
    let sends = open.iter().filter_map(|(number, (stage, _))| match stage {
        Stage::Sends(text) => Some((*text, *number)),
        Stage::Silent | Stage::Answered => None,
    });
    sends.min().map(|(_, number)| number)
}

fn close(open: &mut Entries, number: u64) {
    if let Some((_, task)) = open.remove(&number) {
        task.abort();
    }
}

impl Connection {
    /// Its request has come.
    pub(super) fn begin(&self) {
        self.set(&mut self.open.lock(), Stage::Answered);
    }

    /// It sends the text with this number. Connections that still send the oldest text are closed when there are too many texts.
    pub(super) fn sends(&self, text: u64) {
        let mut open = self.open.lock();
        self.set(&mut open, Stage::Sends(text));
        let texts = |open: &Entries| -> BTreeSet<u64> {
            open.values()
                .filter_map(|(stage, _)| if let Stage::Sends(text) = stage { Some(*text) } else { None })
                .collect()
        };
        while texts(&open).len() > self.most_texts {
            let Some(number) = slowest(&open) else { return };
            close(&mut open, number);
        }
    }

    fn set(&self, open: &mut Entries, stage: Stage) {
        if let Some(entry) = open.get_mut(&self.number) {
            entry.0 = stage;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.lock().remove(&self.number);
    }
}
