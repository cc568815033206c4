//! The options of a spawn.

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
