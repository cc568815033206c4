//! The last lines of the log in bounded memory. Writers append to one open chunk, under a lock that is held for a copy of one
//! line. A full chunk never changes: readers share it without the lock. The oldest chunk goes first.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::record::{self, MOST_RECORD_BYTES};

/// Size of a chunk.
const CHUNK_BYTES: usize = 256 << 10;
/// The least memory of a ring: four chunks.
pub const LEAST_BYTES: usize = 4 * CHUNK_BYTES;
/// Bytes that are copied from the open chunk at a time, unless a single line is longer.
const PIECE_BYTES: usize = 16 << 10;

const _: () = assert!(MOST_RECORD_BYTES <= CHUNK_BYTES);

pub(super) struct Ring {
    most_chunks: usize,
    chunks: Mutex<Chunks>,
    /// Notified when there is a line for a reader that waits.
    filled: Notify,
}

#[derive(Default)]
struct Chunks {
    /// The full chunks, oldest first.
    full: VecDeque<Arc<Chunk>>,
    /// The chunk that takes lines; `None` before the first line.
    open: Option<Chunk>,
    /// Number of lines so far.
    lines: u64,
    /// Whether a reader waits.
    is_awaited: bool,
}

/// Lines, one after another.
pub(super) struct Chunk {
    /// The number of the chunk, from 0.
    number: u64,
    /// The number of its first line, from 0.
    first: u64,
    /// The records of its lines: at most [`CHUNK_BYTES`], the capacity.
    bytes: Vec<u8>,
}

/// A place in the ring: before a line, which may not be there yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    chunk: u64,
    offset: usize,
    /// The number of the line.
    pub(super) line: u64,
}

/// The lines at a place.
pub(super) enum Piece {
    /// A full chunk, shared.
    Full(Arc<Chunk>),
    /// A part of the open chunk was copied; its last record may not be whole.
    Copied,
    /// No line yet.
    None,
}

impl Chunk {
    fn new(number: u64, first: u64, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self { number, first, bytes }
    }

    /// The records from the place on.
    pub(super) fn after(&self, place: Place) -> &[u8] {
        self.bytes.get(place.offset..).unwrap_or_default()
    }
}

impl Place {
    /// The place after a record of this length.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.offset += bytes;
        self.line += 1;
    }

    /// The place after a full chunk.
    pub(super) fn next_chunk(&mut self) {
        self.chunk += 1;
        self.offset = 0;
    }
}

impl Ring {
    /// A ring with at most this much memory, and at least [`LEAST_BYTES`].
    pub(super) fn new(bytes: usize) -> Self {
        let most_chunks = bytes.max(LEAST_BYTES) / CHUNK_BYTES;
        Self { most_chunks, chunks: Mutex::default(), filled: Notify::new() }
    }

    /// Appends a record of at most [`MOST_RECORD_BYTES`].
    pub(super) fn push(&self, record: &[u8]) {
        let (evicted, is_awaited) = {
            let mut chunks = self.chunks.lock();
            let evicted = chunks.make_space(record.len(), self.most_chunks);
            if let Some(open) = &mut chunks.open {
                open.bytes.extend_from_slice(record);
            }
            chunks.lines += 1;
            (evicted, std::mem::take(&mut chunks.is_awaited))
        };
        drop(evicted);
        if is_awaited {
            self.filled.notify_waiters();
        }
    }

    /// The lines at a place. A place whose chunk is gone moves to the oldest line; returns the number of lines between. A part of
    /// the open chunk is copied to `copy`.
    pub(super) fn piece(&self, place: &mut Place, copy: &mut Vec<u8>) -> (u64, Piece) {
        let chunks = self.chunks.lock();
        let lost = chunks.catch_up(place);
        let oldest = chunks.oldest();
        let index = usize::try_from(place.chunk - oldest).unwrap_or(usize::MAX);
        if let Some(full) = chunks.full.get(index) {
            return (lost, Piece::Full(full.clone()));
        }
        let rest = chunks.open.as_ref().map(|open| open.after(*place)).unwrap_or_default();
        let Some(first) = record::length_of_first(rest) else { return (lost, Piece::None) };
        copy.clear();
        copy.extend_from_slice(&rest[..rest.len().min(first.max(PIECE_BYTES))]);
        (lost, Piece::Copied)
    }

    /// The number of the line that comes next.
    pub(super) fn end(&self) -> u64 {
        self.chunks.lock().lines
    }

