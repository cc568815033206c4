//! The state that all plugins and all runs of a sandbox share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use wasmtime::Engine;

use super::admission::Instances;
use super::compilations::CompilationCounts;
use crate::compile::{Cache, Compiler, Purpose};
use crate::limits::{Account, Accounts, Beat};
use crate::wasi::http::Wire;

/// The state that plugins and incarnations share; it lives as long as any of them. Its fields are independent of each other:
/// each is one thing of which a process has one.
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
    /// Whether batches go as frames to plugins that can take them.
    pub(crate) turns: bool,
    /// Bytes of the stack of each guest.
    pub(crate) stack_bytes: usize,
    /// Counts the memory of all incarnations.
    pub(crate) memory: Arc<Account>,
    /// Counts the descriptors that all incarnations have open.
    pub(crate) descriptors: Arc<Account>,
    /// A description of the allocation of instances, for logs.
    pub(crate) allocation: String,
    pub(crate) instances: Instances,
    pub(crate) compilations: CompilationCounts,
}

impl Shared {
    /// The accounts of the whole sandbox, for use that no limit on a subtree counts.
    pub(crate) fn accounts(&self) -> Accounts {
        Accounts::of_sandbox(self.memory.clone(), self.descriptors.clone())
    }
}
