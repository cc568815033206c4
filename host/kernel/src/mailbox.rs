//! A mailbox: the bounded queue in front of one actor. Senders that find it full wait in the order they came.
//! It also carries the word from the supervisor (`Signal`), so that an idle actor waits in one place only.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_frame::HEADER_BYTES;
use tokio::time::Instant;

use crate::log::{Batch, Log};
use crate::message::{Envelope, Message};

/// What happens to a message that finds the mailbox full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The sender waits, up to [`MailboxSpec::block_timeout`]; then the message is a dead letter.
    Block,
    /// The message is refused: an error to an ask, a dead letter for a tell.
    Reject,
    /// The message is a dead letter.
    DropNewest,
    /// The oldest waiting message is a dead letter, and the new one takes its place.
    DropOldest,
}

/// The bounds of a mailbox.
#[derive(Debug, Clone, Copy)]
pub struct MailboxSpec {
    /// Most messages that wait.
    pub capacity: usize,
    /// Most bytes that wait, headers included. One message always fits.
    pub capacity_bytes: usize,
    /// What happens to a message that finds it full.
    pub overflow: Overflow,
    /// How long a sender waits under [`Overflow::Block`]. What one turn sends to one actor waits together.
    pub block_timeout: Duration,
}

impl Default for MailboxSpec {
    fn default() -> Self {
        Self {
            capacity: 1024,
            capacity_bytes: 16 << 20,
            overflow: Overflow::Block,
            block_timeout: Duration::from_secs(30),
        }
    }
}

/// The supervisor's word to a running incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signal {
    /// Go on.
    Run,
    /// Finish the batch in hand, run the `shutdown` hook, end. Messages stay.
    Stop,
    /// As [`Signal::Stop`], after the mailbox is empty; it is closed then.
    Drain,
    /// End now.
    Kill,
}

pub(crate) struct Mailbox {
    spec: MailboxSpec,
    inner: Mutex<Inner>,
}

struct Inner {
    log: Log,
    signal: Signal,
    /// No message comes in any more.
    closed: bool,
    /// The incarnation that waits for messages or a signal.
    consumer: Option<Waker>,
    /// The incarnation that is busy and waits for a signal alone.
    watcher: Option<Waker>,
    /// Senders that wait for room, first come first served.
    blocked: VecDeque<Blocked>,
    next_ticket: u64,
    /// Messages ever let in: what idleness is measured by.
    accepted: u64,
}

struct Blocked {
    ticket: u64,
    waker: Option<Waker>,
}

/// What a look into the mailbox found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Took {
    /// Messages are in the batch now.
    Messages,
    /// The supervisor wants something else first.
    Signal(Signal),
}

/// Why a message was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

/// Lets messages in while the mailbox is locked once for all of them.
pub(crate) struct Room<'a> {
    spec: &'a MailboxSpec,
    inner: &'a mut Inner,
    /// What [`Overflow::DropOldest`] pushed out.
    pub(crate) displaced: Vec<Message>,
}

impl Room<'_> {
    /// Appends the message, or says that there is no room for it.
    pub(crate) fn put(&mut self, envelope: &Envelope, body: &[u8]) -> bool {
        while !self.inner.has_room(self.spec, body.len()) {
            if self.spec.overflow != Overflow::DropOldest {
                return false;
            }
            self.displaced.extend(self.inner.log.pop());
        }
        self.inner.log.append(envelope, body);
        self.inner.accepted += 1;
        true
    }
}

impl Inner {
    fn has_room(&self, spec: &MailboxSpec, body_bytes: usize) -> bool {
        self.log.len() == 0
            || self.log.len() < spec.capacity && self.log.bytes() + HEADER_BYTES + body_bytes <= spec.capacity_bytes
    }

    /// The first blocked sender, when there may be room for it now.
    fn next_sender(&mut self, spec: &MailboxSpec) -> Option<Waker> {
        if self.closed || self.has_room(spec, 0) { self.blocked.front_mut()?.waker.take() } else { None }
    }
}

impl Mailbox {
    pub(crate) fn new(spec: MailboxSpec) -> Self {
        Self {
            spec,
            inner: Mutex::new(Inner {
                log: Log::default(),
                signal: Signal::Run,
                closed: false,
                consumer: None,
                watcher: None,
                blocked: VecDeque::new(),
                next_ticket: 0,
                accepted: 0,
            }),
        }
    }

    pub(crate) fn spec(&self) -> &MailboxSpec {
        &self.spec
    }

    /// Messages that wait.
    pub(crate) fn len(&self) -> usize {
        self.inner.lock().log.len()
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.inner.lock().accepted
    }

