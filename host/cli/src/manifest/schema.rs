//! The manifest as it is written: every key with its meaning, an example and its default. Values carry their
//! place in the file where a check beyond their type may find fault with them. No key is accepted that is not
//! enforced.

mod grants;

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

pub use grants::{Dir, Grants, Mode};

use super::units::{AtLeastOne, ByteSize, Cooldown, MemoryMark, Text, Time};

/// `playhouse.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The play as a whole. Default: every key's default.
    #[serde(default)]
    pub play: Play,
    /// The actors, in start order: parents before children, consumers before producers, since they stop in the
    /// reverse order. Default: none.
    #[serde(default)]
    pub actor: Vec<Spanned<Actor>>,
    /// What actors may spawn while the play runs. Default: nothing.
    #[serde(default)]
    pub plugin: Vec<Spanned<Plugin>>,
}

/// `[play]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Play {
    /// What people call it. Example: `name = "word-count"`. Default: the name of the manifest's folder.
    pub name: Option<String>,
    /// The folder of the `.wasm` files, relative to the manifest. Example: `plugins = "../plugins"`.
    /// Default: `"plugins"`.
    pub plugins: Option<Spanned<String>>,
    /// Most instances that live at once, over all actors. One more waits in line until another ends; of those with `idle = "stop"`
    /// the one that has had nothing to do for longest ends for it at once. When none can end, the start fails after `limits.start`.
    /// Spawned actors have what is left when each actor of the manifest keeps its own. At least all `instances` of the actors that start by
    /// themselves and stay, and one more if there are others. Example: `max_instances = 200`. Default: 1000.
    pub max_instances: Option<Spanned<AtLeastOne>>,
    /// Bounds on plugins, and on what all actors have in common.
    #[serde(default)]
    pub limits: PlayLimits,
    /// Actors in a line, each of which may send to the next one: short for a `sends_to` of each. It only goes forward: no actor is in
    /// it twice. Example: `pipeline = ["/split", "/count", "/report"]`. Default: none.
    pub pipeline: Option<Spanned<Vec<Spanned<String>>>>,
    /// Above this, memory is short: the host warns, and takes no new messages from outside until it is a tenth below. A
    /// share is of the memory of the machine, or of the control group that the host is in, whoever uses it; a size is of what
    /// the host itself has resident and shares with nobody (`RssAnon` of `/proc/self/status`). `"100%"` switches it off.
    /// Example: `memory_high = "2GiB"`. Default: `"90%"`.
    pub memory_high: Option<MemoryMark>,
    /// How the kernel looks after the top actors.
    #[serde(default)]
    pub supervision: Supervision,
    /// The store of messages that will not be handled.
    #[serde(default)]
    pub dead_letters: DeadLetters,
}

/// `[play.limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayLimits {
    /// The largest `.wasm` file that is loaded. Example: `component = "8MiB"`. Default: `"64MiB"`.
    pub component: Option<ByteSize>,
    /// How long compiling one component may take. It happens before the play starts, in a process of its own, one after the
    /// other, and only when the cache does not have it. Example: `compile_time = "5m"`. Default: `"1m"`.
    pub compile_time: Option<Spanned<Time>>,
    /// Memory for compiling one component, at least `"64MiB"`. Example: `compile_memory = "4GiB"`. Default: `"1GiB"`.
    pub compile_memory: Option<Spanned<ByteSize>>,
    /// Memory of all instances together, as large as they were made or grew. A growth beyond it is refused, a start beyond it
    /// fails. Example: `memory = "2GiB"`. Default: half of the memory of the machine, or of the control group that the host is in.
    pub memory: Option<Spanned<ByteSize>>,
    /// Stack of each instance, `"64KiB"` to `"64MiB"`; the host's own functions have another half mebibyte.
    /// Example: `stack = "2MiB"`. Default: `"512KiB"`.
    pub stack: Option<Spanned<ByteSize>>,
}

