//! Writes and reads the frame of what came of a batch: operations, in order. What was sent for a message precedes
//! the message's outcome.

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use crate::{FrameError, trailer, u32_at, u64_at};

/// Bytes of the header before each operation: kind, route, length.
pub const OP_BYTES: usize = 12;

const TELL: u32 = 1;
const DONE: u32 = 2;
const REPLY: u32 = 3;
const REJECT: u32 = 4;
const RETRY: u32 = 5;
const SPAWN: u32 = 6;
const STOP: u32 = 7;
const TELL_AFTER: u32 = 8;
const TELL_EVERY: u32 = 9;
const CANCEL: u32 = 10;

/// Before a timer's body: its id, and its delay or period.
const TIMER_BYTES: usize = 16;

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
    /// A child comes into being.
    Spawn {
        /// Which: the number that the kernel gave out for it.
        route: u32,
    },
    /// A child is stopped.
    Stop {
        /// Which: a number that the kernel gave out.
        route: u32,
    },
    /// A timer is set.
    Timer(TimerAt),
    /// A timer is cancelled.
    Cancel {
        /// Which.
        id: u64,
    },
}

impl Op<'_> {
    /// Whether it ends the message in hand.
    pub fn is_outcome(&self) -> bool {
        matches!(self, Self::Done | Self::Reply(_) | Self::Reject(_) | Self::Retry(_))
    }
}

/// A timer where it lies in a frame: as small as a send, so that what is read most is not slowed down by what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerAt {
    again: bool,
    route: u32,
    /// Id, wait and body.
    at: Range<usize>,
}

impl TimerAt {
    /// Reads it, from the frame that it was found in.
    ///
    /// # Panics
    /// When the frame is another one.
    pub fn read(&self, frame: &[u8]) -> Timer {
        let number = |index: usize| u64_at(frame, self.at.start + 8 * index).expect("its length was checked");
        let body = self.at.start + TIMER_BYTES..self.at.end;
        Timer { id: number(0), route: self.route, wait_ms: number(1), again: self.again, body }
    }
}

/// A timer of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Chosen by who sets it.
    pub id: u64,
    /// To whom it tells: a number that the kernel gave out.
    pub route: u32,
    /// The time until it tells, in milliseconds.
    pub wait_ms: u64,
    /// Whether it tells again, each time after as long.
    pub again: bool,
    /// Where the body lies in the frame.
    pub body: Range<usize>,
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

    /// Records that a child comes into being.
    pub fn spawn(&mut self, route: u32) {
        self.op(SPAWN, route, &[]);
    }

    /// Records that a child is stopped.
    pub fn stop(&mut self, route: u32) {
        self.op(STOP, route, &[]);
    }

    /// Records a timer; `again`: it tells more than once.
    ///
    /// # Panics
    /// When the body has almost `u32::MAX` bytes.
    pub fn timer(&mut self, id: u64, route: u32, wait_ms: u64, again: bool, body: &[u8]) {
        let length = TIMER_BYTES.checked_add(body.len()).expect("a body has less than 4 GiB");
        self.header(if again { TELL_EVERY } else { TELL_AFTER }, route, length);
        self.bytes.extend_from_slice(&id.to_le_bytes());
        self.bytes.extend_from_slice(&wait_ms.to_le_bytes());
        self.bytes.extend_from_slice(body);
    }

    /// Records that a timer is cancelled.
    pub fn cancel(&mut self, id: u64) {
        self.op(CANCEL, 0, &id.to_le_bytes());
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
        self.header(kind, route, body.len());
        self.bytes.extend_from_slice(body);
    }

    #[inline]
    fn header(&mut self, kind: u32, route: u32, length: usize) {
        let bytes = OP_BYTES + length;
        let length = u32::try_from(length).expect("a body has less than 4 GiB");
        let mut header = [0; OP_BYTES];
        header[0..4].copy_from_slice(&kind.to_le_bytes());
        header[4..8].copy_from_slice(&route.to_le_bytes());
        header[8..12].copy_from_slice(&length.to_le_bytes());
        self.bytes.reserve(bytes);
        self.bytes.extend_from_slice(&header);
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
        let (ops, outcomes, _) = trailer::split(frame, 0)?;
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
        if kind > RETRY {
            return effect(at, kind, route, from, body);
        }
        if self.found == self.outcomes {
            return Err(FrameError::Count { stated: self.outcomes, found: self.found.saturating_add(1) });
        }
        self.found += 1;
        if kind == DONE && route == 0 && length == 0 { Ok(Op::Done) } else { outcome(at, kind, route, body) }
    }
}

/// What is no outcome, and is not told now. `body` lies at `from`.
fn outcome(at: usize, kind: u32, route: u32, body: &[u8]) -> Result<Op<'_>, FrameError> {
    if route != 0 || (kind == DONE && !body.is_empty()) {
        return Err(FrameError::NotZero { at });
    }
    let text = || core::str::from_utf8(body).map_err(|_| FrameError::Text { at });
    match kind {
        DONE => Ok(Op::Done),
        REPLY => Ok(Op::Reply(body)),
        REJECT => Ok(Op::Reject(text()?)),
        RETRY => Ok(Op::Retry(text()?)),
        found => Err(FrameError::Kind { at, found }),
    }
}

#[cold]
fn effect(at: usize, kind: u32, route: u32, from: usize, body: &[u8]) -> Result<Op<'_>, FrameError> {
    let number = |index: usize| u64_at(body, 8 * index).ok_or(FrameError::Length { at, found: body.len() });
    match kind {
        SPAWN | STOP if !body.is_empty() => Err(FrameError::NotZero { at }),
        SPAWN => Ok(Op::Spawn { route }),
        STOP => Ok(Op::Stop { route }),
        TELL_AFTER | TELL_EVERY => {
            number(1)?;
            Ok(Op::Timer(TimerAt { again: kind == TELL_EVERY, route, at: from..from + body.len() }))
        }
        CANCEL if route != 0 => Err(FrameError::NotZero { at }),
        CANCEL if body.len() != 8 => Err(FrameError::Length { at, found: body.len() }),
        CANCEL => Ok(Op::Cancel { id: number(0)? }),
        found => Err(FrameError::Kind { at, found }),
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
