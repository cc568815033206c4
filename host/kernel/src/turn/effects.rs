//! Effects of a message other than sends: children that start and stop, timers, watches. They are recorded among its sends
//! and committed in their order.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

use super::effect::{ChildChange, Effect};
use super::reservations::Reservations;
use crate::dispatch::timers::Timers;
use crate::journal::entry::FIRST_CHOSEN_TIMER;
use crate::words::message::kept_number;

/// The effects that are recorded and not yet committed, and the timers and watches that are set.
#[derive(Default)]
pub(super) struct Effects {
    /// One for each place of an effect in the outbox, in the same order.
    queue: VecDeque<Effect>,
    pub(super) children: Reservations,
    /// The watches of this incarnation, and those in the queue.
    watches: BTreeSet<u64>,
    last_watch: u64,
    /// Number of timers in the queue, and bytes of their messages.
    timers: usize,
    timer_bytes: usize,
    /// The last id of each kind: given by the code, and chosen by the kernel.
    pub(super) last_given: u64,
    last_chosen: u64,
    /// The ids that the code may give to the timers of a stored actor: empty until it asks for some.
    pub(super) given: Range<u64>,
    pub(super) set: Option<Timers>,
    /// The incarnation is at its end: no more timers are set.
    ended: bool,
}

impl Effects {
    /// Adds an effect of the current message, whose place the outbox has.
    pub(super) fn push(&mut self, effect: Effect) {
        if let Effect::Timer { bytes, .. } = effect {
            self.timers += 1;
            self.timer_bytes += bytes;
        }
        self.queue.push_back(effect);
    }

    /// The next effect of a commit.
    pub(super) fn pop(&mut self) -> Effect {
        let effect = self.queue.pop_front().expect("there is one for each place in the outbox");
        if let Effect::Timer { bytes, .. } = effect {
            self.timers -= 1;
            self.timer_bytes -= bytes;
        }
        effect
    }

    /// Whether any effect is recorded.
    pub(super) fn has_recorded(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The routes of the children that the next `count` effects start and stop.
    pub(super) fn child_changes(&self, count: usize) -> impl Iterator<Item = ChildChange> {
        self.queue.iter().take(count).filter_map(|effect| match effect {
            Effect::Spawn { route } => Some(ChildChange::Spawn(*route)),
            Effect::Stop { route } => Some(ChildChange::Stop(*route)),
            _ => None,
        })
    }

    /// The next `count` effects.
    pub(super) fn next(&self, count: usize) -> impl Iterator<Item = &Effect> {
        self.queue.iter().take(count)
    }

    /// Takes the timers that belong to the actor and the cancellations out of the next `count` effects. There is one result for each of these effects; none
    /// for one that stays.
    pub(super) fn take_timers(&mut self, count: usize) -> Vec<Option<Effect>> {
        let mut taken = Vec::with_capacity(count);
        let later = self.queue.split_off(count);
        for effect in std::mem::take(&mut self.queue) {
            match effect {
                Effect::Timer { bytes, kept: true, .. } => {
                    self.timers -= 1;
                    self.timer_bytes -= bytes;
                    taken.push(Some(effect));
                }
                Effect::Cancel { .. } => taken.push(Some(effect)),
                other => {
                    self.queue.push_back(other);
                    taken.push(None);
                }
            }
        }
        self.queue.extend(later);
        taken
    }

    /// Bytes of the messages of timers in the queue.
    pub(super) fn recorded_timer_bytes(&self) -> usize {
        self.timer_bytes
    }

    /// Drops the last `count` effects and the reservations, all of them made by `message`, or by a hook.
    pub(super) fn drop_current(&mut self, count: usize, message: Option<usize>) {
        self.drop_last(count);
        self.children.drop_of(message);
    }

    #[inline]
    fn drop_last(&mut self, count: usize) {
        if count > 0 {
            self.drop_some(count);
        }
    }

    #[cold]
    fn drop_some(&mut self, count: usize) {
        for effect in self.queue.drain(self.queue.len() - count..) {
            match effect {
                Effect::Timer { bytes, .. } => {
                    self.timers -= 1;
                    self.timer_bytes -= bytes;
                }
                Effect::Watch { id, .. } => drop(self.watches.remove(&id)),
                _ => {}
            }
        }
    }

    /// Drops all effects that are not committed.
    pub(super) fn clear(&mut self) {
        self.drop_last(self.queue.len());
        self.children.clear();
    }

    /// Whether a stop of a route for which `is_it` holds is recorded.
    pub(super) fn stops(&self, is_it: impl Fn(usize) -> bool) -> bool {
        self.queue.iter().any(|effect| matches!(effect, Effect::Stop { route } if is_it(*route)))
    }
}

/// Timers and watches.
impl Effects {
    pub(super) fn next_timer_id(&mut self) -> u64 {
        self.last_chosen += 1;
        kept_number(FIRST_CHOSEN_TIMER + self.last_chosen - 1)
    }

    /// Number of timers, including those that are not set yet.
    pub(super) fn timers(&self) -> usize {
        self.timers + self.set.as_ref().map_or(0, Timers::len)
    }

    /// Bytes of the messages of the timers, including those that are not set yet.
    pub(super) fn timer_bytes(&self) -> usize {
        self.timer_bytes + self.set.as_ref().map_or(0, Timers::bytes)
    }

    /// Whether timers are still set: not at the end of an incarnation.
    pub(super) fn sets_timers(&self) -> bool {
        !self.ended
    }

    /// Ends all timers: the incarnation is at its end, and no timer fires or is set.
    pub(super) fn end_timers(&mut self) {
        self.ended = true;
        self.set = None;
    }

    pub(super) fn watches(&self) -> usize {
        self.watches.len()
    }

    pub(super) fn next_watch_id(&self) -> u64 {
        kept_number(self.last_watch + 1)
    }

    /// Adds a recorded watch. `kept`: it belongs to the actor as soon as it is committed.
    pub(super) fn add_watch(&mut self, id: u64, kept: bool) {
        if !kept {
            self.last_watch = id;
        }
        self.watches.insert(id);
    }

    pub(super) fn end_watch(&mut self, id: u64) {
        self.watches.remove(&id);
    }

    /// Whether a timer that is set, or a watch, depends on the incarnation.
    pub(super) fn keep_alive(&self) -> bool {
        self.set.as_ref().is_some_and(|set| set.len() > 0) || !self.watches.is_empty()
    }
}
