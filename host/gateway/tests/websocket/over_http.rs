//! Connections through a real port.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use playhouse_gateway::http::{self, Action, HttpBounds, HttpListener, HttpRoute, HttpSettings, PathPattern};
use playhouse_gateway::websocket::WebSocketSettings;
use playhouse_gateway::{Common, Placed, Statuses};
use playhouse_kernel::{ActorSpec, Kernel, Plan, Reserve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::stage::*;

struct Server {
    kernel: Kernel,
    at: SocketAddr,
    /// Dropping it drains nothing; it is kept so that the gateway has its other end.
    draining: watch::Sender<bool>,
}

async fn server(settings: WebSocketSettings) -> Server {
    server_with(settings, HttpBounds::default(), |_| ()).await
}

/// A server with these bounds, whose actor is changed before it starts.
async fn server_with(settings: WebSocketSettings, bounds: HttpBounds, change: impl Fn(&mut ActorSpec)) -> Server {
    let connections = settings.connections;
    let listen = "127.0.0.1:0".parse().unwrap();
    let route = HttpRoute {
        host: None,
        path: PathPattern::parse("/live/:room").unwrap(),
        methods: vec![http::method("GET").unwrap()],
        action: Action::WebSocket(settings),
        timeout: SOON,
        body_bytes: 0,
        meta: Vec::new(),
        reply_headers: Vec::new(),
        bearer: None,
    };
    let settings = HttpSettings {
        name: "web".into(),
        listen,
        bounds,
        routes: vec![route],
        reserved: Vec::new(),
        proxies: Vec::new(),
        cors: None,
        rate: None,
        access_log: false,
    };
    let listener = HttpListener::bind(listen).unwrap();
    let at = listener.address();
    let (draining, drains) = watch::channel(false);
    let mut placed = Placed::default();
    let common = Common::new(Statuses::default(), drains);
    http::place(&settings, listener, None, &common, &mut placed).unwrap();
    assert_eq!(placed.reserves, [Reserve { of: addr("/gate/web"), instances: connections }]);
    placed.gates.iter_mut().filter(|gate| gate.address == addr("/gate/web")).for_each(change);
    let handlers = BTreeMap::from([("room".to_owned(), handlers(&Journal::default(), 1000))]);
    let plugins = handlers.into_iter().chain(placed.templates).collect();
    let kernel = Kernel::start(&Plan { actors: placed.gates, plugins, ..Plan::default() }).unwrap();
    kernel.wait_booted().await;
    Server { kernel, at, draining }
}

impl Server {
    /// Opens a connection with one header more, or returns the status.
    async fn open(&self, header: (&'static str, &str)) -> Result<WebSocketStream<TcpStream>, u16> {
        let mut request = format!("ws://{}/live/lobby", self.at).into_client_request().unwrap();
        request.headers_mut().insert(header.0, header.1.parse().unwrap());
        let stream = TcpStream::connect(self.at).await.unwrap();
        match client_async(request, stream).await {
            Ok((client, _)) => Ok(client),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

async fn ask(client: &mut WebSocketStream<TcpStream>, text: &str) -> String {
    client.send(Frame::text(text.to_owned())).await.unwrap();
    client.next().await.unwrap().unwrap().into_text().unwrap().to_string()
}

#[tokio::test]
async fn request_opens_a_connection_with_its_own_actor() {
    let server = server(WebSocketSettings { connections: 2, subprotocols: vec!["chat".into()], ..settings() }).await;
    let own = format!("http://{}", server.at);
    assert_eq!(server.open(("origin", "http://evil.example")).await.err(), Some(403));
    assert_eq!(server.open(("sec-websocket-version", "8")).await.err(), Some(426));
    let mut one = server.open(("origin", &own)).await.unwrap();
    let mut two = server.open(("sec-websocket-protocol", "chat")).await.unwrap();
    assert_eq!(ask(&mut one, "who").await, "/gate/web/1 /gate/web/1/handler");
    assert_eq!(ask(&mut two, "hello").await, "hello");
    assert_eq!(server.open(("x-more", "1")).await.err(), Some(503), "two are all");
    one.close(None).await.unwrap();
    while one.next().await.is_some() {}
    let mut three = loop {
        // The place is free once the handler has stopped.
        match server.open(("x-more", "1")).await {
            Ok(client) => break client,
            Err(status) => assert_eq!(status, 503),
        }
    };
    assert_eq!(ask(&mut three, "hello").await, "hello");
    server.draining.send_replace(true);
    three.close(None).await.unwrap();
    assert_eq!(server.open(("x-more", "1")).await.err(), Some(503), "the play drains");
    server.kernel.shut_down();
    let last = two.next().await.unwrap().unwrap();
    assert!(matches!(&last, Frame::Close(Some(close)) if u16::from(close.code) == 1001), "{last}");
    server.kernel.wait_stopped().await;
}

/// A connection with HTTP on which one request was answered, and which stays open.
async fn kept_alive(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.at).await.unwrap();
    stream.write_all(b"GET /live/lobby HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 1024];
    let bytes = stream.read(&mut answer).await.unwrap();
    assert!(answer[..bytes].starts_with(b"HTTP/1.1 426 "), "it opens WebSocket connections alone");
    stream
}

/// Reads to the end of a connection.
async fn ended(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // The end may be a reset.
    let _ = timeout(SOON, stream.read_to_end(&mut rest)).await.expect("the server ends it");
    assert!(rest.is_empty(), "no more responses");
}

#[tokio::test]
async fn crash_of_the_server_ends_its_connections_and_keeps_its_port() {
    let crashing = |gate: &mut ActorSpec| {
        // A connection that opens is one effect.
        gate.limits.max_effects = 0;
        gate.restart.attempts = 1;
    };
    let server = server_with(WebSocketSettings { connections: 2, ..settings() }, HttpBounds::default(), crashing).await;
    let idle = kept_alive(&server).await;
    let mut client = server.open(("x-more", "1")).await.unwrap();
    ended(idle).await;
    let last = timeout(SOON, client.next()).await.expect("it ends");
    assert!(!matches!(last, Some(Ok(Frame::Text(_) | Frame::Binary(_)))), "{last:?}");
    // A connection that comes in between waits for the next incarnation.
    kept_alive(&server).await;
    let actors = server.kernel.actors().await;
    let gate = actors.iter().find(|actor| actor.address == addr("/gate/web")).unwrap();
    assert_eq!(gate.incarnation, 2);
    assert_eq!(server.kernel.dead_letters()[0].reason.kind(), "crashed");
    server.kernel.shut_down();
    server.kernel.wait_stopped().await;
}

#[tokio::test]
async fn connection_counts_among_those_of_its_client() {
    let bounds = HttpBounds { connections_per_client: Some(1), ..HttpBounds::default() };
    let server = server_with(WebSocketSettings { connections: 2, ..settings() }, bounds, |_| ()).await;
    let mut one = server.open(("x-more", "1")).await.unwrap();
    assert_eq!(ask(&mut one, "hello").await, "hello");
    ended(TcpStream::connect(server.at).await.unwrap()).await;
    assert_eq!(ask(&mut one, "still there").await, "still there");
    one.close(None).await.unwrap();
    while one.next().await.is_some() {}
    let end = Instant::now() + SOON;
    loop {
        // The place is free once the handler has stopped.
        let mut stream = TcpStream::connect(server.at).await.unwrap();
        let mut answer = [0; 12];
        stream.write_all(b"GET /live/lobby HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        if stream.read_exact(&mut answer).await.is_ok() {
            assert_eq!(&answer, b"HTTP/1.1 426");
            break;
        }
        assert!(Instant::now() < end, "the place of the connection is free");
    }
    server.kernel.shut_down();
    server.kernel.wait_stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_ends_hundreds_of_connections_in_order_and_in_time() {
    const EACH: usize = 300;
    let server = server(WebSocketSettings { connections: EACH, ..settings() }).await;
    let (mut clients, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..EACH {
        let mut client = server.open(("x-more", "1")).await.unwrap();
        assert_eq!(ask(&mut client, "hello").await, "hello");
        clients.push(client);
        idle.push(kept_alive(&server).await);
    }
    let begun = Instant::now();
    server.kernel.shut_down();
    let ends = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            let last = loop {
                // A slow machine takes longer than the time between two pings.
                let frame = timeout(SOON, client.next()).await.expect("it is told").unwrap().unwrap();
                if !frame.is_ping() {
                    break frame;
                }
            };
            assert!(matches!(&last, Frame::Close(Some(close)) if u16::from(close.code) == 1001), "{last}");
        })
    });
    let ends: Vec<_> = ends.chain(idle.into_iter().map(|stream| tokio::spawn(ended(stream)))).collect();
    for end in ends {
        end.await.unwrap();
    }
    server.kernel.wait_stopped().await;
    println!("stopped after {:?}", begun.elapsed());
    assert!(begun.elapsed() < SOON);
}
