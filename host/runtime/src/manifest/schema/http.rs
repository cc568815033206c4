//! The keys of HTTP gateways.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use toml::Spanned;

use crate::manifest::units::{AtLeastOne, ByteSize, Time};

/// `[[http]]`. An HTTP server whose requests are messages. It is the actor `/gate/NAME`, the sender of these messages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The name of the gateway. Example: `name = "shop"`. Default: `"http"`; required for a second server.
    pub name: Option<Spanned<String>>,
    /// The IP address and port of the server; with port 0 the system chooses one, which the log names. Example: `listen =
    /// "127.0.0.1:8080"`. Required.
    pub listen: Spanned<String>,
    /// With `true`, `listen` may be an address that other machines reach. Example: `expose = true`. Default: `false`.
    pub expose: Option<Spanned<bool>>,
    /// The requests that the server takes. Of two routes that fit a request, the more specific one has it, whatever their
    /// order. Example: `[[http.route]]`, `path = "/orders"`, `ask = "/orders"`. Default: none; at least one is required.
    #[serde(default)]
    pub route: Vec<Spanned<HttpRoute>>,
    /// Maximum number of connections at a time; others wait. Example: `connections = 200`. Default: 1024.
    pub connections: Option<AtLeastOne>,
    /// Maximum number of connections of one client address at a time, WebSocket connections included; others are closed at once. An
    /// IPv6 client is a network of 64 bits. Trusted proxies have no such limit; WebSocket connections through them count for the
    /// client that they name, and are answered with 429 beyond the limit. Example: `connections_per_client = 50`. Default: none.
    pub connections_per_client: Option<Spanned<AtLeastOne>>,
    /// Size limit of a request's head, `"8KiB"` to `"1MiB"`; a larger one is answered with 431. It is read in pieces, so that a head
    /// of up to twice the limit may pass. Example: `head = "16KiB"`. Default: `"32KiB"`.
    pub head: Option<Spanned<ByteSize>>,
    /// Maximum number of header lines of a request; more are answered with 431. Example: `headers = 50`. Default: 100.
    pub headers: Option<AtLeastOne>,
    /// Time limit for a request's head, from its first byte; that of the first request counts from the connection. A slower
    /// connection is closed. Example: `head_timeout = "5s"`. Default: `"10s"`.
    pub head_timeout: Option<Spanned<Time>>,
    /// Time without a request after which a connection is closed. Example: `idle = "5m"`. Default: `"1m"`.
    pub idle: Option<Spanned<Time>>,
    /// Maximum number of requests of one connection; the last response closes it. Example: `requests = 100`. Default: 10000.
    pub requests: Option<AtLeastOne>,
    /// Maximum bytes of the bodies of all requests that are under way, at least the `body` of each route; a request beyond it is
    /// answered with 503. Example: `bodies = "256MiB"`. Default: `"64MiB"`, or the largest `body` of a route.
    pub bodies: Option<Spanned<ByteSize>>,
    /// The certificate of the server: `cert` and `key`. Example: `tls = { cert = "cert.pem", key = "key.pem" }`. Default: none;
    /// connections are not encrypted.
    pub tls: Option<HttpTls>,
    /// The right to send requests to routes without an `auth` of their own. Example: `auth = { bearer = "API_TOKENS" }`. Default:
    /// everyone has it.
    pub auth: Option<HttpAuth>,
    /// Networks of proxies. A request that comes from one has its client's address in `Forwarded` or `X-Forwarded-For`: the last
    /// address that is no trusted proxy. Where the two headers differ, the address is that of the proxy: let the proxy remove the
    /// one that it does not set. Requests from elsewhere cannot set it. Example: `trusted_proxies = ["10.0.0.0/8"]`. Default: `[]`.
    #[serde(default)]
    pub trusted_proxies: Vec<Spanned<String>>,
    /// The pages of other origins that may use the server. Example: `cors = { origins = ["https://app.example"] }`. Default: none.
    pub cors: Option<HttpCors>,
    /// A limit on the requests of each client address. Example: `rate = { requests = 100, per = "1m" }`. Default: none.
    pub rate: Option<HttpRate>,
    /// With `true`, each request has a line in the log (`http-request`), at most 1,000 in each second. Example: `access_log =
    /// true`. Default: `false`.
    #[serde(default)]
    pub access_log: bool,
}

