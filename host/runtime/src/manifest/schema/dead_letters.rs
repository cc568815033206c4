//! `[play.dead_letters]`: the store of messages that no actor will handle.

use serde::Deserialize;
use toml::Spanned;

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
    /// An actor or a sink that each letter is also sent to, as JSON in the form of `playhouse dead-letters show --json`: without the body
    /// if the receiver does not take the whole. A letter that follows from such a message is not sent. At most 1,024 letters, or 16 MiB, wait
    /// to be sent; others stay in the store alone, and are counted. Example: `to = "/out/dead"`. Default: none.
    pub to: Option<Spanned<String>>,
}
