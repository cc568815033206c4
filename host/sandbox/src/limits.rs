//! Limits and the counts against them: of one incarnation, of several together, of the machine. Nothing here knows a component.

mod accounts;
mod blocking;
mod clock;
mod cpu;
mod descriptors;
mod incarnation;
mod memory;
mod parts;
mod system;

pub(crate) use accounts::{Account, Held};
pub use accounts::{Accounts, SubtreeLimits};
pub use blocking::Blocking;
pub(crate) use blocking::Closing;
pub(crate) use clock::Beat;
pub use clock::RunClock;
pub(crate) use cpu::{CpuMeter, TICK, thread_time};
pub(crate) use descriptors::Descriptor;
pub use descriptors::Descriptors;
pub use incarnation::Limits;
pub(crate) use memory::{MemoryLimiter, Refused};
pub(crate) use parts::{ELEMENT_BYTES, MOST_CORE_INSTANCES, MOST_MEMORIES, MOST_TABLE_ELEMENTS, MOST_TABLES};
pub use system::SystemLimit;
