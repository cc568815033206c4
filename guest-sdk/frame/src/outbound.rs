//! Writes and reads the frame of what came of a batch: operations, in order. What was sent for a message precedes
//! the message's outcome.

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use crate::{FrameError, trailer, u32_at};

/// Bytes of the header before each operation: kind, route, length.
pub const OP_BYTES: usize = 12;

const TELL: u32 = 1;
const DONE: u32 = 2;
const REPLY: u32 = 3;
const REJECT: u32 = 4;
const RETRY: u32 = 5;

/// One operation of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op<'a> {
    /// A send of the message in hand.
    Tell {
        /// To whom: a number that the kernel gave out.
        route: u32,
        /// Where the body lies in the frame: whoever keeps the frame need not copy it.
        body: Range<usize>,
    },
    /// The message is done, without a reply.
    Done,
    /// The message is done, with this reply.
    Reply(&'a [u8]),
    /// The message failed for good, for this reason.
    Reject(&'a str),
    /// The message failed, for this reason, and may succeed later.
    Retry(&'a str),
}

/// Collects operations into a frame.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
    outcomes: u32,
    /// Where the operations of the message in hand begin.
    in_hand: usize,
}

impl Encoder {
    /// An empty frame.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), outcomes: 0, in_hand: 0 }
    }

    /// Records a send of the message in hand.
    ///
    /// # Panics
    /// When the body has more than `u32::MAX` bytes.
    #[inline]
    pub fn tell(&mut self, route: u32, body: &[u8]) {
        self.op(TELL, route, body);
    }

    /// Ends the message in hand.
    ///
    /// # Panics
    /// When the reply has more than `u32::MAX` bytes.
    #[inline]
    pub fn done(&mut self, reply: Option<&[u8]>) {
        match reply {
            None => self.op(DONE, 0, &[]),
            Some(reply) => self.op(REPLY, 0, reply),
        }
        self.end_message();
    }

    /// Fails the message in hand for good, and drops its sends.
    ///
    /// # Panics
    /// When the reason has more than `u32::MAX` bytes.
    pub fn reject(&mut self, reason: &str) {
        self.fail(REJECT, reason);
    }

    /// Fails the message in hand for now, and drops its sends.
    ///
    /// # Panics
    /// When the reason has more than `u32::MAX` bytes.
    pub fn retry(&mut self, reason: &str) {
        self.fail(RETRY, reason);
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Ends the frame and returns it; the next one begins. Sends of the message in hand are part of it, and what
    /// becomes of them is up to the frame with that message's outcome.
    pub fn take(&mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&trailer::trailer(mem::take(&mut self.outcomes)));
        self.in_hand = 0;
        mem::take(&mut self.bytes)
    }

    /// Makes room, before the first operation of a frame.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    #[inline]
    fn op(&mut self, kind: u32, route: u32, body: &[u8]) {
        let length = u32::try_from(body.len()).expect("a body has less than 4 GiB");
        let mut header = [0; OP_BYTES];
        header[0..4].copy_from_slice(&kind.to_le_bytes());
        header[4..8].copy_from_slice(&route.to_le_bytes());
        header[8..12].copy_from_slice(&length.to_le_bytes());
        self.bytes.reserve(OP_BYTES + body.len());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(body);
    }

    fn fail(&mut self, kind: u32, reason: &str) {
        self.bytes.truncate(self.in_hand);
        self.op(kind, 0, reason.as_bytes());
        self.end_message();
    }

    #[inline]
    fn end_message(&mut self) {
        self.outcomes += 1;
        self.in_hand = self.bytes.len();
    }
}

/// The operations of a frame, in order. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Outbound<'a> {
    ops: &'a [u8],
    at: usize,
    outcomes: u32,
    found: u32,
    broken: bool,
}

impl<'a> Outbound<'a> {
    /// Reads the trailer.
    pub fn open(frame: &'a [u8]) -> Result<Self, FrameError> {
        let (ops, outcomes) = trailer::split(frame)?;
        Ok(Self { ops, at: 0, outcomes, found: 0, broken: false })
    }

    /// How many outcomes it says it has.
    pub fn outcomes(&self) -> u32 {
        self.outcomes
    }

    #[inline]
    fn read(&mut self) -> Result<Op<'a>, FrameError> {
        let at = self.at;
        let field = |index: usize| u32_at(self.ops, at + 4 * index).ok_or(FrameError::Truncated { at });
        let (kind, route, length) = (field(0)?, field(1)?, field(2)?);
        let from = at + OP_BYTES;
        let to = usize::try_from(length).ok().and_then(|length| from.checked_add(length));
        let to = to.filter(|to| *to <= self.ops.len()).ok_or(FrameError::Truncated { at })?;
        let body = &self.ops[from..to];
        self.at = to;
        if kind == TELL {
            return Ok(Op::Tell { route, body: from..to });
        }
        if route != 0 || (kind == DONE && length != 0) {
            return Err(FrameError::NotZero { at });
        }
        let text = || core::str::from_utf8(body).map_err(|_| FrameError::Text { at });
        let op = match kind {
            DONE => Op::Done,
            REPLY => Op::Reply(body),
            REJECT => Op::Reject(text()?),
            RETRY => Op::Retry(text()?),
            found => return Err(FrameError::Kind { at, found }),
        };
        if self.found == self.outcomes {
            return Err(FrameError::Count { stated: self.outcomes, found: self.found.saturating_add(1) });
        }
        self.found += 1;
        Ok(op)
    }
}

impl<'a> Iterator for Outbound<'a> {
    type Item = Result<Op<'a>, FrameError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let read = if self.at < self.ops.len() {
            self.read()
        } else if self.found < self.outcomes {
            Err(FrameError::Count { stated: self.outcomes, found: self.found })
        } else {
            return None;
        };
        self.broken = read.is_err();
        Some(read)
    }
}
