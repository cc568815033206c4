//! `playhouse state`: the values that an actor keeps in the play's store, on a running host or in a store without one.

use std::io::{BufRead, IsTerminal, Read};

use playhouse_runtime::Address;
use playhouse_runtime::control::protocol::{Body, Request, Response, StateEntry};
use playhouse_runtime::printable::{Printable, counted, for_terminal};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::host::unexpected;
use super::stored::StorePlace;
use super::{print, print_bytes, print_json, print_json_line};
use crate::args::{ImportState, SetState, StateKey, StateKeys, StoreLook};
use crate::exit::{BAD_INPUT, Exit, FAILED};

/// Keys of one request.
const PAGE: u32 = 1000;
/// Bytes of keys and values of one change, after which no more are added.
const CHANGE_BYTES: usize = 256 << 10;
/// Keys of one change.
const CHANGE_KEYS: usize = 1000;

/// A key with its value, as a line of an export.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "ReadLine")]
struct Line {
    key: String,
    #[serde(flatten)]
    value: Value,
}

/// A line as it may be written by hand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadLine {
    key: String,
    text: Option<String>,
    base64: Option<Body>,
}

impl TryFrom<ReadLine> for Line {
    type Error = &'static str;

    fn try_from(line: ReadLine) -> Result<Self, Self::Error> {
        let value = match (line.text, line.base64) {
            (Some(text), None) => Value::Text(text),
            (None, Some(bytes)) => Value::Base64(bytes),
            _ => return Err("it has one of `text` and `base64`"),
        };
        Ok(Self { key: line.key, value })
    }
}

/// A value as JSON: a text, or bytes.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Value {
    Text(String),
    Base64(Body),
}

impl Value {
    fn of(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Base64(Body(error.into_bytes())), Self::Text)
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Base64(Body(bytes)) => bytes,
        }
    }
}

/// The state of one actor, on a running host or in the store of a stopped one.
struct StateOf<'a> {
    address: &'a Address,
    place: StorePlace,
}

impl<'a> StateOf<'a> {
    fn open(address: &'a Address, look: &StoreLook) -> Result<Self, Exit> {
        Ok(Self { address, place: StorePlace::open(&look.place)? })
    }