/// `[play.dead_letters]`. When it is full, the oldest letter of the actor with the most letters, or the most bytes, goes; it stays
/// counted. Letters to a spawned actor count for the actor of the manifest that it is below.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetters {
    /// Most letters kept. Example: `capacity = 500`. Default: 10000.
    pub capacity: Option<AtLeastOne>,
    /// Most bytes of bodies, reasons and crash reports kept. Example: `bytes = "8MiB"`. Default: `"64MiB"`.
    pub bytes: Option<ByteSize>,
}

/// `[[actor]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// Where it lives: its parent's address and its name. Example: `address = "/shop/cart"`. Required.
    pub address: Spanned<String>,
    /// Its code: a file of the plugins folder, without `.wasm`. Letters, digits, `_` and `-`.
    /// Example: `plugin = "cart"`. Required.
    pub plugin: Spanned<String>,
    /// To whom it may send, besides its descendants and the sender of the message in hand. `"/team/**"` is everybody below
    /// `/team`, also those that are spawned later, but not `/team` itself. Example: `sends_to = ["/count", "/team/**"]`.
    /// Default: `[]`.
    #[serde(default)]
    pub sends_to: Vec<Spanned<String>>,
    /// The plugins that it may spawn as its children; each has a `[[plugin]]`. Example: `spawns = ["worker"]`. Default: `[]`.
    #[serde(default)]
    pub spawns: Vec<Spanned<String>>,
    /// Refuse the plugin unless the file has this digest (`playhouse inspect` prints it).
    /// Example: `sha256 = "9f86d081…"`. Default: any file.
    pub sha256: Option<Spanned<String>>,
    /// How many of it run side by side, 1 to 64, on one mailbox: each message goes to one that is free. Each has a memory of
    /// its own, starts, crashes and restarts alone, and has the whole time to stop in turn. With several, messages may
    /// overtake each other, and it has no children. Example: `instances = 4`. Default: 1.
    pub instances: Option<Spanned<AtLeastOne>>,
    /// Most messages handed over in one call. Example: `batch = 1`. Default: 256; with folders or hosts in `grants` 1, since
    /// what is done outside cannot be taken back when another message of the batch crashes the actor.
    pub batch: Option<AtLeastOne>,
    /// `"auto"`: with its parent; `"on-message"`: when a message comes for it, which it then finds in its mailbox, and not with
    /// children of the manifest below it; `"manual"`: it waits for a person's `playhouse start`. Example: `start = "on-message"`.
    /// Default: `"auto"`.
    pub start: Option<Spanned<Start>>,
    /// `"stay"`, or `"stop"`: after `idle_after` without a message it is passivated. That is an orderly stop, with its `shutdown`
    /// hook, and no restart: its instance is gone, its address and its mailbox stay, and the next message makes an instance anew.
    /// Who has a timer, a watch or a child stays up, so not with children of the manifest below it. Example: `idle = "stop"`.
    /// Default: `"stay"`.
    pub idle: Option<Spanned<Idle>>,
    /// How long, with `idle = "stop"`. Example: `idle_after = "10s"`. Default: `"1m"`.
    pub idle_after: Option<Spanned<Time>>,
    /// What its code may ask for by name. Numbers and booleans become their text.
    /// Example: `config = { top = "10" }`. Default: `{}`.
    #[serde(default)]
    pub config: BTreeMap<String, Text>,
    /// The play ends, with exit code 4, when this actor is given up: when it fails (see `restart.cooldown`), or is not restarted
    /// after a failure by its `restart.kind`. Only for an actor directly under `/`. Example: `required = true`.
    /// Default: `false`.
    pub required: Option<Spanned<bool>>,
    /// The queue in front of it.
    #[serde(default)]
    pub mailbox: Mailbox,
    /// How it recovers.
    #[serde(default)]
    pub restart: Restart,
    /// How it looks after its children.
    #[serde(default)]
    pub supervision: Supervision,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
    /// What it may use of the world outside.
    #[serde(default)]
    pub grants: Grants,
}

