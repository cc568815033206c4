//! The settings of an HTTP gateway: its address, its bounds, and its routes. Plain data, checked where it was made.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue, Method};
use playhouse_kernel::{Address, METADATA_PAIRS, Secret};

use super::pattern::{BadPattern, PathPattern};
use super::proxies::IpNet;
use super::rate::Rate;
use crate::websocket::WebSocketSettings;

/// An HTTP server of a play.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Its address is `/gate/NAME`.
    pub name: String,
    /// The address that it listens at.
    pub listen: SocketAddr,
    /// Limits on its connections.
    pub bounds: HttpBounds,
    /// Its routes, in any order.
    pub routes: Vec<HttpRoute>,
    /// The tops of subtrees that are no actors for clients, such as gateways. A parameter leads there only if the address before it
    /// is in the same subtree.
    pub reserved: Vec<Address>,
    /// Networks of proxies whose word about a client's address counts.
    pub proxies: Vec<IpNet>,
    /// The pages of other origins that may use the server.
    pub cors: Option<Cors>,
    /// A limit on the requests of each client address.
    pub rate: Option<Rate>,
    /// Whether each request has a log line.
    pub access_log: bool,
}

/// The limits on the connections of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpBounds {
    /// Connections at a time.
    pub connections: usize,
    /// Connections of each client address at a time; `None` for any number.
    pub connections_per_client: Option<usize>,
    /// Bytes of a request's head; at least [`HttpBounds::LEAST_HEAD`].
    pub head_bytes: usize,
    /// Header lines of a request.
    pub headers: usize,
    /// The time in which a head arrives.
    pub head_time: Duration,
    /// The time after which a connection without a request is closed.
    pub idle: Duration,
    /// Requests of one connection.
    pub requests: u64,
    /// Bytes of the bodies of all requests that are under way.
    pub bodies_bytes: usize,
}

impl HttpBounds {
    /// The smallest limit on a head: the size of the first read.
    pub const LEAST_HEAD: usize = 8 << 10;
    /// The largest limit on a head: each connection may hold that much.
    pub const MOST_HEAD: usize = 1 << 20;
}

impl Default for HttpBounds {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_client: None,
            head_bytes: 32 << 10,
            headers: 100,
            head_time: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            requests: 10_000,
            bodies_bytes: 64 << 20,
        }
    }
}

/// The pages that may use a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cors {
    /// Their origins, as in `https://app.example`; `*` is every one.
    pub origins: Vec<String>,
    /// The headers that their requests may have.
    pub headers: Vec<HeaderName>,
    /// Whether a browser sends its cookies and its credentials.
    pub credentials: bool,
    /// The time for which a browser keeps the answer to a preflight.
    pub max_age: Duration,
}

impl Cors {
    /// Whether a text is an origin, as browsers send it.
    pub fn is_origin(text: &str) -> bool {
        let after = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_host = |host: &str| {
            !host.is_empty() && !host.bytes().any(|byte| byte.is_ascii_uppercase() || b"/?#@ ".contains(&byte))
        };
        after.is_some_and(is_host) && HeaderValue::from_str(text).is_ok()
    }
}

/// A route: the requests that it takes, and the actor that gets them.
#[derive(Debug, Clone)]
pub struct HttpRoute {
    /// The host that a request names, in lower case and without a port; `None` for all.
    pub host: Option<String>,
    /// Its paths.
    pub path: PathPattern,
    /// Its methods. A route with `GET` also takes `HEAD`.
    pub methods: Vec<Method>,
    /// The use of a request.
    pub action: Action,
    /// The time for the body of a request, for the reply, and for the client to read the response: each has all of it.
    pub timeout: Duration,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// The parts of a request that the metadata of its message has, beside the parameters of the path.
    pub meta: Vec<MetaItem>,
    /// The headers that the metadata of a reply may set.
    pub reply_headers: Vec<HeaderName>,
    /// The tokens of which a request has one, as a bearer.
    pub bearer: Option<Secret>,
}

impl HttpRoute {
    /// The default of `timeout`.
    pub const TIMEOUT: Duration = Duration::from_secs(30);
    /// The most items of `meta` and parameters together. The metadata of a message may have an `Idempotency-Key` as well.
    pub const MOST_META: usize = METADATA_PAIRS - 1;
}

/// The use of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The reply of an actor is the response.
    Ask(Receiver),
    /// The request is a message, and the response says that it was accepted.
    Tell(Receiver),
    /// The request opens a connection.
    WebSocket(WebSocketSettings),
}

impl Action {
    /// The actor that gets the message; none for a connection, whose handler gets all of them.
    pub fn receiver(&self) -> Option<&Receiver> {
        match self {
            Self::Ask(receiver) | Self::Tell(receiver) => Some(receiver),
            Self::WebSocket(_) => None,
        }
    }

