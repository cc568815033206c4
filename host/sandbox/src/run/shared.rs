//! The state that all plugins and all runs of a sandbox share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use playhouse_kernel::MaxInstances;
use wasmtime::Engine;

use crate::compile::{Cache, Compiler, Purpose};
use crate::limits::{Account, Accounts, Beat};
use crate::wasi::http::Wire;

/// The state that plugins and incarnations share; it lives as long as any of them.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) cache: Option<Cache>,
    pub(crate) compiler: Compiler,
    /// The kind of code that the engine runs.
    pub(crate) purpose: Purpose,
    /// State that the HTTP requests of all actors share.
    pub(crate) wire: Arc<Wire>,
    /// Ticks so far.
    pub(crate) clock: Arc<AtomicU64>,
    /// The measured delay of the ticks.
    pub(crate) beat: Arc<Beat>,
    pub(crate) turns: bool,
    pub(crate) stack_bytes: usize,
    pub(crate) component_bytes: u64,
    /// Counts the memory of all incarnations.
    pub(crate) memory: Arc<Account>,
    /// Counts the descriptors that all incarnations have open.
    pub(crate) descriptors: Arc<Account>,
    pub(crate) allocation: String,
    pub(crate) max_instances: u32,
    /// Whether `max_instances` was lowered because this machine has too few memory mappings.
    pub(crate) capped: bool,
    pub(crate) instances_key: String,
    pub(crate) instances: AtomicU32,
}

impl Shared {
    /// The accounts of the whole sandbox, for use that no limit on a subtree counts.
    pub(crate) fn accounts(&self) -> Accounts {
        Accounts::of_sandbox(self.memory.clone(), self.descriptors.clone())
    }

    /// The most incarnations that may live at a time, and the name of the setting that says so.
    pub(crate) fn bound(&self) -> MaxInstances {
        let key = if self.capped { "the sysctl `vm.max_map_count`" } else { &self.instances_key };
        MaxInstances { most: self.max_instances as usize, key: key.to_owned() }
    }
}
