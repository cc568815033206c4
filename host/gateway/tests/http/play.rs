//! A play with an HTTP gateway, and a client that writes bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use playhouse_gateway::http::{
    self, Action, HttpBounds, HttpListener, HttpRoute, HttpSettings, MetaItem, PathPattern, Receiver, Tls,
};
use playhouse_gateway::{Common, Placed, Statuses};
use playhouse_kernel::{
    ActorSpec, Address, Failure, Kernel, Message, Metadata, NativeActor, NativeContext, NativeLauncher, NativeResult,
    Plan,
};
use tokio::sync::{Semaphore, watch};

/// Far longer than any step of a test takes.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The messages that the actors have seen, and the permits that they wait for.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) lines: Arc<Mutex<Vec<String>>>,
    /// A permit for each message that says `wait`.
    pub(crate) go: Arc<Semaphore>,
}

/// The actor `/a`: its replies follow the body of the message.
#[derive(Clone)]
struct Scripted(Seen);

impl NativeActor for Scripted {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let body = String::from_utf8_lossy(&msg.body).into_owned();
        let pairs: Vec<_> = msg.metadata().map(|(key, value)| format!("{key}={value}")).collect();
        let sender = ctx.sender().map(|sender| sender.to_string()).unwrap_or_default();
        let short = body.chars().take(40).collect::<String>();
        let Message { envelope, .. } = &msg;
        self.0.lines.lock().push(format!(
            "{} {sender} {} {} [{}]",
            ctx.address(),
            envelope.flow,
            short,
            pairs.join(" ")
        ));
        match body.split_once(' ').unwrap_or((&body, "")) {
            ("none", _) => {}
            ("reject", why) => return Err(Failure::Reject(why.to_owned())),
            ("retry", why) => return Err(Failure::Retry(why.to_owned())),
            ("panic", _) => panic!("secret"),
            ("wait", what) => {
                self.0.go.acquire().await.expect("open").forget();
                ctx.reply(what);
            }
            ("with", pairs) => {
                let pairs = pairs.split(' ').filter_map(|pair| pair.split_once('='));
                ctx.reply_with(Metadata::collect(pairs)?, "made");
            }
            ("bytes", count) => ctx.reply(vec![b'x'; count.parse()?]),
            _ => ctx.reply(format!("{body}!")),
        }
        Ok(())
    }
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).expect("good")
}

/// A route for all methods that asks.
pub(crate) fn route(path: &str, ask: &str) -> HttpRoute {
    let path = PathPattern::parse(path).expect("good");
    HttpRoute {
        host: None,
        methods: ["GET", "POST"].iter().filter_map(|name| http::method(name)).collect(),
        action: Action::Ask(Receiver::parse(ask, &path).expect("good")),
        path,
        timeout: SOON,
        body_bytes: 1 << 20,
        meta: Vec::new(),
        bearer: None,
        reply_headers: vec![
            http::reply_header("content-type").expect("good"),
            http::reply_header("location").expect("good"),
        ],
    }
}

/// The same with metadata.
pub(crate) fn with_meta(route: HttpRoute, items: &[&str]) -> HttpRoute {
    HttpRoute { meta: items.iter().map(|item| MetaItem::parse(item).expect("good")).collect(), ..route }
}

pub(crate) struct Play {
    pub(crate) kernel: Kernel,
    pub(crate) at: SocketAddr,
    pub(crate) seen: Seen,
    pub(crate) draining: watch::Sender<bool>,
    pub(crate) counts: Arc<http::HttpCounts>,
    pub(crate) statuses: Statuses,
}

/// A play with the actors `/a` and `/a/b`, and a gateway `/gate/http`.
pub(crate) async fn play(bounds: HttpBounds, routes: Vec<HttpRoute>) -> Play {
    play_with(bounds, routes, |_| ()).await
}

/// The same, with changed settings of the actors.
pub(crate) async fn play_with(bounds: HttpBounds, routes: Vec<HttpRoute>, configure: impl Fn(&mut ActorSpec)) -> Play {
    serve(HttpSettings { bounds, ..settings(routes) }, None, configure).await
}

