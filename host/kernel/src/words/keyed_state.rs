//! The keyed state of an actor as data: its bounds and its size. It is called keyed, since [`State`](crate::State) is what an actor
//! does now.

use std::time::Duration;

/// The longest time of a value: 100 years. A longer one counts as this.
pub const LONGEST_LIFETIME: Duration = Duration::from_hours(100 * 365 * 24);
/// The shortest time of a value. A shorter one counts as this.
pub const SHORTEST_LIFETIME: Duration = Duration::from_millis(1);

/// The bounds of one actor's keyed state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateSpec {
    /// Most bytes of the whole: of keys and values, with [`STATE_KEY_COST`](playhouse_frame::STATE_KEY_COST) more for each key.
    pub bytes: u64,
    /// Most bytes of one value.
    pub value_bytes: usize,
    /// Bytes of keys and values that are kept in memory. Changes that are not durable yet are kept in addition.
    pub cache_bytes: usize,
    /// The time after which a value goes that was not set again, if it was set without a time of its own; none: it stays.
    pub expire: Option<Duration>,
}

impl Default for StateSpec {
    fn default() -> Self {
        Self { bytes: 64 << 20, value_bytes: 1 << 20, cache_bytes: 1 << 20, expire: None }
    }
}

/// The size of a keyed state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateSize {
    /// The number of keys.
    pub keys: u64,
    /// The bytes, as [`StateSpec::bytes`] counts them.
    pub bytes: u64,
}

impl StateSize {
    /// Whether the state is so small that a store reads all of it with its actor.
    pub fn is_small(self) -> bool {
        (1..=8).contains(&self.keys) && self.bytes <= 4096
    }
}

/// The bounds for the next changes of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateLimits {
    /// Most bytes of one value.
    pub value_bytes: usize,
    /// The bytes that are surely free. There may be more: the sizes of values that are replaced are not all known.
    pub left_bytes: u64,
}

/// A change of one key; without a value the key goes.
pub type StateChange = (String, Option<Vec<u8>>);
