//! Messages that no turn sends: those of callers outside, and those that a gateway takes in from the world.

mod keyed;
pub(crate) mod origins;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use playhouse_frame::{Metadata, Parts};
use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::actor::pinned::Pinned;
use crate::dispatch::Shared;
use crate::dispatch::ask::Asks;
use crate::dispatch::ask_record::{Ends, end_of};
use crate::dispatch::routing::entering::{PlayJournal, durable_by};
use crate::journal::entry::EntryNumber;
use crate::journal::store::StoreError;
use crate::words::address::Address;
use crate::words::clock::later;
use crate::words::dead_letter::DeadReason;
use crate::words::message::{ActorId, Envelope, FlowId, Message, MessageId, Payload, QuestionParts, Reply, ReplyToken};
use crate::words::send_error::{AskError, FullAnswer, SendError};

/// Sends messages into the play outside of any turn. A native actor gets one for itself from
/// [`NativeContext::ingress`](crate::NativeContext::ingress): its messages have the actor as their sender. Each message passes
/// the memory gate, and waits for space in the mailbox in the caller's task.
///
/// It has many methods: each is a way to send with its own promise about the end of the call, or a question about a receiver.
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

/// A message from outside that is in its mailbox, at its place in the order. Dropping this changes nothing for the message.
#[derive(Debug)]
pub struct Told {
    /// The id of the message.
    pub id: MessageId,
    /// None when there is nothing to wait for.
    entry: Option<ToldEntry>,
}

/// The entry of a message that is told.
struct ToldEntry {
    journal: Arc<PlayJournal>,
    number: EntryNumber,
    to: Address,
}

impl std::fmt::Debug for ToldEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToldEntry").field("number", &self.number).field("to", &self.to).finish_non_exhaustive()
    }
}

impl Told {
    /// A message that has entered.
    fn entered(id: MessageId, journal: &Arc<PlayJournal>, number: EntryNumber, to: &Address) -> Self {
        Self { id, entry: Some(ToldEntry { journal: journal.clone(), number, to: to.clone() }) }
    }

    /// Whether [`Told::durable`] returns at once.
    pub fn is_durable(&self) -> bool {
        self.entry.as_ref().is_none_or(|entry| entry.journal.is_durable(entry.number))
    }

    /// Waits until the message is durable, if its mailbox is stored. `Err`: the store failed, and the message may be lost.
    pub async fn durable(self) -> Result<MessageId, SendError> {
        if let Some(ToldEntry { journal, number, to }) = self.entry {
            journal.durable(number).await.map_err(|error| SendError::not_stored(&to, &error))?;
        }
        Ok(self.id)
    }

    /// As [`Told::durable`], and at a full store no longer than `patience`.
    pub async fn durable_within(self, patience: Duration) -> Result<MessageId, SendError> {
        if let Some(ToldEntry { journal, number, to }) = self.entry {
            durable_by(&journal, number, &to, later(patience)).await?;
        }
        Ok(self.id)
    }
}

/// Closes the record of a receipt whose message was not delivered: it was refused, or its sender stopped waiting for space.
struct OpenReceipt<'a> {
    asks: &'a Asks,
    token: ReplyToken,
}

impl Receipt {
    fn ended_already() -> Self {
        let (answer, receiver) = oneshot::channel();
        let _ = answer.send(Err(AskError::NoReply));
        Self { receiver }
    }

