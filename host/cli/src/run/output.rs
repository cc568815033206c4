//! Where guests' output goes: stdout through one writer thread, stderr into the log. What waits for a slow
//! stdout is bounded; a guest that writes more waits as well.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use playhouse_kernel::Address;
use playhouse_sandbox::Output;
use tokio::sync::Notify;

/// Most bytes that wait for stdout.
const WAITING_BYTES: usize = 1 << 20;

/// Guests' stdout, on its way. Lines of one actor keep their order. The thread writes whatever has come while
/// it wrote the last time: much output makes large writes, little output is written at once.
pub(crate) struct Stdout {
    pipe: Mutex<Pipe>,
    /// Told when there is something to write, or nothing more to come.
    filled: Condvar,
    /// Told when there is room again, or all is written.
    emptied: Condvar,
    /// Told when nobody reads any more.
    closed: Notify,
}

#[derive(Default)]
struct Pipe {
    waiting: Vec<u8>,
    /// The thread is in the middle of a write.
    writing: bool,
    closed: bool,
}

impl Stdout {
    /// Starts the thread that writes to `to`.
    pub(crate) fn to(mut to: impl Write + Send + 'static) -> Arc<Self> {
        let stdout = Arc::new(Self {
            pipe: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            closed: Notify::new(),
        });
        let shared = stdout.clone();
        std::thread::spawn(move || shared.write_to(&mut to));
        stdout
    }

    fn write_to(&self, to: &mut impl Write) {
        let mut chunk = Vec::new();
        loop {
            {
                let mut pipe = self.lock();
                pipe.writing = false;
                self.emptied.notify_all();
                while pipe.waiting.is_empty() {
                    pipe = self.filled.wait(pipe).unwrap_or_else(PoisonError::into_inner);
                }
                chunk.clear();
                std::mem::swap(&mut chunk, &mut pipe.waiting);
                pipe.writing = true;
            }
            if to.write_all(&chunk).and_then(|()| to.flush()).is_err() {
                let mut pipe = self.lock();
                pipe.closed = true;
                pipe.writing = false;
                pipe.waiting = Vec::new();
                self.emptied.notify_all();
                self.closed.notify_one();
                return;
            }
        }
    }

    /// Adds a line. Waits while too much waits already; drops it when nobody reads any more.
    pub(crate) fn line(&self, line: &[u8]) {
        let mut pipe = self.lock();
        if pipe.waiting.len() >= WAITING_BYTES && !pipe.closed {
            drop(pipe);
            // A guest writes from one of Tokio's workers, whose other tasks must go on.
            tokio::task::block_in_place(|| {
                let full = |pipe: &mut Pipe| pipe.waiting.len() >= WAITING_BYTES && !pipe.closed;
                drop(self.emptied.wait_while(self.lock(), full));
            });
            pipe = self.lock();
        }
        if !pipe.closed {
            pipe.waiting.extend_from_slice(line);
            pipe.waiting.push(b'\n');
            self.filled.notify_one();
        }
    }

    /// Waits until all is written, or nobody reads any more. False in the second case.
    pub(crate) fn finish(&self) -> bool {
        let busy = |pipe: &mut Pipe| !pipe.closed && (pipe.writing || !pipe.waiting.is_empty());
        let pipe = self.emptied.wait_while(self.lock(), busy).unwrap_or_else(PoisonError::into_inner);
        !pipe.closed
    }

    /// Resolves when nobody reads any more.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Pipe> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The [`Output`] of all actors.
pub(crate) struct GuestOutput(pub Arc<Stdout>);

impl Output for GuestOutput {
    fn stdout(&self, _from: &Address, line: &[u8]) {
        self.0.line(line);
    }

    fn stderr(&self, from: &Address, line: &[u8]) {
        tracing::info!(target: "playhouse::guest", address = %from, "{}", String::from_utf8_lossy(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Hands each write over, and waits until it is taken.
    struct Slow(mpsc::SyncSender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let sent = self.0.send(bytes.to_vec());
            sent.map(|()| bytes.len()).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_keep_their_order_and_all_are_written() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let stdout = Stdout::to(Slow(sender));
        for n in 0..100 {
            stdout.line(n.to_string().as_bytes());
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
    fn a_reader_that_is_gone_is_no_panic() {
        let (sender, receiver) = mpsc::sync_channel(0);
        drop(receiver);
        let stdout = Stdout::to(Slow(sender));
        stdout.line(b"nobody reads this");
        assert!(!stdout.finish());
        stdout.line(b"nor this");
    }
}
