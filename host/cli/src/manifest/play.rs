//! A sound play: what the manifest says, with the defaults filled in. It lacks only the plugins' code.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use playhouse_kernel::{
    Address, Backoff, DeadLetterSpec, MailboxSpec, Overflow, RestartSpec, StartKind, SubtreeSpec, SupervisionSpec,
};
use playhouse_sandbox::{Limits, SubtreeLimits};

use playhouse_sandbox::Grants;

use super::problem::Source;
use super::units::MemoryMark;

/// A manifest that passed all checks which need no plugin's code.
#[derive(Debug)]
pub struct Play {
    /// The manifest's text, for problems that are found later.
    pub source: Source,
    /// What people call it.
    pub name: String,
    /// The plugins folder.
    pub plugins: PathBuf,
    /// Most instances at once; none for the sandbox's default.
    pub max_instances: Option<u32>,
    /// Bounds on plugins, and on what all actors have in common.
    pub limits: PlayLimits,
    /// How much memory is too much for new messages from outside.
    pub memory_high: MemoryMark,
    /// How the kernel looks after the top actors.
    pub supervision: SupervisionSpec,
    /// The bounds of the dead-letter store.
    pub dead_letters: DeadLetterSpec,
    /// In start order.
    pub actors: Vec<PlayActor>,
    /// Actors each of which hands on to the next; empty when there is no such line. Their `sends_to` has it already.
    pub pipeline: Vec<Address>,
    /// What actors may spawn.
    pub spawnable: Vec<PlayPlugin>,
}

/// `[play.limits]`.
#[derive(Debug, Clone, Copy)]
pub struct PlayLimits {
    /// Stack of each instance.
    pub stack_bytes: usize,
    /// The largest component that is loaded.
    pub component_bytes: u64,
    /// How long compiling one may take.
    pub compile_time: Duration,
    /// Memory for compiling one.
    pub compile_memory_bytes: u64,
    /// Memory of all instances together; none for a share of the machine's.
    pub memory_bytes: Option<u64>,
}

/// One actor of a [`Play`].
#[derive(Debug)]
pub struct PlayActor {
    /// Where it lives.
    pub address: Address,
    /// How many of it run side by side.
    pub instances: usize,
    /// The play ends when it is given up.
    pub required: bool,
    /// The rest.
    pub settings: Settings,
}

/// What actors of one plugin are like that others spawn.
#[derive(Debug)]
pub struct PlayPlugin {
    /// It may be spawned below itself.
    pub recursive: bool,
    /// The rest.
    pub settings: Settings,
}

/// What actors of the manifest and spawned ones have in common.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of its plugin.
    pub plugin: String,
    /// Where the manifest names the plugin: the place of problems with its code.
    pub plugin_place: Range<usize>,
    /// Where the manifest has `limits.memory`.
    pub memory_place: Option<Range<usize>>,
    /// The digest its plugin must have, in lower case, and where the manifest says so.
    pub sha256: Option<(String, Range<usize>)>,
    /// To whom it may send.
    pub sends_to: Vec<Address>,
    /// Below whom it may send to everybody.
    pub sends_below: Vec<Address>,
    /// The plugins that it may spawn.
    pub spawns: Vec<String>,
    /// When it starts.
    pub start: StartKind,
    /// Without a message for so long it is passivated.
    pub idle_stop: Option<Duration>,
    /// Most messages handed over in one call.
    pub batch: usize,
    /// What its code may ask for by name.
    pub config: BTreeMap<String, String>,
    /// Its mailbox's bounds.
    pub mailbox: MailboxSpec,
    /// The plugin that decides about its mailbox.
    pub mailbox_plugin: Option<MailboxPluginSettings>,
    /// How it recovers.
    pub restart: RestartSpec,
    /// How it looks after its children.
    pub supervision: SupervisionSpec,
    /// What the sandbox measures of each instance.
    pub limits: Limits,
    /// Limits on it and all below it together; none of them for none.
    pub subtree: SubtreeSettings,
    /// Time in which one message runs or waits.
    pub timeout: Duration,
    /// The same for a whole start.
    pub start_timeout: Duration,
    /// Largest body it accepts.
    pub message_bytes: usize,
    /// Most children at a time.
    pub max_children: usize,
    /// Most timers at a time.
    pub max_timers: usize,
    /// Most watches at a time.
    pub max_watches: usize,
    /// Most levels of spawned actors below it.
    pub max_depth: usize,
    /// Most sends and other effects in one turn.
    pub max_effects: usize,
    /// Most bytes sent in one turn.
    pub max_effect_bytes: usize,
    /// What it may use of the world outside.
    pub grants: Grants,
    /// Variables that it is granted and that the host does not have.
    pub absent_env: Vec<String>,
}

