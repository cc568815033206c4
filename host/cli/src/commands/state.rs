//! `playhouse state`: the values that an actor keeps in the play's store, on a running host or in a store without one.

use std::io::{BufRead, IsTerminal, Read};
use std::path::Path;

use playhouse_runtime::control::protocol::{Body, Request, Response, StateEntry};
use playhouse_runtime::printable::{Printable, counted, for_terminal};
use playhouse_runtime::{ActorId, Address, StoreError, StoreInspection, change_stored_state};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::remote::{connect, unexpected};
use super::{print, print_bytes, print_json, print_json_line};
use crate::args::{ImportState, SetState, StateKey, StateKeys, StatePlace};
use crate::client::Client;
use crate::exit::{BAD_INPUT, Exit, FAILED};

/// Keys of one request.
const PAGE: u32 = 1000;
/// Bytes of keys and values of one change, after which no more are added.
const CHANGE_BYTES: usize = 256 << 10;
/// Keys of one change.
const CHANGE_KEYS: usize = 1000;

/// A key with its value, as a line of an export.
#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    #[serde(flatten)]
    value: Value,
}

/// A value as JSON: a text, or bytes.
#[derive(Serialize, Deserialize)]
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

/// The state of one actor.
struct StateOf<'a> {
    address: &'a Address,
    place: Place<'a>,
}

enum Place<'a> {
    Host(Client),
    Store { path: &'a Path, inspection: Box<StoreInspection>, actor: ActorId },
}

impl<'a> StateOf<'a> {
    fn open(address: &'a Address, place: &'a StatePlace) -> Result<Self, Exit> {
        let Some(path) = &place.store else {
            return Ok(Self { address, place: Place::Host(connect(&place.look.host)?) });
        };
        let inspection = StoreInspection::open(path).map_err(store_failed)?;
        let known = inspection.facts().map_err(store_failed)?.mailboxes;
        let actor = known.iter().find(|known| known.address == address.as_str()).map(|known| known.id);
        let actor = actor
            .ok_or_else(|| Exit::with(FAILED, format!("the store in `{}` has no actor `{address}`", path.display())))?;
        Ok(Self { address, place: Place::Store { path, inspection: Box::new(inspection), actor } })
    }

