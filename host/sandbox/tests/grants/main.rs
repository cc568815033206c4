//! Grants, tested with a guest that tries to reach all kinds of resources (`tests/guests/reach`).

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod children;
mod descriptors;
mod folders;
mod growth;
mod harness;
mod heads;
mod links;
mod nothing;
mod requests;
mod server;
mod special;
mod timeouts;
