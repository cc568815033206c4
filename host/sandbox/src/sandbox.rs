//! The crate's public entry: one engine, one set of imports, one cache of compiled code, and the clock that ticks for all guests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Instant;

use playhouse_kernel::MaxInstances;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::accounts::{Account, Accounts};
use crate::cache::Cache;
use crate::clock::Beat;
use crate::compiler::{Compilation, Compiler};
use crate::component::LoadError;
use crate::engine::{self, Purpose};
use crate::http::Wire;
use crate::imports::{self, Room};
use crate::limits::TICK;
use crate::mailbox::{self, Desk, MailboxPlugin};
use crate::plugin::Plugin;

/// The largest component that is loaded or inspected, by default.
pub(crate) const COMPONENT_BYTES: u64 = 64 << 20;

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
            stack_bytes: engine::WASM_STACK_BYTES,
            component_bytes: COMPONENT_BYTES,
            memory_bytes: u64::MAX,
            memory_key: "play.limits.memory".to_owned(),
            instances_key: "`play.max_instances`".to_owned(),
            descriptors: u64::MAX,
            compilation: Compilation::default(),
        }
    }
}

/// The error when a sandbox cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The folder is not this user's alone: a user that can write there can run code in this process.
    #[error(
        "the cache folder `{folder}` {problem}: another user may have put code there. \
        Run `chmod 700` on it as its owner, remove it, or set another one"
    )]
    CacheFolder {
        /// The folder, as given.
        folder: String,
        /// The fault.
        problem: String,
    },
    /// The key is not this user's alone: a user that can read or replace it can make compiled code that passes for the
    /// host's.
    #[error(
        "the key of the cache of compiled code, `{place}`, {problem}: another user may know it. Remove it as its owner: the host \
        makes a new one, and compiles again"
    )]
    CacheKey {
        /// The file, or its folder.
        place: String,
        /// The fault.
        problem: String,
    },
    /// Wasmtime does not run here.
    #[error("cannot set up WebAssembly on this machine: {message}")]
    Engine {
        /// The error of wasmtime.
        message: String,
    },
    /// The thread for the clock did not start.
    #[error("cannot start the thread that measures CPU time")]
    Clock(#[source] std::io::Error),
}

impl From<wasmtime::Error> for SandboxError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Engine { message: format!("{error:#}") }
    }
}

/// Loads plugins and runs incarnations of them. Clones are handles to the same sandbox.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

/// The state that plugins and incarnations share; it lives as long as any of them.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Room>,
    /// The imports of mailbox plugins.
    pub(crate) mailbox_linker: Linker<Desk>,
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
    component_bytes: u64,
    /// Counts the memory of all incarnations.
    memory: Arc<Account>,
    /// Counts the descriptors that all incarnations have open.
    descriptors: Arc<Account>,
    allocation: String,
    max_instances: u32,
    /// Whether `max_instances` was lowered because this machine has too few memory mappings.
    capped: bool,
    instances_key: String,
    instances: AtomicU32,
}

