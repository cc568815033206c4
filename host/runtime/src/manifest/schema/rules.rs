//! Rules that several tables have: pauses that grow, the treatment of a full mailbox, starts, and what an idle actor does.

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

/// The time at which an actor starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// With its parent.
    Auto,
    /// When a message for the actor arrives.
    OnMessage,
    /// When an operator starts the actor.
    Manual,
}

/// Behaviour of an actor that is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Idle {
    /// The instance stays.
    Stay,
    /// The actor is passivated.
    Stop,
}
