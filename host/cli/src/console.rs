//! The host's stderr: log lines, progress, and messages to the operator. All of them go through one console, because a spinner
//! and a line must not overwrite each other. A thread writes, so that a caller never waits for a stderr without a reader. Writing
//! never panics: a closed stderr only loses lines. Messages to the operator are kept in the ring of the log as well.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use playhouse_runtime::printable::counted;
use playhouse_runtime::{AboutHost, LeftOutLines, Log, LogEvent, LogFormat, LogLine};
use tracing::Level;

use crate::events::StderrLinesDropped;
use crate::journal;
use crate::log_budget::LogBudgets;

/// Maximum waiting bytes for log lines; further log lines are dropped and counted.
const WAITING_LOG_BYTES: usize = 1 << 20;
/// Maximum waiting bytes for messages to the operator; further messages are dropped and counted.
const WAITING_BYTES: usize = 4 << 20;

/// The console on stderr. Clones share it.
#[derive(Clone)]
pub(crate) struct Console {
    /// `None` when stderr is no terminal.
    bars: Option<MultiProgress>,
    lines: Arc<Lines>,
    /// The limits on log lines about each actor.
    budgets: Arc<LogBudgets>,
    /// The log whose ring keeps the messages to the operator; none in commands other than `run`.
    log: Arc<OnceLock<Log>>,
}

/// Text on its way to stderr.
#[derive(Default)]
struct Lines {
    queue: Mutex<Queue>,
    /// Notified when there is text to write.
    filled: Condvar,
    /// Notified after each write.
    written: Condvar,
    /// Whether stderr is the journal of systemd.
    is_journal: bool,
    /// Counts the dropped texts.
    left_out: Arc<LeftOutLines>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<u8>,
    /// Whether the thread is writing.
    writing: bool,
    /// Number of writes so far.
    writes: u64,
    /// Number of dropped texts that were not reported yet.
    dropped: u64,
    /// The format of all lines.
    format: LogFormat,
}

impl Lines {
    /// Adds a text unless more than `most` bytes would wait. After a drop, further log lines are dropped until the drop is
    /// reported.
    fn add(&self, level: Level, text: &str, most: usize, is_log: bool) {
        let mut queue = self.lock();
        if queue.waiting.len() + text.len() > most || is_log && queue.dropped > 0 {
            queue.dropped += 1;
            self.left_out.add_dropped(1);
            return;
        }
        self.say_dropped(&mut queue);
        self.append(&mut queue, level, text);
        self.filled.notify_one();
    }

