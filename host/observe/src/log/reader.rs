//! Readers of the ring. A reader has a place in the ring and no queue: when the ring overtakes it, the lines between are lost for
//! this reader, which is told their number.

use super::handle::Log;
use super::record::Record;
use super::ring::{Piece, Place, Ring};
use super::selection::LogSelection;

/// An item that a reader comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A selected line.
    Line {
        /// The line as [`super::LogLine::json`] writes it.
        json: &'a str,
        /// The flow; empty without one.
        flow: &'a str,
    },
    /// Number of lines that left the ring before the reader came to them, selected or not.
    Lost(u64),
}

impl<'a> Entry<'a> {
    /// The line as JSON; `None` when it is none.
    pub fn line(&self) -> Option<&'a str> {
        match self {
            Self::Line { json, .. } => Some(json),
            Self::Lost(_) => None,
        }
    }
}

/// How far a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There may be more lines.
    More,
    /// The reader has read all lines that there are.
    End,
}

/// Reads selected lines, from the oldest one on.
#[derive(Clone)]
pub struct LogReader {
    log: Log,
    selection: LogSelection,
    place: Place,
    /// The number of the first line that is not read; `None` to read on without an end.
    until: Option<u64>,
    /// A copy of a part of the open chunk.
    copy: Vec<u8>,
    /// Whether it has read from its place on: a reader that begins at the oldest line has lost none.
    has_begun: bool,
}

impl Log {
    /// A reader from the oldest line on; `None` when the log keeps no lines.
    pub fn reader(&self, selection: LogSelection) -> Option<LogReader> {
        self.ring().map(|_| LogReader {
            log: self.clone(),
            selection,
            place: Place::default(),
            until: None,
            copy: Vec::new(),
            has_begun: false,
        })
    }
}

impl LogReader {
    /// Selects other lines from now on.
    pub fn select(&mut self, selection: LogSelection) {
        self.selection = selection;
    }

    /// The lines that it selects.
    pub fn selection(&self) -> &LogSelection {
        &self.selection
    }

    /// The place of the next line.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Moves to a place, forward or back.
    pub fn move_to(&mut self, place: Place) {
        self.place = place;
        // The first place of all stands for the oldest line, whichever it is.
        self.has_begun = place != Place::default();
    }

    /// Ends with the lines that there are now.
    pub fn end_here(&mut self) {
        self.until = self.ring().map(Ring::end);
    }

