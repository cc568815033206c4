//! When actors start and start again: restart kinds, backoff, the strategy and the limits of a supervisor.

use std::fmt;
use std::time::Duration;

/// When an actor is started again after it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartKind {
    /// Always.
    Permanent,
    /// After a crash only.
    Transient,
    /// Never.
    Temporary,
}

impl fmt::Display for RestartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permanent => "permanent",
            Self::Transient => "transient",
            Self::Temporary => "temporary",
        })
    }
}

/// When an actor is started first, and again with its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartKind {
    /// With its parent.
    #[default]
    Auto,
    /// When a message comes for it; until then it is passivated. Not for an actor with children in the plan.
    OnMessage,
    /// When an operator starts it.
    Manual,
}

/// The pause before a restart or a retry: random between zero and a ceiling ("full jitter") that begins at `initial`, doubles
/// with each failure in a row, and never exceeds `max`. A success sets it back to `initial`: a whole
/// [`SupervisionSpec::period`] without a failure, or ten handled messages for each failure within the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first ceiling.
    pub initial: Duration,
    /// The last ceiling.
    pub max: Duration,
}

impl Backoff {
    /// The ceiling after `in_a_row` failures in a row, counted from 1.
    pub fn ceiling(&self, in_a_row: u32) -> Duration {
        let doubled = self.initial.saturating_mul(1 << in_a_row.saturating_sub(1).min(30));
        doubled.min(self.max)
    }
}

/// How an actor recovers.
#[derive(Debug, Clone, Copy)]
pub struct RestartSpec {
    /// When it is started again.
    pub kind: RestartKind,
    /// How often one message may fail or crash the actor before it becomes a dead letter; at least 1.
    pub attempts: u32,
    /// The pause before a restart, or before another attempt at a message.
    pub backoff: Backoff,
    /// The pause before the trial start of an actor directly under `/` that failed too often; none when only an operator
    /// starts it.
    pub cooldown: Option<Duration>,
}

impl Default for RestartSpec {
    fn default() -> Self {
        Self {
            kind: RestartKind::Permanent,
            attempts: 3,
            backoff: Backoff { initial: Duration::from_millis(10), max: Duration::from_secs(10) },
            cooldown: Some(Duration::from_mins(1)),
        }
    }
}

/// Which children a supervisor restarts when one of them fails. Those that did not fail are stopped in reverse start order;
/// after the pause, all of them are started in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The failed child alone.
    OneForOne,
    /// All children: they depend on each other.
    OneForAll,
    /// The failed child and those that start after it: each may depend on those before it.
    RestForOne,
}

/// How an actor, or the kernel, supervises its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupervisionSpec {
    /// Which children restart when one fails.
    pub strategy: Strategy,
    /// More failures than this ...
    pub intensity: u32,
    /// ... within this time, and the supervisor gives up. All attempts at one message are one failure, and such failures
    /// count only while they outnumber the messages that the actor handled within the time. The kernel does not give up
    /// itself: it gives up the actor, and counts the failures of each actor alone.
    pub period: Duration,
    /// The time in which each child must stop in order before it is killed.
    pub shutdown: Duration,
}

impl Default for SupervisionSpec {
    fn default() -> Self {
        Self {
            strategy: Strategy::OneForOne,
            intensity: 10,
            period: Duration::from_secs(10),
            shutdown: Duration::from_secs(5),
        }
    }
}
