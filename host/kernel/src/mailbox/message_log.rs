//! A queue of messages as bytes: header and body, one after another, in segments. Appending copies one message, or a run of
//! messages at once; taking returns a [`TakenMessages`] that is flat already. There is no allocation per message.

use std::collections::VecDeque;
use std::sync::Arc;

use playhouse_frame::{Content, HEADER_BYTES, Header, Parts};

use crate::words::message::{self, ActorId, Cause, Envelope, Message, Payload, ReplyToken};

/// A segment is closed when it holds this many bytes. A larger message gets a segment of its own.
const SEGMENT_BYTES: usize = 32 * 1024;

/// Messages in order. The mailbox checks its bounds, not the log.
#[derive(Default)]
pub(crate) struct MessageLog {
    segments: VecDeque<Segment>,
    messages: usize,
    bytes: usize,
    /// One emptied segment, kept so that a mailbox that fills and drains does not allocate.
    spare: Vec<u8>,
}

struct Segment {
    bytes: Vec<u8>,
    /// Where the next message begins; the bytes before were taken.
    head: usize,
}

impl MessageLog {
    pub(crate) fn len(&self) -> usize {
        self.messages
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn append(&mut self, envelope: &Envelope, payload: &Payload<'_>) {
        let content_bytes = payload.len();
        let size = HEADER_BYTES + content_bytes;
        if self.segments.back().is_none_or(|s| !s.bytes.is_empty() && s.bytes.len() + size > SEGMENT_BYTES) {
            self.begin_segment(size);
        }
        let segment = &mut self.segments.back_mut().expect("a segment was just made sure of").bytes;
        if payload.parts.is_empty() {
            // The constant saves the work for parts in the usual case.
            segment.extend_from_slice(&Envelope { parts: Parts::NONE, ..*envelope }.encode(content_bytes));
        } else {
            segment.extend_from_slice(&envelope.encode(content_bytes));
            segment.extend_from_slice(payload.parts);
        }
        segment.extend_from_slice(payload.body);
        self.messages += 1;
        self.bytes += size;
    }

    /// Appends `messages` records as they are.
    #[inline]
    pub(crate) fn append_run(&mut self, records: &[u8], messages: usize) {
        if self.segments.back().is_none_or(|s| !s.bytes.is_empty() && s.bytes.len() + records.len() > SEGMENT_BYTES) {
            self.begin_segment(records.len());
        }
        self.segments.back_mut().expect("a segment was just made sure of").bytes.extend_from_slice(records);
        self.messages += messages;
        self.bytes += records.len();
    }

    /// Begins a segment with space for `size` bytes; after another segment, with the space of a whole segment, so that it
    /// need not grow.
    fn begin_segment(&mut self, size: usize) {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.reserve(if self.segments.is_empty() { size } else { size.max(SEGMENT_BYTES) });
        self.segments.push_back(Segment { bytes, head: 0 });
    }

    /// As [`MessageLog::append_run`] of all bytes from `head` on, without a copy.
    pub(crate) fn append_whole(&mut self, bytes: Vec<u8>, head: usize, messages: usize) {
        self.messages += messages;
        self.bytes += bytes.len() - head;
        self.segments.push_back(Segment { bytes, head });
    }

    /// Moves up to `max` messages to the end of `batch`, and, after the first one, no more than `max_bytes`.
    pub(crate) fn take(&mut self, max: usize, max_bytes: usize, batch: &mut TakenMessages) {
        while batch.len() < max {
            let Some(segment) = self.segments.front_mut() else { return };
            let before = batch.bytes.len();
            let whole = batch.take_from(&segment.bytes, segment.head, max, max_bytes);
            let taken_messages = batch.pending;
            batch.pending = 0;
            self.messages -= taken_messages;
            self.bytes -= whole - segment.head;
            if whole == segment.bytes.len() {
                let mut emptied = self.segments.pop_front().expect("front exists");
                if before == 0 && emptied.head == 0 {
                    // The batch is exactly this segment: the two buffers are swapped.
                    std::mem::swap(&mut batch.bytes, &mut emptied.bytes);
                } else {
                    batch.bytes.extend_from_slice(&emptied.bytes[emptied.head..]);
                }
                emptied.bytes.clear();
                if emptied.bytes.capacity() <= 2 * SEGMENT_BYTES {
                    self.spare = emptied.bytes;
                }
            } else if before == 0 && segment.head == 0 && whole > segment.bytes.len() / 2 {
                // The larger part moves, the smaller one is copied.
                batch.bytes.extend_from_slice(&segment.bytes[whole..]);
                std::mem::swap(&mut batch.bytes, &mut segment.bytes);
                batch.bytes.truncate(whole);
                return;
            } else {
                batch.bytes.extend_from_slice(&segment.bytes[segment.head..whole]);
                segment.head = whole;
                return;
            }
        }
    }

    /// Removes the first message.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        let mut batch = TakenMessages::default();
        self.take(1, usize::MAX, &mut batch);
        (batch.len() == 1).then(|| batch.message(0))
    }

