//! The steps of one request: name -> addresses -> permitted addresses -> TCP, TLS -> HTTP/1.1. The host connects to the very
//! address that was checked, so a DNS server cannot change its answer in between. Each request has a connection of its own;
//! variables of the environment that name a proxy are ignored.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use playhouse_kernel::{AboutHost, LogEvent};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, OwnedSemaphorePermit};
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::events::NoCertificates;
use crate::grants::{Grants, Target};
use crate::limits::{Blocking, Descriptor};

/// Bytes that are read of a response before its body begins, and in one read after that.
const BUFFER_BYTES: usize = 64 << 10;

/// The bounded resources that a request holds.
pub(super) struct Held {
    /// Held until the response is dropped.
    pub(super) permit: OwnedSemaphorePermit,
    /// Held until the connection is closed.
    pub(super) descriptor: Descriptor,
}

/// The longest time for each step of a request: as the guest sets it, and at most the time that a message may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) connect: Duration,
    pub(super) first_byte: Duration,
    pub(super) between_bytes: Duration,
}

pub(super) type Sent = Result<(Response<WasiBody>, Io), Error>;
pub(super) type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// The state that requests of all actors share.
#[derive(Default)]
pub(crate) struct Wire {
    /// The certificate authorities that this machine trusts, read when they are first needed.
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Wire {
    /// Sends a request, and returns its response with the future that drives the connection.
    pub(super) async fn send(
        &self,
        grants: &Grants,
        target: &Target,
        mut request: Request<WasiBody>,
        patience: Patience,
        held: Held,
    ) -> Sent {
        // The request line has the path only; the `Host` header has the host.
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse::<Uri>().map_err(|_| Error::HttpRequestUriInvalid)?;
        let connect = async {
            let (addresses, held) = resolve(&grants.blocking, target, held).await?;
            let stream = connect(grants, target, &addresses).await?;
            let stream: Box<dyn Stream> =
                if target.tls { self.secure(target, stream).await? } else { Box::new(stream) };
            let (sender, connection) =
                http1::Builder::new().max_buf_size(BUFFER_BYTES).handshake(TokioIo::new(stream)).await?;
            Ok::<_, Error>((sender, connection, held))
        };
        let connected = timeout(patience.connect, connect).await.map_err(|_| Error::ConnectionTimeout)?;
        let (mut sender, connection, Held { permit, descriptor }) = connected?;
        let mut connection = Box::pin(async move {
            drop(connection.await);
            drop(descriptor);
        });
        let mut response = Box::pin(timeout(patience.first_byte, sender.send_request(request)));
        let (response, rest) = tokio::select! {
            biased;
            response = &mut response => (response, Some(connection)),
                        // The server closed the connection after its response, which can still be read.
            () = &mut connection => (response.await, None),
        };
        let mut response = response.map_err(|_| Error::ConnectionReadTimeout)??;
        // A header value of hyper keeps the whole buffer that it was read into, so each value is copied.
        for value in response.headers_mut().values_mut() {
            *value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| Error::HttpProtocolError)?;
        }
        let response = response.map(|incoming| {
            let pause = patience.between_bytes;
            Received { incoming, pause, silence: None, _permit: permit }.boxed_unsync()
        });
        let rest = async move {
            if let Some(rest) = rest {
                rest.await;
            }
            Ok(())
        };
        Ok((response, Box::new(rest)))
    }

    async fn secure(&self, target: &Target, stream: TcpStream) -> Result<Box<dyn Stream>, Error> {
        let config = self.tls.get_or_try_init(trust).await?;
        let name = ServerName::try_from(target.name.clone()).map_err(|_| Error::HttpRequestUriInvalid)?;
        let secured = TlsConnector::from(config.clone()).connect(name, stream).await;
        Ok(Box::new(secured.map_err(|error| tls_error(&error))?))
    }
}

/// The addresses of a target. The look-up of a name is one of the actor's blocking calls. A look-up whose caller went away keeps
/// the resources of the request until it ends, since it cannot be cancelled.
async fn resolve(blocking: &Blocking, target: &Target, held: Held) -> Result<(Vec<SocketAddr>, Held), Error> {
    let (name, port) = (target.name.clone(), target.port);
    if let Ok(address) = name.parse() {
        return Ok((vec![SocketAddr::new(address, port)], held));
    }
    let look_up = move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        (found, held)
    };
    match blocking.run(look_up).await {
        (Ok(addresses), held) if !addresses.is_empty() => Ok((addresses, held)),
        // The system's text is for an operator, in the operator's language.
        _ => Err(Error::DnsError { rcode: None, info_code: None }),
    }
}

/// Connects to the first permitted address that answers.
async fn connect(grants: &Grants, target: &Target, addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    let allowed = grants.allow(target).ok_or(Error::HttpRequestDenied)?;
    let addresses: Vec<_> = addresses.iter().copied().filter(|address| allowed.may_connect(*address)).collect();
    if addresses.is_empty() {
        return Err(Error::DestinationIpProhibited);
    }
    TcpStream::connect(&*addresses).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Error::ConnectionTerminated,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
        _ => Error::DestinationUnavailable,
    })
}

/// Reads the certificate authorities that this machine trusts.
async fn trust() -> Result<Arc<ClientConfig>, Error> {
    let read = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let found = read.map_err(|error| Error::InternalError(Some(error.to_string())))?;
    let mut roots = RootCertStore::empty();
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        NoCertificates { subject: AboutHost, why: &why }.log();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::InternalError(Some(error.to_string())))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn tls_error(error: &io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        Some(rustls::Error::AlertReceived(alert)) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(format!("{alert:?}")) }
        }
        Some(_) => Error::TlsProtocolError,
        None => Error::ConnectionTerminated,
    }
}

/// An error of the HTTP connection as an error code of wasi:http.
pub(super) fn code_of(error: &hyper::Error) -> ErrorCode {
    if error.is_parse_too_large() {
        ErrorCode::HttpResponseHeaderSectionSize(None)
    } else if error.is_incomplete_message() {
        ErrorCode::HttpResponseIncomplete
    } else if error.is_parse() {
        ErrorCode::HttpProtocolError
    } else {
        ErrorCode::ConnectionTerminated
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The body of a response, of which the next piece may take `pause`. The body counts as one of the actor's requests until it is
/// dropped.
struct Received {
    incoming: Incoming,
    pause: Duration,
    /// The timer that runs while the guest waits for the next piece.
    silence: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            self.silence = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        let pause = self.pause;
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(pause)));
        silence.as_mut().poll(cx).map(|()| Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Account, Descriptors};

    #[tokio::test]
    async fn name_is_looked_up_as_a_blocking_call() {
        let blocking = Blocking::new(1);
        let requests = Arc::new(tokio::sync::Semaphore::new(2));
        let target = |uri: &str| Target::of(&uri.parse().unwrap()).unwrap();
        let (named, numbered) = (target("http://localhost"), target("http://127.0.0.1"));
        let held = blocking.acquire().await;
        let (descriptors, all) = (Descriptors::new(2), Arc::new(Account::new("all", 2, None)));
        let taken = || Held {
            permit: requests.clone().try_acquire_owned().unwrap(),
            descriptor: descriptors.take(&all, None).unwrap(),
        };
        let mut waiting = Box::pin(resolve(&blocking, &named, taken()));
        assert!(futures::poll!(&mut waiting).is_pending());
        assert!(resolve(&blocking, &numbered, taken()).await.is_ok(), "an address needs no look-up");
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(held);
        assert!(waiting.await.is_ok());
    }
}
