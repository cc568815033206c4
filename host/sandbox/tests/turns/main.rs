//! The rules of a turn, in one suite for all interfaces of an actor: plain Rust, the function of a component for single messages,
//! and its function for batches. `hostile` has frames that break the rules.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod harness;
mod hostile;
mod interfaces;
mod lines;
mod native;
mod puppet;
mod rules;
mod shared;
#[path = "../sandbox/template.rs"]
#[allow(dead_code)]
mod template;
