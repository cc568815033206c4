//! The manifest as written: every key with its meaning, an example and its default. A value that a check beyond its type may
//! refuse carries its place in the file. Every key that is accepted is enforced.

mod cron;
mod dead_letters;
mod grants;
mod http;
mod limits;
mod queues;
mod rules;
mod secrets;
mod state;
mod store;
mod watching;

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

pub use cron::{Cron, CronMissed, CronOverlap};
pub use dead_letters::DeadLetters;
pub use grants::{Dir, Grants, Mode, SecretGrant};
pub use http::{Drain, Http, HttpAuth, HttpCors, HttpRate, HttpRoute, HttpTls, TlsKeyText};
pub use limits::{Limits, Subtree};
pub use queues::{FileFrame, FileRotation, Sink, SinkAuth, SinkKind, SinkMailbox, Source, SourceFrom, SourceKind};
pub use rules::{Backoff, Overflow};
pub(super) use secrets::{SECRET_FORM, VALUE_AS_SECRET};
pub use secrets::{SecretSource, UrlText};
pub use state::ActorState;
pub use store::{Store, Survives};
pub use watching::{ActorLog, Log, LogLevel, Metrics};

use super::units::{AtLeastOne, ByteSize, Cooldown, MemoryMark, Text, Time};

/// `playhouse.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The play as a whole. Default: every key's default.
    #[serde(default)]
    pub play: Play,
    /// The actors, in start order: parents before children, and consumers before producers, because actors stop in the reverse
    /// order. Default: none.
    #[serde(default)]
    pub actor: Vec<Spanned<Actor>>,
    /// The plugins that actors may spawn while the play runs. Default: none.
    #[serde(default)]
    pub plugin: Vec<Spanned<Plugin>>,
    /// Messages that come from brokers. Default: none.
    #[serde(default)]
    pub source: Vec<Source>,
    /// Addresses whose messages leave for brokers. Default: none.
    #[serde(default)]
    pub sink: Vec<Sink>,
    /// HTTP servers whose requests are messages. Default: none.
    #[serde(default)]
    pub http: Vec<Spanned<Http>>,
    /// The values that the host uses and never shows. Default: none.
    #[serde(default)]
    pub secrets: BTreeMap<Spanned<String>, Spanned<SecretSource>>,
    /// Messages at times of the calendar. Default: none.
    #[serde(default)]
    pub cron: Vec<Spanned<Cron>>,
}

/// `[play]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Play {
    /// The name of the play, for operators. Example: `name = "word-count"`. Default: the name of the manifest's folder.
    pub name: Option<String>,
    /// The folder of the `.wasm` files, relative to the manifest. Example: `plugins = "../plugins"`.
    /// Default: `"plugins"`.
    pub plugins: Option<Spanned<String>>,
    /// Maximum number of live instances of all actors together. Another start waits until an instance ends. If actors with `idle
    /// = "stop"` are idle, the one that has been idle for the longest time is passivated at once. If no instance can end, the
    /// start fails after `limits.start`. Each actor of the manifest keeps its own instances; spawned actors share the others.
    /// The least value is the sum of `instances` of the actors that start by themselves and stay, and one more if there are
    /// other actors. Example: `max_instances = 200`. Default: 1000.
    pub max_instances: Option<Spanned<AtLeastOne>>,
    /// Limits on plugins, and on the resources that all actors share.
    #[serde(default)]
    pub limits: PlayLimits,
    /// Actors in a line: each one may send to the next one, as with a `sends_to` for each. A pipeline only goes forward: no
    /// actor is in it twice. Example: `pipeline = ["/split", "/count", "/report"]`. Default: none.
    pub pipeline: Option<Spanned<Vec<Spanned<String>>>>,
    /// Addresses of native actors: Rust types that the program which embeds the play provides. Actors of the manifest may send to
    /// them. `playhouse run` provides none, and refuses a manifest with this key. Example: `native = ["/audit"]`. Default: none.
    #[serde(default)]
    pub native: Vec<Spanned<String>>,
    /// The memory use above which memory is short: the host warns, and takes no new messages from outside until the use is a
    /// tenth below this value. A share is compared with the use of the machine's memory, or of the control group's memory, by
    /// all processes; a size is compared with the resident memory that the host shares with no other process (`RssAnon` of
    /// `/proc/self/status`). `"100%"` switches the check off. Example: `memory_high = "2GiB"`. Default: `"90%"`.
    pub memory_high: Option<MemoryMark>,
    /// The kernel's supervision of the actors directly under `/`.
    #[serde(default)]
    pub supervision: Supervision,
    /// The folder that keeps the play over the runs of its host. Without it, everything ends with the host.
    pub store: Option<Store>,
    /// The store of dead letters: messages that no actor will handle.
    #[serde(default)]
    pub dead_letters: DeadLetters,
    /// The time in which a play that stops still takes requests.
    #[serde(default)]
    pub drain: Drain,
    /// The HTTP server for programs that watch the play.
    #[serde(default)]
    pub metrics: Metrics,
    /// The log of `playhouse run`.
    #[serde(default)]
    pub log: Log,
}

