//! Connections through a real port.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use playhouse_gateway::http::{self, Action, HttpBounds, HttpListener, HttpRoute, HttpSettings, PathPattern};
use playhouse_gateway::websocket::WebSocketSettings;
use playhouse_gateway::{Common, Placed, Statuses};
use playhouse_kernel::{Kernel, Plan, Reserve};
use tokio::net::TcpStream;
use tokio::sync::watch;
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
        bounds: HttpBounds::default(),
        routes: vec![route],
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
    assert_eq!(placed.reserves, [Reserve { of: addr("/gate/web"), instances: 2 }]);
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
