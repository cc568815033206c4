//! The HTTP server of `/metrics`, `/healthz` and `/readyz`. It has a thread of its own, so that it answers before there is a
//! play, and still answers when the host's own loop is stuck.

mod connections;
mod texts;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use playhouse_kernel::Kernel;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};

use crate::collect::{HostFacts, exposition_of};
use crate::exposition::Format;
use crate::health::{Health, PATIENCE, Readiness};
use crate::host_errors::HostError;
use crate::hosts::Hosts;
use crate::printable::Printable;
use crate::sampler::Sampler;
use connections::{Connection, Connections};
use texts::{Text, Texts};

/// Maximum number of connections. One more closes the oldest that has not sent its request, or else the slowest reader.
const CONNECTIONS: usize = 64;
/// Maximum number of texts of scrapes that clients have not taken yet. One more closes the readers of the oldest.
const TEXTS: usize = 8;
/// Maximum number of descriptors that a server has open: its connections, its listener, and those of its event loop.
pub const DESCRIPTORS: u64 = CONNECTIONS as u64 + 4;
/// Time for a request's head to arrive.
const HEAD: Duration = Duration::from_secs(5);
/// Time for a whole connection, which has one request.
const WHOLE: Duration = Duration::from_secs(15);
/// Maximum size of a request's head.
const HEAD_BYTES: usize = 8 << 10;
/// Maximum number of header lines.
const HEADERS: usize = 64;
/// The pause after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The play that a server shows: none until [`Source::play_started`].
#[derive(Default)]
pub struct Source {
    playing: OnceLock<Playing>,
    /// Notified when there is a play.
    started: Notify,
    texts: Texts,
}

struct Playing {
    kernel: Kernel,
    sampler: Arc<Sampler>,
    facts: Box<dyn Fn() -> HostFacts + Send + Sync>,
}

impl Source {
    /// Shows this play from now on, and samples it; `facts` reads the host's part of a scrape. The first play counts.
    pub fn play_started(
        &self,
        kernel: Kernel,
        sampler: Arc<Sampler>,
        facts: impl Fn() -> HostFacts + Send + Sync + 'static,
    ) {
        let _ = self.playing.set(Playing { kernel, sampler, facts: Box::new(facts) });
        self.started.notify_one();
    }

    fn kernel(&self) -> Option<&Kernel> {
        self.playing.get().map(|playing| &playing.kernel)
    }

    /// Samples the actors once there is a play: on the server's thread, which goes on when the host's own loop is stuck.
    async fn sample(&self) {
        self.started.notified().await;
        if let Some(Playing { kernel, sampler, .. }) = self.playing.get() {
            sampler.clone().run(kernel.clone()).await;
        }
    }

    /// The text of a scrape; none before there is a play.
    pub async fn scrape(&self, format: Format) -> Option<Bytes> {
        Some(self.text(format).await?.into_bytes())
    }

    async fn text(&self, format: Format) -> Option<Text> {
        let playing = self.playing.get()?;
        let write = async |buffer| {
            let now = tokio::time::Instant::now().into_std();
            let oldest = |progress| playing.sampler.oldest(&progress, now);
            let metrics = playing.kernel.metrics(PATIENCE, oldest).await;
            exposition_of(&metrics, &(playing.facts)(), format, buffer)
        };
        Some(self.texts.next(format, write).await)
    }
}

/// A server that runs until it is dropped.
pub struct MetricsServer {
    address: SocketAddr,
    source: Arc<Source>,
    _end: oneshot::Sender<Infallible>,
}

impl MetricsServer {
    /// Listens at an address, on a thread of its own.
    pub fn start(address: SocketAddr, hosts: Hosts) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (source, (keep, end)) = (Arc::<Source>::default(), oneshot::channel());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let serving = Arc::new(Server { source: source.clone(), hosts });
        std::thread::Builder::new().name("playhouse-metrics".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serving.clone().serve(listener) => {}
                    () = serving.source.sample() => {}
                    _ = end => {}
                }
            });
        })?;
        Ok(Self { address, source, _end: keep })
    }

    /// The address that it listens at, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The play that it shows.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

struct Server {
    source: Arc<Source>,
    hosts: Hosts,
}

impl Server {
    async fn serve(self: Arc<Self>, listener: tokio::net::TcpListener) {
        let connections = Connections::new(CONNECTIONS, TEXTS);
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                let server = self.clone();
                connections.open(|connection| async move { server.converse(stream, &connection).await });
            } else {
                // Such as too many open files: others close in time.
                HostError::Accept.count();
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }

    async fn converse(&self, stream: TcpStream, connection: &Connection) {
        let service = service_fn(|request| async move {
            connection.begin();
            Ok::<_, Infallible>(self.answer(&request, connection).await)
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        // A connection for each request: a client that only holds one open takes no place.
        http.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(false).max_headers(HEADERS);
        http.max_buf_size(HEAD_BYTES);
        let _ = tokio::time::timeout(WHOLE, http.serve_connection(TokioIo::new(stream), service)).await;
    }

    /// The refusal of a request whose names of this host are missing, ambiguous, or not allowed. Each name that a request has must
    /// be allowed: which of them a client meant is not known.
    fn refusal(&self, request: &Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let mut headers = request.headers().get_all(HOST).iter();
        let (host, more) = (headers.next(), headers.next());
        let target = request.uri().host();
        if more.is_some() || host.is_none() && (target.is_none() || request.version() >= Version::HTTP_11) {
            return Some(text(StatusCode::BAD_REQUEST, "a request needs one Host\n".to_owned()));
        }
        let host = host.map(|host| host.to_str().unwrap_or_default());
        let refused = host.into_iter().chain(target).find(|name| !self.hosts.allows(name))?;
        let way_out = "add the name to `hosts` of [play.metrics], or use the IP address";
        let why = format!("`{}` is no name of this host: {way_out}\n", Printable(refused));
        Some(text(StatusCode::MISDIRECTED_REQUEST, why))
    }

    async fn answer(&self, request: &Request<Incoming>, connection: &Connection) -> Response<Full<Bytes>> {
        if let Some(refusal) = self.refusal(request) {
            return refusal;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match request.uri().path() {
            "/metrics" => self.metrics(request.headers(), connection).await,
            "/healthz" => {
                let health = Health::of(self.source.kernel()).await;
                text(status(health.is_healthy()), format!("{health}\n"))
            }
            "/readyz" => {
                let ready = Readiness::of(self.source.kernel());
                text(status(ready.is_ready()), format!("{ready}\n"))
            }
            _ => text(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n".to_owned()),
        }
    }

    async fn metrics(&self, headers: &HeaderMap, connection: &Connection) -> Response<Full<Bytes>> {
        let format = Format::accepted(headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
        let Some(body) = self.source.text(format).await else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "the plugins are being loaded\n".to_owned());
        };
        connection.sends(body.number());
        let mut response = Response::new(Full::new(body.into_bytes()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        response
    }
}

fn status(good: bool) -> StatusCode {
    if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
