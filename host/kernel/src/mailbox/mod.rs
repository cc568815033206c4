//! A mailbox: the bounded queue in front of one actor, for all its instances. Senders that find it full wait in order of
//! arrival. It also carries the supervisor's signal to each instance (`Signal`), so that an idle instance waits in one place
//! only.
//!
//! While messages wait and an instance is idle, some instance was woken and has not looked yet. A message that arrives wakes
//! one instance; an instance that leaves messages behind wakes the next; an instance that was woken and will not take any
//! wakes another. So no instance sleeps while there is work for it, and one message does not wake all of them.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use playhouse_frame::HEADER_BYTES;

use crate::mailbox::message_log::{MessageLog, TakenMessages};
use crate::mailbox::policy::PolicySpec;
use crate::words::address::Address;
use crate::words::message::Message;

pub(crate) mod admission;
mod blocked;
pub(crate) mod driver;
pub(crate) mod message_log;
mod order;
mod ordered;
pub(crate) mod policy;
mod pressure;
mod signals;
mod space;
mod spec;

use blocked::Blocked;
pub(crate) use blocked::Place;
use order::{CHOICE_BYTES, CHOICE_MESSAGES, Order};
use pressure::Pressure;
pub use pressure::{MailboxView, PressureView};
pub(crate) use space::{MessagePlace, Space};
pub use spec::{MailboxSpec, Overflow};

/// The supervisor's signal to a running incarnation. Signals only escalate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signal {
    /// Go on.
    Run,
    /// Finish the current batch, run the `shutdown` hook, end. Messages stay.
    Stop,
    /// As [`Signal::Stop`], after the mailbox is empty; then it is closed.
    Drain,
    /// End now.
    Kill,
}

pub(crate) struct Mailbox {
    /// The actor's address, for the log.
    address: Address,
    spec: MailboxSpec,
    inner: Mutex<Inner>,
    pressure: Pressure,
}

struct Inner {
    /// The messages that instances take. Without a policy, all waiting messages.
    log: MessageLog,
    /// With a policy, the messages that it has not given out yet.
    order: Option<Box<Order>>,
    /// Whether the mailbox refuses all new messages.
    closed: bool,
    /// By the index of the instance.
    states: Box<[InstanceState]>,
    /// The instances that sleep until a message comes, one bit each.
    idle: u64,
    /// The sleeping instances without an incarnation. An instance with an incarnation is woken first.
    passivated: u64,
    /// Senders that wait for space, in order of arrival.
    blocked: VecDeque<Blocked>,
    next_ticket: u64,
    /// Number of messages ever accepted; whether the play is idle depends on it.
    accepted: u64,
    /// Most messages that waited after a delivery, so far.
    most: usize,
}

/// Most instances of one mailbox: the bits of `Inner::idle`.
pub const MOST_INSTANCES: usize = u64::BITS as usize;

/// The smallest share of the waiting messages that an instance takes: calls for fewer messages cost more than they gain. An
/// instance that is slow asks for fewer anyway.
const LEAST_SHARE: usize = 8;

/// One instance, as the mailbox knows it.
struct InstanceState {
    signal: Signal,
    /// The waker of its incarnation, when that waits for messages, a signal, or something in its backlog.
    consumer: Option<Waker>,
    /// The waker of its incarnation, when that is busy and waits for a signal alone.
    watcher: Option<Waker>,
    /// Whether something was added to its backlog from outside.
    nudged: bool,
    /// Whether it takes no more messages: it drained the mailbox, or will not run again.
    done: bool,
    /// How many messages it asked for when it went to sleep: a policy gives out as many as were asked for.
    wants: usize,
}

impl InstanceState {
    fn new() -> Self {
        Self { signal: Signal::Run, consumer: None, watcher: None, nudged: false, done: false, wants: 0 }
    }
}

/// The result of taking from the mailbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Took {
    /// The batch holds messages now.
    Messages {
        /// Whether messages are left, and another instance, or a sender that waited for space, was woken for them.
        shared: bool,
    },
    /// A signal of the supervisor comes first.
    Signal(Signal),
    /// A directive request of the supervisor comes first.
    DirectiveRequest,
    /// There was no work for the whole idle time, so that the incarnation may end.
    Nothing,
}