    /// Reads a part of the ring: at most 256 KiB. A reader without a line before its end has progressed to the end.
    pub fn read(&mut self, mut each: impl FnMut(Entry<'_>)) -> Progress {
        let Self { log, selection, place, until, copy, has_begun } = self;
        let Some(ring) = log.ring() else { return Progress::End };
        if until.is_some_and(|until| place.line >= until) {
            return Progress::End;
        }
        let before = place.line;
        let (lost, piece) = ring.piece(place, copy);
        // Lines after its end are not lost for it.
        let lost = until.map_or(lost, |until| lost.min(until - before));
        if lost > 0 && *has_begun {
            each(Entry::Lost(lost));
        }
        *has_begun = true;
        let mut bytes = match &piece {
            Piece::Full(chunk) => chunk.after(*place),
            Piece::Copied => copy,
            Piece::None => return Progress::End,
        };
        while until.is_none_or(|until| place.line < until) {
            let Some((record, length)) = Record::first(bytes) else { break };
            if selection.selects(&record) {
                each(Entry::Line { json: record.json, flow: record.flow });
            }
            place.advance(length);
            bytes = &bytes[length..];
        }
        if matches!(piece, Piece::Full(_)) && bytes.is_empty() {
            place.next_chunk();
        }
        if until.is_some_and(|until| place.line >= until) { Progress::End } else { Progress::More }
    }

    /// Waits until there is a line that it has not read.
    pub async fn wait_filled(&self) {
        let Some(ring) = self.ring() else { return std::future::pending().await };
        let mut filled = std::pin::pin!(ring.filled());
        filled.as_mut().enable();
        if ring.await_line(self.place.line) {
            filled.await;
        }
    }

    fn ring(&self) -> Option<&Ring> {
        self.log.ring()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{LEAST_RING_BYTES, LogLine};
    use tracing::Level;

    fn add(log: &Log, text: impl ToString) {
        log.add(&LogLine::new(Level::INFO, "playhouse", text.to_string()));
    }

    /// The texts of the lines, and the numbers of lost ones.
    fn read(reader: &mut LogReader) -> (Vec<String>, u64) {
        let (mut texts, mut all_lost) = (Vec::new(), 0);
        loop {
            let progress = reader.read(|entry| match entry {
                Entry::Line { json, .. } => texts.push(LogLine::of_json(json).expect("JSON").text),
                Entry::Lost(lost) => all_lost += lost,
            });
            if progress == Progress::End {
                return (texts, all_lost);
            }
        }
    }

    #[test]
    fn reader_gets_each_line_once_in_order() {
        let log = Log::new(LEAST_RING_BYTES);
        let mut reader = log.reader(LogSelection::default()).expect("it has a ring");
        let mut all = Vec::new();
        // Pieces end within lines and chunks; the ring is not overtaken.
        for n in 0..5000 {
            add(&log, n);
            if n % 700 == 0 {
                all.append(&mut read(&mut reader).0);
            }
        }
        let (rest, lost) = read(&mut reader);
        all.extend(rest);
        assert_eq!(lost, 0);
        assert!(
            all.iter().map(String::as_str).eq((0..5000).map(|n| n.to_string()).collect::<Vec<_>>()),
            "{}",
            all.len()
        );
    }

    #[test]
    fn overtaken_reader_is_told_the_number_of_lost_lines() {
        let log = Log::new(LEAST_RING_BYTES);
        let mut slow = log.reader(LogSelection::default()).expect("it has a ring");
        add(&log, "first");
        assert_eq!(read(&mut slow), (vec!["first".to_owned()], 0));
        let long = "x".repeat(1000);
        for _ in 0..5000 {
            add(&log, &long);
        }
        let (texts, lost) = read(&mut slow);
        assert_eq!(lost + texts.len() as u64, 5000);
        assert!(lost > 3000 && texts.len() > 500, "{lost} lost");
        let mut new = log.reader(LogSelection::default()).expect("it has a ring");
        assert_eq!(read(&mut new).1, 0, "a reader that begins now has lost none");
    }

    #[test]
    fn lines_after_its_end_are_not_lost_for_a_reader() {
        let log = Log::new(LEAST_RING_BYTES);
        let mut reader = log.reader(LogSelection::default()).expect("it has a ring");
        assert_eq!(read(&mut reader).1, 0);
        for n in 0..10 {
            add(&log, n);
        }
        reader.end_here();
        let long = "x".repeat(1000);
        for _ in 0..5000 {
            add(&log, &long);
        }
        assert_eq!(read(&mut reader), (Vec::new(), 10));
    }

    #[test]
    fn reader_that_began_before_the_first_line_is_told_what_it_lost() {
        let log = Log::new(LEAST_RING_BYTES);
        let mut reader = log.reader(LogSelection::default()).expect("it has a ring");
        assert_eq!(read(&mut reader), (Vec::new(), 0));
        let long = "x".repeat(1000);
        for _ in 0..5000 {
            add(&log, &long);
        }
        let (texts, lost) = read(&mut reader);
        assert!(lost > 3000 && lost + texts.len() as u64 == 5000, "{lost} lost");
    }

    #[test]
    fn bounded_reader_ends_though_lines_come() {
        let log = Log::new(LEAST_RING_BYTES);
        add(&log, "before");
        let mut reader = log.reader(LogSelection::default()).expect("it has a ring");
        reader.end_here();
        add(&log, "after");
        assert_eq!(read(&mut reader), (vec!["before".to_owned()], 0));
    }

    #[tokio::test]
    async fn waiting_reader_wakes_for_the_next_line() {
        let log = Log::new(LEAST_RING_BYTES);
        add(&log, 1);
        let mut reader = log.reader(LogSelection::default()).expect("it has a ring");
        reader.wait_filled().await;
        read(&mut reader);
        let mut waiting = std::pin::pin!(reader.wait_filled());
        assert!(futures_poll(waiting.as_mut()).is_pending());
        add(&log, 2);
        waiting.await;
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
