//! One connection to a server: name, TCP, TLS, HTTP/1.1.

use std::io;
use std::sync::Arc;

use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::broker::BrokerError;

/// Bytes of a response's head, at most.
const HEAD_BYTES: usize = 64 << 10;

/// A server.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) is_tls: bool,
    /// The value of the header `Host`.
    pub(super) host: HeaderValue,
}

/// A connection, which takes one request after another.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// The task that reads and writes; it ends with the connection.
    _task: JoinSet<()>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Connection {
    pub(super) async fn open(server: &Server, tls: &OnceCell<Arc<ClientConfig>>) -> Result<Self, BrokerError> {
        let at = format!("{}:{}", server.name, server.port);
        let failed = |error: &dyn std::fmt::Display| BrokerError::plain(format!("cannot connect to {at}: {error}"));
        let tcp = TcpStream::connect((server.name.as_str(), server.port)).await.map_err(|error| failed(&error))?;
        // A request is one write, which is to leave at once.
        tcp.set_nodelay(true).map_err(|error| failed(&error))?;
        let stream: Box<dyn Stream> = if server.is_tls {
            let config = tls.get_or_try_init(trust).await.map_err(|error| failed(&error))?;
            let name = ServerName::try_from(server.name.clone()).map_err(|error| failed(&error))?;
            let secured = TlsConnector::from(config.clone()).connect(name, tcp).await;
            Box::new(secured.map_err(|error| failed(&error))?)
        } else {
            Box::new(tcp)
        };
        let shaken = http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| failed(&error))?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // An error of the connection is also one of the request under way.
            drop(connection.await);
        });
        Ok(Self { sender, _task: task })
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Whether the server has left it open.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

/// Reads the certificate authorities that this machine trusts: its own list, or the file that `SSL_CERT_FILE` names.
async fn trust() -> Result<Arc<ClientConfig>, io::Error> {
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await?;
    let mut roots = RootCertStore::empty();
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        return Err(io::Error::other(
            "this machine trusts no certificate authority: install ca-certificates, or set SSL_CERT_FILE",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
