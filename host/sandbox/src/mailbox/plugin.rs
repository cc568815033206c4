//! A loaded mailbox plugin, and the launcher that makes runs of it for one mailbox.

use std::path::Path;
use std::sync::Arc;

use playhouse_kernel::{About, BoxFuture, Config, Crash, MailboxPolicy, PolicyLauncher};
use wasmtime::component::Linker;

use super::checked::check;
use super::imports::MailboxData;
use super::run::Run;
use super::setup::{Loaded, MailboxSetup};
use crate::component::{LoadError, Names};
use crate::limits::{Accounts, Limits};
use crate::output::{LogMeter, Output};
use crate::run::{PluginInfo, Shared, load};

/// A component that can decide the order of a mailbox. Clones are handles to the same plugin.
#[derive(Clone)]
pub struct MailboxPlugin {
    inner: Arc<Inner>,
}

struct Inner {
    loaded: Arc<Loaded>,
    info: PluginInfo,
}

impl MailboxPlugin {
    pub(crate) fn load(
        sandbox: &Arc<Shared>,
        linker: &Linker<MailboxData>,
        name: &str,
        file: &Path,
        wasm: &[u8],
    ) -> Result<Self, LoadError> {
        let (component, info) = load(sandbox, file, wasm, None)?;
        // The section about state is for actors.
        let info = PluginInfo { keeps_state: None, ..info };
        let checked = check(file, linker, &component)?;
        let loaded = Arc::new(Loaded { name: name.into(), checked, sandbox: sandbox.clone(), names: Names::default() });
        Ok(Self { inner: Arc::new(Inner { loaded, info }) })
    }

    /// The name it was loaded under.
    pub fn name(&self) -> &str {
        &self.inner.loaded.name
    }

    /// The facts about this plugin that are known before it runs.
    pub fn info(&self) -> &PluginInfo {
        &self.inner.info
    }

    /// Makes runs of this plugin for the mailbox of one actor. `limits` are those of one run; the CPU time is that of one
    /// call. Bytes that it writes to either stream go to `output` as lines of the actor's standard error.
    pub fn launcher(&self, limits: Limits, config: Config, output: Arc<dyn Output>) -> Arc<dyn PolicyLauncher> {
        let accounts = self.inner.loaded.sandbox.accounts();
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
        let plugin = self.inner.loaded.clone();
        Arc::new(RunLauncher(MailboxSetup { plugin, accounts, limits, config, output, log }))
    }
}

/// The launcher for one mailbox.
struct RunLauncher(MailboxSetup);

impl PolicyLauncher for RunLauncher {
    fn launch(&self, about: About) -> BoxFuture<'_, Result<Box<dyn MailboxPolicy>, Crash>> {
        Box::pin(async move { Ok(Box::new(Run::launch(&self.0, about).await?) as Box<dyn MailboxPolicy>) })
    }

    fn plugin(&self) -> &str {
        &self.0.plugin.name
    }
}
