//! What an actor says and hears about others while it runs: the options of a spawn, and where an actor stands.

/// What a spawned child gets beside the defaults that the manifest's `[[plugin]]` has for it.
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
///     matches!(ctx.state("/bank"), Some(State::Running))
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Not started yet, or its parent is down.
    Down,
    /// Coming up.
    Starting,
    /// Up.
    Running,
    /// Going down.
    Stopping,
    /// Waits out the pause before a restart.
    BackingOff,
    /// A person stopped it, or it waits for a person's first start.
    Stopped,
    /// It ended and is not started again.
    Ended,
}
