//! The parts of WASI whose own implementation in wasmtime has no bounds, each replaced here by one that has them; and the log and
//! the key-value store, which wasmtime does not have.

pub(crate) mod filesystem;
pub(crate) mod http;
pub(crate) mod keyvalue;
pub(crate) mod logging;
pub(crate) mod polling;
