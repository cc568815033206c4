//! The kernel's plan of a play: the settings of the manifest, completed by the loaded plugins.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use playhouse_kernel::{
    ActorGrants, ActorSpec, Address, Bounds, Clock, Config, MaxInstances, Plan, PolicySpec, StartKind, Template,
};
use playhouse_sandbox::{Accounts, Groups, Limits, MailboxPlugin, Plugin};
use tracing::Level;

use crate::leveled_output::LeveledOutput;
use crate::manifest::{PlaySettings, Settings};
use crate::plugins::Plugins;

/// The maximum number of instances of actors: those of their mailbox plugins live all the time and are subtracted, and one for each
/// table whose actors share one.
fn instances_for_actors(play: &PlaySettings, plugin: &Plugin) -> MaxInstances {
    let bound = plugin.max_instances();
    let mailboxes = play.actors.iter().filter(|actor| actor.settings.mailbox_plugin.is_some()).count();
    let actors = play.actors.iter().map(|actor| &actor.settings);
    let sharing = actors.chain(play.spawnable.iter().map(|plugin| &plugin.settings));
    let shared = sharing.filter(|settings| settings.share.is_some()).count();
    MaxInstances { most: bound.most.saturating_sub(mailboxes + shared).max(1), ..bound }
}

/// The number of instances that spawned actors may have at a time, and the number of all instances; `None` without plugins.
pub(crate) fn instances_for_spawned(play: &PlaySettings, plugins: &Plugins) -> Option<(usize, usize)> {
    let bound = instances_for_actors(play, plugins.first()?);
    let kinds = play.actors.iter().map(|actor| {
        let Settings { idle_stop, start, .. } = actor.settings;
        (actor.instances, idle_stop.is_none() && start == StartKind::Auto)
    });
    Some((bound.left_to_spawned(kinds.chain([(play.connections(), true)])), bound.most))
}

/// The plan that the kernel runs.
pub(crate) fn plan(play: &PlaySettings, plugins: &Plugins, output: &Arc<LeveledOutput>, seed: u64) -> Plan {
    let made = |settings: &Settings, recursive, spawned_level| Made {
        plugin: plugins[&settings.plugin].clone(),
        groups: settings.share.as_ref().and_then(|_| plugins[&settings.plugin].groups()),
        mailbox: settings.mailbox_plugin.as_ref().map(|mailbox| plugins.mailbox_plugin(&mailbox.plugin).clone()),
        settings: settings.clone(),
        recursive,
        spawned_level,
        output: output.clone(),
    };
    let mut actors: Vec<ActorSpec> = Vec::with_capacity(play.actors.len());
    let mut accounts = HashMap::new();
    for actor in &play.actors {
        let above = actor.address.parent().and_then(|parent| accounts.get(&parent).cloned());
        let within = Bounds { accounts: above, ..Bounds::NONE };
        let spec = made(&actor.settings, false, None).spec(actor.address.clone(), BTreeMap::new(), within);
        accounts.extend(spec.code.bounds().accounts.map(|own| (actor.address.clone(), own)));
        let relay = actor.relay.clone().map(Box::new);
        let (instances, required, family) = (actor.instances, actor.required, actor.family.clone());
        actors.push(ActorSpec { instances, required, relay, family, ..spec });
    }
    let spawnable = play.spawnable.iter().map(|plugin| {
        let settings = &plugin.settings;
        let template: Arc<dyn Template> =
            Arc::new(made(settings, plugin.recursive, settings.log_level.map(Level::from)));
        (settings.plugin.clone(), template)
    });
    Plan {
        actors,
        plugins: spawnable.collect(),
        supervision: play.supervision,
        dead_letters: play.dead_letters,
        letter_feed: None,
        max_instances: plugins.first().map(|plugin| instances_for_actors(play, plugin)),
        reserves: Vec::new(),
        clock: Clock::default(),
        runtime: None,
        keys: play.keys,
        seed,
    }
}

/// Makes actors of a plugin with the settings of the manifest.
struct Made {
    plugin: Plugin,
    /// With these, the actors share instances.
    groups: Option<Groups>,
    mailbox: Option<MailboxPlugin>,
    settings: Settings,
    recursive: bool,
    /// The level of the log of each spawned actor. Actors of the manifest have theirs from the start.
    spawned_level: Option<Level>,
    output: Arc<LeveledOutput>,
}

impl Made {
    /// The policy of the mailbox, with limits that are no wider than `within`.
    fn policy(&self, accounts: Accounts, within: &Bounds) -> Option<PolicySpec> {
        let (plugin, settings) = self.mailbox.as_ref().zip(self.settings.mailbox_plugin.as_ref())?;
        let limits =
            Limits { memory_bytes: settings.memory_bytes, cpu: settings.cpu, ..Limits::default() }.bounded(within);
        Some(PolicySpec {
            launcher: plugin.launcher_in(accounts, limits, settings.config.clone(), self.output.clone()),
            overflow: settings.overflow,
            overtakes: settings.overtakes,
            timeout: settings.timeout,
            backoff: settings.backoff,
            intensity: settings.intensity,
            period: settings.period,
        })
    }
}

impl Template for Made {
    fn spec(&self, address: Address, config: Config, within: Bounds) -> ActorSpec {
        let settings = &self.settings;
        let limits = settings.sandbox_limits.bounded(&within);
        let grants = settings.grants.clone().bounded(&within);
        let reaches_outside = grants.changes_outside();
        let accounts = self.plugin.accounts(&within, &address, settings.subtree);
        let mut whole = settings.config.clone();
        whole.extend(config);
        let output = self.spawned_level.map(|level| self.output.spawned(&address, level));
        let output = output.unwrap_or_else(|| self.output.clone());
        let code = match &self.groups {
            Some(groups) => groups.launcher_in(&within, accounts.clone(), grants, limits, whole, output),
            None => self.plugin.launcher_in(accounts.clone(), grants, limits, whole, output),
        };
        ActorSpec {
            address,
            code: code.into(),
            start: settings.start,
            idle_stop: settings.idle_stop,
            instances: 1,
            batch: settings.batch,
            mailbox: settings.mailbox,
            relay: None,
            policy: self.policy(accounts, &within).map(Box::new),
            drops_at_end: false,
            restart: settings.restart,
            required: false,
            supervision: settings.supervision,
            limits: settings.limits.clone(),
            grants: ActorGrants {
                sends_to: settings.sends_to.clone(),
                sends_below: settings.sends_below.clone(),
                spawns: settings.spawns.clone(),
            },
            metrics: settings.metrics.clone(),
            state: settings.state.map(Box::new),
            family: None,
            reaches_outside,
        }
    }

    fn recursive(&self) -> bool {
        self.recursive
    }
}
