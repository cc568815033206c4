//! Actors: plugins that handle messages.
//!
//! | file | contents |
//! |---|---|
//! | `imports` | the data of a store, and the functions that the host offers to a guest |
//! | `checked` | the check of a component's exports and imports |
//! | `resources`, `setup` | the state that the incarnations of one actor share |
//! | `wasi_context` | the WASI context of one incarnation, made at its first use |
//! | `incarnation` | the part of a store's data that belongs to one incarnation |
//! | `direct` | calls into the program of a component, without the component around it |
//! | `exports` | the functions of an instance, through its component or directly |
//! | `guest` | an instance, and the calls into it |
//! | `group`, `shared_guest` | actors that share an instance; one incarnation of such an actor |
//! | `launcher`, `plugin` | makes incarnations; makes launchers |

mod checked;
mod direct;
mod exports;
mod group;
mod guest;
mod imports;
mod incarnation;
mod launcher;
mod plugin;
mod resources;
mod setup;
mod shared_guest;
mod wasi_context;

pub(crate) use checked::check;
pub(crate) use direct::{Imports, imports as program_imports};
pub(crate) use imports::{ActorData, linker};
pub use plugin::{Groups, Plugin};
