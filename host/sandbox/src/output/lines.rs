//! Standard output and error of an actor: cut into lines, and long lines into pieces, which go to the host at once.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use playhouse_kernel::HostWait;
use tokio::io::AsyncWrite;
use tracing::Level;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::meter::LogMeter;
use super::origin::Writer;
use super::receiver::Output;

/// Bytes of a line; a longer line comes in pieces.
const LINE_BYTES: usize = 64 << 10;
/// The permit of all handles of a stream together: the bytes that the guest may write before it calls `check-write` again.
const MOST_PERMITTED_BYTES: usize = 1 << 20;
/// The number of last lines on stderr that a crash report shows.
const TAIL_LINES: usize = 20;
/// Bytes of each of these lines that a crash report shows.
const TAIL_LINE_BYTES: usize = 1 << 10;

#[derive(Clone)]
pub(crate) enum Kind {
    /// Standard output. An actor's has a mark of the time in which the actor waits for the reader of the host's output.
    Stdout(Option<HostWait>),
    /// Standard error, with the meter that counts its lines.
    Stderr(Arc<LogMeter>),
}

/// One handle of one of the two streams of an incarnation. Clones write to the same stream.
pub(crate) struct Lines {
    stream: Arc<Stream>,
    /// The bytes that the guest may still write to this handle: the last result of `check-write` minus the bytes written since.
    permit: usize,
}

struct Stream {
    state: Mutex<State>,
    /// Whether the last line has no end yet.
    open: AtomicBool,
}

struct State {
    kind: Kind,
    from: Arc<Writer>,
    output: Arc<dyn Output>,
    /// The bytes of the line that has no end yet.
    partial: Vec<u8>,
    tail: VecDeque<String>,
    /// The sum of the permits of all handles.
    permitted: usize,
}

/// The error when a guest writes more than `check-write` permitted.
#[derive(Debug, thiserror::Error)]
#[error("{bytes} bytes written to {stream}, and `check-write` permitted {permit}")]
pub(crate) struct Unpermitted {
    bytes: usize,
    stream: &'static str,
    pub(crate) permit: usize,
}

impl Unpermitted {
    /// The limit that the guest exceeded.
    pub(crate) fn limit(&self) -> String {
        format!(
            "the {} bytes that `check-write` permitted to write to {} ({} bytes)",
            self.permit, self.stream, self.bytes
        )
    }
}

impl Lines {
    pub(crate) fn new(kind: Kind, from: Arc<Writer>, output: Arc<dyn Output>) -> Self {
        let (partial, tail) = (Vec::new(), VecDeque::new());
        let state = Mutex::new(State { kind, from, output, partial, tail, permitted: 0 });
        Self { stream: Arc::new(Stream { state, open: AtomicBool::new(false) }), permit: 0 }
    }

    /// Passes on the bytes of a line that has no end yet.
    pub(crate) fn finish(&self) {
        self.state().finish();
        self.stream.open.store(false, Relaxed);
    }

    /// Whether the last line has no end yet.
    pub(crate) fn is_open(&self) -> bool {
        self.stream.open.load(Relaxed)
    }

    /// The last lines written, oldest first. They are kept for stderr only.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.state().tail.iter().cloned().collect()
    }

    /// Whether both are handles of one stream.
    pub(super) fn is_same_stream(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.stream, &other.stream)
    }

    /// Whether the guest may write something.
    pub(super) fn is_permitted(&self) -> bool {
        self.permit > 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.stream.lock()
    }

    /// Raises the permit to the bytes of one line, as far as the permits of the stream's other handles allow.
    fn grant(&mut self) {
        let more = {
            let mut state = self.stream.lock();
            let more = (LINE_BYTES - self.permit).min(MOST_PERMITTED_BYTES - state.permitted);
            state.permitted += more;
            more
        };
        self.permit += more;
    }

    fn put(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.write(bytes);
        self.stream.open.store(!state.partial.is_empty(), Relaxed);
    }
}

