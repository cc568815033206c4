//! Reads the frame of a batch's outcomes: operations, in the order of their messages. A message that is done without a reply needs
//! no operation. `encoder` writes such a frame.

use core::ops::Range;

use crate::bytes::u64_at;
use crate::error::FrameError;
use crate::metadata::Pairs;
use crate::record::HEADER_BYTES;
use crate::trailer;

/// Bytes of the header before each operation: length, kind, route, message.
pub const OP_BYTES: usize = 16;

pub(crate) const TELL: u32 = 1;
pub(crate) const REPLY: u32 = 2;
pub(crate) const REJECT: u32 = 3;
pub(crate) const RETRY: u32 = 4;
pub(crate) const SPAWN: u32 = 5;
pub(crate) const STOP: u32 = 6;
pub(crate) const TELL_AFTER: u32 = 7;
pub(crate) const TELL_EVERY: u32 = 8;
pub(crate) const CANCEL: u32 = 9;
pub(crate) const TELL_WITH: u32 = 10;
pub(crate) const REPLY_WITH: u32 = 11;
pub(crate) const TELL_AFTER_WITH: u32 = 12;
pub(crate) const TELL_EVERY_WITH: u32 = 13;
pub(crate) const COUNT: u32 = 14;
pub(crate) const OBSERVE: u32 = 15;
pub(crate) const SET: u32 = 16;
pub(crate) const DELETE: u32 = 17;
pub(crate) const SET_FOR: u32 = 18;

/// Bytes before the key of a set: the length of the key.
const KEY_LENGTH_BYTES: usize = 2;

/// Bytes before the length of the key, in a set with a time: the time.
const LIFETIME_BYTES: usize = 8;

/// Bytes before a timer's body: its id, and its delay or period.
const TIMER_BYTES: usize = 16;

/// One operation of a frame. Bytes are given as ranges of the frame, so that the holder of the frame need not copy them.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// A send of the current message.
    Tell {
        /// The receiver's route, a number from the kernel.
        route: u32,
        /// The body. The [`HEADER_BYTES`] before it are reserved for the header of the message that it becomes.
        body: Range<usize>,
    },
    /// A send of the current message, with metadata.
    TellWith {
        /// The receiver's route, a number from the kernel.
        route: u32,
        /// The bytes of the metadata, which come before the body.
        metadata_bytes: u16,
        /// Metadata and body. The [`HEADER_BYTES`] before them are reserved, as those of [`Op::Tell`].
        content: Range<usize>,
    },
    /// A number of messages, from the current one on, are done, without a reply.
    Done {
        /// The number of messages, at least one.
        messages: u32,
    },
    /// The message is done, with this reply.
    Reply(Range<usize>),
    /// The message is done, with this reply, which has metadata.
    ReplyWith {
        /// The bytes of the metadata, which come before the body.
        metadata_bytes: u16,
        /// Metadata and body.
        content: Range<usize>,
    },
    /// The message failed for good, for this reason, which is UTF-8.
    Reject(Range<usize>),
    /// The message failed, for this reason, which is UTF-8, and may succeed later.
    Retry(Range<usize>),
    /// A child is spawned.
    Spawn {
        /// The child's route, a number from the kernel.
        route: u32,
    },
    /// A child is stopped.
    Stop {
        /// The child's route, a number from the kernel.
        route: u32,
    },
    /// A timer is set.
    Timer(TimerAt),
    /// A timer is cancelled.
    Cancel {
        /// The timer's id.
        id: u64,
    },
    /// A metric is counted.
    Count {
        /// The metric's number, from the kernel.
        metric: u32,
        /// The addition.
        by: u64,
    },
    /// A value of a metric is observed.
    Observe {
        /// The metric's number, from the kernel.
        metric: u32,
        /// The value, finite and not negative.
        value: f64,
    },
    /// A key of the actor's state gets a value.
    Set {
        /// The bytes of the key, which come before the value.
        key_bytes: u16,
        /// Key, which is UTF-8, and value.
        content: Range<usize>,
    },
    /// A key of the actor's state gets a value, which goes when it was not set again for this time.
    SetFor {
        /// The time.
        milliseconds: u64,
        /// The bytes of the key, which come before the value.
        key_bytes: u16,
        /// Key, which is UTF-8, and value.
        content: Range<usize>,
    },
    /// A key of the actor's state, which is UTF-8, goes with its value.
    Delete(Range<usize>),
}

impl Op {
    /// The number of messages that it ends.
    pub fn outcomes(&self) -> u32 {
        match self {
            Self::Done { messages } => *messages,
            Self::Reply(_) | Self::ReplyWith { .. } | Self::Reject(_) | Self::Retry(_) => 1,
            _ => 0,
        }
    }
}

