//! A sink that publishes to JetStream: several messages at a time are on their way, and each one is done when the stream has it.

use std::collections::VecDeque;

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, HeaderValue, NATS_MESSAGE_ID};
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context};
use playhouse_kernel::BoxFuture;

use super::link::{ANSWER, Link, with_causes};
use crate::broker::{BrokerError, traceparent};
use crate::secret::SecretUrl;
use crate::sink::{Delivered, Delivery, Outgoing, Outlet, Trouble};

/// Maximum number of messages on their way.
const MOST_MESSAGES: usize = 256;
/// Maximum size of the messages on their way, unless one message is larger.
const MOST_BYTES: usize = 8 << 20;

/// Connects to a subject.
pub(super) struct NatsOutlet {
    pub(super) url: SecretUrl,
    pub(super) subject: String,
}

impl Outlet for NatsOutlet {
    fn kind(&self) -> &'static str {
        "nats"
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Delivery>, BrokerError>> {
        Box::pin(async {
            let link = Link::open(&self.url).await?;
            let context = jetstream::ContextBuilder::new()
                .timeout(ANSWER)
                .ack_timeout(ANSWER)
                .max_ack_inflight(MOST_MESSAGES + 1)
                .backpressure_on_inflight(true)
                .build(link.client.clone());
            Ok(Box::new(NatsDelivery { subject: self.subject.clone(), link, context }) as Box<dyn Delivery>)
        })
    }
}

struct NatsDelivery {
    subject: String,
    link: Link,
    context: Context,
}

impl NatsDelivery {
    async fn deliver_all(&mut self, messages: &[Outgoing]) -> Delivered {
        let mut delivered = Delivered::default();
        // In order, with their sizes.
        let mut on_their_way: VecDeque<(PublishAckFuture, usize)> = VecDeque::new();
        let (mut next, mut bytes) = (0, 0);
        loop {
            while let Some(message) = messages.get(next)
                && (on_their_way.is_empty()
                    || (on_their_way.len() < MOST_MESSAGES && bytes + message.body.len() <= MOST_BYTES))
                && delivered.trouble.is_none()
            {
                match self.publish(message).await {
                    Ok(ack) => {
                        on_their_way.push_back((ack, message.body.len()));
                        bytes += message.body.len();
                        next += 1;
                    }
                    // Those before it are waited for: they may be accepted.
                    Err(trouble) => delivered.trouble = Some(trouble),
                }
            }
            let Some((ack, size)) = on_their_way.pop_front() else { return delivered };
            bytes -= size;
            match self.acknowledged(ack).await {
                Ok(is_repeated) => {
                    delivered.accepted += 1;
                    delivered.repeated += usize::from(is_repeated);
                }
                Err(trouble) => {
                    delivered.trouble = Some(trouble);
                    return delivered;
                }
            }
        }
    }

    async fn publish(&self, message: &Outgoing) -> Result<PublishAckFuture, Trouble> {
        let publish = PublishMessage::build().payload(message.body.clone().into()).headers(headers(message));
        let sent = async { Ok(self.context.send_publish(self.subject.clone(), publish).await) };
        match self.link.unless_broken(sent).await {
            Ok(Ok(ack)) => Ok(ack),
            Ok(Err(error)) => Err(self.trouble(error.kind(), &error)),
            Err(error) => Err(Trouble::Broken(error)),
        }
    }

    /// Waits for the answer of the stream: whether it had the message already.
    async fn acknowledged(&self, ack: PublishAckFuture) -> Result<bool, Trouble> {
        match self.link.unless_broken(async { Ok(ack.await) }).await {
            Ok(Ok(ack)) => Ok(ack.duplicate),
            Ok(Err(error)) => Err(self.trouble(error.kind(), &error)),
            Err(error) => Err(Trouble::Broken(error)),
        }
    }

    fn trouble(&self, kind: PublishErrorKind, error: &dyn std::error::Error) -> Trouble {
        match kind {
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe | PublishErrorKind::MaxAckPending => {
                Trouble::Broken(self.link.error(with_causes(error)))
            }
            PublishErrorKind::MaxPayloadExceeded => Trouble::Never(self.link.error(with_causes(error)).to_string()),
            PublishErrorKind::StreamNotFound => {
                Trouble::Refused(format!("no stream has the subject `{}`, or JetStream is off", self.subject))
            }
            _ => Trouble::Refused(self.link.error(with_causes(error)).to_string()),
        }
    }
}

/// The id as the key by which the stream recognises a repetition, the flow, and the metadata. A pair that no header can hold is
/// left out.
fn headers(message: &Outgoing) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (key, value) in message.metadata.pairs() {
        if let (Ok(name), Ok(value)) = (key.parse::<HeaderName>(), value.parse::<HeaderValue>())
            && !key.to_ascii_lowercase().starts_with("nats-")
        {
            headers.append(name, value);
        }
    }
    headers.insert(NATS_MESSAGE_ID, message.id.to_string());
    headers.insert("traceparent", traceparent(message.flow, message.id));
    headers
}

impl Delivery for NatsDelivery {
    fn deliver<'a>(&'a mut self, messages: &'a [Outgoing]) -> BoxFuture<'a, Delivered> {
        Box::pin(self.deliver_all(messages))
    }
}
