//! Real brokers for tests: each on a free port of the loopback, with a folder of its own, killed at the end. Also clients for them
//! that need no library, and a slow network.

#![allow(clippy::expect_used, clippy::missing_panics_doc)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Far longer than any step of a test takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Polls until `is` returns something.
pub fn wait_for<T>(what: &str, mut is: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = is() {
            return found;
        }
        assert!(Instant::now() < until, "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port of the loopback that was free just now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("playhouse-broker-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes the command of a server, with its folder and its port.
type Making = Box<dyn Fn(&Path, u16) -> Command + Send + Sync>;

/// A server of a kind.
pub struct Server {
    port: u16,
    child: Option<Child>,
    command: Making,
    is_up: fn(u16) -> bool,
    // After the child.
    folder: Folder,
}

impl Server {
    fn start(is_up: fn(u16) -> bool, command: impl Fn(&Path, u16) -> Command + Send + Sync + 'static) -> Self {
        let mut server =
            Self { port: free_port(), child: None, command: Box::new(command), is_up, folder: Folder::new() };
        // Another process may have taken the port in between.
        while !server.try_restart() {
            server.port = free_port();
        }
        server
    }

    fn try_restart(&mut self) -> bool {
        let mut command = (self.command)(&self.folder.0, self.port);
        let program = command.get_program().to_owned();
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let (port, is_up) = (self.port, self.is_up);
        let up = wait_for("the broker", || match child.try_wait().expect("our own child") {
            Some(_) => Some(false),
            None => is_up(port).then_some(true),
        });
        self.child = Some(child);
        up
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again with the same port and the same data.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.try_restart(), "the broker starts again on its port");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server of Redis, which loses nothing when it is killed.
pub fn redis(arguments: &[&str]) -> Server {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    // An error is an answer as well, such as that a password is needed.
    let is_up = |port| matches!(Redis::try_connect(port).map(|mut redis| redis.try_ask(&["PING"])), Some(Some(_)));
    Server::start(is_up, move |folder, port| {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--dir"]).arg(folder).args(&arguments);
        command
    })
}

/// A server of Redis that speaks TLS alone, with `cert.pem` and `key.pem` of a folder.
pub fn redis_with_tls(certificate: &Path, arguments: &[&str]) -> Server {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let (cert, key) = (certificate.join("cert.pem"), certificate.join("key.pem"));
    Server::start(
        |port| connect(port).is_some(),
        move |folder, port| {
            let mut command = Command::new("redis-server");
            command.args(["--bind", "127.0.0.1", "--port", "0", "--tls-port", &port.to_string(), "--save", ""]);
            command.args(["--appendonly", "yes", "--appendfsync", "always", "--tls-auth-clients", "no"]);
            command.arg("--tls-cert-file").arg(&cert).arg("--tls-key-file").arg(&key);
            command.arg("--tls-ca-cert-file").arg(&cert).arg("--dir").arg(folder).args(&arguments);
            command
        },
    )
}

/// A server of NATS with JetStream.
pub fn nats(arguments: &[&str]) -> Server {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let is_up = |port| Nats::try_connect(port).is_some();
    Server::start(is_up, move |folder, port| {
        let mut command = Command::new("nats-server");
        command.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(folder).args(&arguments);
        command
    })
}

fn connect(port: u16) -> Option<TcpStream> {
    let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// An answer of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A text, a number, or an error.
    Text(String),
    /// Nothing.
    Nil,
    /// Several answers.
    List(Vec<Reply>),
}

impl Reply {
    /// The text.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    /// The number.
    pub fn number(&self) -> u64 {
        self.text().parse().expect("a number")
    }

    /// The answers of a list; none for nothing.
    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(all) => all,
            Self::Nil => &[],
            Self::Text(text) => panic!("no list: {text}"),
        }
    }
}

/// A client of Redis.
pub struct Redis(BufReader<TcpStream>);

impl Redis {
    /// Connects to a server on the loopback.
    pub fn connect(port: u16) -> Self {
        Self::try_connect(port).expect("Redis is up")
    }

    fn try_connect(port: u16) -> Option<Self> {
        Some(Self(BufReader::new(connect(port)?)))
    }

    /// Sends a command, and returns its answer.
    pub fn ask(&mut self, words: &[&str]) -> Reply {
        self.try_ask(words).expect("an answer")
    }

    fn try_ask(&mut self, words: &[&str]) -> Option<Reply> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            let _ = write!(command, "${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(command.as_bytes()).ok()?;
        self.read()
    }

    fn read(&mut self) -> Option<Reply> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        let (kind, rest) = line.trim_end().split_at(1);
        Some(match kind {
            "$" | "*" if rest == "-1" => Reply::Nil,
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().ok()? + 2];
                self.0.read_exact(&mut bytes).ok()?;
                bytes.truncate(bytes.len() - 2);
                Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
            "*" => {
                let count: usize = rest.parse().ok()?;
                Reply::List((0..count).map(|_| self.read()).collect::<Option<_>>()?)
            }
            _ => Reply::Text(rest.to_owned()),
        })
    }
}

/// A client of NATS, which asks and waits for one answer.
pub struct Nats {
    port: u16,
    stream: BufReader<TcpStream>,
    asked: u64,
}

impl Nats {
    /// Connects to a server on the loopback.
    pub fn connect(port: u16) -> Self {
        Self::try_connect(port).expect("NATS is up")
    }

