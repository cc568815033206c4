//! The journal itself: one lock, which gives one order. Entering is synchronous: it cannot fail, and cannot be dropped half-way.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::pin::pin;
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::journal::entry::{Entry, EntryNumber, Op};
use crate::journal::store::{STARTS_OF_A_TIMELINE, StoreError, StoreStatus};
use crate::words::message::ActorId;

/// Most bytes of entries that are not durable. A larger entry enters alone.
const BEHIND_BYTES: u32 = 64 << 20;
/// Pauses between two looks at whether the store is full, of a wait that ends when it is.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The order of all entries of one run of a host. `O`: the outputs.
pub(crate) struct Journal<O> {
    /// The number of this run.
    pub(super) boot: u64,
    pub(super) inner: Mutex<Inner<O>>,
    /// In bytes.
    pub(super) space: Semaphore,
    /// In bytes, for messages from outside alone, which need some of [`Journal::space`] as well.
    pub(super) outside: Semaphore,
    outside_bytes: u32,
    /// Notified when there is something for the writer.
    pub(super) work: Notify,
    /// Notified when the writer has ended.
    pub(super) ended: Notify,
}

pub(super) struct Inner<O> {
    /// The number of the last entry.
    pub(super) last: EntryNumber,
    /// The number of the last entry that is durable, whose outputs were carried out.
    pub(super) durable: EntryNumber,
    /// Entries that the writer has not taken, in order.
    pub(super) queued: VecDeque<Entered<O>>,
    /// Those who wait until an entry is durable, by its number and theirs.
    pub(super) waiters: BTreeMap<(EntryNumber, u64), oneshot::Sender<()>>,
    last_waiter: u64,
    /// When the host began to end.
    pub(super) ends_since: Option<Instant>,
    /// Nothing more will enter: the writer ends when nothing is queued.
    pub(super) closed: bool,
    /// Why the store takes nothing from outside now, and perhaps nothing at all.
    pub(super) full: Option<String>,
    /// An error of a read: the writer ends with it.
    pub(super) failing: Option<StoreError>,
    /// The writer ended: because of an error of the store, or because the journal is closed.
    pub(super) over: Option<Over>,
}

/// Why the writer ended.
#[derive(Clone)]
pub(super) enum Over {
    Closed,
    Failed(StoreError),
}

impl Over {
    fn error(&self) -> StoreError {
        match self {
            Self::Closed => StoreError::Failed("the play is over".to_owned()),
            Self::Failed(error) => error.clone(),
        }
    }
}

/// An entry on its way to the store.
pub(super) struct Entered<O> {
    /// Empty when only outputs wait for the entries before.
    pub(super) entry: Entry,
    pub(super) outputs: Vec<O>,
    /// The bytes to give back to [`Journal::space`], and to [`Journal::outside`].
    pub(super) space: (usize, usize),
}

/// The result of entering.
pub(crate) struct HasEntered<T> {
    /// The number of the last entry: when that one is durable, this one is.
    pub(crate) number: EntryNumber,
    /// Whether the writer got it. It did not when there was nothing to enter, or when the journal is over.
    pub(crate) queued: bool,
    pub(crate) value: T,
}

/// The right to enter with some bytes. Dropping it gives the bytes back.
#[derive(Default)]
pub(crate) struct EntrySpace<'a> {
    all: Option<SemaphorePermit<'a>>,
    outside: Option<SemaphorePermit<'a>>,
}

impl EntrySpace<'_> {
    /// For an entry that cannot wait: it is small, and each such entry follows from an earlier one.
    pub(crate) const NONE: Self = Self { all: None, outside: None };

    /// Keeps the bytes for an entry. Returns how many they are: of all, and of those from outside.
    fn keep(self) -> (usize, usize) {
        let keep = |permit: Option<SemaphorePermit<'_>>| {
            permit.map_or(0, |permit| {
                let bytes = permit.num_permits();
                permit.forget();
                bytes
            })
        };
        (keep(self.all), keep(self.outside))
    }
}

