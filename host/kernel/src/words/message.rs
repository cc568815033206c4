//! Messages as the kernel holds them: an [`Envelope`] and opaque bytes. The layer `turn` has the effects of a message.

use std::fmt;
use std::str::FromStr;

use playhouse_frame::{Content, HEADER_BYTES, Header, Metadata, Pairs, Parts};

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

    /// The flow that this message begins: its own id, which is random, and never 0 as a flow.
    #[inline]
    pub fn flow(self) -> FlowId {
        FlowId(if self.0 == 0 { 1 } else { self.0 })
    }
}

/// Identifies a flow: all messages that follow from one message from outside. It is a W3C trace id: 32 hexadecimal digits in
/// text, and never 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FlowId(pub u128);

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
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

/// The largest number that code gets to keep: JavaScript engines make doubles of numbers, which are exact up to here, 2^53 - 1.
pub(crate) const MOST_NUMBER: u64 = (1 << 53) - 1;

/// Checks a number that code gets to keep, where it is made.
///
/// # Panics
/// When it is 2^53 or more. At a million numbers in each second, that takes 285 years.
pub(crate) fn kept_number(number: u64) -> u64 {
    assert!(number < MOST_NUMBER, "numbers that code keeps stay below 2^53");
    number
}

/// Identifies one actor for the life of the kernel; never used twice. 0 stands for the outside.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ActorId(pub u64);

impl ActorId {
    /// The sender of messages that come from outside.
    pub const OUTSIDE: Self = Self(0);
    /// The kernel itself, as the sender of notices to watchers.
    pub const NOTICE: Self = Self(MOST_NUMBER);
}

/// The right to one reply, or to one receipt: the news that the message has ended. 0 means that neither is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ReplyToken(pub u64);

impl ReplyToken {
    /// Neither a reply nor a receipt is waited for.
    pub const NONE: Self = Self(0);
    /// The bit of the tokens of receipts.
    pub(crate) const RECEIPT: u64 = 1 << 63;

    /// The bit of the tokens of questions under a key.
    pub(crate) const KEYED: u64 = 1 << 62;

    /// Whether a question has a key.
    pub(crate) fn is_keyed(self) -> bool {
        self.is_ask() && self.0 & Self::KEYED != 0
    }

    /// Whether the end of the message is waited for: by an asker, or for a receipt.
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }

    /// Whether an asker waits for a reply.
    pub fn is_ask(self) -> bool {
        self.0.cast_signed() > 0
    }

    /// Whether a receipt is waited for.
    pub(crate) fn is_receipt(self) -> bool {
        self.0 & Self::RECEIPT != 0
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
    pub flow: FlowId,
    /// Number of sends from that message to this one.
    pub hops: u32,
    /// Failures so far that this message was to blame for.
    pub attempt: u32,
    /// The token by which the asker gets the reply, or a sender its receipt.
    pub reply: ReplyToken,
    /// The optional parts that lie before the body.
    pub parts: Parts,
}

/// The fields of a message that its sends take over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause {
    pub(crate) id: MessageId,
    pub(crate) sender: ActorId,
    pub(crate) flow: FlowId,
    pub(crate) hops: u32,
}

impl Cause {
    /// Reads the fields from the header of a record.
    #[inline]
    pub(crate) fn decode(header: &[u8; HEADER_BYTES]) -> Self {
        let Header { id, sender, flow, hops, .. } = Header::decode(header);
        Self { id: MessageId(id), sender: ActorId(sender), flow: FlowId(flow), hops }
    }
}

impl Envelope {
    /// Writes the header of a message whose optional parts and body have `content_bytes` bytes (less than 2 GiB).
    #[inline]
    pub(crate) fn encode(&self, content_bytes: usize) -> [u8; HEADER_BYTES] {
        let header = Header {
            content_bytes: i32::try_from(content_bytes).expect("contents are limited where they enter").cast_unsigned(),
            failures: self.attempt,
            id: self.id.0,
            sender: self.sender.0,
            flow: self.flow.0,
            reply: self.reply.0,
            hops: self.hops,
            parts: self.parts,
        };
        header.encode()
    }

    /// Decodes the result of [`Envelope::encode`]: the envelope and the content's length.
    pub(crate) fn decode(header: &[u8; HEADER_BYTES]) -> (Self, usize) {
        let Header { content_bytes, failures, id, sender, flow, reply, hops, parts } = Header::decode(header);
        let envelope = Self {
            id: MessageId(id),
            sender: ActorId(sender),
            flow: FlowId(flow),
            hops,
            attempt: failures,
            reply: ReplyToken(reply),
            parts,
        };
        (envelope, content_bytes as usize)
    }
}