    /// Keys after `after`; none when there are no more.
    fn keys(&mut self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, Exit> {
        let (of, prefix, after) = (self.address.clone(), prefix.to_owned(), after.map(str::to_owned));
        match self.place.request(&Request::StateKeys { of, prefix, after, most: PAGE })? {
            Response::StateKeys { keys } => Ok(keys),
            other => Err(unexpected(&other)),
        }
    }

    fn value(&mut self, key: &str) -> Result<Option<Vec<u8>>, Exit> {
        match self.place.request(&Request::StateValue { of: self.address.clone(), key: key.to_owned() })? {
            Response::StateValue { value } => Ok(value.map(|Body(value)| value)),
            other => Err(unexpected(&other)),
        }
    }

    /// Keys with their values after `after`; none when there are no more.
    fn entries(&mut self, prefix: &str, after: Option<&str>) -> Result<Vec<(String, Vec<u8>)>, Exit> {
        let (of, prefix, after) = (self.address.clone(), prefix.to_owned(), after.map(str::to_owned));
        match self.place.request(&Request::StateEntries { of, prefix, after })? {
            Response::StateEntries { entries } => {
                Ok(entries.into_iter().filter_map(|entry| Some((entry.key, entry.value?.0))).collect())
            }
            other => Err(unexpected(&other)),
        }
    }

    fn change(&mut self, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Exit> {
        let changes = changes.into_iter().map(|(key, value)| StateEntry { key, value: value.map(Body) });
        match self.place.request(&Request::ChangeState { of: self.address.clone(), changes: changes.collect() })? {
            Response::StateChanged { .. } => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

pub(crate) fn keys(args: &StateKeys) -> Result<(), Exit> {
    let mut state = StateOf::open(&args.address, &args.look)?;
    let mut all: Vec<String> = Vec::new();
    loop {
        let page = state.keys(&args.prefix, all.last().map(String::as_str))?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    if args.look.json {
        return print_json(&all);
    }
    print(&all.iter().map(|key| format!("{}\n", Printable(key))).collect::<String>())
}

pub(crate) fn get(args: &StateKey) -> Result<(), Exit> {
    let value = StateOf::open(&args.address, &args.look)?.value(&args.key)?;
    let Some(value) = value else { return Err(no_value(args)) };
    if args.look.json {
        return print_json_line(&Line { key: args.key.clone(), value: Value::of(value) });
    }
    if !std::io::stdout().is_terminal() {
        return print_bytes(&value);
    }
    print(&format!("{}\n", for_terminal(&value)))
}

fn no_value(args: &StateKey) -> Exit {
    Exit::with(FAILED, format!("`{}` has no value under the key `{}`", args.address, args.key.escape_debug()))
}

pub(crate) fn set(args: &SetState) -> Result<(), Exit> {
    let mut state = StateOf::open(&args.address, &args.look)?;
    let value = if let Some(value) = &args.value {
        value.as_bytes().to_vec()
    } else {
        let mut value = Vec::new();
        std::io::stdin().lock().read_to_end(&mut value).map_err(|error| Exit::of_stdin(&error))?;
        value
    };
    state.change(vec![(args.key.clone(), Some(value))])?;
    changed("set", 1, &args.look)
}

pub(crate) fn delete(args: &StateKey) -> Result<(), Exit> {
    let mut state = StateOf::open(&args.address, &args.look)?;
    if state.value(&args.key)?.is_none() {
        return Err(no_value(args));
    }
    state.change(vec![(args.key.clone(), None)])?;
    changed("deleted", 1, &args.look)
}

pub(crate) fn export(args: &StateKeys) -> Result<(), Exit> {
    let mut state = StateOf::open(&args.address, &args.look)?;
    let mut after = None;
    loop {
        let entries = state.entries(&args.prefix, after.as_deref())?;
        let Some((last, _)) = entries.last() else { return Ok(()) };
        after = Some(last.clone());
        for (key, value) in entries {
            print_json_line(&Line { key, value: Value::of(value) })?;
        }
    }
}

pub(crate) fn import(args: &ImportState) -> Result<(), Exit> {
    let mut state = StateOf::open(&args.address, &args.look)?;
    let (mut changes, mut bytes, mut done) = (Vec::new(), 0, 0);
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let line = line.map_err(|error| Exit::of_stdin(&error))?;
        if line.trim().is_empty() {
            continue;
        }
        let Line { key, value } = serde_json::from_str(&line).map_err(|error| {
            let text = format!(
                "line {number} of stdin is no line of an export ({error}); the {} before it are set",
                counted(done, "key")
            );
            Exit::with(BAD_INPUT, text)
        })?;
        let value = value.into_bytes();
        bytes += key.len() + value.len();
        changes.push((key, Some(value)));
        if bytes >= CHANGE_BYTES || changes.len() >= CHANGE_KEYS {
            done += changes.len() as u64;
            state.change(std::mem::take(&mut changes))?;
            bytes = 0;
        }
    }
    done += changes.len() as u64;
    state.change(changes)?;
    changed("imported", done, &args.look)
}

/// Says that changes are on the disk.
fn changed(verb: &str, keys: u64, look: &StoreLook) -> Result<(), Exit> {
    if look.json {
        return print_json_line(&json!({ "changed": keys }));
    }
    print(&format!("{verb} {}\n", counted(keys, "key")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_an_export_is_read_back() {
        for (value, shown) in [
            (&b"42"[..], r#"{"key":"sum","text":"42"}"#),
            (b"\xff\x00", r#"{"key":"sum","base64":"/wA="}"#),
            (b"", r#"{"key":"sum","text":""}"#),
        ] {
            let line = Line { key: "sum".into(), value: Value::of(value.to_vec()) };
            assert_eq!(serde_json::to_string(&line).expect("JSON"), shown);
            let Line { key, value: read } = serde_json::from_str(shown).expect("a line");
            assert_eq!((key.as_str(), read.into_bytes().as_slice()), ("sum", value));
        }
        for bad in [
            r#"{"key":"a"}"#,
            r#"{"text":"a"}"#,
            r#"{"key":"a","base64":"="}"#,
            r#"{"key":"a","text":"b","base64":"YQ=="}"#,
            "[]",
        ] {
            assert!(serde_json::from_str::<Line>(bad).is_err(), "{bad}");
        }
    }
}