    /// The receiver, or the plugin of a connection's handler, as the manifest writes it.
    pub fn target(&self) -> String {
        match self {
            Self::Ask(receiver) | Self::Tell(receiver) => receiver.to_string(),
            Self::WebSocket(settings) => settings.plugin.clone(),
        }
    }

    /// The settings of a route for connections.
    pub fn websocket(&self) -> Option<&WebSocketSettings> {
        match self {
            Self::Ask(_) | Self::Tell(_) => None,
            Self::WebSocket(settings) => Some(settings),
        }
    }

    /// The key of the manifest.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Ask(_) => "ask",
            Self::Tell(_) => "tell",
            Self::WebSocket(_) => "websocket",
        }
    }
}

/// The actor that gets the message of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// Always this one.
    Fixed(Address),
    /// The actor whose address the parameters of the path complete, as in `/orders/:id`.
    Template(AddressTemplate),
}

/// An address of which some segments are parameters of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressTemplate {
    /// As it is written.
    text: String,
    /// Texts with their slashes, and the numbers of parameters.
    parts: Vec<TemplatePart>,
    /// The address before the first parameter.
    top: Address,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    Parameter(usize),
}

/// Why a text names no receiver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReceiver {
    /// Not an address.
    #[error(transparent)]
    Address(#[from] playhouse_kernel::AddressError),
    /// A parameter that the path does not have.
    #[error("the path has no parameter `:{0}`")]
    NoParameter(String),
}

impl Receiver {
    /// Reads an address, of which segments may be parameters of `path`.
    pub fn parse(text: &str, path: &PathPattern) -> Result<Self, BadReceiver> {
        if !text.contains("/:") {
            return Ok(Self::Fixed(Address::parse(text)?));
        }
        let mut parts = Vec::new();
        let mut before = String::new();
        for segment in text.trim_start_matches('/').split('/') {
            before.push('/');
            if let Some(name) = segment.strip_prefix(':') {
                let parameter = path.parameters().iter().position(|parameter| parameter == name);
                let parameter = parameter.ok_or_else(|| BadReceiver::NoParameter(name.to_owned()))?;
                parts.extend([TemplatePart::Text(std::mem::take(&mut before)), TemplatePart::Parameter(parameter)]);
            } else {
                before.push_str(segment);
            }
        }
        parts.push(TemplatePart::Text(before));
        // All that is not a parameter must be good in any address.
        let top = match parts.first() {
            Some(TemplatePart::Text(first)) => Address::parse(first.trim_end_matches('/')).ok(),
            _ => None,
        };
        let template = AddressTemplate { text: text.to_owned(), parts, top: top.unwrap_or_else(Address::root) };
        template.fill(|_| "a")?;
        Ok(Self::Template(template))
    }

    /// The actor, or the actor above all that the parameters may name.
    pub fn top(&self) -> Address {
        match self {
            Self::Fixed(address) => address.clone(),
            Self::Template(template) => template.top.clone(),
        }
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(address) => address.fmt(f),
            Self::Template(template) => f.write_str(&template.text),
        }
    }
}

impl AddressTemplate {
    /// The address with the values of the parameters.
    pub(super) fn fill<'v>(&self, value: impl Fn(usize) -> &'v str) -> Result<Address, playhouse_kernel::AddressError> {
        let mut text = String::with_capacity(64);
        for part in &self.parts {
            match part {
                TemplatePart::Text(part) => text.push_str(part),
                TemplatePart::Parameter(number) => {
                    let value = value(*number);
                    // A slash within a value would name an actor at another depth.
                    text.push_str(if value.contains('/') { "" } else { value });
                }
            }
        }
        Address::parse(&text)
    }

    /// Whether an address that parameters completed is in a reserved subtree that the template does not begin in.
    pub(super) fn strays(&self, to: &Address, reserved: &[Address]) -> bool {
        let is_in = |address: &Address, top: &Address| address == top || address.is_below(top);
        reserved.iter().any(|top| is_in(to, top) && !is_in(&self.top, top))
    }
}

/// Something of a request that becomes a pair of its message's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetaItem {
    /// `method`.
    Method,
    /// `path`: as it was sent, without the query.
    Path,
    /// `query`: as it was sent, without `?`; no pair without a query.
    Query,
    /// `host`: the host that the request names.
    Host,
    /// `client`: the IP address of the client.
    Client,
    /// `header:NAME`: the first value of a header; no pair without one, or if it is no text.
    Header {
        /// `header:NAME`.
        key: String,
        /// The header.
        name: HeaderName,
    },
}

impl MetaItem {
    /// The items that are no header.
    pub const NAMES: [&str; 5] = ["method", "path", "query", "host", "client"];

