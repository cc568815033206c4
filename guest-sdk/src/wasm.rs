//! The imports of an actor's component: its kernel, in terms of the contract.

mod convert;
mod imports;
mod kernel;
mod panic_hook;
mod stdio;

pub(crate) use imports::current_member;
pub(crate) use kernel::{ComponentKernel, exchange_own_parts, handle_batch};
pub(crate) use panic_hook::set_panic_hook;
pub use stdio::write;