    /// Waits until the turn that handled the message has committed. `Err`: it is a dead letter; the error says why, in the words
    /// of an ask. [`AskError::Stopped`] also stands for a play that is over.
    pub async fn ended(self) -> Result<(), AskError> {
        self.receiver.await.map_or(Err(AskError::Stopped), end_of)
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

    /// Sends a message. Returns when it is in the mailbox, and durable if the mailbox is stored. It waits for space in the mailbox (with
    /// `overflow = "block"`) and in a full store, at most `patience`: see [`SendError::NotStored`].
    pub async fn tell(&self, to: &Address, message: &Incoming<'_>, patience: Duration) -> Result<(), SendError> {
        let target = self.shared.routing.relay(self.target(to).await?);
        let (envelope, payload) = self.enveloped(message, ReplyToken::NONE);
        self.shared.routing.deliver_one(&target, &envelope, &payload, later(patience)).await
    }

    /// As [`Ingress::tell`], with a new id, which it returns.
    pub(crate) async fn tell_new(
        &self,
        to: &Address,
        metadata: &Metadata,
        body: &[u8],
        patience: Duration,
    ) -> Result<MessageId, SendError> {
        let message = Incoming::new(self.next_id(), metadata, body);
        let target = self.shared.routing.relay(self.target(to).await?);
        let (envelope, payload) = self.enveloped(&message, ReplyToken::NONE);
        self.shared.routing.deliver_one(&target, &envelope, &payload, later(patience)).await?;
        Ok(message.id)
    }

    /// As [`Ingress::tell`], and returns before the message is durable: a sender of many messages waits for the disk once for
    /// many of them. Messages of one sender keep the order of their calls.
    pub async fn tell_later(
        &self,
        to: &Address,
        message: &Incoming<'_>,
        patience: Duration,
    ) -> Result<Told, SendError> {
        let routing = &self.shared.routing;
        let target = routing.relay(self.target(to).await?);
        let (envelope, payload) = self.enveloped(message, ReplyToken::NONE);
        match routing.journal.as_ref().filter(|_| target.mailbox.is_stored()) {
            None => {
                routing.deliver_one(&target, &envelope, &payload, later(patience)).await?;
                Ok(Told { id: message.id, entry: None })
            }
            Some(journal) => {
                let number = routing.enter_told(journal, &target, (&envelope, &payload), later(patience)).await?;
                Ok(Told::entered(message.id, journal, number, target.address()))
            }
        }
    }

    /// As [`Ingress::tell`], with a receipt that tells when the message has ended. A message in a stored mailbox counts as ended when
    /// it is durable: from then on it is handled, or becomes a dead letter, whatever ends the host.
    pub async fn tell_with_receipt(
        &self,
        to: &Address,
        message: &Incoming<'_>,
        patience: Duration,
    ) -> Result<Receipt, SendError> {
        let target = self.target(to).await?;
        if target.mailbox.is_stored() {
            self.tell_stored(&target, message, patience).await?;
            return Ok(Receipt::ended_already());
        }
        let (token, receiver) = self.shared.routing.asks.open_receipt(target.id);
        self.tell_by_token(&target, message, patience, token).await?;
        Ok(Receipt { receiver })
    }

    /// As [`Ingress::tell`], for many messages: the end of this one goes to `ends`, after this call has returned `Ok` or before.
    pub async fn tell_with_end(
        &self,
        to: &Address,
        message: &Incoming<'_>,
        patience: Duration,
        ends: &Ends,
    ) -> Result<(), SendError> {
        let target = self.target(to).await?;
        if target.mailbox.is_stored() {
            self.tell_stored(&target, message, patience).await?;
            let _ = ends.send((message.id, Ok(())));
            return Ok(());
        }
        let token = self.shared.routing.asks.feed_end(target.id, message.id, ends);
        self.tell_by_token(&target, message, patience, token).await
    }

    /// Sends a message to a stored mailbox: for its sender it has ended when it is durable. From then on it is not sent again, so this
    /// waits for a full store as long as it takes.
    async fn tell_stored(
        &self,
        target: &Arc<Actor>,
        message: &Incoming<'_>,
        patience: Duration,
    ) -> Result<(), SendError> {
        let (envelope, payload) = self.enveloped(message, ReplyToken::NONE);
        let routing = &self.shared.routing;
        let Some(journal) = &routing.journal else { return Err(SendError::Stopped(target.address().clone())) };
        let number = routing.enter_told(journal, target, (&envelope, &payload), later(patience)).await?;
        journal.durable(number).await.map_err(|error| SendError::not_stored(target.address(), &error))
    }

    async fn tell_by_token(
        &self,
        target: &Arc<Actor>,
        message: &Incoming<'_>,
        patience: Duration,
        token: ReplyToken,
    ) -> Result<(), SendError> {
        let routing = &self.shared.routing;
        let open = OpenReceipt { asks: &routing.asks, token };
        let (envelope, payload) = self.enveloped(message, token);
        routing.deliver_one(target, &envelope, &payload, later(patience)).await?;
        std::mem::forget(open);
        Ok(())
    }

    /// Makes a dead letter of a message that the receiver could never take, for a gateway that must not lose it. Of a body that is larger
    /// than the receiver's messages, the letter has the first bytes. Returns when the letter is durable, if the play has a store.
    pub async fn reject(&self, to: &Address, message: &Incoming<'_>, why: String) -> Result<(), SendError> {
        let routing = &self.shared.routing;
        let target = routing.registry.get(to).map_or_else(|| self.shared.stand_in(to.clone()), Ok)?;
        let parts = if message.metadata.is_empty() { Parts::NONE } else { Parts::METADATA };
        let envelope = self.envelope(message, ReplyToken::NONE, parts);
        let most = message.body.len().min(target.spec.limits.message_bytes);
        let payload = Payload { parts: message.metadata.as_bytes(), body: &message.body[..most] };
        routing.dead_letter(&target, [Message::of(envelope, payload)], &DeadReason::Rejected(why), false);
        match &routing.journal {
            None => Ok(()),
            Some(journal) => journal.all_durable().await.map_err(|error| SendError::not_stored(to, &error)),
        }
    }

    /// Sends a message and waits for the reply, at most `timeout`.
    pub async fn ask(&self, to: &Address, message: &Incoming<'_>, timeout: Duration) -> Result<Reply, AskError> {
        let routing = &self.shared.routing;
        let refused = |error: SendError| routing.ask_counts.refused(error.into());
        let target = self.target(to).await.map_err(refused)?;
        // Its turn would have to be stored.
        routing.refusal_of_store(&target).map_or(Ok(()), Err).map_err(refused)?;
        let deadline = later(timeout);
        let mut ask = routing.asks.open(target.id, deadline);
        target.check_back_by(deadline).map_err(|error| routing.ask_counts.refused(error))?;
        let mut before = QuestionParts::new(self.shared.time_of(deadline));
        let (parts, before) = before.with(message.metadata);
        let envelope = self.envelope(message, ask.token(), parts);
        let payload = Payload { parts: before, body: message.body };
        // Pinned in place: the futures are large, and each move would copy them.
        let delivery = pin!(routing.deliver_question(&target, &envelope, &payload, deadline));
        let answer = ask.answer_to(&self.shared.runtime, delivery).await;
        let answer = self.shared.explained(to, answer).await;
        routing.ask_counts.count(answer.as_ref().err(), deadline, timeout);
        answer
    }

    /// The number of messages for which the mailbox of an actor has space; 0 when there is no such actor.
    pub fn space(&self, to: &Address) -> usize {
        let registry = &self.shared.routing.registry;
        let waiting = registry.get(to).map_or(0, |actor| actor.waiting());
        registry.spec(to, |spec| spec.mailbox.capacity.saturating_sub(waiting)).unwrap_or_default()
    }

    /// The largest body that an actor accepts, in bytes, and its attempts at one message; none when there is no such actor.
    pub fn receiver_limits(&self, to: &Address) -> Option<(usize, u32)> {
        self.shared.routing.registry.spec(to, |spec| (spec.limits.message_bytes, spec.restart.attempts))
    }

    /// The actor that a message is for, when messages from outside are taken.
    async fn target(&self, to: &Address) -> Result<Pinned, SendError> {
        match self.shared.routing.registry.pin(to) {
            Some(target) => {
                self.shared.memory_gate.pass()?;
                Ok(target)
            }
            None => Box::pin(self.member(to)).await,
        }
    }

    /// As [`Ingress::target`], of an actor that is not in memory.
    #[cold]
    async fn member(&self, to: &Address) -> Result<Pinned, SendError> {
        // An address that no actor can have is refused first.
        if let Some(family) = self.shared.routing.registry.family_of(to) {
            self.shared.memory_gate.pass()?;
            let journal = self.shared.routing.journal.as_ref().filter(|_| family.stored.is_some());
            if let Some(why) = journal.and_then(|journal| journal.full()) {
                // Its birth would have to be stored. A repetition of an earlier request still finds a member that is there.
                let not_stored = || SendError::not_stored(to, &StoreError::Full(why));
                return self.shared.existing(to).await.ok_or_else(not_stored);
            }
        }
        self.shared.receiver(to, self.sender).await
    }

    /// A message as it is delivered. The futures of a tell hold it in place: each future around another one copies it.
    #[inline]
    fn enveloped<'a>(&self, message: &Incoming<'a>, reply: ReplyToken) -> (Envelope, Payload<'a>) {
        let parts = if message.metadata.is_empty() { Parts::NONE } else { Parts::METADATA };
        let payload = Payload { parts: message.metadata.as_bytes(), body: message.body };
        (self.envelope(message, reply, parts), payload)
    }

    #[inline]
    fn envelope(&self, message: &Incoming<'_>, reply: ReplyToken, parts: Parts) -> Envelope {
        let (id, flow) = (message.id, message.flow);
        Envelope { id, sender: self.sender, flow, hops: 0, attempt: message.failures, reply, parts }
    }
}

impl Drop for OpenReceipt<'_> {
    fn drop(&mut self) {
        self.asks.close(self.token);
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
