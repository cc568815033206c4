//! Supervision: starts, stops, restarts and failures, as a pure state machine. `tree` decides; `events` has its input and its
//! actions, `node` the state of each actor, `node_store` the storage of nodes, and `window` counts failures. The layer
//! `supervisor` carries out the actions.

pub mod events;
mod node;
mod node_store;
pub mod tree;
mod window;
