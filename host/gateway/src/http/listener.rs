//! The port of a server: bound before the play starts, so that a port that is taken is a problem of the manifest, and kept over
//! crashes of the gateway's actor.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use parking_lot::Mutex;

/// Connections that wait until they are accepted.
const BACKLOG: i32 = 1024;

/// A bound port. Clones share it.
#[derive(Debug, Clone)]
pub struct HttpListener {
    /// With the port that the system chose.
    address: SocketAddr,
    socket: Arc<Mutex<Option<TcpListener>>>,
}

impl HttpListener {
    /// Binds an address.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = bind(address)?;
        Ok(Self { address: socket.local_addr()?, socket: Arc::new(Mutex::new(Some(socket))) })
    }

    /// The address, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Another descriptor of the same port, for one incarnation. Binds it again after an orderly stop. Call this within a
    /// runtime.
    pub(super) fn open(&self) -> io::Result<tokio::net::TcpListener> {
        let mut socket = self.socket.lock();
        let kept = match socket.take() {
            Some(kept) => kept,
            None => bind(self.address)?,
        };
        let opened = kept.try_clone();
        *socket = Some(kept);
        tokio::net::TcpListener::from_std(opened?)
    }

    /// Closes the port: connections are refused from now on.
    pub(super) fn close(&self) {
        *self.socket.lock() = None;
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpListener::bind(address)?;
    // The standard library asks for a shorter queue.
    rustix::net::listen(&socket, BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
