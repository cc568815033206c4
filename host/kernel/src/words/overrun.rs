//! The limits of a turn, as the error of one that exceeds them.

use super::crash::{Crash, CrashReason};

/// Most sends and other effects before one commit, whatever the limits say: each takes more memory in the turn than in the
/// bytes that ask for it.
pub(crate) const MAX_RECORDED: usize = 1 << 20;
/// Most bytes of keys and values in the config of a spawn.
pub(crate) const MAX_CONFIG_BYTES: usize = 64 << 10;

/// The limit that a turn exceeded. The text continues "more than".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Overrun {
    /// Sends, spawns, stops, timers, watches, and their ends.
    #[error("{most} sends and other effects in one turn (limits.effects)")]
    Effects {
        /// The limit.
        most: usize,
    },
    /// Bytes of the messages among them, including those of timers.
    #[error("{most_bytes} bytes sent in one turn (limits.effect_bytes)")]
    EffectBytes {
        /// The limit.
        most_bytes: usize,
    },
    /// Bytes of the messages of its timers.
    #[error("{most_bytes} bytes in timers at a time (limits.effect_bytes)")]
    TimerBytes {
        /// The limit.
        most_bytes: usize,
    },
    /// Frames of one batch that come without a commit between them.
    #[error("{most_bytes} bytes of frames before a commit (twice what one turn may)")]
    HandedOver {
        /// The limit.
        most_bytes: usize,
    },
    /// The reply to a message that changed the keyed state: the code cannot know that the message failed.
    #[error("{most_bytes} bytes in the reply to a message that changed the state (limits.message)")]
    StateReply {
        /// The limit.
        most_bytes: usize,
    },
    /// Sends and other effects of a whole batch.
    #[error("{MAX_RECORDED} sends and other effects before a commit")]
    Recorded,
    /// Keys and values of the config for one child.
    #[error("{MAX_CONFIG_BYTES} bytes of config for a child")]
    Config,
}

impl From<Overrun> for CrashReason {
    fn from(overrun: Overrun) -> Self {
        Self::Limit { more_than: overrun.to_string() }
    }
}

impl From<Overrun> for Crash {
    fn from(overrun: Overrun) -> Self {
        Self::new(overrun.into())
    }
}
