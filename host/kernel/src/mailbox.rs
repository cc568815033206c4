//! A mailbox: the bounded queue in front of one actor, for all its lanes. Senders that find it full wait in the order
//! they came. It also carries the supervisor's word to each lane (`Signal`), so that an idle lane waits in one place only.
//!
//! While messages wait and a lane is idle, some lane was woken and has not looked yet: what comes in wakes one, who leaves
//! messages behind wakes the next, and who was woken and will not take any passes it on. So no lane sleeps while there is
//! work for it, and no crowd is woken for one message.

use std::collections::VecDeque;
use std::ops::Range;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_frame::HEADER_BYTES;
use tokio::time::Instant;

use crate::log::{Batch, Log, first_record};
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
    /// No message comes in any more.
    closed: bool,
    /// By lane.
    seats: Box<[Seat]>,
    /// The lanes that sleep until a message comes, one bit each.
    idle: u64,
    /// Those of them that have no incarnation: who has one goes first.
    passivated: u64,
    /// Senders that wait for room, first come first served.
    blocked: VecDeque<Blocked>,
    next_ticket: u64,
    /// Messages ever let in: what idleness is measured by.
    accepted: u64,
}

/// Most lanes of one mailbox: the bits of `Inner::idle`.
pub(crate) const MOST_LANES: usize = u64::BITS as usize;

/// A share of what waits is never smaller than this: calls for fewer messages cost more than they gain. Who needs long for
/// a message asks for fewer anyway.
const LEAST_SHARE: usize = 8;

/// One lane, as the mailbox knows it.
struct Seat {
    signal: Signal,
    /// Its incarnation, when it waits for messages, a signal, or something in its backlog.
    consumer: Option<Waker>,
    /// Its incarnation, when it is busy and waits for a signal alone.
    watcher: Option<Waker>,
    /// Something came into its backlog from elsewhere.
    nudged: bool,
    /// It takes no more: it drained the mailbox, or will not run again.
    done: bool,
}

impl Seat {
    fn new() -> Self {
        Self { signal: Signal::Run, consumer: None, watcher: None, nudged: false, done: false }
    }
}

struct Blocked {
    ticket: u64,
    waker: Option<Waker>,
}

/// What a look into the mailbox found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Took {
    /// Messages are in the batch now.
    Messages {
        /// There are more, and another lane was woken for them.
        shared: bool,
    },
    /// The supervisor wants something else first.
    Signal(Signal),
    /// The supervisor asks something first.
    Question,
    /// There was nothing for so long that the incarnation may end.
    Nothing,
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
    /// Whether there is room for a body of so many bytes, as far as the overflow policy makes it.
    fn make_room(&mut self, body_bytes: usize) -> bool {
        while !self.inner.has_room(self.spec, body_bytes) {
            if self.spec.overflow != Overflow::DropOldest {
                return false;
            }
            self.displaced.extend(self.inner.log.pop());
        }
        true
    }

    /// Appends the message, or says that there is no room for it.
    pub(crate) fn put(&mut self, envelope: &Envelope, body: &[u8]) -> bool {
        if !self.make_room(body.len()) {
            return false;
        }
        self.inner.log.append(envelope, body);
        self.inner.accepted += 1;
        true
    }

    /// Appends the first of `messages` records, as many as have room: how many these are, and their bytes.
    pub(crate) fn put_run(&mut self, records: &[u8], messages: usize) -> (usize, usize) {
        if self.inner.has_room_for(self.spec, messages, records.len()) {
            self.append_run(records, messages);
            return (messages, records.len());
        }
        let (mut fit, mut bytes) = (0, 0);
        if self.spec.overflow == Overflow::DropOldest {
            while fit < messages {
                let record = first_record(&records[bytes..]);
                if !self.make_room(record.len() - HEADER_BYTES) {
                    break;
                }
                self.append_run(record, 1);
                fit += 1;
                bytes += record.len();
            }
            return (fit, bytes);
        }
        while fit < messages {
            let more = first_record(&records[bytes..]).len();
            let alone = self.inner.log.len() + fit == 0;
            if !alone && !self.inner.has_room_for(self.spec, fit + 1, bytes + more) {
                break;
            }
            fit += 1;
            bytes += more;
        }
        if fit > 0 {
            self.append_run(&records[..bytes], fit);
        }
        (fit, bytes)
    }

    fn append_run(&mut self, records: &[u8], messages: usize) {
        self.inner.log.append_run(records, messages);
        self.inner.accepted += messages as u64;
    }

    /// Appends `messages` records that lie there in `bytes`, if all of them have room, without a copy: they take the buffer along,
    /// and what lay behind them is left.
    pub(crate) fn put_whole(&mut self, bytes: &mut Vec<u8>, records: Range<usize>, messages: usize) -> bool {
        let fits = self.inner.has_room_for(self.spec, messages, records.len());
        if fits {
            let rest = bytes.split_off(records.end);
            self.inner.log.append_whole(std::mem::replace(bytes, rest), records.start, messages);
            self.inner.accepted += messages as u64;
        }
        fits
    }
}

