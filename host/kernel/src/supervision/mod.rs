//! Supervision: who runs, who restarts, who gives up. `tree` decides, and is pure; `task` carries out;
//! `events` holds the words between
//! them, `node` what the tree remembers of each actor.

pub mod events;
mod node;
pub(crate) mod task;
pub mod tree;
