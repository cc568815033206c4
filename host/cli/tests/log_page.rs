//! The page of all log events, printed from their types.

#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use expect_test::expect_file;
use playhouse_runtime::{EventType, Occurs};

const HEAD: &str = "# The log\n\nAll events that the host logs, printed from their types (`UPDATE_EXPECT=1 cargo test --workspace \
    --test log_page`). [The operator's\nguide](../operation.md) says how the log is read, filtered and limited; [the \
    decision](../decisions/061-log-events.md) why events have types.\n\nNames and fields are the same in text and JSON. They are an \
    interface: alerts, searches and counts can rely on them. Texts are for\nreaders, and may change.\n\n## Fields of all events\n\n\
    | field | meaning |\n|---|---|\n";

const FIELDS: [(&str, &str); 15] = [
    ("time", "The time in UTC, to a millisecond. In text the first word of the line"),
    ("level", "`error`, `warn`, `info`, `debug` or `trace`. In text the second word, in capitals"),
    (
        "target",
        "The part of the host that reports the event: `playhouse`, `playhouse::decision` (never left out by `limits.log_lines`), \
         `playhouse::control`, `playhouse::console` (messages to the operator, which no level leaves out), `playhouse::guest` (lines \
         that guests wrote), or a module of another crate. Not in text",
    ),
    ("actor", "The address of the actor that the event is about. In text the third word"),
    ("event", "The name of the event, from the table below. Events of other crates have none"),
    ("plugin", "The plugin of the actor"),
    ("incarnation", "The number of the actor's incarnation, from 1"),
    (
        "flow",
        "The flow of the message that the event is about: 32 hexadecimal digits, common to all messages that follow from one",
    ),
    ("id", "The id of this message: 32 hexadecimal digits"),
    ("attempt", "Its failed attempts so far, the one that the event reports included"),
    ("hops", "The number of sends since the message that began the flow"),
    (
        "reason",
        "The reason in one word: the same as in the label `reason` of [the metrics](metrics.md) and in `playhouse tree --json`",
    ),
    ("message", "The text for readers. In text between the third word and the tab"),
    ("backtrace", "The innermost functions. In text each has a line of its own, after `    at `"),
    ("shortened", "`true` if further fields are left out, since together they have more than 8 KiB"),
];

const FORMATS: &str = r#"
## Lines

A line of text has the time, the level, the address of the actor if there is one, the text, a tab, and the fields as `name=value`, with
one space between them. A value that is empty, or that has white space, `"`, `=`, `\` or a character that a terminal acts on, is a
string of JSON. Texts and values have no tab of their own, and no line break: no text of a guest looks like a field or like a line.

```text
2026-11-22T16:46:00.123Z WARN /shop dead letter: rejected: no such product	event=dead-letter plugin=shop incarnation=3 flow=5d1f09c41b0e4a5f8f6c1f0a2b3c4d5e id=8f6c1f0a2b3c4d5e5d1f09c41b0e4a5f reason=rejected attempt=1 hops=0
```

A line of JSON (`format = "json"` in `[play.log]`, or `--log-format json`) is one object. Numbers are numbers, and `backtrace` is a list.

```json
{"time":"2026-11-22T16:46:00.123Z","level":"warn","target":"playhouse","actor":"/shop","event":"dead-letter","plugin":"shop","incarnation":3,"flow":"5d1f09c41b0e4a5f8f6c1f0a2b3c4d5e","id":"8f6c1f0a2b3c4d5e5d1f09c41b0e4a5f","reason":"rejected","message":"dead letter: rejected: no such product","attempt":1,"hops":0}
```

Messages to the operator, with the target `playhouse::console`, are in text their texts alone, after `playhouse: `; so are the lines about
compilation. Errors before the manifest is read are text as well.

Events of other crates, such as wasmtime and hyper, have no `event`, and their own fields. Only their warnings and errors are logged
unless the level is a filter that says more (`info,wasmtime=debug`).
"#;

fn field(name: &str, occurs: Occurs) -> String {
    match occurs {
        Occurs::Sometimes => format!("`{name}`?"),
        Occurs::Always | Occurs::Never => format!("`{name}`"),
    }
}

fn in_cell(text: &str) -> String {
    text.trim().replace('|', "\\|").replace('\n', " ")
}

fn section(page: &mut String, event: &EventType) {
    let level = event.level.as_str().to_ascii_lowercase();
    let _ = write!(page, "\n### `{}`\n\n{level}, `{}`. {}", event.name, event.target, in_cell(event.meaning));
    if !event.advice.is_empty() {
        let _ = write!(page, " *Operator:* {}", event.advice);
    }
    let fields: Vec<_> = event.all_fields().into_iter().skip(1).map(|(name, occurs)| field(name, occurs)).collect();
    if !fields.is_empty() {
        let _ = write!(page, "\n\nFields: {}.", fields.join(", "));
    }
    page.push('\n');
    if !event.fields.is_empty() {
        page.push_str("\n| field | meaning |\n|---|---|\n");
        for field in event.fields {
            let _ = writeln!(page, "| `{}` | {} |", field.name, in_cell(field.meaning));
        }
    }
    let _ = writeln!(page, "\n```text\n{}\n```", event.example);
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (name, meaning) in FIELDS {
        let _ = writeln!(page, "| `{name}` | {meaning}. |");
    }
    page.push_str(
        "\n`actor`, `plugin`, `incarnation`, `flow`, `id`, `attempt`, `hops` and `reason` are there when the event's list says so; `?` \
         marks a field\nthat not every event has.\n\n## Events\n\n| event | level | meaning |\n|---|---|---|\n",
    );
    for event in playhouse::events::all() {
        let level = event.level.as_str().to_ascii_lowercase();
        let meaning = in_cell(event.meaning);
        let first = meaning.split_once(". ").map_or(meaning.as_str(), |(first, _)| first).trim_end_matches('.');
        let _ = writeln!(page, "| [`{0}`](#{0}) | {level} | {first}. |", event.name);
    }
    for event in playhouse::events::all() {
        section(&mut page, event);
    }
    page.push_str(FORMATS);
    page
}

/// `UPDATE_EXPECT=1` writes it.
#[test]
fn page_of_log_events_is_up_to_date() {
    expect_file!["../../../docs/operation/log.md"].assert_eq(&page());
}

#[test]
fn names_of_events_and_fields_are_unique() {
    let names: Vec<_> = playhouse::events::all().map(|event| event.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    for event in playhouse::events::all() {
        let fields: Vec<_> = event.all_fields().into_iter().map(|(name, _)| name).collect();
        assert_eq!(fields.iter().collect::<BTreeSet<_>>().len(), fields.len(), "{}: {fields:?}", event.name);
        let is_word = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(is_word(event.name) && !event.meaning.trim().is_empty() && !event.example.is_empty(), "{}", event.name);
        let of_line = ["time", "level", "target", "message", "shortened"];
        assert!(!fields.iter().any(|name| of_line.contains(name)), "{}: {fields:?}", event.name);
    }
}
