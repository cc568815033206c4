//! WebSocket connections as actors: over streams in memory, with a real kernel and a real client.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod stage;

mod conversations;
mod over_http;
mod rfc6455;
