//! The mailbox that a plugin is started for, and the rules that the plugin returns.

use std::collections::BTreeMap;

use crate::result::Result;

/// The mailbox that a run is made for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The address of the actor whose mailbox it is.
    pub address: String,
    /// The most messages that wait.
    pub capacity: u64,
    /// The most bytes that wait, with 64 more for each message.
    pub capacity_bytes: u64,
    /// The `config` of `[actor.mailbox]`.
    pub config: BTreeMap<String, String>,
}

impl Settings {
    /// A value of `config`, parsed as a `T`.
    ///
    /// # Errors
    /// Names the key and the value when the value cannot be parsed.
    pub fn read<T>(&self, key: &str) -> Result<Option<T>>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        let Some(text) = self.config.get(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| anyhow::anyhow!("`{key} = {text:?}` in the mailbox's config: {error}"))
    }
}

/// The rule for a message that finds the mailbox full; the manifest's `overflow` overrides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// The sender waits, up to the mailbox's `timeout`.
    #[default]
    Block,
    /// Senders outside and askers get an error; an actor's tell becomes a dead letter.
    Reject,
    /// The new message is a dead letter.
    DropNewest,
    /// [`Mailbox::put`](super::Mailbox::put) drops the messages that are too many.
    Choose,
}

/// The parts of a message that a mailbox plugin sees, and the decisions that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// The rule for a full mailbox.
    pub when_full: WhenFull,
    /// The number of bytes of each body that the plugin gets, from the front; at most 65,536.
    pub prefix_bytes: u32,
}
