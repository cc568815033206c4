//! The common part of the runs of actors and of mailbox plugins: the state of the process, loading, stores, crash reports.
//!
//! | file | contents |
//! |---|---|
//! | `shared` | the state that all plugins and all runs of a sandbox share |
//! | `admission` | the bound on live instances |
//! | `compilations` | counts of loaded components |
//! | `loading` | from the bytes of a file to a compiled component |
//! | `store` | a store with its limits and without grants |
//! | `panic` | a panic that a guest reports before its run ends |
//! | `crash` | from an error of wasmtime to a crash report |

mod admission;
mod compilations;
mod crash;
mod loading;
mod panic;
mod shared;
mod store;

pub(crate) use admission::{Admission, Instances};
pub(crate) use compilations::CompilationCounts;
pub use compilations::{Compilations, Compiled};
pub(crate) use crash::{RunFacts, crash, failed_launch};
pub use loading::PluginInfo;
pub(crate) use loading::{load, sha256_hex};
pub(crate) use panic::Panic;
pub(crate) use shared::Shared;
pub(crate) use store::{bare_wasi, confined, hostcall_bytes, metered, resources};
