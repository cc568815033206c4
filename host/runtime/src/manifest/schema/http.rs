//! The keys of HTTP gateways.

use serde::Deserialize;
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
    /// Size limit of a request's head, `"8KiB"` to `"1MiB"`; a larger one is answered with 431. Example: `head = "16KiB"`.
    /// Default: `"32KiB"`.
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
    /// With `websocket`: size limit of what waits for one client, with 64 bytes more for each message. A client that reads too
    /// slowly is closed with 1013. Example: `queue = "64KiB"`. Default: `"1MiB"`.
    pub queue: Option<Spanned<ByteSize>>,
    /// With `websocket`: the time between two pings. A client that answers two of them with nothing is closed. Example: `ping =
    /// "10s"`. Default: `"30s"`.
    pub ping: Option<Spanned<Time>>,
}
