//! Other actors as an actor sees them while it runs: the options of a spawn, and an actor's state.

/// The options of a spawned child, beside the defaults in the manifest's `[[plugin]]`.
///
/// ```
/// # use playhouse_sdk::{Context, Result, SpawnOptions};
/// fn branch(ctx: &Context, city: &str) -> Result {
///     let options = SpawnOptions::new().config("city", city).config("desks", "4");
///     Ok(ctx.spawn_with(city, "branch", &options)?)
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpawnOptions {
    pub(crate) config: Vec<(String, String)>,
}

impl SpawnOptions {
    /// The defaults only.
    pub fn new() -> Self {
        Self::default()
    }

    /// A value of the child's `config`, which overrides the manifest's. The last value of a key counts.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }
}

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