impl Inner {
    fn has_room(&self, spec: &MailboxSpec, body_bytes: usize) -> bool {
        self.log.len() == 0
            || self.log.len() < spec.capacity && self.log.bytes() + HEADER_BYTES + body_bytes <= spec.capacity_bytes
    }

    /// Whether so many records of so many bytes have room, all of them.
    fn has_room_for(&self, spec: &MailboxSpec, messages: usize, bytes: usize) -> bool {
        self.log.len() + messages <= spec.capacity && self.log.bytes() + bytes <= spec.capacity_bytes
    }

    /// The first blocked sender, when there may be room for it now.
    fn next_sender(&mut self, spec: &MailboxSpec) -> Option<Waker> {
        if self.closed || self.has_room(spec, 0) { self.blocked.front_mut()?.waker.take() } else { None }
    }

    /// An idle lane, to be woken for a message.
    fn next_lane(&mut self) -> Option<Waker> {
        if self.idle == 0 {
            return None;
        }
        let awake = self.idle & !self.passivated;
        let lane = if awake == 0 { self.idle } else { awake }.trailing_zeros() as usize;
        self.idle &= !bit(lane);
        self.seats[lane].consumer.take()
    }

    /// How many messages one lane takes, at most `most`: of several lanes each leaves something to the others.
    fn share(&self, most: usize) -> usize {
        match self.seats.len() {
            1 => most,
            lanes => most.min(self.log.len().div_ceil(lanes).max(LEAST_SHARE)),
        }
    }
}

fn bit(lane: usize) -> u64 {
    1 << lane
}