/// `[play.limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayLimits {
    /// The size of the largest `.wasm` file that is loaded. Example: `component = "8MiB"`. Default: `"64MiB"`.
    pub component: Option<ByteSize>,
    /// Time limit for compiling one component. Components are compiled before the play starts, one after the other, each in a
    /// process of its own, and only if the cache does not have them. Example: `compile_time = "5m"`. Default: `"1m"`.
    pub compile_time: Option<Spanned<Time>>,
    /// Memory limit for compiling one component, at least `"64MiB"`. Example: `compile_memory = "4GiB"`. Default: `"1GiB"`.
    pub compile_memory: Option<Spanned<ByteSize>>,
    /// Memory limit of all instances together. An instance counts with its size at the start and with its growth. A growth
    /// beyond the limit is refused; a start beyond the limit fails. Example: `memory = "2GiB"`. Default: half of the memory of
    /// the machine, or of the control group that the host is in.
    pub memory: Option<Spanned<ByteSize>>,
    /// Stack of each instance, `"64KiB"` to `"64MiB"`; the host's own functions have another 512 KiB. Example: `stack = "2MiB"`.
    /// Default: `"512KiB"`.
    pub stack: Option<Spanned<ByteSize>>,
}

/// `[[actor]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The actor's address: its parent's address and its name. Example: `address = "/shop/cart"`. Required.
    pub address: Spanned<String>,
    /// The actor's code: a file of the plugins folder, without `.wasm`. The name consists of letters, digits, `_` and `-`.
    /// Example: `plugin = "cart"`. Required.
    pub plugin: Spanned<String>,
    /// Addresses that the actor may send to, besides its descendants and the sender of the message that it handles. `"/team/**"`
    /// means all actors below `/team`, also those that are spawned later, but not `/team` itself. Example: `sends_to =
    /// ["/count", "/team/**"]`. Default: `[]`.
    #[serde(default)]
    pub sends_to: Vec<Spanned<String>>,
    /// Plugins that the actor may spawn as its children; each has a `[[plugin]]`. Example: `spawns = ["worker"]`. Default: `[]`.
    #[serde(default)]
    pub spawns: Vec<Spanned<String>>,
    /// Names of metrics that the actor's code counts or observes itself, at most 32. Another name is an error to the code. A name
    /// has 1 to 64 of `a` to `z`, `0` to `9` and `_`, a letter first, and does not end with `total`, `bucket`, `sum`, `count`,
    /// `info` or `created`. `orders` becomes the counter `playhouse_counted_orders_total`, or the histogram
    /// `playhouse_observed_orders`, of `/metrics`. Example: `metrics = ["orders", "amount"]`. Default: `[]`.
    #[serde(default)]
    pub metrics: Vec<Spanned<String>>,
    /// The digest that the plugin's file must have (`playhouse inspect` prints it); another file is refused. Example: `sha256 =
    /// "9f86d081…"`. Default: any file.
    pub sha256: Option<Spanned<String>>,
    /// Number of instances that run side by side on one mailbox, 1 to 64. Each message goes to a free instance. Each instance
    /// has its own memory, and starts, crashes and restarts alone. They stop one after the other, and each has the whole time to
    /// stop. With several instances, messages may overtake each other, and the actor has no children. Example: `instances = 4`.
    /// Default: 1.
    pub instances: Option<Spanned<AtLeastOne>>,
    /// Maximum number of messages handed over in one call. Example: `batch = 1`. Default: 256; with folders or hosts in `grants`
    /// 1, because an effect outside of the host cannot be undone when another message of the batch crashes the actor.
    pub batch: Option<AtLeastOne>,
    /// The time of the start. `"auto"`: with the parent; `"on-message"`: when a message for the actor arrives, which the actor
    /// then finds in its mailbox (only without children of the manifest below the actor); `"manual"`: when an operator runs
    /// `playhouse start`. Example: `start = "on-message"`. Default: `"auto"`.
    pub start: Option<Spanned<Start>>,
    /// Behaviour of an idle actor. `"stay"`: the instance stays; `"stop"`: after `idle_after` without a message the actor is
    /// passivated. Passivation is an orderly stop, with the `shutdown` hook, and no restart: the instance ends, the address and
    /// the mailbox stay, and the next message creates a new instance. An actor with a timer, a watch or a child stays up;
    /// `"stop"` is therefore refused if the manifest has children below the actor. Example: `idle = "stop"`. Default: `"stay"`.
    pub idle: Option<Spanned<Idle>>,
    /// Time without a message after which an actor with `idle = "stop"` is passivated. Example: `idle_after = "10s"`. Default:
    /// `"1m"`.
    pub idle_after: Option<Spanned<Time>>,
    /// Values that the actor's code can ask for by name. Numbers and booleans become their text. Example: `config = { top = "10"
    /// }`. Default: `{}`.
    #[serde(default)]
    pub config: BTreeMap<String, Text>,
    /// With `true`, the play ends with exit code 4 when this actor is given up: when it fails (see `restart.cooldown`), or is
    /// not restarted after a failure because of its `restart.kind`. Only for an actor directly under `/`. Example: `required =
    /// true`. Default: `false`.
    pub required: Option<Spanned<bool>>,
    /// The actor's mailbox.
    #[serde(default)]
    pub mailbox: Mailbox,
    /// The actor's state in the play's store. Without it, the actor's code cannot keep values there.
    pub state: Option<Spanned<ActorState>>,
    /// Restarts of the actor after a failure.
    #[serde(default)]
    pub restart: Restart,
    /// Supervision of the actor's children.
    #[serde(default)]
    pub supervision: Supervision,
    /// Limits on the actor's use of resources.
    #[serde(default)]
    pub limits: Limits,
    /// The actor's access to the world outside.
    #[serde(default)]
    pub grants: Grants,
    /// The log of the actor.
    #[serde(default)]
    pub log: ActorLog,
}

