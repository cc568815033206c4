//! `[play.dead_letters]`: the store of messages that no actor will handle.

use serde::Deserialize;

use crate::manifest::units::{AtLeastOne, ByteSize};

/// `[play.dead_letters]`. When the store is full, the oldest letter of the actor with the most letters, or with the most bytes,
/// is removed; this letter stays counted. A letter to a spawned actor counts for the actor of the manifest above it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetters {
    /// Maximum number of letters in the store. Example: `capacity = 500`. Default: 10000.
    pub capacity: Option<AtLeastOne>,
    /// Maximum bytes of bodies, reasons and crash reports in the store. Example: `bytes = "8MiB"`. Default: `"64MiB"`.
    pub bytes: Option<ByteSize>,
}
