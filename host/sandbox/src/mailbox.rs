//! A loaded mailbox plugin: compiled, checked, linked; and the launcher that makes runs of it for one mailbox. `run` is one of
//! those runs, `contract` the types that cross.

mod contract;
mod run;

use std::path::Path;
use std::sync::Arc;

use playhouse_kernel::{About, BoxFuture, Config, Crash, MailboxPolicy, PolicyLauncher};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use crate::accounts::Accounts;
use crate::component::{self, Interface, LoadError, function};
use crate::footprint::Footprint;
use crate::limits::Limits;
use crate::log::LogMeter;
use crate::names::Names;
use crate::output::Output;
use crate::plugin::{PluginInfo, compile, sha256_hex};
use crate::sandbox::Shared;

pub(crate) use contract::MAILBOX;
use contract::{PolicyParams, PolicyResults, PutParams, PutResults, SizeResults, TakeParams, TakeResults};
pub(crate) use run::{Desk, add_to};

/// A component that can decide the order of a mailbox. Clones are handles to the same plugin.
#[derive(Clone)]
pub struct MailboxPlugin {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    checked: Checked,
    sandbox: Arc<Shared>,
    info: PluginInfo,
    /// The names of its functions, for crash reports.
    pub(crate) names: Names,
}

impl MailboxPlugin {
    pub(crate) fn load(sandbox: &Arc<Shared>, name: &str, file: &Path, wasm: &[u8]) -> Result<Self, LoadError> {
        component::sniff(file, wasm)?;
        let footprint = Footprint::of(wasm);
        footprint.map_or(Ok(()), |footprint| footprint.check(file))?;
        let initial_bytes = footprint.map(|footprint| footprint.bytes);
        component::check_names(file, wasm)?;
        let sha256 = sha256_hex(wasm);
        let (component, compiled) = compile(sandbox, file, wasm, &sha256)?;
        let checked = check(file, &sandbox.mailbox_linker, &component)?;
        let Interface { imports, exports, hooks } = Interface::of(&component);
        let size_bytes = wasm.len() as u64;
        let info =
            PluginInfo { sha256, size_bytes, imports, exports, hooks, keeps_state: None, initial_bytes, compiled };
        Ok(Self {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                checked,
                sandbox: sandbox.clone(),
                info,
                names: Names::default(),
            }),
        })
    }

    /// The name it was loaded under.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The facts about this plugin that are known before it runs.
    pub fn info(&self) -> &PluginInfo {
        &self.inner.info
    }

    /// Makes runs of this plugin for the mailbox of one actor. `limits` are those of one run; the CPU time is that of one
    /// call. Bytes that it writes to either stream go to `output` as lines of the actor's standard error.
    pub fn launcher(&self, limits: Limits, config: Config, output: Arc<dyn Output>) -> Arc<dyn PolicyLauncher> {
        let accounts = self.inner.sandbox.accounts();
        self.launcher_in(accounts, limits, config, output)
    }

    /// As [`MailboxPlugin::launcher`], with the accounts of the actor, where the memory of the runs is counted as well.
    pub fn launcher_in(
        &self,
        accounts: Accounts,
        limits: Limits,
        config: Config,
        output: Arc<dyn Output>,
    ) -> Arc<dyn PolicyLauncher> {
        let log = Arc::new(LogMeter::new(&limits));
        Arc::new(Launcher { plugin: self.inner.clone(), accounts, limits, config, output, log })
    }
}

/// The state that the runs for one mailbox share.
struct Launcher {
    plugin: Arc<Inner>,
    accounts: Accounts,
    limits: Limits,
    config: Config,
    output: Arc<dyn Output>,
    /// The bounds on their output count over all runs.
    log: Arc<LogMeter>,
}

impl PolicyLauncher for Launcher {
    fn launch(&self, about: About) -> BoxFuture<'_, Result<Box<dyn MailboxPolicy>, Crash>> {
        Box::pin(async move { Ok(Box::new(run::Run::launch(self, about).await?) as Box<dyn MailboxPolicy>) })
    }

    fn plugin(&self) -> &str {
        &self.plugin.name
    }
}

/// A component that was checked as a mailbox plugin: its imports are provided, its exports have the right types.
pub(crate) struct Checked {
    pre: InstancePre<Desk>,
    policy: ComponentExportIndex,
    put: ComponentExportIndex,
    take: ComponentExportIndex,
    size: ComponentExportIndex,
}

/// Checks a component as far as possible before it runs.
pub(crate) fn check(file: &Path, linker: &Linker<Desk>, component: &Component) -> Result<Checked, LoadError> {
    let Some(mailbox) = component.get_export_index(None, MAILBOX) else {
        let found = Interface::of(component).exports;
        return Err(component::other_contract(file, &found, MAILBOX)
            .unwrap_or_else(|| LoadError::NoMailbox { file: file.to_owned(), found }));
    };
    let policy = function::<PolicyParams, PolicyResults>(file, component, &mailbox, MAILBOX, "policy")?;
    let put = function::<PutParams, PutResults>(file, component, &mailbox, MAILBOX, "put")?;
    let take = function::<TakeParams, TakeResults>(file, component, &mailbox, MAILBOX, "take")?;
    let size = function::<(), SizeResults>(file, component, &mailbox, MAILBOX, "size")?;
    let pre = linker.instantiate_pre(component).map_err(|error| {
        let (import, message) = component::missing_import(component, &error);
        LoadError::MailboxImport { file: file.to_owned(), import, message }
    })?;
    Ok(Checked { pre, policy, put, take, size })
}
