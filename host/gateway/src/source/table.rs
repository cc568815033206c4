//! The messages that a source took and that have not ended, and those that ended and that the broker does not know of yet.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use playhouse_kernel::{AskError, MessageId};
use tokio::sync::Notify;

use super::supply::{Handle, Position, Taken};

/// How a message ended, for the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// It was handled.
    Handled,
    /// It will not be handled; the reason.
    Refused(String),
    /// It was not handled, and is for another consumer, or for later.
    GivenBack,
}

impl End {
    /// The end of a message, from its receipt.
    pub(super) fn of(ended: Result<(), AskError>) -> Self {
        match ended {
            Ok(()) => Self::Handled,
            Err(AskError::Stopped) => Self::GivenBack,
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}

/// A message that ended, for the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    /// Its id.
    pub(super) id: MessageId,
    /// The texts by which the broker knows its copies.
    pub(super) handles: Handles,
    /// How it ended.
    pub(super) end: End,
}

/// The handles of one message, with their positions. Several positions are copies of one message.
pub(super) type Handles = Vec<(Position, Handle)>;

#[derive(Default)]
struct Inner {
    /// Taken, and not ended.
    open: HashMap<MessageId, Handles>,
    /// Ended; the broker does not know.
    ended: Vec<Ended>,
    /// Number of ended messages about which the broker is being told.
    being_told: usize,
    /// The messages that ended since the last pull began: the pull may still return them.
    since_pull: HashSet<MessageId>,
}

/// The messages of a source. All its tasks share it.
#[derive(Default)]
pub(super) struct Table {
    inner: Mutex<Inner>,
    /// Messages that were taken and are not in the mailbox yet.
    undelivered: AtomicUsize,
    /// Whether a pull may still return messages.
    pulls: AtomicBool,
    /// Some message has ended.
    pub(super) ended: Notify,
    /// The broker was told, or the last pull has ended.
    pub(super) changed: Notify,
}

impl Table {
    /// Begins a pull.
    pub(super) fn begin_pull(&self) {
        self.inner.lock().since_pull.clear();
        self.pulls.store(true, Relaxed);
    }

    /// Ends the last pull.
    pub(super) fn end_pulls(&self) {
        self.pulls.store(false, Relaxed);
        self.changed.notify_waiters();
    }

    /// Whether nothing was taken of which the broker does not know the end, and nothing more comes.
    pub(super) fn is_finished(&self) -> bool {
        !self.pulls.load(Relaxed) && self.outstanding() == 0
    }

    /// Number of messages that were taken and are not in the mailbox yet.
    pub(super) fn undelivered(&self) -> usize {
        self.undelivered.load(Relaxed)
    }

    /// One message is in the mailbox, or has ended before.
    pub(super) fn delivered(&self) {
        self.undelivered.fetch_sub(1, Relaxed);
    }

    /// Whether a message has not ended.
    pub(super) fn is_open(&self, id: MessageId) -> bool {
        self.inner.lock().open.contains_key(&id)
    }

    /// Adds a message. False: it is known, so that only its handle is replaced.
    pub(super) fn admit(&self, taken: &Taken) -> bool {
        let mut inner = self.inner.lock();
        if inner.since_pull.contains(&taken.id) {
            return false;
        }
        let handles = inner.open.entry(taken.id).or_insert_with(|| Vec::with_capacity(1));
        let is_new = handles.is_empty();
        match handles.iter_mut().find(|(position, _)| *position == taken.position) {
            Some((_, handle)) => handle.clone_from(&taken.handle),
            None => handles.push((taken.position.clone(), taken.handle.clone())),
        }
        if is_new {
            self.undelivered.fetch_add(1, Relaxed);
        }
        is_new
    }

    /// Ends a message.
    pub(super) fn end(&self, id: MessageId, end: End) {
        self.end_all([(id, end)]);
    }

    /// Ends messages.
    pub(super) fn end_all(&self, ends: impl IntoIterator<Item = (MessageId, End)>) {
        let mut inner = self.inner.lock();
        for (id, end) in ends {
            if let Some(handles) = inner.open.remove(&id) {
                inner.since_pull.insert(id);
                inner.ended.push(Ended { id, handles, end });
            }
        }
        drop(inner);
        self.ended.notify_one();
    }

