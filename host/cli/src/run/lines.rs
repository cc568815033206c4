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

/// Places to cut, the best first: each takes a text and the place before `text[place]`.
const PLACES: [fn(&[u8], usize) -> bool; 4] =
    [is_after_a_separator, is_at_the_edge_of_letters, is_between_characters, is_not_between_letters];

/// How many bytes of `text`, which is longer than `limit`, go into the first piece, and whether that splits a run of
/// letters: only where the whole of `text[..=limit]` is one.
fn place_to_cut(text: &[u8], limit: usize) -> (usize, bool) {
    let last = |good: &fn(&[u8], usize) -> bool| (1..=limit).rev().find(|place| good(text, *place));
    match PLACES.iter().find_map(last) {
        Some(place) => (place, false),
        None => (limit, true),
    }
}

/// After a space, a comma and the like.
fn is_after_a_separator(text: &[u8], place: usize) -> bool {
    text[place - 1].is_ascii() && !text[place - 1].is_ascii_alphanumeric()
}

/// Where a run of ASCII letters begins or ends, as in `4|f`.
fn is_at_the_edge_of_letters(text: &[u8], place: usize) -> bool {
    text[place - 1].is_ascii_alphabetic() != text[place].is_ascii_alphabetic()
}

fn is_between_characters(text: &[u8], place: usize) -> bool {
    is_not_between_letters(text, place) && !is_inside_a_character(text, place)
}

fn is_not_between_letters(text: &[u8], place: usize) -> bool {
    !(text[place - 1].is_ascii_alphabetic() && text[place].is_ascii_alphabetic())
}

/// Whether the place before `text[place]` lies within the UTF-8 sequence of one character.
fn is_inside_a_character(text: &[u8], place: usize) -> bool {
    let continues = |byte: u8| byte & 0xc0 == 0x80;
    if !continues(text[place]) {
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
    fn without_a_separator_a_line_is_cut_between_letters_and_digits() {
        assert_eq!(texts(cut([&b"ab12cd34"[..]], 3).0), ["ab", "12", "cd", "34"]);
        assert_eq!(texts(cut([&b"12345"[..]], 3).0), ["123", "45"]);
        assert_eq!(texts(cut(["abä".as_bytes()], 3).0), ["ab", "ä"]);
    }

    #[test]
    fn a_word_that_fits_nowhere_is_cut_and_said_once_a_line() {
        let (pieces, warned) = cut([&b"x\nabcdefgh\nabcd"[..]], 3);
        assert_eq!(texts(pieces), ["x", "abc", "def", "gh", "abc", "d"]);
        assert_eq!(warned, [2, 3]);
    }

    fn bytes() -> impl Strategy<Value = u8> {
        prop_oneof![
            4 => Just(b'a'),
            2 => Just(b'7'),
            1 => Just(b' '),
            1 => Just(0xc3),
            1 => Just(0xa4),
            1 => Just(0xf0),
            1 => Just(0x9f),
            1 => any::<u8>(),
        ]
    }

    proptest! {
        #[test]
        fn pieces_fit_and_are_the_same_however_the_bytes_arrive(
            input in proptest::collection::vec(prop_oneof![9 => bytes(), 1 => Just(b'\n')], 0..200),
            limit in 1_usize..20,
            chunk in 1_usize..50,
        ) {
            let (pieces, warned) = cut(input.chunks(chunk), limit);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= limit));
            prop_assert_eq!((&pieces, &warned), (&cut([&input[..]], limit).0, &cut([&input[..]], limit).1));
            let without_newlines: Vec<u8> = input.iter().copied().filter(|byte| *byte != b'\n').collect();
            prop_assert_eq!(pieces.concat(), without_newlines);
        }

        #[test]
        fn no_cut_falls_between_two_letters_or_into_a_character_where_that_can_be_avoided(
            text in ".{0,60}",
            noise in proptest::collection::vec(bytes(), 0..100),
            limit in 1_usize..20,
        ) {
            let input: Vec<u8> = text.bytes().chain(noise).filter(|byte| *byte != b'\n').collect();
            let (pieces, warned) = cut([&input[..]], limit);
            let (mut start, mut torn) = (0, false);
            for piece in pieces.iter().take(pieces.len().saturating_sub(1)) {
                let window = &input[start..];
                if !is_not_between_letters(window, piece.len()) {
                    prop_assert!(window[..=limit].iter().all(u8::is_ascii_alphabetic));
                    torn = true;
                }
                if is_inside_a_character(window, piece.len()) {
                    prop_assert!((1..=limit).all(|place| !is_between_characters(window, place)));
                }
                start += piece.len();
            }
            prop_assert_eq!(!warned.is_empty(), torn);
        }
    }
}
