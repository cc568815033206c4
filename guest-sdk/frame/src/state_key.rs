//! The keys of an actor's state: the rule for them, and the bytes that each one costs. Guest, host and tools have the same.

use core::fmt;

/// Most bytes of a key.
pub const KEY_BYTES: usize = 512;
/// Bytes that a key costs in addition to its own and to those of its value.
pub const STATE_KEY_COST: usize = 64;

/// Why a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// It is longer than a key may be.
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// It has the character U+0000.
    Nul,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "a key has at most {KEY_BYTES} bytes, and this one has {bytes}"),
            Self::Nul => write!(f, "a key must not contain the character U+0000"),
        }
    }
}

impl core::error::Error for KeyError {}

/// Checks a key: at most [`KEY_BYTES`] bytes, without U+0000. It may be empty.
pub fn check_key(key: &str) -> Result<(), KeyError> {
    if key.len() > KEY_BYTES {
        return Err(KeyError::TooLong { bytes: key.len() });
    }
    if key.as_bytes().contains(&0) { Err(KeyError::Nul) } else { Ok(()) }
}

/// The bytes that a key with a value of this size counts for, in the bound of a state.
pub fn cost_of(key: &str, value_bytes: usize) -> u64 {
    (key.len() + value_bytes + STATE_KEY_COST) as u64
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::{String, ToString};

    use super::*;

    #[test]
    fn key_has_a_bound_and_no_nul() {
        let long = "x".repeat(KEY_BYTES + 1);
        assert_eq!(check_key(&long[1..]), Ok(()));
        assert_eq!(check_key(""), Ok(()));
        let said = |key: &str| check_key(key).map_err(|error| error.to_string());
        assert_eq!(said(&long), Err(String::from("a key has at most 512 bytes, and this one has 513")));
        assert_eq!(said("a\0b"), Err(String::from("a key must not contain the character U+0000")));
    }
}