/// `[[plugin]]`: what actors of this plugin are like that others spawn while the play runs; `mailbox`, `restart`, `supervision`, `limits` and `grants` have the keys of `[actor.mailbox]` and so on, and `limits` and `grants` are never wider than the parent's: what the parent has not been granted is left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// The name to spawn it by: a file of the plugins folder, without `.wasm`. Example: `name = "worker"`. Required.
    pub name: Spanned<String>,
    /// To whom it may send, besides its descendants and the sender of the message in hand. Whom its parent may not send to
    /// is left out, but for the parent itself. Example: `sends_to = ["/log"]`. Default: `[]`.
    #[serde(default)]
    pub sends_to: Vec<Spanned<String>>,
    /// The plugins that it may spawn in turn. Example: `spawns = ["helper"]`. Default: `[]`.
    #[serde(default)]
    pub spawns: Vec<Spanned<String>>,
    /// It may be spawned below an actor of the same plugin: a chain ends only at the depth of an address and at
    /// `limits.children`. Example: `recursive = true`. Default: `false`.
    #[serde(default)]
    pub recursive: bool,
    /// Refuse the plugin unless the file has this digest. Example: `sha256 = "9f86d081…"`. Default: any file.
    pub sha256: Option<Spanned<String>>,
    /// Most messages handed over in one call. Example: `batch = 1`. Default: 256; with folders or hosts in `grants` 1.
    pub batch: Option<AtLeastOne>,
    /// `"auto"`: when it is spawned; `"on-message"`: when a message comes for it. Example: `start = "on-message"`. Default: `"auto"`.
    pub start: Option<Spanned<Start>>,
    /// As `idle` of an actor. Example: `idle = "stop"`. Default: `"stay"`.
    pub idle: Option<Spanned<Idle>>,
    /// As `idle_after` of an actor. Example: `idle_after = "10s"`. Default: `"1m"`.
    pub idle_after: Option<Spanned<Time>>,
    /// What its code may ask for by name; what the spawn itself gives goes before. Example: `config = { top = "10" }`.
    /// Default: `{}`.
    #[serde(default)]
    pub config: BTreeMap<String, Text>,
    /// The queue in front of each.
    #[serde(default)]
    pub mailbox: Mailbox,
    /// How each recovers.
    #[serde(default)]
    pub restart: Restart,
    /// How each looks after its children.
    #[serde(default)]
    pub supervision: Supervision,
    /// What each may use.
    #[serde(default)]
    pub limits: Limits,
    /// What each may use of the world outside.
    #[serde(default)]
    pub grants: Grants,
}

/// When an actor starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// With its parent.
    Auto,
    /// When a message comes for it.
    OnMessage,
    /// When a person says so.
    Manual,
}

/// What becomes of an actor that has nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Idle {
    /// Its instance stays.
    Stay,
    /// It is passivated.
    Stop,
}

