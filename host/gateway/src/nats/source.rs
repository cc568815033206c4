//! A durable pull consumer: each pull takes what is there, or waits for one message, so that no request stays open whose messages
//! nobody keeps alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::{self, AckKind, Message, stream};
use futures_util::StreamExt;
use playhouse_kernel::{BoxFuture, MessageId, Metadata, StoredOrigin};

use super::link::{ANSWER, Link, NatsSource, with_causes};
use crate::broker::{BrokerError, flow_of_traceparent};
use crate::secret::SecretUrl;
use crate::source::{Connected, Handle, Position, Supplier, Supply, Taken};

/// The longest wait for a first message.
const WAIT: Duration = Duration::from_secs(5);
/// The key of the pair with the subject of a message.
const SUBJECT: &str = "subject";

/// Connects to a consumer.
pub(super) struct NatsSupply {
    pub(super) url: SecretUrl,
    pub(super) settings: Arc<NatsSource>,
    /// Whether the receiver's messages are stored.
    pub(super) is_stored: AtomicBool,
}

impl Supply for NatsSupply {
    fn kind(&self) -> &'static str {
        "nats"
    }

    fn connect(&self) -> BoxFuture<'_, Result<Connected, BrokerError>> {
        Box::pin(self.open())
    }

    fn origin(&self) -> String {
        format!("{} {}", self.settings.stream, self.settings.consumer)
    }

    fn go_on(&self, _: &[StoredOrigin]) {
        self.is_stored.store(true, Relaxed);
    }
}

impl NatsSupply {
    async fn open(&self) -> Result<Connected, BrokerError> {
        let link = Link::open(&self.url).await?;
        let context = jetstream::ContextBuilder::new().timeout(ANSWER).build(link.client.clone());
        let (consumer, created) = link.unless_broken(self.consumer(&link, &context)).await?;
        let config = &consumer.cached_info().config;
        if config.ack_policy != AckPolicy::Explicit {
            let text = format!(
                "the consumer `{}` does not wait for acknowledgements: its ack policy must be explicit",
                self.settings.consumer
            );
            return Err(link.error(text));
        }
        // With a backoff of its own, the consumer waits as long as that says.
        let ack_wait = config.backoff.iter().min().copied().unwrap_or(config.ack_wait);
        Ok(Connected {
            max_deliver: u32::try_from(config.max_deliver).ok().filter(|most| *most > 0),
            keep_alive: Some((ack_wait / 3).max(Duration::from_millis(10))),
            in_flight: usize::try_from(config.max_ack_pending).ok().filter(|most| *most > 0),
            supplier: Arc::new(NatsSupplier {
                cause: MessageId::seeded(&format!("nats {} {created}", self.settings.stream), 0),
                settings: self.settings.clone(),
                link,
                consumer,
                waits: self.is_stored.load(Relaxed),
            }),
        })
    }

    /// The consumer, and the time at which its stream was created.
    async fn consumer(&self, link: &Link, context: &jetstream::Context) -> Result<(PullConsumer, String), BrokerError> {
        let NatsSource { stream: name, consumer, create, .. } = &*self.settings;
        let found = match create {
            None => context.get_stream(name).await.map_err(|error| match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.code() == 404 => {
                    link.error(format!("there is no stream `{name}`: create it, or add create = true"))
                }
                _ => link.error(format!("the stream `{name}` cannot be looked up: {}", with_causes(&error))),
            })?,
            Some(subjects) => {
                let config =
                    stream::Config { name: name.clone(), subjects: subjects.clone(), ..stream::Config::default() };
                let made = context.get_or_create_stream(config).await;
                made.map_err(|error| {
                    link.error(format!("the stream `{name}` cannot be created: {}", with_causes(&error)))
                })?
            }
        };
        let created = found.cached_info().created.to_string();
        let found = if create.is_some() {
            let config = pull::Config {
                durable_name: Some(consumer.clone()),
                ack_policy: AckPolicy::Explicit,
                ..pull::Config::default()
            };
            found.get_or_create_consumer(consumer, config).await.map_err(|error| with_causes(&error))
        } else {
            found.get_consumer(consumer).await.map_err(|error| error.to_string())
        };
        let found = found.map_err(|error| {
            let hint = if create.is_some() { "" } else { ": create it, or add create = true" };
            link.error(format!("the stream `{name}` has no pull consumer `{consumer}` ({error}){hint}"))
        })?;
        Ok((found, created))
    }
}

struct NatsSupplier {
    settings: Arc<NatsSource>,
    link: Link,
    consumer: PullConsumer,
    /// Causes the ids of the messages. It depends on the time at which the stream was created: a later stream of the same name has
    /// other messages.
    cause: MessageId,
    /// Whether the server confirms acknowledgements.
    waits: bool,
}

impl NatsSupplier {
    async fn pull_next(&self, most: usize) -> Result<Vec<Taken>, BrokerError> {
        let failed = |error: pull::BatchError| self.link.error(with_causes(&error));
        let there = self.consumer.fetch().max_messages(most).messages().await.map_err(failed)?;
        let taken = self.all_of(there).await?;
        if !taken.is_empty() {
            return Ok(taken);
        }
        let next = self.consumer.batch().max_messages(1).expires(WAIT).messages().await.map_err(failed)?;
        self.all_of(next).await
    }

