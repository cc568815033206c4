//! A slow reader for tests of writers to a terminal or a pipe.

use std::io::Write;
use std::sync::mpsc;

/// A writer that passes each write on, and waits until the test takes it.
pub(crate) struct Slow(pub(crate) mpsc::SyncSender<Vec<u8>>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let sent = self.0.send(bytes.to_vec());
        sent.map(|()| bytes.len()).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
