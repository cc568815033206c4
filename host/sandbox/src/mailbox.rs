//! Mailbox plugins: components that decide the order of a mailbox. The files are those of `actor`, for another world of the contract.

mod checked;
mod imports;
mod plugin;
mod run;
mod setup;

pub(crate) use checked::check;
pub(crate) use imports::{MailboxData, linker};
pub use plugin::MailboxPlugin;
