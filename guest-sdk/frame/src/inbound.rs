//! Reads the frame of a batch. This crate has no writer for it: the frame is the bytes of a mailbox, with a trailer.

use core::ops::Range;

use crate::bytes::u32_at;
use crate::error::FrameError;
use crate::layout::ROUTES_VOID;
use crate::record::{HEADER_BYTES, Header};
use crate::trailer;

/// The messages of a frame, in order. The iterator ends after the first error.
#[derive(Debug, Clone)]
pub struct Inbound<'a> {
    records: &'a [u8],
    at: usize,
    messages: u32,
    found: u32,
    broken: bool,
    routes_void: bool,
}

/// The places of one message's parts in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The place of its header.
    pub header: usize,
    /// The range of its body.
    pub body: Range<usize>,
}

impl Record {
    /// Decodes its header, from the frame that it was read from.
    ///
    /// # Panics
    /// When the frame is another, shorter one.
    pub fn header(&self, frame: &[u8]) -> Header {
        Header::decode(frame[self.header..].first_chunk().expect("the frame is the one that was read"))
    }
}

impl<'a> Inbound<'a> {
    /// Reads the trailer.
    pub fn open(frame: &'a [u8]) -> Result<Self, FrameError> {
        let (records, messages, flags) = trailer::split(frame, ROUTES_VOID)?;
        Ok(Self { records, at: 0, messages, found: 0, broken: false, routes_void: flags != 0 })
    }

    /// Whether all earlier routes are void.
    pub fn routes_void(&self) -> bool {
        self.routes_void
    }

    /// The number of messages that its trailer states.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    #[inline]
    fn read(&mut self) -> Result<Record, FrameError> {
        let header = self.at;
        if self.found == self.messages {
            return Err(FrameError::Count { stated: self.messages, found: self.found.saturating_add(1) });
        }
        let body_bytes = u32_at(self.records, header).ok_or(FrameError::Truncated { at: header })?;
        let body = header + HEADER_BYTES;
        let end = usize::try_from(body_bytes).ok().and_then(|length| body.checked_add(length));
        match end {
            Some(end) if end <= self.records.len() => {
                self.at = end;
                self.found += 1;
                Ok(Record { header, body: body..end })
            }
            _ => Err(FrameError::Truncated { at: header }),
        }
    }
}

impl Iterator for Inbound<'_> {
    type Item = Result<Record, FrameError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let read = if self.at < self.records.len() {
            self.read()
        } else if self.found < self.messages {
            Err(FrameError::Count { stated: self.messages, found: self.found })
        } else {
            return None;
        };
        self.broken = read.is_err();
        Some(read)
    }
}
