//! Sends and asks of the current message.

use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use playhouse_frame::{Metadata, Parts};
use tokio::time::Instant;

use super::Turn;
use crate::actor::Actor;
use crate::actor::host_wait::{held_up, passed_on};
use crate::actor::host_waits::Obstacle;
use crate::dispatch::ask::AskEndpoint;
use crate::dispatch::open_question::{OpenQuestion, digest_of};
use crate::dispatch::routing::entering::check_size;
use crate::words::message::{ActorId, MessageId, Payload, QuestionParts, Reply, ReplyToken};
use crate::words::send_error::{Answer, AskError, SendError};

impl Turn {
    /// Records a send of the current message. `to` is absolute, or relative to this actor.
    pub fn tell(&mut self, to: &str, body: &[u8]) -> Result<(), SendError> {
        self.tell_payload(to, Payload::plain(body))
    }

    /// As [`Turn::tell`], with metadata.
    pub fn tell_with(&mut self, to: &str, metadata: &Metadata, body: &[u8]) -> Result<(), SendError> {
        self.tell_payload(to, Payload { parts: metadata.as_bytes(), body })
    }

    #[inline]
    fn tell_payload(&mut self, to: &str, payload: Payload<'_>) -> Result<(), SendError> {
        let sender = self.batch.cause().sender;
        let route = self.route(to, sender)?;
        check_size(&self.routes.at(route).target, payload.body)?;
        self.admit(payload.len())?;
        self.send(route, payload);
        Ok(())
    }

    /// Records a send on a route that was checked.
    #[inline]
    pub(super) fn send(&mut self, route: usize, payload: Payload<'_>) {
        // A send has no other optional part.
        let parts = if payload.parts.is_empty() { Parts::NONE } else { Parts::METADATA };
        let envelope = self.caused_envelope(ReplyToken::NONE, parts);
        let bytes = &mut self.outbox.bytes;
        let from = bytes.len();
        bytes.extend_from_slice(&envelope.encode(payload.len()));
        if parts != Parts::NONE {
            bytes.extend_from_slice(payload.parts);
        }
        bytes.extend_from_slice(payload.body);
        let to = bytes.len();
        self.outbox.push_send(route, from, to);
    }