    fn write_to(&self, mut write: impl FnMut(&[u8])) {
        let mut chunk = Vec::new();
        loop {
            {
                let mut queue = self.lock();
                queue.writing = false;
                queue.writes += 1;
                self.written.notify_all();
                while queue.waiting.is_empty() {
                    queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
                self.say_dropped(&mut queue);
                chunk.clear();
                std::mem::swap(&mut chunk, &mut queue.waiting);
                queue.writing = true;
            }
            // The text is written in parts, so that `flush` notices a reader.
            for part in chunk.chunks(4096) {
                write(part);
                self.lock().writes += 1;
                self.written.notify_all();
            }
        }
    }

    /// Waits until all text is written, or until no write happened for `patience`.
    fn flush(&self, patience: Duration) {
        let mut queue = self.lock();
        while queue.writing || !queue.waiting.is_empty() {
            let seen = queue.writes;
            let waited = self.written.wait_timeout_while(queue, patience, |queue| queue.writes == seen);
            let (now, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                return;
            }
            queue = now;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// A line of the log. The journal has its own time for each line.
    fn shown(&self, line: &LogLine) -> String {
        let format = self.lock().format;
        if self.is_journal && format == LogFormat::Text { line.text_without_time() } else { line.shown(format) }
    }

    fn append(&self, queue: &mut Queue, level: Level, text: &str) {
        if self.is_journal {
            queue.waiting.extend_from_slice(journal::with_priority(level, text).as_bytes());
        } else {
            queue.waiting.extend_from_slice(text.as_bytes());
        }
        queue.waiting.push(b'\n');
    }

    fn say_dropped(&self, queue: &mut Queue) {
        let dropped = std::mem::take(&mut queue.dropped);
        if dropped > 0 {
            let shown = &counted(dropped, "line");
            let event = StderrLinesDropped { subject: AboutHost, lines: dropped, shown };
            let text = as_line(queue.format, "playhouse: ", &event);
            self.append(queue, StderrLinesDropped::TYPE.level, &text);
        }
    }
}

/// A message to the operator as a line of the log's format. Text begins with `prefix`.
fn as_line(format: LogFormat, prefix: &str, event: &impl LogEvent) -> String {
    match format {
        LogFormat::Text => format!("{prefix}{}", event.text()),
        LogFormat::Json => LogLine::of_type(event).json(),
    }
}

impl Console {
    /// The process's stderr. Starts the thread that writes to it.
    pub(crate) fn stderr() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bars = || MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        Self::with(std::io::stderr(), terminal.then(bars), journal::is_stderr())
    }

    #[cfg(test)]
    pub(crate) fn to(out: impl Write + Send + 'static, bars: Option<MultiProgress>) -> Self {
        Self::with(out, bars, false)
    }

    fn with(mut out: impl Write + Send + 'static, bars: Option<MultiProgress>, is_journal: bool) -> Self {
        let budgets = Arc::<LogBudgets>::default();
        let lines = Arc::new(Lines { is_journal, left_out: budgets.left_out().clone(), ..Lines::default() });
        let (shared, beside) = (lines.clone(), bars.clone());
        // An error cannot be reported anywhere when stderr is closed.
        let mut write = move |text: &[u8]| drop(out.write_all(text));
        std::thread::spawn(move || {
            shared.write_to(|text| match &beside {
                Some(bars) => bars.suspend(|| write(text)),
                None => write(text),
            });
        });
        let log = Arc::<OnceLock<Log>>::default();
        let (shown, kept) = (Arc::downgrade(&lines), log.clone());
        budgets.on_excess(move |event| {
            let line = LogLine::of_type(event);
            if let Some(shown) = shown.upgrade() {
                let text = shown.shown(&line);
                shown.add(line.level, &text, WAITING_LOG_BYTES, true);
            }
            if let Some(log) = kept.get() {
                log.add(&line);
            }
        });
        Self { bars, lines, budgets, log }
    }

    /// Keeps messages to the operator in the ring of this log from now on. Only the first call counts.
    pub(crate) fn keep(&self, log: Log) {
        let _ = self.log.set(log);
    }

    /// The limits on log lines about each actor.
    pub(crate) fn log_budgets(&self) -> &Arc<LogBudgets> {
        &self.budgets
    }

    /// Whether stderr is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.bars.is_some()
    }

    /// Whether output may have colours.
    pub(crate) fn wants_colour(&self) -> bool {
        self.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// The format of all lines from now on.
    pub(crate) fn set_format(&self, format: LogFormat) {
        self.lines.lock().format = format;
    }

    pub(crate) fn format(&self) -> LogFormat {
        self.lines.lock().format
    }

    /// Prints `playhouse: ` and the text of an event, without waiting until they are written. In the format JSON that is a line
    /// of the log.
    pub(crate) fn say(&self, event: &impl LogEvent) {
        self.say_after("playhouse: ", event);
    }

    /// Like [`Console::say`], for an event whose text stands alone.
    pub(crate) fn show(&self, event: &impl LogEvent) {
        self.say_after("", event);
    }

    fn say_after<E: LogEvent>(&self, prefix: &str, event: &E) {
        self.lines.add(E::TYPE.level, &as_line(self.format(), prefix, event), WAITING_BYTES, false);
        if let Some(log) = self.log.get() {
            log.add(&LogLine::of_type(event));
        }
    }

    /// Prints one or more lines of a command that has no log.
    pub(crate) fn print(&self, text: &str) {
        self.lines.add(Level::INFO, text, WAITING_BYTES, false);
    }

    /// A line of the log in the format of all lines.
    pub(crate) fn shown(&self, line: &LogLine) -> String {
        self.lines.shown(line)
    }

    /// Adds a line of the log.
    pub(crate) fn log(&self, level: Level, line: &str) {
        self.lines.add(level, line, WAITING_LOG_BYTES, true);
    }

    /// Waits until all text is written, as long as a reader takes some of it within each `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        self.lines.flush(patience);
    }

    /// A spinner, if stderr is a terminal.
    pub(crate) fn spinner(&self, text: String) -> Option<ProgressBar> {
        let style = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]").ok()?;
        let bar = self.bars.as_ref()?.add(ProgressBar::new_spinner().with_style(style).with_message(text));
        bar.enable_steady_tick(Duration::from_millis(100));
        Some(bar)
    }

    /// Removes a spinner from the terminal.
    pub(crate) fn clear(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        if let Some(bars) = &self.bars {
            bars.remove(bar);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slow::Slow;
    use std::sync::mpsc;

    const LINE: &str = "a line of the log";

    #[test]
    fn unread_stderr_blocks_no_caller_and_drops_are_counted() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let console = Console::to(Slow(sender), None);
        for _ in 0..200_000 {
            console.lines.add(Level::INFO, LINE, WAITING_LOG_BYTES, true);
        }
        console.print("the summary");
        console.flush(Duration::from_millis(1));
        let reader = std::thread::spawn(move || {
            let mut all = String::new();
            while !all.ends_with("the summary\n") {
                all.push_str(&String::from_utf8(receiver.recv().expect("the writer lives")).expect("text"));
            }
            all
        });
        let all = reader.join().expect("no panic");
        let written = all.lines().filter(|line| *line == LINE).count();
        let note = format!("playhouse: {} lines dropped here: stderr was read too slowly", 200_000 - written);
        assert!(all.len() < 3 * WAITING_LOG_BYTES && all.contains(&note), "{written} written");
        assert_eq!(console.log_budgets().left_out().dropped(), 200_000 - written as u64);
        console.flush(Duration::from_mins(1));
    }

    #[test]
    fn closed_stderr_causes_no_panic_and_no_wait() {
        let (sender, receiver) = mpsc::sync_channel(0);
        drop(receiver);
        let console = Console::to(Slow(sender), None);
        console.print("nobody reads this");
        console.flush(Duration::MAX);
    }
}
