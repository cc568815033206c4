//! Sinks: actors whose messages leave for a broker, a server or a file. They get messages after the commit of the turn that sent
//! them, deliver them in order, and end each one when the receiver outside has it.
//!
//! A broken connection is waited for, and costs no attempt. A refusal of one message is tried again in place, so that no later
//! message overtakes it; at the last attempt the message becomes a dead letter.

mod behavior;

use std::sync::Arc;

use playhouse_kernel::{ActorSpec, Address, Backoff, BoxFuture, FlowId, MailboxSpec, MessageId, Metadata};

use crate::broker::BrokerError;
use crate::{Common, Placed};

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
    /// This message is refused now, perhaps not later.
    Refused(String),
    /// This message is refused for good.
    Never(String),
}

/// Places a sink.
pub fn place(settings: SinkSettings, outlet: Arc<dyn Outlet>, common: &Common, placed: &mut Placed) {
    let counts = common.traffic.of(&settings.address, outlet.kind());
    let mut spec =
        ActorSpec::new(settings.address.clone(), behavior::code(&settings, outlet, &common.statuses, counts));
    spec.mailbox = settings.mailbox;
    spec.limits.message_bytes = settings.message_bytes;
    // The tries are made in place. The kernel's own would let later messages overtake.
    spec.restart.attempts = 1;
    placed.sinks.push(spec);
}