/// The bytes after a message's header: its optional parts, and its body.
#[derive(Clone, Copy, Default)]
pub(crate) struct Payload<'a> {
    pub(crate) parts: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl<'a> Payload<'a> {
    /// A body without optional parts.
    pub(crate) fn plain(body: &'a [u8]) -> Self {
        Self { parts: &[], body }
    }

    /// Splits the content of a record.
    pub(crate) fn of(parts: Parts, content: &'a [u8]) -> Self {
        if parts == Parts::NONE {
            return Self::plain(content);
        }
        let (parts, body) = content.split_at(Content::parts_bytes(parts, content));
        Self { parts, body }
    }

    /// Its bytes.
    pub(crate) fn len(&self) -> usize {
        self.parts.len() + self.body.len()
    }
}

/// The optional parts of a question: its deadline, and its metadata. The usual question has only the deadline, and needs no
/// memory.
pub(crate) struct QuestionParts {
    deadline: u64,
    bytes: [u8; 8],
    all: Vec<u8>,
}

impl QuestionParts {
    /// `deadline`: on the kernel's clock; not 0.
    pub(crate) fn new(deadline: u64) -> Self {
        Self { deadline, bytes: deadline.to_le_bytes(), all: Vec::new() }
    }

    /// Which parts they are, and their bytes.
    #[inline]
    pub(crate) fn with(&mut self, metadata: &Metadata) -> (Parts, &[u8]) {
        if metadata.is_empty() {
            return (Parts::DEADLINE, &self.bytes);
        }
        let (parts, all) = Content::parts(Some(self.deadline), 0, metadata);
        self.all = all;
        (parts, &self.all)
    }
}

/// Reads a content that was checked where it entered.
pub(crate) fn read(parts: Parts, content: &[u8]) -> Content<'_> {
    Content::read(parts, content).expect("contents are checked where they enter")
}

/// The records in some bytes, one after another, as in [`Op::Put`](crate::Op::Put). Bytes at the end that are no whole record are left out.
pub fn records_of(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let header = bytes.first_chunk()?;
        let (record, rest) = bytes.split_at_checked(Header::record_bytes(header))?;
        bytes = rest;
        Some(record)
    })
}

/// Appends a record as a mailbox stores it: with its number, and without the token of its receipt, which ends with the host.
pub(crate) fn append_numbered(record: &[u8], number: u64, to: &mut Vec<u8>) {
    let first: &[u8; HEADER_BYTES] = record.first_chunk().expect("a record begins with its header");
    let (mut header, content) = (Header::decode(first), &record[HEADER_BYTES..]);
    let (before, mut after) = content.split_at(8 * usize::from(header.parts.has(Parts::DEADLINE)));
    if header.parts.has(Parts::SEQUENCE) {
        after = &after[8..];
    } else {
        header.content_bytes += 8;
        header.parts = header.parts.with(Parts::SEQUENCE);
    }
    header.reply = ReplyToken::NONE.0;
    to.extend_from_slice(&header.encode());
    to.extend_from_slice(before);
    to.extend_from_slice(&number.to_le_bytes());
    to.extend_from_slice(after);
}

/// The number that a mailbox gave to the message with this record; 0 when the mailbox does not store it.
pub(crate) fn number_of(record: &[u8]) -> u64 {
    let header: &[u8; HEADER_BYTES] = record.first_chunk().expect("a record begins with its header");
    let parts = Header::parts_of(header);
    if parts.has(Parts::SEQUENCE) { read(parts, &record[HEADER_BYTES..]).sequence } else { 0 }
}

/// A message on its own, outside a mailbox: in a retry, a replay or a dead letter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The data that travels with the body.
    pub envelope: Envelope,
    /// The optional parts that [`Envelope::parts`] names, as bytes.
    pub(crate) parts: Vec<u8>,
    /// The bytes that the kernel never looks into.
    pub body: Vec<u8>,
}

impl Message {
    /// A message without optional parts.
    pub fn new(envelope: Envelope, body: Vec<u8>) -> Self {
        Self { envelope: Envelope { parts: Parts::NONE, ..envelope }, parts: Vec::new(), body }
    }