/// `[actor.mailbox]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mailbox {
    /// Where messages wait, and who decides which is next: `"memory"` (the host's memory; first in, first out), or `"plugin"`
    /// (there as well; a mailbox plugin decides). Example: `kind = "plugin"`. Default: `"memory"`.
    pub kind: Option<Spanned<MailboxKind>>,
    /// The mailbox plugin: a file of the plugins folder, without `.wasm`, that exports `playhouse:actor/mailbox`. It decides the
    /// order and what goes when there is too much; the messages stay with the host. Each actor's is a run of its own, and counts as
    /// an instance. This key and those below marked with it need `kind = "plugin"`. Example: `plugin = "priority"`. Default:
    /// none; required with `kind = "plugin"`.
    pub plugin: Option<Spanned<String>>,
    /// With `plugin`: refuse it unless the file has this digest. Example: `sha256 = "9f86d081…"`. Default: any file.
    pub sha256: Option<Spanned<String>>,
    /// With `plugin`: what its code is given. Example: `config = { field = "level" }`. Default: `{}`.
    pub config: Option<Spanned<BTreeMap<String, Text>>>,
    /// With `plugin`: a message since whose arrival so many more messages than `capacity` were handed out is next, whatever the
    /// plugin would say. Example: `overtakes = 100`. Default: 10000.
    pub overtakes: Option<Spanned<AtLeastOne>>,
    /// With `plugin`: what a run of it may use.
    pub limits: Option<Spanned<MailboxLimits>>,
    /// With `plugin`: how it recovers.
    pub restart: Option<Spanned<MailboxRestart>>,
    /// Most messages that wait. Example: `capacity = 64`. Default: 1024.
    pub capacity: Option<AtLeastOne>,
    /// Most bytes that wait, with 64 more for each message; at least `limits.message`.
    /// Example: `bytes = "64MiB"`. Default: `"16MiB"`.
    pub bytes: Option<Spanned<ByteSize>>,
    /// What happens to a message that finds it full: `"block"` (the sender waits, up to `timeout`), `"reject"`
    /// (the outside and askers are told; an actor's tell becomes a dead letter), `"drop-newest"`, `"drop-oldest"` (not with `plugin`, which chooses itself). Example:
    /// `overflow = "drop-oldest"`. Default: `"block"`; with `plugin` what it says.
    pub overflow: Option<Spanned<Overflow>>,
    /// How long a sender waits for room before its message is a dead letter, with `overflow = "block"`.
    /// Example: `timeout = "1m"`. Default: `"30s"`.
    pub timeout: Option<Time>,
}

/// Where messages wait.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailboxKind {
    /// In the host's memory: what waits is lost when the host ends.
    #[default]
    Memory,
    /// There as well, and a mailbox plugin decides.
    Plugin,
}

/// `[actor.mailbox.limits]`. They hold for one run of a mailbox plugin; for a spawned actor's, no more than its parent's.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxLimits {
    /// Memory, at most `"4GiB"`. Example: `memory = "64MiB"`. Default: `"16MiB"`.
    pub memory: Option<Spanned<ByteSize>>,
    /// CPU time for one call, which may be about 256 messages. Example: `cpu = "20ms"`. Default: `"100ms"`.
    pub cpu: Option<Spanned<Time>>,
    /// Time in which one call runs or waits for what it asked for. Example: `timeout = "5s"`. Default: `"1s"`.
    pub timeout: Option<Spanned<Time>>,
}

/// `[actor.mailbox.restart]`. After a crash of a mailbox plugin its messages wait for the next run, which is told of all of them
/// again. One that crashes too often is given up until the host starts again: the mailbox goes on first in, first out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxRestart {
    /// More crashes than this within `period`, or more than messages came out meanwhile, and it is given up. A call that hangs
    /// takes no time of the period. Example: `intensity = 3`. Default: 10.
    pub intensity: Option<u32>,
    /// See `intensity`. Example: `period = "1m"`. Default: `"10s"`.
    pub period: Option<Spanned<Time>>,
    /// The pause before it starts again. Example: `backoff = { initial = "10ms", max = "1s" }`. Default: as in the example.
    #[serde(default)]
    pub backoff: Backoff,
}

/// What happens to a message that finds the mailbox full.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// The sender waits.
    #[default]
    Block,
    /// The outside and askers are told; an actor's tell is a dead letter.
    Reject,
    /// The new one is a dead letter.
    DropNewest,
    /// The oldest one is a dead letter.
    DropOldest,
}

