//! A line of the log, as text or as JSON: the same event with the same fields.

use std::fmt::Write as _;
use std::time::SystemTime;

use playhouse_kernel::{AboutMessage, FieldValue, LogEvent, Subject};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::format::LogFormat;
use crate::printable::{Printable, is_escaped, timestamp};

/// Maximum length of the text of one log line.
const LOG_TEXT_BYTES: usize = 8 << 10;

/// One event of the log. An empty text is an absent field. Readers filter by the standard fields of the log, so that each is one
/// of its fields.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// The time of the event.
    pub at: SystemTime,
    /// The event's level.
    pub level: Level,
    /// The part of the host that reports the event, or `playhouse::guest` for a line that a guest wrote.
    pub target: &'static str,
    /// The name of the event's type.
    pub event: String,
    /// The address of the actor that the event is about.
    pub actor: String,
    /// The plugin of the actor.
    pub plugin: String,
    /// The incarnation of the actor; 0 without one.
    pub incarnation: u64,
    /// The flow of the message that the event is about: 32 hexadecimal digits.
    pub flow: String,
    /// The id of this message.
    pub id: String,
    /// The reason, in one word.
    pub reason: String,
    /// The text for readers.
    pub text: String,
    /// The functions of a backtrace, one in each line.
    pub backtrace: String,
    /// The other fields, in their order.
    pub fields: Vec<(&'static str, Value)>,
}

impl LogLine {
    /// An event of now, without fields.
    pub fn new(level: Level, target: &'static str, text: String) -> Self {
        Self {
            at: SystemTime::now(),
            level,
            target,
            event: String::new(),
            actor: String::new(),
            plugin: String::new(),
            incarnation: 0,
            flow: String::new(),
            id: String::new(),
            reason: String::new(),
            text,
            backtrace: String::new(),
            fields: Vec::new(),
        }
    }

    /// The event of `tracing` as a line of now, its texts shortened.
    pub fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut line = Self::new(*metadata.level(), metadata.target(), String::new());
        event.record(&mut line);
        line.text = shortened(std::mem::take(&mut line.text));
        line.backtrace = shortened(std::mem::take(&mut line.backtrace));
        line
    }

    /// The standard fields that the line has, in the order of both formats.
    fn standard(&self) -> impl Iterator<Item = (&'static str, Value)> + '_ {
        let texts = [("event", &self.event), ("plugin", &self.plugin)];
        let later = [("flow", &self.flow), ("id", &self.id), ("reason", &self.reason)];
        let of = |(name, text): (&'static str, &String)| (!text.is_empty()).then(|| (name, text.as_str().into()));
        let incarnation = (self.incarnation > 0).then(|| ("incarnation", self.incarnation.into()));
        texts.into_iter().filter_map(of).chain(incarnation).chain(later.into_iter().filter_map(of))
    }

    /// The line in this format.
    pub fn shown(&self, format: LogFormat) -> String {
        match format {
            LogFormat::Text => self.text(),
            LogFormat::Json => self.json(),
        }
    }

    /// The event as a line of now, for a program that shows it by itself.
    pub fn of_type<E: LogEvent>(event: &E) -> Self {
        let mut line = Self::new(E::TYPE.level, E::TYPE.target, shortened(event.text()));
        let subject = event.subject();
        E::TYPE.name.clone_into(&mut line.event);
        line.actor = subject.address().map(ToString::to_string).unwrap_or_default();
        line.plugin = subject.plugin().unwrap_or_default().to_owned();
        line.incarnation = subject.incarnation().unwrap_or_default();
        if let Some(AboutMessage { flow, id, attempt, hops }) = subject.message() {
            (line.flow, line.id) = (flow.to_string(), id.to_string());
            line.fields.extend([("attempt", attempt.into()), ("hops", hops.into())]);
        }
        for (name, value) in event.own_fields() {
            match (name, value) {
                ("reason", FieldValue::Text(reason)) => line.reason = reason,
                ("backtrace", FieldValue::Text(backtrace)) => line.backtrace = shortened(backtrace),
                (name, FieldValue::Text(text)) => line.fields.push((name, text.into())),
                (name, FieldValue::Number(number)) => line.fields.push((name, number.into())),
                (name, FieldValue::Float(number)) => line.fields.push((name, number.into())),
                (name, FieldValue::Flag(flag)) => line.fields.push((name, flag.into())),
            }
        }
        line
    }

    /// `2026-11-22T16:46:00.123Z WARN /address text`, a tab, and the fields: `key=value key="other value"`. The functions of a
    /// backtrace follow, each on a line of its own. No text has a tab of its own, so that no text looks like a field.
    fn text(&self) -> String {
        let mut line = format!("{} {}", timestamp(self.at), self.level);
        for part in [&self.actor, &self.text] {
            if !part.is_empty() {
                let _ = write!(line, " {}", Printable(part));
            }
        }
        let (mut gap, mut left) = ('\t', LOG_TEXT_BYTES);
        for (name, value) in self.standard().chain(self.fields.iter().cloned()) {
            let shown = match &value {
                Value::String(text) if is_bare(text) => text.clone(),
                other => escaped(&other.to_string()),
            };
            if shown.len() > left {
                let _ = write!(line, "{gap}shortened=true");
                break;
            }
            left -= shown.len();
            let _ = write!(line, "{gap}{name}={shown}");
            gap = ' ';
        }
        for function in self.backtrace.lines() {
            let _ = write!(line, "\n    at {}", Printable(function));
        }
        line
    }

    /// An object in one line: `time`, `level`, `target`, `actor`, the standard fields, `message`, the other fields,
    /// `backtrace`.
    pub fn json(&self) -> String {
        let mut object = Map::new();
        object.insert("time".into(), timestamp(self.at).into());
        object.insert("level".into(), self.level.as_str().to_ascii_lowercase().into());
        object.insert("target".into(), self.target.into());
        if !self.actor.is_empty() {
            object.insert("actor".into(), self.actor.as_str().into());
        }
        for (name, value) in self.standard() {
            object.insert(name.into(), value);
        }
        object.insert("message".into(), self.text.as_str().into());
        let mut left = LOG_TEXT_BYTES;
        for (name, value) in &self.fields {
            let bytes = value.as_str().map_or(8, str::len);
            if bytes > left {
                object.insert("shortened".into(), true.into());
                break;
            }
            left -= bytes;
            object.insert((*name).into(), value.clone());
        }
        if !self.backtrace.is_empty() {
            object.insert("backtrace".into(), self.backtrace.lines().collect::<Vec<_>>().into());
        }
        escaped(&Value::Object(object).to_string())
    }
}

/// Whether a value of a field stands in a line of text without quotes. Others are strings of JSON.
fn is_bare(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || is_escaped(c) || matches!(c, '"' | '=' | '\\'))
}

