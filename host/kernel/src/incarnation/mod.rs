//! One run of an actor's code: admission, launch, gate, init, turns, shutdown; and the interface to that code.

mod admission;
pub(crate) mod behavior;
mod blame;
mod call_limit;
mod callbacks;
mod gathering;
mod guard;
mod intake;
pub(crate) mod native;
mod run;
mod state;
mod suspects;

pub(crate) use state::{End, Incarnation};
