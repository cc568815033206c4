//! Why a message was not sent, and why an ask has no reply.

use std::sync::Arc;

use crate::words::address::{Address, AddressError};
use crate::words::message::{MessageId, Reply};
use crate::words::overrun::Overrun;

/// Why a message was not sent. Nothing was recorded; nothing will be delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Not an address.
    #[error(transparent)]
    BadAddress(#[from] AddressError),
    /// Not a group of actors.
    #[error("`{0}` names no group of actors: it must end with `/*` (children) or `/**` (all below), as in `/shop/**`")]
    NoGroup(String),
    /// No such actor.
    #[error("no actor has the address `{0}`")]
    UnknownAddress(Address),
    /// The manifest does not allow it.
    #[error("`{from}` may not send to `{to}`: add it to `sends_to` of `{from}`")]
    NotGranted {
        /// The sender.
        from: Address,
        /// The receiver.
        to: Address,
    },
    /// The body is too large for the receiver.
    #[error("{bytes} bytes are too many for `{to}`, whose limits.message is {limit_bytes} bytes")]
    TooLarge {
        /// The receiver.
        to: Address,
        /// The body's size.
        bytes: usize,
        /// The receiver's limit.
        limit_bytes: usize,
    },
    /// The receiver's mailbox stayed full. Only senders outside the play get this error; an actor's tell becomes a dead
    /// letter.
    #[error("the mailbox of `{0}` is full")]
    MailboxFull(Address),
    /// The receiver's mailbox is full, and its overflow rule dropped the message: it is a dead letter. Only senders outside
    /// the play get this error.
    #[error("the mailbox of `{to}` is full, and its rule `drop-newest` dropped the message: it is dead letter {id}")]
    Dropped {
        /// The receiver.
        to: Address,
        /// The message's id.
        id: MessageId,
    },
    /// The receiver is stopped for good. Only senders outside the play get this error; an actor's tell becomes a dead letter.
    #[error("`{0}` is stopped")]
    Stopped(Address),
    /// The turn does more than its limits allow, and will not be committed.
    #[error("more than {0}")]
    Overrun(#[from] Overrun),
    /// Memory is short; the text comes from the memory watch. Only senders outside the play get this error; actors may still
    /// send.
    #[error("memory is short, and no messages from outside are taken: {0}")]
    MemoryPressure(Arc<str>),
    /// The receiver's messages are stored, and the store is full, failed or is closed: the message may be kept or not, or is kept later,
    /// when a full store has space. Only senders outside the play get this error.
    #[error("the store did not confirm the message for `{to}`: {why}")]
    NotStored {
        /// The receiver.
        to: Address,
        /// The store's error.
        why: Arc<str>,
    },
    /// Another request came under the key before. Only senders outside the play get this error.
    #[error(
        "the key `{key}` belongs to another request for `{to}`: a repetition has the same body, another request another key"
    )]
    KeyReused {
        /// The receiver.
        to: Address,
        /// The key.
        key: Arc<str>,
    },
    /// The receiver would be a new member of a family, and the sender may not make one. A tell of an actor becomes a dead letter.
    #[error("`{to}` does not exist, and `{from}` may not bring it into being: add `{from}` to `create` of the family")]
    NotCreated {
        /// The receiver.
        to: Address,
        /// The sender; `/` for one outside the play.
        from: Address,
    },
    /// The receiver would be a new member of a family that has all members that it may have. A tell of an actor becomes a dead
    /// letter.
    #[error("`{to}` does not exist, and its family has all {most} members that `members` allows")]
    TooManyMembers {
        /// The receiver.
        to: Address,
        /// The limit.
        most: usize,
    },
    /// The receiver would be a new member of a family, and the sender has just made many. A tell of an actor becomes a dead letter.
    #[error(
        "`{to}` does not exist, and `{from}` makes more new members than the {per_second} in a second that it may make"
    )]
    CreatesTooFast {
        /// The receiver.
        to: Address,
        /// The sender; `/` for one outside the play.
        from: Address,
        /// The limit.
        per_second: u32,
    },
    /// The receiver's messages are not stored, so a repetition could not be recognised. Only senders outside the play get this error.
    #[error(
        "a key needs a durable mailbox, and `{0}` has none: send without a key, or add mailbox = {{ kind = \"durable\" }}"
    )]
    NoKeys(Address),
}

impl SendError {
    /// The store did not confirm a message for `to`.
    pub(crate) fn not_stored(to: &Address, why: &impl ToString) -> Self {
        Self::NotStored { to: to.clone(), why: why.to_string().into() }
    }

