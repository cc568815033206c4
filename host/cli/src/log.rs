//! The log: events of the host and lines of guests, on the console and in the ring.

use playhouse_runtime::{DECISION_TARGET, GUEST_TARGET, Log, LogFilter, LogLine, LogSink};
use tracing_subscriber::layer::Layer;

use crate::console::Console;
use crate::log_budget::Voice;

/// Writes log lines to a console. Lines about an actor count for its budget.
impl LogSink for Console {
    fn take(&self, line: &LogLine) -> bool {
        let shown = self.shown(line);
        let voice = if line.target == GUEST_TARGET { Voice::Guest } else { Voice::Host };
        let is_counted = !line.actor.is_empty() && line.target != DECISION_TARGET;
        let is_admitted = !is_counted || self.log_budgets().admit(&line.actor, voice, shown.len() as u64 + 1);
        if is_admitted {
            self.log(line.level, &shown);
        }
        is_admitted
    }
}

/// Starts the log on a console. `level` is a level for the host's own lines (`debug`), or a whole filter (`info,wasmtime=debug`). Without it
/// `RUST_LOG` counts, without that the level of the manifest, and without that `info`.
pub(crate) fn start_log(
    log: &Log,
    console: &Console,
    level: Option<&str>,
    of_manifest: Option<&str>,
) -> Result<(), String> {
    use tracing_subscriber::filter::EnvFilter;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    let from_environment = std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty());
    let wanted = level.map(str::to_owned).or(from_environment);
    let wanted = wanted.or_else(|| of_manifest.map(str::to_owned)).unwrap_or_else(|| "info".into());
    // A guest can make other crates write log lines; only their warnings are useful to an operator.
    let directives = if wanted.contains(['=', ',']) { wanted.clone() } else { format!("warn,playhouse={wanted}") };
    let filter = EnvFilter::try_new(directives).map_err(|error| {
        format!("`{wanted}` is no log level: use error, warn, info, debug or trace, or a filter as in `info,wasmtime=debug` ({error})")
    })?;
    // A second log in one process, as in tests, has no effect.
    let filter = LogFilter::new(log.levels().clone(), filter);
    let _ = tracing_subscriber::registry().with(log.layer(console.clone()).with_filter(filter)).try_init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use playhouse_runtime::{AboutHost, Address, LogFormat};
    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::events::{HostFailed, InputFailed};
    use crate::slow::Slow;

    /// The text of a hostile event in this format.
    fn written(format: LogFormat) -> String {
        let (sender, receiver) = mpsc::sync_channel(10);
        let console = Console::to(Slow(sender), None);
        console.set_format(format);
        let log = tracing_subscriber::registry().with(Log::new(0).layer(console.clone()));
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
            "ERROR /a crashed: \\u{1b}[31mred\\nERROR /b\treason=\"\\u009b\\\"x\\\"\" attempt=2\n    at inner\\u{1b}[2J\n    at outer\n"
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
        console.say(&HostFailed { subject: AboutHost, exit_code: 1, why: "two\nlines" });
        console.flush(Duration::from_mins(1));
        let text = receiver.recv().expect("written");
        let event: Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!((&event["message"], &event["level"]), (&"two\nlines".into(), &"error".into()));
        assert_eq!((&event["event"], &event["exit_code"]), (&"host-failed".into(), &1.into()));
    }

    #[test]
    fn ring_has_what_the_console_shows_and_no_more() {
        use playhouse_runtime::LogSelection;

        let (sender, receiver) = mpsc::sync_channel(10);
        let (console, log) = (Console::to(Slow(sender), None), Log::new(1 << 20));
        console.keep(log.clone());
        console.log_budgets().set([(Address::parse("/a").expect("good"), "test".to_owned(), 2, 10_000)]);
        let subscriber = tracing_subscriber::registry().with(log.layer(console.clone()));
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..9 {
                tracing::info!(target: GUEST_TARGET, address = "/a", "line {n} \u{1b}[31m\n\"");
            }
        });
        console.log_budgets().say_all();
        console.show(&InputFailed { subject: AboutHost, why: "that was all" });
        let mut reader = log.reader(LogSelection::default()).expect("it has a ring");
        let mut kept = Vec::new();
        reader.read(|entry| kept.extend(entry.line().map(|json| LogLine::of_json(json).expect("JSON"))));
        let texts: Vec<_> = kept.iter().map(|line| line.text.as_str()).collect();
        let left_out = "left out 7 lines of its stderr (";
        assert!(
            matches!(texts[..], ["line 0 \u{1b}[31m\n\"", "line 1 \u{1b}[31m\n\"", excess, "that was all"] if excess.starts_with(left_out))
        );
        let mut shown = String::new();
        while !shown.ends_with("that was all\n") {
            shown.push_str(&String::from_utf8(receiver.recv().expect("it writes")).expect("text"));
        }
        // The console shows a message to the operator without time and level.
        let same: Vec<_> = kept[..3].iter().map(|line| line.shown(LogFormat::Text)).collect();
        assert_eq!(shown, format!("{}\nthat was all\n", same.join("\n")));
    }
}
