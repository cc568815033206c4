//! The lines of the log, as text or as JSON: the same events with the same fields. docs/operation/log.md describes both.

use std::fmt::Write as _;
use std::time::SystemTime;

use playhouse_runtime::printable::{Printable, timestamp};
use playhouse_runtime::{DECISION_TARGET, GUEST_TARGET, LogFormat};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::console::Console;
use crate::log_budget::Voice;

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
        if playhouse_runtime::printable::is_escaped(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Writes log events to a console. Lines about an actor count for its budget.
pub(crate) struct LogLines(pub Console);

impl<S: Subscriber> Layer<S> for LogLines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = Line::new(*metadata.level(), metadata.target(), String::new());
        event.record(&mut line);
        line.text = shortened(line.text);
        line.backtrace = shortened(line.backtrace);
        let shown = line.shown(self.0.format());
        let voice = if metadata.target() == GUEST_TARGET { Voice::Guest } else { Voice::Host };
        let is_counted = !line.actor.is_empty() && metadata.target() != DECISION_TARGET;
        if !is_counted || self.0.log_budgets().admit(&line.actor, voice, shown.len() as u64 + 1) {
            self.0.log(&shown);
        }
    }
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

/// Starts the log. `level` is a level for the host's own lines (`debug`), or a whole filter (`info,wasmtime=debug`). Without it
/// `RUST_LOG` counts, without that the level of the manifest, and without that `info`.
pub(crate) fn start_log(console: &Console, level: Option<&str>, of_manifest: Option<&str>) -> Result<(), String> {
    use tracing_subscriber::filter::EnvFilter;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    let from_environment = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let wanted = level.map(str::to_owned).or(from_environment);
    let wanted = wanted.or_else(|| of_manifest.map(str::to_owned)).unwrap_or_else(|| "info".into());
    // A guest can make other crates write log lines; only their warnings are useful to an operator.
    let directives = if wanted.contains(['=', ',']) { wanted.clone() } else { format!("warn,playhouse={wanted}") };
    let filter = EnvFilter::try_new(directives).map_err(|error| {
        format!("`{wanted}` is no log level: use error, warn, info, debug or trace, or a filter as in `info,wasmtime=debug` ({error})")
    })?;
    // A second log in one process, as in tests, has no effect.
    let _ = tracing_subscriber::registry().with(LogLines(console.clone()).with_filter(filter)).try_init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::slow::Slow;

    /// The text of a hostile event in this format.
    fn written(format: LogFormat) -> String {
        let (sender, receiver) = mpsc::sync_channel(10);
        let console = Console::to(Slow(sender), None);
        console.set_format(format);
        let log = tracing_subscriber::registry().with(LogLines(console.clone()));
        tracing::subscriber::with_default(log, || {
            let backtrace = Some("inner\u{1b}[2J\nouter");
            tracing::error!(
                address = "/a",
                id = None::<u64>,
                attempt = 2,
                reason = "\u{9b}\"x\"",
                backtrace,
                "crashed: \u{1b}[31mred\nERROR /b"
            );
        });
        console.flush(Duration::from_mins(1));
        String::from_utf8(receiver.recv().expect("written")).expect("text")
    }

    #[test]
    fn crash_is_one_safe_line_with_its_functions_below() {
        let text = written(LogFormat::Text);
        let (_, line) = text.split_once(' ').expect("a time");
        assert_eq!(
            line,
            "ERROR /a crashed: \\u{1b}[31mred\\nERROR /b attempt=2 reason=\\u{9b}\"x\"\n    at inner\\u{1b}[2J\n    at outer\n"
        );
    }

    #[test]
    fn json_has_the_same_fields_in_one_safe_line() {
        let text = written(LogFormat::Json);
        assert!(text.ends_with("}\n") && !text.trim_end().chars().any(char::is_control), "{text:?}");
        let mut event: Value = serde_json::from_str(&text).expect("JSON");
        assert!(event["time"].take().as_str().is_some_and(|time| time.ends_with('Z')));
        let wanted = serde_json::json!({
            "time": null, "level": "error", "target": module_path!(), "actor": "/a", "attempt": 2,
            "reason": "\u{9b}\"x\"", "message": "crashed: \u{1b}[31mred\nERROR /b",
            "backtrace": ["inner\u{1b}[2J", "outer"],
        });
        assert_eq!(event, wanted);
    }

    #[test]
    fn messages_to_the_operator_are_events_in_json() {
        let (sender, receiver) = mpsc::sync_channel(10);
        let console = Console::to(Slow(sender), None);
        console.set_format(LogFormat::Json);
        console.say("two\nlines");
        console.flush(Duration::from_mins(1));
        let text = receiver.recv().expect("written");
        let event: Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!((&event["message"], &event["level"]), (&"two\nlines".into(), &"info".into()));
    }
}
