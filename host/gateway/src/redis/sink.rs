//! A sink that adds to a stream, as long as it has fewer entries than its capacity.

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{ErrorKind, RedisError, cmd};
use playhouse_kernel::BoxFuture;

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

/// Connects to a stream.
pub(super) struct RedisOutlet {
    pub(super) at: RedisStream,
    /// Maximum number of entries in the stream.
    pub(super) capacity: u64,
}

impl Outlet for RedisOutlet {
    fn kind(&self) -> &'static str {
        "redis"
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Delivery>, BrokerError>> {
        Box::pin(async {
            let connection = connect(&self.at, ANSWER, Some(ANSWER)).await?;
            Ok(Box::new(RedisDelivery { at: self.at.clone(), capacity: self.capacity, connection })
                as Box<dyn Delivery>)
        })
    }
}

struct RedisDelivery {
    at: RedisStream,
    capacity: u64,
    connection: MultiplexedConnection,
}

impl RedisDelivery {
    /// Adds messages, and returns how many the stream had room for.
    async fn add(&mut self, messages: &[Outgoing]) -> Result<usize, RedisError> {
        let mut add = cmd("EVAL");
        add.arg(scripts::ADD).arg(1).arg(&self.at.stream).arg(self.capacity);
        for message in messages {
            let fields = entry::fields(message);
            add.arg(fields.len() * 2);
            for (field, value) in fields {
                add.arg(field).arg(value);
            }
        }
        add.query_async(&mut self.connection).await
    }

    async fn deliver_all(&mut self, messages: &[Outgoing]) -> Delivered {
        let mut delivered = Delivered::default();
        while delivered.accepted < messages.len() {
            let rest = &messages[delivered.accepted..];
            let chunk = &rest[..fitting(rest)];
            match self.add(chunk).await {
                Ok(added) => {
                    delivered.accepted += added.min(chunk.len());
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
            // An answer of the server about this command. While it loads its data, or is a replica, the connection is no use.
            ErrorKind::Server(kind)
                if !matches!(
                    kind,
                    ::redis::ServerErrorKind::BusyLoading
                        | ::redis::ServerErrorKind::ReadOnly
                        | ::redis::ServerErrorKind::MasterDown
                ) =>
            {
                Trouble::Refused(explained.to_string())
            }
            ErrorKind::Extension => Trouble::Refused(explained.to_string()),
            _ => Trouble::Broken(explained),
        }
    }
}

impl Delivery for RedisDelivery {
    fn deliver<'a>(&'a mut self, messages: &'a [Outgoing]) -> BoxFuture<'a, Delivered> {
        Box::pin(self.deliver_all(messages))
    }
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
