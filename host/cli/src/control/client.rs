//! The side of the control socket that asks. Plain blocking reads and writes.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;

use super::protocol::{Refusal, Request, Response, decode_response, encode};

/// How long a host may take to accept a connection, and to say what it knows already.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a host may take to stop an actor: it answers after ten seconds at the latest.
const SETTLING: Duration = Duration::from_secs(20);
/// How long `start` waits: the host waits a minute for the outcome.
const STARTING: Duration = Duration::from_secs(70);

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
    /// Somebody else listens: what is said there may be for nobody else, and the answers may be anybody's.
    #[error(
        "the process that listens on `{path}` belongs to user {owner}, and you are user {me}: this may be no host of yours"
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who asks.
        me: u32,
    },
    /// The host went away, or refused this user.
    #[error("the host closed the connection before it answered; it may have ended")]
    Gone,
    /// It is there, and stays silent.
    #[error("the host did not answer within {0:?}; it may be stopped (Ctrl-Z), or have too much to do")]
    Silent(Duration),
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
        use ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
        let (sender, connected) = mpsc::channel();
        let wanted = path.to_owned();
        // A host that accepts nobody lets a connect wait for ever; the thread ends with this process.
        std::thread::spawn(move || sender.send(UnixStream::connect(wanted)));
        match connected.recv_timeout(PATIENCE).map_err(|_| ClientError::Silent(PATIENCE))? {
            Ok(stream) => {
                let unreachable =
                    |error: Errno| ClientError::Unreachable { path: path.to_owned(), error: error.into() };
                let owner = socket_peercred(&stream).map_err(unreachable)?.uid.as_raw();
                let me = rustix::process::geteuid().as_raw();
                if !is_ours(owner, me) {
                    return Err(ClientError::Foreign { path: path.to_owned(), owner, me });
                }
                Ok(Self { stream: BufReader::new(stream) })
            }
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory) => {
                Err(ClientError::NoHost(path.to_owned()))
            }
            Err(error) => Err(ClientError::Unreachable { path: path.to_owned(), error }),
        }
    }

    /// Sends a request and waits for the response.
    pub fn request(&mut self, request: &Request) -> Result<Response, ClientError> {
        let patience = match request {
            Request::Tree {}
            | Request::DeadLetters { .. }
            | Request::DeadLetter { .. }
            | Request::DropLetter { .. }
            | Request::DropLetters { .. } => Some(PATIENCE),
            Request::Stop { .. } => Some(SETTLING),
            Request::Start { .. } => Some(STARTING),
            // The host waits for an actor, as long as the manifest or the request says.
            Request::Tell { .. }
            | Request::Ask { .. }
            | Request::ReplayLetter { .. }
            | Request::ReplayLetters { .. } => None,
        };
        self.stream.get_ref().set_read_timeout(patience).map_err(|_| ClientError::Gone)?;
        // A host that refuses closes its side; what it said first is still there to read.
        let sent = self.stream.get_mut().write_all(&encode(request));
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        if let (Err(error), Some(patience)) = (&read, patience)
            && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        {
            return Err(ClientError::Silent(patience));
        }
        if read.is_err() || sent.is_err() && line.is_empty() || line.last() != Some(&b'\n') {
            return Err(ClientError::Gone);
        }
        match decode_response(&line).map_err(|error| ClientError::Nonsense(error.to_string()))? {
            Response::Error(refusal) => Err(refusal.into()),
            response => Ok(response),
        }
    }
}

/// Whether a process of `owner` may be this user's host: root may see to anybody's, and anybody's may run as root.
fn is_ours(owner: u32, me: u32) -> bool {
    owner == me || owner == 0 || me == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_another_user_is_told_nothing() {
        assert!(is_ours(5, 5) && is_ours(0, 5) && is_ours(5, 0));
        assert!(!is_ours(6, 5));
    }
}
