//! The client's side of the control socket: blocking reads and writes, each with the client's own deadline, so that a host that
//! is stopped or stuck never makes a command hang.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;

use playhouse_runtime::control::protocol::{
    CLOSED_IDLE, FOREIGN_USER, Refusal, Request, Response, decode_response, encode,
};
use playhouse_runtime::control::socket::{self, SocketError};

/// Time that a host may stay silent: before it accepts a connection, while it does not read, and before it answers or reports
/// that it still works on the request, which it does every two seconds.
const SILENCE: Duration = Duration::from_secs(10);
/// Time for the answer about the host's health: the kernel has a second, and the answer as long once more. A host that does not
/// answer in this time is not healthy.
const HEALTH: Duration = Duration::from_secs(2);
/// Additional time after which the client gives up on an ask: the error of the host comes first, and has more details.
const GRACE: Duration = Duration::from_secs(1);
/// How often a request is sent again after the host closed the connection as idle, in which case it was not done.
const RECONNECTS: u32 = 20;

/// The reason why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No process listens.
    #[error(
        "no host is running here (no socket at `{0}`): start one with `playhouse run`, or name its socket with --socket"
    )]
    NoHost(PathBuf),
    /// A process may listen, but cannot be reached.
    #[error("the host's socket `{path}` cannot be reached: {error}")]
    Unreachable {
        /// The path of the socket.
        path: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
    /// A process of another user listens: it must not get the request, and its answers cannot be trusted.
    #[error(
        "the process that listens on `{path}` belongs to user {owner}, and you are user {me}: this may be no host of yours"
    )]
    Foreign {
        /// The path of the socket.
        path: PathBuf,
        /// The owner.
        owner: u32,
        /// The client's user.
        me: u32,
    },
    /// The socket belongs to another user, and this one may not connect.
    #[error(
        "the socket `{path}` belongs to user {owner}, and you are user {me}: run this as user {owner}, or name a socket of your own with --socket"
    )]
    OtherUser {
        /// The path of the socket.
        path: PathBuf,
        /// The owner of the socket, or of its folder.
        owner: u32,
        /// The client's user.
        me: u32,
    },
    /// The host went away.
    #[error(
        "the host closed the connection before it answered; it may have ended, and the request may have taken effect"
    )]
    Gone,
    /// It is there, and stays silent.
    #[error(
        "the host that listens on `{path}`{} did not answer within {waited:?}{}: it may be stopped (then `kill -CONT` its process), or have too much to do", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), if *may_take_effect { ", and the request may still take effect" } else { "" }
    )]
    Silent {
        /// Its socket.
        path: PathBuf,
        /// Its process, as far as that is known.
        pid: Option<i32>,
        /// The time that the host had.
        waited: Duration,
        /// The host may have the request, and it changes something.
        may_take_effect: bool,
    },
    /// No socket can have this path.
    #[error(transparent)]
    Path(SocketError),
    /// Not a host of this version.
    #[error("the host's answer makes no sense ({0}): use the same `playhouse` for both")]
    Nonsense(String),
    /// The host did not do the request.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A connection to a running host.
#[derive(Debug)]
pub(crate) struct Client {
    path: PathBuf,
    /// The host's process.
    pid: i32,
    stream: UnixStream,
    /// The user of the host, if it is another one: then this one only looks.
    foreign: Option<u32>,
    /// Bytes after the last response.
    read: Vec<u8>,
}

/// The time that a request has.
#[derive(Clone, Copy)]
struct Time {
    /// Time in which some bytes must come from the host.
    silence: Duration,
    /// Time for the whole request.
    total: Option<Duration>,
    began: Instant,
    /// The request changes something.
    changes: bool,
}

impl Time {
    fn new(request: &Request) -> Self {
        let total = match request {
            Request::Ask { timeout_ms, .. } => Some(Duration::from_millis(*timeout_ms).saturating_add(GRACE)),
            Request::Health {} => Some(HEALTH),
            // The host answers these requests at once.
            Request::Tree {}
            | Request::Why { .. }
            | Request::Limit { .. }
            | Request::DeadLetters { .. }
            | Request::DeadLetter { .. }
            | Request::StateKeys { .. }
            | Request::StateValue { .. }
            | Request::StateEntries { .. }
            | Request::LogLevels {}
            | Request::SetLogLevel(_)
            | Request::ResetLogLevel { .. } => Some(SILENCE),
            // The host reads a store of any size, or waits for its disk.
            Request::StoreInfo {}
            | Request::CheckStore {}
            | Request::BackUpStore { .. }
            | Request::Mailboxes {}
            | Request::Messages { .. }
            | Request::DropMessages { .. }
            | Request::ImportMessages { .. }
            | Request::DropLetter { .. }
            | Request::DropLetters { .. }
            // The host waits for an actor, within the limits of the manifest.
            | Request::Stop { .. }
            | Request::Start { .. }
            | Request::Tell { .. }
            | Request::TellAll { .. }
            | Request::ReplayLetter { .. }
            | Request::ReplayLetters { .. }
            // The host waits for the disk.
            | Request::ChangeState { .. }
            // A response of many lines.
            | Request::Logs(_) => None,
        };
        let changes = !matches!(
            request,
            Request::Tree {}
                | Request::Why { .. }
                | Request::Health {}
                | Request::Logs(_)
                | Request::Limit { .. }
                | Request::DeadLetters { .. }
                | Request::DeadLetter { .. }
                | Request::StateKeys { .. }
                | Request::StateValue { .. }
                | Request::StateEntries { .. }
                | Request::StoreInfo {}
                | Request::CheckStore {}
                | Request::Mailboxes {}
                | Request::Messages { .. }
                | Request::LogLevels {}
        );
        Self { silence: SILENCE, total, began: Instant::now(), changes }
    }

