//! The output of guests: stdout goes through one writer thread, stderr into the log. The bytes that wait for a slow stdout are
//! limited; a guest that writes more waits.

use std::io::{ErrorKind, IsTerminal, Write};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use playhouse_runtime::{Address, BoxFuture};
use playhouse_runtime::{LeftOut, LineOrigin, LogRecord, Output, SystemLimit};
use tokio::sync::Notify;
use tracing::Level;

use crate::log_budget::LogBudgets;
use playhouse_runtime::LogOutput;
use playhouse_runtime::printable::for_terminal;

/// Maximum bytes that wait for stdout; a guest that writes more waits.
const WAITING_BYTES: usize = 1 << 20;
/// Maximum bytes of one write, and thus the precision of the number of bytes that a reader did not take.
const PIECE_BYTES: usize = 64 << 10;

/// Guests' stdout, on its way. Lines of one actor keep their order. A line that comes in pieces, since it is long or its actor
/// was idle before its end, may be interrupted by another actor's output, which then begins on a line of its own. The thread
/// writes whatever has come while it wrote the last time: much output makes large writes, little output is written at once.
pub(crate) struct Stdout {
    pipe: Mutex<Pipe>,
    /// Notified when there is output to write, or when the output has ended.
    filled: Condvar,
    /// Notified when all output is written.
    emptied: Condvar,
    /// Notified when there is space again.
    space: Notify,
    /// Notified when stdout has no reader any more.
    closed: Notify,
}

#[derive(Default)]
struct Pipe {
    waiting: Vec<u8>,
    /// Whether the thread is writing.
    writing: bool,
    /// Bytes that the thread took from `waiting` and did not write yet.
    in_write: usize,
    /// Bytes written so far.
    written: u64,
    /// Whether stdout takes no more output.
    closed: bool,
    /// The error, unless the reader only closed its end.
    error: Option<String>,
    /// The actor whose line has no end yet.
    open: Option<Address>,
    end: End,
    /// Bytes that were not written because stdout is closed. A part of a failed write may be written.
    lost: u64,
}

/// The end of all output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum End {
    #[default]
    NotYet,
    /// All output is in the pipe: nothing is held back any more.
    Due,
    /// The held back bytes are written.
    Over,
}

impl Stdout {
    /// The stdout of the process. Characters that would move a terminal's cursor are escaped; a pipe or a file gets the bytes
    /// unchanged.
    pub(crate) fn new() -> Arc<Self> {
        let stdout = std::io::stdout();
        if stdout.is_terminal() {
            Self::to(Escaped { to: stdout, cut: Vec::new() }, Escaped::end)
        } else {
            Self::to(stdout, |_| Ok(()))
        }
    }

