//! The events that sources and sinks log.

use playhouse_kernel::{AboutActor, AboutMessage, HOST_TARGET, log_events};

log_events! {
    /// All events of sources and sinks.
    pub const BROKER_EVENTS;

    /// A source or a sink has a connection to its broker.
    pub(crate) struct BrokerConnected<'a>("broker-connected", INFO, HOST_TARGET) about AboutActor<'a> {
        /// Connections that were lost before.
        disconnects: u64,
    }
    text(kind: &'a str) "connected to {kind}";
    example "connected to nats";

    /// A source or a sink has no connection to its broker. It tries again.
    pub(crate) struct BrokerLost<'a>("broker-lost", WARN, HOST_TARGET) about AboutActor<'a> {
        /// The pause before the next try, in seconds.
        pause_seconds: f64,
    }
    text(kind: &'a str, error: &'a str) "no connection to {kind}: {error}";
    example "no connection to redis: Connection refused (os error 111)";
    advice "Nothing that was accepted is lost: a source gets its messages again, a sink keeps them. Start the broker, or correct \
            what the text names.";

    /// A source took a message that the actor does not accept. The broker does not deliver it again.
    pub(crate) struct SourceRefused<'a>("source-refused", WARN, HOST_TARGET) about AboutActor<'a> {
        /// The position of the message in the broker.
        position: &'a str,
        /// The size of its body.
        bytes: usize,
    }
    text(why: &'a str) "refused a message: {why}";
    example "refused a message: 2000000 bytes are too many for `/orders`, whose limits.message is 1048576 bytes";
    advice "Raise `limits.message` of the actor, or keep such messages out of the queue.";

    /// A source found that its broker may lose what it acknowledged.
    pub(crate) struct BrokerNotDurable<'a>("broker-not-durable", WARN, HOST_TARGET) about AboutActor<'a> {
    }
    text(why: &'a str) "{why}";
    example "Redis has appendonly no: what it accepted is lost when it ends";
    advice "Set `appendonly yes`, and `appendfsync always` for power loss, if messages must not be lost.";

    /// A broker refused a message of a sink. The sink tries again, up to its attempts; then the message is a dead letter.
    pub(crate) struct SinkRefused<'a>("sink-refused", WARN, HOST_TARGET) about (AboutActor<'a>, AboutMessage) {
        /// The number of tries that are made: `attempts`.
        attempts: u32,
    }
    text(why: &'a str) "the broker refused a message: {why}";
    example "the broker refused a message: maximum bytes exceeded";
    advice "Correct what the text names, then replay the dead letters: `playhouse dead-letters replay`.";

    /// A broker had messages of a sink already: an answer was lost, and the messages were sent again.
    pub(crate) struct SinkRepeated<'a>("sink-repeated", INFO, HOST_TARGET) about AboutActor<'a> {
        /// The number of these messages.
        messages: usize,
    }
    text() "the broker had {messages} messages already";
    example "the broker had 3 messages already";
}
