//! `[actor.mailbox]`: the mailbox of an actor.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::queues::SourceFrom;
use super::rules::{Backoff, Overflow};
use super::secrets::UrlText;
use crate::manifest::units::{AtLeastOne, ByteSize, Text, Time};

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