    /// Reads an item; `None` for a text that is none.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "method" => Self::Method,
            "path" => Self::Path,
            "query" => Self::Query,
            "host" => Self::Host,
            "client" => Self::Client,
            other => {
                let name = other.strip_prefix("header:")?.parse::<HeaderName>().ok()?;
                Self::Header { key: format!("header:{name}"), name }
            }
        })
    }
}

/// The header with the id of the message that a request became.
pub(super) const MESSAGE_HEADER: &str = "x-playhouse-message";

/// The headers that a reply may never set: those of one connection, and those that the server sets itself.
const NOT_OF_A_REPLY: [&str; 14] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "date",
    "host",
    "expect",
    MESSAGE_HEADER,
];

/// A header that a reply may set; `Err` says why it may not.
pub fn reply_header(text: &str) -> Result<HeaderName, &'static str> {
    let name = text.parse::<HeaderName>().map_err(|_| "is no name of a header")?;
    if NOT_OF_A_REPLY.contains(&name.as_str()) {
        return Err("belongs to the connection, so that the server sets it itself");
    }
    Ok(name)
}

/// A method of HTTP; `None` for a text that is none, and for `CONNECT`, which no route can serve.
pub fn method(text: &str) -> Option<Method> {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    KNOWN.contains(&text).then(|| text.parse().ok()).flatten()
}

impl HttpRoute {
    /// Whether both routes take some requests in common, and neither is the more specific one.
    pub fn hides(&self, other: &Self) -> bool {
        self.host == other.host
            && self.path.has_shape_of(&other.path)
            && self.methods.iter().any(|method| other.methods.contains(method))
    }

    /// The pattern of the paths of a route.
    pub fn pattern(text: &str) -> Result<PathPattern, BadPattern> {
        PathPattern::parse(text)
    }
}

/// The methods, the host and the path, as in `POST api.example/orders/:id`.
impl fmt::Display for HttpRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, method) in self.methods.iter().enumerate() {
            write!(f, "{}{method}", if n == 0 { "" } else { "," })?;
        }
        write!(f, " {}{}", self.host.as_deref().unwrap_or_default(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(text: &str, path: &str) -> Result<Receiver, BadReceiver> {
        Receiver::parse(text, &PathPattern::parse(path).expect("good"))
    }

    #[test]
    fn parameter_of_the_path_completes_an_address() {
        let Ok(Receiver::Template(template)) = receiver("/orders/:id/log", "/o/:shop/:id") else { panic!() };
        let fill = |value| template.fill(|n| ["x", value][n]).map(|address| address.to_string()).ok();
        assert_eq!(fill("7").as_deref(), Some("/orders/7/log"));
        for bad in ["", "a/b", "..", "é", "a b", "a%2Fb", &"x".repeat(65)] {
            assert_eq!(fill(bad), None, "{bad}");
        }
        assert_eq!(template.top.as_str(), "/orders");
    }

    #[test]
    fn parameter_does_not_lead_into_a_reserved_subtree() {
        let reserved = ["/gate", "/out"].map(|top| Address::parse(top).expect("good"));
        let strays = |to: &str, values: [&str; 2]| {
            let Ok(Receiver::Template(template)) = receiver(to, "/:a/:b") else { panic!("{to}") };
            let filled = template.fill(|n| values[n]).expect("good");
            template.strays(&filled, &reserved)
        };
        assert!(strays("/:a", ["gate", ""]) && strays("/:a/:b", ["out", "billing"]) && strays("/:a/web", ["gate", ""]));
        assert!(!strays("/:a", ["gates", ""]) && !strays("/:a/:b", ["orders", "gate"]));
        assert!(!strays("/out/:a", ["billing", ""]), "the manifest names the subtree");
    }

    #[test]
    fn receiver_without_its_parameter_is_refused() {
        assert_eq!(receiver("/orders/:id", "/o/:name"), Err(BadReceiver::NoParameter("id".into())));
        assert!(receiver("/or ders/:id", "/o/:id").is_err());
        assert!(receiver("orders", "/o/:id").is_err());
    }

    #[test]
    fn reply_sets_no_header_of_the_connection() {
        for refused in ["Connection", "transfer-encoding", "content-length", "X-Playhouse-Message", "a b", ""] {
            assert!(reply_header(refused).is_err(), "{refused}");
        }
        assert!(reply_header("Location").is_ok());
    }

    #[test]
    fn origin_is_a_scheme_and_a_host() {
        for good in ["https://app.example", "http://localhost:3000", "https://[::1]:8443"] {
            assert!(Cors::is_origin(good), "{good}");
        }
        for bad in
            ["app.example", "https://", "https://app.example/", "https://App.example", "https://a@b", "*", "null"]
        {
            assert!(!Cors::is_origin(bad), "{bad}");
        }
    }
}