/// `[[plugin]]`: settings of the actors of one plugin that others spawn while the play runs. `mailbox`, `restart`,
/// `supervision`, `limits`, `grants` and `log` have the keys of `[actor.mailbox]` and so on. A spawned actor's `limits` and `grants`
/// are never wider than its parent's: a grant that the parent does not have is left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// The name that a spawn uses: a file of the plugins folder, without `.wasm`. Example: `name = "worker"`. Required.
    pub name: Spanned<String>,
    /// Addresses that the actor may send to, besides its descendants and the sender of the message that it handles. Addresses
    /// that its parent may not send to are left out, except the parent itself. Example: `sends_to = ["/log"]`. Default: `[]`.
    #[serde(default)]
    pub sends_to: Vec<Spanned<String>>,
    /// Plugins that the actor may spawn in turn. Example: `spawns = ["helper"]`. Default: `[]`.
    #[serde(default)]
    pub spawns: Vec<Spanned<String>>,
    /// Names of metrics that the code of each spawned actor counts or observes itself, as `metrics` of an actor. `/metrics` has the
    /// sum of all actors that were spawned from the plugin below an actor of the manifest. Example: `metrics = ["orders"]`.
    /// Default: `[]`.
    #[serde(default)]
    pub metrics: Vec<Spanned<String>>,
    /// With `true`, the plugin may be spawned below an actor of the same plugin: a chain ends only at the depth of an address
    /// and at `limits.children`. Example: `recursive = true`. Default: `false`.
    #[serde(default)]
    pub recursive: bool,
    /// The digest that the plugin's file must have; another file is refused. Example: `sha256 = "9f86d081…"`. Default: any file.
    pub sha256: Option<Spanned<String>>,
    /// Maximum number of messages handed over in one call. Example: `batch = 1`. Default: 256; with folders or hosts in `grants`
    /// 1.
    pub batch: Option<AtLeastOne>,
    /// The time of the start. `"auto"`: with the spawn; `"on-message"`: when a message for the actor arrives. Example: `start =
    /// "on-message"`. Default: `"auto"`.
    pub start: Option<Spanned<Start>>,
    /// Behaviour of an idle actor, as `idle` of an actor. Example: `idle = "stop"`. Default: `"stay"`.
    pub idle: Option<Spanned<Idle>>,
    /// Time until passivation, as `idle_after` of an actor. Example: `idle_after = "10s"`. Default: `"1m"`.
    pub idle_after: Option<Spanned<Time>>,
    /// Values that the actor's code can ask for by name; a value that the spawn gives takes precedence. Example: `config = { top
    /// = "10" }`. Default: `{}`.
    #[serde(default)]
    pub config: BTreeMap<String, Text>,
    /// The mailbox of each spawned actor. A durable one makes durable children: they belong to their parent, which must be durable, too,
    /// and are there again when the host starts again.
    #[serde(default)]
    pub mailbox: Mailbox,
    /// The state of each spawned actor in the play's store, as `state` of an actor. It needs a durable mailbox.
    pub state: Option<Spanned<ActorState>>,
    /// Restarts of each spawned actor after a failure.
    #[serde(default)]
    pub restart: Restart,
    /// Supervision of the children of each spawned actor.
    #[serde(default)]
    pub supervision: Supervision,
    /// Limits on each spawned actor's use of resources.
    #[serde(default)]
    pub limits: Limits,
    /// The access of each spawned actor to the world outside.
    #[serde(default)]
    pub grants: Grants,
    /// The log of each spawned actor.
    #[serde(default)]
    pub log: ActorLog,
}

