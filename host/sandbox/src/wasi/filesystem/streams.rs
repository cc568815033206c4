//! A file's bytes as streams: read from a position, written from a position, or appended. For a guest that does
//! not wait, each stream has at most one piece in progress.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use wasmtime::format_err;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

use super::files::Files;
use super::open::OpenFile;

/// The most bytes that are read, or written, in one call that waits.
pub(crate) const READ_BYTES: usize = 64 << 10;
/// The most bytes that are read ahead, or accepted to be written, in one call that does not wait.
const PIECE_BYTES: usize = 16 << 10;
/// Bytes that are read ahead when a guest polls before it names a size.
const FIRST_BYTES: usize = 4 << 10;

/// Reads a file.
pub(crate) struct Input {
    files: Arc<Files>,
    file: Arc<OpenFile>,
    position: u64,
    state: Reading,
}

enum Reading {
    Idle,
    UnderWay(AbortOnDropJoinHandle<io::Result<Vec<u8>>>),
    There(Bytes),
    Failed(io::Error),
    Closed,
}

impl Input {
    pub(crate) fn new(files: Arc<Files>, file: Arc<OpenFile>, position: u64) -> Self {
        Self { files, file, position, state: Reading::Idle }
    }

    fn begin(&mut self, most: usize) {
        let (files, file, position) = (self.files.clone(), self.file.clone(), self.position);
        let read = async move { files.run(move || file.read_at(most, position)).await };
        self.state = Reading::UnderWay(spawn(read));
    }

    fn is_read(&mut self, read: io::Result<Vec<u8>>) {
        self.state = match read {
            Ok(bytes) if bytes.is_empty() => Reading::Closed,
            Ok(bytes) => Reading::There(bytes.into()),
            Err(error) => Reading::Failed(error),
        };
    }

    async fn wait(&mut self) {
        if let Reading::UnderWay(read) = &mut self.state {
            let read = read.await;
            self.is_read(read);
        }
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        match &mut self.state {
            Reading::Idle if size > 0 => {
                self.begin(size.min(PIECE_BYTES));
                Ok(Bytes::new())
            }
            Reading::Idle | Reading::UnderWay(_) => Ok(Bytes::new()),
            Reading::There(bytes) => {
                let piece = bytes.split_to(bytes.len().min(size));
                if bytes.is_empty() {
                    self.state = Reading::Idle;
                }
                self.position += piece.len() as u64;
                Ok(piece)
            }
            Reading::Failed(_) => match std::mem::replace(&mut self.state, Reading::Closed) {
                Reading::Failed(error) => Err(StreamError::LastOperationFailed(error.into())),
                _ => Err(StreamError::Closed),
            },
            Reading::Closed => Err(StreamError::Closed),
        }
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.wait().await;
        if matches!(self.state, Reading::Idle) && size > 0 {
            let (file, position) = (self.file.clone(), self.position);
            let read = self.files.clone().run(move || file.read_at(size.min(READ_BYTES), position)).await;
            self.is_read(read);
        }
        self.read(size)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        if matches!(self.state, Reading::Idle) {
            self.begin(FIRST_BYTES);
        }
        self.wait().await;
    }
}

/// Writes to a file.
pub(crate) struct Output {
    files: Arc<Files>,
    file: Arc<OpenFile>,
    /// None to append.
    position: Option<u64>,
    state: Writing,
}

enum Writing {
    Idle,
    /// A write in progress, with its number of bytes.
    UnderWay(AbortOnDropJoinHandle<io::Result<()>>, usize),
    Failed(io::Error),
    Closed,
}

impl Output {
    pub(crate) fn new(files: Arc<Files>, file: Arc<OpenFile>, position: Option<u64>) -> Self {
        Self { files, file, position, state: Writing::Idle }
    }

    fn is_written(&mut self, written: io::Result<()>, bytes: usize) {
        self.state = match written {
            Ok(()) => {
                self.position = self.position.map(|position| position.saturating_add(bytes as u64));
                Writing::Idle
            }
            Err(error) => Writing::Failed(error),
        };
    }

    /// Whether the stream takes a further call. An error is returned once, and ends the stream.
    fn usable(&mut self) -> StreamResult<()> {
        match std::mem::replace(&mut self.state, Writing::Closed) {
            Writing::Failed(error) => Err(StreamError::LastOperationFailed(error.into())),
            Writing::Closed => Err(StreamError::Closed),
            state => {
                self.state = state;
                Ok(())
            }
        }
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if matches!(self.state, Writing::Closed) {
            return Err(StreamError::Closed);
        }
        if !matches!(self.state, Writing::Idle) || bytes.len() > PIECE_BYTES {
            let why = format_err!("a write to a file of more than check-write permitted");
            return Err(StreamError::Trap(why));
        }
        let (files, file, position, size) = (self.files.clone(), self.file.clone(), self.position, bytes.len());
        let write = async move { files.run(move || file.write_all(&bytes, position)).await };
        self.state = Writing::UnderWay(spawn(write), size);
        Ok(())
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.ready().await;
        self.usable()?;
        let (file, position, size) = (self.file.clone(), self.position, bytes.len());
        let written = self.files.clone().run(move || file.write_all(&bytes, position)).await;
        self.is_written(written, size);
        self.usable()
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.usable()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.usable()?;
        Ok(if matches!(self.state, Writing::Idle) { PIECE_BYTES } else { 0 })
    }

    /// Waits until the accepted bytes are written, unless the guest's time is over before.
    async fn cancel(&mut self) {
        self.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        if let Writing::UnderWay(write, size) = &mut self.state {
            let size = *size;
            let written = write.await;
            self.is_written(written, size);
        }
    }
}