    /// Time for the next step; `None` when the time is over.
    fn left(&self) -> Option<Duration> {
        let Some(total) = self.total else { return Some(self.silence) };
        let left = total.checked_sub(self.began.elapsed()).filter(|left| !left.is_zero())?;
        Some(left.min(self.silence))
    }

    /// The limit that a host without an answer exceeded.
    fn bound(&self) -> Duration {
        self.total.map_or(self.silence, |total| total.min(self.silence))
    }
}

impl Client {
    /// Connects to the host that listens on `path`.
    pub(crate) fn connect(path: &Path) -> Result<Self, ClientError> {
        Self::connect_within(path, SILENCE)
    }

    /// Like [`Client::connect`], within the time of `request`.
    pub(crate) fn connect_for(path: &Path, request: &Request) -> Result<Self, ClientError> {
        Self::connect_within(path, Time::new(request).bound())
    }

    fn connect_within(path: &Path, time: Duration) -> Result<Self, ClientError> {
        use ErrorKind::{ConnectionRefused, NotADirectory, NotFound, PermissionDenied};
        socket::check_length(path).map_err(ClientError::Path)?;
        let (sender, connected) = mpsc::channel();
        let wanted = path.to_owned();
        // A connect to a host that accepts no connection waits for ever; the thread ends with this process.
        std::thread::spawn(move || sender.send(UnixStream::connect(wanted)));
        let silent = |_| ClientError::Silent { path: path.to_owned(), pid: None, waited: time, may_take_effect: false };
        match connected.recv_timeout(time).map_err(silent)? {
            Ok(stream) => {
                let unreachable =
                    |error: Errno| ClientError::Unreachable { path: path.to_owned(), error: error.into() };
                let peer = socket_peercred(&stream).map_err(unreachable)?;
                let (owner, me) = (peer.uid.as_raw(), rustix::process::geteuid().as_raw());
                let foreign = if is_ours(owner, me) { None } else { Some(owner) };
                if foreign.is_some() && !is_for_readers(path, owner) {
                    return Err(ClientError::Foreign { path: path.to_owned(), owner, me });
                }
                let pid = peer.pid.as_raw_nonzero().get();
                Ok(Self { path: path.to_owned(), pid, stream, foreign, read: Vec::new() })
            }
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory) => {
                Err(ClientError::NoHost(path.to_owned()))
            }
            Err(error) => {
                let me = rustix::process::geteuid().as_raw();
                match owner_of(path).filter(|owner| error.kind() == PermissionDenied && *owner != me) {
                    Some(owner) => Err(ClientError::OtherUser { path: path.to_owned(), owner, me }),
                    None => Err(ClientError::Unreachable { path: path.to_owned(), error }),
                }
            }
        }
    }

    /// Sends a request and waits for the response within the time of the request. A connection that the host closed as idle is
    /// opened again.
    pub(crate) fn request(&mut self, request: &Request) -> Result<Response, ClientError> {
        self.request_within(request, request)
    }

    /// Like [`Client::request`], for a request that prepares `other`, within the time of `other`.
    pub(crate) fn request_within(&mut self, request: &Request, other: &Request) -> Result<Response, ClientError> {
        if let Some(owner) = self.foreign.filter(|_| request.has_data()) {
            let me = rustix::process::geteuid().as_raw();
            return Err(ClientError::Foreign { path: self.path.clone(), owner, me });
        }
        let time = Time { changes: Time::new(request).changes, ..Time::new(other) };
        let line = encode(request);
        let mut reconnects = 0;
        loop {
            match self.exchange(&line, &time) {
                Err(ClientError::Refused(refusal)) if refusal.kind == CLOSED_IDLE && reconnects < RECONNECTS => {
                    reconnects += 1;
                    let left = time.left().ok_or_else(|| self.silent(&time))?;
                    *self = Self::connect_within(&self.path, left)?;
                }
                done => return done,
            }
        }
    }

    /// Sends a request with a response of many lines, and passes on whole lines as they come, until `each` says that the last
    /// one was there.
    pub(crate) fn stream<E: From<ClientError>>(
        &mut self,
        request: &Request,
        mut each: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        let time = Time::new(request);
        self.send(&encode(request), &time)?;
        while !each(&self.receive_until(&time, memchr::memrchr)?)? {}
        Ok(())
    }

    fn exchange(&mut self, line: &[u8], time: &Time) -> Result<Response, ClientError> {
        // A host that refuses closes its side; its error can still be read.
        let sent = match self.send(line, time) {
            Err(ClientError::Silent { .. }) => return Err(self.silent(time)),
            sent => sent,
        };
        loop {
            let line = match self.receive(time) {
                Err(ClientError::Gone) => return Err(sent.err().unwrap_or(ClientError::Gone)),
                line => line?,
            };
            match decode_response(&line).map_err(|error| ClientError::Nonsense(error.to_string()))? {
                Response::Working {} => {}
                Response::Error(refusal) => return Err(refusal.into()),
                response => return Ok(response),
            }
        }
    }

    fn send(&mut self, mut bytes: &[u8], time: &Time) -> Result<(), ClientError> {
        while !bytes.is_empty() {
            let left = time.left().ok_or_else(|| self.silent(time))?;
            self.stream.set_write_timeout(Some(left)).map_err(|_| ClientError::Gone)?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(ClientError::Gone),
                Ok(written) => bytes = &bytes[written..],
                Err(error) => self.passes(&error, time)?,
            }
        }
        Ok(())
    }

    /// The next line.
    fn receive(&mut self, time: &Time) -> Result<Vec<u8>, ClientError> {
        self.receive_until(time, memchr::memchr)
    }

    /// The bytes up to a line end that `find` finds.
    fn receive_until(&mut self, time: &Time, find: fn(u8, &[u8]) -> Option<usize>) -> Result<Vec<u8>, ClientError> {
        let (mut searched, mut chunk) = (0, vec![0; 64 << 10]);
        loop {
            if let Some(at) = find(b'\n', &self.read[searched..]) {
                let rest = self.read.split_off(searched + at + 1);
                return Ok(std::mem::replace(&mut self.read, rest));
            }
            searched = self.read.len();
            let left = time.left().ok_or_else(|| self.silent(time))?;
            self.stream.set_read_timeout(Some(left)).map_err(|_| ClientError::Gone)?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ClientError::Gone),
                Ok(read) => self.read.extend_from_slice(&chunk[..read]),
                Err(error) => self.passes(&error, time)?,
            }
        }
    }

    /// Whether to try again after this error.
    fn passes(&self, error: &std::io::Error, time: &Time) -> Result<(), ClientError> {
        match error.kind() {
            ErrorKind::Interrupted => Ok(()),
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(self.silent(time)),
            _ => Err(ClientError::Gone),
        }
    }

    fn silent(&self, time: &Time) -> ClientError {
        let (path, waited, may_take_effect) = (self.path.clone(), time.bound(), time.changes);
        ClientError::Silent { path, pid: Some(self.pid), waited, may_take_effect }
    }
}

