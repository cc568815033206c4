//! The mistakes of code that records a turn in bulk.

use crate::words::overrun::Overrun;

/// Why a send or an outcome cannot be recorded. Each of these is a mistake of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BulkError {
    /// All messages have their outcome.
    #[error("it has an operation after the outcome of the last message")]
    NoMessage,
    /// The number was never given out.
    #[error("it sends to route {route}, which it was never given")]
    UnknownRoute {
        /// The number.
        route: u32,
    },
    /// The route was given out for another message.
    #[error("it sends to route {route}, which it may only use for messages that were sent from there")]
    NotTheSender {
        /// The number.
        route: u32,
    },
    /// More than its limits allow.
    #[error("it asks for more than {0}")]
    Overrun(#[from] Overrun),
    /// The current message did not reserve the child, or has spawned it already.
    #[error("it spawns the child of route {route}, which its message has not reserved, or spawned already")]
    NotReserved {
        /// The number.
        route: u32,
    },
    /// Not a child that this actor may stop.
    #[error("it stops the actor of route {route}, which is not a child that it spawned")]
    NotSpawned {
        /// The number.
        route: u32,
    },
    /// The ids of timers must grow, and stay below 2^52.
    #[error("it sets a timer with the id {id}, which is out of order")]
    TimerId {
        /// The id.
        id: u64,
    },
    /// More timers than the limit allows.
    #[error("it sets more than the {most} timers that limits.timers allows")]
    TooManyTimers {
        /// The limit.
        most: usize,
    },
    /// The number of a metric was never given out.
    #[error("it measures metric {metric}, which it was never given")]
    UnknownMetric {
        /// The number.
        metric: u32,
    },
    /// A metric cannot observe the value.
    #[error("it observes a value of metric {metric} that is negative or not finite")]
    BadValue {
        /// The number of the metric.
        metric: u32,
    },
    /// A change of the actor's keyed state that is not allowed.
    #[error("it changes the state of an actor that has none, or breaks one of its bounds or the rule for keys")]
    State,
    /// The body is too large for its receiver.
    #[error("it sends {bytes} bytes to route {route}, which takes no more than {limit_bytes}")]
    TooLarge {
        /// The number.
        route: u32,
        /// The body's size.
        bytes: usize,
        /// The receiver's limit.
        limit_bytes: usize,
    },
}
