//! Rules that several tables have: pauses that grow, and the treatment of a full mailbox.

use serde::Deserialize;
use toml::Spanned;

use crate::manifest::units::Time;

/// `backoff = { … }`: a pause of random length between zero and a ceiling that doubles with each restart.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// The first ceiling. Example: `initial = "1s"`. Default: `"10ms"`.
    pub initial: Option<Spanned<Time>>,
    /// The last ceiling. Example: `max = "1m"`. Default: `"10s"`.
    pub max: Option<Spanned<Time>>,
}

/// Treatment of a message that finds the mailbox full.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// The sender waits.
    #[default]
    Block,
    /// Senders outside and askers get an error; an actor's tell becomes a dead letter.
    Reject,
    /// The new message becomes a dead letter.
    DropNewest,
    /// The oldest message becomes a dead letter.
    DropOldest,
}
