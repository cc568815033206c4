//! The log of one run of a guest: records with a level, which count for the limits of its standard error.

use std::sync::Arc;

use tracing::Level;

use super::meter::LogMeter;
use super::origin::{HandledMessage, Writer};
use super::receiver::{LogRecord, Output};

/// Maximum bytes of a text: those of a line on standard error. The rest is cut.
const TEXT_BYTES: usize = 64 << 10;
/// Maximum bytes of a context.
const CONTEXT_BYTES: usize = 1 << 10;

/// The log of one run. Clones are handles to it.
#[derive(Clone)]
pub(crate) struct Logger {
    writer: Arc<Writer>,
    output: Arc<dyn Output>,
    meter: Arc<LogMeter>,
}

impl Logger {
    pub(crate) fn new(writer: Arc<Writer>, output: Arc<dyn Output>, meter: Arc<LogMeter>) -> Self {
        Self { writer, output, meter }
    }

    /// The origin of its records.
    pub(crate) fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }

    /// Sets the message for the lines that follow, on both streams as well.
    pub(crate) fn set_message(&self, message: Option<HandledMessage>) {
        self.writer.set_message(message);
    }

    /// Whether records of this level are wanted.
    pub(crate) fn is_enabled(&self, level: Level) -> bool {
        self.output.log_enabled(self.writer.actor(), level)
    }

    /// Passes on a record, unless the limits leave it out.
    pub(crate) fn log(&self, level: Level, is_critical: bool, context: &str, text: &str) {
        let context = &context[..context.floor_char_boundary(CONTEXT_BYTES)];
        let text = &text[..text.floor_char_boundary(TEXT_BYTES)];
        if self.meter.admit(context.len() + text.len(), self.writer.actor(), &self.output) {
            self.output.log(&self.writer.origin(), &LogRecord { level, is_critical, context, text });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use playhouse_kernel::Address;

    use super::super::origin::LineOrigin;
    use super::super::receiver::LeftOut;
    use super::*;
    use crate::limits::Limits;

    /// Keeps records as the lengths of their parts; those below `WARN` are not wanted.
    #[derive(Default)]
    struct Kept(Mutex<Vec<(Level, bool, usize, usize)>>);

    impl Output for Kept {
        fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
        fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
        fn log_enabled(&self, _: &Address, level: Level) -> bool {
            level <= Level::WARN
        }
        fn log(&self, _: &LineOrigin<'_>, record: &LogRecord<'_>) {
            let LogRecord { level, is_critical, context, text } = *record;
            self.0.lock().expect("no test panics here").push((level, is_critical, context.len(), text.len()));
        }
        fn left_out(&self, _: &Address, _: LeftOut) {}
    }

    fn logger(limits: &Limits) -> (Arc<Kept>, Logger) {
        let kept = Arc::new(Kept::default());
        let writer = Writer::new(Address::root(), "test".into(), Some(1));
        (kept.clone(), Logger::new(writer, kept, Arc::new(LogMeter::new(limits))))
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let (kept, logger) = logger(&Limits::default());
        logger.log(Level::ERROR, true, &"é".repeat(10_000), &format!("x{}", "é".repeat(1 << 20)));
        assert_eq!(*kept.0.lock().unwrap(), [(Level::ERROR, true, CONTEXT_BYTES, TEXT_BYTES - 1)]);
    }

    #[test]
    fn records_and_stderr_have_one_limit() {
        let (kept, logger) = logger(&Limits { log_lines: 3, ..Limits::default() });
        for _ in 0..2 {
            logger.log(Level::WARN, false, "", "x");
        }
        let output: Arc<dyn Output> = kept.clone();
        assert!(logger.meter.admit(1, &Address::root(), &output), "a line on stderr");
        logger.log(Level::WARN, false, "", "x");
        assert_eq!(kept.0.lock().unwrap().len(), 2);
    }
}
