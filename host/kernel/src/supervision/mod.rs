//! Supervision: who runs, who restarts, who gives up. `tree` decides, and is pure; `task` carries out.

pub(crate) mod task;
pub mod tree;