/// `[actor.limits.subtree]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubtreeSettings {
    /// The limits that the sandbox counts.
    pub together: SubtreeLimits,
    /// The limits that the kernel counts.
    pub counts: SubtreeSpec,
}

impl Settings {
    /// `start` as the manifest writes it.
    pub fn start_name(&self) -> &'static str {
        match self.start {
            StartKind::Auto => "auto",
            StartKind::OnMessage => "on-message",
            StartKind::Manual => "manual",
        }
    }
}

/// The plugin that decides about a mailbox.
#[derive(Debug, Clone)]
pub struct MailboxPluginSettings {
    /// Its name.
    pub plugin: String,
    /// Where the manifest names it: the place of problems with its code.
    pub plugin_place: Range<usize>,
    /// The digest it must have, in lower case, and where the manifest says so.
    pub sha256: Option<(String, Range<usize>)>,
    /// What its code is given.
    pub config: BTreeMap<String, String>,
    /// The manifest's word on a full mailbox; none: the plugin's own.
    pub overflow: Option<Overflow>,
    /// After how many messages more than the mailbox holds one is overdue.
    pub overtakes: u64,
    /// Memory of one run.
    pub memory_bytes: u64,
    /// CPU time for one call.
    pub cpu: Duration,
    /// Time in which one call runs or waits.
    pub timeout: Duration,
    /// The pause before it starts again.
    pub backoff: Backoff,
    /// More crashes than this ...
    pub intensity: u32,
    /// ... within this time, and it is given up.
    pub period: Duration,
}

impl Play {
    /// The file of a plugin.
    pub fn plugin_file(&self, plugin: &str) -> PathBuf {
        self.plugins.join(format!("{plugin}.wasm"))
    }

    /// The names of all plugins that are used, each once, in the order of their first use.
    pub fn plugin_names(&self) -> Vec<&str> {
        each_once(self.settings().map(|settings| settings.plugin.as_str()))
    }

    /// The names of all mailbox plugins that are used, each once, in the order of their first use.
    pub fn mailbox_plugin_names(&self) -> Vec<&str> {
        let mailboxes = self.settings().filter_map(|settings| settings.mailbox_plugin.as_ref());
        each_once(mailboxes.map(|mailbox| mailbox.plugin.as_str()))
    }

    /// By plugin: the actors, by address, and the spawned ones, by plugin, that may spawn it.
    pub fn parents_by_plugin(&self) -> HashMap<&str, Vec<&str>> {
        let actors = self.actors.iter().map(|actor| (actor.address.as_str(), &actor.settings));
        let spawnable = self.spawnable.iter().map(|plugin| (plugin.settings.plugin.as_str(), &plugin.settings));
        let mut parents: HashMap<&str, Vec<&str>> = HashMap::new();
        for (parent, settings) in actors.chain(spawnable) {
            for plugin in each_once(settings.spawns.iter().map(String::as_str)) {
                parents.entry(plugin).or_default().push(parent);
            }
        }
        parents
    }

    /// Of all actors, and of all that may be spawned.
    pub fn settings(&self) -> impl Iterator<Item = &Settings> {
        let spawnable = self.spawnable.iter().map(|plugin| &plugin.settings);
        self.actors.iter().map(|actor| &actor.settings).chain(spawnable)
    }
}

fn each_once<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

impl Settings {
    /// To whom it may send, as the manifest has it: addresses, then subtrees.
    pub fn sends_to_written(&self) -> Vec<String> {
        let below = |top: &Address| format!("{}/**", if top.is_root() { "" } else { top.as_str() });
        self.sends_to.iter().map(ToString::to_string).chain(self.sends_below.iter().map(below)).collect()
    }
}