    /// Whether there is no line of this number yet; then the next line resolves [`Ring::filled`].
    pub(super) fn await_line(&self, line: u64) -> bool {
        let mut chunks = self.chunks.lock();
        let is_missing = chunks.lines <= line;
        chunks.is_awaited |= is_missing;
        is_missing
    }

    /// Resolves with the next line that is awaited.
    pub(super) fn filled(&self) -> tokio::sync::futures::Notified<'_> {
        self.filled.notified()
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        let chunks = self.chunks.lock();
        (chunks.full.len() + usize::from(chunks.open.is_some())) * CHUNK_BYTES
    }

    /// Maximum bytes of memory.
    pub(super) fn most_bytes(&self) -> usize {
        self.most_chunks * CHUNK_BYTES
    }
}

impl Chunks {
    /// Makes space for a record in the open chunk. Returns a chunk to free outside of the lock.
    fn make_space(&mut self, bytes: usize, most_chunks: usize) -> Option<Arc<Chunk>> {
        let number = match &self.open {
            Some(open) if open.bytes.len() + bytes <= CHUNK_BYTES => return None,
            Some(open) => open.number + 1,
            None => 0,
        };
        self.full.extend(self.open.take().map(Arc::new));
        let oldest = if self.full.len() >= most_chunks { self.full.pop_front() } else { None };
        // The memory of the oldest chunk is used again, unless a reader still has it.
        let (memory, evicted) = match oldest.map(Arc::try_unwrap) {
            Some(Ok(oldest)) => (oldest.bytes, None),
            Some(Err(shared)) => (Vec::with_capacity(CHUNK_BYTES), Some(shared)),
            None => (Vec::with_capacity(CHUNK_BYTES), None),
        };
        self.open = Some(Chunk::new(number, self.lines, memory));
        evicted
    }

    /// The number of the oldest chunk.
    fn oldest(&self) -> u64 {
        let oldest = self.full.front().map(|chunk| &**chunk).or(self.open.as_ref());
        oldest.map_or(0, |chunk| chunk.number)
    }

    /// Moves a place before the oldest line to that line.
    fn catch_up(&self, place: &mut Place) -> u64 {
        let Some(oldest) = self.full.front().map(|chunk| &**chunk).or(self.open.as_ref()) else { return 0 };
        if place.chunk >= oldest.number {
            return 0;
        }
        let lost = oldest.first - place.line;
        *place = Place { chunk: oldest.number, offset: 0, line: oldest.first };
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogLine;
    use crate::log::record::with_record;
    use tracing::Level;

    fn push(ring: &Ring, text: &str) {
        with_record(&LogLine::new(Level::INFO, "playhouse", text.to_owned()), |record| ring.push(record));
    }

    #[test]
    fn memory_is_bounded_and_allocated_as_it_fills() {
        let ring = Ring::new(LEAST_BYTES);
        assert_eq!(ring.bytes(), 0);
        push(&ring, "one");
        assert_eq!(ring.bytes(), CHUNK_BYTES);
        for _ in 0..10 * LEAST_BYTES / 1000 {
            push(&ring, &"x".repeat(1000));
        }
        assert_eq!((ring.bytes(), ring.most_bytes()), (LEAST_BYTES, LEAST_BYTES));
        let chunks = ring.chunks.lock();
        assert!(chunks.full.iter().all(|chunk| chunk.bytes.capacity() == CHUNK_BYTES), "no chunk grows");
    }

    #[test]
    fn reader_that_keeps_a_chunk_delays_no_writer() {
        let ring = Ring::new(LEAST_BYTES);
        let (mut place, mut copy) = (Place::default(), Vec::new());
        while !matches!(ring.piece(&mut place, &mut copy), (0, Piece::Full(_))) {
            push(&ring, &"x".repeat(8000));
        }
        let (_, Piece::Full(kept)) = ring.piece(&mut place, &mut copy) else { panic!("it is full") };
        let before = kept.bytes.clone();
        for _ in 0..2 * LEAST_BYTES / 8000 {
            push(&ring, &"y".repeat(8000));
        }
        assert!(kept.bytes == before, "a full chunk does not change");
        assert_eq!(ring.bytes(), LEAST_BYTES);
        let (lost, _) = ring.piece(&mut place, &mut copy);
        assert_eq!(lost, place.line, "all lines before the oldest one");
    }
}