    /// Starts the thread that writes to `to`; `end` writes the bytes that `to` held back.
    fn to<W: Write + Send + 'static>(mut to: W, end: fn(&mut W) -> std::io::Result<()>) -> Arc<Self> {
        let stdout = Arc::new(Self {
            pipe: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            space: Notify::new(),
            closed: Notify::new(),
        });
        let shared = stdout.clone();
        std::thread::spawn(move || shared.write_to(&mut to, end));
        stdout
    }

    fn write_to<W: Write>(&self, to: &mut W, end: fn(&mut W) -> std::io::Result<()>) {
        let mut chunk = Vec::new();
        loop {
            let ending = {
                let mut pipe = self.lock();
                pipe.writing = false;
                self.emptied.notify_all();
                while pipe.waiting.is_empty() && pipe.end != End::Due {
                    pipe = self.filled.wait(pipe).unwrap_or_else(PoisonError::into_inner);
                }
                chunk.clear();
                std::mem::swap(&mut chunk, &mut pipe.waiting);
                pipe.writing = true;
                pipe.in_write = chunk.len();
                if pipe.end == End::Due {
                    pipe.end = End::Over;
                }
                pipe.end == End::Over
            };
            self.space.notify_waiters();
            let written = self.write_pieces(&chunk, to).and_then(|()| if ending { end(to) } else { Ok(()) });
            if let Err(error) = written.and_then(|()| to.flush()) {
                return self.close((error.kind() != ErrorKind::BrokenPipe).then(|| SystemLimit::explained(&error)));
            }
        }
    }

    fn write_pieces<W: Write>(&self, chunk: &[u8], to: &mut W) -> std::io::Result<()> {
        for piece in chunk.chunks(PIECE_BYTES) {
            to.write_all(piece)?;
            let mut pipe = self.lock();
            if pipe.closed {
                return Err(ErrorKind::BrokenPipe.into());
            }
            pipe.in_write -= piece.len();
            pipe.written += piece.len() as u64;
        }
        Ok(())
    }

    /// Stops all writing; the waiting output is lost. Only the first reason counts.
    fn close(&self, error: Option<String>) {
        let mut pipe = self.lock();
        if !pipe.closed {
            pipe.error = error;
            pipe.closed = true;
            pipe.lost += (std::mem::take(&mut pipe.in_write) + std::mem::take(&mut pipe.waiting).len()) as u64;
        }
        pipe.writing = false;
        self.emptied.notify_all();
        self.space.notify_waiters();
        self.closed.notify_one();
    }

    /// Ends the wait for the reader.
    pub(crate) fn give_up(&self, error: String) {
        self.close(Some(error));
    }

    /// Adds a line, or a piece of one, and drops it when stdout has no reader. The caller checks first whether stdout is full.
    pub(crate) fn piece(&self, from: &Address, piece: &[u8], ends_line: bool) {
        let mut pipe = self.lock();
        if pipe.closed {
            pipe.lost += (piece.len() + usize::from(ends_line)) as u64;
            return;
        }
        let goes_on = pipe.open.as_ref().is_some_and(|open| open == from);
        if pipe.open.is_some() && !goes_on {
            pipe.waiting.push(b'\n');
            pipe.open = None;
        }
        pipe.waiting.extend_from_slice(piece);
        if ends_line {
            pipe.waiting.push(b'\n');
            pipe.open = None;
        } else if !goes_on {
            pipe.open = Some(from.clone());
        }
        self.filled.notify_one();
    }

    /// Waits until all output is written, or stdout has no reader. False in the second case.
    pub(crate) fn finish(&self) -> bool {
        {
            let mut pipe = self.lock();
            if pipe.end == End::NotYet {
                pipe.end = End::Due;
            }
            self.filled.notify_one();
        }
        let busy =
            |pipe: &mut Pipe| !pipe.closed && (pipe.writing || !pipe.waiting.is_empty() || pipe.end != End::Over);
        let pipe = self.emptied.wait_while(self.lock(), busy).unwrap_or_else(PoisonError::into_inner);
        !pipe.closed
    }

    /// The error that ended the writing; `None` without an error, and when the reader only closed its end.
    pub(crate) fn error(&self) -> Option<String> {
        self.lock().error.clone()
    }

    /// Bytes of output that were not written.
    pub(crate) fn lost_bytes(&self) -> u64 {
        self.lock().lost
    }

    /// Bytes of output that are not written yet.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        let pipe = self.lock();
        (pipe.waiting.len() + pipe.in_write) as u64
    }

    /// Bytes written so far, while actors wait for the reader; `None` while no actor waits.
    pub(crate) fn written_while_full(&self) -> Option<u64> {
        let pipe = self.lock();
        (pipe.waiting.len() >= WAITING_BYTES && !pipe.closed).then_some(pipe.written)
    }

    /// Whether nothing can be written any more.
    fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether the waiting bytes are at their maximum, so that writers must wait.
    fn is_full(&self) -> bool {
        let pipe = self.lock();
        pipe.waiting.len() >= WAITING_BYTES && !pipe.closed
    }

    /// Resolves when stdout is not full.
    async fn wait_space(&self) {
        loop {
            let mut space = pin!(self.space.notified());
            space.as_mut().enable();
            if !self.is_full() {
                return;
            }
            space.await;
        }
    }

    /// Resolves when stdout has no reader any more.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Pipe> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A writer that makes foreign bytes safe for a terminal. The first bytes of a character wait for its other bytes.
struct Escaped<W> {
    to: W,
    cut: Vec<u8>,
}

impl<W: Write> Escaped<W> {
    /// Writes the bytes of a character that stayed incomplete.
    fn end(&mut self) -> std::io::Result<()> {
        let cut = std::mem::take(&mut self.cut);
        self.to.write_all(for_terminal(&cut).as_bytes())
    }
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut whole = std::mem::take(&mut self.cut);
        whole.extend_from_slice(bytes);
        let last = whole.utf8_chunks().last().map(|chunk| chunk.invalid().to_vec()).unwrap_or_default();
        if str::from_utf8(&last).is_err_and(|error| error.error_len().is_none()) {
            whole.truncate(whole.len() - last.len());
            self.cut = last;
        }
        self.to.write_all(for_terminal(&whole).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// The [`Output`] of all actors.
pub(crate) struct GuestOutput {
    pub(crate) stdout: Arc<Stdout>,
    pub(crate) log_budgets: Arc<LogBudgets>,
}

impl Output for GuestOutput {
    fn stdout(&self, from: &LineOrigin<'_>, piece: &[u8], ends_line: bool) {
        self.stdout.piece(from.actor, piece, ends_line);
    }

    fn stdout_full(&self) -> bool {
        self.stdout.is_full()
    }

    fn stdout_closed(&self) -> bool {
        self.stdout.is_closed()
    }

    fn wait_stdout_space(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.stdout.wait_space())
    }

    fn log_enabled(&self, actor: &Address, level: Level) -> bool {
        LogOutput.log_enabled(actor, level)
    }

    fn stderr(&self, from: &LineOrigin<'_>, line: &[u8]) {
        LogOutput.stderr(from, line);
    }

    fn log(&self, from: &LineOrigin<'_>, record: &LogRecord<'_>) {
        LogOutput.log(from, record);
    }

    fn left_out(&self, from: &Address, left_out: LeftOut) {
        self.log_budgets.add_left_out(from.as_str(), left_out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slow::Slow;
    use std::sync::mpsc;

    #[test]
    fn lines_keep_their_order_and_all_are_written() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let stdout = Stdout::to(Slow(sender), |_| Ok(()));
        for n in 0..100 {
            stdout.piece(&Address::root(), n.to_string().as_bytes(), true);
        }
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            while all.len() < 290 {
                all.extend(receiver.recv().expect("the writer lives"));
            }
            all
        });
        assert!(stdout.finish());
        let expected = (0..100).map(|n| n.to_string() + "\n").collect::<Vec<_>>().concat();
        assert_eq!(String::from_utf8_lossy(&reader.join().expect("no panic")), expected);
    }