/// The place of a timer in a frame. It is as small as a send, so that an [`Op`] does not grow for this rare operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerAt {
    again: bool,
    metadata_bytes: u16,
    route: u32,
    /// The range of id, wait, metadata and body.
    at: Range<usize>,
}

impl TimerAt {
    /// Reads the timer, from the frame that it was found in.
    ///
    /// # Panics
    /// When the frame is another one.
    pub fn read(&self, frame: &[u8]) -> Timer {
        let number = |index: usize| u64_at(frame, self.at.start + 8 * index).expect("its length was checked");
        let content = self.at.start + TIMER_BYTES..self.at.end;
        let Self { again, metadata_bytes, route, .. } = *self;
        Timer { id: number(0), route, wait_ms: number(1), again, metadata_bytes, content }
    }
}

/// A timer of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// The id, chosen by the guest.
    pub id: u64,
    /// The receiver's route, a number from the kernel.
    pub route: u32,
    /// The time until it sends, in milliseconds.
    pub wait_ms: u64,
    /// Whether it repeats, with `wait_ms` as its period.
    pub again: bool,
    /// The bytes of the metadata, which come before the body; 0 without metadata.
    pub metadata_bytes: u16,
    /// The range of metadata and body in the frame.
    pub content: Range<usize>,
}

/// Reads the operations of a frame, in order. The reader does not borrow the frame, so that its caller may write headers into
/// the frame meanwhile. The reader ends after the first error.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The place where the operations end.
    end: usize,
    at: usize,
    outcomes: u32,
    found: u32,
    broken: bool,
}

impl Reader {
    /// Reads the trailer.
    pub fn open(frame: &[u8]) -> Result<Self, FrameError> {
        let (ops, outcomes, _) = trailer::split(frame, 0)?;
        Ok(Self { end: ops.len(), at: 0, outcomes, found: 0, broken: false })
    }

    /// The number of outcomes that the frame has.
    pub fn outcomes(&self) -> u32 {
        self.outcomes
    }

    /// The next operation, from the frame that the reader was opened with.
    ///
    /// # Panics
    /// When the frame is another, shorter one.
    #[inline]
    pub fn next(&mut self, frame: &[u8]) -> Option<Result<Op, FrameError>> {
        if self.broken {
            return None;
        }
        let read = if self.at < self.end {
            self.read(&frame[..self.end])
        } else if self.found < self.outcomes {
            Ok(self.done_before(self.outcomes))
        } else {
            return None;
        };
        self.broken = read.is_err();
        Some(read)
    }

    /// Ends the messages before this one, which have no other outcome.
    fn done_before(&mut self, message: u32) -> Op {
        let messages = message - self.found;
        self.found = message;
        Op::Done { messages }
    }

    #[inline]
    fn read(&mut self, ops: &[u8]) -> Result<Op, FrameError> {
        let at = self.at;
        let header: &[u8; OP_BYTES] = ops[at..].first_chunk().ok_or(FrameError::Truncated { at })?;
        let field = |index: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[4 * index + byte]));
        let (length, kind, route, message) = (field(0), field(1), field(2), field(3));
        if message != self.found {
            // The operation is read again, when its message is the current one.
            return self.turn_to(at, message);
        }
        let from = at + if kind == TELL { HEADER_BYTES } else { OP_BYTES };
        let to = usize::try_from(length).ok().and_then(|length| from.checked_add(length));
        let to = to.filter(|to| *to <= ops.len()).ok_or(FrameError::Truncated { at })?;
        self.at = to;
        if kind == TELL {
            return Ok(Op::Tell { route, body: from..to });
        }
        if kind > RETRY && kind != REPLY_WITH {
            return effect(at, kind, route, from, &ops[from..to]);
        }
        if self.found == self.outcomes {
            return Err(FrameError::Count { stated: self.outcomes, found: self.found.saturating_add(1) });
        }
        self.found += 1;
        outcome(at, kind, route, from, &ops[from..to])
    }

    fn turn_to(&mut self, at: usize, message: u32) -> Result<Op, FrameError> {
        if message < self.found {
            return Err(FrameError::Order { at, message });
        }
        if message > self.outcomes {
            return Err(FrameError::Count { stated: self.outcomes, found: message });
        }
        Ok(self.done_before(message))
    }
}

/// An outcome that has an operation, with its `body` at `from`.
fn outcome(at: usize, kind: u32, route: u32, from: usize, body: &[u8]) -> Result<Op, FrameError> {
    if route != 0 {
        return Err(FrameError::NotZero { at });
    }
    let range = from..from + body.len();
    let text = || core::str::from_utf8(body).map_err(|_| FrameError::Text { at });
    match kind {
        REPLY => Ok(Op::Reply(range)),
        REPLY_WITH => Ok(Op::ReplyWith { metadata_bytes: metadata(at, body)?, content: range }),
        REJECT => text().map(|_| Op::Reject(range)),
        RETRY => text().map(|_| Op::Retry(range)),
        found => Err(FrameError::Kind { at, found }),
    }
}

