//! The bytes of a line in the ring: a head with the fields by which readers select, and the line as JSON.
//!
//! `length: u32, time: u64, level: u8, actor: u16, flow: u8`, little-endian, then the address of the actor, the flow, and the JSON.
//! `length` is the length of the whole, `actor` and `flow` are lengths, and `time` is in microseconds since 1970.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use tracing::Level;

use super::line::LogLine;

const HEAD_BYTES: usize = 16;
/// Maximum size of a record: a longer line is kept as its beginning.
pub(super) const MOST_RECORD_BYTES: usize = 192 << 10;
/// Maximum length of the text of such a line.
const BEGINNING_BYTES: usize = 1 << 10;
/// Maximum capacity of the buffer that a thread keeps.
const KEPT_BUFFER_BYTES: usize = 16 << 10;

/// A line in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Microseconds since 1970.
    pub(super) at_micros: u64,
    /// 1 for an error to 5 for a trace.
    pub(super) level: u8,
    pub(super) actor: &'a str,
    pub(super) flow: &'a str,
    pub(super) json: &'a str,
}

/// Encodes a line without the lock of the ring, in a buffer of the thread.
pub(super) fn with_record(line: &LogLine, push: impl FnOnce(&[u8])) {
    thread_local!(static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
    BUFFER.with_borrow_mut(|buffer| {
        encode(line, buffer);
        if buffer.len() > MOST_RECORD_BYTES {
            encode(&beginning(line), buffer);
        }
        push(buffer);
        buffer.shrink_to(KEPT_BUFFER_BYTES);
    });
}

fn encode(line: &LogLine, buffer: &mut Vec<u8>) {
    let json = line.json();
    let actor = if u16::try_from(line.actor.len()).is_ok() { line.actor.as_str() } else { "" };
    let flow = if u8::try_from(line.flow.len()).is_ok() { line.flow.as_str() } else { "" };
    let length = HEAD_BYTES + actor.len() + flow.len() + json.len();
    buffer.clear();
    buffer.reserve(length);
    buffer.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    buffer.extend_from_slice(&micros(line.at).to_le_bytes());
    buffer.push(rank(line.level));
    buffer.extend_from_slice(&u16::try_from(actor.len()).unwrap_or_default().to_le_bytes());
    buffer.push(u8::try_from(flow.len()).unwrap_or_default());
    for part in [actor, flow, &json] {
        buffer.extend_from_slice(part.as_bytes());
    }
}

/// A line that is too long for the ring, without its fields.
fn beginning(line: &LogLine) -> LogLine {
    let mut short = LogLine::new(line.level, "", line.text.chars().take(BEGINNING_BYTES / 4).collect());
    (short.at, short.target) = (line.at, line.target.clone());
    for (to, from) in [(&mut short.actor, &line.actor), (&mut short.flow, &line.flow)] {
        if from.len() <= BEGINNING_BYTES * 2 {
            to.clone_from(from);
        }
    }
    short.fields = vec![("shortened".into(), true.into())];
    short
}

impl<'a> Record<'a> {
    /// The record at the front of `bytes`, and its length; `None` if it is not whole.
    pub(super) fn first(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let length = length_of_first(bytes)?;
        let (head, rest) = bytes.get(..length)?.split_at_checked(HEAD_BYTES)?;
        let at_micros = u64::from_le_bytes(head[4..12].try_into().ok()?);
        let actor = usize::from(u16::from_le_bytes(head[13..15].try_into().ok()?));
        let (actor, rest) = rest.split_at_checked(actor)?;
        let (flow, json) = rest.split_at_checked(head[15].into())?;
        let [actor, flow, json] = [actor, flow, json].map(|part| std::str::from_utf8(part).unwrap_or_default());
        Some((Self { at_micros, level: head[12], actor, flow, json }, length))
    }
}

/// The length of the record at the front of `bytes`, which may not be whole; `None` without one.
pub(super) fn length_of_first(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    usize::try_from(length).ok()
}

/// Microseconds since 1970.
pub(super) fn micros(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// 1 for an error to 5 for a trace.
pub(super) fn rank(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_read_back() {
        let mut line = LogLine::new(Level::WARN, "playhouse", "\"x\"\n".repeat(3));
        (line.actor, line.flow) = ("/a".to_owned(), "5d".repeat(16));
        with_record(&line, |bytes| {
            let (record, length) = Record::first(bytes).expect("it is whole");
            let json = line.json();
            let wanted = Record { at_micros: micros(line.at), level: 2, actor: "/a", flow: &line.flow, json: &json };
            assert_eq!((record, length), (wanted, bytes.len()));
            assert_eq!(Record::first(&bytes[..length - 1]), None);
        });
    }

    #[test]
    fn huge_line_is_kept_as_its_beginning() {
        let mut line = LogLine::new(Level::WARN, "playhouse", "it goes on".to_owned());
        line.actor = "/a".to_owned();
        line.reason = "\u{1b}".repeat(MOST_RECORD_BYTES);
        with_record(&line, |bytes| {
            let (record, _) = Record::first(bytes).expect("it is whole");
            assert!(bytes.len() < BEGINNING_BYTES && record.actor == "/a", "{} bytes", bytes.len());
            assert!(record.json.ends_with(r#""message":"it goes on","shortened":true}"#), "{}", record.json);
        });
    }
}
