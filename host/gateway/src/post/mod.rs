//! The outlet of a sink that sends each message as a POST to a server. One connection is kept; messages go one after another, so
//! that their order stays. Redirects are not followed: a server that moved is an error to the operator.

mod connection;
mod error;
mod token;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Bytes;
use playhouse_kernel::{BoxFuture, Secret};
use tokio::sync::OnceCell;
use tokio_rustls::rustls::ClientConfig;

use crate::broker::{BrokerError, traceparent};
use crate::secret::SecretUrl;
use crate::sink::{Delivered, Delivery, Outgoing, Outlet, Trouble};
use connection::{Connection, Server};
pub use error::PostError;
use token::Token;

/// Bytes of a response's body that are read; a longer one ends the connection.
const MOST_RESPONSE_BYTES: usize = 64 << 10;
/// Bytes of a response's body that stand in an error.
const SHOWN_BYTES: usize = 100;

/// A sink that posts.
#[derive(Debug, Clone)]
pub struct PostSettings {
    /// The server, the path and the query: `http://` or `https://`.
    pub url: SecretUrl,
    /// Time for each request, from its first byte to the last one of the response.
    pub timeout: Duration,
    /// A secret whose first line is the token of the requests. They leave encrypted, or for this machine.
    pub bearer: Option<Secret>,
}

/// Posts messages to a server.
pub struct PostOutlet {
    /// The target of the requests, or why there is none: a secret url is not known before.
    target: Result<Arc<Target>, PostError>,
    timeout: Duration,
    /// The certificate authorities that this machine trusts, read when they are first needed.
    tls: Arc<OnceCell<Arc<ClientConfig>>>,
}

/// The target of requests.
struct Target {
    server: Server,
    /// The path and the query.
    uri: Uri,
    token: Option<Token>,
}

impl PostOutlet {
    /// The outlet to a url. Nothing is connected before the first message.
    pub fn new(settings: &PostSettings) -> Self {
        let PostSettings { url, timeout, bearer } = settings;
        let target = Target::new(url.expose(), bearer.as_ref()).map(Arc::new);
        Self { target, timeout: *timeout, tls: Arc::default() }
    }
}

/// Whether a text is a url of a server, and may be used with a token.
pub fn check_url(url: &str, has_token: bool) -> Result<(), PostError> {
    let (server, _) = server(url)?;
    if has_token { check_privacy(&server) } else { Ok(()) }
}

/// Whether a secret has a token.
pub fn check_token(secret: &Secret) -> Result<(), PostError> {
    Token::new(secret).map(drop)
}

impl Target {
    fn new(url: &str, bearer: Option<&Secret>) -> Result<Self, PostError> {
        let (server, uri) = server(url)?;
        let token = bearer.map(Token::new).transpose()?;
        if token.is_some() {
            check_privacy(&server)?;
        }
        Ok(Self { server, uri, token })
    }

    /// A text of the server without the token and the query of the url, which may be a secret as well.
    fn without_secrets(&self, text: &str) -> String {
        let text = self.token.as_ref().map_or_else(|| text.to_owned(), |token| token.removed_from(text));
        match self.uri.query() {
            Some(query) if !query.is_empty() => text.replace(query, "***"),
            _ => text,
        }
    }
}

/// Whether nobody but this machine and the server reads what is sent.
fn check_privacy(server: &Server) -> Result<(), PostError> {
    let is_loopback = server
        .name
        .parse::<IpAddr>()
        .map_or_else(|_| server.name.eq_ignore_ascii_case("localhost"), |address| address.to_canonical().is_loopback());
    if server.is_tls || is_loopback { Ok(()) } else { Err(PostError::NotEncrypted(server.name.clone())) }
}

/// The server of a url, and the path of its requests.
fn server(url: &str) -> Result<(Server, Uri), PostError> {
    let uri: Uri = url.parse().map_err(|_| PostError::NoUrl)?;
    let authority = uri.authority().ok_or(PostError::NoUrl)?;
    let is_tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(PostError::NoUrl),
    };
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(PostError::NoUrl);
    }
    let name = authority.host().trim_matches(['[', ']']).to_owned();
    let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| PostError::NoUrl)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).parse().map_err(|_| PostError::NoUrl)?;
    Ok((Server { name, port, is_tls, host }, path))
}

impl Outlet for PostOutlet {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Delivery>, BrokerError>> {
        Box::pin(async move {
            let target = self.target.clone().map_err(|error| BrokerError::plain(error.to_string()))?;
            let connection = Some(Connection::open(&target.server, &self.tls).await?);
            let (timeout, tls) = (self.timeout, self.tls.clone());
            Ok(Box::new(PostDelivery { target, timeout, tls, connection }) as Box<dyn Delivery>)
        })
    }
}