    /// Removes the messages whose records `is_unwanted` picks.
    pub(crate) fn remove_where(&mut self, mut is_unwanted: impl FnMut(&[u8]) -> bool) {
        for segment in &mut self.segments {
            let (mut kept, before) = (Vec::new(), self.messages);
            for record in message::records_of(&segment.bytes[segment.head..]) {
                if is_unwanted(record) {
                    self.messages -= 1;
                    self.bytes -= record.len();
                } else {
                    kept.extend_from_slice(record);
                }
            }
            if self.messages < before {
                *segment = Segment { bytes: kept, head: 0 };
            }
        }
        self.segments.retain(|segment| segment.head < segment.bytes.len());
    }

    /// Frees the buffers that are kept for later use, this one's and those of a cleared batch, if they have more bytes than `most`.
    pub(crate) fn keep_at_most(&mut self, most: usize, batch: &mut TakenMessages) {
        if self.spare.capacity() + batch.buffer_bytes() > most {
            (self.spare, batch.bytes) = (Vec::new(), Vec::new());
        }
    }

    /// Frees memory that is kept for later use.
    pub(crate) fn shrink(&mut self) {
        self.spare = Vec::new();
        self.segments.shrink_to_fit();
    }

    /// Removes all messages, and frees all memory.
    pub(crate) fn drain(&mut self) -> Vec<Message> {
        let messages = std::iter::from_fn(|| self.pop()).collect();
        *self = Self::default();
        messages
    }
}

/// The messages of a turn, flat in one buffer.
#[derive(Default)]
pub(crate) struct TakenMessages {
    bytes: Vec<u8>,
    /// Where each message's header begins.
    starts: Vec<u32>,
    /// Whether an asker may wait for a reply to one of them.
    asked: bool,
    /// Whether the kernel may have sent one of them.
    notices: bool,
    /// Messages noted by the running `take_from` and not yet accounted for by the log.
    pending: usize,
    /// The buffer while it is lent, together with the bytes that were put after the messages; empty otherwise.
    lent: Arc<Vec<u8>>,
    /// The reply tokens that lent bytes do not show, by message.
    tokens: Vec<(usize, ReplyToken)>,
}

impl TakenMessages {
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The bytes for which its buffer has space.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes of its messages.
    pub(crate) fn bytes_taken(&self) -> usize {
        self.bytes().len()
    }

    pub(crate) fn clear(&mut self) {
        if !self.lent.is_empty() {
            // The buffer is taken back; if another holder still has it, that holder keeps it.
            if let Some(lent) = Arc::get_mut(&mut self.lent) {
                self.bytes = std::mem::take(lent);
            } else {
                self.lent = Arc::default();
            }
            self.tokens.clear();
        }
        self.bytes.clear();
        self.starts.clear();
        (self.asked, self.notices) = (false, false);
        // A batch of giant messages must not pin its memory for the life of the actor.
        if self.bytes.capacity() > 16 * SEGMENT_BYTES {
            self.bytes = Vec::new();
        }
    }

    pub(crate) fn push(&mut self, message: &Message) {
        self.starts.push(position(self.bytes.len()));
        let header = message.envelope.encode(message.content_bytes());
        self.note(&header);
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(&message.parts);
        self.bytes.extend_from_slice(&message.body);
    }

    /// Notes the properties of a message that are later checked for the whole batch.
    fn note(&mut self, header: &[u8; HEADER_BYTES]) {
        self.asked |= u64_at(header, Header::REPLY_AT) != ReplyToken::NONE.0;
        self.notices |= u64_at(header, Header::SENDER_AT) == ActorId::NOTICE.0;
    }

    /// Whether an asker waits for the reply to one of them, or the kernel sent one.
    pub(crate) fn is_special(&self) -> bool {
        self.asked || self.notices
    }

    pub(crate) fn envelope(&self, index: usize) -> Envelope {
        Envelope { reply: self.reply(index), ..self.header(index).0 }
    }

    /// The fields of a message that its sends take over.
    #[inline]
    pub(crate) fn cause(&self, index: usize) -> Cause {
        Cause::decode(record_at(self.bytes(), self.starts[index] as usize))
    }

    /// The sender of a message, without the rest of the header.
    pub(crate) fn sender(&self, index: usize) -> ActorId {
        ActorId(u64_at(record_at(self.bytes(), self.starts[index] as usize), Header::SENDER_AT))
    }