    fn try_connect(port: u16) -> Option<Self> {
        let mut stream = BufReader::new(connect(port)?);
        let mut info = String::new();
        stream.read_line(&mut info).ok().filter(|_| info.starts_with("INFO"))?;
        stream.get_mut().write_all(b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n").ok()?;
        Some(Self { port, stream, asked: 0 })
    }

    /// Publishes to a subject, and returns the answer: JSON for JetStream. A server closes connections that were silent for long:
    /// then another one is made.
    pub fn ask(&mut self, subject: &str, body: &str) -> String {
        if let Some(answer) = self.try_ask(subject, body) {
            return answer;
        }
        self.stream = Self::connect(self.port).stream;
        self.try_ask(subject, body).expect("NATS is up")
    }

    fn try_ask(&mut self, subject: &str, body: &str) -> Option<String> {
        self.asked += 1;
        let inbox = format!("_INBOX.{}.{:p}.{}", std::process::id(), self, self.asked);
        let (number, bytes) = (self.asked, body.len());
        let text = format!("SUB {inbox} {number}\r\nUNSUB {number} 1\r\nPUB {subject} {inbox} {bytes}\r\n{body}\r\n");
        self.stream.get_mut().write_all(text.as_bytes()).ok()?;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["MSG" | "HMSG", to, .., bytes] => {
                    let mut body = vec![0; bytes.parse::<usize>().ok()? + 2];
                    self.stream.read_exact(&mut body).ok()?;
                    if *to == inbox {
                        return Some(String::from_utf8_lossy(&body).trim_end().to_owned());
                    }
                }
                ["PING"] => self.stream.get_mut().write_all(b"PONG\r\n").ok()?,
                ["-ERR", ..] => return None,
                _ => {}
            }
        }
    }

    /// Makes a stream with one subject.
    pub fn make_stream(&mut self, name: &str, subject: &str) {
        let config = format!("{{\"name\":\"{name}\",\"subjects\":[\"{subject}\"],\"storage\":\"file\"}}");
        let made = self.ask(&format!("$JS.API.STREAM.CREATE.{name}"), &config);
        assert!(!made.contains("\"error\""), "{made}");
    }

    /// Makes a durable pull consumer. `more`: keys of its configuration.
    pub fn make_consumer(&mut self, stream: &str, name: &str, more: &str) {
        let config = format!(
            "{{\"stream_name\":\"{stream}\",\"config\":{{\"durable_name\":\"{name}\",\"ack_policy\":\"explicit\",\
             \"deliver_policy\":\"all\",\"replay_policy\":\"instant\"{more}}}}}"
        );
        let made = self.ask(&format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{name}"), &config);
        assert!(!made.contains("\"error\""), "{made}");
    }

    /// A number of the state of a consumer, such as `num_ack_pending`.
    pub fn consumer_number(&mut self, stream: &str, name: &str, key: &str) -> u64 {
        number(&self.ask(&format!("$JS.API.CONSUMER.INFO.{stream}.{name}"), ""), key)
    }

    /// The body of a message in a stream, by its number.
    pub fn body(&mut self, stream: &str, number: u64) -> String {
        let message = self.ask(&format!("$JS.API.STREAM.MSG.GET.{stream}"), &format!("{{\"seq\":{number}}}"));
        let (_, rest) = message.split_once("\"data\":\"").unwrap_or_else(|| panic!("no body in {message}"));
        from_base64(rest.split('"').next().unwrap_or_default())
    }

    /// Number of messages in a stream.
    pub fn messages(&mut self, stream: &str) -> u64 {
        number(&self.ask(&format!("$JS.API.STREAM.INFO.{stream}"), ""), "messages")
    }
}

fn from_base64(text: &str) -> String {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|byte| *byte != b'=').map(digit).collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits = four.iter().enumerate().fold(0, |bits, (n, digit)| bits | digit << (18 - 6 * n));
        bits.to_be_bytes()[1..four.len()].to_vec()
    });
    String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
}

/// The first number in a JSON text with this key.
fn number(json: &str, key: &str) -> u64 {
    let (_, rest) = json.split_once(&format!("\"{key}\":")).unwrap_or_else(|| panic!("no {key} in {json}"));
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

/// A network between a client and a server that delays, and may be cut.
pub struct SlowNetwork {
    port: u16,
    delay_ms: Arc<AtomicU64>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl SlowNetwork {
    /// A way to the server on this port, on which each piece of data takes this time.
    pub fn to(server: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let delay_ms = Arc::new(AtomicU64::new(delay.as_millis() as u64));
        let connections: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let (delays, open) = (delay_ms.clone(), connections.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Some(server) = connect(server) else { continue };
                let both = |one: &TcpStream| one.try_clone().expect("a second handle");
                open.lock().expect("not poisoned").extend([both(&client), both(&server)]);
                for (from, to) in [(both(&client), both(&server)), (server, client)] {
                    let delays = delays.clone();
                    std::thread::spawn(move || forward(from, to, &delays));
                }
            }
        });
        Self { port, delay_ms, connections }
    }

    /// Its port, for clients.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the delay.
    pub fn set_delay(&self, delay: Duration) {
        self.delay_ms.store(delay.as_millis() as u64, Relaxed);
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for connection in self.connections.lock().expect("not poisoned").drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, delay_ms: &AtomicU64) {
    let mut piece = vec![0; 16 << 10];
    while let Ok(bytes) = from.read(&mut piece)
        && bytes > 0
    {
        std::thread::sleep(Duration::from_millis(delay_ms.load(Relaxed)));
        if to.write_all(&piece[..bytes]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
