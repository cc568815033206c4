//! The bounds of a mailbox, and the rule for a message that finds it full.

use std::time::Duration;

/// The rule for a message that finds the mailbox full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The sender waits, up to [`MailboxSpec::block_timeout`]; then the message becomes a dead letter.
    Block,
    /// The message is refused: an error to an ask, a dead letter for a tell.
    Reject,
    /// The message becomes a dead letter.
    DropNewest,
    /// The oldest waiting message becomes a dead letter, and the new one takes its place.
    DropOldest,
}

impl Overflow {
    /// The rule in one word, as in the manifest.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Reject => "reject",
            Self::DropNewest => "drop-newest",
            Self::DropOldest => "drop-oldest",
        }
    }
}

/// The bounds of a mailbox.
#[derive(Debug, Clone, Copy)]
pub struct MailboxSpec {
    /// Most messages that wait.
    pub capacity: usize,
    /// Most bytes that wait, headers included. One message always fits.
    pub capacity_bytes: usize,
    /// The rule for a message that finds it full.
    pub overflow: Overflow,
    /// How long a sender waits under [`Overflow::Block`]. The sends of one turn to one actor wait together.
    pub block_timeout: Duration,
    /// Where its messages are kept.
    pub keep: Keep,
    /// Of those that wait in a stored mailbox, most bytes in memory, headers included. The others are read back from the store
    /// when their time comes. One turn's messages always fit.
    pub memory_bytes: usize,
}

/// Where the messages of a mailbox are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// In memory: they end with the host.
    #[default]
    Memory,
    /// In the kernel's [`Store`](crate::Store), too: they wait until they were handled, over all runs of the host. A turn of
    /// such an actor is one entry of the store, with all that it took and sent. Questions of askers are not kept, since the
    /// asker ends with the host.
    Stored,
}

impl Default for MailboxSpec {
    fn default() -> Self {
        Self {
            capacity: 1024,
            capacity_bytes: 16 << 20,
            overflow: Overflow::Block,
            block_timeout: Duration::from_secs(30),
            keep: Keep::Memory,
            memory_bytes: 4 << 20,
        }
    }
}