struct PostDelivery {
    target: Arc<Target>,
    timeout: Duration,
    tls: Arc<OnceCell<Arc<ClientConfig>>>,
    /// `None` after a request that did not end as a whole.
    connection: Option<Connection>,
}

impl Delivery for PostDelivery {
    fn deliver<'a>(&'a mut self, messages: &'a [Outgoing]) -> BoxFuture<'a, Delivered> {
        Box::pin(async move {
            for (accepted, message) in messages.iter().enumerate() {
                if let Err(trouble) = self.post(message).await {
                    return Delivered { accepted, repeated: 0, trouble: Some(trouble) };
                }
            }
            Delivered { accepted: messages.len(), ..Delivered::default() }
        })
    }
}

/// Why a request did not end well.
enum Failed {
    /// The connection broke under it.
    Connection(hyper::Error),
    /// Anything else.
    Trouble(Trouble),
}

impl PostDelivery {
    /// Posts one message. A connection that the server closed while it was idle is replaced once: the idempotency key makes a
    /// repetition harmless. A new connection that breaks as well may be the message's fault, and counts as a refusal.
    async fn post(&mut self, message: &Outgoing) -> Result<(), Trouble> {
        let mut is_kept = self.connection.is_some();
        loop {
            let Ok(result) = tokio::time::timeout(self.timeout, self.request(message)).await else {
                // The rest of a late answer would be taken for that of the next request: the request took the connection.
                return Err(Trouble::Refused(format!("no answer within {:?}", self.timeout)));
            };
            match result {
                Err(Failed::Connection(_)) if is_kept => is_kept = false,
                Err(Failed::Connection(error)) => {
                    return Err(Trouble::Refused(format!("the connection broke: {error}")));
                }
                Err(Failed::Trouble(trouble)) => return Err(trouble),
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn request(&mut self, message: &Outgoing) -> Result<(), Failed> {
        let mut connection = if let Some(kept) = self.connection.take() {
            kept
        } else {
            let opened = Connection::open(&self.target.server, &self.tls).await;
            opened.map_err(|error| Failed::Trouble(Trouble::Broken(error)))?
        };
        let request = request(&self.target, message).map_err(Failed::Trouble)?;
        let response = connection.send(request).await.map_err(Failed::Connection)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_RESPONSE_BYTES).collect().await;
        let body = body.map(Collected::to_bytes);
        let text = body.as_ref().map(|body| self.shown(body)).unwrap_or_default();
        if body.is_ok() && connection.is_open() {
            self.connection = Some(connection);
        }
        outcome(status, &text).map_err(Failed::Trouble)
    }

    /// The beginning of a response's body, without secrets: a server may repeat what it got.
    fn shown(&self, body: &[u8]) -> String {
        shown(&self.target.without_secrets(&String::from_utf8_lossy(body)))
    }
}

/// The request of a message.
fn request(target: &Target, message: &Outgoing) -> Result<Request<Full<Bytes>>, Trouble> {
    let content_type = message.metadata.get("content-type").unwrap_or("application/octet-stream");
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&target.uri)
        .header(HOST, &target.server.host)
        .header(USER_AGENT, concat!("playhouse/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, content_type)
        .header(CONTENT_LENGTH, message.body.len())
        .header("idempotency-key", message.id.to_string())
        .header("traceparent", traceparent(message.flow, message.id));
    if let Some(token) = &target.token {
        request = request.header(AUTHORIZATION, &token.header);
    }
    let request = request.body(Full::new(Bytes::from(message.body.clone())));
    request.map_err(|error| Trouble::Never(format!("the metadata `content-type` is no header: {error}")))
}

/// The end of a message whose request was answered.
fn outcome(status: StatusCode, text: &str) -> Result<(), Trouble> {
    let why = || format!("the server said {status}{text}");
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
            Err(Trouble::Refused(why()))
        }
        _ if status.is_server_error() => Err(Trouble::Refused(why())),
        _ if status.is_redirection() => Err(Trouble::Never(format!("{}: redirects are not followed", why()))),
        _ => Err(Trouble::Never(why())),
    }
}

/// The beginning of a response's body, in one line.
fn shown(text: &str) -> String {
    let end = (0..=SHOWN_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    let text: String = text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_decides_the_end() {
        let end = |code: u16| match outcome(StatusCode::from_u16(code).expect("a status"), "") {
            Ok(()) => "accepted",
            Err(Trouble::Refused(_)) => "refused",
            Err(Trouble::Never(_)) => "never",
            Err(Trouble::Broken(_) | Trouble::NotReady(_)) => "broken",
        };
        for (code, wanted) in [
            (200, "accepted"),
            (202, "accepted"),
            (204, "accepted"),
            (301, "never"),
            (308, "never"),
            (400, "never"),
            (401, "never"),
            (404, "never"),
            (408, "refused"),
            (413, "never"),
            (422, "never"),
            (425, "refused"),
            (429, "refused"),
            (500, "refused"),
            (503, "refused"),
        ] {
            assert_eq!(end(code), wanted, "{code}");
        }
    }

    #[test]
    fn url_is_that_of_a_server() {
        for bad in ["", "a", "ftp://a", "http://", "http://user@a", "http:///a", "/a"] {
            assert_eq!(check_url(bad, false), Err(PostError::NoUrl), "{bad}");
        }
        let (one, path) = server("https://[::1]/a?b=c").expect("a url");
        let Server { name, port, is_tls, host } = &one;
        assert_eq!((name.as_str(), *port, *is_tls, host.to_str().expect("text")), ("::1", 443, true, "[::1]"));
        assert_eq!(path, "/a?b=c");
        assert_eq!(server("http://a:81").expect("a url").0.port, 81);
    }

    #[test]
    fn token_needs_encryption_or_this_machine() {
        for good in ["https://a.com", "http://127.0.0.1:80", "http://[::1]/a", "http://LocalHost/", "http://127.9.9.9"]
        {
            assert_eq!(check_url(good, true), Ok(()), "{good}");
        }
        for bad in ["http://a.com", "http://10.0.0.1", "http://localhost.a.com", "http://0.0.0.0", "http://[::2]"] {
            assert!(matches!(check_url(bad, true), Err(PostError::NotEncrypted(_))), "{bad}");
            assert_eq!(check_url(bad, false), Ok(()), "{bad}");
            assert!(Target::new(bad, Some(&Secret::new("a"))).is_err(), "{bad}");
        }
    }

    #[test]
    fn text_of_a_server_has_neither_token_nor_query() {
        let target = Target::new("https://a.com/b?key=hunter2", Some(&Secret::new("hunter3"))).expect("good");
        assert_eq!(target.without_secrets("no hunter3 at /b?key=hunter2"), "no *** at /b?***");
    }

    #[test]
    fn response_is_shown_in_one_short_line() {
        assert_eq!(shown("no\r\nsuch \x1b[1m thing"), ": no  such  [1m thing");
        assert_eq!((shown(""), shown(&"x".repeat(500)).len()), (String::new(), SHOWN_BYTES + 2));
        assert_eq!(shown(&"\u{20ac}".repeat(500)).chars().count(), 33 + 2);
    }

    /// A server with a certificate of its own for `localhost`, which answers one request of each connection with 204. Returns its port
    /// and the client's settings that trust it.
    async fn tls_server() -> (u16, Arc<ClientConfig>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        use tokio_rustls::rustls::pki_types::PrivateKeyDer;
        use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone());
        let server = server.with_safe_default_protocol_versions().expect("known versions").with_no_client_auth();
        let server = server.with_single_cert(vec![made.cert.der().clone()], key).expect("a good pair");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a good certificate");
        let client = ClientConfig::builder_with_provider(provider);
        let client = client.with_safe_default_protocol_versions().expect("known versions");
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut head = vec![0; 4096];
                    if stream.read(&mut head).await.is_ok_and(|count| count > 0) {
                        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                    }
                }
            }
        });
        (port, Arc::new(client))
    }

    #[tokio::test]
    async fn https_needs_a_trusted_certificate() {
        let (port, trusts) = tls_server().await;
        let url = SecretUrl::new(format!("https://localhost:{port}/"));
        let settings = PostSettings { url, timeout: Duration::from_secs(10), bearer: None };
        let message = Outgoing {
            id: playhouse_kernel::MessageId(1),
            flow: playhouse_kernel::FlowId(1),
            hops: 0,
            metadata: playhouse_kernel::Metadata::new(),
            body: b"hello".to_vec(),
        };
        let outlet = PostOutlet::new(&settings);
        outlet.tls.set(trusts).expect("it was not read yet");
        let mut delivery = outlet.connect().await.expect("a trusted server");
        let delivered = delivery.deliver(std::slice::from_ref(&message)).await;
        assert!(delivered.accepted == 1 && delivered.trouble.is_none(), "{delivered:?}");
        let (_, trusts_another) = tls_server().await;
        let outlet = PostOutlet::new(&settings);
        outlet.tls.set(trusts_another).expect("it was not read yet");
        let error = outlet.connect().await.err().expect("another certificate").to_string();
        assert!(error.contains("certificate"), "{error}");
    }
}