/// An entry under construction, while the journal is locked.
pub(crate) struct Draft<O> {
    /// The number of the entry, if it has any operation.
    pub(crate) number: EntryNumber,
    pub(crate) entry: Entry,
    outputs: Vec<O>,
    /// The tasks to be woken after the lock is released.
    pub(crate) wakers: Vec<Waker>,
}

impl<O> Draft<O> {
    pub(crate) fn op(&mut self, op: Op) {
        self.entry.ops.push(op);
    }

    /// Adds an output: it is carried out when this entry and all entries before are durable.
    pub(crate) fn output(&mut self, output: O) {
        self.outputs.push(output);
    }

    /// Notes that a message ended. Messages of one mailbox that follow one another become one operation.
    pub(crate) fn take(&mut self, mailbox: ActorId, number: u64) {
        self.take_all(mailbox, number..number + 1);
    }

    /// As [`Draft::take`], of messages that follow one another.
    pub(crate) fn take_all(&mut self, mailbox: ActorId, ended: Range<u64>) {
        if let Some(Op::Take { mailbox: last, numbers }) = self.entry.ops.last_mut()
            && (*last, numbers.end) == (mailbox, ended.start)
        {
            numbers.end = ended.end;
            return;
        }
        self.op(Op::Take { mailbox, numbers: ended });
    }
}

impl<O> Journal<O> {
    /// The journal of a run: `boot` is its number, and `last` the number of the last entry before it. `outside_bytes`:
    /// [`Store::outside_bytes`](crate::journal::store::Store::outside_bytes).
    pub(crate) fn new(boot: u64, last: EntryNumber, outside_bytes: usize) -> Self {
        let outside_bytes = bounded(outside_bytes);
        Self {
            boot,
            inner: Mutex::new(Inner {
                last,
                durable: last,
                queued: VecDeque::new(),
                waiters: BTreeMap::new(),
                last_waiter: 0,
                ends_since: None,
                closed: false,
                full: None,
                failing: None,
                over: None,
            }),
            space: Semaphore::new(BEHIND_BYTES as usize),
            outside: Semaphore::new(outside_bytes as usize),
            outside_bytes,
            work: Notify::new(),
            ended: Notify::new(),
        }
    }

