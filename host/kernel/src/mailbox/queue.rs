//! The mailbox itself: messages come in and are taken, under one lock.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::mailbox::inner::senders::AfterTake;
use crate::mailbox::inner::{Inner, InstanceState, MOST_INSTANCES, Signal, bit, remember};
use crate::mailbox::load::SpaceLeft;
use crate::mailbox::message_log::{MessageLog, TakenMessages};
use crate::mailbox::order::Order;
use crate::mailbox::policy::PolicySpec;
use crate::mailbox::pressure::Pressure;
use crate::mailbox::space::{MessagePlace, Space};
use crate::mailbox::spec::{Keep, MailboxSpec, Overflow};
use crate::mailbox::spilled::Page;
use crate::mailbox::stored_state::StoredState;
use crate::mailbox::view::MailboxView;
use crate::words::dead_letter::DeadReason;
use crate::words::event::{Described, LogEvent};
use crate::words::events::MailboxFull;
use crate::words::message::Message;
use crate::words::totals::ActorTotals;

/// The queue in front of one actor. It has many methods: senders, instances, the supervisor and the policy driver each have
/// theirs, and all of them work on what one lock guards.
pub(crate) struct Mailbox {
    pub(super) spec: MailboxSpec,
    pub(super) inner: Mutex<Inner>,
    pub(super) pressure: Pressure,
}

/// The result of taking from the mailbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Took {
    /// The batch holds messages now.
    Messages {
        /// Whether messages are left, and another instance, or a sender that waited for space, was woken for them.
        shared: bool,
    },
    /// The batch holds one message, which may have ended runs of the host.
    Suspect,
    /// A signal of the supervisor comes first.
    Signal(Signal),
    /// A directive request of the supervisor comes first.
    DirectiveRequest,
    /// A task of the incarnation crashed.
    TaskCrash,
    /// There was no work for the whole idle time, so that the incarnation may end.
    Nothing,
}

/// Why a message was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

