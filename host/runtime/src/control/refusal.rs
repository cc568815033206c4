//! The response to a request that was not done.

use serde::{Deserialize, Serialize};

/// The reason why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// One word for programs: `malformed`, `version`, `too-large`, `too-slow`, `unknown-letter`, `ambiguous-letter`, `ambiguous-flow`,
    /// `no-log`, `not-permitted`, `refused`, `busy`, `closed-idle`, `foreign-user`; of a request about a state `not-stopped`, `no-state`, `bad-key`,
    /// `value-too-large`, `state-full`; of one about a store `no-store`, `unknown-mailbox`, `unknown-message`, `ambiguous-message`,
    /// `store-damaged`, `store-newer`, `store-taken`, `store-failed`; the reason why a message was not sent: `unknown-address`, `message-too-large`,
    /// `mailbox-full`, `dropped`, `stopped`, `memory-pressure`, `not-stored`; or the reason why an ask has no reply: `timeout`,
    /// `no-reply`, `rejected`, `retries-spent`, `failed`, `crashed`, `restarting`, `actor-failed`, `stopped`, `stopped-by-operator`.
    pub kind: String,
    /// The reason, for operators.
    pub message: String,
}

/// Maximum length of the message of a refusal.
const MESSAGE_BYTES: usize = 16 << 10;

impl Refusal {
    /// A refusal of this kind. A message that quotes a request is cut to [`MESSAGE_BYTES`].
    pub fn new(kind: &str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MESSAGE_BYTES {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
            message.push('…');
        }
        Self { kind: kind.to_owned(), message }
    }

    /// The refusal of an order that is not in the store, since that is full. `done`: the part of the order that is done.
    pub(crate) fn not_kept(done: &str, full: &str) -> Self {
        let way_out = "`playhouse mailbox drop` and `playhouse dead-letters drop` make space";
        let said = "a host that ends before there is space forgets the order";
        Self::new("not-stored", format!("{done}, but {full}; {said}: {way_out}"))
    }
}