/// `[actor.restart]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// When it is started again: `"permanent"` (always), `"transient"` (after a crash), `"temporary"` (never).
    /// Example: `kind = "transient"`. Default: `"permanent"`.
    #[serde(default)]
    pub kind: RestartKind,
    /// How often one message may fail or crash the actor before it is a dead letter. Example: `attempts = 1`.
    /// Default: 3.
    pub attempts: Option<AtLeastOne>,
    /// The pause before a restart or a retry. It begins again after a success: a `period` of its supervisor without a failure, or
    /// ten handled messages for each failure within the period. Example: `backoff = { initial = "10ms", max = "10s" }`.
    /// Default: as in the example.
    #[serde(default)]
    pub backoff: Backoff,
    /// Of an actor directly under `/`: once it failed more often than `play.supervision` allows, or did not come up within its
    /// period, it is `failed` with all below it. Its messages wait, and after this pause one trial start is made; `"never"`: only
    /// `playhouse start` makes one. With `--until-idle` none is made. Example: `cooldown = "10m"`. Default: `"1m"`.
    pub cooldown: Option<Spanned<Cooldown>>,
}

/// When an actor is started again.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartKind {
    /// Always.
    #[default]
    Permanent,
    /// After a crash only.
    Transient,
    /// Never.
    Temporary,
}

/// `backoff = { … }`: random between nothing and a ceiling that doubles.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// The first ceiling. Example: `initial = "1s"`. Default: `"10ms"`.
    pub initial: Option<Spanned<Time>>,
    /// The last ceiling. Example: `max = "1m"`. Default: `"10s"`.
    pub max: Option<Spanned<Time>>,
}

/// `[actor.supervision]` for its children, `[play.supervision]` for the top actors.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supervision {
    /// Who restarts when a child fails: that child alone (`"one-for-one"`), all of them (`"one-for-all"`), or that
    /// child and those that start after it (`"rest-for-one"`). The others stop first, in reverse order; it counts as
    /// one restart. Example: `strategy = "rest-for-one"`. Default: `"one-for-one"`.
    #[serde(default)]
    pub strategy: Strategy,
    /// More failures than this within `period`, and the supervisor gives up: an actor fails itself. The kernel gives up the one
    /// actor, whose failures alone count there. All attempts at one message are one failure, and failures over messages count only
    /// while they outnumber the messages that the actor handled within the period. Example: `intensity = 3`. Default: 10.
    pub intensity: Option<u32>,
    /// See `intensity`. Example: `period = "1m"`. Default: `"10s"`.
    pub period: Option<Spanned<Time>>,
    /// How long each child may take to stop in order before it is killed; of `[play.supervision]` also how long a reader of the host's
    /// stdout may take for the last output. Example: `shutdown = "30s"`. Default: `"5s"`.
    pub shutdown: Option<Time>,
}

/// Who restarts when a child fails.
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

