//! A mailbox plugin: the trait to implement, its arguments and its results. A mailbox plugin is not an actor, and is a component
//! of its own. Its native tests run on a [`MailboxHarness`](crate::testing::MailboxHarness).

pub(crate) mod arrivals;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod component;
mod plugin;
mod settings;

pub use arrivals::{Arrival, Arrivals, Excess, Key};
pub use plugin::{Mailbox, Taking};
pub use settings::{Rules, Settings, WhenFull};