    async fn all_of(&self, mut batch: pull::Batch) -> Result<Vec<Taken>, BrokerError> {
        let mut all = Vec::new();
        while let Some(message) = batch.next().await {
            match message {
                Ok(message) => all.push(self.taken(message)?),
                // The messages before the error are not lost: it shows at the next pull.
                Err(_) if !all.is_empty() => break,
                Err(error) => return Err(self.link.error(format!("the consumer cannot be used: {error}"))),
            }
        }
        Ok(all)
    }

    fn taken(&self, message: Message) -> Result<Taken, BrokerError> {
        let info = message.info().map_err(|error| self.link.error(error))?;
        let (sequence, deliveries) = (info.stream_sequence, u32::try_from(info.delivered).unwrap_or(u32::MAX).max(1));
        let handle = message.reply.as_ref().map(|reply| Handle::from(reply.as_str())).unwrap_or_default();
        let headers = message.headers.as_ref();
        let traced = headers.and_then(|headers| headers.get("traceparent"));
        Ok(Taken {
            fault: None,
            place: None,
            id: self.cause.caused(sequence),
            position: Position::Number(sequence),
            handle,
            flow: traced.and_then(|value| flow_of_traceparent(value.as_str())),
            deliveries,
            metadata: metadata(message.subject.as_str(), headers, self.settings.meta.as_deref()),
            body: message.payload.clone(),
        })
    }

    /// As [`NatsSupplier::say`], and waits until the server has it, if that matters.
    async fn end(&self, kind: AckKind, handles: &[Handle]) -> Result<(), BrokerError> {
        if !self.waits {
            return self.say(kind, handles).await;
        }
        let word: &'static [u8] = if matches!(kind, AckKind::Ack) { b"+ACK" } else { b"+TERM" };
        let requests = handles.iter().map(|handle| self.link.client.request(handle.to_string(), word.into()));
        let confirmed = async {
            let confirmed = futures_util::future::try_join_all(requests).await;
            confirmed.map(drop).map_err(|error| self.link.error(with_causes(&error)))
        };
        self.link.unless_broken(confirmed).await
    }

    /// Says the same about all of these messages, and waits until it is sent.
    async fn say(&self, kind: AckKind, handles: &[Handle]) -> Result<(), BrokerError> {
        let word: &'static [u8] = match kind {
            AckKind::Ack => b"+ACK",
            AckKind::Progress => b"+WPI",
            AckKind::Term => b"+TERM",
            _ => b"-NAK",
        };
        let said = async {
            for handle in handles {
                let said = self.link.client.publish(handle.to_string(), word.into()).await;
                said.map_err(|error| self.link.error(with_causes(&error)))?;
            }
            self.link.client.flush().await.map_err(|error| self.link.error(with_causes(&error)))
        };
        self.link.unless_broken(said).await
    }
}

/// The subject, and the headers that are wanted, as far as they fit.
fn metadata(subject: &str, headers: Option<&HeaderMap>, wanted: Option<&[String]>) -> Metadata {
    let mut metadata = Metadata::new();
    let _ = metadata.push(SUBJECT, subject);
    let mut all: Vec<_> = headers.into_iter().flat_map(HeaderMap::iter).collect();
    // The map has no order of its own.
    all.sort_by_key(|(name, _)| name.to_string());
    for (name, values) in all {
        let name = name.to_string();
        if wanted.is_none_or(|wanted| wanted.iter().any(|one| one.eq_ignore_ascii_case(&name))) {
            for value in values {
                let _ = metadata.push(&name, value.as_str());
            }
        }
    }
    metadata
}

impl Supplier for NatsSupplier {
    fn pull(&self, most: usize) -> BoxFuture<'_, Result<Vec<Taken>, BrokerError>> {
        Box::pin(self.link.unless_broken(self.pull_next(most)))
    }

    fn keep_alive<'a>(&'a self, handles: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.say(AckKind::Progress, handles))
    }

    fn ack<'a>(&'a self, handles: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.end(AckKind::Ack, handles))
    }

    fn ack_again<'a>(&'a self, known: &'a [(MessageId, Handle)]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            // A stream of the same name that was made later has other messages.
            let is_of_stream = |id: MessageId, handle: &str| {
                sequence_of(handle).is_some_and(|sequence| self.cause.caused(sequence) == id)
            };
            let known = known.iter().filter(|(id, handle)| is_of_stream(*id, handle));
            let handles: Vec<_> = known.map(|(_, handle)| handle.clone()).collect();
            self.end(AckKind::Ack, &handles).await
        })
    }

    fn give_back<'a>(&'a self, handles: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.say(AckKind::Nak(None), handles))
    }

    /// The server tells its own watchers that the message was given up.
    fn refuse<'a>(&'a self, handles: &'a [Handle], _: &'a str) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(self.end(AckKind::Term, handles))
    }
}

/// The number of a message in its stream, in the subject of its acknowledgement: `$JS.ACK.` and then the stream, the consumer, the
/// deliveries and that number, or two names more before the stream.
fn sequence_of(handle: &str) -> Option<u64> {
    let parts: Vec<_> = handle.split('.').collect();
    let at = if parts.len() >= 11 { 7 } else { 5 };
    parts.get(at)?.parse().ok()
}
