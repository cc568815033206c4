//! Sources and sinks of a real Redis, a real NATS, files and servers, with native actors in place of plugins.

#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used)]

mod crashes;
mod encrypted;
mod files;
mod nats;
mod post;
mod redis;
#[path = "../../../../tests/servers.rs"]
mod servers;
mod stage;
