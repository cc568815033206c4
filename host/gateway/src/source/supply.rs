//! The settings of a source, and the traits by which a kind of source reaches its broker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use playhouse_kernel::{Address, BoxFuture, FlowId, MessageId, Metadata, StoredOrigin};

use crate::broker::BrokerError;

/// The plugin of a source, as operators see it.
pub(crate) const PLUGIN: &str = "native:Source";

/// The settings of a source, whatever its kind.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// The source's own address: `/gate/NAME`.
    pub address: Address,
    /// The actor that gets the messages.
    pub tell: Address,
    /// Maximum number of messages that were taken and have not ended.
    pub in_flight: usize,
    /// The actor directly under `/` without which the play ends: it starts first, and needs the broker. None: the play starts
    /// without the broker.
    pub required: Option<Address>,
}

/// The text by which a broker knows one delivery of a message. It is passed on often, and not copied.
pub type Handle = Arc<str>;

/// The position of a message in its broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// A number of a sequence.
    Number(u64),
    /// Some other text.
    Text(Handle),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl From<Handle> for Position {
    fn from(text: Handle) -> Self {
        Self::Text(text)
    }
}

/// A message from a broker.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Its id, derived from its position: the same each time that the broker delivers it.
    pub id: MessageId,
    /// The position of the message in the broker, which no delivery changes.
    pub position: Position,
    /// The text by which the broker knows this delivery of the message.
    pub handle: Handle,
    /// The flow, if the broker's message names one.
    pub flow: Option<FlowId>,
    /// Number of deliveries, this one included; at least 1.
    pub deliveries: u32,
    /// The place to go on from after a crash, for a source that is read in order; `None` for one whose messages come in any order, and
    /// are known by their ids.
    pub place: Option<Place>,
    /// The reason why the message is a dead letter at once, and is not delivered.
    pub fault: Option<String>,
    /// The pairs beside the body.
    pub metadata: Metadata,
    /// The body.
    pub body: Bytes,
}

/// A place in a source that is read in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The part of the source, such as one of its files.
    pub part: Vec<u8>,
    /// Where to go on in that part.
    pub value: Vec<u8>,
}

/// Connects a source to its broker.
pub trait Supply: Send + Sync + 'static {
    /// The kind, as the manifest writes it.
    fn kind(&self) -> &'static str;

    /// Connects. The caller drops the future after a time.
    fn connect(&self) -> BoxFuture<'_, Result<Connected, BrokerError>>;

    /// The stream or the file, which names the source together with its address: another one has other positions.
    fn origin(&self) -> String;

    /// Whether the source is read in order, so that its messages have a [`Taken::place`].
    fn is_in_order(&self) -> bool {
        false
    }

    /// Says that the receiver's messages are stored, and gives the places that are kept, if the source is read in order. From now on
    /// [`Supplier::ack`] and [`Supplier::refuse`] return when the broker has confirmed. Called before each connection that follows a
    /// start of the source.
    fn go_on(&self, places: &[StoredOrigin]) {
        let _ = places;
    }
}

/// A connection to a broker, with the facts that the broker told.
pub struct Connected {
    /// The connection.
    pub supplier: Arc<dyn Supplier>,
    /// The broker's own limit on deliveries of one message.
    pub max_deliver: Option<u32>,
    /// The period in which the broker must hear of each message that was taken.
    pub keep_alive: Option<Duration>,
    /// The broker's limit on messages that were taken and not acknowledged.
    pub in_flight: Option<usize>,
}

/// A connection to a broker. The calls may run at the same time. After an error the connection is replaced.
pub trait Supplier: Send + Sync {
    /// Takes at most `most` messages, at least 1. Waits for the first one, and may return none after some seconds.
    fn pull(&self, most: usize) -> BoxFuture<'_, Result<Vec<Taken>, BrokerError>>;

    /// Tells the broker that these messages are being worked on.
    fn keep_alive<'a>(&'a self, handles: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>>;

    /// Tells the broker that these messages were handled.
    fn ack<'a>(&'a self, handles: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>>;

    /// Gives messages back that were not handled, so that another consumer gets them.
    fn give_back<'a>(&'a self, handles: &'a [Handle]) -> BoxFuture<'a, Result<(), BrokerError>>;

    /// Tells the broker that a message will not be handled, and why: it is not to be delivered again.
    fn refuse<'a>(&'a self, handles: &'a [Handle], why: &'a str) -> BoxFuture<'a, Result<(), BrokerError>> {
        let _ = why;
        self.ack(handles)
    }

    /// Tells the broker once more that these messages were handled, in a run of the host before this one. Those that are not this broker's
    /// are left out.
    fn ack_again<'a>(&'a self, known: &'a [(MessageId, Handle)]) -> BoxFuture<'a, Result<(), BrokerError>> {
        Box::pin(async move {
            let handles: Vec<_> = known.iter().map(|(_, handle)| handle.clone()).collect();
            self.ack(&handles).await
        })
    }

    /// The places to keep in parts of which no message came yet, of a source that is read in order: those since the last call.
    fn first_places(&self) -> Vec<Place> {
        Vec::new()
    }

    /// The parts that nothing comes from any more, since the last call.
    fn ended_parts(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// Number of positions, since the last call, whose messages are gone from the broker.
    fn missing(&self) -> usize {
        0
    }
}
