//! From the bytes of a file to its lines. Bytes are only looked at for line ends, so that a character may be cut anywhere.

/// The lines of bytes that come in pieces.
#[derive(Debug)]
pub(super) struct Lines {
    /// The beginning of the line that has no end yet, at most `most` bytes.
    kept: Vec<u8>,
    /// All bytes of this line so far.
    length: u64,
    /// The place of this line in the file.
    start: u64,
    /// The longest line that is kept whole.
    most: usize,
}

/// A line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The place of its first byte in the file.
    pub(super) start: u64,
    /// Its bytes; of a line that is too long the first ones.
    pub(super) bytes: Vec<u8>,
    /// The number of all its bytes.
    pub(super) length: u64,
    /// The place after it and its end.
    pub(super) next: u64,
}

impl Line {
    /// Whether it was too long to be kept whole.
    pub(super) fn is_cut(&self) -> bool {
        self.length > self.bytes.len() as u64
    }
}

impl Lines {
    /// The place of the line that has no end yet.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The lines from this place of a file on.
    pub(super) fn from(start: u64, most: usize) -> Self {
        Self { kept: Vec::new(), length: 0, start, most }
    }

    /// Adds bytes, and gives each line that ends in them.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(Line)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end]);
            line(self.take(1));
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    /// The bytes after the last line end, as a line: no more will come.
    pub(super) fn finish(&mut self) -> Option<Line> {
        (self.length > 0).then(|| self.take(0))
    }

    fn keep(&mut self, bytes: &[u8]) {
        let space = self.most.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..bytes.len().min(space)]);
        self.length += bytes.len() as u64;
    }

    /// Ends the line, whose end has this many bytes.
    fn take(&mut self, end: u64) -> Line {
        let next = self.start + self.length + end;
        let line = Line { start: self.start, bytes: std::mem::take(&mut self.kept), length: self.length, next };
        self.start = next;
        self.length = 0;
        line
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]], most: usize) -> (Vec<Line>, Option<Line>) {
        let mut lines = Lines::from(0, most);
        let mut all = Vec::new();
        for piece in pieces {
            lines.push(piece, |line| all.push(line));
        }
        (all, lines.finish())
    }

    fn line(start: u64, bytes: &[u8]) -> Line {
        let length = bytes.len() as u64;
        Line { start, bytes: bytes.to_vec(), length, next: start + length + 1 }
    }

    #[test]
    fn character_may_be_cut_by_a_piece() {
        let text = "grün\nrot".as_bytes();
        for cut in 0..text.len() {
            let (lines, rest) = read(&[&text[..cut], &text[cut..]], 100);
            assert_eq!(
                (lines, rest),
                (vec![line(0, "grün".as_bytes())], Some(Line { next: 9, ..line(6, b"rot") })),
                "{cut}"
            );
        }
    }

    #[test]
    fn empty_lines_and_carriage_returns_stay() {
        assert_eq!(read(&[b"\n\r\n"], 100), (vec![line(0, b""), line(1, b"\r")], None));
    }

    #[test]
    fn long_line_keeps_its_first_bytes_and_its_length() {
        let (lines, _) = read(&[b"abc", b"defgh", b"i\nok\n"], 4);
        assert_eq!(lines, [Line { start: 0, bytes: b"abcd".to_vec(), length: 9, next: 10 }, line(10, b"ok")]);
        assert!(lines[0].is_cut() && !lines[1].is_cut());
    }

    proptest! {
        #[test]
        fn pieces_do_not_change_the_lines(text in "[ab\n]{0,60}", cut in 0usize..60, most in 1usize..8) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            prop_assert_eq!(read(&[&bytes[..cut], &bytes[cut..]], most), read(&[bytes], most));
            let (lines, rest) = read(&[bytes], bytes.len() + 1);
            for line in lines.iter().chain(&rest) {
                let start = line.start as usize;
                prop_assert_eq!(&bytes[start..start + line.bytes.len()], &line.bytes[..]);
            }
        }
    }
}
