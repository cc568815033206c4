//! Supervision: starts, stops, restarts and failures. The module `tree` decides, and is pure; its rules are in `turns`,
//! `starts`, `stops`, `failures`, `children`, `rest`, `people` and `circuit`, and `window` counts failures. The module `task`
//! carries out the decisions. `events` defines the data between the two, `node` the state of each actor, and `slots` the
//! storage of nodes.

mod children;
mod circuit;
pub mod events;
mod failures;
mod node;
mod operator;
mod passivation;
mod slots;
mod starts;
mod stops;
pub mod tree;
mod turns;
mod window;
