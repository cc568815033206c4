//! Stdin in chunks, read ahead of those who take them.

use std::io::Read;

use tokio::sync::mpsc;

/// Bytes read from stdin at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Maximum number of chunks that are read ahead.
const CHUNKS_AHEAD: usize = 4;

/// Stdin in chunks, read by a thread that ends with stdin or with the receiver.
pub(crate) fn read_ahead() -> mpsc::Receiver<std::io::Result<Vec<u8>>> {
    let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = match stdin.read(&mut chunk) {
                Ok(0) => return,
                Ok(read) => {
                    chunk.truncate(read);
                    Ok(chunk)
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    chunks
}
