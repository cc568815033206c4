//! The rules. Each is a function of the `Interface`, so that all interfaces are tested with the same rules.

mod children;
mod effects;
mod messages;
mod timers;

pub use children::*;
pub use effects::*;
pub use messages::*;
pub use timers::*;