/// The time at which an actor starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// With its parent.
    Auto,
    /// When a message for the actor arrives.
    OnMessage,
    /// When an operator starts the actor.
    Manual,
}

/// Behaviour of an actor that is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Idle {
    /// The instance stays.
    Stay,
    /// The actor is passivated.
    Stop,
}

/// `[actor.mailbox]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mailbox {
    /// The storage of the mailbox and its order: `"memory"` (the host's memory; first in, first out), `"plugin"` (the host's memory
    /// as well; a mailbox plugin decides the order), `"durable"` (the host's memory and the store of the play, so that messages
    /// wait for the next run of the host; see `docs/durability.md`), or `"redis"` (a stream of Redis, which feeds the host's
    /// memory; see `docs/gateways.md`). Example: `kind = "plugin"`. Default: `"memory"`.
    pub kind: Option<Spanned<MailboxKind>>,
    /// The mailbox plugin: a file of the plugins folder, without `.wasm`, that exports `playhouse:actor/mailbox`. The plugin
    /// decides the order of the messages, and which message is dropped when the mailbox is full; the messages stay with the
    /// host. The mailbox of each actor has an instance of its own, which counts for the limits on instances. This key and those
    /// below marked with it need `kind = "plugin"`. Example: `plugin = "priority"`. Default: none; required with `kind =
    /// "plugin"`.
    pub plugin: Option<Spanned<String>>,
    /// With `plugin`: the digest that the plugin's file must have; another file is refused. Example: `sha256 = "9f86d081…"`.
    /// Default: any file.
    pub sha256: Option<Spanned<String>>,
    /// With `plugin`: values that the plugin's code can ask for by name. Example: `config = { field = "level" }`. Default: `{}`.
    pub config: Option<Spanned<BTreeMap<String, Text>>>,
    /// With `plugin`: maximum number of messages, in addition to `capacity`, that may overtake a message. A message that was
    /// overtaken by more is next, whatever the plugin decides. Example: `overtakes = 100`. Default: 10000.
    pub overtakes: Option<Spanned<AtLeastOne>>,
    /// With `plugin`: limits on each instance of the plugin.
    pub limits: Option<Spanned<MailboxLimits>>,
    /// With `plugin`: restarts of the plugin after a crash.
    pub restart: Option<Spanned<MailboxRestart>>,
    /// With `redis`: the server, as `url` of a source. Example: `url = "redis://127.0.0.1:6379/0"`. Default: none; required with
    /// `kind = "redis"`.
    pub url: Option<Spanned<UrlText>>,
    /// With `redis`: the name of the stream. Example: `stream = "orders"`. Default: `playhouse:`, the play's name, and the address.
    pub stream: Option<Spanned<String>>,
    /// With `redis`: the group, as `group` of a source. Example: `group = "billing"`. Default: `"playhouse"`.
    pub group: Option<Spanned<String>>,
    /// With `redis`: where a new group begins, as `from` of a source. Example: `from = "new"`. Default: `"start"`.
    pub from: Option<Spanned<SourceFrom>>,
    /// With `redis`: time after which entries of a silent host are taken over. Example: `claim_after = "10s"`. Default: `"1m"`.
    pub claim_after: Option<Spanned<Time>>,
    /// With `redis`: a stream that gets dead letters, as `dead` of a source. Example: `dead = "orders:dead"`. Default: none.
    pub dead: Option<Spanned<String>>,
    /// With `durable`: of the waiting messages, maximum bytes in the host's memory. The others are read back from the store when their
    /// time comes. Example: `memory = "64MiB"`. Default: `"4MiB"`.
    pub memory: Option<Spanned<ByteSize>>,
    /// Maximum number of waiting messages; with `redis` of entries in the stream. Example: `capacity = 64`. Default: 1024; with
    /// `durable` 1000000, with `redis` 100000.
    pub capacity: Option<AtLeastOne>,
    /// Maximum bytes of the waiting messages, with 64 more for each message; at least `limits.message`. Example: `bytes =
    /// "64MiB"`. Default: `"16MiB"`; with `durable` `"1GiB"`.
    pub bytes: Option<Spanned<ByteSize>>,
    /// Treatment of a message that finds the mailbox full: `"block"` (the sender waits, up to `timeout`), `"reject"` (senders
    /// outside and askers get an error; an actor's tell becomes a dead letter), `"drop-newest"`, `"drop-oldest"` (not with
    /// `plugin`, which chooses itself, and not with `durable`). Example: `overflow = "drop-oldest"`. Default: `"block"`; with `plugin` the plugin's
    /// choice.
    pub overflow: Option<Spanned<Overflow>>,
    /// With `overflow = "block"`: time that a sender waits for space before its message becomes a dead letter. Example: `timeout
    /// = "1m"`. Default: `"30s"`.
    pub timeout: Option<Time>,
}