/// `[actor.limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory of one instance, at most `"4GiB"`. Example: `memory = "256MiB"`. Default: `"64MiB"`.
    pub memory: Option<Spanned<ByteSize>>,
    /// CPU time for one message. Example: `cpu = "1s"`. Default: `"100ms"`.
    pub cpu: Option<Spanned<Time>>,
    /// Time in which one message runs or waits for what it asked for. While it is ready and waits for a core, or the host is
    /// suspended, the time stands still. Example: `timeout = "1m"`. Default: `"5s"`.
    pub timeout: Option<Spanned<Time>>,
    /// Time, measured in the same way, for a whole start: making the instance, `init` and `prepare-children`, each of which has no more than
    /// `timeout` either. Example: `start = "1m"`. Default: `"10s"`.
    pub start: Option<Spanned<Time>>,
    /// Largest body it accepts, and largest reply it may give; at most `memory`, and at most `"1GiB"`.
    /// Example: `message = "64KiB"`. Default: `"1MiB"`.
    pub message: Option<Spanned<ByteSize>>,
    /// Most children at a time, those of the manifest included. Example: `children = 10000`. Default: 1024.
    pub children: Option<AtLeastOne>,
    /// Most levels of spawned actors below it, 1 to 16: with 1, its children spawn nobody. Example: `depth = 2`. Default: 16.
    pub depth: Option<Spanned<AtLeastOne>>,
    /// Most timers at a time. Example: `timers = 16`. Default: 1024.
    pub timers: Option<AtLeastOne>,
    /// Most watches of other actors at a time. Example: `watches = 16`. Default: 1024.
    pub watches: Option<AtLeastOne>,
    /// Most that one turn may do: messages sent, children, timers and watches made and ended. One more is a crash with the
    /// reason `limit`. Example: `effects = 100`. Default: 65536.
    pub effects: Option<AtLeastOne>,
    /// Most bytes of the messages that one turn sends, and of those that its timers hold at a time. One more is a crash with
    /// the reason `limit`. Example: `effect_bytes = "1MiB"`. Default: `"16MiB"`.
    pub effect_bytes: Option<ByteSize>,
    /// Most open resources of the host's: streams, files, pollables. One more is a crash with the reason `limit`.
    /// Example: `resources = 64`. Default: 1024.
    pub resources: Option<AtLeastOne>,
    /// Most lines in the log each second: those on its standard error, those of the host about it (dead letters, crashes,
    /// refused requests), and both of all actors that it spawns. The rest of the second is left out, counted, and said once.
    /// Example: `log_lines = 50`. Default: 1000.
    pub log_lines: Option<AtLeastOne>,
    /// Most bytes of those each second. Example: `log_bytes = "64KiB"`. Default: `"1MiB"`.
    pub log_bytes: Option<ByteSize>,
    /// Most HTTP requests at a time, each until its response is dropped. Example: `requests = 4`. Default: 16.
    pub requests: Option<AtLeastOne>,
    /// Most bytes that the host keeps of one HTTP request without its body: method, scheme, authority, path with query, fields and
    /// trailers, and 72 more for each name and each value of those. More is a crash with the reason `limit`, and so are more than 64 times as many bytes of
    /// all requests and fields that are there at a time. Example: `request_head = "16KiB"`. Default: `"64KiB"`.
    pub request_head: Option<ByteSize>,
    /// Most calls of the host's at a time that block a thread for it: of files, and looking up the names of hosts. One more waits
    /// until another one ends, and its wait is the message's. Those of spawned actors count for their parents as well.
    /// Example: `blocking = 1`. Default: 4.
    pub blocking: Option<AtLeastOne>,
    /// Most files, folders and HTTP connections that it has open at a time, all its instances together. One more is an error for its
    /// code: `insufficient-memory`, or `connection-limit-reached`. Those of spawned actors count for their parents as well.
    /// Example: `descriptors = 32`. Default: 256.
    pub descriptors: Option<AtLeastOne>,
    /// Limits of the actor and all below it together.
    pub subtree: Option<Subtree>,
}

/// `[actor.limits.subtree]`: limits on an actor and all below it together, spawned or not. Without this table, and below no actor that has one, nothing is counted: whoever may spawn has its own limits once more with each child. All tables above an actor count, and `playhouse tree --json` shows how much is used.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subtree {
    /// Memory of their instances, and of those of their mailbox plugins, as large as they were made or grew. A growth beyond it is
    /// refused, a start beyond it fails. Example: `memory = "512MiB"`. Default: no limit.
    pub memory: Option<ByteSize>,
    /// Most of them that live at a time, with their mailbox plugins. One more waits for another to end, as with `max_instances` of the
    /// play; when none can, its start fails after `limits.start`. Example: `instances = 20`. Default: no limit.
    pub instances: Option<Spanned<AtLeastOne>>,
    /// Most actors, this one included. One more is refused with the spawn error `too-many-children`. Example: `actors = 100`.
    /// Default: no limit.
    pub actors: Option<Spanned<AtLeastOne>>,
    /// Most files, folders and HTTP connections that they have open at a time. One more is the same error as beyond
    /// `limits.descriptors`. Example: `descriptors = 100`. Default: no limit.
    pub descriptors: Option<AtLeastOne>,
}
