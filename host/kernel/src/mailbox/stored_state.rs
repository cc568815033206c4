//! The part of a stored mailbox that one in memory does not have.

use crate::mailbox::spec::MailboxSpec;
use crate::mailbox::spilled::Spilled;

/// The state of a mailbox whose messages are stored, beside the messages.
pub(super) struct StoredState {
    /// The number of the last message.
    pub(super) last_number: u64,
    /// Whether the messages of turns are stored although the mailbox is closed: they wait for the next run of the host.
    pub(super) goes_on: bool,
    /// The messages that are not in memory.
    pub(super) spilled: Spilled,
}

impl StoredState {
    pub(super) fn new(spec: &MailboxSpec) -> Self {
        Self { last_number: 0, goes_on: false, spilled: Spilled::new(spec.memory_bytes) }
    }
}