/// Settings without anything of a public edge.
pub(crate) fn settings(routes: Vec<HttpRoute>) -> HttpSettings {
    HttpSettings {
        name: "http".into(),
        listen: "127.0.0.1:0".parse().expect("good"),
        bounds: HttpBounds::default(),
        routes,
        reserved: Vec::new(),
        proxies: Vec::new(),
        cors: None,
        rate: None,
        access_log: false,
    }
}

/// A play with these settings.
pub(crate) async fn serve(settings: HttpSettings, tls: Option<Tls>, configure: impl Fn(&mut ActorSpec)) -> Play {
    let listen = settings.listen;
    let listener = HttpListener::bind(listen).expect("a free port");
    let at = listener.address();
    let (draining, drains) = watch::channel(false);
    let common = Common::new(Statuses::default(), drains);
    let mut placed = Placed::default();
    let counts = http::place(&settings, listener, tls, &common, &mut placed).expect("a good name");
    let seen = Seen { lines: Arc::default(), go: Arc::new(Semaphore::new(0)) };
    let actors = ["/a", "/a/b"].map(|at| {
        let scripted = Scripted(seen.clone());
        let mut spec = ActorSpec::new(address(at), NativeLauncher::new(move || scripted.clone()));
        configure(&mut spec);
        spec
    });
    let plan = Plan { actors: actors.into_iter().chain(placed.gates).collect(), seed: 7, ..Plan::default() };
    let kernel = Kernel::start(&plan).expect("a sound plan");
    kernel.wait_booted().await;
    Play { kernel, at, seen, draining, counts, statuses: common.statuses }
}

impl Play {
    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.at).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a socket");
        Client { stream, left: Vec::new() }
    }

    /// Answers of a connection of its own.
    pub(crate) async fn ask(&self, request: &str) -> Response {
        let (mut client, request) = (self.connect(), request.to_owned());
        blocking(move || {
            client.send(request.as_bytes());
            client.response()
        })
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Response {
        self.ask(&post(path, body)).await
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen.lines.lock().clone()
    }

    /// Waits until a condition holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + SOON;
        while !holds(self) {
            assert!(Instant::now() < end, "{what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// The text of a request.
pub(crate) fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Runs code that blocks, such as that of a [`Client`], beside the play.
pub(crate) async fn blocking<T: Send + 'static>(code: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(code).await.expect("no panic")
}

/// A client that writes bytes and reads responses.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    left: Vec<u8>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

impl Client {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("it is open");
    }

    /// Reads until there is this text. Returns what is before it.
    fn read_until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.left.windows(end.len()).position(|window| window == end) {
                let before = self.left[..at].to_vec();
                self.left.drain(..at + end.len());
                return Some(before);
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Reads more; `false` at the end.
    fn fill(&mut self) -> bool {
        let mut space = [0; 16 << 10];
        match self.stream.read(&mut space) {
            Ok(0) => false,
            Ok(count) => {
                self.left.extend_from_slice(&space[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next response to a request that is not `HEAD`.
    pub(crate) fn response(&mut self) -> Response {
        self.response_without_body(false)
    }

    /// The response to a request on this connection.
    pub(crate) fn response_to(&mut self, request: &str) -> Response {
        self.send(request.as_bytes());
        self.response()
    }

    pub(crate) fn response_without_body(&mut self, is_head: bool) -> Response {
        let head =
            self.read_until(b"\r\n\r\n").unwrap_or_else(|| panic!("no head: {}", String::from_utf8_lossy(&self.left)));
        let head = String::from_utf8(head).expect("text");
        let status = head[9..12].parse().expect("a status");
        let mut response = Response { status, head, body: String::new() };
        let length: usize = response.header("content-length").map_or(0, |length| length.parse().expect("a number"));
        if !is_head {
            while self.left.len() < length {
                assert!(self.fill(), "the body is cut off");
            }
            response.body = String::from_utf8(self.left.drain(..length).collect()).expect("text");
        }
        response
    }

    /// Whether the server closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.left.is_empty() && !self.fill()
    }
}
