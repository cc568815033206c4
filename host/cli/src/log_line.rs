//! A line of the log, as text or as JSON: the same event with the same fields.

use std::fmt::Write as _;
use std::time::SystemTime;

use playhouse_runtime::LogFormat;
use playhouse_runtime::printable::{Printable, is_escaped, timestamp};
use serde_json::{Map, Value};
use tracing::Level;
use tracing::field::{Field, Visit};

/// Maximum length of the text of one log line.
const LOG_TEXT_BYTES: usize = 8 << 10;

/// One event.
pub(crate) struct Line {
    at: SystemTime,
    level: Level,
    target: &'static str,
    /// The address of the actor that the event is about; empty without one.
    pub(crate) actor: String,
    text: String,
    /// The functions of a backtrace, one in each line.
    backtrace: String,
    /// The other fields, in their order.
    fields: Vec<(&'static str, Value)>,
}

impl Line {
    /// An event of now, without fields.
    pub(crate) fn new(level: Level, target: &'static str, text: String) -> Self {
        let (actor, backtrace, fields) = (String::new(), String::new(), Vec::new());
        Self { at: SystemTime::now(), level, target, actor, text, backtrace, fields }
    }

    /// Shortens a text that is too long.
    pub(crate) fn shorten(&mut self) {
        self.text = shortened(std::mem::take(&mut self.text));
        self.backtrace = shortened(std::mem::take(&mut self.backtrace));
    }

    /// The line in this format.
    pub(crate) fn shown(&self, format: LogFormat) -> String {
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
        for (name, value) in &self.fields {
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

    /// An object in one line: `time`, `level`, `target`, `actor`, `message`, the other fields, `backtrace`.
    pub(crate) fn json(&self) -> String {
        let mut object = Map::new();
        object.insert("time".into(), timestamp(self.at).into());
        object.insert("level".into(), self.level.as_str().to_ascii_lowercase().into());
        object.insert("target".into(), self.target.into());
        if !self.actor.is_empty() {
            object.insert("actor".into(), self.actor.as_str().into());
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

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "address" => self.actor = format!("{value:?}"),
            "backtrace" => self.backtrace = format!("{value:?}"),
            "message" if self.text.is_empty() => self.text = format!("{value:?}"),
            name => self.fields.push((name, format!("{value:?}").into())),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), value.into()));
    }
}
