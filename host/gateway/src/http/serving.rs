//! The accept loop of a server, and its connections.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ::http::StatusCode;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use playhouse_kernel::{AboutActor, LogEvent, NativeContext};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::answer::answer;
use super::clients::Full;
use super::connection::{Connection, Limit};
use super::events::{AcceptFailed, ClientRefused};
use super::settings::HttpBounds;
use super::shared::{Gate, Incarnation};
use super::stream_tasks::StreamTasks;
use super::tls::Tls;
use super::watched::Watched;

/// The pause after a connection could not be accepted, such as with too many open files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The pause after which a server that has all its connections closes one that does little.
const MAKE_SPACE: Duration = Duration::from_millis(5);
/// The name of HTTP/2 in a handshake of TLS (RFC 9113, section 3.1).
const HTTP2: &[u8] = b"h2";
/// Requests of one connection with HTTP/2 at a time.
const MOST_STREAMS: u32 = 100;
/// Bytes that a client with HTTP/2 may send ahead: of one request, and of all requests of a connection.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;
/// Bytes of responses that are kept for a client with HTTP/2 beyond its window.
const SEND_BUFFER: usize = 64 << 10;

/// The state of the accept loop and the connections of one incarnation.
struct Serving {
    incarnation: Arc<Incarnation>,
    http1: http1::Builder,
    open: Mutex<Open>,
}

/// The connections that are open.
#[derive(Default)]
struct Open {
    by_number: HashMap<u64, Arc<Connection>>,
    next: u64,
    /// Whether new ones end at once.
    is_over: bool,
}

/// The server of one incarnation. Dropping it ends all its connections at once.
pub(super) struct Server {
    task: JoinHandle<()>,
    /// Reads the certificate again.
    _following: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves on the current runtime.
    pub(super) fn start(gate: Arc<Gate>, ctx: &NativeContext) -> std::io::Result<Self> {
        let listener = gate.listener.open()?;
        let bounds = &gate.bounds;
        let mut http1 = http1::Builder::new();
        http1.max_buf_size(bounds.head_bytes).header_read_timeout(None);
        if bounds.headers != HttpBounds::default().headers {
            // The default needs no memory for each request.
            http1.max_headers(bounds.headers);
        }
        let incarnation = Arc::new(Incarnation { gate, ingress: Arc::new(ctx.ingress()) });
        let serving = Arc::new(Serving { incarnation, http1, open: Mutex::default() });
        let (stop, stops) = watch::channel(false);
        let mut following = JoinSet::new();
        if let Some(tls) = serving.gate().tls.clone() {
            following.spawn(ctx.task(tls.follow(serving.gate().address.clone())));
        }
        let task = tokio::spawn(ctx.task(serving.serve(listener, stops)));
        Ok(Self { task, _following: following, stop })
    }

    /// Closes the port, and waits until the requests under way have their responses.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        let _ = (&mut self.task).await;
    }
}

impl Serving {
    fn gate(&self) -> &Gate {
        &self.incarnation.gate
    }

