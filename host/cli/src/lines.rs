//! A stream of bytes, cut into messages, one for each line. A line that is longer than the limit of a message is skipped and
//! reported with its number and length. The code is pure; its memory is at most one message's limit and one chunk.

/// A line of the stream, without its `\n`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A line that fits.
    Whole(&'a [u8]),
    /// A line that is longer than the limit, reported once its end is known.
    TooLong {
        /// The number of the line, from 1.
        number: u64,
        /// Its length in bytes.
        bytes: u64,
    },
}

/// Cuts the bytes that [`Lines::fill`] adds.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Longest line in bytes.
    limit: usize,
    buffer: Vec<u8>,
    /// The start of the next line, or of its unread part, in `buffer`.
    start: usize,
    /// No `\n` lies in `start..searched`.
    searched: usize,
    /// The number of the line that `start` is in.
    number: u64,
    /// Bytes of this line that were skipped because the line is longer than the limit.
    skipped: u64,
    ended: bool,
}

impl Lines {
    /// For lines of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new(), start: 0, searched: 0, number: 1, skipped: 0, ended: false }
    }

    /// Adds bytes. Take all lines before the next call, because lines that are not taken stay in the buffer.
    pub(crate) fn fill(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// Ends the stream: a last line without `\n` counts as a line.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// The number of the line that comes next.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line; `None` when more bytes are needed, or at the end of the stream.
    pub(crate) fn next_line(&mut self) -> Option<Line<'_>> {
        let start = self.start;
        let newline = memchr::memchr(b'\n', &self.buffer[self.searched..]).map(|at| self.searched + at);
        let end = newline.unwrap_or(self.buffer.len());
        let length = end - start;
        let is_too_long = self.skipped > 0 || length > self.limit;
        if newline.is_none() && !(self.ended && (length > 0 || self.skipped > 0)) {
            if is_too_long {
                self.skipped += length as u64;
                self.start = end;
            }
            self.searched = end;
            return None;
        }
        self.start = if newline.is_some() { end + 1 } else { end };
        self.searched = self.start;
        let number = self.number;
        self.number += 1;
        if is_too_long {
            let bytes = std::mem::take(&mut self.skipped) + length as u64;
            return Some(Line::TooLong { number, bytes });
        }
        Some(Line::Whole(&self.buffer[start..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All lines of `chunks`: whole ones, and number and length of those that are too long.
    fn cut<'c>(chunks: impl IntoIterator<Item = &'c [u8]>, limit: usize) -> (Vec<Vec<u8>>, Vec<(u64, u64)>) {
        let mut lines = Lines::new(limit);
        let (mut whole, mut long) = (Vec::new(), Vec::new());
        let mut take = |lines: &mut Lines| {
            while let Some(line) = lines.next_line() {
                match line {
                    Line::Whole(body) => whole.push(body.to_vec()),
                    Line::TooLong { number, bytes } => long.push((number, bytes)),
                }
            }
        };
        for chunk in chunks {
            lines.fill(chunk);
            take(&mut lines);
        }
        lines.end();
        take(&mut lines);
        (whole, long)
    }

    #[test]
    fn line_becomes_message_and_last_needs_no_newline() {
        assert_eq!(cut([&b"a b\r\n\n\xff\0\nc"[..]], 100).0, [&b"a b\r"[..], b"", b"\xff\0", b"c"]);
        assert_eq!(cut([&b"a\n"[..]], 100).0, [b"a"]);
        assert!(cut([&b""[..]], 100).0.is_empty());
    }

    #[test]
    fn long_line_is_reported_and_others_go_on() {
        let (whole, long) = cut([&b"abc\nabcd\n\nab\nabcdefgh"[..]], 3);
        assert_eq!(whole, [&b"abc"[..], b"", b"ab"]);
        assert_eq!(long, [(2, 4), (5, 8)]);
    }

    #[test]
    fn long_line_is_skipped_in_bounded_memory() {
        let mut lines = Lines::new(10);
        for _ in 0..1000 {
            lines.fill(&[b'x'; 1000]);
            assert_eq!(lines.next_line(), None);
        }
        assert!(lines.buffer.capacity() <= 4000, "{} bytes", lines.buffer.capacity());
        lines.fill(b"\nok\n");
        assert_eq!(lines.next_line(), Some(Line::TooLong { number: 1, bytes: 1_000_000 }));
        assert_eq!(lines.next_line(), Some(Line::Whole(b"ok")));
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_the_bytes_arrive(
            input in proptest::collection::vec(prop_oneof![4 => any::<u8>(), 1 => Just(b'\n')], 0..200),
            limit in 0_usize..20,
            chunk in 1_usize..50,
        ) {
            let (whole, long) = cut(input.chunks(chunk), limit);
            let mut expected: Vec<_> = input.split(|byte| *byte == b'\n').collect();
            if expected.last().is_some_and(|last| last.is_empty()) {
                expected.pop();
            }
            let (short, too_long): (Vec<_>, Vec<_>) =
                expected.iter().zip(1..).partition(|(line, _)| line.len() <= limit);
            prop_assert_eq!(whole, short.into_iter().map(|(line, _)| line.to_vec()).collect::<Vec<_>>());
            let too_long: Vec<(u64, u64)> = too_long.into_iter().map(|(line, n)| (n, line.len() as u64)).collect();
            prop_assert_eq!(long, too_long);
        }
    }
}
