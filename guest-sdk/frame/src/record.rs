//! The header before each message's content. It has the same bytes in a mailbox and in an inbound frame, so that a batch becomes a
//! frame without work for each message.

/// Bytes of a header: one cache line.
pub const HEADER_BYTES: usize = 64;

/// The bit of the header's first field that marks a message with optional parts. A reader that checks the field against the
/// frame's length, as it must, finds the bit by the same comparison.
pub(crate) const MARK: u32 = 1 << 31;

/// The optional parts of a message that lie before its body, in the order of the constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts(pub u32);

impl Parts {
    /// No optional parts.
    pub const NONE: Self = Self(0);
    /// A deadline, in 8 bytes.
    pub const DEADLINE: Self = Self(1);
    /// The message's number in its mailbox, in 8 bytes.
    pub const SEQUENCE: Self = Self(1 << 1);
    /// [`Metadata`](crate::Metadata).
    pub const METADATA: Self = Self(1 << 2);

    /// Whether it has these parts, too.
    pub const fn has(self, parts: Self) -> bool {
        self.0 & parts.0 == parts.0
    }

    /// These parts, and those.
    #[must_use]
    pub const fn with(self, parts: Self) -> Self {
        Self(self.0 | parts.0)
    }
}

/// The envelope's fields that travel with a message's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Bytes of the content, which follows: of the optional parts, and the body. Less than 2 GiB.
    pub content_bytes: u32,
    /// Failures so far that this message was to blame for.
    pub failures: u32,
    /// The message's id.
    pub id: u128,
    /// The number of the sender; 0 for the outside. Equal numbers mean the same sender; the number has no other meaning.
    pub sender: u64,
    /// Common to all messages that follow from one message from outside: a W3C trace id, which is never 0.
    pub flow: u128,
    /// In a mailbox: the ask that waits for the reply. In a frame: 1 when an asker waits for the reply, else 0.
    pub reply: u64,
    /// The number of sends between the message from outside and this one.
    pub hops: u32,
    /// The optional parts of the content.
    pub parts: Parts,
}

impl Header {
    /// The place of `sender` in the header.
    pub const SENDER_AT: usize = 24;
    /// The place of `reply` in the header.
    pub const REPLY_AT: usize = 48;
    const PARTS_AT: usize = 60;

    /// The header's bytes.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        debug_assert!(self.content_bytes < MARK, "contents are limited where they enter");
        let mark = if self.parts == Parts::NONE { 0 } else { MARK };
        let mut out = [0; HEADER_BYTES];
        out[0..4].copy_from_slice(&(self.content_bytes | mark).to_le_bytes());
        out[4..8].copy_from_slice(&self.failures.to_le_bytes());
        out[8..24].copy_from_slice(&self.id.to_le_bytes());
        out[Self::SENDER_AT..32].copy_from_slice(&self.sender.to_le_bytes());
        out[32..48].copy_from_slice(&self.flow.to_le_bytes());
        out[Self::REPLY_AT..56].copy_from_slice(&self.reply.to_le_bytes());
        out[56..60].copy_from_slice(&self.hops.to_le_bytes());
        out[Self::PARTS_AT..64].copy_from_slice(&self.parts.0.to_le_bytes());
        out
    }

    /// Reads a header that [`Header::encode`] wrote.
    #[inline]
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        let u128_at = |at: usize| u128::from_le_bytes(bytes[at..at + 16].try_into().expect("16 bytes"));
        Self {
            content_bytes: u32_at(0) & !MARK,
            failures: u32_at(4),
            id: u128_at(8),
            sender: u64_at(Self::SENDER_AT),
            flow: u128_at(32),
            reply: u64_at(Self::REPLY_AT),
            hops: u32_at(56),
            parts: Parts(u32_at(Self::PARTS_AT)),
        }
    }

    /// The bytes of the record that begins with this header.
    #[inline]
    pub fn record_bytes(header: &[u8; HEADER_BYTES]) -> usize {
        let first = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        HEADER_BYTES + (first & !MARK) as usize
    }

    /// The optional parts, without the rest of the header.
    #[inline]
    pub fn parts_of(header: &[u8; HEADER_BYTES]) -> Parts {
        // The last byte of the first field has the mark: a message without parts needs no second look.
        if header[3] & (MARK >> 24) as u8 == 0 {
            return Parts::NONE;
        }
        Parts(u32::from_le_bytes([header[60], header[61], header[62], header[63]]))
    }
}