    async fn serve(self: Arc<Self>, listener: TcpListener, mut stops: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        let mut failing = false;
        loop {
            let is_full = connections.len() >= self.gate().bounds.connections;
            let accepted = tokio::select! {
                biased;
                _ = stops.wait_for(|stop| *stop) => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = listener.accept(), if !is_full => accepted,
                () = tokio::time::sleep(MAKE_SPACE), if is_full => {
                    self.end_a_free_connection();
                    continue;
                }
            };
            match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    let peer = peer.ip().to_canonical();
                    match self.gate().clients.enter(peer) {
                        Ok(place) => {
                            drop(connections.spawn(self.clone().converse(stream, Connection::new(peer, place))));
                        }
                        Err(full) => self.refuse(peer, &full),
                    }
                }
                // A client that is gone again says nothing about the server.
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        let subject = AboutActor { address: &self.gate().address, plugin: None };
                        AcceptFailed { subject, why: &error.to_string() }.log();
                    }
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
        drop(listener);
        self.gate().listener.close();
        self.end_connections();
        while connections.join_next().await.is_some() {}
    }

    /// Ends each connection as soon as no request of it is under way.
    fn end_connections(&self) {
        let mut open = self.open.lock();
        open.is_over = true;
        open.by_number.values().for_each(|connection| connection.activity.tell_to_end());
    }

    /// Ends a connection without a request, or with one whose body is slow, so that a new one has space. Of several of one kind it is the oldest one.
    fn end_a_free_connection(&self) {
        let open = self.open.lock();
        let free = open.by_number.iter().filter_map(|(number, connection)| {
            Some(((connection.eviction()?, *number), connection)).filter(|_| !connection.activity.is_told_to_end())
        });
        if let Some((_, connection)) = free.min_by_key(|(order, _)| *order) {
            connection.activity.evict();
        }
    }

    /// Counts and logs a connection of a client that has too many.
    fn refuse(&self, client: IpAddr, full: &Full) {
        self.gate().counts.refused();
        if let Some(left_out) = self.gate().clients_refused.pass() {
            let subject = AboutActor { address: &self.gate().address, plugin: None };
            let left_out = Some(left_out).filter(|lines| *lines > 0);
            ClientRefused { subject, client: &client.to_string(), most: full.most, left_out }.log();
        }
    }

    async fn converse(self: Arc<Self>, stream: TcpStream, connection: Connection) {
        // Responses are whole: nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let connection = Arc::new(connection);
        let _entry = Entry::new(&self, connection.clone());
        match &self.gate().tls {
            None => self.http1(stream, &connection).await,
            // In a box, so that connections without TLS need no memory for it.
            Some(tls) => Box::pin(self.encrypted(tls, stream, &connection)).await,
        }
    }

    async fn encrypted(&self, tls: &Tls, stream: TcpStream, connection: &Arc<Connection>) {
        let mut handshake = pin!(tokio::time::timeout(self.gate().bounds.head_time, tls.acceptor().accept(stream)));
        let activity = &connection.activity;
        let stream = poll_fn(|cx| {
            activity.keep_waker(cx.waker());
            if activity.is_told_to_end() { Poll::Ready(None) } else { handshake.as_mut().poll(cx).map(Some) }
        });
        let Some(Ok(Ok(stream))) = stream.await else { return };
        if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
            self.http2(stream, connection).await;
        } else {
            self.http1(stream, connection).await;
        }
    }

    async fn http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S, connection: &Connection) {
        let socket = TokioIo::new(Watched::new(stream, connection.activity.clone()));
        let incarnation = &*self.incarnation;
        let service =
            service_fn(
                move |request| async move { Ok::<_, Infallible>(answer(incarnation, connection, request).await) },
            );
        let http = pin!(self.http1.serve_connection(socket, service).with_upgrades());
        self.drive(connection, http, http1::UpgradeableConnection::graceful_shutdown).await;
        if let Some(status) = connection.activity.refused().and_then(|status| StatusCode::from_u16(status).ok()) {
            self.gate().counts.responded(None, status);
        }
    }

    async fn http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S, connection: &Arc<Connection>) {
        connection.set_http2();
        let socket = TokioIo::new(Watched::new(stream, connection.activity.clone()));
        let (incarnation, of_requests) = (self.incarnation.clone(), connection.clone());
        let service = service_fn(move |request| {
            let (incarnation, connection) = (incarnation.clone(), of_requests.clone());
            async move { Ok::<_, Infallible>(answer(&incarnation, &connection, request).await) }
        });
        let tasks = StreamTasks::default();
        let mut http2 = http2::Builder::new(tasks.executor());
        http2.max_concurrent_streams(MOST_STREAMS).max_send_buf_size(SEND_BUFFER);
        http2.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
        http2.max_header_list_size(u32::try_from(self.gate().bounds.head_bytes).unwrap_or(u32::MAX));
        let http = pin!(http2.serve_connection(socket, service));
        self.drive(connection, http, http2::Connection::graceful_shutdown).await;
    }

    /// Runs a connection until it ends, or its time is over.
    async fn drive<C: Future>(&self, connection: &Connection, mut http: Pin<&mut C>, end: impl Fn(Pin<&mut C>)) {
        let mut limit = Limit::new();
        let mut is_ending = false;
        poll_fn(|cx| {
            connection.activity.keep_waker(cx.waker());
            if connection.activity.is_told_to_end() && !std::mem::replace(&mut is_ending, true) {
                end(http.as_mut());
            }
            if http.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            limit.poll(cx, connection, &self.gate().bounds)
        })
        .await;
    }
}

/// The entry of a connection among the open ones.
struct Entry<'s> {
    serving: &'s Serving,
    number: u64,
}

impl<'s> Entry<'s> {
    fn new(serving: &'s Serving, connection: Arc<Connection>) -> Self {
        serving.gate().counts.opened();
        let mut open = serving.open.lock();
        if open.is_over {
            connection.activity.tell_to_end();
        }
        let number = open.next;
        open.next += 1;
        open.by_number.insert(number, connection);
        Self { serving, number }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.serving.open.lock().by_number.remove(&self.number);
        self.serving.gate().counts.closed();
    }
}

fn is_of_the_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionReset)
}
