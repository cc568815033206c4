//! The sandbox under the real kernel, with components written by hand.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod actors;
mod caching;
mod loading;
mod play;
mod template;