    /// The pairs of its metadata.
    pub fn metadata(&self) -> Pairs<'_> {
        read(self.envelope.parts, &self.parts).metadata
    }

    /// Its number in its mailbox; 0 when the mailbox does not store it.
    pub fn sequence(&self) -> u64 {
        read(self.envelope.parts, &self.parts).sequence
    }

    /// A message with metadata.
    pub fn with_metadata(envelope: Envelope, metadata: &Metadata, body: Vec<u8>) -> Self {
        let (parts, bytes) = Content::parts(None, 0, metadata);
        Self { envelope: Envelope { parts, ..envelope }, parts: bytes, body }
    }

    /// Reads a record as a store keeps it; none when the bytes are no record.
    pub fn read(record: &[u8]) -> Option<Self> {
        let (envelope, content_bytes) = Envelope::decode(record.first_chunk()?);
        let content = &record[HEADER_BYTES..];
        let is_whole = content.len() == content_bytes && Content::read(envelope.parts, content).is_ok();
        is_whole.then(|| Self::of(envelope, Payload::of(envelope.parts, content)))
    }

    /// The record of the message as a stored mailbox keeps it, with its number.
    pub fn stored_record(&self, number: u64) -> Vec<u8> {
        let mut record = Vec::with_capacity(HEADER_BYTES + 8 + self.content_bytes());
        append_numbered(&self.record(), number, &mut record);
        record
    }

    pub(crate) fn of(envelope: Envelope, payload: Payload<'_>) -> Self {
        Self { envelope, parts: payload.parts.to_vec(), body: payload.body.to_vec() }
    }

    /// The record of the message, without its token.
    pub(crate) fn record(&self) -> Vec<u8> {
        let mut record = Envelope { reply: ReplyToken::NONE, ..self.envelope }.encode(self.content_bytes()).to_vec();
        record.extend_from_slice(&self.parts);
        record.extend_from_slice(&self.body);
        record
    }

    pub(crate) fn payload(&self) -> Payload<'_> {
        Payload { parts: &self.parts, body: &self.body }
    }

    /// The bytes of its optional parts and its body.
    pub(crate) fn content_bytes(&self) -> usize {
        self.parts.len() + self.body.len()
    }
}

/// A reply with its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The body.
    pub body: Vec<u8>,
    /// The pairs beside the body.
    pub metadata: Metadata,
}

impl From<Vec<u8>> for Reply {
    fn from(body: Vec<u8>) -> Self {
        Self { body, metadata: Metadata::new() }
    }
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
            flow: FlowId(u128::MAX - 8),
            hops: 9,
            attempt: 10,
            reply: ReplyToken(11),
            parts: Parts::METADATA,
        };
        assert_eq!(Envelope::decode(&envelope.encode(12)), (envelope, 12));
    }

    #[test]
    fn bytes_that_are_no_record_are_not_read() {
        let record =
            Message::new(Envelope { parts: Parts::NONE, ..Envelope::decode(&[0; HEADER_BYTES]).0 }, vec![1; 9]);
        let good = record.stored_record(3);
        assert!(Message::read(&good).is_some());
        for length in [0, 10, HEADER_BYTES, good.len() - 1] {
            assert_eq!(Message::read(&good[..length]), None, "{length} bytes");
        }
        let mut unknown_part = good.clone();
        unknown_part[60..].iter_mut().take(4).for_each(|byte| *byte = 0xff);
        assert_eq!(Message::read(&unknown_part), None);
        assert_eq!(Message::read(&[good, vec![0]].concat()), None, "more than one");
    }

    #[test]
    fn kept_numbers_stay_exact_as_doubles() {
        assert_eq!(kept_number(MOST_NUMBER - 1), MOST_NUMBER - 1);
        assert_eq!(u64::BITS - MOST_NUMBER.leading_zeros(), f64::MANTISSA_DIGITS);
        assert!(std::panic::catch_unwind(|| kept_number(MOST_NUMBER)).is_err());
    }

    #[test]
    fn numbered_record_keeps_all_but_its_token() {
        let metadata = Metadata::collect([("k", "v")]).expect("good pairs");
        let (parts, before) = Content::parts(None, 0, &metadata);
        let envelope = Envelope {
            id: MessageId(5),
            sender: ActorId(7),
            flow: FlowId(8),
            hops: 9,
            attempt: 2,
            reply: ReplyToken(ReplyToken::RECEIPT | 3),
            parts,
        };
        let mut record = envelope.encode(before.len() + 4).to_vec();
        record.extend_from_slice(&before);
        record.extend_from_slice(b"body");
        let mut numbered = Vec::new();
        append_numbered(&record, 77, &mut numbered);
        let mut again = Vec::new();
        append_numbered(&numbered, 78, &mut again);
        for (record, number) in [(&numbered, 77), (&again, 78)] {
            let read = records_of(record).collect::<Vec<_>>();
            assert_eq!(read, [&record[..]]);
            let (header, _) = Envelope::decode(record.first_chunk().expect("a header"));
            let message = Message::of(header, Payload::of(header.parts, &record[HEADER_BYTES..]));
            let same = Envelope { reply: ReplyToken::NONE, parts: parts.with(Parts::SEQUENCE), ..envelope };
            assert_eq!((message.envelope, message.sequence(), &message.body[..]), (same, number, &b"body"[..]));
            assert_eq!(message.metadata().get("k"), Some("v"));
            assert_eq!(message.record(), *record);
        }
    }

    #[test]
    fn flow_is_a_valid_trace_id() {
        assert_eq!(MessageId(0).flow(), FlowId(1), "0 is no trace id");
        let flow = MessageId::seeded("outside", 7).flow();
        assert_eq!((flow.to_string().len(), FlowId(5).to_string()), (32, format!("{:0>32}", 5)));
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
