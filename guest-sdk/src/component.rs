//! The exports of an actor's component. Public only for the expansion of `export_actor!`.

#[cfg(target_family = "wasm")]
mod exports;
mod slot;

#[cfg(target_family = "wasm")]
pub use crate::wasm::write;
#[cfg(target_family = "wasm")]
pub use exports::Component;
pub use slot::{Exported, SharedSlot, Slot, Slots, facts};
