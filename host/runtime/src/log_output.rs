//! The output of guests as events of `tracing`, for programs that give no [`Output`] of their own.

use playhouse_kernel::{Address, LogEvent};
use playhouse_sandbox::{LineOrigin, Output};
use tracing::{Level, enabled, field};

use crate::events::{GUEST_TARGET, GuestLine};

/// Writes each line of a guest's stdout and stderr as an event with the target [`GUEST_TARGET`] and the fields `address`,
/// `plugin`, `incarnation`, `flow` and `id`, as far as [`LineOrigin`] has them. A line without an end becomes an event when its
/// actor is idle; a line of more than 64 KiB becomes several.
#[derive(Debug, Default, Clone, Copy)]
pub struct LogOutput;

impl Output for LogOutput {
    fn stdout(&self, from: &LineOrigin<'_>, piece: &[u8], ends_line: bool) {
        // The end of a line whose text was an event already.
        if !(piece.is_empty() && ends_line) {
            self.stderr(from, piece);
        }
    }

    fn log_enabled(&self, _: &Address, level: Level) -> bool {
        match level {
            Level::ERROR => enabled!(target: GUEST_TARGET, Level::ERROR),
            Level::WARN => enabled!(target: GUEST_TARGET, Level::WARN),
            Level::INFO => enabled!(target: GUEST_TARGET, Level::INFO),
            Level::DEBUG => enabled!(target: GUEST_TARGET, Level::DEBUG),
            Level::TRACE => enabled!(target: GUEST_TARGET, Level::TRACE),
        }
    }

    fn stderr(&self, from: &LineOrigin<'_>, line: &[u8]) {
        let LineOrigin { actor, plugin, incarnation, message } = *from;
        tracing::info!(
            target: GUEST_TARGET, event = GuestLine::TYPE.name, address = %actor, plugin, incarnation,
            flow = message.map(|message| field::display(message.flow)), id = message.map(|message| field::display(message.id)),
            "{}", String::from_utf8_lossy(line)
        );
    }
}
