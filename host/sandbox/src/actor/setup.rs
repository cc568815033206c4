//! The state that the incarnations of one actor share: its loaded plugin, its limits, its resources, its configuration.

use std::sync::{Arc, OnceLock};

use playhouse_kernel::Config;

use super::checked::Checked;
use super::resources::ActorResources;
use crate::component::Names;
use crate::limits::{Accounts, Limits};
use crate::output::{LogMeter, Output};
use crate::run::Shared;

/// A loaded plugin.
pub(crate) struct Loaded {
    pub(crate) name: Arc<str>,
    pub(crate) checked: Checked,
    pub(crate) sandbox: Arc<Shared>,
    /// The names of its functions, for crash reports.
    pub(crate) names: Names,
}

/// The state that the incarnations of one actor share.
pub(crate) struct ActorSetup {
    pub(crate) plugin: Arc<Loaded>,
    pub(crate) accounts: Accounts,
    /// Shared with actors that have equal limits.
    pub(crate) limits: Arc<Limits>,
    /// Shared by all actors without grants.
    pub(crate) resources: Arc<ActorResources>,
    pub(crate) config: Arc<Config>,
    pub(crate) output: Arc<dyn Output>,
    /// The bounds on stderr count over all incarnations: a crash does not reset them.
    pub(super) log: OnceLock<Arc<LogMeter>>,
}

impl ActorSetup {
    pub(crate) fn log(&self) -> Arc<LogMeter> {
        self.log.get_or_init(|| Arc::new(LogMeter::new(&self.limits))).clone()
    }
}
