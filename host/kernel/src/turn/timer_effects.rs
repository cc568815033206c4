//! Timers, as the current message records them.

use std::time::Duration;

use playhouse_frame::{Metadata, Parts};

use super::Hook;
use super::Turn;
use super::effect::Effect;
use crate::dispatch::routing::entering::check_size;
use crate::words::address::Address;
use crate::words::message::ReplyToken;
use crate::words::overrun::Overrun;
use crate::words::send_error::SendError;

/// Why a timer was not set. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimerError {
    /// Its message could not be sent.
    #[error(transparent)]
    NotSent(#[from] SendError),
    /// The actor has all timers that its limit allows.
    #[error("`{actor}` has all {most} timers that `limits.timers` allows")]
    TooManyTimers {
        /// The actor.
        actor: Address,
        /// The limit.
        most: usize,
    },
}

/// A timer to record: its route, its id, its delay or period, and whether it fires repeatedly.
pub(super) type NewTimer = (usize, u64, Duration, bool);

impl Turn {
    /// Records a timer: it sends to `to` once, `delay` after the commit. `to` may be this actor itself. Returns the timer's
    /// id.
    pub fn tell_after(&mut self, to: &str, body: &[u8], delay: Duration) -> Result<u64, TimerError> {
        self.timer(to, &Metadata::new(), body, delay, false)
    }

    /// As [`Turn::tell_after`], and then again after each `period`.
    pub fn tell_every(&mut self, to: &str, body: &[u8], period: Duration) -> Result<u64, TimerError> {
        self.timer(to, &Metadata::new(), body, period, true)
    }

    /// As [`Turn::tell_after`], with metadata of each message.
    pub fn tell_after_with(
        &mut self,
        to: &str,
        metadata: &Metadata,
        body: &[u8],
        delay: Duration,
    ) -> Result<u64, TimerError> {
        self.timer(to, metadata, body, delay, false)
    }

    /// As [`Turn::tell_every`], with metadata of each message.
    pub fn tell_every_with(
        &mut self,
        to: &str,
        metadata: &Metadata,
        body: &[u8],
        period: Duration,
    ) -> Result<u64, TimerError> {
        self.timer(to, metadata, body, period, true)
    }

    /// Records that a timer is cancelled: one of this incarnation, or of a stored actor any.
    pub fn cancel(&mut self, id: u64) {
        let _ = self.push_effect(Effect::Cancel { id });
    }

    fn timer(
        &mut self,
        to: &str,
        metadata: &Metadata,
        body: &[u8],
        wait: Duration,
        again: bool,
    ) -> Result<u64, TimerError> {
        let own = self.address().resolve(to).is_ok_and(|address| address == *self.address());
        let sender = self.batch.cause().sender;
        let route = if own { self.own_route() } else { self.route(to, sender)? };
        check_size(&self.routes.at(route).target, body)?;
        if let (0, most) = self.timer_capacity() {
            return Err(TimerError::TooManyTimers { actor: self.address().clone(), most });
        }
        self.admit_timer(metadata.as_bytes().len() + body.len()).map_err(SendError::from)?;
        let id = if self.keeps_timers() {
            self.shared.routing.kept_timers.choose_id(self.actor.id)
        } else {
            self.effects.next_timer_id()
        };
        let from = self.outbox.bytes.len();
        self.outbox.bytes.extend_from_slice(metadata.as_bytes());
        self.outbox.bytes.extend_from_slice(body);
        let parts = if metadata.is_empty() { Parts::NONE } else { Parts::METADATA };
        self.push_timer((route, id, wait, again), parts, from, self.outbox.bytes.len());
        Ok(id)
    }

    /// How many more timers may be recorded, and the limit on timers.
    pub(super) fn timer_capacity(&self) -> (usize, usize) {
        let most = self.actor.spec.limits.max_timers;
        (most.saturating_sub(self.effects.timers() + self.kept_timers().0), most)
    }

    /// Whether timers belong to the actor, and not to this incarnation: those of messages, and of hooks that do not run in each
    /// incarnation.
    pub(super) fn keeps_timers(&self) -> bool {
        self.actor.mailbox.is_stored()
    }

    /// The number of the actor's own timers, and the bytes of their messages.
    fn kept_timers(&self) -> (usize, usize) {
        if self.keeps_timers() { self.shared.routing.kept_timers.load(self.actor.id) } else { (0, 0) }
    }

    /// The ids of the next timers in frames are above this one.
    pub(super) fn timer_base(&mut self) -> u64 {
        let effects = &mut self.effects;
        if self.actor.mailbox.is_stored() && effects.last_given + 1 >= effects.given.end {
            effects.given = self.shared.routing.kept_timers.choose_block(self.actor.id);
            effects.last_given = effects.given.start - 1;
        }
        effects.last_given
    }

    /// Checks the limits before a timer with a body of `bytes` bytes is recorded.
    pub(super) fn admit_timer(&mut self, bytes: usize) -> Result<(), Overrun> {
        let timer_bytes = self.effects.timer_bytes() + self.kept_timers().1;
        self.budget.admit_timer(&self.actor.spec, bytes, self.outbox.recorded(), timer_bytes)
    }

    /// Records a timer whose content, optional parts and body, lies in `from..to` of the outbox's bytes.
    pub(super) fn push_timer(&mut self, (route, id, wait, again): NewTimer, parts: Parts, from: usize, to: usize) {
        let envelope = self.caused_envelope(ReplyToken::NONE, parts);
        self.outbox.push_effect(from, to);
        // A timer that `init` sets is set again in the next incarnation.
        let kept = self.keeps_timers() && !self.batch.hook().is_some_and(Hook::comes_back);
        self.effects.push(Effect::Timer { route, id, wait, again, bytes: to - from, envelope, kept });
    }
}
