//! A loaded plugin: compiled, checked, linked to its imports; and the launcher that makes incarnations of it.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use playhouse_kernel::{Address, Behavior, Bounds, BoxFuture, Config, Crash, Launcher, MaxInstances, Turn, Usage};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use wasmtime::component::Component;

use crate::accounts::{Accounts, SubtreeLimits};
use crate::cache::{self, Cached, Key};
use crate::clock::RunClock;
use crate::component::{self, Checked, Interface, LoadError};
use crate::facts;
use crate::footprint::Footprint;
use crate::grants::{Grants, World};
use crate::guest::Guest;
use crate::limits::Limits;
use crate::log::LogMeter;
use crate::names::Names;
use crate::output::Output;
use crate::sandbox::Shared;

/// A component that can run as an actor. Clones are handles to the same plugin.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) checked: Checked,
    pub(crate) sandbox: Arc<Shared>,
    info: PluginInfo,
    /// The names of its functions, for crash reports.
    pub(crate) names: Names,
    /// The world of actors without grants.
    nothing: OnceLock<Arc<World>>,
    no_config: Arc<Config>,
    /// The limits of the previous actor: the next one mostly has the same.
    last_limits: Mutex<Arc<Limits>>,
}

/// The facts about a plugin that are known before it runs.
#[derive(Debug, Clone)]
pub struct PluginInfo {
    /// The digest of the file, in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The names of its exports.
    pub exports: Vec<String>,
    /// The optional hooks that it has.
    pub hooks: Vec<&'static str>,
    /// Whether its actor keeps state between messages, other than in a static; none when the component does not say.
    pub keeps_state: Option<bool>,
    /// Bytes of all its memories and tables when it is instantiated, as [`Limits::memory_bytes`] counts them; none when that
    /// cannot be read from the file.
    pub initial_bytes: Option<u64>,
    /// The origin of its machine code.
    pub compiled: Compiled,
}

/// The origin of the machine code of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiled {
    /// The code was compiled before, and read from the cache.
    FromCache,
    /// The code was compiled now, in this time.
    Fresh(Duration),
    /// The code was compiled now, because the cache's entry was damaged.
    Rebuilt {
        /// The fault of the entry.
        why: String,
        /// The duration of the compilation.
        took: Duration,
    },
}

