//! Makes incarnations of a plugin for one actor, and tells the kernel which hooks the plugin has.

use std::sync::Arc;

use playhouse_kernel::{Behavior, Bounds, BoxFuture, Crash, Launcher, Resources, Turn, Usage};

use super::group::Group;
use super::guest::Guest;
use super::setup::{ActorSetup, InstanceSetup};
use super::shared_guest::SharedGuest;

/// The launcher of one actor.
pub(super) struct PluginLauncher {
    pub(super) setup: ActorSetup,
    /// The actors that share an instance with this one; none with an instance of its own.
    pub(super) group: Option<Arc<Group>>,
}

impl Launcher for PluginLauncher {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async move {
            Ok(match &self.group {
                Some(group) => Box::new(SharedGuest::launch(group, &self.setup, turn).await?) as Box<dyn Behavior>,
                None => Box::new(Guest::launch(&self.setup, turn).await?),
            })
        })
    }

    fn plugin(&self) -> &str {
        &self.setup.instance.plugin.name
    }

    fn bounds(&self) -> Bounds {
        let InstanceSetup { limits, resources, accounts, .. } = &self.setup.instance;
        Bounds {
            limits: Some(limits.clone()),
            grants: Some(resources.grants.clone()),
            accounts: Some(accounts.passed_on()),
        }
    }

    fn subtree_usage(&self) -> Vec<Usage> {
        self.setup.instance.accounts.usage()
    }

    /// The instance that it shares counts as one.
    fn takes_slot(&self) -> bool {
        self.group.is_none()
    }

    fn shared_instance(&self) -> Option<u64> {
        self.group.as_ref().map(|group| group.number)
    }

    fn shared_use(&self) -> Option<Resources> {
        self.group.as_ref().map(|group| group.uses.read())
    }

    fn calls_back(&self) -> bool {
        self.setup.instance.plugin.checked.task_done.is_some()
    }

    fn gated(&self) -> bool {
        self.setup.instance.plugin.checked.gate.is_some()
    }

    fn watches(&self) -> bool {
        self.setup.instance.plugin.checked.noticed.is_some()
    }

    fn supervises(&self) -> bool {
        self.setup.instance.plugin.checked.child_failed.is_some()
    }
}
