//! The requests to a running host.

mod rights;

use playhouse_kernel::Address;
use serde::{Deserialize, Serialize};

use super::store_views::PortableLine;
use super::wire::{AddressText, Body, as_text};

/// A request to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// All actors and their states.
    Tree {},
    /// Why an actor does not go on.
    Why {
        /// The actor, or the address of a family.
        #[serde(with = "as_text")]
        address: Address,
    },
    /// Whether the kernel answers, and whether the play takes work.
    Health {},
    /// Read the log.
    Logs(LogsRequest),
    /// Send a message.
    Tell {
        /// The receiver.
        #[serde(with = "as_text")]
        to: Address,
        /// The message's body.
        body: Body,
        /// The key under which a repetition is the same message, for a durable mailbox; at most 255 bytes.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        key: Option<String>,
    },
    /// Send messages in order, up to the first one that is refused.
    TellAll {
        /// The receiver.
        #[serde(with = "as_text")]
        to: Address,
        /// The messages' bodies.
        bodies: Vec<Body>,
    },
    /// Send a message and wait for the reply.
    Ask {
        /// The receiver.
        #[serde(with = "as_text")]
        to: Address,
        /// The message's body.
        body: Body,
        /// Time limit for the reply, in milliseconds.
        timeout_ms: u64,
    },
    /// The largest message that an actor takes.
    Limit {
        /// The actor.
        #[serde(with = "as_text")]
        to: Address,
    },
    /// Stop an actor until an operator starts it.
    Stop {
        /// The actor.
        #[serde(with = "as_text")]
        address: Address,
    },
    /// Start an actor.
    Start {
        /// The actor.
        #[serde(with = "as_text")]
        address: Address,
    },
    /// The dead letters in the store.
    DeadLetters {
        /// The selected letters.
        which: Which,
        /// Whether to send bodies in full as well.
        bodies: bool,
    },
    /// One dead letter, with its body.
    DeadLetter {
        /// The letter's id, or the beginning of the id.
        id: String,
    },
    /// Send a dead letter's message again.
    ReplayLetter {
        /// The letter's id, or the beginning of the id.
        id: String,
    },
    /// Send the messages of dead letters again.
    ReplayLetters {
        /// The selected letters.
        which: Which,
    },
    /// Remove a dead letter.
    DropLetter {
        /// The letter's id, or the beginning of the id.
        id: String,
    },
    /// Remove dead letters.
    DropLetters {
        /// The selected letters.
        which: Which,
    },
    /// Keys of an actor's state, in the order of their bytes.
    StateKeys {
        /// The actor.
        #[serde(with = "as_text")]
        of: Address,
        /// The beginning of the keys.
        prefix: String,
        /// Only keys after this one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        after: Option<String>,
        /// Maximum number of keys.
        most: u32,
    },
    /// The value of a key of an actor's state.
    StateValue {
        /// The actor.
        #[serde(with = "as_text")]
        of: Address,
        /// The key.
        key: String,
    },
    /// Keys of an actor's state with their values, about a mebibyte of them.
    StateEntries {
        /// The actor.
        #[serde(with = "as_text")]
        of: Address,
        /// The beginning of the keys.
        prefix: String,
        /// Only keys after this one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        after: Option<String>,
    },
    /// Change keys of the state of an actor that an operator has stopped, in one step.
    ChangeState {
        /// The actor.
        #[serde(with = "as_text")]
        of: Address,
        /// The keys with their new values; a key without one goes.
        changes: Vec<StateEntry>,
    },
    /// The facts about the play's store.
    StoreInfo {},
    /// Read the whole store, and name each damage.
    CheckStore {},
    /// Write the store into a new file.
    BackUpStore {
        /// The absolute path of the file, on the host's machine.
        to: String,
    },
    /// The durable mailboxes.
    Mailboxes {},
    /// Messages that wait in a durable mailbox.
    Messages {
        /// The owner of the mailbox.
        #[serde(with = "as_text")]
        of: Address,
        /// The number of the first message that is wanted.
        from: u64,
        /// Most messages of the response, which may have fewer: see [`MessagesPage::next`](super::store_views::MessagesPage::next).
        most: u64,
    },
    /// Drop messages that wait in a durable mailbox.
    DropMessages {
        /// The owner of the mailbox.
        #[serde(with = "as_text")]
        of: Address,
        /// The id of a message, or the beginning of the id; without it, all messages.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        id: Option<String>,
    },
    /// Put messages into a durable mailbox: all of them, or none. A message whose id waits there is left out.
    ImportMessages {
        /// The owner of the mailbox.
        #[serde(with = "as_text")]
        to: Address,
        /// The messages, in order.
        messages: Vec<PortableLine>,
    },
    /// The levels of the log by actor.
    LogLevels {},
    /// Set the level of some actors.
    SetLogLevel(SetLogLevel),
    /// End a level that an operator set.
    ResetLogLevel {
        /// The pattern for which the level was set.
        actors: String,
    },
}

/// The level of the log for some actors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetLogLevel {
    /// The actors, now and later: `/a` is one actor, `/a/*` are its children, and `/a/**` are all actors below it.
    pub actors: String,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Milliseconds after which the level ends; without them it holds until it is reset.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub for_ms: Option<u64>,
}

/// The lines of the log that a client wants: those that match each field that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogsRequest {
    /// Lines about an actor that matches one of these patterns: `/a` is one actor, `/a/*` its children, `/a/**` all below it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actors: Vec<String>,
    /// Lines of this flow: its id, or the beginning of the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// Lines of this level (`error`, `warn`, `info`, `debug`, `trace`) and of those that are more severe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Lines of the last milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// The number of lines to begin with: the last ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<u64>,
    /// Whether to go on with the lines to come, until the play is over.
    pub follow: bool,
}

/// A selection of dead letters: those that match each field that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Letters to this address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<AddressText>,
    /// Letters with this reason, in one word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// A key of an actor's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateEntry {
    /// The key.
    pub key: String,
    /// The value; in a change none for a key that goes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<Body>,
}
