//! The space that messages of one turn take in a mailbox, and the space that is left.

use crate::mailbox::spec::{Keep, MailboxSpec};

/// Bytes that the number of a stored message takes.
const NUMBER_BYTES: usize = 8;

/// Messages of one turn for one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    pub(crate) messages: usize,
    /// The bytes of their records.
    pub(crate) bytes: usize,
    /// The bytes of the first one's content.
    pub(crate) first_bytes: usize,
}

impl Load {
    /// The space that they take in a mailbox.
    pub(super) fn space(self, keep: Keep) -> SpaceLeft {
        let numbers = if keep == Keep::Stored { self.messages * NUMBER_BYTES } else { 0 };
        SpaceLeft { messages: signed(self.messages), bytes: signed(self.bytes + numbers) }
    }
}

/// The bounds of a mailbox, less the space that is reserved. A reservation may take more than there is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SpaceLeft {
    pub(super) messages: isize,
    pub(super) bytes: isize,
}

impl SpaceLeft {
    /// Without reservations.
    pub(super) fn of(spec: &MailboxSpec) -> Self {
        Self { messages: signed(spec.capacity), bytes: signed(spec.capacity_bytes) }
    }

    /// Whether so many messages and bytes are within the bounds.
    #[inline]
    pub(super) fn lets_in(self, messages: usize, bytes: usize) -> bool {
        messages.cast_signed() <= self.messages && bytes.cast_signed() <= self.bytes
    }
}

/// A count of messages or bytes, far below the largest number in all cases but one: a bound that means none.
#[inline]
pub(super) fn signed(count: usize) -> isize {
    isize::try_from(count).unwrap_or(isize::MAX)
}