/// An operation that is neither an outcome nor an immediate send, with its `body` at `from`.
#[cold]
fn effect(at: usize, kind: u32, route: u32, from: usize, body: &[u8]) -> Result<Op, FrameError> {
    let number = |index: usize| u64_at(body, 8 * index).ok_or(FrameError::Length { at, found: body.len() });
    match kind {
        SPAWN | STOP if !body.is_empty() => Err(FrameError::NotZero { at }),
        SPAWN => Ok(Op::Spawn { route }),
        STOP => Ok(Op::Stop { route }),
        TELL_WITH => {
            let short = FrameError::Length { at, found: body.len() };
            let content = body.get(HEADER_BYTES - OP_BYTES..).ok_or(short)?;
            let (start, end) = (at + HEADER_BYTES, from + body.len());
            Ok(Op::TellWith { route, metadata_bytes: metadata(at, content)?, content: start..end })
        }
        TELL_AFTER | TELL_EVERY | TELL_AFTER_WITH | TELL_EVERY_WITH => {
            number(1)?;
            let again = matches!(kind, TELL_EVERY | TELL_EVERY_WITH);
            let metadata_bytes =
                if matches!(kind, TELL_AFTER | TELL_EVERY) { 0 } else { metadata(at, &body[TIMER_BYTES..])? };
            Ok(Op::Timer(TimerAt { again, metadata_bytes, route, at: from..from + body.len() }))
        }
        CANCEL | SET | SET_FOR | DELETE if route != 0 => Err(FrameError::NotZero { at }),
        CANCEL | COUNT | OBSERVE if body.len() != 8 => Err(FrameError::Length { at, found: body.len() }),
        CANCEL => Ok(Op::Cancel { id: number(0)? }),
        COUNT => Ok(Op::Count { metric: route, by: number(0)? }),
        OBSERVE => match f64::from_bits(number(0)?) {
            value if value.is_finite() && value >= 0.0 => Ok(Op::Observe { metric: route, value }),
            _ => Err(FrameError::Value { at }),
        },
        SET => {
            let key_bytes = key_bytes(at, body)?;
            Ok(Op::Set { key_bytes, content: from + KEY_LENGTH_BYTES..from + body.len() })
        }
        SET_FOR => {
            let milliseconds = number(0)?;
            let key_bytes = key_bytes(at, &body[LIFETIME_BYTES..])?;
            let content = from + LIFETIME_BYTES + KEY_LENGTH_BYTES..from + body.len();
            Ok(Op::SetFor { milliseconds, key_bytes, content })
        }
        DELETE => match core::str::from_utf8(body) {
            Ok(_) => Ok(Op::Delete(from..from + body.len())),
            Err(_) => Err(FrameError::Text { at }),
        },
        found => Err(FrameError::Kind { at, found }),
    }
}

/// The number of bytes of the key, which is UTF-8, at the front of the content of a set.
fn key_bytes(at: usize, content: &[u8]) -> Result<u16, FrameError> {
    let (key, _) = key_and_value(content).ok_or(FrameError::Length { at, found: content.len() })?;
    core::str::from_utf8(key).map_err(|_| FrameError::Text { at })?;
    Ok(u16::try_from(key.len()).expect("its length has 2 bytes"))
}

/// The key and the value of a set.
fn key_and_value(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = content.split_first_chunk::<KEY_LENGTH_BYTES>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

/// The number of bytes of the metadata at the front of a content.
fn metadata(at: usize, content: &[u8]) -> Result<u16, FrameError> {
    let (_, body) = Pairs::read(content).map_err(|fault| FrameError::Metadata { at, fault })?;
    Ok(u16::try_from(content.len() - body.len()).expect("metadata have a length of 2 bytes"))
}

/// The operations of a frame that does not change meanwhile.
#[derive(Debug, Clone)]
pub struct Outbound<'a> {
    frame: &'a [u8],
    reader: Reader,
}

impl<'a> Outbound<'a> {
    /// Reads the trailer.
    pub fn open(frame: &'a [u8]) -> Result<Self, FrameError> {
        Ok(Self { frame, reader: Reader::open(frame)? })
    }

    /// The number of outcomes that the frame has.
    pub fn outcomes(&self) -> u32 {
        self.reader.outcomes()
    }
}

impl Iterator for Outbound<'_> {
    type Item = Result<Op, FrameError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.reader.next(self.frame)
    }
}
