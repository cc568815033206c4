//! The part of a mailbox under its lock: messages, instances, senders that wait for space.

mod blocked;
mod outside_log;
pub(super) mod senders;

use std::collections::VecDeque;
use std::task::{Context, Waker};

use playhouse_frame::HEADER_BYTES;

pub(super) use self::blocked::Blocked;
use crate::mailbox::load::{Load, SpaceLeft};
use crate::mailbox::message_log::{MessageLog, message_of};
use crate::mailbox::order::{CHOICE_BYTES, CHOICE_MESSAGES, Order};
use crate::mailbox::policy::PolicyState;
use crate::mailbox::spec::MailboxSpec;
use crate::mailbox::stored_state::StoredState;
use crate::words::message::records_of;

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

/// The state of a mailbox. Its many fields are all that one lock guards, and each of its many methods works on several of them.
pub(super) struct Inner {
    /// The messages that instances take. Without a policy, all waiting messages.
    pub(super) log: MessageLog,
    /// With a policy, the messages that it has not given out yet.
    pub(super) order: Option<Box<Order>>,
    /// Whether the mailbox refuses all new messages.
    pub(super) closed: bool,
    /// Beside the messages, if they are stored. Boxed: most mailboxes are in memory alone.
    pub(super) stored: Option<Box<StoredState>>,
    /// The bounds, less the space that is reserved.
    pub(super) space: SpaceLeft,
    /// By the index of the instance.
    pub(super) states: Box<[InstanceState]>,
    /// The instances that sleep until a message comes, one bit each.
    pub(super) idle: u64,
    /// The sleeping instances without an incarnation. An instance with an incarnation is woken first.
    pub(super) passivated: u64,
    /// Senders that wait for space, in order of arrival. Their tickets only grow from the first to the last.
    pub(super) blocked: VecDeque<Blocked>,
    /// Number of messages ever accepted; whether the play is idle depends on it.
    pub(super) accepted: u64,
    /// Most messages that waited after a delivery, so far.
    pub(super) most: usize,
}

/// Most instances of one mailbox: the bits of `Inner::idle`.
pub const MOST_INSTANCES: usize = u64::BITS as usize;

/// The smallest share of the waiting messages that an instance takes: calls for fewer messages cost more than they gain. An
/// instance that is slow asks for fewer anyway.
const LEAST_SHARE: usize = 8;

/// One instance, as the mailbox knows it.
pub(super) struct InstanceState {
    pub(super) signal: Signal,
    /// The waker of its incarnation, when that waits for messages, a signal, or something in its backlog.
    pub(super) consumer: Option<Waker>,
    /// The waker of its incarnation, when that is busy and waits for a signal alone.
    pub(super) watcher: Option<Waker>,
    /// Whether something was added to its backlog from outside.
    pub(super) nudged: bool,
    /// Whether it takes no more messages: it drained the mailbox, or will not run again.
    pub(super) done: bool,
    /// How many messages it asked for when it went to sleep: a policy gives out as many as were asked for.
    pub(super) wants: usize,
}

impl InstanceState {
    pub(super) fn new() -> Self {
        Self { signal: Signal::Run, consumer: None, watcher: None, nudged: false, done: false, wants: 0 }
    }
}

impl Inner {
    /// Whether messages of turns are refused.
    pub(super) fn refuses(&self) -> bool {
        self.closed && !self.stored.as_ref().is_some_and(|stored| stored.goes_on)
    }

