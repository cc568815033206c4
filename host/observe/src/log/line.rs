//! A line of the log, as text or as JSON: the same event with the same fields.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::time::SystemTime;

use playhouse_kernel::{AboutMessage, FieldValue, LogEvent, Subject};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::format::LogFormat;
use crate::printable::{Printable, is_escaped, of_timestamp, timestamp};

/// Maximum length of the text of one log line, of its backtrace, and of all its own fields together.
const LOG_TEXT_BYTES: usize = 8 << 10;
/// Maximum length of a message to the operator, such as all problems of a manifest.
const MESSAGE_BYTES: usize = 128 << 10;
/// The field of a line of which a part was left out.
const SHORTENED: &str = "shortened";

/// One event of the log. An empty text is an absent field. Readers filter by the standard fields of the log, so that each is one
/// of its fields.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// The time of the event.
    pub at: SystemTime,
    /// The event's level.
    pub level: Level,
    /// The part of the host that reports the event, or `playhouse::guest` for a line that a guest wrote.
    pub target: Cow<'static, str>,
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
    pub fields: Vec<(Cow<'static, str>, Value)>,
}

impl LogLine {
    /// An event of now, without fields.
    pub fn new(level: Level, target: &'static str, text: String) -> Self {
        Self {
            at: SystemTime::now(),
            level,
            target: target.into(),
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
        line.shorten(LOG_TEXT_BYTES);
        line
    }

    /// Cuts the text and the backtrace, and says so.
    fn shorten(&mut self, text_bytes: usize) {
        let is_text_cut = cut(&mut self.text, text_bytes);
        if cut(&mut self.backtrace, LOG_TEXT_BYTES) || is_text_cut {
            self.fields.push((SHORTENED.into(), true.into()));
        }
    }

    /// Its own fields as both formats show them: those that fit, and whether a part of the line was left out.
    fn own(&self) -> impl Iterator<Item = (&str, Cow<'_, Value>)> {
        let mut left = LOG_TEXT_BYTES;
        let fitting = self.fields.iter().filter(move |(name, value)| {
            let bytes = name.len() + value.as_str().map_or(8, str::len);
            let fits = bytes <= left;
            left -= if fits { bytes } else { 0 };
            fits
        });
        let all: Vec<_> = fitting.map(|(name, value)| (name.as_ref(), Cow::Borrowed(value))).collect();
        let is_short = all.len() < self.fields.len() && !all.iter().any(|(name, _)| *name == SHORTENED);
        all.into_iter().chain(is_short.then(|| (SHORTENED, Cow::Owned(true.into()))))
    }

    /// The standard fields that the line has, in the order of both formats.
    fn standard(&self) -> impl Iterator<Item = (&str, Value)> + '_ {
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
        let mut line = Self::new(E::TYPE.level, E::TYPE.target, event.text());
        let subject = event.subject();
        E::TYPE.name.clone_into(&mut line.event);
        line.actor = subject.address().map(ToString::to_string).unwrap_or_default();
        subject.plugin().unwrap_or_default().clone_into(&mut line.plugin);
        line.incarnation = subject.incarnation().unwrap_or_default();
        if let Some(AboutMessage { flow, id, attempt, hops }) = subject.message() {
            (line.flow, line.id) = (flow.to_string(), id.to_string());
            line.fields.extend([("attempt".into(), attempt.into()), ("hops".into(), hops.into())]);
        }
        for (name, value) in event.own_fields() {
            match (name, value) {
                ("reason", FieldValue::Text(reason)) => line.reason = reason,
                ("backtrace", FieldValue::Text(backtrace)) => line.backtrace = backtrace,
                (name, FieldValue::Text(text)) => line.fields.push((name.into(), text.into())),
                (name, FieldValue::Number(number)) => line.fields.push((name.into(), number.into())),
                (name, FieldValue::Float(number)) => line.fields.push((name.into(), number.into())),
                (name, FieldValue::Flag(flag)) => line.fields.push((name.into(), flag.into())),
            }
        }
        line.shorten(MESSAGE_BYTES);
        line
    }

    /// `2026-11-22T16:46:00.123Z WARN /address text`, a tab, and the fields: `key=value key="other value"`. The functions of a
    /// backtrace follow, each on a line of its own. No text has a tab of its own, so that no text looks like a field.
    fn text(&self) -> String {
        format!("{} {}", timestamp(self.at), self.text_without_time())
    }

