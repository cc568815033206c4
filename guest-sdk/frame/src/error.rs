//! The errors of the readers.

use core::fmt;

use crate::content::ContentError;
use crate::layout::{TRAILER_BYTES, VERSION};
use crate::metadata::MetadataError;

/// The error for bytes that are not a frame. Places count in bytes from the frame's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame is shorter than its trailer.
    NoTrailer {
        /// Its length.
        bytes: usize,
    },
    /// The frame is longer than a frame may be.
    TooLong {
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
    /// The optional parts of a message break a rule.
    Content {
        /// The place of its header.
        at: usize,
        /// The fault.
        fault: ContentError,
    },
    /// The metadata of an operation break a rule.
    Metadata {
        /// The place of its header.
        at: usize,
        /// The fault.
        fault: MetadataError,
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
    /// An observed value that is negative, infinite or not a number.
    Value {
        /// The place of its header.
        at: usize,
    },
    /// A reason, or a key of the state, that is not UTF-8.
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
                write!(f, "a frame of {bytes} bytes is too short for its trailer of {TRAILER_BYTES} bytes")
            }
            Self::TooLong { bytes } => write!(f, "a frame of {bytes} bytes is too long: it may have less than 2 GiB"),
            Self::Content { at, fault: ContentError::Metadata(fault) } | Self::Metadata { at, fault } => {
                write!(f, "the metadata after the header at byte {at} have {fault}")
            }
            Self::Content { at, fault } => {
                let fault = match fault {
                    ContentError::Unknown => "a part that is not known",
                    ContentError::Short => "an end within them",
                    _ => "a number 0",
                };
                write!(f, "the optional parts of the message at byte {at} have {fault}")
            }
            Self::Version { found } => write!(
                f,
                "a frame of version {found}, but this side reads version {VERSION}: build the guest and the host from the same release"
            ),
            Self::Flags { found } => write!(f, "a frame with the unknown flags {found:#06x}"),
            Self::Truncated { at } => write!(f, "the header at byte {at}, or the body after it, ends after the frame"),
            Self::Kind { at, found } => write!(f, "the operation at byte {at} is of the unknown kind {found}"),
            Self::NotZero { at } => write!(f, "the header at byte {at} has a value in a field that must be zero"),
            Self::Order { at, message } => {
                write!(f, "the operation at byte {at} is of message {message}, which has its outcome already")
            }
            Self::Length { at, found } => {
                write!(f, "the operation at byte {at} cannot have {found} bytes after its header")
            }
            Self::Value { at } => write!(f, "the value of the operation at byte {at} is negative or not finite"),
            Self::Text { at } => write!(f, "the text of the operation at byte {at} is not UTF-8"),
            Self::Count { stated, found } => {
                write!(f, "the trailer states {stated} messages or outcomes, but the frame has {found}")
            }
        }
    }
}

impl core::error::Error for FrameError {}