impl Mailbox {
    /// An empty mailbox for 1 to [`MOST_INSTANCES`] instances.
    pub(crate) fn new(spec: MailboxSpec, policy: Option<PolicySpec>, instances: usize) -> Self {
        assert!((1..=MOST_INSTANCES).contains(&instances), "the plan was checked");
        Self {
            spec,
            pressure: Pressure::default(),
            inner: Mutex::new(Inner {
                space: SpaceLeft::of(&spec),
                stored: (spec.keep == Keep::Stored).then(|| Box::new(StoredState::new(&spec))),
                log: MessageLog::default(),
                order: policy.map(|policy| Box::new(Order::new(policy))),
                closed: false,
                states: (0..instances).map(|_| InstanceState::new()).collect(),
                idle: 0,
                passivated: 0,
                blocked: VecDeque::new(),
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
        let (in_memory, bytes) = inner.stored.as_ref().map_or((0, 0), |stored| stored.spilled.bytes());
        MailboxView {
            waiting: inner.waiting(),
            bytes: inner.bytes() + bytes,
            memory_bytes: inner.bytes() + in_memory,
            most: inner.most,
            capacity: self.spec.capacity,
            overflow,
            is_stored: self.is_stored(),
            pressure: self.pressure.view(inner.blocked.len()),
            letters: self.letters(),
            policy: inner.order.as_ref().map(|order| order.view()),
        }
    }

    /// The current numbers: waiting messages, their bytes, and senders that wait for space.
    pub(crate) fn load(&self) -> (usize, usize, usize) {
        let inner = self.inner.lock();
        let (_, outside) = inner.stored.as_ref().map_or((0, 0), |stored| stored.spilled.bytes());
        (inner.waiting(), inner.bytes() + outside, inner.blocked.len())
    }

    /// Number of dead letters so far, by the kind of their reason.
    pub(crate) fn letters(&self) -> BTreeMap<&'static str, u64> {
        self.pressure.letters()
    }

    pub(crate) fn add_to(&self, totals: &mut ActorTotals) {
        self.pressure.add_to(totals);
    }

    /// Warns operators about a message that found no space, once in each episode.
    pub(super) fn warn_if_new(&self, owner: &impl Described, waiting: usize, bytes: usize) {
        if !self.pressure.is_full() {
            return;
        }
        let chooses = self.inner.lock().order.as_ref().is_some_and(|order| order.chooses());
        let rule = self.overflow();
        let (overflow, then) = match rule {
            _ if chooses => ("policy", "its plugin drops what it chooses"),
            Overflow::Block => (rule.name(), "senders wait"),
            Overflow::Reject => (rule.name(), "messages are refused"),
            Overflow::DropNewest => (rule.name(), "new messages are dropped"),
            Overflow::DropOldest => (rule.name(), "the oldest messages are dropped"),
        };
        MailboxFull { subject: owner.about(), overflow, waiting, bytes, capacity: self.spec.capacity, then }.log();
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.inner.lock().accepted
    }

    /// Runs `fill` with the mailbox locked; wakes one instance if any message was accepted. Returns the messages that
    /// [`Overflow::DropOldest`] displaced. Refuses when closed, or when other senders already wait for space.
    pub(crate) fn push(
        &self,
        owner: &impl Described,
        fill: impl FnOnce(&mut Space<'_>),
    ) -> Result<Vec<Message>, Refused> {
        self.push_as(owner, None, fill)
    }

    pub(super) fn push_as(
        &self,
        owner: &impl Described,
        ticket: Option<u64>,
        fill: impl FnOnce(&mut Space<'_>),
    ) -> Result<Vec<Message>, Refused> {
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
        // A sender with a ticket waited since the mailbox was full.
        if let Some((waiting, bytes)) = full.filter(|_| ticket.is_none()) {
            self.warn_if_new(owner, waiting, bytes);
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
                Signal::Drain if more_to_come || nudged || inner.waiting() > 0 || inner.is_reserved(&self.spec) => {}
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
                inner.keep_few_buffers(batch);
                if let Some(driver) = inner.driver_for_work() {
                    driver.wake();
                }
                return Poll::Pending;
            }
            inner.log.take(inner.share(max), max_bytes, batch);
            let left = inner.log.len() > 0;
            let other = if left { inner.next_instance() } else { None };
            let (sender, holds) = match inner.sender_after_take(&self.spec) {
                AfterTake::Nothing => (None, None),
                AfterTake::Wakes(sender) => (Some(sender), Some(false)),
                AfterTake::Holds => (None, Some(true)),
            };
            if let Some(holds) = holds {
                self.pressure.set_holds_sender(holds);
            }
            (sender, other, left, inner.drained_instances())
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

    /// Whether an instance that drains is done: no message waits here or is on its way, and no sender waits for space. The last instance that
    /// is done closes the mailbox; then nothing is accepted.
    pub(crate) fn is_drained(&self, instance: usize) -> bool {
        let mut inner = self.inner.lock();
        let mut driver = None;
        if inner.waiting() == 0 && inner.blocked.is_empty() && !inner.is_reserved(&self.spec) {
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

    /// Closes the mailbox and returns its waiting messages, and those that only the store has.
    pub(crate) fn close(&self) -> (Vec<Message>, Option<Page>) {
        let (messages, unread, wakers) = {
            let mut inner = self.inner.lock();
            inner.closed = true;
            let mut wakers: Vec<_> = inner.blocked.iter_mut().filter_map(|b| b.waker.take()).collect();
            wakers.extend(inner.dismiss_driver());
            let mut messages = inner.log.drain();
            messages.extend(inner.order.as_mut().into_iter().flat_map(|order| order.drain()));
            let unread = inner.forget_spilled(&mut messages);
            (messages, unread, wakers)
        };
        for waker in wakers {
            waker.wake();
        }
        (messages, unread)
    }

    /// Whether the message at this place still waits. After the policy was given up, all messages that it held count as
    /// waiting until the last of them is taken.
    pub(crate) fn still_waits(&self, place: MessagePlace) -> bool {
        let inner = self.inner.lock();
        // Without a policy, messages are taken in order of arrival.
        let gone = inner.accepted - inner.waiting() as u64;
        match (place, &inner.order) {
            (MessagePlace::Held(key), Some(order)) if order.decides() => order.holds(key),
            (MessagePlace::Held(_), order) => order.as_ref().is_some_and(|order| gone < order.given_up_after),
            (MessagePlace::Log(number), _) => gone < number,
        }
    }

    /// Counts a message that found no space, by the reason of its loss.
    pub(crate) fn count_loss(&self, reason: &DeadReason) {
        self.pressure.count(reason);
    }

    /// Counts a message that became a dead letter.
    pub(crate) fn count_letter(&self, reason: &DeadReason) {
        self.pressure.count_letter(reason);
    }

    /// Counts messages that were accepted and ended unhandled.
    pub(crate) fn count_unhandled(&self, messages: u64) {
        self.pressure.count_unhandled(messages);
    }

    /// Counts messages that an operator dropped.
    pub(crate) fn count_removed(&self, messages: u64) {
        self.pressure.count_removed(messages);
    }

    /// Messages that were accepted and ended unhandled.
    pub(crate) fn unhandled(&self) -> u64 {
        self.pressure.unhandled()
    }
}
