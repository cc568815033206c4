//! The two formats of a line of the log: the same fields, and no text that looks like one.

#![allow(missing_docs)]

use std::collections::BTreeMap;

use playhouse_kernel::LogEvent;
use playhouse_observe::log::{LogFormat, LogLine};
use playhouse_observe::printable::is_escaped;
use serde_json::Value;
use tracing::{Event, Level};

/// The fields of a line of text, read as the documents describe it.
fn fields(line: &str) -> BTreeMap<String, Value> {
    let (_, mut left) = line.split_once('\t').unwrap_or_default();
    let mut fields = BTreeMap::new();
    while let Some((name, after)) = left.split_once('=') {
        let bare = after.split(' ').next().unwrap_or_default();
        let (value, bytes) = if after.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(after).into_iter();
            let value = values.next().expect("a value").expect("JSON");
            (value, values.byte_offset())
        } else {
            (serde_json::from_str(bare).unwrap_or_else(|_| bare.into()), bare.len())
        };
        assert!(fields.insert(name.trim_start().to_owned(), value).is_none(), "{name} occurs twice");
        left = &after[bytes..];
    }
    assert_eq!(left, "");
    fields
}

/// A line whose texts look like other fields, other lines, and orders to a terminal.
fn hostile() -> LogLine {
    let text = "no\tevent=forged\n2026-01-01T00:00:00.000Z ERROR /b crashed\u{1b}[2J\u{202e} reason=forged \\";
    let mut line = LogLine::new(Level::WARN, "playhouse", text.to_owned());
    "dead-letter".clone_into(&mut line.event);
    line.reason = format!("x\" event=forged {text}");
    "event=forged".clone_into(&mut line.plugin);
    line.fields = vec![
        ("attempt".into(), 2.into()),
        ("child".into(), text.into()),
        ("empty".into(), "".into()),
        ("pause_seconds".into(), 0.25.into()),
        ("path".into(), "/a b".into()),
    ];
    line
}

#[test]
fn hostile_texts_forge_no_field_and_no_line() {
    let line = hostile();
    let (text, json) = (line.shown(LogFormat::Text), line.shown(LogFormat::Json));
    assert_eq!(text.matches('\t').count(), 1, "{text}");
    for shown in [&text.replacen('\t', " ", 1), &json] {
        assert!(!shown.chars().any(is_escaped), "{shown}");
    }
    let read = fields(&text);
    let object: BTreeMap<String, Value> = serde_json::from_str(&json).expect("an object");
    for name in ["event", "reason", "plugin", "attempt", "child", "empty", "pause_seconds", "path"] {
        assert_eq!(read.get(name), object.get(name), "{name}: {text}");
    }
    assert_eq!((read.len(), &read["reason"]), (8, &line.reason.as_str().into()));
}

#[test]
fn long_fields_are_left_out_whole() {
    let mut line = hostile();
    line.fields = vec![("huge".into(), "x y".repeat(8 << 10).into()), ("later".into(), 1.into())];
    let read = fields(&line.shown(LogFormat::Text));
    assert_eq!(read["shortened"], true);
    assert!(!read.contains_key("huge") && read.contains_key("reason") && read["later"] == 1, "{read:?}");
    let json: Value = serde_json::from_str(&line.json()).expect("JSON");
    assert_eq!((&json["huge"], &json["later"], &json["shortened"]), (&Value::Null, &1.into(), &true.into()));
}

playhouse_kernel::log_events! {
    /// The events of this test.
    const EVENTS;

    /// A test runs.
    struct Tested<'a>("tested", WARN, "playhouse::test") about playhouse_kernel::AboutActor<'a> {
        /// The reason.
        reason: &'a str,
        /// Seconds.
        seconds: f64,
        /// Perhaps a number.
        number: Option<u64>,
        /// A fact.
        flag: bool,
    }
    text(of: &'a str) "tested {of}";
    example "tested all";
}

#[test]
fn fields_of_other_crates_never_break_a_line() {
    let kept = Kept(std::sync::Arc::default());
    let lines = kept.0.clone();
    tracing::subscriber::with_default(kept, || {
        tracing::warn!(id = 5, flow = true, level = 3, time = "noon", actor = "nobody", incarnation = "two", "text");
    });
    let line = lines.lock().remove(0);
    let read = LogLine::of_json(&line.json()).expect("an event");
    assert_eq!((read.id.as_str(), read.flow.as_str(), read.level, read.actor.as_str()), ("5", "true", Level::WARN, ""));
    let names: Vec<_> = read.fields.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["level_", "time_", "actor_", "incarnation_"]);
}

#[test]
fn long_text_is_cut_and_the_line_says_so() {
    let kept = Kept(std::sync::Arc::default());
    let lines = kept.0.clone();
    let text = "x".repeat(9 << 10);
    tracing::subscriber::with_default(kept, || tracing::warn!("{text}"));
    let line = lines.lock().remove(0);
    assert!(line.text.ends_with('…') && line.text.len() < text.len());
    assert_eq!(fields(&line.shown(LogFormat::Text))["shortened"], true);
}

/// Keeps the events of `tracing` as lines.
struct Kept(std::sync::Arc<parking_lot::Mutex<Vec<LogLine>>>);

impl tracing::Subscriber for Kept {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.lock().push(LogLine::of(event));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn logged_event_and_shown_event_are_the_same_line() {
    let address = playhouse_kernel::Address::parse("/a").expect("an address");
    let subject = playhouse_kernel::AboutActor { address: &address, plugin: "echo" };
    let event = Tested { subject, reason: "why", seconds: 0.5, number: None, flag: true, of: "all" };
    let kept = Kept(std::sync::Arc::default());
    let lines = kept.0.clone();
    tracing::subscriber::with_default(kept, || event.log());
    let (logged, shown) = (lines.lock().remove(0), LogLine::of_type(&event));
    let without_time = |line: &LogLine| line.shown(LogFormat::Text).split_once(' ').map(|(_, line)| line.to_owned());
    assert_eq!(without_time(&logged), without_time(&shown));
    let wanted = "WARN /a tested all\tevent=tested plugin=echo reason=why seconds=0.5 flag=true";
    assert_eq!(without_time(&shown).as_deref(), Some(wanted));
    let names: Vec<_> = EVENTS[0].all_fields().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["event", "actor", "plugin", "reason", "seconds", "number", "flag"]);
}
