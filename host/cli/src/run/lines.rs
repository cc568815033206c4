//! A stream of bytes, cut into messages: one per line, and long lines in pieces that fit. Pure; memory is one
//! message's limit and one chunk.

/// A message: a line without its `\n`, or a piece of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// Its bytes.
    pub body: &'a [u8],
    /// The number of the line, from 1, when this piece is the first of it to be cut inside a word.
    pub cut_a_word: Option<u64>,
}

/// Cuts what [`Lines::fill`] gives it.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Longest piece in bytes; at least 1.
    limit: usize,
    buffer: Vec<u8>,
    /// Where the next piece begins in `buffer`.
    start: usize,
    /// No `\n` lies in `start..searched`.
    searched: usize,
    line: u64,
    /// This line was already cut inside a word.
    warned: bool,
    ended: bool,
}

impl Lines {
    /// For pieces of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), buffer: Vec::new(), start: 0, searched: 0, line: 1, warned: false, ended: false }
    }

    /// Adds bytes. Take all pieces before the next call, or they pile up.
    pub(crate) fn fill(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// No more bytes come: a last line without `\n` counts.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// The next piece; none when more bytes are needed, or when the stream is at its end.
    pub(crate) fn next_piece(&mut self) -> Option<Piece<'_>> {
        let start = self.start;
        let newline = memchr::memchr(b'\n', &self.buffer[self.searched..]).map(|at| self.searched + at);
        let end = newline.unwrap_or(self.buffer.len());
        self.searched = end;
        if end - start > self.limit {
            let (length, inside) = place_to_cut(&self.buffer[start..end], self.limit);
            let cut_a_word = (inside && !std::mem::replace(&mut self.warned, true)).then_some(self.line);
            self.start += length;
            return Some(Piece { body: &self.buffer[start..start + length], cut_a_word });
        }
        if newline.is_some() {
            self.start = end + 1;
            self.searched = self.start;
            self.line += 1;
            self.warned = false;
        } else if self.ended && end > start {
            self.start = end;
        } else {
            return None;
        }
        Some(Piece { body: &self.buffer[start..end], cut_a_word: None })
    }
}

/// How many bytes of `text`, which is longer than `limit`, go into the first piece, and whether that splits a word.
fn place_to_cut(text: &[u8], limit: usize) -> (usize, bool) {
    match (1..=limit).rev().find(|place| !is_inside(text, *place)) {
        Some(place) => (place, false),
        None => (limit, true),
    }
}

/// Whether the place before `text[place]` lies within a run of ASCII letters and digits, or within the UTF-8
/// sequence of one character.
fn is_inside(text: &[u8], place: usize) -> bool {
    let (before, after) = (text[place - 1], text[place]);
    if before.is_ascii_alphanumeric() && after.is_ascii_alphanumeric() {
        return true;
    }
    let continues = |byte: u8| byte & 0xc0 == 0x80;
    if !continues(after) {
        return false;
    }
    let back = text[..place].iter().rev().take(3).position(|byte| !continues(*byte));
    back.is_some_and(|back| sequence_length(text[place - 1 - back]) > back + 1)
}

/// Bytes of the UTF-8 sequence that `lead` begins.
fn sequence_length(lead: u8) -> usize {
    match lead {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All pieces of `chunks`, with the lines that were cut inside a word.
    fn cut<'c>(chunks: impl IntoIterator<Item = &'c [u8]>, limit: usize) -> (Vec<Vec<u8>>, Vec<u64>) {
        let mut lines = Lines::new(limit);
        let (mut pieces, mut warned) = (Vec::new(), Vec::new());
        let mut take = |lines: &mut Lines| {
            while let Some(piece) = lines.next_piece() {
                pieces.push(piece.body.to_vec());
                warned.extend(piece.cut_a_word);
            }
        };
        for chunk in chunks {
            lines.fill(chunk);
            take(&mut lines);
        }
        lines.end();
        take(&mut lines);
        (pieces, warned)
    }

    fn texts(pieces: Vec<Vec<u8>>) -> Vec<String> {
        pieces.into_iter().map(|piece| String::from_utf8_lossy(&piece).into_owned()).collect()
    }

    #[test]
    fn a_line_is_a_message_and_a_last_one_needs_no_newline() {
        assert_eq!(texts(cut([&b"a b\r\n\nc"[..]], 100).0), ["a b\r", "", "c"]);
        assert_eq!(texts(cut([&b"a\n"[..]], 100).0), ["a"]);
        assert!(cut([&b""[..]], 100).0.is_empty());
    }

    #[test]
    fn a_long_line_is_cut_between_words() {
        assert_eq!(texts(cut([&b"the cat sat\nok"[..]], 6).0), ["the ", "cat ", "sat", "ok"]);
        assert_eq!(texts(cut(["ää ä".as_bytes()], 3).0), ["ä", "ä ", "ä"]);
    }

    #[test]
    fn a_word_that_fits_nowhere_is_cut_and_said_once_a_line() {
        let (pieces, warned) = cut([&b"x\nabcdefgh\nabcd"[..]], 3);
        assert_eq!(texts(pieces), ["x", "abc", "def", "gh", "abc", "d"]);
        assert_eq!(warned, [2, 3]);
    }

    /// The rule said plainly, for a whole input at once.
    fn model(input: &[u8], limit: usize) -> Vec<Vec<u8>> {
        let mut lines: Vec<_> = input.split(|byte| *byte == b'\n').collect();
        if lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        let mut pieces = Vec::new();
        for mut line in lines {
            while line.len() > limit {
                let good = |at: &usize| {
                    let word = line[at - 1].is_ascii_alphanumeric() && line[*at].is_ascii_alphanumeric();
                    let character = (1..=3.min(*at)).any(|back| {
                        let lead = sequence_length(line[at - back]);
                        lead > back && line[at - back + 1..=*at].iter().all(|byte| byte & 0xc0 == 0x80)
                    });
                    !word && !character
                };
                let (piece, rest) = line.split_at((1..=limit).rev().find(good).unwrap_or(limit));
                pieces.push(piece.to_vec());
                line = rest;
            }
            pieces.push(line.to_vec());
        }
        pieces
    }

    proptest! {
        #[test]
        fn pieces_fit_and_are_the_same_however_the_bytes_arrive(
            input in proptest::collection::vec(
                prop_oneof![Just(b'a'), Just(b'7'), Just(b' '), Just(b'\n'), Just(0xc3), Just(0xa4), Just(0xf0), Just(0x9f), any::<u8>()],
                0..200,
            ),
            limit in 1_usize..20,
            chunk in 1_usize..50,
        ) {
            let (pieces, _) = cut(input.chunks(chunk), limit);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= limit));
            prop_assert_eq!(&pieces, &model(&input, limit));
            let without_newlines: Vec<u8> = input.iter().copied().filter(|byte| *byte != b'\n').collect();
            prop_assert_eq!(pieces.concat(), without_newlines);
        }
    }
}
