//! Standard output and error of an actor: cut into lines, and long lines into pieces, handed to the host at once.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use playhouse_kernel::{Address, BoxFuture};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::log::{LeftOut, LogMeter};

/// Where the lines go that actors write. Called on the runtime's workers: it must not block.
pub trait Output: Send + Sync + 'static {
    /// A line of an actor's standard output without the newline, or a piece of a long one: the last piece of a line
    /// is the one that `ends_line`.
    fn stdout(&self, from: &Address, piece: &[u8], ends_line: bool);
    /// Whether an actor that writes to its standard output should wait. A write that has begun is still taken.
    fn stdout_full(&self) -> bool {
        false
    }
    /// Whether standard output takes nothing any more: the stream of an actor is closed then.
    fn stdout_closed(&self) -> bool {
        false
    }
    /// Resolves when [`Output::stdout_full`] may have become false. Waiting for it is not CPU time.
    fn stdout_room(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
    /// One line of an actor's standard error, without the newline. A long one comes as several.
    fn stderr(&self, from: &Address, line: &[u8]);
    /// More lines than that were written to it, and are left out. Said once for each second.
    fn left_out(&self, from: &Address, left_out: LeftOut) {
        tracing::warn!(target: "playhouse", address = %from, "{left_out}");
    }
}

/// A longer line is handed over in pieces.
const LINE_BYTES: usize = 64 << 10;
/// How many of the last lines on stderr a crash report shows.
const TAIL_LINES: usize = 20;
/// How much of each of them.
const TAIL_LINE_BYTES: usize = 1 << 10;

#[derive(Clone)]
pub(crate) enum Kind {
    Stdout,
    /// Whose lines count together.
    Stderr(Arc<LogMeter>),
}

/// One of the two streams of one incarnation. Clones write to the same one.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Mutex<State>>);

struct State {
    kind: Kind,
    from: Address,
    output: Arc<dyn Output>,
    /// The line that has no end yet.
    partial: Vec<u8>,
    tail: VecDeque<String>,
}

impl Lines {
    pub(crate) fn new(kind: Kind, from: Address, output: Arc<dyn Output>) -> Self {
        Self(Arc::new(Mutex::new(State { kind, from, output, partial: Vec::new(), tail: VecDeque::new() })))
    }

    /// Hands over the line that has no end yet.
    pub(crate) fn finish(&self) {
        self.state().finish();
    }

