//! Messages as the kernel holds them: an [`Envelope`] and opaque bytes. The layer `turn` has the effects of a message.

use std::fmt;
use std::str::FromStr;

use playhouse_frame::{HEADER_BYTES, Header};

/// Identifies one message for good. The id is a function of the causing message and of the index among its sends, so that a
/// message that is sent again by a replay has the same id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub u128);

impl MessageId {
    /// The id of the `index`-th message that `self` causes.
    pub fn caused(self, index: u64) -> Self {
        let (high, low) = ((self.0 >> 64) as u64, self.0 as u64);
        let a = fold(low ^ 0x9e37_79b9_7f4a_7c15, index.wrapping_add(0xd1b5_4a32_d192_ed03));
        let b = fold(high ^ 0xc2b2_ae3d_27d4_eb4f, a ^ index);
        Self((u128::from(a ^ high) << 64) | u128::from(b ^ low))
    }

    /// A seed for ids that have no causing message: a hook's, or the outside's.
    pub fn seeded(text: &str, number: u64) -> Self {
        text.bytes()
            .fold(Self(0x243f_6a88_85a3_08d3_1319_8a2e_0370_7344), |id, byte| id.caused(u64::from(byte)))
            .caused(number)
    }

    /// Its first twelve digits: enough to find the message.
    pub fn short(self) -> String {
        let mut id = self.to_string();
        id.truncate(12);
        id
    }

    /// The flow that this message begins.
    pub fn flow(self) -> u64 {
        (self.0 >> 64) as u64 ^ self.0 as u64
    }
}

/// Both halves of the 128-bit product, xored: a cheap mix in which every input bit reaches every output bit.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for MessageId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// Identifies one actor for the life of the kernel; never used twice. 0 stands for the outside.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ActorId(pub u64);

impl ActorId {
    /// The sender of messages that come from outside.
    pub const OUTSIDE: Self = Self(0);
    /// The kernel itself, as the sender of notices to watchers.
    pub const NOTICE: Self = Self(u64::MAX);
}

/// The right to one reply. 0 means that no asker waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ReplyToken(pub u64);

impl ReplyToken {
    /// No asker waits for a reply.
    pub const NONE: Self = Self(0);

    /// Whether an asker waits for a reply.
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }
}

/// The data that travels with a message's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The id of this message.
    pub id: MessageId,
    /// The sender.
    pub sender: ActorId,
    /// Common to all messages that follow from one message from outside.
    pub flow: u64,
    /// Number of sends from that message to this one.
    pub hops: u32,
    /// Failures so far that this message was to blame for.
    pub attempt: u32,
    /// The token by which the asker gets the reply.
    pub reply: ReplyToken,
}

impl Envelope {
    /// Writes the header of a message whose body has `body_bytes` bytes (at most `u32::MAX`).
    pub(crate) fn encode(&self, body_bytes: usize) -> [u8; HEADER_BYTES] {
        let header = Header {
            body_bytes: u32::try_from(body_bytes).expect("bodies are limited to 4 GiB where they enter"),
            failures: self.attempt,
            id: self.id.0,
            sender: self.sender.0,
            flow: self.flow,
            reply: self.reply.0,
            hops: self.hops,
        };
        header.encode()
    }

    /// Decodes the result of [`Envelope::encode`]: the envelope and the body's length.
    pub(crate) fn decode(header: &[u8; HEADER_BYTES]) -> (Self, usize) {
        let Header { body_bytes, failures, id, sender, flow, reply, hops } = Header::decode(header);
        let envelope = Self {
            id: MessageId(id),
            sender: ActorId(sender),
            flow,
            hops,
            attempt: failures,
            reply: ReplyToken(reply),
        };
        (envelope, body_bytes as usize)
    }
}

/// A message on its own, outside a mailbox: in a retry, a replay or a dead letter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The data that travels with the body.
    pub envelope: Envelope,
    /// The bytes that the kernel never looks into.
    pub body: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn an_envelope_survives_its_encoding() {
        let envelope = Envelope {
            id: MessageId(u128::MAX - 5),
            sender: ActorId(7),
            flow: 8,
            hops: 9,
            attempt: 10,
            reply: ReplyToken(11),
        };
        assert_eq!(Envelope::decode(&envelope.encode(12)), (envelope, 12));
    }

    #[test]
    fn ids_depend_on_cause_and_index_alone() {
        let root = MessageId::seeded("/a", 1);
        assert_eq!(root.caused(3), root.caused(3));
        let mut seen = HashSet::new();
        for i in 0..100 {
            for j in 0..100 {
                assert!(seen.insert(root.caused(i).caused(j)));
            }
        }
    }

    #[test]
    fn an_id_is_read_back_from_its_text() {
        let id = MessageId::seeded("/a", 1);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}
