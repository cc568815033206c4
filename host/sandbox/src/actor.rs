//! Actors: plugins that handle messages.
//!
//! | file | contents |
//! |---|---|
//! | `imports` | the data of an incarnation's store, and the functions that the host offers to a guest |
//! | `checked` | the check of a component's exports and imports |
//! | `resources`, `setup` | the state that the incarnations of one actor share |
//! | `wasi_context` | the WASI context of one incarnation, made at its first use |
//! | `guest` | one incarnation: its instance, and the calls into it |
//! | `launcher`, `plugin` | makes incarnations; makes launchers |

mod checked;
mod guest;
mod imports;
mod launcher;
mod plugin;
mod resources;
mod setup;
mod wasi_context;

pub(crate) use checked::check;
pub(crate) use imports::{ActorData, linker};
pub use plugin::Plugin;
