//! The layer of `tracing`: each event becomes a line, goes to a sink, and into the ring.

use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::handle::Log;
use super::line::LogLine;

/// The receiver of each line: a console, or a program's own output. The thread that reports an event calls the receiver, which must
/// neither wait nor report events.
pub trait LogSink: Send + Sync + 'static {
    /// Takes a line. A line that is refused, because a limit leaves it out, is kept nowhere.
    fn take(&self, line: &LogLine) -> bool;
}

/// The sink of a log without other output: it takes all lines.
impl LogSink for () {
    fn take(&self, _: &LogLine) -> bool {
        true
    }
}

/// The layer of a log.
pub struct LogLayer<S> {
    log: Log,
    sink: S,
}

impl Log {
    /// The layer for `tracing`. Each event goes to `sink` first, and into the ring unless the sink refuses it.
    pub fn layer<S: LogSink>(&self, sink: S) -> LogLayer<S> {
        LogLayer { log: self.clone(), sink }
    }
}

impl<S: LogSink, T: Subscriber> Layer<T> for LogLayer<S> {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, T>) {
        let line = LogLine::of(event);
        if self.sink.take(&line) {
            self.log.add(&line);
        }
    }
}
