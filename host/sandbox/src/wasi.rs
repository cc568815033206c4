//! The parts of WASI whose own implementation in wasmtime has no bounds: each is replaced here by one that has them.

pub(crate) mod filesystem;
pub(crate) mod http;
pub(crate) mod logging;
pub(crate) mod polling;
