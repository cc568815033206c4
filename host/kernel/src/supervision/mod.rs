//! Supervision: who runs, who restarts, who gives up. `tree` decides, and is pure; `task` carries out;
//! `events` holds the words between them.

pub mod events;
pub(crate) mod task;
pub mod tree;