    /// The last lines written, oldest first. Kept for stderr only.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.state().tail.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, mut bytes: &[u8]) {
        loop {
            let room = LINE_BYTES - self.partial.len();
            // One more than fits, for the newline.
            let end = bytes.iter().take(room + 1).position(|&byte| byte == b'\n');
            match end {
                Some(end) => {
                    self.hand_over(&bytes[..end], true);
                    bytes = &bytes[end + 1..];
                }
                None if bytes.len() <= room => {
                    self.partial.extend_from_slice(bytes);
                    return;
                }
                None => {
                    self.hand_over(&bytes[..room], false);
                    bytes = &bytes[room..];
                }
            }
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.kind, Kind::Stdout) && self.output.stdout_closed()
    }

    /// Hands over what has been kept, and these bytes.
    fn hand_over(&mut self, bytes: &[u8], ends_line: bool) {
        if self.partial.is_empty() {
            return self.piece(bytes, ends_line);
        }
        let mut piece = std::mem::take(&mut self.partial);
        piece.extend_from_slice(bytes);
        self.piece(&piece, ends_line);
        piece.clear();
        self.partial = piece;
    }

    fn finish(&mut self) {
        if !self.partial.is_empty() {
            self.hand_over(&[], true);
        }
    }

    fn piece(&mut self, piece: &[u8], ends_line: bool) {
        match &self.kind {
            Kind::Stdout => self.output.stdout(&self.from, piece, ends_line),
            Kind::Stderr(meter) => {
                if self.tail.len() == TAIL_LINES {
                    self.tail.pop_front();
                }
                let shown = &piece[..piece.len().min(TAIL_LINE_BYTES)];
                self.tail.push_back(String::from_utf8_lossy(shown).into_owned());
                if meter.admit(piece.len(), &self.from, &self.output) {
                    self.output.stderr(&self.from, piece);
                }
            }
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.finish();
        if let Kind::Stderr(meter) = &self.kind {
            meter.say(&self.from, &*self.output);
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {
        let output = {
            let state = self.state();
            matches!(state.kind, Kind::Stdout).then(|| state.output.clone())
        };
        if let Some(output) = output {
            output.stdout_room().await;
        }
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut state = self.state();
        // Counted as lost there.
        state.write(&bytes);
        if state.is_closed() {
            return Err(StreamError::Closed);
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let state = self.state();
        if state.is_closed() {
            return Err(StreamError::Closed);
        }
        let full = matches!(state.kind, Kind::Stdout) && state.output.stdout_full();
        Ok(if full { 0 } else { LINE_BYTES })
    }
}

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        state.write(bytes);
        if state.is_closed() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<(Vec<u8>, bool)>>);

    impl Output for Kept {
        fn stdout(&self, _: &Address, piece: &[u8], ends_line: bool) {
            self.0.lock().expect("no test panics here").push((piece.to_vec(), ends_line));
        }

        fn stderr(&self, _: &Address, _: &[u8]) {}
    }

    /// The pieces, and whether each ends its line.
    fn pieces(writes: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let kept = Arc::new(Kept::default());
        let lines = Lines::new(Kind::Stdout, Address::root(), kept.clone());
        for bytes in writes {
            lines.state().write(bytes);
        }
        drop(lines);
        std::mem::take(&mut *kept.0.lock().expect("no test panics here"))
    }

    #[test]
    fn stream_of_closed_stdout_is_closed() {
        struct Closed;
        impl Output for Closed {
            fn stdout(&self, _: &Address, _: &[u8], _: bool) {}
            fn stdout_closed(&self) -> bool {
                true
            }
            fn stderr(&self, _: &Address, _: &[u8]) {}
        }
        let mut stdout = Lines::new(Kind::Stdout, Address::root(), Arc::new(Closed));
        assert!(matches!(stdout.check_write(), Err(StreamError::Closed)));
        assert!(matches!(OutputStream::write(&mut stdout, Bytes::from_static(b"x")), Err(StreamError::Closed)));
        let meter = Arc::new(LogMeter::new(&crate::Limits::default()));
        let mut stderr = Lines::new(Kind::Stderr(meter), Address::root(), Arc::new(Closed));
        assert!(stderr.check_write().is_ok());
    }

    #[test]
    fn lines_are_cut_at_newlines_wherever_the_writes_end() {
        let lines = ["a", "", "bc", "d"].map(|line| (line.into(), true));
        assert_eq!(pieces(&[b"a\n\nb", b"c", b"\n", b"d"]), lines);
        assert!(pieces(&[b""]).is_empty());
    }

    #[test]
    fn a_long_line_comes_in_pieces_and_a_full_one_in_one() {
        let full = vec![b'x'; LINE_BYTES];
        let first = (full.clone(), false);
        assert_eq!(pieces(&[&full, b"\n"]), [(full.clone(), true)]);
        assert_eq!(pieces(&[&full, b"y\n"]), [first.clone(), (b"y".into(), true)]);
        assert_eq!(pieces(&[&[&full[..], b"yy"].concat(), b"z"]), [first, (b"yyz".into(), true)]);
    }

    #[test]
    fn the_last_lines_of_stderr_are_kept_cut_to_size_even_if_they_are_left_out() {
        let meter = Arc::new(LogMeter::new(&crate::Limits { log_lines: 5, ..crate::Limits::default() }));
        let lines = Lines::new(Kind::Stderr(meter), Address::root(), Arc::new(Kept::default()));
        for number in 0..30 {
            lines.state().write(format!("{number} {}\n", "x".repeat(2000)).as_bytes());
        }
        let tail = lines.tail();
        assert_eq!((tail.len(), tail[0].len()), (TAIL_LINES, TAIL_LINE_BYTES));
        assert!(tail[0].starts_with("10 ") && tail[19].starts_with("29 "));
    }
}