/// The storage of a mailbox and its order.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailboxKind {
    /// The host's memory: waiting messages are lost when the host ends.
    #[default]
    Memory,
    /// The host's memory, and a mailbox plugin decides the order.
    Plugin,
    /// The host's memory, and the play's store.
    Durable,
    /// A stream of Redis.
    Redis,
}

/// `[actor.mailbox.limits]`. The limits hold for one instance of a mailbox plugin; those of a spawned actor's mailbox are never
/// wider than its parent's.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxLimits {
    /// Memory of the instance, at most `"4GiB"`. Example: `memory = "64MiB"`. Default: `"16MiB"`.
    pub memory: Option<Spanned<ByteSize>>,
    /// CPU time of one call, which may be about 256 messages. Example: `cpu = "20ms"`. Default: `"100ms"`.
    pub cpu: Option<Spanned<Time>>,
    /// Time in which one call runs or waits for an import that it called. Example: `timeout = "5s"`. Default: `"1s"`.
    pub timeout: Option<Spanned<Time>>,
}

/// `[actor.mailbox.restart]`. After a crash of a mailbox plugin, the messages wait for its next instance, which is told of all
/// of them again. A plugin that crashes too often is given up until the host starts again: the mailbox goes on first in, first
/// out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxRestart {
    /// Maximum number of crashes within `period`. The plugin is given up after more crashes than this within `period`, or when
    /// fewer messages than this left the mailbox between these crashes. The time of a call that hangs does not count for the
    /// period. Example: `intensity = 3`. Default: 10.
    pub intensity: Option<u32>,
    /// The period of `intensity`. Example: `period = "1m"`. Default: `"10s"`.
    pub period: Option<Spanned<Time>>,
    /// The pause before a restart. Example: `backoff = { initial = "10ms", max = "1s" }`. Default: as in the example.
    #[serde(default)]
    pub backoff: Backoff,
}

