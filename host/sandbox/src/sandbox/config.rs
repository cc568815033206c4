//! The settings of a sandbox.

use std::path::PathBuf;

use crate::compile::{Compilation, WASM_STACK_BYTES};
use crate::component::COMPONENT_BYTES;

/// The settings of a sandbox.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// The folder for compiled code; with `None` each load compiles. See [`crate::default_cache_dir`].
    pub cache_dir: Option<PathBuf>,
    /// The folder for the key that compiled code is sealed with; without this folder there is no cache. A user that may write to
    /// the cache should not be able to read the key. See [`crate::default_key_dir`].
    pub key_dir: Option<PathBuf>,
    /// The most incarnations that may live at a time; one more fails to start. Default: 1000.
    pub max_instances: u32,
    /// Passes batches as frames to plugins that can take them. When off, each message is a call of its own: slower,
    /// otherwise with the same results. Tests and benches switch it off to compare the two. Default: on.
    pub turns: bool,
    /// Calls the program of a component without the component around it, where it has the usual shape. When off, each call goes through
    /// the component: slower, otherwise with the same results. Default: on, unless the environment has `PLAYHOUSE_DIRECT=off`, with
    /// which all tests run the other way, and an operator rules a fault of these calls out.
    pub direct: bool,
    /// Bytes of the stack of each guest, rounded up to whole pages. Host functions have another half mebibyte. Default:
    /// 512 KiB.
    pub stack_bytes: usize,
    /// The largest component that is loaded. Default: 64 MiB.
    pub component_bytes: u64,
    /// Bytes of the memories and tables of all incarnations together; a growth beyond them is refused. Default: no bound.
    pub memory_bytes: u64,
    /// The name of the setting behind [`SandboxConfig::memory_bytes`], for errors. Default: `play.limits.memory`.
    pub memory_key: String,
    /// The name of the setting behind [`SandboxConfig::max_instances`], for errors. Default: `play.max_instances`, in
    /// backticks.
    pub instances_key: String,
    /// Files, folders and connections that all incarnations together have open at a time; one more is refused. Default: no bound.
    pub descriptors: u64,
    /// The place where components are compiled, and the bounds of one compilation. Default: in this process, where only the
    /// size of a component is bounded.
    pub compilation: Compilation,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            cache_dir: None,
            key_dir: None,
            max_instances: 1000,
            turns: true,
            direct: std::env::var_os("PLAYHOUSE_DIRECT").is_none_or(|value| value != "off"),
            stack_bytes: WASM_STACK_BYTES,
            component_bytes: COMPONENT_BYTES,
            memory_bytes: u64::MAX,
            memory_key: "play.limits.memory".to_owned(),
            instances_key: "`play.max_instances`".to_owned(),
            descriptors: u64::MAX,
            compilation: Compilation::default(),
        }
    }
}
