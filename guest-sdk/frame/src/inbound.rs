//! Reads the frame of a batch. This crate has no writer for it: the frame is the bytes of a mailbox, with a trailer.

use core::ops::Range;

use crate::bytes::u32_at;
use crate::content::Content;
use crate::error::FrameError;
use crate::layout::ROUTES_VOID;
use crate::record::{HEADER_BYTES, Header, MARK};
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
    /// The range of its body. The bytes between header and body are its optional parts.
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

    /// Its optional parts and its body, from the frame that it was read from.
    ///
    /// # Panics
    /// When the frame is another one.
    pub fn content<'a>(&self, frame: &'a [u8]) -> Content<'a> {
        let content = self.header + HEADER_BYTES;
        if self.body.start == content {
            return Content { body: &frame[self.body.clone()], ..Content::default() };
        }
        let parts = self.header(frame).parts;
        Content::read(parts, &frame[content..self.body.end]).expect("the frame is the one that was read")
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
        let first = u32_at(self.records, header).ok_or(FrameError::Truncated { at: header })?;
        let body = header + HEADER_BYTES;
        match usize::try_from(first).ok().and_then(|length| body.checked_add(length)) {
            // The mark of optional parts makes the field larger than any frame.
            Some(end) if end <= self.records.len() => {
                self.at = end;
                self.found += 1;
                Ok(Record { header, body: body..end })
            }
            _ => self.read_parts(first),
        }
    }

    /// Reads a message with optional parts, or one that is cut off.
    #[cold]
    fn read_parts(&mut self, first: u32) -> Result<Record, FrameError> {
        let header = self.at;
        let end = header + HEADER_BYTES + (first & !MARK) as usize;
        let content = self.records.get(header + HEADER_BYTES..end).filter(|_| first & MARK != 0);
        let content = content.ok_or(FrameError::Truncated { at: header })?;
        let fields = self.records[header..].first_chunk().expect("a content comes after its header");
        let read = Content::read(Header::decode(fields).parts, content);
        let body = read.map_err(|fault| FrameError::Content { at: header, fault })?.body;
        self.at = end;
        self.found += 1;
        Ok(Record { header, body: end - body.len()..end })
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