/// Why a message was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

impl Inner {
    /// Messages that wait, given out by the policy or not.
    #[inline]
    fn waiting(&self) -> usize {
        self.log.len() + self.order.as_ref().map_or(0, |order| order.len())
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.log.bytes() + self.order.as_ref().map_or(0, |order| order.bytes())
    }

    fn has_space(&self, spec: &MailboxSpec, body_bytes: usize) -> bool {
        let (mut waiting, mut bytes) = (self.log.len(), self.log.bytes());
        if let Some(order) = &self.order {
            waiting += order.len();
            bytes += order.bytes();
        }
        waiting == 0 || waiting < spec.capacity && bytes + HEADER_BYTES + body_bytes <= spec.capacity_bytes
    }

    /// Whether a message is accepted: there is space, or the policy can make some.
    fn lets_in(&self, spec: &MailboxSpec, body_bytes: usize) -> bool {
        self.has_space(spec, body_bytes) || self.has_space_to_choose(spec, body_bytes)
    }

    /// Whether there is space beyond the bounds, for a policy that chooses which message to drop.
    fn has_space_to_choose(&self, spec: &MailboxSpec, body_bytes: usize) -> bool {
        let bytes = self.bytes();
        self.order.as_ref().is_some_and(|order| order.chooses())
            && self.waiting() < spec.capacity + CHOICE_MESSAGES
            && (bytes <= spec.capacity_bytes || bytes + HEADER_BYTES + body_bytes <= spec.capacity_bytes + CHOICE_BYTES)
    }

    /// Whether `messages` records of `bytes` bytes fit, all of them.
    fn has_space_for(&self, spec: &MailboxSpec, messages: usize, bytes: usize) -> bool {
        self.log.len() + messages <= spec.capacity && self.log.bytes() + bytes <= spec.capacity_bytes
    }

    /// The first blocked sender, when there may be space for it now.
    fn next_sender(&mut self, spec: &MailboxSpec) -> Option<Waker> {
        if self.closed || self.lets_in(spec, 0) { self.blocked.front_mut()?.waker.take() } else { None }
    }

    /// An idle instance, to be woken for a message.
    fn next_instance(&mut self) -> Option<Waker> {
        if self.idle == 0 {
            return None;
        }
        let awake = self.idle & !self.passivated;
        let instance = if awake == 0 { self.idle } else { awake }.trailing_zeros() as usize;
        self.idle &= !bit(instance);
        self.states[instance].consumer.take()
    }

    /// An instance without an incarnation, if no other is idle: a policy gives out only messages that an instance asks for.
    fn next_sleeper(&mut self) -> Option<Waker> {
        if self.idle & !self.passivated == 0 { self.next_instance() } else { None }
    }

    /// How many messages one instance takes, at most `most`: with several instances, each leaves some to the others.
    fn share(&self, most: usize) -> usize {
        match self.states.len() {
            1 => most,
            instances => most.min(self.log.len().div_ceil(instances).max(LEAST_SHARE)),
        }
    }
}

/// An instance as a bit among [`MOST_INSTANCES`].
pub(crate) fn bit(instance: usize) -> u64 {
    1 << instance
}

impl Mailbox {
    /// An empty mailbox for 1 to [`MOST_INSTANCES`] instances.
    pub(crate) fn new(address: Address, spec: MailboxSpec, policy: Option<PolicySpec>, instances: usize) -> Self {
        assert!((1..=MOST_INSTANCES).contains(&instances), "the plan was checked");
        Self {
            address,
            spec,
            pressure: Pressure::default(),
            inner: Mutex::new(Inner {
                log: MessageLog::default(),
                order: policy.map(|policy| Box::new(Order::new(policy))),
                closed: false,
                states: (0..instances).map(|_| InstanceState::new()).collect(),
                idle: 0,
                passivated: 0,
                blocked: VecDeque::new(),
                next_ticket: 0,
                accepted: 0,
                most: 0,
            }),
        }
    }

