//! Machine code: compiled under bounds, kept on disk, and loaded into an engine.
//!
//! `engine` has the settings of wasmtime, `compiler` this process's side of a compilation, `child` that of the child process,
//! `cache` the compiled code on disk.

mod cache;
mod child;
mod compiler;
mod engine;

pub(crate) use cache::{Cache, Cached, Key, deserialize};
pub use cache::{CacheError, default_cache_dir, default_key_dir};
pub use child::compile_for_parent;
pub(crate) use compiler::Compiler;
pub use compiler::{Compilation, CompilePlace};
pub(crate) use engine::{Purpose, WASM_STACK_BYTES, compiling, looking, most_instances, running};