impl Stream {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Lines {
    /// Another handle, with no permit.
    fn clone(&self) -> Self {
        Self { stream: self.stream.clone(), permit: 0 }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if self.permit > 0 {
            self.state().permitted -= self.permit;
        }
    }
}

impl State {
    fn write(&mut self, mut bytes: &[u8]) {
        loop {
            let space = LINE_BYTES - self.partial.len();
            // One byte more than fits, for the newline.
            let end = bytes.iter().take(space + 1).position(|&byte| byte == b'\n');
            match end {
                Some(end) => {
                    self.pass_on(&bytes[..end], true);
                    bytes = &bytes[end + 1..];
                }
                None if bytes.len() <= space => {
                    self.partial.extend_from_slice(bytes);
                    return;
                }
                None => {
                    self.pass_on(&bytes[..space], false);
                    bytes = &bytes[space..];
                }
            }
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.kind, Kind::Stdout(_)) && self.output.stdout_closed()
    }

    /// Passes on the kept bytes together with these bytes.
    fn pass_on(&mut self, bytes: &[u8], ends_line: bool) {
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
            self.pass_on(&[], false);
        }
    }

    fn piece(&mut self, piece: &[u8], ends_line: bool) {
        match &self.kind {
            Kind::Stdout(_) => self.output.stdout(&self.from.origin(), piece, ends_line),
            Kind::Stderr(meter) => {
                if self.tail.len() == TAIL_LINES {
                    self.tail.pop_front();
                }
                let shown = &piece[..piece.len().min(TAIL_LINE_BYTES)];
                self.tail.push_back(String::from_utf8_lossy(shown).into_owned());
                let actor = self.from.actor();
                if self.output.log_enabled(actor, Level::INFO) && meter.admit(piece.len(), actor, &self.output) {
                    self.output.stderr(&self.from.origin(), piece);
                }
            }
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.finish();
        if let Kind::Stderr(meter) = &self.kind {
            meter.say(self.from.actor(), &*self.output);
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
        if self.permit > 0 {
            return;
        }
        let waiting = {
            let state = self.state();
            match &state.kind {
                Kind::Stdout(wait) if state.output.stdout_full() => Some((state.output.clone(), wait.clone())),
                _ => None,
            }
        };
        match waiting {
            Some((output, Some(wait))) => wait.wait(output.wait_stdout_space()).await,
            Some((output, None)) => output.wait_stdout_space().await,
            None => {}
        }
        // The permit is granted here, since another actor may fill the output before the guest calls `check-write`.
        self.grant();
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let closed = self.state().is_closed();
        if !closed && bytes.len() > self.permit {
            let stream = if matches!(self.state().kind, Kind::Stdout(_)) { "stdout" } else { "stderr" };
            return Err(StreamError::Trap(Unpermitted { bytes: bytes.len(), stream, permit: self.permit }.into()));
        }
        let used = self.permit.min(bytes.len());
        self.permit -= used;
        self.state().permitted -= used;
        // Bytes for a closed stream are counted as lost.
        self.put(&bytes);
        if self.state().is_closed() {
            return Err(StreamError::Closed);
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let full = {
            let state = self.state();
            if state.is_closed() {
                return Err(StreamError::Closed);
            }
            matches!(state.kind, Kind::Stdout(_)) && state.output.stdout_full()
        };
        if !full {
            self.grant();
        }
        Ok(self.permit)
    }
}

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.put(bytes);
        if self.state().is_closed() {
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
    use playhouse_kernel::Address;

    use super::super::origin::LineOrigin;
    use super::*;

    fn writer() -> Arc<Writer> {
        Writer::new(Address::root(), "test".into(), Some(1))
    }

    #[derive(Default)]
    struct Kept(Mutex<Vec<(Vec<u8>, bool)>>);

    impl Output for Kept {
        fn stdout(&self, _: &LineOrigin<'_>, piece: &[u8], ends_line: bool) {
            self.0.lock().expect("no test panics here").push((piece.to_vec(), ends_line));
        }

        fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
    }

    /// The pieces, and whether each ends its line.
    fn pieces(writes: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let kept = Arc::new(Kept::default());
        let lines = Lines::new(Kind::Stdout(None), writer(), kept.clone());
        for bytes in writes {
            lines.put(bytes);
        }
        drop(lines);
        std::mem::take(&mut *kept.0.lock().expect("no test panics here"))
    }

    #[test]
    fn stream_of_closed_stdout_is_closed() {
        struct Closed;
        impl Output for Closed {
            fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
            fn stdout_closed(&self) -> bool {
                true
            }
            fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
        }
        let mut stdout = Lines::new(Kind::Stdout(None), writer(), Arc::new(Closed));
        assert!(matches!(stdout.check_write(), Err(StreamError::Closed)));
        assert!(matches!(OutputStream::write(&mut stdout, Bytes::from_static(b"x")), Err(StreamError::Closed)));
        let meter = Arc::new(LogMeter::new(&crate::Limits::default()));
        let mut stderr = Lines::new(Kind::Stderr(meter), writer(), Arc::new(Closed));
        assert!(stderr.check_write().is_ok());
    }

    #[test]
    fn lines_are_cut_at_newlines_for_all_ends_of_writes() {
        let pieces_of =
            |last| [("a", true), ("", true), ("bc", true), ("d", last)].map(|(line, ends)| (line.into(), ends));
        assert_eq!(pieces(&[b"a\n\nb", b"c", b"\n", b"d\n"]), pieces_of(true));
        assert_eq!(
            pieces(&[b"a\n\nb", b"c", b"\n", b"d"]),
            pieces_of(false),
            "no newline is added to a line without an end"
        );
        assert!(pieces(&[b""]).is_empty());
    }

    #[test]
    fn long_line_comes_in_pieces_and_full_line_in_one() {
        let full = vec![b'x'; LINE_BYTES];
        let first = (full.clone(), false);
        assert_eq!(pieces(&[&full, b"\n"]), [(full.clone(), true)]);
        assert_eq!(pieces(&[&full, b"y\n"]), [first.clone(), (b"y".into(), true)]);
        assert_eq!(pieces(&[&[&full[..], b"yy"].concat(), b"z"]), [first, (b"yyz".into(), false)]);
    }

    #[tokio::test]
    async fn write_beyond_the_permit_is_a_trap() {
        for kind in [Kind::Stdout(None), Kind::Stderr(Arc::new(LogMeter::new(&crate::Limits::default())))] {
            let stream = Lines::new(kind, writer(), Arc::new(Kept::default()));
            let written = |handle: &mut Lines, bytes: usize| handle.write(vec![b'x'; bytes].into());
            let mut handle = stream.clone();
            assert!(matches!(written(&mut handle, 1), Err(StreamError::Trap(_))), "nothing was permitted");
            assert_eq!(handle.check_write().unwrap(), LINE_BYTES);
            assert!(written(&mut handle, LINE_BYTES).is_ok() && written(&mut handle, 1).is_err());
            handle.ready().await;
            assert!(written(&mut handle, LINE_BYTES).is_ok());
            assert!(handle.write_zeroes(LINE_BYTES + 1).is_err());
            handle.blocking_write_and_flush(vec![b'x'; 3 * LINE_BYTES].into()).await.unwrap();
        }
    }

    #[test]
    fn handles_of_a_stream_share_what_is_permitted() {
        let stream = Lines::new(Kind::Stdout(None), writer(), Arc::new(Kept::default()));
        let mut handles = vec![stream; 100];
        let permitted: usize = handles.iter_mut().map(|handle| handle.check_write().unwrap()).sum();
        assert_eq!(permitted, MOST_PERMITTED_BYTES);
        handles.truncate(1);
        let mut other = handles[0].clone();
        assert_eq!(other.check_write().unwrap(), LINE_BYTES, "a dropped handle gives back its permit");
    }

    #[test]
    fn last_lines_of_stderr_are_kept_even_if_left_out() {
        let meter = Arc::new(LogMeter::new(&crate::Limits { log_lines: 5, ..crate::Limits::default() }));
        let lines = Lines::new(Kind::Stderr(meter), writer(), Arc::new(Kept::default()));
        for number in 0..30 {
            lines.put(format!("{number} {}\n", "x".repeat(2000)).as_bytes());
        }
        let tail = lines.tail();
        assert_eq!((tail.len(), tail[0].len()), (TAIL_LINES, TAIL_LINE_BYTES));
        assert!(tail[0].starts_with("10 ") && tail[19].starts_with("29 "));
    }
}
