//! The crate's public entry: one engine, one set of imports, one cache of compiled code, and the clock that ticks for all guests.

mod config;

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Instant;

use playhouse_kernel::{AboutHost, LogEvent};
use wasmtime::component::Linker;

use crate::actor::{self, ActorData, Imports, Plugin};
use crate::compile::{self, Cache, CacheError, Compiler};
use crate::component::{LoadError, check_size, read_plugin};
use crate::events::InstancesLimited;
use crate::limits::{Account, Beat, TICK};
use crate::mailbox::{self, MailboxData, MailboxPlugin};
use crate::run::{CompilationCounts, Compilations, Instances, Shared};

pub use config::SandboxConfig;

/// The error when a sandbox cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The cache of compiled code may have been written by another user.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Wasmtime does not run here.
    #[error(
        "cannot set up WebAssembly on this machine: {message}; it needs x86-64 or AArch64, and address space (`ulimit -v`)"
    )]
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
    linkers: Arc<Linkers>,
    component_bytes: u64,
}

/// The imports that the host provides, to load plugins with.
struct Linkers {
    actor: Linker<ActorData>,
    /// For programs that are called without their component; none when they are not.
    program: Option<Imports>,
    mailbox: Linker<MailboxData>,
}

impl Sandbox {
    /// Sets up a sandbox, and the thread that ticks for it.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let cache = match config.cache_dir {
            Some(folder) => Cache::open(folder, config.key_dir.as_deref())?,
            None => None,
        };
        let (wanted, most) = (config.max_instances.max(1), compile::most_instances());
        if wanted > most {
            InstancesLimited { subject: AboutHost, wanted, instances: most }.log();
        }
        let max_instances = wanted.min(most);
        let key = if wanted > most { "the sysctl `vm.max_map_count`".to_owned() } else { config.instances_key };
        let (engine, purpose, allocation) = compile::running(max_instances, config.stack_bytes)?;
        let linkers = Arc::new(Linkers {
            actor: actor::linker(&engine)?,
            program: config.direct.then(|| actor::program_imports(&engine)).transpose()?,
            mailbox: mailbox::linker(&engine)?,
        });
        let shared = Arc::new(Shared {
            engine,
            cache,
            compiler: Compiler::new(config.compilation),
            purpose,
            wire: Arc::default(),
            clock: Arc::default(),
            beat: Arc::new(Beat::of_the_process()),
            turns: config.turns,
            stack_bytes: config.stack_bytes,
            memory: Arc::new(Account::new(config.memory_key, config.memory_bytes, None)),
            descriptors: Arc::new(Account::new("all actors together, by RLIMIT_NOFILE", config.descriptors, None)),
            allocation,
            instances: Instances::new(max_instances, key),
            compilations: CompilationCounts::default(),
        });
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("playhouse-clock".to_owned())
            .spawn(move || tick(&weak))
            .map_err(SandboxError::Clock)?;
        Ok(Self { shared, linkers, component_bytes: config.component_bytes })
    }

    /// Loads a plugin from a file, which is read once. Refuses a link that leads out of the file's folder, anything other
    /// than a regular file, and a file larger than [`SandboxConfig::component_bytes`]. Takes the compiled code from the cache, or
    /// compiles; a compilation can take seconds, so call this function where blocking is allowed.
    pub fn load(&self, name: &str, file: &Path) -> Result<Plugin, LoadError> {
        let wasm = read_plugin(file, self.component_bytes)?;
        Plugin::load(&self.shared, &self.linkers.actor, self.linkers.program.as_ref(), name, file, &wasm)
    }

    /// Loads a plugin from memory. Errors give its name as the file.
    pub fn load_bytes(&self, name: &str, wasm: &[u8]) -> Result<Plugin, LoadError> {
        check_size(Path::new(name), wasm.len(), self.component_bytes)?;
        Plugin::load(&self.shared, &self.linkers.actor, self.linkers.program.as_ref(), name, Path::new(name), wasm)
    }

    /// As [`Sandbox::load`], for a mailbox plugin.
    pub fn load_mailbox(&self, name: &str, file: &Path) -> Result<MailboxPlugin, LoadError> {
        let wasm = read_plugin(file, self.component_bytes)?;
        MailboxPlugin::load(&self.shared, &self.linkers.mailbox, name, file, &wasm)
    }

    /// As [`Sandbox::load_bytes`], for a mailbox plugin.
    pub fn load_mailbox_bytes(&self, name: &str, wasm: &[u8]) -> Result<MailboxPlugin, LoadError> {
        check_size(Path::new(name), wasm.len(), self.component_bytes)?;
        MailboxPlugin::load(&self.shared, &self.linkers.mailbox, name, Path::new(name), wasm)
    }

    /// A description of the allocation of instances, for logs: in a pool, or on demand.
    pub fn allocation(&self) -> &str {
        &self.shared.allocation
    }

    /// The most incarnations that may live at a time: the configured number, or a lower one for which this machine has
    /// mappings.
    pub fn max_instances(&self) -> u32 {
        self.shared.instances.most()
    }

    /// Bytes of the memories and tables of all incarnations that live now, and their bound.
    pub fn memory(&self) -> (u64, u64) {
        (self.shared.memory.used(), self.shared.memory.most)
    }

    /// Files, folders and connections that all incarnations have open now, and their bound.
    pub fn descriptors(&self) -> (u64, u64) {
        (self.shared.descriptors.used(), self.shared.descriptors.most)
    }

    /// The components that were loaded, by the origin of their machine code.
    pub fn compilations(&self) -> Compilations {
        self.shared.compilations.read()
    }

    /// The number of incarnations that live now.
    pub fn instances(&self) -> u32 {
        self.shared.instances.live()
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