/// Whether a process of `owner` may be this user's host. Root may use the host of any user, and a user's host may run as root.
fn is_ours(owner: u32, me: u32) -> bool {
    owner == me || owner == 0 || me == 0
}

/// Whether the socket of another user's host is one that its owner has opened to a group of readers.
fn is_for_readers(path: &Path, owner: u32) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.uid() == owner && found.mode() & 0o666 == 0o660)
}

/// The owner of a path, or of the nearest folder above it that can be read.
fn owner_of(path: &Path) -> Option<u32> {
    path.ancestors().find_map(|path| std::fs::symlink_metadata(path).ok()).map(|found| found.uid())
}

impl ClientError {
    /// Whether there is no host for this user.
    pub(crate) fn is_no_host(&self) -> bool {
        match self {
            Self::NoHost(_) | Self::Unreachable { .. } | Self::Foreign { .. } | Self::OtherUser { .. } => true,
            Self::Refused(refusal) => refusal.kind == FOREIGN_USER,
            Self::Gone | Self::Silent { .. } | Self::Nonsense(_) | Self::Path(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use playhouse_runtime::control::protocol::Body;
    use playhouse_runtime::{Address, Play};
    use std::os::unix::net::UnixListener;

    #[test]
    fn host_of_another_user_gets_no_request() {
        assert!(is_ours(5, 5) && is_ours(0, 5) && is_ours(5, 0));
        assert!(!is_ours(6, 5));
    }

    fn ask(bytes: usize) -> Request {
        let to = Address::parse("/a").expect("good");
        Request::Ask { to, body: Body(vec![b'x'; bytes]), timeout_ms: 1 }
    }

    /// Maximum number of connections of a host.
    const CONNECTIONS: usize = 256;

    #[tokio::test]
    async fn idle_connections_lock_out_no_client_and_continue() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let play = Play::of_natives("test").control_socket(&path).start().await.expect("a sound play");
        let said = tokio::task::spawn_blocking(move || {
            let mut others: Vec<_> = (0..CONNECTIONS).map(|_| Client::connect(&path).expect("it listens")).collect();
            // An incomplete request leaves the connection idle.
            let mut half = UnixStream::connect(&path).expect("it listens");
            half.write_all(b"{").expect("it is there");
            let one_more = Client::connect(&path).expect("it listens").request(&Request::Tree {});
            let first = others[0].request(&Request::Tree {});
            [one_more, first]
        });
        let said = said.await.expect("no panic");
        assert!(said.iter().all(|said| matches!(said, Ok(Response::Tree(_)))), "{said:?}");
        play.stop().await;
    }

    #[test]
    fn host_of_another_user_gets_no_data_of_a_reader() {
        let (stream, _host) = UnixStream::pair().expect("a pair");
        let mut client = Client { path: "s".into(), pid: 1, stream, foreign: Some(5), read: Vec::new() };
        assert!(matches!(client.request(&ask(1)), Err(ClientError::Foreign { owner: 5, .. })));
    }

    #[test]
    fn refusal_of_another_user_counts_as_no_host() {
        assert!(ClientError::Refused(Refusal::new(FOREIGN_USER, "not yours")).is_no_host());
        assert!(!ClientError::Refused(Refusal::new("refused", "later")).is_no_host());
    }

    #[test]
    fn client_gives_up_on_a_silent_host() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let _listener = UnixListener::bind(&path).expect("bound");
        // The second body does not fit into the socket's buffer.
        for bytes in [0, 8 << 20] {
            let request = ask(bytes);
            let began = Instant::now();
            let said = Client::connect_for(&path, &request).expect("its backlog takes it").request(&request);
            let error = said.expect_err("nobody answers");
            assert!(matches!(&error, ClientError::Silent { pid: Some(_), .. }), "{error}");
            assert!(error.to_string().contains(path.to_str().expect("text")), "{error}");
            assert!(error.to_string().contains("the request may still take effect"), "{error}");
            assert!(began.elapsed() >= GRACE);
        }
    }

    #[test]
    fn request_is_sent_again_after_connection_is_closed_as_idle() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).expect("bound");
        let host = std::thread::spawn(move || {
            let (mut first, _) = listener.accept().expect("a client");
            let idle = Response::Error(Refusal::new(CLOSED_IDLE, "others wait"));
            first.write_all(&encode(&idle)).expect("it is there");
            drop(first);
            let (mut second, _) = listener.accept().expect("it comes again");
            let mut request = [0; 1024];
            let read = second.read(&mut request).expect("a request");
            let told = [Response::Working {}, Response::Told { id: "1".into() }];
            second.write_all(&told.map(|response| encode(&response)).concat()).expect("it is there");
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let mut client = Client::connect(&path).expect("it listens");
        let to = Address::parse("/a").expect("good");
        let said = client.request(&Request::Tell { to, body: Body::default(), key: None });
        assert!(matches!(said, Ok(Response::Told { .. })), "{said:?}");
        assert!(host.join().expect("no panic").contains("\"request\":\"tell\""));
    }

    #[test]
    fn path_that_no_socket_can_have_is_said_as_by_run() {
        let path = Path::new("/tmp").join("x".repeat(200));
        let error = Client::connect(&path).expect_err("no socket can be there");
        let said = socket::listen(&path).map(drop).expect_err("nor made there");
        assert_eq!((error.to_string(), error.is_no_host()), (said.to_string(), false));
    }

    #[test]
    fn read_only_request_cannot_take_effect_later() {
        let time = |request: &Request| Time::new(request).changes;
        assert!(!time(&Request::Tree {}) && time(&ask(0)));
        assert!(time(&Request::Stop { address: Address::parse("/a").expect("good") }));
    }

    #[test]
    fn owner_is_found_where_the_socket_itself_cannot_be_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let me = rustix::process::geteuid().as_raw();
        assert_eq!(owner_of(&folder.path().join("no/such/socket")), Some(me));
        let error = ClientError::OtherUser { path: "s".into(), owner: 5, me: 6 };
        assert!(error.is_no_host() && error.to_string().contains("belongs to user 5, and you are user 6"));
    }
}