/// `[actor.restart]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The failures or ends after which the actor is started again: `"permanent"` (each), `"transient"` (a crash), `"temporary"`
    /// (none). Example: `kind = "transient"`. Default: `"permanent"`.
    #[serde(default)]
    pub kind: RestartKind,
    /// Number of times that one message may fail or crash the actor before the message becomes a dead letter. Example: `attempts
    /// = 1`. Default: 3.
    pub attempts: Option<AtLeastOne>,
    /// The pause before a restart or a retry. The pause begins again at `initial` after a success: a `period` of the supervisor
    /// without a failure, or ten handled messages for each failure within the period. Example: `backoff = { initial = "10ms",
    /// max = "10s" }`. Default: as in the example.
    #[serde(default)]
    pub backoff: Backoff,
    /// For an actor directly under `/`: the pause before a trial start. An actor that failed more often than `play.supervision`
    /// allows, or did not come up within its period, is `failed` with all actors below it, and its messages wait. After the
    /// pause one trial start is made; with `"never"` only `playhouse start` makes one. With `--until-idle` none is made.
    /// Example: `cooldown = "10m"`. Default: `"1m"`.
    pub cooldown: Option<Spanned<Cooldown>>,
}

/// The ends after which an actor is started again.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartKind {
    /// Each end.
    #[default]
    Permanent,
    /// A crash.
    Transient,
    /// No end.
    Temporary,
}

/// `[actor.supervision]` for the actor's children, `[play.supervision]` for the actors directly under `/`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supervision {
    /// The children that restart when a child fails: that child alone (`"one-for-one"`), all children (`"one-for-all"`), or that
    /// child and those that start after it (`"rest-for-one"`). The others stop first, in reverse order; together this counts as
    /// one restart. Example: `strategy = "rest-for-one"`. Default: `"one-for-one"`.
    #[serde(default)]
    pub strategy: Strategy,
    /// Maximum number of failures within `period`. After more failures the supervisor gives up: an actor fails itself; the
    /// kernel counts each of its actors apart and gives up that one actor. All attempts at one message are one failure. Failures
    /// over messages count only while they are more than the messages that the actor handled within the period. Example:
    /// `intensity = 3`. Default: 10.
    pub intensity: Option<u32>,
    /// The period of `intensity`. Example: `period = "1m"`. Default: `"10s"`.
    pub period: Option<Spanned<Time>>,
    /// Time limit for the orderly stop of each child, after which it is killed; in `[play.supervision]` also the time that the
    /// reader of the host's stdout has for the last output. Example: `shutdown = "30s"`. Default: `"5s"`.
    pub shutdown: Option<Time>,
}

/// The children that restart when a child fails.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// That child alone.
    #[default]
    OneForOne,
    /// All children.
    OneForAll,
    /// That child and those that start after it.
    RestForOne,
}