/// `[[http.route]]`. The requests of a path, and the actor that gets them. Exactly one of `ask` and `tell` is required.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRoute {
    /// The path. `:id` is a parameter: any one segment that is not empty; `/*` at the end is a prefix. The values are
    /// percent-decoded once, and are pairs of the message's metadata: `param:id`, and `param:*` for what follows a prefix.
    /// Example: `path = "/orders/:id"`. Required.
    pub path: Spanned<String>,
    /// The host that requests name, without a port. Routes with a host go before those without. Example: `host =
    /// "api.example.com"`. Default: all hosts.
    pub host: Option<Spanned<String>>,
    /// The methods of the requests; with `"GET"` the route takes `HEAD` as well. Other methods are answered with 405. Example:
    /// `methods = ["GET", "DELETE"]`. Default: `["POST"]`.
    pub methods: Option<Spanned<Vec<Spanned<String>>>>,
    /// The actor whose reply is the response: 200, or the `status` of the reply's metadata; without a reply 204. A segment may
    /// be a parameter of the path; a value that is no valid name there is answered with 404. Example: `ask = "/orders"`.
    /// Default: none.
    pub ask: Option<Spanned<String>>,
    /// The actor that gets the request, which is answered with 202 and the message's id once the message is in the mailbox.
    /// Example: `tell = "/orders"`. Default: none.
    pub tell: Option<Spanned<String>>,
    /// Time limit for the body of a request (408), for the reply or for space in the mailbox (504, 429), and for the client to
    /// read the response; each has the whole time. Example: `timeout = "5s"`. Default: `"30s"`.
    pub timeout: Option<Spanned<Time>>,
    /// Size limit of a request's body, at most `limits.message` of the receiver; a larger one is answered with 413. Example:
    /// `body = "256KiB"`. Default: `limits.message` of the receiver.
    pub body: Option<Spanned<ByteSize>>,
    /// The parts of the request that the message's metadata has, besides parameters of the path: `"method"`, `"path"`, `"query"`,
    /// `"host"`, `"client"` (the client's IP address), `"header:NAME"`. A request whose values are together over 4 KiB is
    /// answered with 431. `header:idempotency-key` is always there, if the request has one. Example: `meta = ["method",
    /// "header:user-agent"]`. Default: `[]`.
    #[serde(default)]
    pub meta: Vec<Spanned<String>>,
    /// The headers that the metadata of a reply may set, besides `status` (200 to 599). A value with a line break and a bad
    /// status are answered with 500. Example: `reply_headers = ["content-type", "location"]`. Default: `["content-type"]`.
    pub reply_headers: Option<Vec<Spanned<String>>>,
    /// The right to send requests to this route, as `auth` of the server. Example: `auth = { bearer = "ADMIN_TOKENS" }`. Default:
    /// `auth` of the server.
    pub auth: Option<HttpAuth>,
    /// In place of `ask` and `tell`: each request opens a WebSocket connection, the actor `/gate/NAME/N`. Its child
    /// `/gate/NAME/N/handler` is of this plugin, which has a `[[plugin]]`, and gets the messages of the client; a message to the
    /// connection is one to the client. The keys below are for such a route, which takes no `methods`, `body`, `timeout` and
    /// `reply_headers`. `meta` and the parameters of the path are values of the handler's configuration, as in `request:path`.
    /// Example: `websocket = "room"`. Default: none.
    pub websocket: Option<Spanned<String>>,
    /// With `websocket`: maximum number of connections at a time; a request beyond it is answered with 503. Each connection keeps a
    /// live instance of `max_instances` under `[play]` for its handler. Example: `connections = 1000`. Default: 100.
    pub connections: Option<Spanned<AtLeastOne>>,
    /// With `websocket`: the origins of pages that may open connections; `"*"` is every page. A request without an `Origin` is of no
    /// browser, and passes. Example: `origins = ["https://example.com"]`. Default: pages of the host that the request names.
    pub origins: Option<Spanned<Vec<Spanned<String>>>>,
    /// With `websocket`: the subprotocols of the handlers, the preferred one first. The handler finds the chosen one as
    /// `request:subprotocol`. Example: `subprotocols = ["chat.v2", "chat.v1"]`. Default: `[]`.
    pub subprotocols: Option<Spanned<Vec<Spanned<String>>>>,
    /// With `websocket`: size limit of what waits for one client, with 64 bytes more for each message; one message may always
    /// wait. A client that reads too slowly is closed with 1013. Example: `queue = "64KiB"`. Default: `"1MiB"`.
    pub queue: Option<Spanned<ByteSize>>,
    /// With `websocket`: the time between two pings. A client that leaves two of them unanswered is closed. Example: `ping =
    /// "10s"`. Default: `"30s"`.
    pub ping: Option<Spanned<Time>>,
}

