//! `[play.store]`: the folder that keeps a play over the runs of its host.

use serde::Deserialize;
use toml::Spanned;

use crate::manifest::units::{ByteSize, Time};

/// `[play.store]`. With it, the messages of durable mailboxes, the dead letters and the orders of operators outlive the host, whatever ends
/// it. One host at a time has the folder. See `docs/durability.md`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The folder, relative to the manifest, on a disk of this machine. It is made when there is none. Example: `path =
    /// "/var/lib/shop"`. Default: `".playhouse/store"`.
    pub path: Option<Spanned<String>>,
    /// The loss that an acknowledged message survives: `"power-loss"` (each group of messages is synced to the disk), or `"crash"` (the host
    /// may be killed; the last messages before a loss of power are lost). Example: `survives = "crash"`. Default: `"power-loss"`.
    #[serde(default)]
    pub survives: Survives,
    /// Maximum bytes of the database, at least `"1MiB"`. Messages from outside are refused when a sixteenth of it is left (1 MiB to 64 MiB), and
    /// senders wait when nothing is. The log beside the database takes up to 64 MiB more. Example: `size = "10GiB"`. Default: as much as
    /// the disk has.
    pub size: Option<Spanned<ByteSize>>,
    /// The time for which the key of a request is remembered (`playhouse tell --key`, `Idempotency-Key` of HTTP), from the end of the request.
    /// Example: `keys_for = "1d"`. Default: `"1h"`.
    pub keys_for: Option<Spanned<Time>>,
    /// Maximum bytes of all keys, at least `"4MiB"`: of each its own, those of the answer, and 256. Beyond them the oldest go before
    /// their time. Example: `keys_bytes = "1GiB"`. Default: `"64MiB"`.
    pub keys_bytes: Option<Spanned<ByteSize>>,
}

impl Store {
    /// The folder as written, or the default one.
    pub fn folder(&self) -> &str {
        self.path.as_ref().map_or(".playhouse/store", |path| path.get_ref())
    }
}

/// The loss that an acknowledged message survives.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Survives {
    /// A loss of power.
    #[default]
    PowerLoss,
    /// A crash of the host.
    Crash,
}
