//! Requests from outside under a key: see [`RequestKey`].

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use playhouse_frame::Metadata;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::pinned::Pinned;
use crate::dispatch::Shared;
use crate::dispatch::ingress::{Incoming, Ingress};
use crate::dispatch::keys::{Begun, Ended, FirstRequest, RequestKey, SOURCE, ended_of, name_of};
use crate::dispatch::routing::entering::{PlayJournal, durable_by};
use crate::journal::entry::EntryNumber;
use crate::journal::store::StoreError;
use crate::words::address::Address;
use crate::words::clock::later;
use crate::words::message::{Envelope, MessageId, Payload, QuestionParts, Reply, ReplyToken};
use crate::words::send_error::{AskError, FullAnswer, SendError};

/// The way of a request under a key.
enum Way {
    /// It is the first one.
    First(FirstRequest),
    /// It has ended so.
    Ended(Ended),
}

impl Ingress {
    /// Sends a message under a key. Returns when the message is durable, with its id: that of the first request, if this is a repetition. The
    /// receiver's mailbox must be stored. `patience`: the wait for space, and for a first request that is under way.
    pub async fn tell_under(
        &self,
        key: &RequestKey<'_>,
        to: &Address,
        message: &Incoming<'_>,
        patience: Duration,
    ) -> Result<MessageId, SendError> {
        let routing = &self.shared.routing;
        let target = self.target(to).await?;
        let journal = journal_of(&self.shared, &target)?;
        let deadline = later(patience);
        let name = name_of(to.as_str(), key);
        let way = tokio::time::timeout_at(deadline, self.way(journal, to, &name, key));
        let in_vain = |_| match journal.full() {
            Some(why) => Err(SendError::not_stored(to, &StoreError::Full(why))),
            None => Err(SendError::MailboxFull(to.clone())),
        };
        let first = match way.await.unwrap_or_else(in_vain)? {
            Way::First(first) => first,
            // Only a way that asked before has an answer.
            Way::Ended(Ended::Told(id) | Ended::Answered(id, _)) => return Ok(id),
        };
        let (envelope, payload) = self.enveloped(message, ReplyToken::NONE);
        let now = self.shared.wall_time(Instant::now());
        let keep = |draft: &mut _| first.keep_told(draft, message.id, now);
        let entry = routing.enter_one(journal, &target, (&envelope, &payload), deadline, keep).await?;
        first.end(Ended::Told(message.id), entry);
        durable_by(journal, entry, to, deadline).await?;
        Ok(message.id)
    }

    /// Sends a message under a key and waits for the reply, at most `timeout`. Returns the id of the message: that of the first request, if
    /// this is a repetition. A repetition gets the reply of the first request, and waits for it if that is under way. The receiver's mailbox must be stored. A request that fails leaves its key free. If this future
    /// is dropped, the request goes on, and a repetition finds it.
    pub async fn ask_under(
        &self,
        key: &RequestKey<'_>,
        to: &Address,
        message: &Incoming<'_>,
        timeout: Duration,
    ) -> (MessageId, Result<Reply, AskError>) {
        let routing = &self.shared.routing;
        let refused = |error: SendError| (message.id, Err(routing.ask_counts.refused(error.into())));
        let target = match self.target(to).await {
            Ok(target) => target,
            Err(error) => return refused(error),
        };
        let journal = match journal_of(&self.shared, &target) {
            Ok(journal) => journal,
            Err(error) => return refused(error),
        };
        let deadline = later(timeout);
        let answered = pin!(self.answer_under(key, (journal, &target), message, deadline));
        let answered = tokio::time::timeout_at(deadline, answered).await.unwrap_or(Err(AskError::Timeout));
        let (id, answer) = answered.unwrap_or_else(|error| (message.id, Err(error)));
        let answer = self.shared.explained(to, answer).await;
        routing.ask_counts.count(answer.as_ref().err(), deadline, timeout);
        (id, answer)
    }