    /// Keys after `after`; none when there are no more.
    fn keys(&mut self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, Exit> {
        match &mut self.place {
            Place::Host(client) => {
                let (of, prefix, after) = (self.address.clone(), prefix.to_owned(), after.map(str::to_owned));
                match client.request(&Request::StateKeys { of, prefix, after, most: PAGE })? {
                    Response::StateKeys { keys } => Ok(keys),
                    other => Err(unexpected(&other)),
                }
            }
            Place::Store { inspection, actor, .. } => {
                inspection.keys(*actor, prefix, after, PAGE as usize).map_err(store_failed)
            }
        }
    }

    fn value(&mut self, key: &str) -> Result<Option<Vec<u8>>, Exit> {
        match &mut self.place {
            Place::Host(client) => {
                match client.request(&Request::StateValue { of: self.address.clone(), key: key.to_owned() })? {
                    Response::StateValue { value } => Ok(value.map(|Body(value)| value)),
                    other => Err(unexpected(&other)),
                }
            }
            Place::Store { inspection, actor, .. } => inspection.value(*actor, key).map_err(store_failed),
        }
    }

    /// Keys with their values after `after`; none when there are no more.
    fn entries(&mut self, prefix: &str, after: Option<&str>) -> Result<Vec<(String, Vec<u8>)>, Exit> {
        if let Place::Host(client) = &mut self.place {
            let (of, prefix, after) = (self.address.clone(), prefix.to_owned(), after.map(str::to_owned));
            let entries = match client.request(&Request::StateEntries { of, prefix, after })? {
                Response::StateEntries { entries } => entries.into_iter(),
                other => return Err(unexpected(&other)),
            };
            return Ok(entries.filter_map(|entry| Some((entry.key, entry.value?.0))).collect());
        }
        let mut entries = Vec::new();
        for key in self.keys(prefix, after)? {
            if let Some(value) = self.value(&key)? {
                entries.push((key, value));
            }
        }
        Ok(entries)
    }

    fn change(&mut self, changes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Exit> {
        match &mut self.place {
            Place::Host(client) => {
                let change = |(key, value): (String, Option<Vec<u8>>)| StateEntry { key, value: value.map(Body) };
                let changes = changes.into_iter().map(change).collect();
                match client.request(&Request::ChangeState { of: self.address.clone(), changes })? {
                    Response::StateChanged { .. } => Ok(()),
                    other => Err(unexpected(&other)),
                }
            }
            Place::Store { path, .. } => change_stored_state(path, self.address, &changes).map_err(store_failed),
        }
    }
}

/// A store that cannot be used, as at the start of a host.
fn store_failed(error: StoreError) -> Exit {
    Exit::with(BAD_INPUT, error.to_string())
}

pub(crate) fn keys(args: &StateKeys) -> Result<(), Exit> {
    let mut state = StateOf::open(&args.address, &args.place)?;
    let mut all: Vec<String> = Vec::new();
    loop {
        let page = state.keys(&args.prefix, all.last().map(String::as_str))?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    if args.place.look.json {
        return print_json(&all);
    }
    print(&all.iter().map(|key| format!("{}\n", Printable(key))).collect::<String>())
}

pub(crate) fn get(args: &StateKey) -> Result<(), Exit> {
    let value = StateOf::open(&args.address, &args.place)?.value(&args.key)?;
    let Some(value) = value else {
        let key = args.key.escape_debug();
        return Err(Exit::with(FAILED, format!("`{}` has no value under the key `{key}`", args.address)));
    };
    if args.place.look.json {
        return print_json_line(&Line { key: args.key.clone(), value: Value::of(value) });
    }
    if !std::io::stdout().is_terminal() {
        return print_bytes(&value);
    }
    print(&format!("{}\n", for_terminal(&value)))
}

pub(crate) fn set(args: &SetState) -> Result<(), Exit> {
    let mut state = StateOf::open(&args.address, &args.place)?;
    let value = match &args.value {
        Some(value) => value.as_bytes().to_vec(),
        None => {
            let mut value = Vec::new();
            std::io::stdin().lock().read_to_end(&mut value).map_err(|error| unreadable(&error))?;
            value
        }
    };
    state.change(vec![(args.key.clone(), Some(value))])?;
    changed("set", 1, &args.place)
}

pub(crate) fn delete(args: &StateKey) -> Result<(), Exit> {
    StateOf::open(&args.address, &args.place)?.change(vec![(args.key.clone(), None)])?;
    changed("deleted", 1, &args.place)
}

pub(crate) fn export(args: &StateKeys) -> Result<(), Exit> {
    let mut state = StateOf::open(&args.address, &args.place)?;
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
    let mut state = StateOf::open(&args.address, &args.place)?;
    let (mut changes, mut bytes, mut done) = (Vec::new(), 0, 0);
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let line = line.map_err(|error| unreadable(&error))?;
        if line.trim().is_empty() {
            continue;
        }
        let Line { key, value } = serde_json::from_str(&line).map_err(|error| {
            let text = format!(
                "line {number} of stdin is no line of an export ({error}); the {} before it are set",
                counted(done, "key")
            );
            Exit::with(FAILED, text)
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
    changed("imported", done, &args.place)
}

fn unreadable(error: &std::io::Error) -> Exit {
    Exit::with(FAILED, format!("stdin cannot be read: {error}"))
}

/// Says that changes are on the disk.
fn changed(verb: &str, keys: u64, place: &StatePlace) -> Result<(), Exit> {
    if place.look.json {
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
        for bad in [r#"{"key":"a"}"#, r#"{"text":"a"}"#, r#"{"key":"a","base64":"="}"#, "[]"] {
            assert!(serde_json::from_str::<Line>(bad).is_err(), "{bad}");
        }
    }
}
