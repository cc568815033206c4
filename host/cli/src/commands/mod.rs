//! The commands besides `run`: `check` (with `grants`) and `inspect` read files, `remote`, `letters`, `logs` and `log_level` send
//! requests to a running host (`host`), `tell_lines` many messages, `store`, `mailbox` and `state` send theirs to a running host or
//! to the store of a stopped one (`stored`), `tree` and `watch` show actors, `why` says what one of them waits for, `body` shows messages, `table` aligns columns.

mod body;
pub(crate) mod check;
mod grants;
mod host;
pub(crate) mod inspect;
pub(crate) mod letters;
pub(crate) mod log_level;
pub(crate) mod logs;
pub(crate) mod mailbox;
pub(crate) mod remote;
pub(crate) mod state;
pub(crate) mod store;
mod stored;
pub(crate) mod table;
mod tell_lines;
pub(crate) mod tree;
pub(crate) mod watch;
pub(crate) mod why;

use std::fmt::Write as _;
use std::io::Write;

use serde::Serialize;

use crate::exit::Exit;
use playhouse_runtime::printable::is_escaped;

/// Prints a finished text.
fn print(text: &str) -> Result<(), Exit> {
    print_bytes(text.as_bytes())
}

/// Prints bytes as they are.
fn print_bytes(bytes: &[u8]) -> Result<(), Exit> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Exit::of_stdout)
}

/// Prints JSON for programs: one document, indented.
fn print_json<T: Serialize>(what: &T) -> Result<(), Exit> {
    let text = serde_json::to_string_pretty(what).map_err(std::io::Error::from)?;
    print(&format!("{}\n", plain_json(&text)))
}

/// Prints JSON for programs: one document in a line.
fn print_json_line<T: Serialize>(what: &T) -> Result<(), Exit> {
    let text = serde_json::to_string(what).map_err(std::io::Error::from)?;
    print(&format!("{}\n", plain_json(&text)))
}

/// The same document with control characters escaped: outside of its texts, JSON has no control characters except line breaks.
fn plain_json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_escaped(c) {
            let _ = write!(plain, "\\u{:04x}", u32::from(c));
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_does_not_move_an_operators_cursor() {
        let body = "a\u{1b}[31m\u{9b}2J\u{202e}\u{7f}é\n";
        let text = plain_json(&serde_json::to_string(body).expect("a text"));
        assert_eq!(text, r#""a\u001b[31m\u009b2J\u202e\u007fé\n""#);
        assert_eq!(serde_json::from_str::<String>(&text).expect("JSON"), body);
    }
}
