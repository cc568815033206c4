//! A line of the log, as text or as JSON: the same event with the same fields.

use std::fmt::Write as _;
use std::time::SystemTime;

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

    /// `2026-11-22T16:46:00.123Z WARN /address text key=value`. The functions of a backtrace follow, each on a line of its own.
    fn text(&self) -> String {
        let mut line = format!("{} {}", timestamp(self.at), self.level);
        for part in [&self.actor, &self.text] {
            if !part.is_empty() {
                let _ = write!(line, " {}", Printable(part));
            }
        }
        let mut fields = String::new();
        for (name, value) in self.standard().chain(self.fields.iter().cloned()) {
            let _ = match value {
                Value::String(text) => write!(fields, " {name}={text}"),
                other => write!(fields, " {name}={other}"),
            };
        }
        let _ = write!(line, "{}", Printable(&shortened(fields)));
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

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), value.into()));
    }
}
