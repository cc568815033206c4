//! A stream of an instance that several actors share: it writes to the lines of the actor that calls.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::lines::Lines;

/// The lines of the actor that calls. Clones are handles of the same stream.
#[derive(Clone)]
pub(crate) struct CurrentLines(Arc<Mutex<Lines>>);

impl CurrentLines {
    pub(crate) fn new(first: &Lines) -> Self {
        Self(Arc::new(Mutex::new(first.clone())))
    }

    /// Lets what follows go to these lines. The permit of `check-write` is void when they change.
    pub(crate) fn set(&self, lines: &Lines) {
        let mut current = self.lock();
        if !current.is_same_stream(lines) {
            *current = lines.clone();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsTerminal for CurrentLines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for CurrentLines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for CurrentLines {
    async fn ready(&mut self) {
        if self.lock().is_permitted() {
            return;
        }
        let mut lines = self.lock().clone();
        lines.ready().await;
        *self.lock() = lines;
    }
}

impl OutputStream for CurrentLines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.lock().flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.lock().check_write()
    }
}

impl AsyncWrite for CurrentLines {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