    #[test]
    fn incomplete_character_waits_for_its_other_bytes() {
        let mut escaped = Escaped { to: Vec::new(), cut: Vec::new() };
        for piece in [&b"a\xe2\x82"[..], b"\xacb\n\x1b[2J\xe2", b"\n"] {
            escaped.write_all(piece).expect("a vector takes all");
        }
        escaped.write_all(b"\xe2").expect("a vector takes all");
        escaped.end().expect("a vector takes all");
        assert_eq!(String::from_utf8_lossy(&escaped.to), "a\u{20ac}b\n\\u{1b}[2J\\xe2\n\\xe2");
    }

    /// The bytes written of these pieces: the writer, the text, and whether it ends the line.
    fn written(pieces: &[(&str, &str, bool)]) -> String {
        let (sender, receiver) = mpsc::sync_channel(100);
        let stdout = Stdout::to(Slow(sender), |_| Ok(()));
        for (from, piece, ends_line) in pieces {
            stdout.piece(&Address::parse(from).expect("an address"), piece.as_bytes(), *ends_line);
        }
        assert!(stdout.finish());
        String::from_utf8(receiver.try_iter().flatten().collect()).expect("text")
    }

    #[test]
    fn other_actor_begins_on_a_line_of_its_own() {
        let pieces =
            [("/a", "a1", false), ("/a", "a2", false), ("/b", "b", true), ("/a", "a3", true), ("/b", "", true)];
        assert_eq!(written(&pieces), "a1a2\nb\na3\n\n");
        assert_eq!(written(&[("/a", "a", false), ("/b", "b", false), ("/a", "c", false)]), "a\nb\nc");
    }

    #[test]
    fn end_of_the_output_adds_no_newline() {
        assert_eq!(written(&[("/a", "hello", false)]), "hello");
    }

    #[tokio::test]
    async fn writer_to_full_stdout_waits_for_space() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let stdout = Stdout::to(Slow(sender), |_| Ok(()));
        while !stdout.is_full() {
            stdout.piece(&Address::root(), &[b'x'; 1000], true);
        }
        let reader = std::thread::spawn(move || while receiver.recv().is_ok_and(|some| some.last() != Some(&b'!')) {});
        stdout.wait_space().await;
        assert!(!stdout.is_full());
        stdout.lock().waiting.push(b'!');
        stdout.filled.notify_one();
        reader.join().expect("no panic");
    }

    #[test]
    fn output_that_no_reader_takes_is_counted_when_given_up() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let stdout = Stdout::to(Slow(sender), |_| Ok(()));
        stdout.piece(&Address::root(), &b"x".repeat(3 * PIECE_BYTES), false);
        let finishing = std::thread::spawn({
            let stdout = stdout.clone();
            move || stdout.finish()
        });
        assert_eq!(receiver.recv().expect("the writer lives").len(), PIECE_BYTES);
        while stdout.waiting_bytes() > 2 * PIECE_BYTES as u64 {
            std::thread::yield_now();
        }
        stdout.give_up("too slow".to_owned());
        assert!(!finishing.join().expect("no panic"));
        stdout.piece(&Address::root(), b"more", true);
        let lost = (2 * PIECE_BYTES + "more\n".len()) as u64;
        assert_eq!((stdout.lost_bytes(), stdout.error().as_deref()), (lost, Some("too slow")));
    }

    #[test]
    fn closed_reader_causes_no_panic() {
        let (sender, receiver) = mpsc::sync_channel(0);
        drop(receiver);
        let stdout = Stdout::to(Slow(sender), |_| Ok(()));
        stdout.piece(&Address::root(), b"nobody reads this", true);
        assert!(!stdout.finish());
        assert_eq!((stdout.error(), stdout.is_closed()), (None, true));
        stdout.piece(&Address::root(), b"nor this", true);
        assert_eq!(stdout.lost_bytes(), "nobody reads this\nnor this\n".len() as u64);
    }
}
