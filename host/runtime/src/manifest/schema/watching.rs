//! `[play.metrics]`, `[play.log]` and `[play.control]`: a play as others watch it.

use std::fmt;

use playhouse_observe::log::{LEAST_RING_BYTES, LogFormat};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use toml::Spanned;

use crate::manifest::units::{ByteSize, UnitError};

/// `[play.metrics]`. With `listen`, the host serves `/metrics`, `/healthz` and `/readyz` over HTTP, from before the first plugin
/// is compiled until the play is over.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// The IP address and port of the server. Example: `listen = "127.0.0.1:9464"`. Default: no server.
    pub listen: Option<Spanned<String>>,
    /// With `true`, `listen` may be an address that other machines reach; then `hosts` is required. Everyone who reaches the
    /// server can read it. Example: `expose = true`. Default: `false`.
    pub expose: Option<Spanned<bool>>,
    /// Names of this host that a request may have in its `Host` header, without a port. IP addresses and `localhost` always
    /// pass; a request with another name is refused. Example: `hosts = ["metrics.example"]`. Default: `[]`.
    pub hosts: Option<Spanned<Vec<Spanned<String>>>>,
}

/// `[play.log]`. A program that embeds the play has a log of its own.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The format of the lines on stderr: `"text"`, or `"json"` with one object in each line. `--log-format` goes before.
    /// Example: `format = "json"`. Default: `"text"`.
    #[serde(default)]
    pub format: LogFormat,
    /// The lowest level of the host's lines: `"error"`, `"warn"`, `"info"`, `"debug"` or `"trace"`. `--log` and `RUST_LOG` go
    /// before. Example: `level = "warn"`. Default: `"info"`.
    #[serde(default)]
    pub level: LogLevel,
    /// Memory for the last lines, which `playhouse logs` reads; at least `"1MiB"`, or `0` for none. It is allocated as it fills.
    /// Example: `memory = "16MiB"`. Default: `"64MiB"`.
    #[serde(default)]
    pub memory: RingMemory,
}

/// `[play.control]`: the control socket. The user who runs the host, and root, do everything there.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// A group of the system, by its name in `/etc/group` or its number, whose members may look and not act: `playhouse tree`, `why`,
    /// `health`, `logs`, `log-level` without arguments, `dead-letters list` and `mailbox list` without bodies, `state keys`, `store
    /// info`. The socket then belongs to the group, with mode 0660. The user who runs the host must be root, or in the group; and the folder of
    /// the socket must let the group through, which `.playhouse` (mode 0700) does not: see `--socket`. Example: `readers = "ops"`.
    /// Default: none.
    pub readers: Option<Spanned<String>>,
}

/// The memory of the log's ring in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingMemory(pub usize);

impl Default for RingMemory {
    fn default() -> Self {
        Self(64 << 20)
    }
}

impl<'de> Deserialize<'de> for RingMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeOrZero;
        impl Visitor<'_> for SizeOrZero {
            type Value = RingMemory;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size with its unit, or 0 to keep no lines")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<RingMemory, E> {
                let bytes = match text.parse::<ByteSize>() {
                    Ok(size) => size.in_memory(),
                    Err(UnitError::Zero(_)) => 0,
                    Err(error) => return Err(E::custom(error)),
                };
                if bytes > 0 && bytes < LEAST_RING_BYTES {
                    let least = ByteSize(LEAST_RING_BYTES as u64);
                    return Err(E::custom(format!(
                        "`{text}` is too small: it must be at least {least}, or 0 to keep no lines"
                    )));
                }
                Ok(RingMemory(bytes))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<RingMemory, E> {
                if number == 0 {
                    Ok(RingMemory(0))
                } else {
                    Err(E::custom(format!("`{number}` has no unit: write it as in \"64MiB\"")))
                }
            }
        }
        deserializer.deserialize_any(SizeOrZero)
    }
}

/// `[actor.log]`. `[[plugin]]` has the same table, for the actors that are spawned from it.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorLog {
    /// The lowest level of the actor's own lines, those on its stderr being `"info"`, and of the host's lines about it. It goes
    /// before `--log`, `RUST_LOG` and `level` in `[play.log]`, whether it shows more or less than they do. Example: `log = {
    /// level = "debug" }`. Default: the level of the host; for an actor that another one spawns, the level of its parent.
    pub level: Option<LogLevel>,
}

/// A level of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Failures of the host.
    Error,
    /// Failures of actors, and lost messages.
    Warn,
    /// Decisions and retries.
    #[default]
    Info,
    /// Details.
    Debug,
    /// All details.
    Trace,
}

impl From<LogLevel> for tracing::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

impl LogLevel {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