    pub(crate) fn spec(&self) -> &MailboxSpec {
        &self.spec
    }

    /// Messages that wait.
    pub(crate) fn len(&self) -> usize {
        self.inner.lock().waiting()
    }

    /// The current rule for a message that finds it full.
    pub(crate) fn overflow(&self) -> Overflow {
        let inner = self.inner.lock();
        let order = inner.order.as_ref();
        order.map_or(self.spec.overflow, |order| order.spec.overflow.unwrap_or_else(|| order.rules.when_full.into()))
    }

    pub(crate) fn view(&self) -> MailboxView {
        let overflow = self.overflow();
        let inner = self.inner.lock();
        MailboxView {
            waiting: inner.waiting(),
            bytes: inner.bytes(),
            most: inner.most,
            capacity: self.spec.capacity,
            overflow,
            pressure: self.pressure.view(inner.blocked.len()),
            letters: self.pressure.letters(),
            policy: inner.order.as_ref().map(|order| order.view()),
        }
    }

    /// Warns operators about a message that found no space, once in each episode.
    fn warn_if_new(&self, waiting: usize, bytes: usize) {
        if !self.pressure.is_full() {
            return;
        }
        let chooses = self.inner.lock().order.as_ref().is_some_and(|order| order.chooses());
        let then = match self.overflow() {
            _ if chooses => "its plugin drops what it chooses",
            Overflow::Block => "senders wait",
            Overflow::Reject => "messages are refused",
            Overflow::DropNewest => "new messages are dropped",
            Overflow::DropOldest => "the oldest messages are dropped",
        };
        tracing::warn!(
            target: "playhouse", address = %self.address, waiting, bytes, capacity = self.spec.capacity,
            "the mailbox is full: {then}"
        );
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.inner.lock().accepted
    }

