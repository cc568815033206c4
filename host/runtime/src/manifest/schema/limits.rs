//! The limits of an actor, and of an actor with all below it.

use serde::Deserialize;
use toml::Spanned;

use crate::manifest::units::{AtLeastOne, ByteSize, Time};

/// `[actor.limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory of one instance, at most `"4GiB"`. Example: `memory = "256MiB"`. Default: `"64MiB"`.
    pub memory: Option<Spanned<ByteSize>>,
    /// CPU time of one message. Example: `cpu = "1s"`. Default: `"100ms"`.
    pub cpu: Option<Spanned<Time>>,
    /// Time in which the handling of one message runs or waits for an import that it called. The time stands still while the
    /// actor is ready and waits for a core, and while the host is suspended. Example: `timeout = "1m"`. Default: `"5s"`.
    pub timeout: Option<Spanned<Time>>,
    /// Time, measured in the same way, of a whole start: making the instance, `init` and `prepare-children`. Each of these steps
    /// is also limited by `timeout`. Example: `start = "1m"`. Default: `"10s"`.
    pub start: Option<Spanned<Time>>,
    /// Size of the largest body that the actor accepts, and of the largest reply that it gives; at most `memory`, and at most
    /// `"1GiB"`. Example: `message = "64KiB"`. Default: `"1MiB"`.
    pub message: Option<Spanned<ByteSize>>,
    /// Maximum number of children at a time, with those of the manifest. Example: `children = 10000`. Default: 1024.
    pub children: Option<AtLeastOne>,
    /// Maximum number of levels of spawned actors below the actor, 1 to 16: with 1, its children cannot spawn. Example: `depth =
    /// 2`. Default: 16.
    pub depth: Option<Spanned<AtLeastOne>>,
    /// Maximum number of timers at a time. Example: `timers = 16`. Default: 1024.
    pub timers: Option<AtLeastOne>,
    /// Maximum number of watches of other actors at a time. Example: `watches = 16`. Default: 1024.
    pub watches: Option<AtLeastOne>,
    /// Maximum number of effects of one turn: messages sent, and children, timers and watches made and ended. One more is a
    /// crash with the reason `limit`. Example: `effects = 100`. Default: 65536.
    pub effects: Option<AtLeastOne>,
    /// Maximum bytes of the messages that one turn sends, and of the messages that the actor's timers hold at a time. One more
    /// is a crash with the reason `limit`. Example: `effect_bytes = "1MiB"`. Default: `"16MiB"`.
    pub effect_bytes: Option<ByteSize>,
    /// Maximum number of the host's resources that are open: streams, files, pollables. One more is a crash with the reason
    /// `limit`. Example: `resources = 64`. Default: 1024.
    pub resources: Option<AtLeastOne>,
    /// Maximum number of log lines each second: those of its standard error, those of the host about the actor (dead letters,
    /// crashes, refused requests), and both of all actors that it spawns. Further lines of the second are left out and counted,
    /// and the log says how many. Example: `log_lines = 50`. Default: 1000.
    pub log_lines: Option<AtLeastOne>,
    /// Maximum bytes of these lines each second. Example: `log_bytes = "64KiB"`. Default: `"1MiB"`.
    pub log_bytes: Option<ByteSize>,
    /// Maximum number of HTTP requests at a time; a request counts until its response is dropped. Example: `requests = 4`.
    /// Default: 16.
    pub requests: Option<AtLeastOne>,
    /// Maximum bytes that the host keeps of one HTTP request without its body: method, scheme, authority, path with query,
    /// fields and trailers, and 72 more bytes for each name and each value of these. More is a crash with the reason `limit`.
    /// More than 64 times this value in all requests and fields together is also such a crash. Example: `request_head =
    /// "16KiB"`. Default: `"64KiB"`.
    pub request_head: Option<ByteSize>,
    /// Maximum number of the host's calls at a time that block a thread for the actor: file calls, and looking up the names of
    /// hosts. Another call waits until one ends, and the message's time includes this wait. Calls of spawned actors count for
    /// their parents as well. Example: `blocking = 1`. Default: 4.
    pub blocking: Option<AtLeastOne>,
    /// Maximum number of files, folders and HTTP connections that all instances of the actor together have open at a time. One
    /// more is an error for its code: `insufficient-memory`, or `connection-limit-reached`. Descriptors of spawned actors count
    /// for their parents as well. Example: `descriptors = 32`. Default: 256.
    pub descriptors: Option<AtLeastOne>,
    /// Limits on the actor and all actors below it together.
    pub subtree: Option<Subtree>,
}

/// `[actor.limits.subtree]`: limits on an actor and all actors below it together, spawned or not. Without this table, and below
/// no actor that has one, nothing is counted: each spawned child then adds its own limits to those of its parent. All tables
/// above an actor hold, and `playhouse tree --json` shows how much is used.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subtree {
    /// Memory of all their instances, with those of their mailbox plugins. An instance counts with its size at the start and
    /// with its growth. A growth beyond the limit is refused; a start beyond the limit fails. Example: `memory = "512MiB"`.
    /// Default: no limit.
    pub memory: Option<ByteSize>,
    /// Maximum number of their live instances, with those of their mailbox plugins. Another start waits until an instance ends,
    /// as with `max_instances` of the play; if no instance can end, the start fails after `limits.start`. Example: `instances =
    /// 20`. Default: no limit.
    pub instances: Option<Spanned<AtLeastOne>>,
    /// Maximum number of actors, with the actor itself. One more is refused with the spawn error `subtree-full`. Example:
    /// `actors = 100`. Default: no limit.
    pub actors: Option<Spanned<AtLeastOne>>,
    /// Maximum number of files, folders and HTTP connections that they have open at a time. One more is the same error as beyond
    /// `limits.descriptors`. Example: `descriptors = 100`. Default: no limit.
    pub descriptors: Option<AtLeastOne>,
}
