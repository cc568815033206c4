//! A message's content: its optional parts, in a fixed order, and its body.

use alloc::vec::Vec;

use crate::bytes::u64_at;
use crate::metadata::{Metadata, MetadataError, Pairs};
use crate::record::Parts;

/// The content of a message, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Content<'a> {
    /// The time until which an asker waits, on the clock of the one who wrote it; never 0.
    pub deadline: Option<u64>,
    /// The message's number in its mailbox; 0 when the mailbox does not store it.
    pub sequence: u64,
    /// The pairs of its metadata.
    pub metadata: Pairs<'a>,
    /// The body.
    pub body: &'a [u8],
}

/// The fault in the optional parts of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentError {
    /// A part that this version does not know.
    Unknown,
    /// The content ends within its optional parts.
    Short,
    /// A deadline or a number of 0, which would be no part at all.
    Zero,
    /// The metadata break a rule.
    Metadata(MetadataError),
}

impl<'a> Content<'a> {
    /// Reads a content with these parts, and checks each of them.
    pub fn read(parts: Parts, content: &'a [u8]) -> Result<Self, ContentError> {
        let known = Parts::DEADLINE.with(Parts::SEQUENCE).with(Parts::METADATA);
        if !known.has(parts) {
            return Err(ContentError::Unknown);
        }
        let mut at = 0;
        let mut number = |part: Parts| {
            if !parts.has(part) {
                return Ok(0);
            }
            let number = u64_at(content, at).ok_or(ContentError::Short)?;
            at += 8;
            if number == 0 { Err(ContentError::Zero) } else { Ok(number) }
        };
        let (deadline, sequence) = (number(Parts::DEADLINE)?, number(Parts::SEQUENCE)?);
        let (mut metadata, mut body) = (Pairs::default(), &content[at..]);
        if parts.has(Parts::METADATA) {
            (metadata, body) = Pairs::read(body).map_err(ContentError::Metadata)?;
        }
        Ok(Self { deadline: (deadline != 0).then_some(deadline), sequence, metadata, body })
    }

    /// The number of bytes of the optional parts, in a content that was checked before.
    #[inline]
    pub fn parts_bytes(parts: Parts, content: &[u8]) -> usize {
        let numbers = 8 * (usize::from(parts.has(Parts::DEADLINE)) + usize::from(parts.has(Parts::SEQUENCE)));
        if !parts.has(Parts::METADATA) {
            return numbers;
        }
        let length = content.get(numbers..).and_then(|block| block.first_chunk());
        numbers + usize::from(u16::from_le_bytes(*length.expect("it was checked")))
    }

    /// The bytes of the optional parts, which come before the body; and which parts they are.
    pub fn parts(deadline: Option<u64>, sequence: u64, metadata: &Metadata) -> (Parts, Vec<u8>) {
        let (mut parts, mut bytes) = (Parts::NONE, Vec::new());
        if let Some(deadline) = deadline {
            parts = parts.with(Parts::DEADLINE);
            bytes.extend_from_slice(&deadline.max(1).to_le_bytes());
        }
        if sequence != 0 {
            parts = parts.with(Parts::SEQUENCE);
            bytes.extend_from_slice(&sequence.to_le_bytes());
        }
        if !metadata.is_empty() {
            parts = parts.with(Parts::METADATA);
            bytes.extend_from_slice(metadata.as_bytes());
        }
        (parts, bytes)
    }
}
