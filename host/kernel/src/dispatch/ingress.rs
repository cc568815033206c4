//! Messages that no turn sends: those of callers outside, and those that a gateway takes in from the world.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use playhouse_frame::{Metadata, Parts};
use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::dispatch::Shared;
use crate::words::address::Address;
use crate::words::clock::later;
use crate::words::message::{ActorId, Envelope, FlowId, MessageId, Payload, QuestionParts, Reply, ReplyToken};
use crate::words::send_error::{AskError, FullAnswer, SendError};

/// Sends messages into the play outside of any turn. A native actor gets one for itself from
/// [`NativeContext::ingress`](crate::NativeContext::ingress): its messages have the actor as their sender. Each message passes
/// the memory gate, and waits for space in the mailbox in the caller's task.
pub struct Ingress {
    shared: Arc<Shared>,
    sender: ActorId,
    /// The id that causes all its messages, and their number: both make their ids.
    cause: MessageId,
    count: AtomicU64,
}

/// A message on its way in.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Its id: from [`Ingress::next_id`], or one that the sender derives from a position in a queue.
    pub id: MessageId,
    /// Its flow: [`MessageId::flow`] of its id, or that of a trace outside. Never 0.
    pub flow: FlowId,
    /// Failed attempts elsewhere, which count as attempts here.
    pub failures: u32,
    /// The pairs beside the body.
    pub metadata: &'a Metadata,
    /// The body.
    pub body: &'a [u8],
}

/// Tells when a message has ended. Dropping it changes nothing for the message.
#[derive(Debug)]
pub struct Receipt {
    receiver: oneshot::Receiver<FullAnswer>,
}

impl Receipt {
    /// Waits until the turn that handled the message has committed. `Err`: it is a dead letter; the error says why, in the words
    /// of an ask. [`AskError::Stopped`] also stands for a play that is over.
    pub async fn ended(self) -> Result<(), AskError> {
        match self.receiver.await {
            Ok(Ok(_) | Err(AskError::NoReply)) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(AskError::Stopped),
        }
    }
}

impl Ingress {
    /// The messages of `sender`, whose ids are caused by `cause`.
    pub(crate) fn new(shared: Arc<Shared>, sender: ActorId, cause: MessageId) -> Self {
        Self { shared, sender, cause, count: AtomicU64::new(0) }
    }

    /// A new id. No two messages have the same, also of two starts of a host.
    #[inline]
    pub fn next_id(&self) -> MessageId {
        self.cause.caused(self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends a message. Returns when it is in the mailbox, and durable if the mailbox is stored; with `overflow = "block"` it waits for space, at most `patience`.
    pub async fn tell(&self, to: &Address, message: &Incoming<'_>, patience: Duration) -> Result<(), SendError> {
        let target = self.target(to)?;
        self.deliver(&target, message, ReplyToken::NONE, patience).await
    }

    /// As [`Ingress::tell`], with a receipt that tells when the message has ended.
    pub async fn tell_with_receipt(
        &self,
        to: &Address,
        message: &Incoming<'_>,
        patience: Duration,
    ) -> Result<Receipt, SendError> {
        let target = self.target(to)?;
        let (token, receiver) = self.shared.routing.asks.open_receipt(target.id);
        let delivered = self.deliver(&target, message, token, patience).await;
        if let Err(error) = delivered {
            self.shared.routing.asks.close(token);
            return Err(error);
        }
        Ok(Receipt { receiver })
    }

    /// Sends a message and waits for the reply, at most `timeout`.
    pub async fn ask(&self, to: &Address, message: &Incoming<'_>, timeout: Duration) -> Result<Reply, AskError> {
        let routing = &self.shared.routing;
        let refused = |error: SendError| routing.ask_counts.refused(error.into());
        let target = self.target(to).map_err(refused)?;
        let deadline = later(timeout);
        let mut ask = routing.asks.open(target.id, deadline);
        target.check_back_by(deadline).map_err(|error| routing.ask_counts.refused(error))?;
        let mut before = QuestionParts::new(self.shared.time_of(deadline));
        let (parts, before) = before.with(message.metadata);
        let envelope = self.envelope(message, ask.token(), parts);
        let payload = Payload { parts: before, body: message.body };
        // Pinned in place: the futures are large, and each move would copy them.
        let delivery = pin!(routing.deliver_one(&target, &envelope, &payload, deadline));
        let answered = pin!(ask.answer_to(delivery));
        let answer = tokio::time::timeout_at(deadline, answered).await.unwrap_or(Err(AskError::Timeout));
        let answer = self.shared.explained(to, answer).await;
        routing.ask_counts.count(answer.as_ref().err(), deadline, timeout);
        answer
    }

    /// The number of messages for which the mailbox of an actor has space; 0 when there is no such actor.
    pub fn space(&self, to: &Address) -> usize {
        let actor = self.shared.routing.registry.get(to);
        actor.map_or(0, |actor| actor.mailbox.spec().capacity.saturating_sub(actor.waiting()))
    }

    /// The largest body that an actor accepts, in bytes, and its attempts at one message; none when there is no such actor.
    pub fn receiver_limits(&self, to: &Address) -> Option<(usize, u32)> {
        let actor = self.shared.routing.registry.get(to)?;
        Some((actor.spec.limits.message_bytes, actor.spec.restart.attempts))
    }

    /// The actor that a message is for, when messages from outside are taken.
    fn target(&self, to: &Address) -> Result<Arc<Actor>, SendError> {
        let target = self.shared.routing.registry.get(to).ok_or_else(|| SendError::UnknownAddress(to.clone()))?;
        self.shared.memory_gate.pass()?;
        Ok(target)
    }

    async fn deliver(
        &self,
        target: &Arc<Actor>,
        message: &Incoming<'_>,
        reply: ReplyToken,
        patience: Duration,
    ) -> Result<(), SendError> {
        let parts = if message.metadata.is_empty() { Parts::NONE } else { Parts::METADATA };
        let envelope = self.envelope(message, reply, parts);
        let payload = Payload { parts: message.metadata.as_bytes(), body: message.body };
        let routing = &self.shared.routing;
        if let Some(journal) = routing.journal.as_ref().filter(|_| target.mailbox.is_stored()) {
            // Boxed, so that the usual future stays small.
            let stored = routing.deliver_stored(journal, target, (&envelope, &payload), later(patience));
            return Box::pin(stored).await;
        }
        routing.deliver_one(target, &envelope, &payload, later(patience)).await
    }

    #[inline]
    fn envelope(&self, message: &Incoming<'_>, reply: ReplyToken, parts: Parts) -> Envelope {
        let (id, flow) = (message.id, message.flow);
        Envelope { id, sender: self.sender, flow, hops: 0, attempt: message.failures, reply, parts }
    }
}

impl<'a> Incoming<'a> {
    /// A message that begins a flow of its own.
    pub fn new(id: MessageId, metadata: &'a Metadata, body: &'a [u8]) -> Self {
        Self { id, flow: id.flow(), failures: 0, metadata, body }
    }
}

impl std::fmt::Debug for Ingress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingress").field("sender", &self.sender).finish_non_exhaustive()
    }
}
