//! The calls that a batch makes to its host, beside those of a kernel.

use std::time::Duration;

use crate::errors::{MetricError, SendError, SpawnError, StateError, StopError};
use crate::kernel::Kernel;
use crate::spawn_options::SpawnOptions;

/// The host's calls beside [`Kernel`] during a batch. `message` is an index in the batch.
pub(crate) trait TurnHost: Kernel {
    fn resolve(&self, to: &str, message: u32) -> Result<Route, SendError>;
    /// The route to the actor itself, for timers.
    fn own(&self) -> Route;
    /// Reserves a name for a child of that message. Returns the number of its route.
    fn reserve(&self, name: &str, plugin: &str, options: &SpawnOptions, message: u32) -> Result<u32, SpawnError>;
    /// The number of the route of a child that may be stopped.
    fn find_child(&self, child: &str) -> Result<u32, StopError>;
    /// The number of timers that may still be set, and the limit on them.
    fn timers_left(&self) -> (u32, u32);
    /// The ids of the next timers are above this number.
    fn timer_base(&self) -> u64;
    fn sender_of(&self, message: u32) -> Option<String>;
    /// The time until the asker of that message stops waiting.
    fn time_left_of(&self, message: u32) -> Option<Duration>;
    fn hand_over(&self, frame: &[u8]);
    /// The number of a metric of the actor's own, also outside of a batch, as those of the next two.
    fn metric(&self, name: &str) -> Result<u32, MetricError>;
    fn count_metric(&self, metric: u32, by: u64) -> Result<(), MetricError>;
    fn observe_metric(&self, metric: u32, value: f64) -> Result<(), MetricError>;
    fn state_limits(&self) -> Result<StateLimits, StateError>;
}

/// The bounds of the actor's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateLimits {
    pub(crate) value_bytes: u64,
    pub(crate) left_bytes: u64,
}

/// An address, resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) number: u32,
    pub(crate) limit_bytes: u64,
    /// Whether the route is the same for each message.
    pub(crate) lasting: bool,
}
