//! Two ways to record the results of a message: one call for each result, or many messages in one run of bytes.

use std::ops::Range;
use std::sync::Arc;

use playhouse_frame::{HEADER_BYTES, Inbound, Record, trailer};
use playhouse_kernel::{
    ActorId, Address, Envelope, Failure, FlowId, MessageId, Metadata, Outcome, Pairs, ReplyToken, Turn,
};

pub enum Pen {
    Plain,
    Bulk(Bulk),
}

/// Results that are written and not yet recorded.
#[derive(Default)]
pub struct Bulk {
    frame: Arc<Vec<u8>>,
    records: Vec<Record>,
    /// The message of these results.
    index: usize,
    in_hook: bool,
    bytes: Vec<u8>,
    ops: Vec<Op>,
}

enum Op {
    Tell(u32, Range<usize>),
    TellWith(u32, u16, Range<usize>),
    ReplyWith(u16, Range<usize>),
    Done(usize),
    Reply(Range<usize>),
    Fails(Failure),
}

impl Pen {
    pub fn new(bulk: bool) -> Self {
        if bulk { Self::Bulk(Bulk::default()) } else { Self::Plain }
    }

    pub fn begin_hook(&mut self) {
        if let Self::Bulk(bulk) = self {
            bulk.in_hook = true;
        }
    }

    pub fn begin(&mut self, turn: &mut Turn) {
        if let Self::Bulk(bulk) = self {
            let end = trailer(turn.len() as u32);
            bulk.frame = turn.bulk().flat(&end);
            let records = Inbound::open(&bulk.frame).expect("the kernel writes good frames");
            bulk.records = records.map(|record| record.expect("the kernel writes good frames")).collect();
            assert_eq!(bulk.records.len(), turn.len());
            (bulk.index, bulk.in_hook) = (0, false);
        }
    }

    /// The current message.
    pub fn current(&self, turn: &Turn) -> Option<(Envelope, Vec<u8>)> {
        match self {
            Self::Plain => {
                check_metadata(turn.metadata(), turn.body());
                Some((turn.envelope()?, turn.body().to_vec()))
            }
            Self::Bulk(bulk) => {
                let record = bulk.records.get(bulk.index)?;
                let header = record.header(&bulk.frame);
                let envelope = Envelope {
                    id: MessageId(header.id),
                    sender: ActorId(header.sender),
                    flow: FlowId(header.flow),
                    hops: header.hops,
                    attempt: header.failures,
                    reply: ReplyToken(header.reply),
                    parts: header.parts,
                };
                let content = record.content(&bulk.frame);
                check_metadata(content.metadata, content.body);
                Some((envelope, content.body.to_vec()))
            }
        }
    }

    pub fn sender(&self, turn: &mut Turn) -> Option<Address> {
        match self {
            Self::Plain => turn.sender(),
            Self::Bulk(bulk) => turn.bulk().sender_of(bulk.index),
        }
    }

    /// To an actor within its grants.
    pub fn tell(&mut self, turn: &mut Turn, to: &str, body: &[u8]) {
        match self {
            Self::Bulk(bulk) if !bulk.in_hook => {
                let route = turn.bulk().resolve(to, bulk.index).expect("it is granted").route;
                // Space for the header: the bytes in it must not matter.
                bulk.bytes.extend_from_slice(&[0xaa; HEADER_BYTES]);
                let (from, metadata) = (bulk.bytes.len(), metadata_of(body));
                bulk.bytes.extend_from_slice(metadata.as_bytes());
                bulk.bytes.extend_from_slice(body);
                let content = from..bulk.bytes.len();
                bulk.ops.push(match metadata.as_bytes().len() {
                    0 => Op::Tell(route, content),
                    metadata_bytes => Op::TellWith(route, metadata_bytes as u16, content),
                });
            }
            _ => turn.tell_with(to, &metadata_of(body), body).expect("it is granted"),
        }
    }

    pub fn finish(&mut self, turn: &mut Turn, outcome: Outcome) {
        match self {
            Self::Plain => turn.finish(outcome),
            Self::Bulk(bulk) => {
                bulk.index += 1;
                match (outcome, bulk.ops.last_mut()) {
                    // Consecutive messages without results end together.
                    (Outcome::Done(None), Some(Op::Done(messages))) => *messages += 1,
                    (Outcome::Done(None), _) => bulk.ops.push(Op::Done(1)),
                    (Outcome::Done(Some(reply)), _) => {
                        let from = bulk.bytes.len();
                        bulk.bytes.extend_from_slice(&reply);
                        bulk.ops.push(Op::Reply(from..bulk.bytes.len()));
                    }
                    (Outcome::DoneWith(reply), _) => {
                        let from = bulk.bytes.len();
                        bulk.bytes.extend_from_slice(reply.metadata.as_bytes());
                        bulk.bytes.extend_from_slice(&reply.body);
                        bulk.ops.push(Op::ReplyWith(reply.metadata.as_bytes().len() as u16, from..bulk.bytes.len()));
                    }
                    (Outcome::Failed(failure), _) => bulk.ops.push(Op::Fails(failure)),
                }
            }
        }
    }

    /// Records the written results.
    pub fn flush(&mut self, turn: &mut Turn) {
        let Self::Bulk(bulk) = self else { return };
        let ops = std::mem::take(&mut bulk.ops);
        let recorded = turn.bulk().record(std::mem::take(&mut bulk.bytes), |record| {
            for op in ops {
                match op {
                    Op::Tell(route, body) => record.tell(route, body)?,
                    Op::TellWith(route, metadata, content) => record.tell_with(route, metadata, content)?,
                    Op::ReplyWith(metadata, content) => record.replied_with(metadata, content)?,
                    Op::Done(messages) => record.done(messages)?,
                    Op::Reply(reply) => record.replied(reply)?,
                    Op::Fails(failure) => record.failed(failure)?,
                }
            }
            Ok::<_, playhouse_kernel::BulkError>(())
        });
        recorded.expect("a granted record succeeds");
    }
}

/// The metadata of a send: every third body has some, so that all ways of a message are walked with and without.
fn metadata_of(body: &[u8]) -> Metadata {
    let pairs = (body.len().is_multiple_of(3)).then(|| ("bytes", body.len().to_string()));
    Metadata::collect(pairs).expect("one pair")
}

/// A message from outside has no metadata; one of an actor has those that belong to its body.
fn check_metadata(pairs: Pairs<'_>, body: &[u8]) {
    assert!(pairs.is_empty() || Metadata::from(pairs) == metadata_of(body), "{pairs:?} beside {} bytes", body.len());
}