    /// The line as text without its time, for a log that has times of its own.
    pub fn text_without_time(&self) -> String {
        let mut line = self.level.to_string();
        for part in [&self.actor, &self.text] {
            if !part.is_empty() {
                let _ = write!(line, " {}", Printable(part));
            }
        }
        let standard = self.standard().map(|(name, value)| (name, Cow::Owned(value)));
        let mut gap = '\t';
        for (name, value) in standard.chain(self.own()) {
            let _ = match &*value {
                Value::String(text) if is_bare(text) => write!(line, "{gap}{name}={text}"),
                other => write!(line, "{gap}{name}={}", escaped(other.to_string())),
            };
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
        escaped(serde_json::to_string(self).expect("an event is a map of texts and numbers, which JSON can say"))
    }

    /// The event of an object that [`LogLine::json`] wrote. The time is exact to a millisecond.
    pub fn of_json(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }
}

impl Serialize for LogLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("time", &timestamp(self.at))?;
        object.serialize_entry("level", level_name(self.level))?;
        object.serialize_entry("target", &self.target)?;
        if !self.actor.is_empty() {
            object.serialize_entry("actor", &self.actor)?;
        }
        for (name, value) in self.standard() {
            object.serialize_entry(name, &value)?;
        }
        object.serialize_entry("message", &self.text)?;
        for (name, value) in self.own() {
            object.serialize_entry(name, &value)?;
        }
        if !self.backtrace.is_empty() {
            object.serialize_entry("backtrace", &self.backtrace.lines().collect::<Vec<_>>())?;
        }
        object.end()
    }
}

impl<'de> Deserialize<'de> for LogLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfObject)
    }
}

/// Reads an object, and keeps the order of its fields.
struct OfObject;

impl<'de> Visitor<'de> for OfObject {
    type Value = LogLine;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event of the log")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<LogLine, A::Error> {
        let mut line = LogLine::new(Level::INFO, "", String::new());
        while let Some(name) = object.next_key::<String>()? {
            match name.as_str() {
                "time" => {
                    let text: String = object.next_value()?;
                    line.at = of_timestamp(&text).ok_or_else(|| A::Error::custom("`time` is no time in UTC"))?;
                }
                "level" => {
                    let text: String = object.next_value()?;
                    line.level = text.parse().map_err(|_| A::Error::custom("`level` is no level"))?;
                }
                "target" => line.target = Cow::Owned(object.next_value()?),
                "event" => line.event = object.next_value()?,
                "actor" => line.actor = object.next_value()?,
                "plugin" => line.plugin = object.next_value()?,
                "incarnation" => line.incarnation = object.next_value()?,
                "flow" => line.flow = object.next_value()?,
                "id" => line.id = object.next_value()?,
                "reason" => line.reason = object.next_value()?,
                "message" => line.text = object.next_value()?,
                "backtrace" => line.backtrace = object.next_value::<Vec<String>>()?.join("\n"),
                _ => line.fields.push((Cow::Owned(name), object.next_value()?)),
            }
        }
        Ok(line)
    }
}

/// The name of a level in the manifest, on the command line and in JSON.
pub fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Whether a value of a field stands in a line of text without quotes. Others are strings of JSON.
fn is_bare(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || is_escaped(c) || matches!(c, '"' | '=' | '\\'))
}

/// JSON whose text has no character that a terminal would act on. JSON escapes those below the space by itself.
fn escaped(json: String) -> String {
    if !json.chars().any(is_escaped) {
        return json;
    }
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

/// Cuts a text that is too long; true if it was.
fn cut(text: &mut String, bytes: usize) -> bool {
    if text.len() <= bytes {
        return false;
    }
    text.truncate(text.floor_char_boundary(bytes));
    text.push('…');
    true
}

impl LogLine {
    /// Takes a field of an event. Other crates choose the names of their fields: one that is the name of a part of a line, and that
    /// cannot be this part, gets another name, so that each name stands once in a line.
    fn take(&mut self, name: &'static str, value: Value) {
        let part = match name {
            "address" => &mut self.actor,
            "event" => &mut self.event,
            "plugin" => &mut self.plugin,
            "flow" => &mut self.flow,
            "id" => &mut self.id,
            "reason" => &mut self.reason,
            "backtrace" => &mut self.backtrace,
            "message" => &mut self.text,
            "incarnation" if value.is_u64() => {
                self.incarnation = value.as_u64().unwrap_or_default();
                return;
            }
            "time" | "level" | "target" | "actor" | "incarnation" | SHORTENED => {
                self.fields.push((format!("{name}_").into(), value));
                return;
            }
            _ => {
                self.fields.push((name.into(), value));
                return;
            }
        };
        *part = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
    }
}

impl Visit for LogLine {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.take(field.name(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field.name(), value.into());
    }
}