    /// The reply token of a message.
    pub(crate) fn reply(&self, index: usize) -> ReplyToken {
        if !self.asked {
            return ReplyToken::NONE;
        }
        if !self.lent.is_empty() {
            let found = self.tokens.binary_search_by_key(&index, |(index, _)| *index);
            return found.map_or(ReplyToken::NONE, |at| self.tokens[at].1);
        }
        ReplyToken(u64_at(record_at(&self.bytes, self.starts[index] as usize), Header::REPLY_AT))
    }

    /// Lends the messages as they are, with `end` after them, until the batch is cleared. In the lent bytes the reply token
    /// of each ask is 1: from the real one, the reader could tell how much others ask.
    pub(crate) fn lend(&mut self, end: &[u8]) -> Arc<Vec<u8>> {
        assert!(self.lent.is_empty(), "a batch is lent once");
        for (index, start) in self.starts.iter().enumerate().filter(|_| self.asked) {
            let at = *start as usize + Header::REPLY_AT;
            let field: &mut [u8; 8] = (&mut self.bytes[at..at + 8]).try_into().expect("8 bytes");
            let token = ReplyToken(u64::from_le_bytes(*field));
            if token.is_some() {
                self.tokens.push((index, token));
                *field = u64::from(token.is_ask()).to_le_bytes();
            }
        }
        self.bytes.extend_from_slice(end);
        let bytes = std::mem::take(&mut self.bytes);
        match Arc::get_mut(&mut self.lent) {
            Some(lent) => *lent = bytes,
            None => self.lent = Arc::new(bytes),
        }
        self.lent.clone()
    }

    fn bytes(&self) -> &[u8] {
        if self.lent.is_empty() { &self.bytes } else { &self.lent }
    }

    pub(crate) fn body(&self, index: usize) -> &[u8] {
        self.payload(index).body
    }

    /// The optional parts and the body of a message.
    pub(crate) fn payload(&self, index: usize) -> Payload<'_> {
        let (bytes, start) = (self.bytes(), self.starts[index] as usize);
        let header = record_at(bytes, start);
        Payload::of(Header::parts_of(header), &bytes[start + HEADER_BYTES..start + Header::record_bytes(header)])
    }

    /// The optional parts and the body of a message, read.
    pub(crate) fn content(&self, index: usize) -> Content<'_> {
        let (bytes, start) = (self.bytes(), self.starts[index] as usize);
        let header = record_at(bytes, start);
        message::read(Header::parts_of(header), &bytes[start + HEADER_BYTES..start + Header::record_bytes(header)])
    }

    /// The number of a message in its mailbox; 0 when the mailbox does not store it.
    pub(crate) fn sequence(&self, index: usize) -> u64 {
        if self.parts(index).has(Parts::SEQUENCE) { self.content(index).sequence } else { 0 }
    }

    /// The optional parts that a message has.
    pub(crate) fn parts(&self, index: usize) -> Parts {
        Header::parts_of(record_at(self.bytes(), self.starts[index] as usize))
    }

    pub(crate) fn message(&self, index: usize) -> Message {
        Message::of(self.envelope(index), self.payload(index))
    }

    fn header(&self, index: usize) -> (Envelope, usize) {
        header_at(self.bytes(), self.starts[index] as usize)
    }

    /// Notes the messages that fit from `segment[head..]`, and returns the start of the first that does not. Positions are as
    /// if the bytes were appended to the batch, which the caller does.
    fn take_from(&mut self, segment: &[u8], head: usize, max: usize, max_bytes: usize) -> usize {
        let (base, mut at) = (self.bytes.len(), head);
        while at < segment.len() && self.starts.len() < max {
            let header = record_at(segment, at);
            let size = record_bytes(header);
            let offset = base + at - head;
            if !self.starts.is_empty() && offset + size > max_bytes {
                break;
            }
            self.starts.push(position(offset));
            self.note(header);
            self.pending += 1;
            at += size;
        }
        at
    }
}

fn header_at(bytes: &[u8], at: usize) -> (Envelope, usize) {
    Envelope::decode(record_at(bytes, at))
}

fn record_at(bytes: &[u8], at: usize) -> &[u8; HEADER_BYTES] {
    bytes[at..].first_chunk().expect("a header lies at each start")
}

/// The first one of some records, with its header.
pub(crate) fn first_record(records: &[u8]) -> &[u8] {
    &records[..record_bytes(record_at(records, 0))]
}

/// Decodes a record as a message.
pub(crate) fn message_of(record: &[u8]) -> Message {
    let (envelope, _) = header_at(record, 0);
    Message::of(envelope, Payload::of(envelope.parts, &record[HEADER_BYTES..]))
}

/// The length of the record that begins with this header.
fn record_bytes(header: &[u8; HEADER_BYTES]) -> usize {
    Header::record_bytes(header)
}

