//! The commands besides `run`: `check` and `inspect` look at files, `remote` and `letters` talk to a running host,
//! `table` lines up columns.

pub(crate) mod check;
pub(crate) mod inspect;
pub(crate) mod letters;
pub(crate) mod remote;
pub(crate) mod table;

use std::io::Write;

use serde::Serialize;

use crate::exit::Exit;

/// Prints a finished text.
fn print(text: &str) -> Result<(), Exit> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// Prints JSON for machines: one document, indented.
fn print_json<T: Serialize>(what: &T) -> Result<(), Exit> {
    let mut text = serde_json::to_string_pretty(what).map_err(std::io::Error::from)?;
    text.push('\n');
    print(&text)
}
