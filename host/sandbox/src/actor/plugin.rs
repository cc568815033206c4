//! A loaded plugin: the launchers that it makes, and the facts about it.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use playhouse_kernel::{Address, Bounds, Config, Launcher, MaxInstances};
use tokio::runtime::Handle;
use wasmtime::component::Linker;

use super::checked::check;
use super::direct::{self, Direct, Imports};
use super::group::Group;
use super::imports::ActorData;
use super::launcher::PluginLauncher;
use super::resources::ActorResources;
use super::setup::{ActorSetup, InstanceSetup, Loaded};
use crate::component::{LoadError, Names};
use crate::grants::Grants;
use crate::limits::{Accounts, Limits, RunClock, SubtreeLimits};
use crate::output::Output;
use crate::run::{PluginInfo, Shared, load};

/// A component that can run as an actor. Clones are handles to the same plugin.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
}

struct Inner {
    loaded: Arc<Loaded>,
    info: PluginInfo,
    /// The resources of actors without grants.
    no_resources: OnceLock<Arc<ActorResources>>,
    no_config: Arc<Config>,
    /// The limits of the previous actor: the next one mostly has the same.
    last_limits: Mutex<Arc<Limits>>,
}

impl Plugin {
    pub(crate) fn load(
        sandbox: &Arc<Shared>,
        linker: &Linker<ActorData>,
        imports: Option<&Imports>,
        name: &str,
        file: &Path,
        wasm: &[u8],
    ) -> Result<Self, LoadError> {
        let plan = imports.and_then(|imports| direct::plan(imports, wasm));
        let (component, info) = load(sandbox, file, wasm, plan.as_ref().map(|plan| &*plan.wasm))?;
        let checked = check(file, linker, &component)?;
        let direct = imports.zip(plan.as_ref());
        let direct = direct.and_then(|(imports, plan)| Direct::of(&sandbox.engine, imports, plan, &component));
        let info = PluginInfo { direct: direct.is_some(), ..info };
        let (name, sandbox, names) = (name.into(), sandbox.clone(), Names::default());
        let loaded = Arc::new(Loaded { name, checked, direct, sandbox, names });
        let (no_resources, no_config, last_limits) = (OnceLock::new(), Arc::default(), Mutex::default());
        Ok(Self { inner: Arc::new(Inner { loaded, info, no_resources, no_config, last_limits }) })
    }

    /// The name it was loaded under.
    pub fn name(&self) -> &str {
        &self.inner.loaded.name
    }

    /// The facts about this plugin that are known before it runs.
    pub fn info(&self) -> &PluginInfo {
        &self.inner.info
    }

    /// The most incarnations that may live at a time in its sandbox, for [`playhouse_kernel::Plan::max_instances`]. With a
    /// kernel that does not know the bound, the incarnations beyond it fail to start.
    pub fn max_instances(&self) -> MaxInstances {
        self.inner.loaded.sandbox.instances.bound()
    }

    /// The clock for [`playhouse_kernel::Plan::clock`] of a kernel whose actors run on this Tokio runtime: it tells the host's own delays
    /// from the running time of guests.
    pub fn clock(&self, runtime: &Handle) -> Arc<RunClock> {
        RunClock::begin(self.inner.loaded.sandbox.beat.clone(), runtime)
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
        let accounts = self.inner.loaded.sandbox.accounts();
        self.launcher_in(accounts, grants, limits, config, output)
    }

    /// The accounts of an actor at `address` whose parent has the bounds `within`. `subtree`: the actor's limits on itself
    /// and all actors below it.
    pub fn accounts(&self, within: &Bounds, address: &Address, subtree: SubtreeLimits) -> Accounts {
        self.inner.loaded.sandbox.accounts().below(within, address, subtree)
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
        let instance = self.instance_setup(accounts, grants, limits);
        self.launcher_of(instance, None, config, output)
    }

    /// The actors of the plugin that share instances; `None` when its component does not export `shared`.
    pub fn groups(&self) -> Option<Groups> {
        let shares = self.inner.loaded.checked.forget.is_some();
        shares.then(|| Groups { plugin: self.clone(), groups: Arc::default() })
    }

    fn instance_setup(&self, accounts: Accounts, grants: Grants, limits: Limits) -> InstanceSetup {
        let wire = &self.inner.loaded.sandbox.wire;
        let make = |grants| Arc::new(ActorResources::new(grants, wire, accounts.descriptors()));
        let resources = if grants.is_nothing() {
            self.inner.no_resources.get_or_init(|| make(Grants::default())).clone()
        } else {
            make(grants)
        };
        let limits = {
            let mut last = self.inner.last_limits.lock().unwrap_or_else(PoisonError::into_inner);
            if **last != limits {
                *last = Arc::new(limits);
            }
            last.clone()
        };
        InstanceSetup { plugin: self.inner.loaded.clone(), accounts, limits, resources }
    }

    fn launcher_of(
        &self,
        instance: InstanceSetup,
        group: Option<Arc<Group>>,
        config: Config,
        output: Arc<dyn Output>,
    ) -> Arc<dyn Launcher> {
        let config = if config.is_empty() { self.inner.no_config.clone() } else { Arc::new(config) };
        Arc::new(PluginLauncher { setup: ActorSetup { instance, config, output, log: OnceLock::new() }, group })
    }
}

/// The actors of one plugin that share instances: those of equal limits, and of equal grants below one parent, share one. Clones are
/// handles to the same groups.
#[derive(Clone)]
pub struct Groups {
    plugin: Plugin,
    groups: Arc<Mutex<Vec<Weak<Group>>>>,
}

impl Groups {
    /// As [`Plugin::launcher_in`], for an actor whose parent has the bounds `within`, and whose limits and grants are within them. The
    /// limits on memory, resources and requests are those of all actors that share the instance.
    pub fn launcher_in(
        &self,
        within: &Bounds,
        accounts: Accounts,
        grants: Grants,
        limits: Limits,
        config: Config,
        output: Arc<dyn Output>,
    ) -> Arc<dyn Launcher> {
        let above = within.grants.as_ref().filter(|_| !grants.is_nothing());
        let setup = self.plugin.instance_setup(accounts, grants, limits);
        let group = {
            let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
            groups.retain(|group| group.strong_count() > 0);
            let known = groups.iter().filter_map(Weak::upgrade).find(|group| group.is_for(&setup, above));
            known.unwrap_or_else(|| {
                let group = Group::new(setup, above.cloned());
                groups.push(Arc::downgrade(&group));
                group
            })
        };
        self.plugin.launcher_of(group.setup.clone(), Some(group), config, output)
    }
}
