//! Supervision: who runs, who restarts, who gives up. `tree` decides, and is pure, with its rules in the rooms
//! `turns`, `starts`, `stops`, `failures`, `children`, `rest`, `people` and `circuit`, counts failures in `window`; `task` carries out; `events` holds the words
//! between them, `node` what the tree remembers of each actor, `slots` where.

mod children;
mod circuit;
pub mod events;
mod failures;
mod node;
mod people;
mod rest;
mod slots;
mod starts;
mod stops;
pub(crate) mod task;
pub mod tree;
mod turns;
mod window;
