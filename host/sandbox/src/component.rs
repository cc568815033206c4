//! A component before it runs: its file, the sections of its binary form, and the errors when it cannot be loaded.

mod error;
mod facts;
mod file;
mod footprint;
mod interface;
mod kind;
mod names;
mod sections;

pub use error::LoadError;
pub(crate) use error::{invalid, invalid_as};
pub(crate) use facts::keeps_state;
pub(crate) use file::{COMPONENT_BYTES, check_size, read_any, read_plugin};
pub(crate) use footprint::Footprint;
pub(crate) use interface::{Interface, function, missing_import, other_contract};
pub(crate) use kind::{check_names, sniff};
pub(crate) use names::Names;
pub(crate) use sections::sections;
