//! The rules of a turn, from one suite for all ways into an actor: plain Rust, the plain door of a component, and its
//! door for batches. And what becomes of frames that break the rules.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod doors;
mod hostile;
mod native;
mod puppet;
mod rules;
mod stage;
#[path = "../sandbox/template.rs"]
#[allow(dead_code)]
mod template;