/// JSON whose text has no character that a terminal would act on. JSON escapes those below the space by itself.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_escaped(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn shortened(mut text: String) -> String {
    if text.len() > LOG_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(LOG_TEXT_BYTES));
        text.push('…');
    }
    text
}

impl Visit for LogLine {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "address" => self.actor = format!("{value:?}"),
            "event" => self.event = format!("{value:?}"),
            "plugin" => self.plugin = format!("{value:?}"),
            "flow" => self.flow = format!("{value:?}"),
            "id" => self.id = format!("{value:?}"),
            "reason" => self.reason = format!("{value:?}"),
            "backtrace" => self.backtrace = format!("{value:?}"),
            "message" if self.text.is_empty() => self.text = format!("{value:?}"),
            name => self.fields.push((name, format!("{value:?}").into())),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "incarnation" => self.incarnation = value,
            name => self.fields.push((name, value.into())),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), value.into()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

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
        line.plugin = "event=forged".to_owned();
        line.fields = vec![
            ("attempt", 2.into()),
            ("child", text.into()),
            ("empty", "".into()),
            ("pause_seconds", 0.25.into()),
            ("path", "/a b".into()),
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
        line.fields = vec![("huge", "x y".repeat(LOG_TEXT_BYTES).into()), ("later", 1.into())];
        let read = fields(&line.shown(LogFormat::Text));
        assert_eq!(read["shortened"], true);
        assert!(!read.contains_key("huge") && read.contains_key("reason"), "{read:?}");
        assert!(line.json().contains("\"shortened\":true"));
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
        let without_time = |line: &LogLine| line.text().split_once(' ').map(|(_, line)| line.to_owned());
        assert_eq!(without_time(&logged), without_time(&shown));
        let wanted = "WARN /a tested all\tevent=tested plugin=echo reason=why seconds=0.5 flag=true";
        assert_eq!(without_time(&shown).as_deref(), Some(wanted));
        let names: Vec<_> = EVENTS[0].all_fields().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["event", "actor", "plugin", "reason", "seconds", "number", "flag"]);
    }
}
