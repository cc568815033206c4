//! The frames in which a batch of messages and its outcomes pass between host and guest: flat, one list of bytes in each
//! direction. `wit/FRAMES.md` has the byte tables; this crate is their only implementation, shared by both sides.
//!
//! | file | contents |
//! |---|---|
//! | `record.rs` | [`Header`]: the header before each message's body |
//! | `inbound.rs` | [`Inbound`]: reads the frame of a batch |
//! | `outbound.rs` | [`Encoder`], [`Reader`] and [`Outbound`]: writes and reads the frame of its outcomes |
//! | `trailer.rs` | the last bytes of both frames: count, flags, version |
//!
//! Readers accept any bytes: they check each length before they use it, never panic on a frame's contents, and allocate no
//! memory.

#![no_std]

extern crate alloc;

mod inbound;
mod outbound;
mod record;
mod trailer;

use core::fmt;

pub use inbound::{Inbound, Record};
pub use outbound::{Encoder, OP_BYTES, Op, Outbound, Reader, Timer, TimerAt};
pub use record::{HEADER_BYTES, Header};
pub use trailer::{TRAILER_BYTES, VERSION, trailer, trailer_without_routes};

/// The error for bytes that are not a frame. Places count in bytes from the frame's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame is shorter than its trailer.
    NoTrailer {
        /// Its length.
        bytes: usize,
    },
    /// The frame has another version.
    Version {
        /// The version that it states.
        found: u16,
    },
    /// The frame has flags that this version does not know.
    Flags {
        /// All its flags.
        found: u16,
    },
    /// A header, or its body, ends after the frame.
    Truncated {
        /// The place of the header.
        at: usize,
    },
    /// An operation of a kind that this version does not know.
    Kind {
        /// The place of its header.
        at: usize,
        /// The kind that it states.
        found: u32,
    },
    /// A field that must be zero is not.
    NotZero {
        /// The place of the header with the field.
        at: usize,
    },
    /// An operation of a message after those of a later one, or after its own outcome.
    Order {
        /// The place of its header.
        at: usize,
        /// The message that it states.
        message: u32,
    },
    /// The bytes after a header are fewer or more than its kind needs.
    Length {
        /// The place of the header.
        at: usize,
        /// The number of bytes after the header.
        found: usize,
    },
    /// A reason that is not UTF-8.
    Text {
        /// The place of its header.
        at: usize,
    },
    /// The trailer's count differs from the number of messages or outcomes before it.
    Count {
        /// The count in the trailer.
        stated: u32,
        /// The number before the trailer, up to the place where counting stopped.
        found: u32,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTrailer { bytes } => {
                write!(f, "a frame of {bytes} bytes has no room for its trailer of {TRAILER_BYTES}")
            }
            Self::Version { found } => write!(f, "a frame of version {found}, where {VERSION} is spoken"),
            Self::Flags { found } => write!(f, "a frame with the unknown flags {found:#06x}"),
            Self::Truncated { at } => write!(f, "what begins at byte {at} ends after its frame"),
            Self::Kind { at, found } => write!(f, "the operation at byte {at} is of the unknown kind {found}"),
            Self::NotZero { at } => write!(f, "the header at byte {at} has a value where there must be zero"),
            Self::Order { at, message } => {
                write!(f, "the operation at byte {at} is of message {message}, which has its outcome already")
            }
            Self::Length { at, found } => {
                write!(f, "the operation at byte {at} cannot have {found} bytes after its header")
            }
            Self::Text { at } => write!(f, "the reason given at byte {at} is not UTF-8"),
            Self::Count { stated, found } => write!(f, "a frame that counts {stated} has {found}"),
        }
    }
}

impl core::error::Error for FrameError {}

/// The little-endian number at `at`; none if the bytes end before it does.
#[inline]
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*field))
}

/// As [`u32_at`].
fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*field))
}
