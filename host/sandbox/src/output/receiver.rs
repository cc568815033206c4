//! The receiver of the lines that actors write: implemented by the user of this crate.

use playhouse_kernel::{AboutActor, Address, BoxFuture, LogEvent};

use tracing::Level;

use super::origin::LineOrigin;
use crate::events::LogLinesLeftOut;

/// The receiver of the lines that actors write. Its methods run on the runtime's workers and must not block.
pub trait Output: Send + Sync + 'static {
    /// A line of an actor's standard output without the newline, or a piece of a line: of a long line, or of one without an end
    /// when its actor becomes idle or ends. The last piece of a line has `ends_line`.
    fn stdout(&self, from: &LineOrigin<'_>, piece: &[u8], ends_line: bool);
    /// Whether an actor that writes to its standard output should wait. A write that was permitted before is still accepted.
    fn stdout_full(&self) -> bool {
        false
    }
    /// Whether standard output accepts no more bytes: the stream of an actor is closed then.
    fn stdout_closed(&self) -> bool {
        false
    }
    /// Resolves when [`Output::stdout_full`] may have become false. The wait does not count as CPU time.
    fn wait_stdout_space(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
    /// Whether lines of this level are wanted from an actor; those of its standard error have the level `INFO`. Other lines are
    /// not passed on, and count for no limit. Default: all lines are wanted.
    fn log_enabled(&self, actor: &Address, level: Level) -> bool {
        let _ = (actor, level);
        true
    }
    /// One line of an actor's standard error, without the newline. A long line comes as several.
    fn stderr(&self, from: &LineOrigin<'_>, line: &[u8]);
    /// A record that an actor logged through `wasi:logging`. Default: its text is a line of standard error.
    fn log(&self, from: &LineOrigin<'_>, record: &LogRecord<'_>) {
        self.stderr(from, record.text.as_bytes());
    }
    /// Lines of an actor's standard error, or records of its log, were left out, since it wrote more than its limits allow. Called once for each second.
    fn left_out(&self, from: &Address, left_out: LeftOut) {
        left_out.log(from);
    }
}

/// A record of an actor's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRecord<'a> {
    /// The level.
    pub level: Level,
    /// Whether the guest called it critical. Its level is `ERROR` then.
    pub is_critical: bool,
    /// The text with which the guest marks records that belong together; may be empty. At most 1 KiB.
    pub context: &'a str,
    /// The text, with any characters. At most 64 KiB.
    pub text: &'a str,
}

/// The lines of an actor's standard error, and the records of its log, that were left out within one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// The number of lines, or of pieces of long lines.
    pub lines: u64,
    /// The number of bytes, newlines included.
    pub bytes: u64,
    /// `limits.log_lines`.
    pub most_lines: u64,
    /// `limits.log_bytes`.
    pub most_bytes: u64,
}

impl LeftOut {
    fn log(self, from: &Address) {
        let Self { lines, bytes, most_lines, most_bytes } = self;
        let event = LogLinesLeftOut {
            subject: AboutActor { address: from, plugin: None },
            guest_lines: lines,
            host_lines: 0,
            bytes,
            most_lines,
            most_bytes,
            shown: &format_args!("{lines} lines of its stderr"),
        };
        event.log();
    }
}
