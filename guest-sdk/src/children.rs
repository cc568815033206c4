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
    /// Nothing but the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A value of the child's `config`. It goes before the manifest's; the last one of a key counts.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }
}

/// Where an actor stands.
///
/// ```
/// # use playhouse_sdk::{Context, State};
/// fn open(ctx: &Context) -> bool {
///     ctx.state("/bank").is_some_and(State::is_up)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Up, with messages in hand or waiting.
    Running,
    /// Up, with nothing to do.
    Idle,
    /// Coming up, or about to: there is no room for another instance yet.
    Starting,
    /// Going down for good: it handles what waits first.
    Draining,
    /// Going down.
    Stopping,
    /// Waits before a restart: for the pause to pass, for others to stop, or for its parent's directive; or for a trial
    /// start, since it, or the actor under `/` that it is below, failed too often.
    BackingOff,
    /// Its [`Gate`](crate::Gate) did not let it start.
    Waiting,
    /// It has no instance: the next message makes one.
    Passivated,
    /// Not started yet, or its parent is down.
    Down,
    /// A person stopped it, or it waits for a person's first start.
    Stopped,
    /// It ended and is not started again.
    Ended,
}

impl State {
    /// Whether it is up: it handles messages as they come.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Idle)
    }
}