    /// Ends all messages that have not ended: they are given back.
    pub(super) fn give_all_back(&self) {
        let mut inner = self.inner.lock();
        let open = std::mem::take(&mut inner.open);
        inner.ended.extend(open.into_iter().map(|(id, handles)| Ended { id, handles, end: End::GivenBack }));
        drop(inner);
        self.ended.notify_one();
    }

    /// The messages that ended, for the broker. [`Table::told`] or [`Table::not_told`] must follow.
    pub(super) fn take_ended(&self) -> Vec<Ended> {
        let mut inner = self.inner.lock();
        let ended = std::mem::take(&mut inner.ended);
        inner.being_told = ended.len();
        ended
    }

    /// The broker knows of the messages that were taken out last.
    pub(super) fn told(&self) {
        self.inner.lock().being_told = 0;
        self.changed.notify_waiters();
    }

    /// The broker may not know of these messages.
    pub(super) fn not_told(&self, mut ended: Vec<Ended>) {
        let mut inner = self.inner.lock();
        inner.being_told = 0;
        ended.append(&mut inner.ended);
        inner.ended = ended;
    }

    /// The handles of all messages that have not ended.
    pub(super) fn handles(&self) -> Vec<Handle> {
        self.inner.lock().open.values().flatten().map(|(_, handle)| handle.clone()).collect()
    }

    /// Number of messages that have not ended, or of which the broker does not know.
    pub(super) fn outstanding(&self) -> usize {
        let inner = self.inner.lock();
        inner.open.len() + inner.ended.len() + inner.being_told
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Bytes;
    use playhouse_kernel::Metadata;

    use super::*;

    fn taken(id: u128, position: &str, handle: &str) -> Taken {
        Taken {
            fault: None,
            id: MessageId(id),
            position: Handle::from(position).into(),
            handle: handle.into(),
            flow: None,
            deliveries: 1,
            place: None,
            metadata: Metadata::new(),
            body: Bytes::new(),
        }
    }

    fn ends(table: &Table) -> Vec<(String, End)> {
        let joined = |handles: Handles| handles.iter().map(|(_, handle)| &**handle).collect::<Vec<_>>().join(" ");
        table.take_ended().into_iter().map(|ended| (joined(ended.handles), ended.end)).collect()
    }

    #[test]
    fn repetition_replaces_only_the_handle() {
        let table = Table::default();
        table.begin_pull();
        assert!(table.admit(&taken(1, "a", "a/1")));
        assert!(!table.admit(&taken(1, "a", "a/2")));
        assert_eq!((table.handles(), table.outstanding()), (vec!["a/2".into()], 1));
        table.end(MessageId(1), End::Handled);
        assert_eq!(ends(&table), [("a/2".to_owned(), End::Handled)]);
    }

    #[test]
    fn copies_at_two_positions_end_together() {
        let table = Table::default();
        assert!(table.admit(&taken(1, "a", "a")));
        assert!(!table.admit(&taken(1, "b", "b")));
        table.end(MessageId(1), End::Handled);
        assert_eq!(ends(&table), [("a b".to_owned(), End::Handled)]);
    }

    #[test]
    fn message_that_ends_during_a_pull_is_not_taken_again() {
        let table = Table::default();
        table.begin_pull();
        table.admit(&taken(1, "a", "a"));
        table.begin_pull();
        table.end(MessageId(1), End::Handled);
        assert!(!table.admit(&taken(1, "a", "a")));
        table.begin_pull();
        assert!(table.admit(&taken(1, "a", "a")));
    }

    #[test]
    fn what_the_broker_was_not_told_is_told_again_first() {
        let table = Table::default();
        for id in 1..=2 {
            table.admit(&taken(id, &id.to_string(), &id.to_string()));
        }
        table.end(MessageId(1), End::Handled);
        let first = table.take_ended();
        table.end(MessageId(2), End::of(Err(AskError::Stopped)));
        assert_eq!(table.outstanding(), 2);
        table.not_told(first);
        assert_eq!(ends(&table), [("1".to_owned(), End::Handled), ("2".to_owned(), End::GivenBack)]);
        table.told();
        assert_eq!(table.outstanding(), 0);
    }
}
