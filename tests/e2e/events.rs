//! The events of the log of a real host with faults: each is in the table, with the fields of the table, in JSON and in text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::{Host, actors, cache, folder, root};

/// The fields of each event, and whether all such events have it, as docs/operation/log.md lists them.
fn table() -> BTreeMap<String, BTreeMap<String, bool>> {
    let page = std::fs::read_to_string(root().join("docs/operation/log.md")).unwrap();
    let mut table = BTreeMap::new();
    for section in page.split("\n### `").skip(1) {
        let (name, section) = section.split_once('`').unwrap();
        let listed = section.lines().find_map(|line| line.strip_prefix("Fields: ")).unwrap_or_default();
        let fields = listed.trim_end_matches('.').split(", ").filter(|field| !field.is_empty());
        let field = |field: &str| (field.trim_matches(['`', '?']).to_owned(), !field.ends_with('?'));
        table.insert(name.to_owned(), fields.map(field).collect());
    }
    table
}

/// The lines of a run with faults: a retry, dead letters, crashes, an actor that fails for good; with an empty cache also
/// compilation.
fn lines_of_faults(format: &str, is_cold: bool) -> Vec<String> {
    let restart = |attempts: u32| {
        format!("restart = {{ attempts = {attempts}, backoff = {{ initial = \"1ms\", max = \"1ms\" }} }}\n")
    };
    let manifest = [
        format!("[play.supervision]\nintensity = 2\n[play.log]\nformat = \"{format}\"\n"),
        actors(&[("/shaky", "flaky")]) + &restart(2),
        actors(&[("/flaky", "flaky")]) + "batch = 1\n" + &restart(1),
    ];
    let shaky = ["!retry it", "!reject it", "fine"].map(|body| format!("/shaky={body}"));
    let flaky = ["1", "2 \u{1b}[2J\tevent=forged", "3"].map(|body| format!("/flaky=!panic {body}"));
    let mut arguments = vec!["--until-idle"];
    for tell in shaky.iter().chain(&flaky) {
        arguments.extend(["--tell", tell]);
    }
    let folder = folder(&manifest.concat());
    let cache = if is_cold { folder.path().join("cache") } else { cache() };
    let host = Host::start_with(folder, &arguments, &[("XDG_CACHE_HOME", cache.to_str().unwrap())]);
    host.end().stderr.lines().map(str::to_owned).collect()
}

/// The names of the fields of a line of JSON, but for those that each line has.
fn fields_of_json(line: &str) -> (String, BTreeSet<String>) {
    let event: BTreeMap<String, Value> = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    for name in ["time", "level", "target", "message", "event"] {
        assert!(event.get(name).is_some_and(Value::is_string), "no `{name}`: {line}");
    }
    let of_line = ["time", "level", "target", "message", "event"];
    let fields = event.keys().filter(|name| !of_line.contains(&name.as_str())).cloned().collect();
    (event["event"].as_str().unwrap().to_owned(), fields)
}

/// The names of the fields of a line of text. `None` for a message to the operator and for a function of a backtrace.
fn fields_of_text(line: &str) -> Option<(String, BTreeSet<String>)> {
    let (start, mut left) = line.split_once('\t')?;
    let mut fields = BTreeSet::new();
    let mut event = None;
    while let Some((name, after)) = left.split_once('=') {
        let bytes = if after.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(after).into_iter::<String>();
            values.next().expect("a value").expect("JSON");
            values.byte_offset()
        } else {
            after.find(' ').unwrap_or(after.len())
        };
        match name {
            "event" => event = Some(after[..bytes].to_owned()),
            name => drop(fields.insert(name.to_owned())),
        }
        left = after[bytes..].trim_start_matches(' ');
    }
    if start.split(' ').nth(2).is_some_and(|word| word.starts_with('/')) {
        fields.insert("actor".to_owned());
    }
    Some((event.expect("an event"), fields))
}

fn check(name: &str, fields: &BTreeSet<String>, line: &str) {
    let table = table();
    let listed = table.get(name).unwrap_or_else(|| panic!("`{name}` is not in the table: {line}"));
    let missing: Vec<_> = listed.iter().filter(|(field, always)| **always && !fields.contains(*field)).collect();
    let unlisted: Vec<_> = fields.iter().filter(|field| !listed.contains_key(*field)).collect();
    assert!(missing.is_empty() && unlisted.is_empty(), "without {missing:?}, with {unlisted:?}: {line}");
}

#[test]
fn every_event_of_a_run_is_in_the_table() {
    let json: Vec<_> = lines_of_faults("json", true).iter().map(|line| (fields_of_json(line), line.clone())).collect();
    for ((name, fields), line) in &json {
        check(name, fields, line);
    }
    let names: BTreeSet<_> = json.iter().map(|((name, _), _)| name.as_str()).collect();
    let faults = [
        "actor-crashed",
        "actor-failed",
        "actor-restarting",
        "actors-failed",
        "dead-letter",
        "message-retried",
        "play-summary",
        "play-up",
        "plugin-compiled",
    ];
    assert!(faults.iter().all(|name| names.contains(name)), "{names:?}");
    // Text has the same events with the same fields, but for the messages to the operator, which are sentences.
    let text: Vec<_> = lines_of_faults("text", false);
    let text: BTreeSet<_> = text.iter().filter_map(|line| Some((fields_of_text(line)?, line))).collect();
    for ((name, fields), line) in &text {
        check(name, fields, line);
    }
    let in_text: BTreeSet<_> = text.iter().map(|((name, _), _)| name.as_str()).collect();
    assert!(faults.iter().all(|name| in_text.contains(name) || name.starts_with("pl") || *name == "actors-failed"));
    assert!(!in_text.contains("forged"), "{in_text:?}");
}
