//! Percent-encoding (RFC 3986, section 2.1), as paths and urls have it.

use std::borrow::Cow;

/// Decodes percent-encoding once; `None` for a bad one, and for bytes that are no UTF-8.
pub(crate) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.as_bytes();
    while let Some((byte, after)) = left.split_first() {
        left = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = left.split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push((digit(digits[0])? * 16 + digit(digits[1])?) as u8);
        left = after;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_once() {
        for (encoded, expected) in [("a", Some("a")), ("%41%2541", Some("A%41")), ("%C3%A9", Some("\u{e9}"))] {
            assert_eq!(decoded(encoded).as_deref(), expected, "{encoded}");
        }
        for bad in ["%", "%4", "%4g", "%ff", "a%"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }
}
