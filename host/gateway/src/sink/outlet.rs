//! The settings of a sink, and the traits by which a kind of sink reaches its receiver.

use playhouse_kernel::{Address, Backoff, BoxFuture, FlowId, MailboxSpec, MessageId, Metadata};

use crate::broker::BrokerError;

/// The settings of a sink, whatever its kind.
#[derive(Debug, Clone)]
pub struct SinkSettings {
    /// The sink's address.
    pub address: Address,
    /// The bounds of its queue.
    pub mailbox: MailboxSpec,
    /// Number of tries at a message that is refused; at least 1.
    pub attempts: u32,
    /// The pauses between these tries.
    pub backoff: Backoff,
    /// The largest body that it takes, in bytes.
    pub message_bytes: usize,
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its id, which is the same each time that it is sent: the idempotency key.
    pub id: MessageId,
    /// Its flow.
    pub flow: FlowId,
    /// Number of sends from the message from outside to this one.
    pub hops: u32,
    /// The pairs beside the body.
    pub metadata: Metadata,
    /// The body.
    pub body: Vec<u8>,
}

/// Connects a sink.
pub trait Outlet: Send + Sync + 'static {
    /// The kind, as the manifest writes it.
    fn kind(&self) -> &'static str;

    /// Connects. The caller drops the future after a time.
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Delivery>, BrokerError>>;
}

/// A connection of a sink.
pub trait Delivery: Send {
    /// Delivers messages in order, and returns when each one was accepted or refused, up to the first that was not accepted.
    fn deliver<'a>(&'a mut self, messages: &'a [Outgoing]) -> BoxFuture<'a, Delivered>;
}

/// The outcome of [`Delivery::deliver`].
#[derive(Debug, Default)]
pub struct Delivered {
    /// Number of messages, from the first on, that were accepted.
    pub accepted: usize,
    /// Number of these that the receiver had already.
    pub repeated: usize,
    /// Why the next message was not accepted; `None` when all were.
    pub trouble: Option<Trouble>,
}

/// Why a message was not accepted.
#[derive(Debug)]
pub enum Trouble {
    /// The connection is broken; another one is made.
    Broken(BrokerError),
    /// The broker takes no message now, over a connection that is not broken; another one is made.
    NotReady(BrokerError),
    /// This message is refused now, perhaps not later.
    Refused(String),
    /// This message is refused for good.
    Never(String),
}
