//! The manifest as written: every key with its meaning, an example and its default. A value that a check beyond its type may
//! refuse carries its place in the file. Every key that is accepted is enforced.

mod cron;
mod dead_letters;
mod family;
mod grants;
mod http;
mod limits;
mod mailbox;
mod queues;
mod rules;
mod secrets;
mod state;
mod store;
mod supervision;
mod watching;

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

pub use cron::{Cron, CronMissed, CronOverlap};
pub use dead_letters::DeadLetters;
pub use family::{Family, FamilyKeys};
pub use grants::{Dir, Grants, Mode, SecretGrant};
pub use http::{Drain, Http, HttpAuth, HttpCors, HttpRate, HttpRoute, HttpTls, TlsKeyText};
pub use limits::{Limits, Subtree};
pub use mailbox::{Mailbox, MailboxKind, MailboxLimits, MailboxRestart};
pub use queues::{FileFrame, FileRotation, Sink, SinkAuth, SinkKind, SinkMailbox, Source, SourceFrom, SourceKind};
pub use rules::{Backoff, Idle, Overflow, Start};
pub(super) use secrets::{SECRET_FORM, VALUE_AS_SECRET};
pub use secrets::{SecretSource, UrlText};
pub use state::ActorState;
pub use store::{Store, Survives};
pub use supervision::{Restart, RestartKind, Strategy, Supervision};
pub use watching::{ActorLog, Control, Log, LogLevel, Metrics};

use super::units::{AtLeastOne, ByteSize, MemoryMark, Text, Time};

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
    /// Actors that exist as soon as a message is sent to them. Default: none.
    #[serde(default)]
    pub family: Vec<Spanned<Family>>,
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

impl Manifest {
    /// Puts the families among the actors, in the order of the file: most rules of an actor are those of each member.
    pub(super) fn place_families(&mut self) {
        let families = std::mem::take(&mut self.family).into_iter();
        self.actor.extend(families.map(|family| Spanned::new(family.span(), member(family.into_inner()))));
        self.actor.sort_by_key(|actor| actor.span().start);
    }
}

/// The actor that each member of a family is.
fn member(family: Family) -> Actor {
    let idle = family.idle.unwrap_or_else(|| Spanned::new(family.address.span(), Idle::Stop));
    let Family { names, live, members, create, create_rate, expire, .. } = family;
    Actor {
        address: family.address,
        plugin: family.plugin,
        sends_to: family.sends_to,
        spawns: family.spawns,
        metrics: family.metrics,
        sha256: family.sha256,
        share: family.share,
        instances: None,
        batch: family.batch,
        start: None,
        idle: Some(idle),
        idle_after: family.idle_after,
        config: family.config,
        required: None,
        mailbox: family.mailbox,
        state: family.state,
        restart: family.restart,
        supervision: family.supervision,
        limits: family.limits,
        grants: family.grants,
        log: family.log,
        family: Some(Box::new(FamilyKeys { names, live, members, create, create_rate, expire })),
    }
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
    /// The control socket.
    #[serde(default)]
    pub control: Control,
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
    /// `share` of a family.
    #[serde(skip)]
    pub(super) share: Option<Spanned<bool>>,
    /// With these, it is a family, and the others are the keys of each member.
    #[serde(skip)]
    pub(super) family: Option<Box<FamilyKeys>>,
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
    /// With `true`, the spawned actors share one instance, with a value for each: their starts are cheap, and one of them runs at a time.
    /// If one crashes, all start again; no message of the others is blamed, and the crash does not count for them. `limits.memory`
    /// and the other limits of an instance are those of all of them together. Actors with other limits, because of their parents',
    /// share another instance. Their grants must be equal below each parent, and the component must be exported with
    /// `export_actor!(..., shared)`. Example: `share = true`. Default: `false`.
    pub share: Option<Spanned<bool>>,
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
