//! `[actor.state]`: the state of an actor in the play's store.

use serde::Deserialize;
use toml::Spanned;

use crate::manifest::units::{ByteSize, Time};

/// `[actor.state]`. Its presence, as in `state = {}`, grants the actor state in the play's store: values under keys, which the code
/// changes together with the end of a message. Only with `mailbox.kind = "durable"` and one instance. See `docs/durability.md`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorState {
    /// Maximum bytes of the whole state. A key takes its own bytes, those of its value, and 64. Example: `bytes = "1GiB"`. Default:
    /// `"64MiB"`.
    pub bytes: Option<Spanned<ByteSize>>,
    /// Maximum bytes of one value, at most `"32MiB"`, `bytes`, and `limits.effect_bytes`. Example: `value = "64KiB"`. Default: `"1MiB"`, or
    /// `bytes` if that is less.
    pub value: Option<Spanned<ByteSize>>,
    /// Memory of the host for values that were read or changed lately. Changes that are not on the disk yet take memory in addition. Example:
    /// `cache = "16MiB"`. Default: `"1MiB"`.
    pub cache: Option<ByteSize>,
    /// Time after which a value goes that was not set again: from then on its key has no value. The code may give a value a time of its own.
    /// At most 100 years. Example: `expire = "30d"`. Default: never.
    pub expire: Option<Spanned<Time>>,
}
