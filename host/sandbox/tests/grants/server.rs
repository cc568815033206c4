//! An HTTP server on this machine, on a port of its own.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::net::TcpListener;
use wasmtime_wasi_http::io::TokioIo;

pub struct Server {
    pub address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Server {
    pub async fn start<F, B>(answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, count) = (answer.clone(), count.clone());
                let service = service_fn(move |request| {
                    count.fetch_add(1, SeqCst);
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, asked }
    }

    /// A server that answers each request with its method, path, host and body.
    pub async fn echo() -> Self {
        Self::start(|request| async move {
            let (method, path) = (request.method().clone(), request.uri().clone());
            let host = request.headers()["host"].to_str().unwrap().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let text =
                format!("{method} {path} {} {}", host.split(':').next().unwrap(), String::from_utf8_lossy(&body));
            text_response(200, text.trim_end())
        })
        .await
    }

    /// A server that answers with an endless body.
    pub async fn endless() -> Self {
        Self::start(|_| async { Response::new(Endless) }).await
    }

    /// A server that accepts requests, and never answers.
    pub async fn silent() -> Self {
        Self::start(|_| std::future::pending::<Response<Full<Bytes>>>()).await
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL of the server with this name in place of its address.
    pub fn url_of(&self, name: &str) -> String {
        format!("http://{name}:{}", self.address.port())
    }

    pub fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4096])))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

pub fn text_response(status: u16, text: &str) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::from(text.to_owned())).unwrap()
}

pub fn redirect(to: &str) -> Response<Full<Bytes>> {
    Response::builder().status(302).header("location", to).body(Full::default()).unwrap()
}