impl Plugin {
    pub(crate) fn load(sandbox: &Arc<Shared>, name: &str, file: &Path, wasm: &[u8]) -> Result<Self, LoadError> {
        component::sniff(file, wasm)?;
        let footprint = Footprint::of(wasm);
        footprint.map_or(Ok(()), |footprint| footprint.check(file))?;
        let initial_bytes = footprint.map(|footprint| footprint.bytes);
        component::check_names(file, wasm)?;
        let sha256 = sha256_hex(wasm);
        let (component, compiled) = compile(sandbox, file, wasm, &sha256)?;
        let checked = component::check(file, &sandbox.linker, &component)?;
        let Interface { imports, exports, hooks } = Interface::of(&component);
        let info = PluginInfo {
            sha256,
            size_bytes: wasm.len() as u64,
            imports,
            exports,
            hooks,
            keeps_state: facts::keeps_state(wasm),
            initial_bytes,
            compiled,
        };
        let inner = Inner {
            name: name.to_owned(),
            checked,
            sandbox: sandbox.clone(),
            info,
            names: Names::default(),
            nothing: OnceLock::new(),
            no_config: Arc::default(),
            last_limits: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The name it was loaded under.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The facts about this plugin that are known before it runs.
    pub fn info(&self) -> &PluginInfo {
        &self.inner.info
    }

    /// The most incarnations that may live at a time in its sandbox, for [`playhouse_kernel::Plan::max_instances`]. With a
    /// kernel that does not know the bound, the incarnations beyond it fail to start.
    pub fn max_instances(&self) -> MaxInstances {
        self.inner.sandbox.bound()
    }

    /// The clock for [`playhouse_kernel::Plan::clock`] of a kernel whose actors run on this Tokio runtime: it tells the host's own delays
    /// from the running time of guests.
    pub fn clock(&self, runtime: &Handle) -> Arc<RunClock> {
        RunClock::begin(self.inner.sandbox.beat.clone(), runtime)
    }

    /// Makes incarnations of this plugin for one actor without grants.
    pub fn launcher(&self, limits: Limits, config: Config, output: Arc<dyn Output>) -> Arc<dyn Launcher> {
        self.launcher_with(Grants::default(), limits, config, output)
    }

    /// As [`Plugin::launcher`], for an actor with grants. [`Grants::missing`] says whether the component needs more grants.
    /// Resources without a grant appear empty, and HTTP requests without one are denied.
    pub fn launcher_with(
        &self,
        grants: Grants,
        limits: Limits,
        config: Config,
        output: Arc<dyn Output>,
    ) -> Arc<dyn Launcher> {
        let accounts = self.inner.sandbox.accounts();
        self.launcher_in(accounts, grants, limits, config, output)
    }

    /// The accounts of an actor at `address` whose parent has the bounds `within`. `subtree`: the actor's limits on itself
    /// and all actors below it.
    pub fn accounts(&self, within: &Bounds, address: &Address, subtree: SubtreeLimits) -> Accounts {
        self.inner.sandbox.accounts().below(within, address, subtree)
    }

    /// As [`Plugin::launcher_with`], with the accounts where the use of its incarnations is counted.
    pub fn launcher_in(
        &self,
        accounts: Accounts,
        grants: Grants,
        limits: Limits,
        config: Config,
        output: Arc<dyn Output>,
    ) -> Arc<dyn Launcher> {
        let wire = &self.inner.sandbox.wire;
        let world = if grants.is_nothing() {
            self.inner
                .nothing
                .get_or_init(|| Arc::new(World::new(Grants::default(), wire, accounts.descriptors())))
                .clone()
        } else {
            Arc::new(World::new(grants, wire, accounts.descriptors()))
        };
        let config = if config.is_empty() { self.inner.no_config.clone() } else { Arc::new(config) };
        let limits = {
            let mut last = self.inner.last_limits.lock().unwrap_or_else(PoisonError::into_inner);
            if **last != limits {
                *last = Arc::new(limits);
            }
            last.clone()
        };
        let log = OnceLock::new();
        Arc::new(PluginLauncher { plugin: self.inner.clone(), accounts, limits, world, config, output, log })
    }
}

pub(crate) fn compile(
    sandbox: &Shared,
    file: &Path,
    wasm: &[u8],
    sha256: &str,
) -> Result<(Component, Compiled), LoadError> {
    let cached = sandbox.cache.as_ref().map(|cache| (cache, Key::new(&sandbox.engine, sha256)));
    let damage = match cached.as_ref().map(|(cache, key)| cache.get(&sandbox.engine, key)) {
        Some(Cached::Found(component)) => return Ok((component, Compiled::FromCache)),
        Some(Cached::Missing) | None => None,
        Some(Cached::Damaged(why)) => Some(why),
    };
    let (code, took) = sandbox.compiler.compile((&sandbox.engine, sandbox.purpose), file, wasm)?;
    let component = cache::deserialize(&sandbox.engine, &code).map_err(|error| component::invalid(file, &error))?;
    if let Some((cache, key)) = cached {
        cache.put(&key, &code);
    }
    Ok((component, damage.map_or(Compiled::Fresh(took), |why| Compiled::Rebuilt { why, took })))
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The state that the incarnations of one actor share.
pub(crate) struct PluginLauncher {
    pub(crate) plugin: Arc<Inner>,
    pub(crate) accounts: Accounts,
    /// Shared with actors that have equal limits.
    pub(crate) limits: Arc<Limits>,
    /// Shared by all actors without grants.
    pub(crate) world: Arc<World>,
    pub(crate) config: Arc<Config>,
    pub(crate) output: Arc<dyn Output>,
    /// The bounds on stderr count over all incarnations: a crash does not reset them.
    log: OnceLock<Arc<LogMeter>>,
}

impl PluginLauncher {
    pub(crate) fn log(&self) -> Arc<LogMeter> {
        self.log.get_or_init(|| Arc::new(LogMeter::new(&self.limits))).clone()
    }
}

impl Launcher for PluginLauncher {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async move { Ok(Box::new(Guest::launch(self, turn).await?) as Box<dyn Behavior>) })
    }

    fn plugin(&self) -> &str {
        &self.plugin.name
    }

    fn bounds(&self) -> Bounds {
        let (grants, accounts) = (self.world.grants.clone(), self.accounts.handed_on());
        Bounds { grants: Some(grants), accounts: Some(accounts), ..self.limits.bounds() }
    }

    fn subtree_usage(&self) -> Vec<Usage> {
        self.accounts.usage()
    }

    fn calls_back(&self) -> bool {
        self.plugin.checked.task_done.is_some()
    }

    fn gated(&self) -> bool {
        self.plugin.checked.gate.is_some()
    }

    fn watches(&self) -> bool {
        self.plugin.checked.noticed.is_some()
    }

    fn supervises(&self) -> bool {
        self.plugin.checked.child_failed.is_some()
    }
}