    /// Runs `fill` with the mailbox locked; wakes one instance if any message was accepted. Returns the messages that
    /// [`Overflow::DropOldest`] displaced. Refuses when closed, or when other senders already wait for space.
    pub(crate) fn push(&self, fill: impl FnOnce(&mut Space<'_>)) -> Result<Vec<Message>, Refused> {
        self.push_as(None, fill)
    }

    fn push_as(&self, ticket: Option<u64>, fill: impl FnOnce(&mut Space<'_>)) -> Result<Vec<Message>, Refused> {
        let (displaced, waker, full) = {
            let mut inner = self.inner.lock();
            if inner.closed {
                return Err(Refused::Closed);
            }
            if inner.blocked.front().is_some_and(|first| Some(first.ticket) != ticket) {
                return Err(Refused::Full);
            }
            let before = inner.accepted;
            let mut space = Space::new(&self.spec, &mut inner);
            fill(&mut space);
            let (displaced, full) = (space.displaced, space.full);
            let (came, waiting) = (inner.accepted != before, inner.waiting());
            inner.most = inner.most.max(waiting);
            let mut sleeper = None;
            let waker = match &mut inner.order {
                _ if !came => None,
                Some(order) if order.decides() => {
                    let driver = order.driver.take();
                    sleeper = inner.next_sleeper();
                    driver
                }
                _ => inner.next_instance(),
            };
            if let Some(sleeper) = sleeper {
                sleeper.wake();
            }
            (displaced, waker, full.then(|| (waiting, inner.bytes())))
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        if let Some((waiting, bytes)) = full {
            self.warn_if_new(waiting, bytes);
        }
        Ok(displaced)
    }

    /// Wakes another instance for the waiting messages, because the one that looked has something else to do. False when no
    /// message waits, or no instance is idle.
    pub(crate) fn pass_on(&self) -> bool {
        let woken = {
            let mut inner = self.inner.lock();
            if inner.log.len() > 0 { inner.next_instance() } else { None }
        };
        woken.map(Waker::wake).is_some()
    }

    /// As [`Mailbox::pass_on`], but only to an instance that has an incarnation.
    pub(crate) fn pass_on_to_awake(&self) {
        let woken = {
            let mut inner = self.inner.lock();
            let awake = inner.idle & !inner.passivated;
            if inner.log.len() > 0 && awake != 0 { inner.next_instance() } else { None }
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Moves messages into `batch`, or returns the supervisor's signal, or is pending. An orderly stop waits while there is
    /// `more_to_come`.
    pub(crate) fn poll_take(
        &self,
        instance: usize,
        cx: &mut Context<'_>,
        max: usize,
        max_bytes: usize,
        more_to_come: bool,
        batch: &mut TakenMessages,
    ) -> Poll<Took> {
        let (sender, other, left, drained) = {
            let mut inner = self.inner.lock();
            let inner = &mut *inner;
            inner.idle &= !bit(instance);
            let InstanceState { signal, nudged, .. } = inner.states[instance];
            match signal {
                Signal::Run => {}
                Signal::Drain if more_to_come || nudged || inner.waiting() > 0 => {}
                signal => return Poll::Ready(Took::Signal(signal)),
            }
            let state = &mut inner.states[instance];
            if inner.log.len() == 0 {
                if std::mem::take(&mut state.nudged) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                remember(&mut state.consumer, cx);
                state.wants = max;
                inner.idle |= bit(instance);
                if let Some(driver) = inner.driver_for_work() {
                    driver.wake();
                }
                return Poll::Pending;
            }
            inner.log.take(inner.share(max), max_bytes, batch);
            let left = inner.log.len() > 0;
            let other = if left { inner.next_instance() } else { None };
            (inner.next_sender(&self.spec), other, left, inner.drained_instances())
        };
        let shared = other.is_some() || sender.is_some() && left;
        if !drained.is_empty() {
            drained.into_iter().for_each(Waker::wake);
        }
        if let Some(sender) = sender {
            sender.wake();
        }
        if let Some(other) = other {
            other.wake();
        }
        Poll::Ready(Took::Messages { shared })
    }

    /// Whether an instance that drains is done: no message waits here, and no sender waits for space. The last instance that
    /// is done closes the mailbox; then nothing is accepted.
    pub(crate) fn is_drained(&self, instance: usize) -> bool {
        let mut inner = self.inner.lock();
        let mut driver = None;
        if inner.waiting() == 0 && inner.blocked.is_empty() {
            inner.states[instance].done = true;
            inner.closed |= inner.states.iter().all(|state| state.done);
            driver = if inner.closed { inner.dismiss_driver() } else { None };
        }
        let drained = inner.closed || inner.states[instance].done;
        drop(inner);
        driver.into_iter().for_each(Waker::wake);
        drained
    }

    /// Marks an instance that will not run again, and returns one that may: one of `live`, a bit each, before those that
    /// failed or were stopped.
    pub(crate) fn sibling_of(&self, instance: usize, live: u64) -> Option<usize> {
        let mut inner = self.inner.lock();
        inner.states[instance].done = true;
        let find = |among: u64| (0..inner.states.len()).find(|&at| !inner.states[at].done && among & bit(at) != 0);
        find(live).or_else(|| find(u64::MAX))
    }

    /// Whether the mailbox refuses all new messages.
    pub(crate) fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }

    /// Lets messages in again, since an instance that was retired may run again. Returns whether the mailbox was closed.
    pub(crate) fn reopen(&self, instance: usize) -> bool {
        let mut inner = self.inner.lock();
        inner.states[instance].done = false;
        std::mem::replace(&mut inner.closed, false)
    }

    /// Closes the mailbox and returns its waiting messages.
    pub(crate) fn close(&self) -> Vec<Message> {
        let (messages, wakers) = {
            let mut inner = self.inner.lock();
            inner.closed = true;
            let mut wakers: Vec<_> = inner.blocked.iter_mut().filter_map(|b| b.waker.take()).collect();
            wakers.extend(inner.dismiss_driver());
            let mut messages = inner.log.drain();
            messages.extend(inner.order.as_mut().into_iter().flat_map(|order| order.drain()));
            (messages, wakers)
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

#[cfg(test)]
mod tests;
