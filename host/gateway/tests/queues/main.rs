//! Sources and sinks of a real Redis and a real NATS, with native actors in place of plugins.

#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used)]

mod nats;
mod redis;
#[path = "../../../../tests/servers.rs"]
mod servers;
mod stage;