    /// Messages that wait, given out by the policy or not, in memory or not.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.queued() + self.outside_log()
    }

    /// Messages that wait in the log or in the policy. Others take space as those do that are on their way.
    #[inline]
    pub(super) fn queued(&self) -> usize {
        self.log.len() + self.order.as_ref().map_or(0, |order| order.len())
    }

    /// Bytes of the messages in the log or in the policy.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.log.bytes() + self.order.as_ref().map_or(0, |order| order.bytes())
    }

    #[inline]
    pub(super) fn has_space(&self, body_bytes: usize) -> bool {
        let (mut waiting, mut bytes) = (self.log.len(), self.log.bytes());
        if let Some(order) = &self.order {
            waiting += order.len();
            bytes += order.bytes();
        }
        waiting + self.outside_log() == 0 || self.space.lets_in(waiting + 1, bytes + HEADER_BYTES + body_bytes)
    }

    /// Whether a message is accepted: there is space, or the policy can make some.
    pub(super) fn lets_in(&self, spec: &MailboxSpec, body_bytes: usize) -> bool {
        self.has_space(body_bytes) || self.has_space_to_choose(spec, body_bytes)
    }

    /// Whether there is space beyond the bounds, for a policy that chooses which message to drop.
    pub(super) fn has_space_to_choose(&self, spec: &MailboxSpec, body_bytes: usize) -> bool {
        let bytes = self.bytes();
        self.order.as_ref().is_some_and(|order| order.chooses())
            && self.waiting() < spec.capacity + CHOICE_MESSAGES
            && (bytes <= spec.capacity_bytes || bytes + HEADER_BYTES + body_bytes <= spec.capacity_bytes + CHOICE_BYTES)
    }

    /// Whether `messages` records of `bytes` bytes fit, all of them.
    #[inline]
    pub(super) fn has_space_for(&self, messages: usize, bytes: usize) -> bool {
        self.space.lets_in(self.log.len() + messages, self.log.bytes() + bytes)
    }

    /// The tasks to be woken because messages came: an instance, or the policy driver and an instance without an incarnation.
    #[inline]
    pub(super) fn wanted_for_arrival(&mut self) -> (Option<Waker>, Option<Waker>) {
        match &mut self.order {
            Some(order) if order.decides() => {
                let driver = order.driver.take();
                (driver, self.next_sleeper())
            }
            _ => (self.next_instance(), None),
        }
    }

    /// An idle instance, to be woken for a message.
    #[inline]
    pub(super) fn next_instance(&mut self) -> Option<Waker> {
        if self.idle == 0 {
            return None;
        }
        let awake = self.idle & !self.passivated;
        let instance = if awake == 0 { self.idle } else { awake }.trailing_zeros() as usize;
        self.idle &= !bit(instance);
        self.states[instance].consumer.take()
    }

    /// An instance without an incarnation, if no other is idle: a policy gives out only messages that an instance asks for.
    #[inline]
    pub(super) fn next_sleeper(&mut self) -> Option<Waker> {
        if self.idle & !self.passivated == 0 { self.next_instance() } else { None }
    }

    /// How many messages one instance takes, at most `most`: with several instances, each leaves some to the others.
    pub(super) fn share(&self, most: usize) -> usize {
        match self.states.len() {
            1 => most,
            instances => most.min(self.log.len().div_ceil(instances).max(LEAST_SHARE)),
        }
    }

    /// How many messages the sleeping instances have asked for. Instances that were woken and have not looked yet have
    /// theirs.
    pub(super) fn wanted(&self) -> usize {
        let asleep = self.states.iter().enumerate().filter(|(instance, _)| self.idle & bit(*instance) != 0);
        asleep.map(|(_, state)| state.wants).sum()
    }

    /// The policy driver's waker, if there is work for it.
    #[inline]
    pub(super) fn driver_for_work(&mut self) -> Option<Waker> {
        self.order.as_ref()?;
        let wanted = self.wanted();
        let order = self.order.as_mut()?;
        if order.decides() && order.has_work(wanted) { order.driver.take() } else { None }
    }

    /// The wakers of instances that wait for the mailbox to be empty, if it is empty now. There are none when each gets the messages
    /// that it waits for: no policy has them, nor the store.
    #[inline]
    pub(super) fn drained_instances(&mut self) -> Vec<Waker> {
        if self.order.is_none() && self.stored.is_none() || self.waiting() > 0 {
            return Vec::new();
        }
        self.draining()
    }

    /// The sleeping instances that drain.
    pub(super) fn draining(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for (instance, state) in self.states.iter_mut().enumerate() {
            if state.signal == Signal::Drain && self.idle & bit(instance) != 0 {
                self.idle &= !bit(instance);
                wakers.extend(state.consumer.take());
            }
        }
        wakers
    }

    /// Reserves space for all messages of a load, once there is space for the first: a load that is larger than the mailbox
    /// could never come in otherwise. So the bounds are exceeded by one load at most.
    pub(super) fn reserve(&mut self, spec: &MailboxSpec, load: Load) -> bool {
        let bytes = self.bytes() + HEADER_BYTES + load.first_bytes;
        let fits = self.space.lets_in(self.queued() + 1, bytes)
            || self.waiting() == 0 && !self.is_reserved(spec)
            || self.has_space_to_choose(spec, load.first_bytes);
        if fits {
            let space = load.space(spec.keep);
            self.space.messages -= space.messages;
            self.space.bytes -= space.bytes;
        }
        fits
    }

    pub(super) fn give_back(&mut self, spec: &MailboxSpec, load: Load) {
        let space = load.space(spec.keep);
        self.space.messages += space.messages;
        self.space.bytes += space.bytes;
    }

    /// Whether space is reserved: messages are on their way.
    pub(super) fn is_reserved(&self, spec: &MailboxSpec) -> bool {
        self.space != SpaceLeft::of(spec)
    }

    /// Appends records whether or not there is space.
    pub(super) fn arrive(&mut self, records: &[u8], messages: usize, wakers: &mut Vec<Waker>) {
        match &mut self.order {
            Some(order) if order.decides() => {
                records_of(records).for_each(|record| order.arrive(message_of(record)));
            }
            _ => {
                if !self.spill(records, messages) {
                    self.log.append_run(records, messages);
                }
            }
        }
        self.accepted += messages as u64;
        self.most = self.most.max(self.waiting());
        let (waker, sleeper) = self.wanted_for_arrival();
        wakers.extend(waker.into_iter().chain(sleeper));
    }

    /// Ends the current policy driver. Returns its waker, if it waits.
    pub(super) fn dismiss_driver(&mut self) -> Option<Waker> {
        let order = self.order.as_mut()?;
        order.generation += 1;
        order.state = PolicyState::Ended;
        order.driver.take()
    }
}

/// An instance as a bit among [`MOST_INSTANCES`].
pub(crate) fn bit(instance: usize) -> u64 {
    1 << instance
}

/// Stores the waker of this context.
pub(super) fn remember(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        none => *none = Some(cx.waker().clone()),
    }
}
