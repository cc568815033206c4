//! Dispatch: from one actor to others. Actors by address, delivery into their mailboxes, asks and their answers, timers, dead
//! letters, and the gate for input from outside.

pub(crate) mod ask;
pub(crate) mod dead_letters;
pub(crate) mod delivery;
mod failed;
pub(crate) mod memory_gate;
pub(crate) mod registry;
pub(crate) mod replay;
pub(crate) mod timers;
