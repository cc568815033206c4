//! The interface for batches: a frame of messages in, a frame of their outcomes out. In between, the host is called only for
//! operations that cannot wait. This module knows no WIT, so that its tests run natively.

mod children;
mod current;
mod host;
mod metrics;
mod routes;
mod state;
mod timers;
mod turn_kernel;

pub(crate) use host::{Route, StateLimits, TurnHost};
pub(crate) use turn_kernel::{OwnParts, TurnKernel};

#[cfg(test)]
mod tests;
