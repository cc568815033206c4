//! The state that the incarnations of one actor share: its loaded plugin, its limits, its resources, its configuration.

use std::sync::{Arc, OnceLock};

use playhouse_kernel::{Config, Turn};

use super::checked::Checked;
use super::direct::Direct;
use super::incarnation::IncarnationData;
use super::resources::ActorResources;
use crate::component::Names;
use crate::limits::{Accounts, Limits};
use crate::output::{LogMeter, Output};
use crate::run::Shared;

/// A loaded plugin.
pub(crate) struct Loaded {
    pub(crate) name: Arc<str>,
    pub(crate) checked: Checked,
    /// Its program, where that is called without the component.
    pub(crate) direct: Option<Direct>,
    pub(crate) sandbox: Arc<Shared>,
    /// The names of its functions, for crash reports.
    pub(crate) names: Names,
}

/// The parts that an instance is made of.
#[derive(Clone)]
pub(crate) struct InstanceSetup {
    pub(crate) plugin: Arc<Loaded>,
    pub(crate) accounts: Accounts,
    /// Shared with actors that have equal limits.
    pub(crate) limits: Arc<Limits>,
    /// Shared by all actors without grants.
    pub(crate) resources: Arc<ActorResources>,
}

/// The state that the incarnations of one actor share.
pub(crate) struct ActorSetup {
    pub(crate) instance: InstanceSetup,
    pub(crate) config: Arc<Config>,
    pub(crate) output: Arc<dyn Output>,
    /// The bounds on stderr count over all incarnations: a crash does not reset them.
    pub(super) log: OnceLock<Arc<LogMeter>>,
}

impl ActorSetup {
    /// The data of a new incarnation, with its number among those that share the instance.
    pub(super) fn incarnation(&self, turn: Turn, number: u32) -> Box<IncarnationData> {
        let plugin = self.instance.plugin.name.clone();
        IncarnationData::new(plugin, self.config.clone(), &self.output, &self.log(), turn, number)
    }

    pub(crate) fn log(&self) -> Arc<LogMeter> {
        self.log.get_or_init(|| Arc::new(LogMeter::new(&self.instance.limits))).clone()
    }
}