/// `http.tls = { … }`: the certificate of a server. Clients get HTTP/2 if they offer it. The files are read again when they
/// change; if the new ones are bad, the server keeps its certificate, and the log says so.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTls {
    /// The file of the certificate and of those that lead to a known one, in PEM, relative to the manifest. Example: `tls = { cert
    /// = "cert.pem", key = "key.pem" }`. Required.
    pub cert: Spanned<String>,
    /// The private key in PEM: a file, relative to the manifest, or `{ secret = "NAME" }`, which is read once. The file may not be
    /// in a folder that an actor is granted. Example: `key = { secret = "TLS_KEY" }`. Required.
    pub key: Spanned<TlsKeyText>,
}

/// The key of a certificate as the manifest writes it: a file, or `{ secret = "NAME" }`.
#[derive(Debug)]
pub enum TlsKeyText {
    /// A file.
    File(String),
    /// The name of a secret in `[secrets]`.
    Secret(Spanned<String>),
}

impl<'de> Deserialize<'de> for TlsKeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = TlsKeyText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a file, or { secret = "NAME" }"#)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<TlsKeyText, E> {
                Ok(TlsKeyText::File(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TlsKeyText, A::Error> {
                let Named { secret } = Named::deserialize(MapAccessDeserializer::new(map))?;
                Ok(TlsKeyText::Secret(secret))
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    secret: Spanned<String>,
}

/// `http.auth = { … }`: the right to send requests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpAuth {
    /// The name of a secret with tokens, one in a line, so that a token can be replaced without a gap. A request has one of them
    /// in `Authorization: Bearer`; another is answered with 401. Example: `auth = { bearer = "API_TOKENS" }`. Required.
    pub bearer: Spanned<String>,
}

/// `http.cors = { … }`: the pages of other origins that may use a server. A preflight of such a page is answered by the server
/// itself, one of another page with 403.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpCors {
    /// Their origins, or `["*"]` for every one. Example: `cors = { origins = ["https://app.example"] }`. Required.
    pub origins: Spanned<Vec<Spanned<String>>>,
    /// The headers that their requests may have. Example: `headers = ["content-type", "x-shop"]`. Default: `["authorization",
    /// "content-type", "idempotency-key", "traceparent"]`.
    pub headers: Option<Vec<Spanned<String>>>,
    /// With `true`, a browser sends its cookies. Not with the origin `"*"`. Example: `credentials = true`. Default: `false`.
    pub credentials: Option<Spanned<bool>>,
    /// The time for which a browser keeps the answer to a preflight. Example: `max_age = "1h"`. Default: `"10m"`.
    pub max_age: Option<Time>,
}

/// `http.rate = { … }`: a limit on the requests of each client address. A request beyond it is answered with 429 and `Retry-After`.
/// An IPv6 client is a network of 64 bits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRate {
    /// The number of requests within `per`. That many may come at once. Example: `rate = { requests = 100, per = "1m" }`.
    /// Required.
    pub requests: AtLeastOne,
    /// The time. Example: `per = "1m"`. Default: `"1s"`.
    pub per: Option<Spanned<Time>>,
}

/// `[play.drain]`: the time between the order to stop and the stop, in which load balancers find other hosts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// Time in which the play still takes requests: `/readyz` is 503, and responses have `Connection: close`. Then ports are
    /// closed, requests under way get their responses, and the actors stop. A second Ctrl-C ends it. Example: `delay = "15s"`.
    /// Default: `"0s"`.
    pub delay: Option<Time>,
}
