//! The stream of bytes below a connection.

use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes after its handshake.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}