    /// Runs `fill` with the mailbox locked; wakes the actor once if anything came in. Returns what
    /// [`Overflow::DropOldest`] pushed out. Refuses when closed, or when others already wait for room.
    pub(crate) fn push(&self, fill: impl FnOnce(&mut Room<'_>)) -> Result<Vec<Message>, Refused> {
        self.push_as(None, fill)
    }

    fn push_as(&self, ticket: Option<u64>, fill: impl FnOnce(&mut Room<'_>)) -> Result<Vec<Message>, Refused> {
        let (displaced, waker) = {
            let mut inner = self.inner.lock();
            if inner.closed {
                return Err(Refused::Closed);
            }
            if inner.blocked.front().is_some_and(|first| Some(first.ticket) != ticket) {
                return Err(Refused::Full);
            }
            let before = inner.accepted;
            let mut room = Room { spec: &self.spec, inner: &mut inner, displaced: Vec::new() };
            fill(&mut room);
            let displaced = room.displaced;
            let waker = if inner.accepted == before { None } else { inner.consumer.take() };
            (displaced, waker)
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(displaced)
    }

    /// Takes a place in the line of senders that wait for room.
    pub(crate) fn queue_up(&self) -> Place<'_> {
        let mut inner = self.inner.lock();
        let ticket = inner.next_ticket;
        inner.next_ticket += 1;
        inner.blocked.push_back(Blocked { ticket, waker: None });
        Place { mailbox: self, ticket }
    }

    /// Messages into `batch`, or the supervisor's word, or neither yet. An orderly stop waits while there is
    /// `more_to_come`.
    pub(crate) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        max: usize,
        max_bytes: usize,
        more_to_come: bool,
        batch: &mut Batch,
    ) -> Poll<Took> {
        let woken = {
            let mut inner = self.inner.lock();
            match inner.signal {
                Signal::Run => {}
                Signal::Drain if inner.log.len() > 0 || more_to_come => {}
                signal => return Poll::Ready(Took::Signal(signal)),
            }
            if inner.log.len() == 0 {
                remember(&mut inner.consumer, cx);
                return Poll::Pending;
            }
            inner.log.take(max, max_bytes, batch);
            inner.next_sender(&self.spec)
        };
        if let Some(waker) = woken {
            waker.wake();
        }
        Poll::Ready(Took::Messages)
    }

    /// Resolves when the signal is at least `at_least`.
    pub(crate) fn poll_signal(&self, cx: &mut Context<'_>, at_least: Signal) -> Poll<Signal> {
        let mut inner = self.inner.lock();
        if inner.signal >= at_least {
            return Poll::Ready(inner.signal);
        }
        remember(&mut inner.watcher, cx);
        Poll::Pending
    }

    /// Resolves when the signal is another than `before`.
    pub(crate) fn poll_next_signal(&self, cx: &mut Context<'_>, before: Signal) -> Poll<Signal> {
        let mut inner = self.inner.lock();
        if inner.signal != before {
            return Poll::Ready(inner.signal);
        }
        remember(&mut inner.watcher, cx);
        Poll::Pending
    }

    pub(crate) fn signal(&self) -> Signal {
        self.inner.lock().signal
    }

    /// Tells the incarnation. A word never softens one before it; `Run` is for the next incarnation.
    pub(crate) fn set_signal(&self, signal: Signal) {
        let wakers = {
            let mut inner = self.inner.lock();
            inner.signal = if signal == Signal::Run { signal } else { signal.max(inner.signal) };
            [inner.consumer.take(), inner.watcher.take()]
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Closes the mailbox if nothing waits in it and no sender waits for it. From then on nothing comes in.
    pub(crate) fn close_if_empty(&self) -> bool {
        let mut inner = self.inner.lock();
        if inner.log.len() == 0 && inner.blocked.is_empty() {
            inner.closed = true;
        }
        inner.closed
    }

    /// Closes the mailbox and returns what waited in it.
    pub(crate) fn close(&self) -> Vec<Message> {
        let (messages, wakers) = {
            let mut inner = self.inner.lock();
            inner.closed = true;
            let wakers: Vec<_> = inner.blocked.iter_mut().filter_map(|b| b.waker.take()).collect();
            (inner.log.drain(), wakers)
        };
        for waker in wakers {
            waker.wake();
        }
        messages
    }
}

fn remember(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        none => *none = Some(cx.waker().clone()),
    }
}

/// A place in the line of senders. Dropping it leaves the line.
pub(crate) struct Place<'a> {
    mailbox: &'a Mailbox,
    ticket: u64,
}

impl Place<'_> {
    /// Waits for room for at least `body_bytes` and runs `fill`; `Err(Full)` when the deadline passes first.
    pub(crate) async fn push(
        &self,
        body_bytes: usize,
        deadline: Instant,
        fill: impl FnOnce(&mut Room<'_>),
    ) -> Result<Vec<Message>, Refused> {
        let turn = std::future::poll_fn(|cx| {
            let mut inner = self.mailbox.inner.lock();
            let room = inner.closed || inner.has_room(&self.mailbox.spec, body_bytes);
            let (place, blocked) = inner
                .blocked
                .iter_mut()
                .enumerate()
                .find(|(_, blocked)| blocked.ticket == self.ticket)
                .expect("a place stays in the line until it is dropped");
            if room && place == 0 {
                return Poll::Ready(());
            }
            blocked.waker = Some(cx.waker().clone());
            Poll::Pending
        });
        if tokio::time::timeout_at(deadline, turn).await.is_err() {
            return Err(Refused::Full);
        }
        self.mailbox.push_as(Some(self.ticket), fill)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let woken = {
            let mut inner = self.mailbox.inner.lock();
            inner.blocked.retain(|blocked| blocked.ticket != self.ticket);
            inner.next_sender(&self.mailbox.spec)
        };
        if let Some(waker) = woken {
            waker.wake();
        }
    }
}
