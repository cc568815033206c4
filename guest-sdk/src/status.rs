//! The state of an actor as other actors see it.

/// The state of an actor.
///
/// ```
/// # use playhouse_sdk::{Context, ActorState};
/// fn open(ctx: &Context) -> bool {
///     ctx.status("/bank").is_some_and(ActorState::is_up)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActorState {
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
    /// Waiting before a restart: for its backoff, for other actors to stop, or for its parent's directive.
    BackingOff,
    /// It, or its ancestor directly under `/`, failed too often: it waits for a trial start, or for an operator.
    Failed,
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

impl ActorState {
    /// Whether it is running or idle: it handles messages as they come.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Idle)
    }
}
