//! Sources and sinks.

use serde::Deserialize;
use toml::Spanned;

use super::rules::{Backoff, Overflow};
use super::secrets::UrlText;
use crate::manifest::units::{AtLeastOne, ByteSize, Time};

/// `[[source]]`: messages from a broker, acknowledged there when they have ended here. The source is the actor `/gate/NAME`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The name of the source, which is the actor `/gate/NAME`. Example: `name = "orders"`. Required.
    pub name: Spanned<String>,
    /// The kind: `"redis"` (a consumer of a group of a stream), `"nats"` (a pull consumer of JetStream) or `"file"` (the lines of a file
    /// that grows, as `tail -F` reads them). Example: `kind = "redis"`. Required.
    pub kind: Spanned<SourceKind>,
    /// The actor that gets the messages. Example: `tell = "/orders"`. Required.
    pub tell: Spanned<String>,
    /// Maximum number of messages that were taken and have not ended. The source never takes more than the mailbox has room for.
    /// Example: `in_flight = 1000`. Default: 256.
    pub in_flight: Option<AtLeastOne>,
    /// With `true`, the play ends with exit code 4 when the broker cannot be reached at the start. A connection that is lost later
    /// is waited for in any case. Example: `required = true`. Default: `false`.
    #[serde(default)]
    pub required: bool,
    /// The broker: `redis://` or `rediss://`, `nats://` or `tls://`, with a user and a password if it needs them; or the secret
    /// or the variable of the host's environment that has the url. No log and no error shows the password. Example: `url = { env = "NATS_URL" }`.
    /// Default: none; required with `nats` and `redis`.
    pub url: Option<Spanned<UrlText>>,
    /// With `file`: the file, relative to the manifest. It need not be there yet. Example: `path = "/var/log/shop.log"`. Default: none;
    /// required with `file`.
    pub path: Option<Spanned<String>>,
    /// The name of the stream. Example: `stream = "ORDERS"`. Default: none; required with `nats` and `redis`.
    pub stream: Option<Spanned<String>>,
    /// Names of headers (`nats`) or fields (`redis`) that become metadata of the message. Example: `meta = ["tenant"]`. Default:
    /// all, in their order, up to 16 pairs and 4 KiB.
    pub meta: Option<Spanned<Vec<String>>>,
    /// With `nats`: the name of the durable consumer, which all hosts with this manifest share. With `redis`: the name of this host
    /// in the group, which no other host may have. Example: `consumer = "billing"`. Default: with `nats` `"playhouse"`; with `redis`
    /// the names of the machine, of the manifest's folder and of the source.
    pub consumer: Option<Spanned<String>>,
    /// With `nats`: with `true`, the stream and the consumer are created if they do not exist. Example: `create = true`. Default:
    /// `false`.
    pub create: Option<Spanned<bool>>,
    /// With `nats`: the subjects of a stream that is created. Example: `subjects = ["orders.>"]`. Default: the name of the stream.
    pub subjects: Option<Spanned<Vec<String>>>,
    /// With `redis`: the group, which all hosts with this manifest share. It is created if it does not exist. Example: `group =
    /// "billing"`. Default: `"playhouse"`.
    pub group: Option<Spanned<String>>,
    /// With `redis`: where a new group begins: `"start"` (with the first entry of the stream) or `"new"` (with the next one). With
    /// `file`: where each start of the host begins. Example: `from = "new"`. Default: with `redis` `"start"`, with `file` `"new"`.
    pub from: Option<Spanned<SourceFrom>>,
    /// With `redis`: time after which entries of a consumer that was silent are taken over. Example: `claim_after = "10s"`. Default:
    /// `"1m"`.
    pub claim_after: Option<Spanned<Time>>,
    /// With `redis`: a stream that gets the entries which became dead letters, with the reason in the field `dead:why`. Its oldest
    /// entries are dropped beyond 100,000. Example: `dead = "orders:dead"`. Default: none.
    pub dead: Option<Spanned<String>>,
}

/// The kind of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// A pull consumer of JetStream.
    Nats,
    /// A consumer of a group of a stream.
    Redis,
    /// The lines of a file.
    File,
}

impl SourceKind {
    /// The kind as the manifest writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::File => "file",
        }
    }
}

/// Where a source begins that has no position yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceFrom {
    /// With the first message that is there.
    Start,
    /// With the next one.
    New,
}

