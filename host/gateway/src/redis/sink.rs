//! A sink that adds to a stream, as long as it has fewer entries than its capacity. Messages whose answer was lost are looked for in
//! the stream before they are added again.

use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{ErrorKind, RedisError, ServerErrorKind, cmd};
use parking_lot::Mutex;
use playhouse_kernel::{BoxFuture, MessageId};

use super::stream::{RedisStream, connect, explained};
use super::{entry, scripts};
use crate::broker::BrokerError;
use crate::sink::{Delivered, Delivery, Outgoing, Outlet, Trouble};

/// The time for a connection, and for an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Maximum size of the messages of one call of the function, unless one message is larger.
const MOST_BYTES: usize = 1 << 20;
/// Maximum number of messages of one call.
const MOST_MESSAGES: usize = 128;
/// The latest entries of the stream in which messages are looked for.
const LOOKED_AT: usize = 1024;

/// Connects to a stream.
pub(super) struct RedisOutlet {
    pub(super) at: RedisStream,
    /// Maximum number of entries in the stream.
    pub(super) capacity: u64,
    /// The messages of the last call that had no answer. The stream may have them.
    pub(super) unanswered: Arc<Mutex<Vec<MessageId>>>,
}

impl RedisOutlet {
    pub(super) fn new(at: RedisStream, capacity: u64) -> Self {
        Self { at, capacity, unanswered: Arc::default() }
    }
}

impl Outlet for RedisOutlet {
    fn kind(&self) -> &'static str {
        "redis"
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Delivery>, BrokerError>> {
        Box::pin(async {
            let connection = connect(&self.at, ANSWER, Some(ANSWER)).await?;
            let Self { at, capacity, unanswered } = self;
            let (at, unanswered) = (at.clone(), unanswered.clone());
            Ok(Box::new(RedisDelivery { at, capacity: *capacity, unanswered, connection }) as Box<dyn Delivery>)
        })
    }
}

struct RedisDelivery {
    at: RedisStream,
    capacity: u64,
    unanswered: Arc<Mutex<Vec<MessageId>>>,
    connection: MultiplexedConnection,
}

impl RedisDelivery {
    /// Adds messages, and returns how many the stream has now, and how many of these it had before.
    async fn add(&mut self, messages: &[Outgoing]) -> Result<(usize, usize), RedisError> {
        let was_sent = |message: &Outgoing| self.unanswered.lock().contains(&message.id);
        let looked_at = if messages.iter().any(was_sent) { LOOKED_AT } else { 0 };
        let mut add = cmd("EVAL");
        add.arg(scripts::ADD).arg(1).arg(&self.at.stream).arg(self.capacity).arg(looked_at);
        for message in messages {
            let fields = entry::fields(message);
            add.arg(fields.len() * 2);
            for (field, value) in fields {
                add.arg(field).arg(value);
            }
        }
        *self.unanswered.lock() = messages.iter().map(|message| message.id).collect();
        let added: Result<(usize, usize), _> = add.query_async(&mut self.connection).await;
        if added.as_ref().map_or_else(is_answer, |_| true) {
            self.unanswered.lock().clear();
        }
        added
    }

    async fn deliver_all(&mut self, messages: &[Outgoing]) -> Delivered {
        let mut delivered = Delivered::default();
        while delivered.accepted < messages.len() {
            let rest = &messages[delivered.accepted..];
            let chunk = &rest[..fitting(rest)];
            match self.add(chunk).await {
                Ok((added, repeated)) => {
                    delivered.accepted += added.min(chunk.len());
                    delivered.repeated += repeated.min(added);
                    if added < chunk.len() {
                        let text =
                            format!("the stream `{}` has its capacity of {} entries", self.at.stream, self.capacity);
                        delivered.trouble = Some(Trouble::Refused(text));
                        break;
                    }
                }
                Err(error) => {
                    delivered.trouble = Some(self.trouble(&error));
                    break;
                }
            }
        }
        delivered
    }

    fn trouble(&self, error: &RedisError) -> Trouble {
        let explained = explained(error, &self.at);
        match error.kind() {
            // While the server loads its data, or is a replica, it is no use.
            ErrorKind::Server(
                ServerErrorKind::BusyLoading | ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown,
            ) => Trouble::NotReady(explained),
            _ if is_answer(error) => Trouble::Refused(explained.to_string()),
            _ => Trouble::Broken(explained),
        }
    }
}

impl Delivery for RedisDelivery {
    fn deliver<'a>(&'a mut self, messages: &'a [Outgoing]) -> BoxFuture<'a, Delivered> {
        Box::pin(self.deliver_all(messages))
    }
}

/// Whether the server answered a command with this error: it did nothing of it.
fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}

/// Number of messages for one call of the function.
fn fitting(messages: &[Outgoing]) -> usize {
    let mut bytes = 0;
    let fits = messages.iter().take(MOST_MESSAGES).take_while(|message| {
        bytes += message.body.len() + message.metadata.as_bytes().len();
        bytes <= MOST_BYTES
    });
    fits.count().max(1)
}
