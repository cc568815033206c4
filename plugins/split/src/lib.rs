//! Shows a pure step of a flow: takes a line, forwards its words.
//!
//! - Config: `to`, the receiver; by default the sibling `count`.
//! - Messages: a line of any bytes. Its words, lower-cased and joined by single spaces, are sent as one message; a line
//!   without words causes no message. A word is a longest run of ASCII letters.

use playhouse_sdk::{Actor, Context, Message, Result, export_actor};

#[derive(Default)]
struct Split {
    to: String,
    /// Kept between lines, so that a line costs no allocation.
    words: Vec<u8>,
}

impl Actor for Split {
    fn init(&mut self, ctx: &mut Context) -> Result {
        self.to = ctx.config("to").unwrap_or_else(|| ctx.sibling("count"));
        Ok(())
    }

    fn msg_handler(&mut self, msg: Message, ctx: &mut Context) -> Result {
        let words = words(msg.body(), &mut self.words);
        if !words.is_empty() {
            ctx.tell(&self.to, words)?;
        }
        Ok(())
    }
}

export_actor!(Split, no_files);

/// Writes the words of a line to the front of `buffer`.
///
/// Each byte is written, and kept or overwritten by the next: text is unpredictable, so the code has no branch on it.
/// The words are never longer than the line, as each separator replaces at least one byte that is not a letter.
fn words<'a>(line: &[u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
    if buffer.len() < line.len() {
        buffer.resize(line.len(), 0);
    }
    let mut end = 0;
    let mut after_letter = false;
    for &byte in line {
        let lower = byte | 0x20;
        let letter = lower.is_ascii_lowercase();
        buffer[end] = if letter { lower } else { b' ' };
        end += usize::from(letter | after_letter);
        after_letter = letter;
    }
    buffer[..end].trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use playhouse_sdk::testing::ActorHarness;

    use super::*;

    #[track_caller]
    fn check(line: impl AsRef<[u8]>, expected: &str) {
        let found = words(line.as_ref(), &mut Vec::new()).to_vec();
        assert_eq!(String::from_utf8(found).unwrap(), expected);
    }

    #[test]
    fn word_is_a_longest_run_of_ascii_letters() {
        check("The cat -- the CAT!", "the cat the cat");
        check("don't", "don t");
        check("  a1b2  ", "a b");
        check("@[`{ azAZ", "azaz");
        check("z", "z");
    }

    #[test]
    fn other_bytes_only_separate() {
        check(b"na\xc3\xafve\xff\x00x", "na ve x");
        check("", "");
        check(" 42 ", "");
    }

    #[test]
    fn every_byte_is_a_letter_or_separates() {
        for byte in u8::MIN..=u8::MAX {
            let lower = [b'a', byte.to_ascii_lowercase(), b'b'];
            let expected = if byte.is_ascii_alphabetic() { &lower } else { b"a b" };
            assert_eq!(words(&[b'A', byte, b'B'], &mut Vec::new()), expected);
        }
    }

    #[test]
    fn line_is_one_message_and_a_line_without_words_is_none() -> Result {
        let mut harness = ActorHarness::<Split>::start()?;
        for line in ["A long line", "--", "b"] {
            harness.tell(line)?;
        }
        assert_eq!(harness.sent(), [("/count", "a long line"), ("/count", "b")]);
        Ok(())
    }

    #[test]
    fn receiver_is_configurable() -> Result {
        let mut harness = ActorHarness::<Split>::setup().config("to", "/words").start()?;
        harness.tell("a")?;
        assert_eq!(harness.sent(), [("/words", "a")]);
        Ok(())
    }
}
