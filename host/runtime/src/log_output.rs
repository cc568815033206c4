//! The output of guests as events of `tracing`, for programs that give no [`Output`] of their own.

use playhouse_kernel::{Address, LogEvent};
use playhouse_sandbox::{LineOrigin, LogRecord, Output};
use tracing::{Level, enabled, field};

use crate::events::{GUEST_TARGET, GuestLine};

/// Writes each line of a guest's stdout and stderr as an event with the target [`GUEST_TARGET`] and the fields `address`,
/// `plugin`, `incarnation`, `flow` and `id`, as far as [`LineOrigin`] has them. A line without an end becomes an event when its
/// actor is idle; a line of more than 64 KiB becomes several. Each record of `wasi:logging` is such an event, with its level,
/// and with the fields `context` and `critical` if the record has them.
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
        event!(Level::INFO, from, "{}", String::from_utf8_lossy(line));
    }

    fn log(&self, from: &LineOrigin<'_>, record: &LogRecord<'_>) {
        let LogRecord { level, is_critical, context, text } = *record;
        let (context, critical) = ((!context.is_empty()).then_some(context), is_critical.then_some(true));
        match level {
            Level::ERROR => event!(Level::ERROR, from, context, critical, "{text}"),
            Level::WARN => event!(Level::WARN, from, context, "{text}"),
            Level::INFO => event!(Level::INFO, from, context, "{text}"),
            Level::DEBUG => event!(Level::DEBUG, from, context, "{text}"),
            Level::TRACE => event!(Level::TRACE, from, context, "{text}"),
        }
    }
}

/// An event about a line of a guest: `tracing` needs a place in the code for each level.
macro_rules! event {
    ($level:expr, $from:expr, $($rest:tt)+) => {{
        let LineOrigin { actor, plugin, incarnation, message } = *$from;
        tracing::event!(
            target: GUEST_TARGET, $level, event = GuestLine::TYPE.name, address = %actor, plugin, incarnation,
            flow = message.map(|message| field::display(message.flow)), id = message.map(|message| field::display(message.id)),
            $($rest)+
        );
    }};
}
use event;

#[cfg(test)]
mod tests {
    use playhouse_kernel::{FlowId, MessageId};
    use playhouse_observe::log::{Log, LogLine, LogSelection};
    use playhouse_sandbox::HandledMessage;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn record_is_an_event_with_its_context() {
        let (log, actor) = (Log::new(1 << 20), Address::parse("/a").expect("an address"));
        let message = Some(HandledMessage { id: MessageId(1), flow: FlowId(2) });
        let from = LineOrigin { actor: &actor, plugin: "till", incarnation: Some(3), message };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(log.layer(())), || {
            let record = LogRecord { level: Level::ERROR, is_critical: true, context: "cash", text: "no {coins}" };
            LogOutput.log(&from, &record);
            LogOutput.log(&from, &LogRecord { level: Level::DEBUG, is_critical: false, context: "", text: "x" });
        });
        let mut lines = Vec::new();
        let mut reader = log.reader(LogSelection::default()).expect("it has a ring");
        reader.read(|entry| lines.extend(entry.line().map(|json| LogLine::of_json(json).expect("JSON"))));
        let json: serde_json::Value = serde_json::from_str(&lines[0].json()).expect("JSON");
        assert_eq!(
            [&json["level"], &json["context"], &json["critical"], &json["message"], &json["incarnation"]],
            [&"error".into(), &"cash".into(), &true.into(), &"no {coins}".into(), &serde_json::Value::from(3)]
        );
        assert_eq!(
            (json["id"].as_str(), json["flow"].as_str().map(str::len)),
            (Some(&*format!("{:032x}", 1)), Some(32))
        );
        assert_eq!((lines[1].level, lines[1].fields.is_empty()), (Level::DEBUG, true));
    }
}
