//! Metadata of a message or a reply: a few pairs of text that travel beside the body. The bytes are the same in a mailbox, in both
//! frames and in [`Metadata`]: the length of the whole in 2 bytes, the number of pairs in 2, and for each pair the lengths of key
//! and value in 2 each, the key, the value.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The most pairs of one message or reply.
pub const METADATA_PAIRS: usize = 16;
/// The most bytes of all keys and values together.
pub const METADATA_BYTES: usize = 4 << 10;

/// Bytes before the pairs.
const HEAD_BYTES: usize = 4;
/// Bytes before a key.
const PAIR_BYTES: usize = 4;

/// Pairs of key and value, in order; a key may occur more than once.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Metadata {
    /// The encoded pairs; empty when there are none.
    bytes: Vec<u8>,
}

/// The reason why pairs are not metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataError {
    /// More than [`METADATA_PAIRS`] pairs.
    TooManyPairs,
    /// Keys and values of more than [`METADATA_BYTES`] bytes.
    TooManyBytes,
    /// A key without a character.
    EmptyKey,
    /// Bytes that are not encoded pairs.
    Malformed,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyPairs => write!(f, "more than the {METADATA_PAIRS} pairs that a message may have"),
            Self::TooManyBytes => {
                write!(f, "more than the {METADATA_BYTES} bytes that keys and values of a message may have")
            }
            Self::EmptyKey => f.write_str("an empty key"),
            Self::Malformed => f.write_str("bytes that are not encoded pairs"),
        }
    }
}

impl core::error::Error for MetadataError {}

impl Metadata {
    /// No pairs.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Adds a pair after the others. After an error it is as before.
    pub fn push(&mut self, key: &str, value: &str) -> Result<(), MetadataError> {
        let pairs = self.len();
        if key.is_empty() {
            return Err(MetadataError::EmptyKey);
        }
        if pairs == METADATA_PAIRS {
            return Err(MetadataError::TooManyPairs);
        }
        let used = self.bytes.len().saturating_sub(HEAD_BYTES) - pairs * PAIR_BYTES;
        if key.len().saturating_add(value.len()) > METADATA_BYTES - used {
            return Err(MetadataError::TooManyBytes);
        }
        if pairs == 0 {
            self.bytes.resize(HEAD_BYTES, 0);
        }
        let short = |length: usize| u16::try_from(length).expect("all lengths are bounded");
        for length in [key.len(), value.len()] {
            self.bytes.extend_from_slice(&short(length).to_le_bytes());
        }
        self.bytes.extend_from_slice(key.as_bytes());
        self.bytes.extend_from_slice(value.as_bytes());
        let length = short(self.bytes.len());
        self.bytes[0..2].copy_from_slice(&length.to_le_bytes());
        self.bytes[2..4].copy_from_slice(&short(pairs + 1).to_le_bytes());
        Ok(())
    }

    /// Collects pairs, or says why they are too many.
    pub fn collect<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, MetadataError> {
        let mut metadata = Self::new();
        for (key, value) in pairs {
            metadata.push(key.as_ref(), value.as_ref())?;
        }
        Ok(metadata)
    }

    /// The pairs, in order.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs { rest: self.bytes.get(HEAD_BYTES..).unwrap_or_default(), left: self.len() as u16 }
    }

    /// The value of the first pair with this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs().get(key)
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        u16_at(&self.bytes, 2).map_or(0, usize::from)
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The encoded pairs; empty when there are none.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pairs().fmt(f)
    }
}

impl From<Pairs<'_>> for Metadata {
    fn from(pairs: Pairs<'_>) -> Self {
        Self::collect(pairs).expect("read pairs are within the bounds")
    }
}

/// The pairs of encoded metadata, one after another.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Pairs<'a> {
    rest: &'a [u8],
    left: u16,
}

impl<'a> Pairs<'a> {
    /// Reads encoded metadata from the front of some bytes, and checks all of it. Returns the bytes after it as well.
    pub fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), MetadataError> {
        let length = u16_at(bytes, 0).map_or(0, usize::from);
        let left = u16_at(bytes, 2).unwrap_or(0);
        let block = bytes.get(HEAD_BYTES..length).filter(|_| left > 0).ok_or(MetadataError::Malformed)?;
        if usize::from(left) > METADATA_PAIRS {
            return Err(MetadataError::TooManyPairs);
        }
        let (mut rest, mut used) = (block, 0);
        for _ in 0..left {
            let (key, value, after) = pair(rest).ok_or(MetadataError::Malformed)?;
            if key.is_empty() {
                return Err(MetadataError::EmptyKey);
            }
            used += key.len() + value.len();
            rest = after;
        }
        match rest.is_empty() {
            true if used > METADATA_BYTES => Err(MetadataError::TooManyBytes),
            true => Ok((Self { rest: block, left }, &bytes[length..])),
            false => Err(MetadataError::Malformed),
        }
    }

    /// The value of the first pair with this key.
    pub fn get(mut self, key: &str) -> Option<&'a str> {
        self.find_map(|(found, value)| (found == key).then_some(value))
    }

    /// Whether there are no more pairs.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

#[expect(clippy::copy_iterator, reason = "a copy is a view of the pairs that are left, as cheap as a slice")]
impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (key, value, rest) = pair(self.rest)?;
        self.rest = rest;
        Some((key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.map(|(key, value)| (String::from(key), String::from(value)))).finish()
    }
}

/// The first key and value, and the bytes after them.
fn pair(bytes: &[u8]) -> Option<(&str, &str, &[u8])> {
    let (key, value) = (u16_at(bytes, 0)?.into(), u16_at(bytes, 2)?.into());
    let (key, rest) = bytes[PAIR_BYTES..].split_at_checked(key)?;
    let (value, rest) = rest.split_at_checked(value)?;
    Some((core::str::from_utf8(key).ok()?, core::str::from_utf8(value).ok()?, rest))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
