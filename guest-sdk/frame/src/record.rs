//! The header before each message's body. It has the same bytes in a mailbox and in an inbound frame, so that a batch becomes a
//! frame without work for each message.

/// Bytes of a header: one cache line.
pub const HEADER_BYTES: usize = 64;

/// The envelope's fields that travel with a message's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Bytes of the body, which follows.
    pub body_bytes: u32,
    /// Failures so far that this message was to blame for.
    pub failures: u32,
    /// The message's id.
    pub id: u128,
    /// The number of the sender; 0 for the outside. Equal numbers mean the same sender; the number has no other meaning.
    pub sender: u64,
    /// Common to all messages that follow from one message from outside.
    pub flow: u64,
    /// In a mailbox: the ask that waits for the reply. In a frame: 1 when an asker waits for the reply, else 0.
    pub reply: u64,
    /// The number of sends between the message from outside and this one.
    pub hops: u32,
}

impl Header {
    /// The place of `sender` in the header.
    pub const SENDER_AT: usize = 24;
    /// The place of `reply` in the header.
    pub const REPLY_AT: usize = 40;

    /// The header's bytes. The last 12 are zero.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..4].copy_from_slice(&self.body_bytes.to_le_bytes());
        out[4..8].copy_from_slice(&self.failures.to_le_bytes());
        out[8..24].copy_from_slice(&self.id.to_le_bytes());
        out[Self::SENDER_AT..32].copy_from_slice(&self.sender.to_le_bytes());
        out[32..40].copy_from_slice(&self.flow.to_le_bytes());
        out[40..48].copy_from_slice(&self.reply.to_le_bytes());
        out[48..52].copy_from_slice(&self.hops.to_le_bytes());
        out
    }

    /// Reads a header that [`Header::encode`] wrote.
    #[inline]
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        Self {
            body_bytes: u32_at(0),
            failures: u32_at(4),
            id: u128::from_le_bytes(bytes[8..24].try_into().expect("16 bytes")),
            sender: u64_at(Self::SENDER_AT),
            flow: u64_at(32),
            reply: u64_at(Self::REPLY_AT),
            hops: u32_at(48),
        }
    }
}
