//! What the host says on stderr: log lines, progress, messages to the person. One place, since a spinner and a
//! line must not write over each other. Writing never panics: a closed stderr loses lines, nothing else.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::{Duration, SystemTime};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::printable::{Printable, timestamp};

/// Stderr. Clones share it.
#[derive(Clone)]
pub(crate) struct Console {
    /// None when stderr is no terminal.
    bars: Option<MultiProgress>,
}

impl Console {
    /// The process's stderr.
    pub(crate) fn stderr() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bars = || MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        Self { bars: terminal.then(bars) }
    }

    /// Whether a person watches.
    pub(crate) fn is_terminal(&self) -> bool {
        self.bars.is_some()
    }

    /// Whether colours are welcome.
    pub(crate) fn wants_colour(&self) -> bool {
        self.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// Writes a line, or several.
    pub(crate) fn say(&self, text: &str) {
        let mut line = text.to_owned();
        line.push('\n');
        let write = || {
            // There is nobody to tell that stderr is closed.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// A spinner, on a terminal.
    pub(crate) fn spinner(&self, text: String) -> Option<ProgressBar> {
        let style = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]").ok()?;
        let bar = self.bars.as_ref()?.add(ProgressBar::new_spinner().with_style(style).with_message(text));
        bar.enable_steady_tick(Duration::from_millis(100));
        Some(bar)
    }

    /// Takes a spinner off the terminal.
    pub(crate) fn clear(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        if let Some(bars) = &self.bars {
            bars.remove(bar);
        }
    }
}

/// Writes log events: `2026-11-22T16:46:00.123Z WARN /address text key=value`.
pub(crate) struct LogLines(pub Console);

impl<S: Subscriber> Layer<S> for LogLines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut parts = Parts::default();
        event.record(&mut parts);
        let mut line = format!("{} {}", timestamp(SystemTime::now()), event.metadata().level());
        for part in [&parts.address, &parts.text] {
            if !part.is_empty() {
                let _ = write!(line, " {}", Printable(part));
            }
        }
        let _ = write!(line, "{}", Printable(&parts.fields));
        self.0.say(&line);
    }
}

#[derive(Default)]
struct Parts {
    address: String,
    text: String,
    fields: String,
}

impl Visit for Parts {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            "address" => write!(self.address, "{value:?}"),
            "message" if self.text.is_empty() => write!(self.text, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// Starts the log. `level` is a level for the host's own lines (`debug`), or a whole filter (`info,wasmtime=debug`);
/// without it `RUST_LOG` counts, and then `info`.
pub(crate) fn start_log(console: &Console, level: Option<&str>) -> Result<(), String> {
    use tracing_subscriber::filter::EnvFilter;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    let from_environment = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let wanted = level.map(str::to_owned).or(from_environment).unwrap_or_else(|| "info".into());
    // A guest can make other crates talk; only warnings of theirs are of use to its user.
    let directives = if wanted.contains(['=', ',']) { wanted.clone() } else { format!("warn,playhouse={wanted}") };
    let filter = EnvFilter::try_new(directives).map_err(|error| {
        format!("`{wanted}` is no log level: use error, warn, info, debug or trace, or a filter as in `info,wasmtime=debug` ({error})")
    })?;
    // A second log in one process (tests) changes nothing.
    let _ = tracing_subscriber::registry().with(LogLines(console.clone()).with_filter(filter)).try_init();
    Ok(())
}
