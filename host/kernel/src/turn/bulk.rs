//! The turn in bulk, for code that takes a whole batch as one run of bytes and answers with another: nothing is copied or
//! allocated per message. This file knows only the format of the mailbox.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use playhouse_frame::{HEADER_BYTES, Pairs, Parts};

use super::Turn;
use super::batch::NO_CAUSE;
use super::bulk_error::BulkError;
use super::effect::Effect;
use super::measurements::Amount;
use super::spawn::{SpawnError, StopError};
use crate::actor::state_error::StateError;
use crate::actor::template::Config;
use crate::journal::entry::FIRST_CHOSEN_TIMER;
use crate::words::address::Address;
use crate::words::message::{Reply, ReplyToken};
use crate::words::outcome::{Failure, Outcome};
use crate::words::overrun::Overrun;
use crate::words::send_error::SendError;

/// A target of sends, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// The number that stands for the address during the incarnation; restarts of the target do not change it.
    pub route: u32,
    /// The largest body that the target takes.
    pub limit_bytes: usize,
    /// Whether any message may use it. Otherwise only a message that the target sent, or that spawned the target; a timer may
    /// also use this actor's own route.
    pub lasting: bool,
}

impl Turn {
    /// The interface for code that handles all messages of the turn in one call.
    pub fn bulk(&mut self) -> BulkTurn<'_> {
        BulkTurn(self)
    }
}

/// The turn of code that takes all messages as one run of bytes, and answers with another.
pub struct BulkTurn<'a>(&'a mut Turn);

impl BulkTurn<'_> {
    /// All messages of the turn as they lie in the mailbox, in the records of [`playhouse_frame`], with `end` after them.
    /// They stay in the turn. The bytes do not show which message an asker waits for.
    ///
    /// # Panics
    /// When it is called again for the same messages.
    pub fn flat(&mut self, end: &[u8]) -> Arc<Vec<u8>> {
        let messages = &mut self.0.batch.messages;
        self.0.instance.set_in_call(messages.len());
        messages.lend(end)
    }

    /// Whether the messages of the turn may contain a notice.
    pub fn has_notices(&self) -> bool {
        self.0.batch.has_notices()
    }

    /// The sender of one message of the turn; none from the outside or when the sender is gone.
    pub fn sender_of(&self, message: usize) -> Option<Address> {
        let messages = &self.0.batch.messages;
        (message < messages.len()).then(|| self.0.address_of(messages.envelope(message).sender))?
    }

    /// The route to `to`, which is absolute or relative to this actor, as the message with the index `message` may use it.
    pub fn resolve(&mut self, to: &str, message: usize) -> Result<Resolved, SendError> {
        let messages = &self.0.batch.messages;
        let sender = if message < messages.len() { messages.envelope(message).sender } else { NO_CAUSE.sender };
        let index = self.0.route(to, sender)?;
        Ok(self.resolved(index))
    }

    /// The route to this actor itself, for timers.
    pub fn resolve_own(&mut self) -> Resolved {
        let index = self.0.own_route();
        self.resolved(index)
    }

    fn resolved(&self, index: usize) -> Resolved {
        let route = self.0.routes.at(index);
        Resolved { route: number(index), limit_bytes: route.target.spec.limits.message_bytes, lasting: route.lasting }
    }

    /// Whether most of the routes lead to actors that are gone. An actor that spawns a child for each piece of work would
    /// keep a route for each of them; then it is time for [`BulkTurn::give_up_routes`]. Cheap before each batch.
    pub fn has_stale_routes(&mut self) -> bool {
        self.0.routes.are_stale()
    }

    /// Forgets all routes: numbers that were given out before become invalid. Call this before any message of the turn is
    /// handled.
    ///
    /// # Panics
    /// When something is recorded already.
    pub fn give_up_routes(&mut self) {
        assert!(self.0.outbox.is_empty() && self.0.effects.children.all().is_empty(), "routes are in use");
        self.0.routes.clear();
    }

    /// Takes the name for a child of one message of the turn, which records the spawn by [`Bulk::spawn`]. Returns the number
    /// of its route.
    pub fn reserve(&mut self, name: &str, plugin: &str, config: Config, message: usize) -> Result<u32, SpawnError> {
        self.0.reserve_for(name, plugin, config, Some(message)).map(number)
    }

    /// The number of a spawned child for [`Bulk::stop`].
    pub fn find_child(&mut self, child: &str) -> Result<u32, StopError> {
        self.0.child_route(child).map(number)
    }

    /// The time until the asker of one message of the turn stops waiting; none when no asker waits.
    pub fn time_left_of(&self, message: usize) -> Option<Duration> {
        (message < self.0.len()).then(|| self.0.time_left_of(message))?
    }

    /// How many more timers may be recorded, and the limit on timers.
    pub fn timer_capacity(&self) -> (usize, usize) {
        let (left, most) = self.0.timer_capacity();
        let effects = &self.0.effects;
        let ids = effects.given.end.saturating_sub(effects.last_given + 1);
        let has_ids = self.0.keeps_timers() && !effects.given.is_empty();
        (if has_ids { left.min(usize::try_from(ids).unwrap_or(usize::MAX)) } else { left }, most)
    }

    /// The ids of the next timers in frames are above this number. A stored actor gets no id again, also after a restart.
    pub fn timer_base(&mut self) -> u64 {
        self.0.timer_base()
    }

    /// Sends and other effects that are recorded and not yet committed.
    pub fn recorded(&self) -> usize {
        self.0.outbox.recorded()
    }

    /// Records the operations that `read` finds in `bytes`. The bytes are kept: sends lie in them as they will lie in
    /// mailboxes. After an error the incarnation has to end as a crash.
    pub fn record<E: From<Overrun>>(
        &mut self,
        bytes: Vec<u8>,
        read: impl FnOnce(&mut Bulk<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let turn = &mut *self.0;
        let base = turn.outbox.bytes.len();
        if base > 0 {
            turn.budget.admit_frames(&turn.actor.spec, base + bytes.len())?;
        }
        if base == 0 {
            turn.outbox.bytes = bytes;
        } else {
            turn.outbox.bytes.extend_from_slice(&bytes);
        }
        read(&mut Bulk { turn, base, last: None })
    }
}

