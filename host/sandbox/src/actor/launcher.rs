//! Makes incarnations of a plugin for one actor, and tells the kernel which hooks the plugin has.

use playhouse_kernel::{Behavior, Bounds, BoxFuture, Crash, Launcher, Turn, Usage};

use super::guest::Guest;
use super::setup::ActorSetup;

/// The launcher of one actor.
pub(super) struct PluginLauncher(pub(super) ActorSetup);

impl Launcher for PluginLauncher {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async move { Ok(Box::new(Guest::launch(&self.0, turn).await?) as Box<dyn Behavior>) })
    }

    fn plugin(&self) -> &str {
        &self.0.plugin.name
    }

    fn bounds(&self) -> Bounds {
        let ActorSetup { limits, resources, accounts, .. } = &self.0;
        Bounds {
            limits: Some(limits.clone()),
            grants: Some(resources.grants.clone()),
            accounts: Some(accounts.passed_on()),
        }
    }

    fn subtree_usage(&self) -> Vec<Usage> {
        self.0.accounts.usage()
    }

    fn calls_back(&self) -> bool {
        self.0.plugin.checked.task_done.is_some()
    }

    fn gated(&self) -> bool {
        self.0.plugin.checked.gate.is_some()
    }

    fn watches(&self) -> bool {
        self.0.plugin.checked.noticed.is_some()
    }

    fn supervises(&self) -> bool {
        self.0.plugin.checked.child_failed.is_some()
    }
}
