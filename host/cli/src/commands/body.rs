//! Messages on a terminal: the beginning of an id, and a body.

use std::fmt::Write;

use playhouse_runtime::printable::{Printable, counted, hex_dump, is_plain_text};

/// Number of digits of an id in a list.
const ID_DIGITS: usize = 12;

/// The beginning of an id, and its copy.
pub(super) fn short(id: &str) -> String {
    let (digits, copy) = id.split_once('-').unwrap_or((id, ""));
    let digits: String = digits.chars().take(ID_DIGITS).collect();
    if copy.is_empty() { digits } else { format!("{digits}-{copy}") }
}

/// A body: text if all of it can be shown as it is, else hexadecimal.
pub(super) fn shown_body(body: &[u8], as_text: bool, as_hex: bool) -> String {
    let mut out = format!("body      {}\n", counted(body.len() as u64, "byte"));
    if as_hex || !as_text && !is_plain_text(body) {
        out.push_str(&hex_dump(body));
        return out;
    }
    for line in String::from_utf8_lossy(body).lines() {
        let _ = writeln!(out, "  {}", Printable(line));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_body_that_is_no_plain_text_is_shown_in_hexadecimal() {
        expect![[r#"
            body      30 bytes
              00000000  1b 5b 33 31 6d 72 65 64  20 61 6e 64 20 6d 6f 72  |.[31mred and mor|
              00000010  65 20 74 68 61 6e 20 73  69 78 74 65 65 6e        |e than sixteen|
        "#]]
        .assert_eq(&shown_body(b"\x1b[31mred and more than sixteen", false, false));
        expect![[r#"
            body      14 bytes
              \u{1b}[31mred�
              line
        "#]]
        .assert_eq(&shown_body(b"\x1b[31mred\xff\nline", true, false));
        expect![[r#"
            body      3 bytes
              00000000  c3 a9 21                                          |..!|
        "#]]
        .assert_eq(&shown_body("é!".as_bytes(), false, true));
        expect![[r#"
            body      0 bytes
        "#]]
        .assert_eq(&shown_body(b"", false, false));
    }
}