/// The number of a route for code outside the kernel.
fn number(route: usize) -> u32 {
    u32::try_from(route).expect("there are fewer actors than that")
}

/// Records the effects of messages one after another, from the current message on.
pub struct Bulk<'a> {
    turn: &'a mut Turn,
    /// The place in the turn's bytes where the given bytes begin.
    base: usize,
    /// The route that was used last, if any message may send there; and its limit.
    last: Option<(u32, usize)>,
}

impl Bulk<'_> {
    /// The given bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.turn.outbox.bytes[self.base..]
    }

    /// Records a send of the current message. `body`: its range in the given bytes. The [`playhouse_frame::HEADER_BYTES`]
    /// before it are space for its header.
    ///
    /// # Panics
    /// When there is no such space.
    #[inline]
    pub fn tell(&mut self, route: u32, body: Range<usize>) -> Result<(), BulkError> {
        self.check_current()?;
        let index = route as usize;
        let (bytes, limit_bytes) = (
            body.len(),
            match self.last {
                Some((last, limit_bytes)) if last == route => limit_bytes,
                _ => self.turn_to(route)?,
            },
        );
        if bytes > limit_bytes {
            return Err(BulkError::TooLarge { route, bytes, limit_bytes });
        }
        self.turn.admit(bytes)?;
        let envelope = self.turn.caused_envelope(ReplyToken::NONE, Parts::NONE);
        let (from, to) = (self.base + body.start - HEADER_BYTES, self.base + body.end);
        self.turn.outbox.bytes[from..from + HEADER_BYTES].copy_from_slice(&envelope.encode(bytes));
        self.turn.outbox.push_send(index, from, to);
        Ok(())
    }

    /// As [`Bulk::tell`], with metadata. `content`: the range of metadata and body, of which the metadata have
    /// `metadata_bytes` bytes, and were checked.
    ///
    /// # Panics
    /// When there is no space for the header.
    pub fn tell_with(&mut self, route: u32, metadata_bytes: u16, content: Range<usize>) -> Result<(), BulkError> {
        self.check_current()?;
        let limit_bytes = self.turn_to(route)?;
        let bytes = content.len() - usize::from(metadata_bytes);
        if bytes > limit_bytes {
            return Err(BulkError::TooLarge { route, bytes, limit_bytes });
        }
        self.turn.admit(content.len())?;
        let envelope = self.turn.caused_envelope(ReplyToken::NONE, Parts::METADATA);
        let (from, to) = (self.base + content.start - HEADER_BYTES, self.base + content.end);
        self.turn.outbox.bytes[from..from + HEADER_BYTES].copy_from_slice(&envelope.encode(content.len()));
        self.turn.outbox.push_send(route as usize, from, to);
        Ok(())
    }

    /// Checks that the current message may send there; returns the largest body.
    fn turn_to(&mut self, route: u32) -> Result<usize, BulkError> {
        let index = route as usize;
        let sender = self.turn.batch.cause().sender;
        let known = self.turn.routes.get(index).ok_or(BulkError::UnknownRoute { route })?;
        if !known.lasting && known.target.id != sender && !self.turn.effects.children.will_spawn(index) {
            return Err(BulkError::NotTheSender { route });
        }
        let limit_bytes = known.target.spec.limits.message_bytes;
        if known.lasting {
            self.last = Some((route, limit_bytes));
        }
        Ok(limit_bytes)
    }

    /// Records that a child starts. [`BulkTurn::reserve`] gave this number for the current message.
    pub fn spawn(&mut self, route: u32) -> Result<(), BulkError> {
        self.check_current()?;
        if self.turn.record_spawn(route as usize)? { Ok(()) } else { Err(BulkError::NotReserved { route }) }
    }

    /// Records that a child which this actor spawned stops.
    pub fn stop(&mut self, route: u32) -> Result<(), BulkError> {
        self.check_current()?;
        let index = route as usize;
        let child = &self.turn.routes.get(index).ok_or(BulkError::UnknownRoute { route })?.target;
        if !self.turn.has_spawned(child) || child.is_reserved() && !self.turn.effects.children.will_spawn(index) {
            return Err(BulkError::NotSpawned { route });
        }
        Ok(self.turn.push_effect(Effect::Stop { route: index })?)
    }

    /// Records a timer; `again`: it fires repeatedly. `content`: the range of its metadata and its body in the given bytes;
    /// the metadata have `metadata_bytes` bytes, and were checked.
    pub fn timer(
        &mut self,
        id: u64,
        route: u32,
        wait: Duration,
        again: bool,
        metadata_bytes: u16,
        content: Range<usize>,
    ) -> Result<(), BulkError> {
        self.check_current()?;
        let index = route as usize;
        let sender = self.turn.batch.cause().sender;
        let known = self.turn.routes.get(index).ok_or(BulkError::UnknownRoute { route })?;
        let own = known.target.id == self.turn.actor.id;
        if !known.lasting && !own && known.target.id != sender && !self.turn.effects.children.will_spawn(index) {
            return Err(BulkError::NotTheSender { route });
        }
        let (bytes, limit_bytes) =
            (content.len() - usize::from(metadata_bytes), known.target.spec.limits.message_bytes);
        if bytes > limit_bytes {
            return Err(BulkError::TooLarge { route, bytes, limit_bytes });
        }
        if self.turn.keeps_timers() && self.turn.effects.given.is_empty() {
            // Code that does not know of the ids in earlier runs.
            self.turn.timer_base();
        }
        let effects = &self.turn.effects;
        let end = if self.turn.keeps_timers() { effects.given.end } else { FIRST_CHOSEN_TIMER };
        if id <= effects.last_given || id >= end {
            return Err(BulkError::TimerId { id });
        }
        if let (0, most) = self.turn.timer_capacity() {
            return Err(BulkError::TooManyTimers { most });
        }
        self.turn.effects.last_given = id;
        self.turn.admit_timer(content.len())?;
        let parts = if metadata_bytes == 0 { Parts::NONE } else { Parts::METADATA };
        self.turn.push_timer((index, id, wait, again), parts, self.base + content.start, self.base + content.end);
        Ok(())
    }

    /// Records that a timer is cancelled; an unknown id has no effect.
    pub fn cancel(&mut self, id: u64) -> Result<(), BulkError> {
        self.check_current()?;
        Ok(self.turn.push_effect(Effect::Cancel { id })?)
    }

    /// Records that the current message adds to a metric of the actor's own.
    pub fn count(&mut self, metric: u32, by: u64) -> Result<(), BulkError> {
        self.measure(metric, Amount::Count(by))
    }

    /// Records that the current message observed a value of a metric of the actor's own.
    pub fn observe(&mut self, metric: u32, value: f64) -> Result<(), BulkError> {
        self.measure(metric, Amount::Observed(value))
    }

    /// Records that the current message gives a key of the actor's keyed state a value. `content`: the range of key and value, of
    /// which the key has `key_bytes` bytes, and was checked to be UTF-8.
    pub fn set_state(&mut self, key_bytes: u16, content: Range<usize>) -> Result<(), BulkError> {
        self.set_state_with(key_bytes, content, None)
    }

    /// As [`Bulk::set_state`], and the value goes when it was not set again for this time: see [`Turn::set_state_for`].
    pub fn set_state_for(
        &mut self,
        key_bytes: u16,
        content: Range<usize>,
        lifetime: Duration,
    ) -> Result<(), BulkError> {
        self.set_state_with(key_bytes, content, Some(lifetime))
    }

    fn set_state_with(
        &mut self,
        key_bytes: u16,
        content: Range<usize>,
        lifetime: Option<Duration>,
    ) -> Result<(), BulkError> {
        self.check_current()?;
        let value = self.base + content.start + usize::from(key_bytes);
        let (key, value) = (self.base + content.start..value, value..self.base + content.end);
        let bytes = std::mem::take(&mut self.turn.outbox.bytes);
        let set =
            key_of(&bytes, key).and_then(|key| state_result(self.turn.try_set_state(key, &bytes[value], lifetime)));
        self.turn.outbox.bytes = bytes;
        set
    }

    /// Records that the current message removes a key of the actor's keyed state. `key`: its range, which was checked to be UTF-8.
    pub fn delete_state(&mut self, key: Range<usize>) -> Result<(), BulkError> {
        self.check_current()?;
        let bytes = std::mem::take(&mut self.turn.outbox.bytes);
        let key = key_of(&bytes, self.base + key.start..self.base + key.end);
        let deleted = key.and_then(|key| state_result(self.turn.delete_state(key)));
        self.turn.outbox.bytes = bytes;
        deleted
    }

    fn measure(&mut self, metric: u32, amount: Amount) -> Result<(), BulkError> {
        self.check_current()?;
        if metric as usize >= self.turn.actor.spec.metrics.all().len() {
            return Err(BulkError::UnknownMetric { metric });
        }
        if !amount.is_good() {
            return Err(BulkError::BadValue { metric });
        }
        Ok(self.turn.record_measurement(metric, amount)?)
    }

    /// Ends `messages` messages, from the current one on, without a reply.
    pub fn done(&mut self, messages: usize) -> Result<(), BulkError> {
        let Some(first) = self.turn.current() else { return Err(BulkError::NoMessage) };
        if messages > self.turn.len() - first {
            return Err(BulkError::NoMessage);
        }
        self.turn.push_done(messages);
        Ok(())
    }

    /// Ends the current message. `reply`: its range in the given bytes. A reply that no asker waits for is not copied.
    pub fn replied(&mut self, reply: Range<usize>) -> Result<(), BulkError> {
        self.check_current()?;
        if let Err(failure) = self.turn.check_reply(&self.bytes()[reply.clone()]) {
            self.turn.check_state_of_refused()?;
            return self.failed(failure);
        }
        let reply = self.is_asked().then(|| self.bytes()[reply].to_vec());
        self.turn.push_outcome(Outcome::Done(reply));
        Ok(())
    }

    /// As [`Bulk::replied`], with metadata. `content`: the range of metadata and body, of which the metadata have
    /// `metadata_bytes` bytes, and were checked.
    pub fn replied_with(&mut self, metadata_bytes: u16, content: Range<usize>) -> Result<(), BulkError> {
        self.check_current()?;
        let (metadata, body) = self.bytes()[content].split_at(metadata_bytes.into());
        if let Err(failure) = self.turn.check_reply(body) {
            self.turn.check_state_of_refused()?;
            return self.failed(failure);
        }
        if !self.is_asked() {
            self.turn.push_outcome(Outcome::Done(None));
            return Ok(());
        }
        let (pairs, _) = Pairs::read(metadata).expect("the caller checked them");
        let reply = Reply { body: body.to_vec(), metadata: pairs.into() };
        self.turn.push_outcome(Outcome::DoneWith(Box::new(reply)));
        Ok(())
    }

    /// Whether an asker waits for the reply to the current message.
    fn is_asked(&self) -> bool {
        self.turn.current().is_some_and(|index| self.turn.batch.messages.reply(index).is_ask())
    }

    /// Fails the current message; its sends are dropped.
    pub fn failed(&mut self, failure: Failure) -> Result<(), BulkError> {
        self.check_current()?;
        self.turn.drop_current();
        self.turn.push_outcome(Outcome::Failed(failure));
        Ok(())
    }

    /// Whether the current message recorded a send or another effect, metrics included.
    pub fn has_uncommitted_sends(&self) -> bool {
        let maker = self.turn.state_maker();
        let changes_state = self.turn.state.as_ref().is_some_and(|state| state.has_of(maker));
        self.turn.outbox.has_current() || self.turn.measurements.has_current() || changes_state
    }

    fn check_current(&self) -> Result<(), BulkError> {
        self.turn.current().map(drop).ok_or(BulkError::NoMessage)
    }
}

/// The key in this range.
fn key_of(bytes: &[u8], at: Range<usize>) -> Result<&str, BulkError> {
    std::str::from_utf8(&bytes[at]).map_err(|_| BulkError::State)
}

/// The guest asks for the bounds of the state before it records a change, so that any refusal is its mistake.
fn state_result(recorded: Result<(), StateError>) -> Result<(), BulkError> {
    recorded.map_err(|error| match error {
        StateError::Overrun(overrun) => overrun.into(),
        _ => BulkError::State,
    })
}
