//! The state of an actor as other actors see it.

/// The state of an actor.
///
/// ```
/// # use playhouse_sdk::{Context, State};
/// fn open(ctx: &Context) -> bool {
///     ctx.state("/bank").is_some_and(State::is_up)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Running, and messages are being handled or wait.
    Running,
    /// Running, without any message.
    Idle,
    /// Starting, or waiting to start because the most instances run already.
    Starting,
    /// Stopping for good: it first handles the messages that wait.
    Draining,
    /// Stopping.
    Stopping,
    /// Waiting before a restart: for its backoff, for other actors to stop, or for its parent's directive; or for a trial
    /// start, since it, or its ancestor directly under `/`, failed too often.
    BackingOff,
    /// Its [`Gate`](crate::Gate) decided to wait.
    Waiting,
    /// It has no instance: the next message starts one.
    Passivated,
    /// Not started yet, or its parent is down.
    Down,
    /// An operator stopped it, or it waits for an operator's first start.
    Stopped,
    /// It ended and is not started again.
    Ended,
}

impl State {
    /// Whether it is running or idle: it handles messages as they come.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Idle)
    }
}
