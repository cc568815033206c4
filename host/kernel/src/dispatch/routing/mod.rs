//! The way of messages between actors: actors by address, open asks, dead letters, delivery into mailboxes.

mod dead_letter;
pub(crate) mod delivery;
mod failed;
mod host_waits;
mod retirement;
mod state;

pub(crate) use state::Routing;