    /// The id of the question that was answered, and the answer. `Err`: the error of this request alone.
    async fn answer_under(
        &self,
        key: &RequestKey<'_>,
        (journal, target): (&PlayJournal, &Pinned),
        message: &Incoming<'_>,
        deadline: Instant,
    ) -> Result<(MessageId, FullAnswer), AskError> {
        let to = target.address();
        let mut first = match self.way(journal, to, &name_of(to.as_str(), key), key).await? {
            Way::First(first) => first,
            Way::Ended(Ended::Answered(id, answer)) => return Ok((id, answer)),
            Way::Ended(Ended::Told(id)) => return Ok((id, Err(AskError::NoReply))),
        };
        self.shared.routing.refusal_of_store(target).map_or(Ok(()), Err)?;
        target.check_back_by(deadline)?;
        let mut ended = first.subscribe();
        let question = Question {
            // Its own, since it outlives the asker.
            envelope: self.envelope_of(message),
            metadata: message.metadata.clone(),
            body: message.body.to_vec(),
        };
        let (shared, target, id) = (self.shared.clone(), Pinned::new(Arc::clone(target)), message.id);
        self.shared.spawn(async move {
            let answer = question.answer(&shared, &target, deadline, &mut first).await;
            // Its entry is durable: answers are outputs of it.
            first.end(Ended::Answered(id, answer), 0);
        });
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Ended::Answered(id, answer))) => Ok((*id, answer.clone())),
            _ => Err(AskError::Stopped),
        }
    }

    /// Whether a request is the first one under its key, or how the first one ended. Waits while that is under way.
    async fn way(
        &self,
        journal: &PlayJournal,
        to: &Address,
        name: &[u8],
        key: &RequestKey<'_>,
    ) -> Result<Way, SendError> {
        let keys = &self.shared.routing.keys;
        loop {
            match keys.begin(name, key.digest, self.shared.wall_time(Instant::now())) {
                Begun::First(first) => return Ok(Way::First(first)),
                Begun::Other => return Err(SendError::KeyReused { to: to.clone(), key: key.key.into() }),
                Begun::Kept(entry) => {
                    if let Some(ended) = self.kept(journal, to, name, entry).await? {
                        return Ok(Way::Ended(ended));
                    }
                }
                Begun::UnderWay(mut ended) => {
                    let end = ended.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone());
                    match end {
                        Some(ended @ Ended::Answered(..)) => return Ok(Way::Ended(ended)),
                        // The message may not be durable yet; or the first one was refused, so this one may be the first.
                        Some(Ended::Told(_)) | None => {}
                    }
                }
            }
        }
    }

    /// The end of a request that is in the store. None: its key has just been removed.
    async fn kept(
        &self,
        journal: &PlayJournal,
        to: &Address,
        name: &[u8],
        entry: EntryNumber,
    ) -> Result<Option<Ended>, SendError> {
        journal.durable(entry).await.map_err(|error| SendError::not_stored(to, &error))?;
        let routing = &self.shared.routing;
        let read = async {
            let origins = routing.store()?.origins(SOURCE, name, 1).await;
            origins.map_err(|error| routing.store_read_failed(error))
        };
        let origins = read.await.map_err(|error| SendError::not_stored(to, &error))?;
        let found = origins.first().filter(|origin| origin.position == name);
        if let Some(origin) = found {
            return Ok(ended_of(&origin.value));
        }
        tokio::task::yield_now().await;
        Ok(None)
    }

    fn envelope_of(&self, message: &Incoming<'_>) -> Envelope {
        self.enveloped(message, ReplyToken::NONE).0
    }
}

/// A question that goes on without its asker.
struct Question {
    envelope: Envelope,
    metadata: Metadata,
    body: Vec<u8>,
}

impl Question {
    async fn answer(
        self,
        shared: &Shared,
        target: &Arc<Actor>,
        deadline: Instant,
        first: &mut FirstRequest,
    ) -> FullAnswer {
        let routing = &shared.routing;
        let mut ask = routing.asks.open_keyed(target.id, deadline);
        first.asks(ask.token());
        let mut before = QuestionParts::new(shared.time_of(deadline));
        let (parts, before) = before.with(&self.metadata);
        let envelope = Envelope { reply: ask.token(), parts, ..self.envelope };
        let payload = Payload { parts: before, body: &self.body };
        let delivery = pin!(routing.deliver_question(target, &envelope, &payload, deadline));
        ask.answer_to(&shared.runtime, delivery).await
    }
}

/// The journal, if the actor's messages are stored.
fn journal_of<'a>(shared: &'a Shared, target: &Actor) -> Result<&'a PlayJournal, SendError> {
    let journal = shared.routing.journal.as_deref().filter(|_| target.mailbox.is_stored());
    journal.ok_or_else(|| SendError::NoKeys(target.address().clone()))
}
