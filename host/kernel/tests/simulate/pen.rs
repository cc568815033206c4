//! Two ways to record the results of a message: one call for each result, or many messages in one run of bytes.

use std::ops::Range;
use std::sync::Arc;

use playhouse_frame::{HEADER_BYTES, Inbound, Record, trailer};
use playhouse_kernel::{ActorId, Address, Envelope, Failure, MessageId, Outcome, ReplyToken, Turn};

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
            Self::Plain => Some((turn.envelope()?, turn.body().to_vec())),
            Self::Bulk(bulk) => {
                let record = bulk.records.get(bulk.index)?;
                let header = record.header(&bulk.frame);
                let envelope = Envelope {
                    id: MessageId(header.id),
                    sender: ActorId(header.sender),
                    flow: header.flow,
                    hops: header.hops,
                    attempt: header.failures,
                    reply: ReplyToken(header.reply),
                };
                Some((envelope, bulk.frame[record.body.clone()].to_vec()))
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
                let from = bulk.bytes.len();
                bulk.bytes.extend_from_slice(body);
                bulk.ops.push(Op::Tell(route, from..bulk.bytes.len()));
            }
            _ => turn.tell(to, body).expect("it is granted"),
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
