//! Reads the frame of a batch. Nobody here writes one: it is what lies in a mailbox, with a trailer.

use core::ops::Range;

use crate::{FrameError, HEADER_BYTES, Header, trailer, u32_at};

/// The messages of a frame, in order. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Inbound<'a> {
    records: &'a [u8],
    at: usize,
    messages: u32,
    found: u32,
    broken: bool,
    routes_void: bool,
}

/// One message of a frame: where its parts lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where its header begins.
    pub header: usize,
    /// Where its body lies.
    pub body: Range<usize>,
}

impl Record {
    /// Decodes its header, from the frame that it was read from.
    ///
    /// # Panics
    /// When the frame is another one, and shorter.
    pub fn header(&self, frame: &[u8]) -> Header {
        Header::decode(frame[self.header..].first_chunk().expect("it was found there"))
    }
}

impl<'a> Inbound<'a> {
    /// Reads the trailer.
    pub fn open(frame: &'a [u8]) -> Result<Self, FrameError> {
        let (records, messages, flags) = trailer::split(frame, trailer::ROUTES_VOID)?;
        Ok(Self { records, at: 0, messages, found: 0, broken: false, routes_void: flags != 0 })
    }

    /// Whether the routes that were given out before lead nowhere any more.
    pub fn routes_void(&self) -> bool {
        self.routes_void
    }

    /// How many messages it says it has.
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
