//! The side of the control socket that asks. Plain blocking reads and writes.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::protocol::{Refusal, Request, Response, decode_response, encode};

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "no host is running here (no socket at `{0}`): start one with `playhouse run`, or name its socket with --socket"
    )]
    NoHost(PathBuf),
    /// Somebody may listen, and cannot be reached.
    #[error("the host's socket `{path}` cannot be reached: {error}")]
    Unreachable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The host went away, or refused this user.
    #[error("the host closed the connection before it answered; it may have ended")]
    Gone,
    /// Not a host of this version.
    #[error("the host's answer makes no sense ({0}): use the same `playhouse` for both")]
    Nonsense(String),
    /// It did not do it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A connection to a running host.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the host that listens on `path`.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        use std::io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
        match UnixStream::connect(path) {
            Ok(stream) => Ok(Self { stream: BufReader::new(stream) }),
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory) => {
                Err(ClientError::NoHost(path.to_owned()))
            }
            Err(error) => Err(ClientError::Unreachable { path: path.to_owned(), error }),
        }
    }

    /// Sends a request and waits for the response.
    pub fn request(&mut self, request: &Request) -> Result<Response, ClientError> {
        // A host that refuses closes its side; what it said first is still there to read.
        let sent = self.stream.get_mut().write_all(&encode(request));
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        if read.is_err() || sent.is_err() && line.is_empty() || line.last() != Some(&b'\n') {
            return Err(ClientError::Gone);
        }
        match decode_response(&line).map_err(|error| ClientError::Nonsense(error.to_string()))? {
            Response::Error(refusal) => Err(refusal.into()),
            response => Ok(response),
        }
    }
}
