//! `[actor.restart]` and `[actor.supervision]`: failures of actors.

use serde::Deserialize;
use toml::Spanned;

use super::rules::Backoff;
use crate::manifest::units::{AtLeastOne, Cooldown, Time};

/// `[actor.restart]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The failures or ends after which the actor is started again: `"permanent"` (each), `"transient"` (a crash), `"temporary"`
    /// (none). Example: `kind = "transient"`. Default: `"permanent"`.
    #[serde(default)]
    pub kind: RestartKind,
    /// Number of times that one message may fail or crash the actor before the message becomes a dead letter. Example: `attempts
    /// = 1`. Default: 3.
    pub attempts: Option<AtLeastOne>,
    /// The pause before a restart or a retry. The pause begins again at `initial` after a success: a `period` of the supervisor
    /// without a failure, or ten handled messages for each failure within the period. Example: `backoff = { initial = "10ms",
    /// max = "10s" }`. Default: as in the example.
    #[serde(default)]
    pub backoff: Backoff,
    /// For an actor directly under `/`: the pause before a trial start. An actor that failed more often than `play.supervision`
    /// allows, or did not come up within its period, is `failed` with all actors below it, and its messages wait. After the
    /// pause one trial start is made; with `"never"` only `playhouse start` makes one. With `--until-idle` none is made.
    /// Example: `cooldown = "10m"`. Default: `"1m"`.
    pub cooldown: Option<Spanned<Cooldown>>,
}

/// The ends after which an actor is started again.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartKind {
    /// Each end.
    #[default]
    Permanent,
    /// A crash.
    Transient,
    /// No end.
    Temporary,
}

/// `[actor.supervision]` for the actor's children, `[play.supervision]` for the actors directly under `/`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supervision {
    /// The children that restart when a child fails: that child alone (`"one-for-one"`), all children (`"one-for-all"`), or that
    /// child and those that start after it (`"rest-for-one"`). The others stop first, in reverse order; together this counts as
    /// one restart. Example: `strategy = "rest-for-one"`. Default: `"one-for-one"`.
    #[serde(default)]
    pub strategy: Strategy,
    /// Maximum number of failures within `period`. After more failures the supervisor gives up: an actor fails itself; the
    /// kernel counts each of its actors apart and gives up that one actor. All attempts at one message are one failure. Failures
    /// over messages count only while they are more than the messages that the actor handled within the period. Example:
    /// `intensity = 3`. Default: 10.
    pub intensity: Option<u32>,
    /// The period of `intensity`. Example: `period = "1m"`. Default: `"10s"`.
    pub period: Option<Spanned<Time>>,
    /// Time limit for the orderly stop of each child, after which it is killed; in `[play.supervision]` also the time that the
    /// reader of the host's stdout has for the last output. Example: `shutdown = "30s"`. Default: `"5s"`.
    pub shutdown: Option<Time>,
}

/// The children that restart when a child fails.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// That child alone.
    #[default]
    OneForOne,
    /// All children.
    OneForAll,
    /// That child and those that start after it.
    RestForOne,
}