    /// The kind in one word, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BadAddress(_) | Self::NoGroup(_) => "bad-address",
            Self::UnknownAddress(_) => "unknown-address",
            Self::NotGranted { .. } => "not-granted",
            Self::TooLarge { .. } => "message-too-large",
            Self::MailboxFull(_) => "mailbox-full",
            Self::Dropped { .. } => "dropped",
            Self::Stopped(_) => "stopped",
            Self::MemoryPressure(_) => "memory-pressure",
            Self::NotStored { .. } => "not-stored",
            Self::KeyReused { .. } => "key-reused",
            Self::NoKeys(_) => "not-durable",
            Self::NotCreated { .. } => "not-created",
            Self::TooManyMembers { .. } => "too-many-members",
            Self::CreatesTooFast { .. } => "creates-too-fast",
            Self::Overrun(_) => "limit",
        }
    }
}

/// Why an ask has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The question could not be sent.
    #[error(transparent)]
    NotSent(#[from] SendError),
    /// No reply came in time.
    #[error("no reply in time")]
    Timeout,
    /// The wait would never end; the chain of actors that wait for each other.
    #[error("deadlock: {0}")]
    Deadlock(String),
    /// The receiver handled the message and gave no reply.
    #[error("it was handled, and there is no reply")]
    NoReply,
    /// The receiver's handler rejected the message: it will never succeed.
    #[error("the receiver rejected it: {0}")]
    Rejected(String),
    /// The receiver's handler failed the message at each of its attempts.
    #[error("the receiver failed it at its last attempt: {0}")]
    RetriesSpent(String),
    /// The receiver handled the message, and the kernel refused the result: its reply is too large, for example.
    #[error("the receiver handled it, and the result was refused: {0}")]
    Failed(String),
    /// The receiver crashed while it handled this message alone; or it does not start again.
    #[error("the receiver {0}")]
    Crashed(String),
    /// The receiver crashed while it handled several messages, so the one to blame is unknown, and it starts again; or it
    /// does not restart before the ask's deadline.
    #[error("the receiver is restarting: {0}")]
    Restarting(String),
    /// The receiver stopped for good before it handled the question.
    #[error("the receiver is stopped")]
    Stopped,
    /// The receiver, or the actor under `/` above it, failed too often.
    #[error("the receiver is failed: {0}")]
    ActorFailed(String),
    /// No reply came in time, because an operator stopped the receiver or has not started it yet.
    #[error("no reply in time: an operator stopped `{0}`, and only an operator starts it")]
    StoppedByOperator(Address),
}

impl AskError {
    /// The kind in one word, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotSent(error) => error.kind(),
            Self::Timeout => "timeout",
            Self::Deadlock(_) => "deadlock",
            Self::NoReply => "no-reply",
            Self::Rejected(_) => "rejected",
            Self::RetriesSpent(_) => "retries-spent",
            Self::Failed(_) => "failed",
            Self::Crashed(_) => "crashed",
            Self::Restarting(_) => "restarting",
            Self::ActorFailed(_) => "actor-failed",
            Self::Stopped => "stopped",
            Self::StoppedByOperator(_) => "stopped-by-operator",
        }
    }
}

/// The results of asks: a reply, and all values of [`AskError::kind`].
pub const ASK_RESULTS: [&str; 26] = [
    "reply",
    "bad-address",
    "unknown-address",
    "not-granted",
    "message-too-large",
    "mailbox-full",
    "dropped",
    "stopped",
    "memory-pressure",
    "not-stored",
    "key-reused",
    "not-durable",
    "not-created",
    "too-many-members",
    "creates-too-fast",
    "limit",
    "timeout",
    "deadlock",
    "no-reply",
    "rejected",
    "retries-spent",
    "failed",
    "crashed",
    "restarting",
    "actor-failed",
    "stopped-by-operator",
];

/// The result of an ask.
pub type Answer = Result<Vec<u8>, AskError>;

/// The result of an ask, with the reply's metadata.
pub(crate) type FullAnswer = Result<Reply, AskError>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_an_ask_is_a_result() {
        let source = include_str!("send_error.rs");
        // The text of `SendError::kind` and `AskError::kind`: each arm has its word.
        let arms = source.lines().filter_map(|line| line.split_once("=> \"")?.1.split_once('"'));
        let kinds: Vec<_> = arms.map(|(kind, _)| kind).collect();
        assert!(kinds.len() > 15, "{kinds:?}");
        assert!(kinds.iter().all(|kind| ASK_RESULTS.contains(kind)), "{kinds:?}");
    }
}