    /// Waits until entries of this size may enter. Nothing has happened yet, and nothing happens if this future is dropped.
    pub(crate) async fn space(&self, bytes: usize) -> EntrySpace<'_> {
        EntrySpace { all: self.space.acquire_many(bounded(bytes)).await.ok(), outside: None }
    }

    /// As [`Journal::space`], for messages from outside. None: there was no space before `deadline`.
    pub(crate) async fn space_outside(&self, bytes: usize, deadline: Instant) -> Option<EntrySpace<'_>> {
        let space = async {
            let outside = self.outside.acquire_many(bounded(bytes).min(self.outside_bytes)).await.ok();
            EntrySpace { outside, ..self.space(bytes).await }
        };
        timeout_at(deadline, space).await.ok()
    }

    /// Whether a message from outside is so large that it is on its way alone.
    pub(crate) fn is_large_outside(&self, bytes: usize) -> bool {
        bytes > self.outside_bytes as usize
    }

    /// Enters what `fill` makes, in one step: from here on it is true. `fill` must neither enter nor wait.
    pub(crate) fn enter<T>(
        &self,
        actor: Option<ActorId>,
        space: EntrySpace<'_>,
        fill: impl FnOnce(&mut Draft<O>) -> T,
    ) -> HasEntered<T> {
        let entry = Entry { actor, ..Entry::default() };
        let mut inner = self.inner.lock();
        let mut draft = Draft { number: inner.last + 1, entry, outputs: Vec::new(), wakers: Vec::new() };
        let value = fill(&mut draft);
        let Draft { entry, outputs, wakers, .. } = draft;
        let is_entry = !entry.ops.is_empty();
        inner.last += u64::from(is_entry);
        // A journal that is over keeps nothing: no one learns of the entry.
        let (number, queued) = (inner.last, (is_entry || !outputs.is_empty()) && inner.over.is_none());
        if queued {
            inner.queued.push_back(Entered { entry, outputs, space: space.keep() });
        }
        drop(inner);
        if queued {
            self.work.notify_one();
        }
        wakers.into_iter().for_each(Waker::wake);
        HasEntered { number, queued, value }
    }

    /// Whether an entry is durable, and its outputs were carried out.
    pub(crate) fn is_durable(&self, number: EntryNumber) -> bool {
        number <= self.inner.lock().durable
    }

    /// Waits until an entry is durable, and its outputs were carried out.
    pub(crate) async fn durable(&self, number: EntryNumber) -> Result<(), StoreError> {
        let waiter = {
            let mut inner = self.inner.lock();
            if number <= inner.durable {
                return Ok(());
            }
            if let Some(over) = &inner.over {
                return Err(over.error());
            }
            let (sender, waiter) = oneshot::channel();
            inner.last_waiter += 1;
            let key = (number, inner.last_waiter);
            inner.waiters.insert(key, sender);
            waiter
        };
        match waiter.await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.inner.lock().over.as_ref().unwrap_or(&Over::Closed).error()),
        }
    }

    /// As [`Journal::durable`], and at a full store no longer than until `deadline`. `Err` with [`StoreError::Full`]: the entry becomes
    /// durable when there is space, if the host runs then.
    pub(crate) async fn durable_by(&self, number: EntryNumber, deadline: Instant) -> Result<(), StoreError> {
        let mut durable = pin!(self.durable(number));
        let mut until = deadline;
        loop {
            if let Ok(durable) = timeout_at(until, durable.as_mut()).await {
                return durable;
            }
            if let Some(why) = self.full() {
                return Err(StoreError::Full(why));
            }
            until = Instant::now() + LOOK_EVERY;
        }
    }

    /// The number of the last entry.
    pub(crate) fn last(&self) -> EntryNumber {
        self.inner.lock().last
    }

    /// Waits until everything that has entered so far is durable.
    pub(crate) async fn all_durable(&self) -> Result<(), StoreError> {
        self.durable(self.last()).await
    }

    /// The number of the last entry that is durable.
    pub(crate) fn last_durable(&self) -> EntryNumber {
        self.inner.lock().durable
    }

    /// Ends the writer, since the store cannot be used any more.
    pub(crate) fn fail(&self, error: StoreError) {
        self.inner.lock().failing.get_or_insert(error);
        self.work.notify_one();
    }

    /// Its state, for operators.
    pub(crate) fn view(&self) -> StoreStatus {
        let inner = self.inner.lock();
        StoreStatus {
            runs: self.boot % STARTS_OF_A_TIMELINE,
            behind: inner.last - inner.durable,
            full: inner.full.clone().map(|why| StoreError::Full(why).to_string()),
        }
    }

    /// Why the store takes nothing from outside now, and perhaps nothing at all; none when it has space.
    pub(crate) fn full(&self) -> Option<String> {
        self.inner.lock().full.clone()
    }

    /// The host ends: the writer waits for space only for some seconds more.
    pub(crate) fn ends(&self) {
        self.inner.lock().ends_since.get_or_insert_with(Instant::now);
    }

    /// Ends the writer when everything is durable.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.work.notify_one();
    }

    /// The error of the store that ended the writer.
    pub(crate) fn failure(&self) -> Option<StoreError> {
        match &self.inner.lock().over {
            Some(Over::Failed(error)) => Some(error.clone()),
            Some(Over::Closed) | None => None,
        }
    }

    /// Waits until the writer has ended.
    pub(crate) async fn wait_over(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.inner.lock().over.is_some() {
                return;
            }
            ended.await;
        }
    }
}

/// Bytes that are taken from a bound on entries: a larger entry takes all of it.
fn bounded(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).min(BEHIND_BYTES)
}
