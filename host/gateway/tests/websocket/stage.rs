//! A kernel with a gateway that hands out connections, and clients for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use playhouse_gateway::Group;
use playhouse_gateway::websocket::{
    Arrived, Connections, Control, Numbers, Origins, Socket, WebSocketSettings, template, widen,
};
use playhouse_kernel::{
    ActorSpec, Address, Bounds, Config, Failure, Ingress, Kernel, Message, Metadata, NativeActor, NativeContext,
    NativeLauncher, NativeResult, Plan, Template,
};
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Far longer than any step takes.
pub const SOON: Duration = Duration::from_secs(30);

pub fn addr(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// The messages and the shutdowns that handlers saw.
pub type Journal = Arc<Mutex<Vec<String>>>;

/// Handles the messages of a client as they say.
struct Handler(Journal);

impl NativeActor for Handler {
    async fn init(&mut self, _: &mut NativeContext) -> NativeResult {
        if self.0.lock().iter().any(|line| line == "no more starts") {
            return Err(Failure::Reject("as told".to_owned()));
        }
        Ok(())
    }

    async fn msg_handler(&mut self, message: Message, ctx: &mut NativeContext) -> NativeResult {
        let sender = ctx.sender().unwrap();
        let kind = message.metadata().get("frame").unwrap_or("-").to_owned();
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
        match verb {
            "panic" => panic!("as told"),
            "all" => {
                ctx.tell_all("/gate/web/*", rest).await?;
            }
            "flood" => {
                for _ in 0..rest.parse::<usize>().unwrap() {
                    ctx.tell(sender.as_str(), "x".repeat(1000))?;
                }
            }
            "as" => {
                let (kind, body) = rest.split_once(' ').unwrap();
                ctx.tell_with(sender.as_str(), &Metadata::collect([("frame", kind)]).unwrap(), body)?;
            }
            "kind" => ctx.tell(sender.as_str(), kind)?,
            "who" => ctx.tell(sender.as_str(), format!("{sender} {}", ctx.address()))?,
            // The client, and so its connection, may be gone.
            _ => drop(ctx.tell(sender.as_str(), message.body)),
        }
        self.0.lock().push(text);
        Ok(())
    }

    async fn shutdown(&mut self, ctx: &mut NativeContext) -> NativeResult {
        self.0.lock().push(format!("shutdown of {}", ctx.address()));
        Ok(())
    }
}

struct HandlerTemplate(Journal, usize);

impl Template for HandlerTemplate {
    fn spec(&self, address: Address, _: Config, _: Bounds) -> ActorSpec {
        let journal = self.0.clone();
        let mut spec = ActorSpec::new(address, NativeLauncher::new(move || Handler(journal.clone())));
        spec.grants.sends_below = vec![Address::root()];
        spec.limits.message_bytes = self.1;
        spec
    }
}

/// The template of handlers that take messages of this size.
pub fn handlers(journal: &Journal, message_bytes: usize) -> Arc<dyn Template> {
    Arc::new(HandlerTemplate(journal.clone(), message_bytes))
}

/// A gateway without a port.
struct Gate {
    routes: Vec<Arc<Connections>>,
    ingress: Arc<Mutex<Option<Arc<Ingress>>>>,
}

impl NativeActor for Gate {
    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        *self.ingress.lock() = Some(Arc::new(ctx.ingress()));
        Ok(())
    }

    async fn msg_handler(&mut self, message: Message, ctx: &mut NativeContext) -> NativeResult {
        if Control::handle(&message, &self.routes, ctx)? { Ok(()) } else { Err(Failure::Reject("no".to_owned())) }
    }

    async fn shutdown(&mut self, _: &mut NativeContext) -> NativeResult {
        for route in &self.routes {
            route.wait_closed().await;
        }
        Ok(())
    }
}

/// A play with the gateway `/gate/web`.
pub struct Stage {
    pub kernel: Kernel,
    pub journal: Journal,
    connections: Arc<Connections>,
    numbers: Numbers,
    ingress: Arc<Ingress>,
}

pub fn settings() -> WebSocketSettings {
    WebSocketSettings {
        plugin: "room".to_owned(),
        connections: 10,
        origins: Origins::Same,
        subprotocols: Vec::new(),
        message_bytes: 1000,
        queue_bytes: 64 << 10,
        ping: WebSocketSettings::PING,
    }
}

impl Stage {
    pub async fn new(settings: WebSocketSettings) -> Self {
        let journal = Journal::default();
        let message_bytes = settings.message_bytes;
        let connections = Connections::new(&addr("/gate/web"), 0, settings);
        let ingress = Arc::new(Mutex::new(None));
        let (routes, handed) = (vec![connections.clone()], ingress.clone());
        let make = move || Gate { routes: routes.clone(), ingress: handed.clone() };
        let mut gate = ActorSpec::new(addr("/gate/web"), NativeLauncher::new(make));
        widen(&connections, &mut gate);
        let handlers = handlers(&journal, message_bytes);
        let actors = vec![ActorSpec::new(addr("/gate"), NativeLauncher::new(|| Group)), gate];
        let plugins = BTreeMap::from([("room".to_owned(), handlers), template(&connections)]);
        let kernel = Kernel::start(&Plan { actors, plugins, ..Plan::default() }).unwrap();
        kernel.wait_booted().await;
        let ingress = ingress.lock().take().unwrap();
        Self { kernel, journal, connections, numbers: Numbers::default(), ingress }
    }

    /// The client's side of a new connection, as bytes.
    pub async fn raw(&self) -> DuplexStream {
        let (client, server) = tokio::io::duplex(1 << 10);
        self.connect(server).await;
        client
    }

    /// Makes a connection of the server's side of a socket.
    pub async fn connect(&self, socket: impl Socket + 'static) {
        let permit = self.connections.reserve().expect("not all are in use");
        let arrived = Arrived { socket: Box::new(socket), permit, config: Config::new() };
        self.connections.arrive(self.numbers.next(), arrived, &addr("/gate/web"), &self.ingress).await;
    }

    /// A client of a new connection.
    pub async fn client(&self) -> Client {
        Client(WebSocketStream::from_raw_socket(self.raw().await, Role::Client, None).await)
    }

    pub fn open(&self) -> usize {
        self.connections.open()
    }

    pub fn is_full(&self) -> bool {
        self.connections.reserve().is_none()
    }

    /// Waits until there are so many connections.
    pub async fn wait_open(&self, count: usize) {
        let waited = tokio::time::timeout(SOON, async {
            while self.open() != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        assert!(waited.await.is_ok(), "{} connections are open", self.open());
    }
}

pub struct Client(pub WebSocketStream<DuplexStream>);

impl Client {
    pub async fn send(&mut self, text: &str) {
        self.0.send(Frame::text(text.to_owned())).await.unwrap();
    }

    /// The next message, or the code of the end.
    pub async fn next(&mut self) -> String {
        loop {
            let next = tokio::time::timeout(SOON, self.0.next()).await.expect("something comes");
            return match next {
                Some(Ok(Frame::Text(text))) => text.to_string(),
                Some(Ok(Frame::Binary(bytes))) => format!("bytes {}", bytes.len()),
                Some(Ok(Frame::Close(close))) => format!("close {}", close.map_or(0, |close| u16::from(close.code))),
                Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => continue,
                Some(Err(error)) => format!("error {error}"),
                None => "end".to_owned(),
            };
        }
    }

    pub async fn ask(&mut self, text: &str) -> String {
        self.send(text).await;
        self.next().await
    }
}