/// `[[sink]]`: an address whose messages leave for a broker, in order, after the commit of the turn that sent them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// The address that actors send to. It is not below an actor of the manifest; the addresses above it exist by themselves.
    /// Example: `address = "/out/billing"`. Required.
    pub address: Spanned<String>,
    /// The kind: `"redis"` (adds to a stream), `"nats"` (publishes to JetStream), `"http"` (a POST to a server) or `"file"` (appends a
    /// line). Example: `kind = "nats"`. Required.
    pub kind: Spanned<SinkKind>,
    /// The broker, as `url` of a source; with `http` the server and the path, `http://` or `https://`. Example: `url =
    /// "nats://127.0.0.1:4222"`. Default: none; required with `nats`, `redis` and `http`.
    pub url: Option<Spanned<UrlText>>,
    /// With `nats`: the subject, which a stream must have. Example: `subject = "billing"`. Default: none; required with
    /// `nats`.
    pub subject: Option<Spanned<String>>,
    /// With `redis`: the name of the stream. Example: `stream = "billing"`. Default: none; required with
    /// `redis`.
    pub stream: Option<Spanned<String>>,
    /// With `redis`: maximum number of entries in the stream, checked on the server with each message. Example: `capacity = 1000`.
    /// Default: 100000.
    pub capacity: Option<Spanned<AtLeastOne>>,
    /// With `http`: the right to send, for servers that want one. Example: `auth = { bearer = "HOOK_TOKEN" }`. Default: none.
    pub auth: Option<Spanned<SinkAuth>>,
    /// With `http`: time for each request, its answer included. Example: `timeout = "1m"`. Default: `"10s"`.
    pub timeout: Option<Spanned<Time>>,
    /// With `file`: the file, relative to the manifest. It is made if it is not there; its folder is not. Example: `path = "audit.log"`.
    /// Default: none; required with `file`.
    pub path: Option<Spanned<String>>,
    /// With `file`: the form of a message: `"line"` (the body and a line end; a body with a line end in it becomes a dead letter) or
    /// `"json"` (an object with id, flow, metadata and body). Example: `frame = "json"`. Default: `"line"`.
    pub frame: Option<Spanned<FileFrame>>,
    /// With `file`: a line that would make the file larger than `size` goes to a new one: the old one is renamed to `PATH.1`, that one to
    /// `PATH.2`, and so on; `keep` of them stay, 5 by default. Example: `rotate = { size = "100MiB", keep = 10 }`. Default: the file
    /// grows.
    pub rotate: Option<Spanned<FileRotation>>,
    /// With `file`: with `true`, a message has ended only when its line is on the disk. Example: `sync = false`. Default: `true`.
    pub sync: Option<Spanned<bool>>,
    /// Number of times that a message is tried which the broker refuses; then it is a dead letter. A broken connection costs no
    /// attempt. Example: `attempts = 3`. Default: 10.
    pub attempts: Option<AtLeastOne>,
    /// The pauses between these attempts. Later messages wait. Example: `backoff = { initial = "1s", max = "1m" }`. Default:
    /// `{ initial = "100ms", max = "10s" }`.
    #[serde(default)]
    pub backoff: Backoff,
    /// Maximum size of a message. Example: `message = "8MiB"`. Default: `"1MiB"`.
    pub message: Option<Spanned<ByteSize>>,
    /// The queue of the sink.
    #[serde(default)]
    pub mailbox: SinkMailbox,
}

/// `sink.auth = { … }`: the right to send to a server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkAuth {
    /// The name of a secret. Its first line is the token that each request has in `Authorization: Bearer`. The url is `https://`, or
    /// leads to this machine. Example: `auth = { bearer = "HOOK_TOKEN" }`. Required.
    pub bearer: Spanned<String>,
}

/// The kind of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SinkKind {
    /// JetStream.
    Nats,
    /// A stream of Redis.
    Redis,
    /// A server that gets requests.
    Http,
    /// A file.
    File,
}

impl SinkKind {
    /// The kind as the manifest writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::Http => "http",
            Self::File => "file",
        }
    }
}

/// The form of a message in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileFrame {
    /// The body and a line end.
    Line,
    /// An object of JSON.
    Json,
}

/// The rotation of a file: the value of `rotate`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRotation {
    /// The largest size of the file.
    pub size: ByteSize,
    /// Number of old files.
    pub keep: Option<AtLeastOne>,
}

/// `[sink.mailbox]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkMailbox {
    /// Maximum number of waiting messages. Example: `capacity = 64`. Default: 1024.
    pub capacity: Option<AtLeastOne>,
    /// Maximum bytes of the waiting messages, with 64 more for each message. Example: `bytes = "64MiB"`. Default: `"16MiB"`.
    pub bytes: Option<Spanned<ByteSize>>,
    /// Treatment of a message that finds the queue full, as `overflow` of `[actor.mailbox]`. Example: `overflow = "drop-oldest"`.
    /// Default: `"block"`.
    pub overflow: Option<Spanned<Overflow>>,
    /// With `overflow = "block"`: time that a sender waits for space before its message becomes a dead letter. Example: `timeout
    /// = "1m"`. Default: `"30s"`.
    pub timeout: Option<Time>,
}