    /// Commits the finished messages, sends at once, and waits for the reply. `timeout` bounds all of it.
    pub fn ask<'a>(
        &'a mut self,
        to: &'a str,
        body: &'a [u8],
        timeout: Duration,
    ) -> impl Future<Output = Answer> + Send + 'a {
        self.ask_with(to, const { &Metadata::new() }, body, timeout).map(|answer| answer.map(|reply| reply.body))
    }

    /// As [`Turn::ask`], with metadata of the question and of the reply.
    pub async fn ask_with(
        &mut self,
        to: &str,
        metadata: &Metadata,
        body: &[u8],
        timeout: Duration,
    ) -> Result<Reply, AskError> {
        let sender = self.batch.cause().sender;
        let route = self.route(to, sender).map_err(|error| self.ask_refused(error))?;
        let target = self.routes.at(route).target.clone();
        // Pinned until it has the question: then it stays in memory for that.
        let began = Instant::now();
        let deadline = began + timeout;
        let mut pinned = None;
        if target.member().is_some() {
            let found = Box::pin(self.pinned_for_ask(route, &target));
            let found = tokio::time::timeout_at(deadline, found).await.map_err(|_| AskError::Timeout)?;
            pinned = Some(found.map_err(|error| self.ask_refused(error))?);
        }
        let target = pinned.as_deref().unwrap_or(&target).clone();
        check_size(&target, body).map_err(|error| self.ask_refused(error))?;
        self.within_limits().map_err(|overrun| self.ask_refused(overrun))?;
        let message = self.current();
        if self.effects.children.all().iter().any(|child| child.route == route && child.message == message) {
            // The child starts only after the commit of the message that would wait for it.
            return Err(self.ask_refused(SendError::UnknownAddress(target.address().clone())));
        }
        let (shared, instance) = (self.shared.clone(), self.instance.clone());
        // The commit may have to wait for space. An ask that is sure to end in a deadlock is refused before it.
        let has_answer = |token| self.batch.finished().any(|index| self.batch.messages.reply(index) == token);
        let (asker, index) = (AskEndpoint::of(&self.actor), self.instance.index);
        let checked = shared.routing.asks.check(asker, index, AskEndpoint::of(&target), has_answer);
        checked.map_err(|error| shared.routing.ask_counts.refused(error))?;
        // While it waits, other members of its family may have its slot.
        let _lent = self.actor.member().map(|member| member.family.slots.lend());
        let waits_for_disk = self.actor.mailbox.is_stored() && target.is_edge();
        let asked = async {
            // If the time is over in here, the next commit goes on.
            let committed = async {
                self.commit().await;
                !waits_for_disk || held_up(&instance, Obstacle::Disk, shared.routing.all_durable()).await
            };
            match tokio::time::timeout_at(deadline, committed).await {
                Ok(true) => {}
                Ok(false) => return Err(AskError::Stopped),
                Err(_) => return Err(AskError::Timeout),
            }
            let mut ask = shared.routing.asks.open(target.id, deadline);
            target.check_back_by(deadline)?;
            // After the commit: an asker that it answered does not wait any more.
            let (endpoint, index) = (AskEndpoint::of(&self.actor), self.instance.index);
            let question = (ask.token(), began);
            let _waiting = shared.routing.asks.wait_for(endpoint, index, AskEndpoint::of(&target), question)?;
            let mut before = QuestionParts::new(shared.time_of(deadline));
            let (parts, before) = before.with(metadata);
            let envelope = self.caused_envelope(ask.token(), parts);
            let payload = Payload { parts: before, body };
            if let Some(question) = self.repeatable_question(&target, envelope.id, metadata, body) {
                let kept = tokio::time::timeout_at(deadline, shared.routing.kept_answer(&question));
                if let Some(answer) = kept.await.unwrap_or(Some(Err(AskError::Timeout))) {
                    return answer;
                }
                shared.routing.asks.note_question(ask.token(), question);
            }
            let delivery = pin!(shared.routing.deliver_question(&target, &envelope, &payload, deadline));
            passed_on(&instance, &target, ask.answer_to(&shared.runtime, delivery)).await
        };
        let answer = asked.await;
        let answer = shared.explained(target.address(), answer).await;
        shared.routing.ask_counts.count(answer.as_ref().err(), deadline, timeout);
        answer
    }

    /// The question of the current message, if its turn may come again and ask the same: the turn and the receiver are stored.
    fn repeatable_question(
        &self,
        target: &Actor,
        id: MessageId,
        metadata: &Metadata,
        body: &[u8],
    ) -> Option<OpenQuestion> {
        if !self.actor.mailbox.is_stored() || !target.mailbox.is_stored() {
            return None;
        }
        let index = self.current()?;
        let (number, asked) = (self.batch.messages.sequence(index), self.batch.messages.reply(index));
        let (root, above) = match number {
            0 if asked.is_ask() => (self.shared.routing.asks.question(asked)?.root, asked),
            0 => return None,
            number => ((self.actor.id, number), ReplyToken::NONE),
        };
        let cause = self.batch.messages.envelope(index).id;
        let digest = digest_of(target.address(), &Payload { parts: metadata.as_bytes(), body });
        Some(OpenQuestion { root, above, cause, id, digest })
    }

    /// Counts an ask that was not sent.
    fn ask_refused(&self, error: impl Into<SendError>) -> AskError {
        self.shared.routing.ask_counts.refused(error.into().into())
    }

    /// The route to `to`, resolved once. The grant is checked before the existence of the actor. `sender`: the sender of the
    /// message that sends.
    pub(super) fn route(&mut self, to: &str, sender: ActorId) -> Result<usize, SendError> {
        if let Some(route) = self.routes.used(to) {
            return Ok(route);
        }
        let from = self.address();
        let address = from.resolve(to)?;
        let lasting = address.is_below(from) || self.actor.spec.grants.is_granted(&address);
        if !lasting && self.address_of(sender).as_ref() != Some(&address) {
            return Err(SendError::NotGranted { from: from.clone(), to: address });
        }
        if let Some(route) = self.effects.children.at(&address, &self.routes) {
            return Ok(route);
        }
        let registry = &self.shared.routing.registry;
        let target = match registry.get(&address) {
            Some(target) => target,
            None => match self.routes.stand_in(to) {
                Some(route) => return Ok(route),
                None => self.shared.stand_in(address)?,
            },
        };
        Ok(self.routes.add_named(to, target, lasting, registry))
    }

    /// The route to this actor itself.
    pub(super) fn own_route(&mut self) -> usize {
        let granted = self.actor.spec.grants.is_granted(self.address());
        self.routes.add(self.actor.clone(), granted)
    }
}
