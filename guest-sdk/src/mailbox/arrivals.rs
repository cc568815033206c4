//! New messages of a mailbox, as its plugin sees them.

use crate::envelope::FlowId;

/// The sender of notices.
const NOTICE: u64 = (1 << 53) - 1;

/// The key of one message of the mailbox. A message that came later has a larger key.
pub type Key = u64;

/// New messages of the mailbox.
#[derive(Debug, Default)]
pub struct Arrivals {
    pub(crate) entries: Vec<Entry>,
    pub(crate) prefixes: Vec<u8>,
    pub(crate) excess: Excess,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) sender: u64,
    pub(crate) flow: FlowId,
    pub(crate) hops: u32,
    pub(crate) asked: bool,
    pub(crate) bytes: u32,
    pub(crate) prefix_end: u32,
}

impl Arrivals {
    /// The number of new messages.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none, which is never the case in a call of the host.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The new messages, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Arrival<'_>> {
        let starts = std::iter::once(0).chain(self.entries.iter().map(|entry| entry.prefix_end as usize));
        self.entries.iter().zip(starts).map(|(entry, start)| {
            let &Entry { key, sender, flow, hops, asked, bytes, prefix_end } = entry;
            let prefix = &self.prefixes[start..prefix_end as usize];
            Arrival { key, sender, flow, hops, asked, bytes, prefix }
        })
    }

    /// The part of all messages that the plugin has, these included, that must be dropped.
    pub fn excess(&self) -> Excess {
        self.excess
    }
}

/// One new message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrival<'a> {
    /// The key of the message.
    pub key: Key,
    /// The number of the actor that sent it; 0 for the outside. See [`Arrival::is_notice`].
    pub sender: u64,
    /// Common to all messages that follow from one message from outside.
    pub flow: FlowId,
    /// The number of sends between the message from outside and this one.
    pub hops: u32,
    /// Whether an asker waits for the reply.
    pub asked: bool,
    /// The number of bytes of its body, and of its metadata.
    pub bytes: u32,
    /// The first bytes of its body, at most [`Rules::prefix_bytes`](super::Rules::prefix_bytes).
    pub prefix: &'a [u8],
}

impl Arrival<'_> {
    /// Whether this is a notice to a watcher, whose body has a format of the kernel's own.
    pub fn is_notice(&self) -> bool {
        self.sender == NOTICE
    }

    /// The bytes that the message takes in the mailbox, as counted by [`Excess::goes`].
    pub fn size(&self) -> u64 {
        u64::from(self.bytes) + 64
    }
}

/// The part beyond the mailbox's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Excess {
    /// The least number of messages that must be dropped.
    pub messages: u32,
    /// The least number of bytes that must be dropped, as [`Arrival::size`] counts them.
    pub bytes: u64,
}

impl Excess {
    /// Whether more messages must be dropped.
    pub fn is_some(&self) -> bool {
        self.messages > 0 || self.bytes > 0
    }

    /// Subtracts a dropped message of this size.
    pub fn goes(&mut self, size: u64) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
    }
}