impl Sandbox {
    /// Sets up a sandbox, and the thread that ticks for it.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let cache = match config.cache_dir {
            Some(folder) => Cache::open(folder, config.key_dir.as_deref())?,
            None => None,
        };
        let (wanted, most) = (config.max_instances.max(1), engine::most_instances());
        if wanted > most {
            tracing::warn!(
                target: "playhouse",
                "max_instances is {wanted}, and this machine has memory mappings for {most} only; \
                 raise the sysctl `vm.max_map_count`"
            );
        }
        let max_instances = wanted.min(most);
        let (engine, purpose, allocation) = engine::running(max_instances, config.stack_bytes)?;
        let mut linker = Linker::new(&engine);
        imports::add_to(&mut linker)?;
        let mut mailbox_linker = Linker::new(&engine);
        mailbox::add_to(&mut mailbox_linker)?;
        let shared = Arc::new(Shared {
            engine,
            linker,
            mailbox_linker,
            cache,
            compiler: Compiler::new(config.compilation),
            purpose,
            wire: Arc::default(),
            clock: Arc::default(),
            beat: Arc::new(Beat::of_the_process()),
            turns: config.turns,
            stack_bytes: config.stack_bytes,
            component_bytes: config.component_bytes,
            memory: Arc::new(Account::new(config.memory_key, config.memory_bytes, None)),
            descriptors: Arc::new(Account::new("all actors together, by RLIMIT_NOFILE", config.descriptors, None)),
            allocation,
            max_instances,
            capped: wanted > most,
            instances_key: config.instances_key,
            instances: AtomicU32::new(0),
        });
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("playhouse-clock".to_owned())
            .spawn(move || tick(&weak))
            .map_err(SandboxError::Clock)?;
        Ok(Self { shared })
    }

    /// Loads a plugin from a file, which is read once. Refuses a link that leads out of the file's folder, anything other
    /// than a regular file, and a file larger than [`SandboxConfig::component_bytes`]. Takes the compiled code from the cache, or
    /// compiles; a compilation can take seconds, so call this function where blocking is allowed.
    pub fn load(&self, name: &str, file: &Path) -> Result<Plugin, LoadError> {
        let wasm = crate::file::read_plugin(file, self.shared.component_bytes)?;
        Plugin::load(&self.shared, name, file, &wasm)
    }

    /// Loads a plugin from memory. Errors give its name as the file.
    pub fn load_bytes(&self, name: &str, wasm: &[u8]) -> Result<Plugin, LoadError> {
        crate::file::check_size(Path::new(name), wasm.len(), self.shared.component_bytes)?;
        Plugin::load(&self.shared, name, Path::new(name), wasm)
    }

    /// As [`Sandbox::load`], for a mailbox plugin.
    pub fn load_mailbox(&self, name: &str, file: &Path) -> Result<MailboxPlugin, LoadError> {
        let wasm = crate::file::read_plugin(file, self.shared.component_bytes)?;
        MailboxPlugin::load(&self.shared, name, file, &wasm)
    }

    /// As [`Sandbox::load_bytes`], for a mailbox plugin.
    pub fn load_mailbox_bytes(&self, name: &str, wasm: &[u8]) -> Result<MailboxPlugin, LoadError> {
        crate::file::check_size(Path::new(name), wasm.len(), self.shared.component_bytes)?;
        MailboxPlugin::load(&self.shared, name, Path::new(name), wasm)
    }

    /// A description of the allocation of instances, for logs: in a pool, or on demand.
    pub fn allocation(&self) -> &str {
        &self.shared.allocation
    }

    /// The most incarnations that may live at a time: the configured number, or a lower one for which this machine has
    /// mappings.
    pub fn max_instances(&self) -> u32 {
        self.shared.max_instances
    }

    /// Bytes of the memories and tables of all incarnations that live now, and their bound.
    pub fn memory(&self) -> (u64, u64) {
        (self.shared.memory.used(), self.shared.memory.most)
    }

    /// Files, folders and connections that all incarnations have open now, and their bound.
    pub fn descriptors(&self) -> (u64, u64) {
        (self.shared.descriptors.used(), self.shared.descriptors.most)
    }

    /// The number of incarnations that live now.
    pub fn instances(&self) -> u32 {
        self.shared.instances.load(Relaxed)
    }
}

/// Ticks until the sandbox is dropped.
fn tick(sandbox: &Weak<Shared>) {
    loop {
        std::thread::sleep(TICK);
        let Some(shared) = sandbox.upgrade() else { return };
        shared.beat.beat(Instant::now());
        shared.clock.fetch_add(1, Relaxed);
        shared.engine.increment_epoch();
    }
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

/// The admission of one live incarnation: it occupies one of `max_instances` places until it is dropped.
pub(crate) struct Admission(Arc<Shared>);

impl Admission {
    /// `Err` names the bound when all places are taken.
    pub(crate) fn ask(shared: &Arc<Shared>) -> Result<Self, String> {
        let most = shared.max_instances;
        shared
            .instances
            .try_update(Relaxed, Relaxed, |living| (living < most).then_some(living + 1))
            .map(|_| Self(shared.clone()))
            .map_err(|_| {
                let MaxInstances { key, .. } = shared.bound();
                format!("{most} instances run already, which is all that {key} admits")
            })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.instances.fetch_sub(1, Relaxed);
    }
}