impl Mailbox {
    /// An empty mailbox for 1 to [`MOST_LANES`] lanes.
    pub(crate) fn new(spec: MailboxSpec, lanes: usize) -> Self {
        assert!((1..=MOST_LANES).contains(&lanes), "the plan was checked");
        Self {
            spec,
            inner: Mutex::new(Inner {
                log: Log::default(),
                closed: false,
                seats: (0..lanes).map(|_| Seat::new()).collect(),
                idle: 0,
                passivated: 0,
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

    /// Runs `fill` with the mailbox locked; wakes one lane if anything came in. Returns what
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
            let waker = if inner.accepted == before { None } else { inner.next_lane() };
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

    /// The supervisor's word to a lane that looks into its backlog first.
    pub(crate) fn look(&self, lane: usize) -> Signal {
        let mut inner = self.inner.lock();
        inner.idle &= !bit(lane);
        inner.seats[lane].signal
    }

    /// Whether the lane waits until a message comes.
    pub(crate) fn sleeps(&self, lane: usize) -> bool {
        self.inner.lock().idle & bit(lane) != 0
    }

    /// Wakes another lane for what waits here: the one that looked has something else to do. False when there is
    /// nothing, or nobody.
    pub(crate) fn pass_on(&self) -> bool {
        let woken = {
            let mut inner = self.inner.lock();
            if inner.log.len() > 0 { inner.next_lane() } else { None }
        };
        woken.map(Waker::wake).is_some()
    }

    /// As [`Mailbox::pass_on`], but to nobody that has no incarnation.
    pub(crate) fn pass_on_to_awake(&self) {
        let woken = {
            let mut inner = self.inner.lock();
            let awake = inner.idle & !inner.passivated;
            if inner.log.len() > 0 && awake != 0 { inner.next_lane() } else { None }
        };
        woken.map(Waker::wake);
    }

    /// Messages into `batch`, or the supervisor's word, or neither yet. An orderly stop waits while there is
    /// `more_to_come`.
    pub(crate) fn poll_take(
        &self,
        lane: usize,
        cx: &mut Context<'_>,
        max: usize,
        max_bytes: usize,
        more_to_come: bool,
        batch: &mut Batch,
    ) -> Poll<Took> {
        let (sender, other) = {
            let mut inner = self.inner.lock();
            let inner = &mut *inner;
            inner.idle &= !bit(lane);
            let seat = &mut inner.seats[lane];
            match seat.signal {
                Signal::Run => {}
                Signal::Drain if inner.log.len() > 0 || more_to_come || seat.nudged => {}
                signal => return Poll::Ready(Took::Signal(signal)),
            }
            if inner.log.len() == 0 {
                if std::mem::take(&mut seat.nudged) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                remember(&mut seat.consumer, cx);
                inner.idle |= bit(lane);
                return Poll::Pending;
            }
            inner.log.take(inner.share(max), max_bytes, batch);
            let other = if inner.log.len() > 0 { inner.next_lane() } else { None };
            (inner.next_sender(&self.spec), other)
        };
        let shared = other.is_some();
        if let Some(sender) = sender {
            sender.wake();
        }
        if let Some(other) = other {
            other.wake();
        }
        Poll::Ready(Took::Messages { shared })
    }

    /// The word that a lane got last.
    pub(crate) fn signal(&self, lane: usize) -> Signal {
        self.inner.lock().seats[lane].signal
    }

    /// Resolves when the signal to the lane is at least `at_least`.
    pub(crate) fn poll_signal(&self, lane: usize, cx: &mut Context<'_>, at_least: Signal) -> Poll<Signal> {
        let mut inner = self.inner.lock();
        let seat = &mut inner.seats[lane];
        if seat.signal >= at_least {
            return Poll::Ready(seat.signal);
        }
        remember(&mut seat.watcher, cx);
        Poll::Pending
    }

    /// For a lane that takes no messages now: resolves when the signal is another than `before`, or when it is to look into
    /// its backlog.
    pub(crate) fn poll_next_signal(&self, lane: usize, cx: &mut Context<'_>, before: Signal) -> Poll<()> {
        let mut inner = self.inner.lock();
        let seat = &mut inner.seats[lane];
        if seat.signal != before || std::mem::take(&mut seat.nudged) {
            return Poll::Ready(());
        }
        remember(&mut seat.consumer, cx);
        Poll::Pending
    }

    /// The lane gets an incarnation.
    pub(crate) fn begin(&self, lane: usize) {
        let mut inner = self.inner.lock();
        inner.idle &= !bit(lane);
        inner.passivated &= !bit(lane);
        inner.seats[lane] = Seat { nudged: inner.seats[lane].nudged, ..Seat::new() };
    }

    /// The lane has no incarnation until a message comes, which calls `waker`. False when messages wait that no other lane
    /// is awake for; with `since`, when one was let in after there had been so many.
    pub(crate) fn sleep(&self, lane: usize, waker: Waker, since: Option<u64>) -> bool {
        let mut inner = self.inner.lock();
        let nudged = std::mem::take(&mut inner.seats[lane].nudged);
        let news = match since {
            Some(since) => inner.accepted != since,
            None => inner.log.len() > 0 || nudged,
        };
        if news {
            return false;
        }
        if inner.log.len() == 0 {
            // No memory of busier days.
            inner.log.shrink();
            inner.blocked.shrink_to_fit();
        }
        inner.seats[lane].consumer = Some(waker);
        inner.idle |= bit(lane);
        inner.passivated |= bit(lane);
        true
    }

    /// Tells the lane's incarnation. A word never softens one before it.
    pub(crate) fn set_signal(&self, lane: usize, signal: Signal) {
        let wakers = {
            let mut inner = self.inner.lock();
            inner.idle &= !bit(lane);
            let seat = &mut inner.seats[lane];
            seat.signal = signal.max(seat.signal);
            [seat.consumer.take(), seat.watcher.take()]
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Has the lane look into its backlog.
    pub(crate) fn nudge(&self, lane: usize) {
        let waker = {
            let mut inner = self.inner.lock();
            inner.idle &= !bit(lane);
            let seat = &mut inner.seats[lane];
            seat.nudged = true;
            seat.consumer.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether a lane that drains is done: nothing waits here and no sender waits for room. The last lane to be done
    /// closes the mailbox; from then on nothing comes in.
    pub(crate) fn is_drained(&self, lane: usize) -> bool {
        let mut inner = self.inner.lock();
        if inner.log.len() == 0 && inner.blocked.is_empty() {
            inner.seats[lane].done = true;
            inner.closed |= inner.seats.iter().all(|seat| seat.done);
        }
        inner.closed || inner.seats[lane].done
    }

    /// A lane will not run again. Names one that goes on, if any.
    pub(crate) fn heir_of(&self, lane: usize) -> Option<usize> {
        let mut inner = self.inner.lock();
        inner.seats[lane].done = true;
        inner.seats.iter().position(|seat| !seat.done)
    }

    /// Whether nothing comes in any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }

    /// A lane that was retired may run again: lets messages in.
    pub(crate) fn reopen(&self, lane: usize) {
        let mut inner = self.inner.lock();
        inner.seats[lane].done = false;
        inner.closed = false;
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

#[cfg(test)]
mod tests;