fn u64_at(header: &[u8; HEADER_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(header[at..at + 8].try_into().expect("8 bytes"))
}

fn position(at: usize) -> u32 {
    u32::try_from(at).expect("a batch is bounded far below 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::message::{FlowId, MessageId};
    use proptest::prelude::*;

    fn envelope(n: u64) -> Envelope {
        Envelope {
            id: MessageId(u128::from(n)),
            sender: ActorId(n),
            flow: FlowId(u128::from(n)),
            hops: 0,
            attempt: 0,
            reply: ReplyToken::NONE,
            parts: Parts::NONE,
        }
    }

    #[test]
    fn a_take_never_grows_past_its_bytes_after_the_first_message() {
        let mut log = MessageLog::default();
        for n in 0..4 {
            log.append(&envelope(n), &Payload::plain(&[7; 1000]));
        }
        let mut batch = TakenMessages::default();
        log.take(10, 10, &mut batch);
        assert_eq!((batch.len(), log.len()), (1, 3));
        batch.clear();
        log.take(10, 2 * (1000 + HEADER_BYTES), &mut batch);
        assert_eq!((batch.len(), log.len()), (2, 1));
    }

    #[test]
    fn lent_bytes_show_no_reply_token() {
        let mut log = MessageLog::default();
        let asked = Envelope { reply: ReplyToken(77), ..envelope(2) };
        log.append(&envelope(1), &Payload::plain(b"told"));
        log.append(&asked, &Payload::plain(b"asked"));
        let mut batch = TakenMessages::default();
        log.take(2, usize::MAX, &mut batch);
        let lent = batch.lend(b"end");
        let reply = |index: usize| Header::decode(lent[batch.starts[index] as usize..].first_chunk().unwrap()).reply;
        assert_eq!((reply(0), reply(1)), (0, 1));
        assert!(lent.ends_with(b"askedend"));
        assert_eq!((batch.envelope(0), batch.envelope(1)), (envelope(1), asked));
        assert_eq!(batch.body(0), b"told");
        drop(lent);
        batch.clear();
        batch.push(&Message::new(asked, vec![1]));
        assert_eq!((batch.len(), batch.envelope(0), batch.body(0)), (1, asked, &[1][..]));
    }

    #[test]
    fn removal_keeps_the_order_of_the_other_messages() {
        let mut log = MessageLog::default();
        for n in 0..200 {
            log.append(&envelope(n), &Payload::plain(&[7; 1000]));
        }
        let mut batch = TakenMessages::default();
        log.take(3, usize::MAX, &mut batch);
        let number = |record: &[u8]| header_at(record, 0).0.id.0;
        log.remove_where(|record| number(record) % 2 == 0 || (50..150).contains(&number(record)));
        assert_eq!((log.len(), log.bytes()), (49, 49 * (1000 + HEADER_BYTES)));
        let left: Vec<_> = log.drain().iter().map(|message| message.envelope.id.0).collect();
        let expected: Vec<_> = (3..200).filter(|n| n % 2 == 1 && !(50..150).contains(n)).collect();
        assert_eq!(left, expected);
        log.remove_where(|_| true);
        assert_eq!((log.len(), log.bytes()), (0, 0));
    }

    proptest! {
        #[test]
        fn log_keeps_order_for_messages_of_any_size(
            steps in prop::collection::vec((0usize..5, 0usize..70_000, 1usize..100, 0..3), 1..40),
        ) {
            let (mut log, mut next_in, mut next_out) = (MessageLog::default(), 0u64, 0u64);
            let mut model: VecDeque<(u64, usize)> = VecDeque::new();
            let mut batch = TakenMessages::default();
            for (appends, size, takes, how) in steps {
                let mut records = vec![0xee; if how == 2 { takes } else { 0 }];
                let head = records.len();
                for _ in 0..appends {
                    let body = vec![next_in as u8; size];
                    if how == 0 {
                        log.append(&envelope(next_in), &Payload::plain(&body));
                    } else {
                        records.extend_from_slice(&envelope(next_in).encode(size));
                        records.extend_from_slice(&body);
                    }
                    model.push_back((next_in, size));
                    next_in += 1;
                }
                match how {
                    1 if appends > 0 => log.append_run(&records, appends),
                    2 if appends > 0 => log.append_whole(records, head, appends),
                    _ => {}
                }
                batch.clear();
                log.take(takes, 100_000, &mut batch);
                for index in 0..batch.len() {
                    let (n, size) = model.pop_front().expect("no more than went in");
                    prop_assert_eq!(n, next_out);
                    prop_assert_eq!(batch.envelope(index), envelope(n));
                    prop_assert_eq!(batch.body(index), &vec![n as u8; size][..]);
                    next_out += 1;
                }
                prop_assert_eq!(log.len(), model.len());
                prop_assert_eq!(log.bytes(), model.iter().map(|(_, s)| s + HEADER_BYTES).sum::<usize>());
            }
            prop_assert_eq!(log.drain().len(), model.len());
        }
    }
}
