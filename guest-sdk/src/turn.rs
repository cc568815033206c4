//! The interface for batches: a frame of messages in, a frame of their outcomes out. In between, the host is called only for
//! operations that cannot wait. This module knows no WIT, so that its tests run natively.

mod current;
mod host;
mod kernel;
mod metrics;
mod routes;
mod state;
mod timers;

pub(crate) use host::{Route, StateLimits, TurnHost};
pub(crate) use kernel::TurnKernel;

#[cfg(test)]
mod tests;
