//! The way of messages between actors: actors by address, open asks, dead letters, delivery into mailboxes.

pub(crate) mod dead_letter;
pub(crate) mod delivery;
mod edge;
pub(crate) mod entering;
mod failed;
mod host_waits;
mod kept_answers;
mod keyed_state;
mod members;
pub(crate) mod output;
pub(crate) mod reservation;
mod retirement;
mod state;

pub(crate) use state::Routing;
