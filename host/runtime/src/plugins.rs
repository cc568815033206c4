//! The plugins of a play, loaded and checked against the manifest.

mod initial_memory;
mod loading;

use std::collections::{BTreeMap, HashMap};
use std::ops::{Index, Range};

use playhouse_kernel::{AboutHost, Clock, LogEvent};
use playhouse_sandbox::{
    CacheUnavailable, Compilation, CompilePlace, MailboxPlugin, Missing, Plugin, PluginInfo, SHARED, Sandbox,
    SandboxConfig, SandboxError,
};
use tokio::runtime::Handle;

pub use self::loading::{LoadProgress, LogProgress};

use self::initial_memory::{child_memory_problems, memory_problem, shared_memory_limit};
use self::loading::{Job, Loaded, Role, load_side_by_side};
use crate::descriptors::Shares;
use crate::events::GuestsLimited;
use crate::manifest::{MailboxPluginSettings, PlayLimits, PlaySettings, Problem, Problems, Settings};
use crate::memory::guest_memory;
use crate::printable::{self, Printable};
use crate::system_limits;

/// The plugins of a play.
#[derive(Default)]
pub struct Plugins {
    sandbox: Option<Sandbox>,
    actors: BTreeMap<String, Plugin>,
    mailboxes: BTreeMap<String, MailboxPlugin>,
}

impl Plugins {
    /// The sandbox in which they run; `None` without plugins.
    pub fn sandbox(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref()
    }

    /// The clock of the host's time from now on, for a kernel whose actors run on this runtime.
    pub(crate) fn clock(&self, runtime: &Handle) -> Clock {
        self.first().map(|plugin| plugin.clock(runtime).into()).unwrap_or_default()
    }

    /// One of the actors' plugins; `None` without any.
    pub(crate) fn first(&self) -> Option<&Plugin> {
        self.actors.values().next()
    }

    /// The mailbox plugin of this name.
    pub(crate) fn mailbox_plugin(&self, name: &String) -> &MailboxPlugin {
        &self.mailboxes[name]
    }

    /// The facts about a mailbox plugin.
    pub fn mailbox(&self, settings: &MailboxPluginSettings) -> &PluginInfo {
        self.mailboxes[&settings.plugin].info()
    }
}

/// The plugin of an actor, by its name.
impl Index<&String> for Plugins {
    type Output = Plugin;

    fn index(&self, name: &String) -> &Plugin {
        &self.actors[name]
    }
}

/// The reason why plugins could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum PluginsError {
    /// The sandbox could not be made.
    #[error("the sandbox cannot be made: {0}")]
    Sandbox(#[source] SandboxError),
    /// A limit of the system keeps the host from loading them.
    #[error("{0}")]
    System(String),
    /// Some plugins do not fit the manifest.
    #[error("{}", .0.render(false))]
    Wrong(Problems),
}

/// A sandbox with the settings of the manifest.
fn sandbox(play: &PlaySettings, shares: Shares, place: CompilePlace) -> Result<Sandbox, SandboxError> {
    let (cache_dir, key_dir) = (playhouse_sandbox::default_cache_dir(), playhouse_sandbox::default_key_dir());
    if cache_dir.is_none() {
        let why = &"set XDG_CACHE_HOME and XDG_STATE_HOME, or HOME, to absolute paths";
        CacheUnavailable { subject: AboutHost, why }.log();
    }
    let mut config = SandboxConfig { cache_dir, key_dir, ..SandboxConfig::default() };
    if let Some(max_instances) = play.max_instances {
        config.max_instances = max_instances;
    }
    let PlayLimits { stack_bytes, component_bytes, compile_time, compile_memory_bytes, memory_bytes } = play.limits;
    config.memory_bytes = memory_bytes.unwrap_or_else(guest_memory);
    config.descriptors = shares.of_actors;
    if let Some(share) = system_limits::guest_share() {
        let advice = share.limit.advice();
        if share.memory_bytes < config.memory_bytes {
            config.memory_bytes = share.memory_bytes;
            config.memory_key = format!("what is left to guests of a limit of the system: {advice}; it");
        }
        if share.instances < config.max_instances {
            config.max_instances = share.instances;
            config.instances_key = format!("what is left to guests of a limit of the system ({advice})");
        }
        let event = GuestsLimited {
            subject: AboutHost,
            memory_bytes: config.memory_bytes,
            instances: u64::from(config.max_instances),
            advice: &advice,
            memory: &printable::size(config.memory_bytes),
        };
        event.log();
    }
    (config.stack_bytes, config.component_bytes) = (stack_bytes, component_bytes);
    config.compilation = Compilation { place, ..Compilation::default() };
    (config.compilation.time, config.compilation.memory_bytes) = (compile_time, compile_memory_bytes);
    Sandbox::new(config)
}

/// Loads all plugins of a play. This blocks, for seconds for each plugin that was not compiled before.
pub(crate) fn load(
    play: &PlaySettings,
    shares: Shares,
    place: CompilePlace,
    progress: &mut dyn LoadProgress,
) -> Result<Plugins, PluginsError> {
    if play.plugin_names().is_empty() && !play.natives.is_empty() {
        return Ok(Plugins::default());
    }
    let sandbox = sandbox(play, shares, place).map_err(PluginsError::Sandbox)?;
    let job = |name: &str, role| Job { name: name.to_owned(), role, file: play.plugin_file(name) };
    let actors = play.plugin_names().into_iter().map(|name| job(name, Role::Actor));
    let mailboxes = play.mailbox_plugin_names().into_iter().map(|name| job(name, Role::Mailbox));
    let results = load_side_by_side(&sandbox, actors.chain(mailboxes).collect(), progress);
    if let Some(error) =
        results.values().find_map(|result| result.as_ref().err().filter(|error| error.is_of_the_system()))
    {
        return Err(PluginsError::System(error.to_string()));
    }
    let mut problems = Vec::new();
    let subtree = |settings: &Settings| settings.subtree.memory_bytes;
    let subtrees = play.actors.iter().filter_map(|actor| Some((actor.address.as_str(), subtree(&actor.settings)?)));
    let subtrees: HashMap<&str, u64> = subtrees.collect();
    let actors = play.actors.iter().map(|actor| (actor.written(), &actor.settings));
    let spawnable = play.spawnable.iter().map(|plugin| (plugin.settings.plugin.clone(), &plugin.settings));
    for (whose, settings) in actors.chain(spawnable) {
        match &results[&(Role::Actor, settings.plugin.clone())] {
            Err(error) => {
                let remark = format!("the plugin of `{whose}`");
                problems.push(Problem::at(settings.plugin_place.clone(), error.to_string(), remark));
            }
            Ok(plugin) => {
                let pin = (settings.plugin.as_str(), settings.sha256.as_ref());
                problems.extend(pin_problem(play, &format!("`{whose}`"), pin, &plugin.info().sha256));
                problems.extend(grant_problem(&whose, settings, &plugin.info().imports));
                problems.extend(share_problem(&whose, settings, &plugin.info().exports));
                let limit = (settings.sandbox_limits.memory_bytes, "limits.memory".to_owned());
                let place = settings.memory_place.as_ref().unwrap_or(&settings.plugin_place);
                let own = memory_problem(&whose, plugin.info(), &limit, place);
                let shared = shared_memory_limit(play.limits.memory_bytes, &subtrees, &whose, settings);
                let shared = shared.filter(|_| own.is_none());
                let shared =
                    shared.and_then(|limit| memory_problem(&whose, plugin.info(), &limit, &settings.plugin_place));
                problems.extend(own.or(shared));
            }
        }
        let Some(mailbox) = &settings.mailbox_plugin else { continue };
        match &results[&(Role::Mailbox, mailbox.plugin.clone())] {
            Err(error) => {
                let remark = format!("the mailbox plugin of `{whose}`");
                problems.push(Problem::at(mailbox.plugin_place.clone(), error.to_string(), remark));
            }
            Ok(plugin) => {
                let pin = (mailbox.plugin.as_str(), mailbox.sha256.as_ref());
                problems.extend(pin_problem(play, &format!("the mailbox of `{whose}`"), pin, &plugin.info().sha256));
                let limit = (mailbox.memory_bytes, "mailbox.limits.memory".to_owned());
                let whose = format!("the mailbox of {whose}");
                problems.extend(memory_problem(&whose, plugin.info(), &limit, &mailbox.plugin_place));
            }
        }
    }
    problems.extend(child_memory_problems(play, &results));
    if !problems.is_empty() {
        return Err(PluginsError::Wrong(Problems::new(play.source.clone(), problems)));
    }
    let mut plugins = Plugins { sandbox: Some(sandbox), ..Plugins::default() };
    for ((_, name), plugin) in results {
        match plugin {
            Ok(Loaded::Actor(plugin)) => drop(plugins.actors.insert(name, plugin)),
            Ok(Loaded::Mailbox(plugin)) => drop(plugins.mailboxes.insert(name, plugin)),
            Err(_) => {}
        }
    }
    Ok(plugins)
}

fn pin_problem(play: &PlaySettings, whose: &str, (plugin, pin): (&str, Option<&Pin>), found: &str) -> Option<Problem> {
    let (wanted, place) = pin.filter(|(wanted, _)| wanted != found)?;
    let file = play.plugin_file(plugin);
    let problem = Problem::at(
        place.clone(),
        format!("`{}` is not the file that {whose} is pinned to", file.display()),
        "the manifest wants this digest",
    );
    Some(problem.help(format!("the file has {found}, not {}…: if that is right, write it here", &wanted[..12])))
}

/// The problem of a component that imports more than its grants.
fn grant_problem(whose: &str, settings: &Settings, imports: &[String]) -> Option<Problem> {
    let Missing { import, grant } = settings.grants.missing(imports)?;
    let what = format!("`{whose}` is not granted what its plugin imports: `{}`", Printable(&import));
    let place = settings.plugin_place.clone();
    let help = match grant {
        "state" => {
            "give it state = {} and mailbox = { kind = \"durable\" }, and the play a table [play.store]".to_owned()
        }
        grant => format!(
            "grant it the hosts that it may talk to, as in grants = {{ {grant} = [\"https://api.example.com\"] }}, or use a \
             plugin without that import"
        ),
    };
    Some(Problem::at(place, what, "this plugin").help(help))
}

/// The problem of actors that are to share an instance of a component that was not made for it.
fn share_problem(whose: &str, settings: &Settings, exports: &[String]) -> Option<Problem> {
    let place = settings.share.as_ref().filter(|_| !exports.iter().any(|export| export == SHARED))?;
    let what = format!("the actors of `{whose}` cannot share an instance: their plugin does not export `{SHARED}`");
    let help = "export the actor with `export_actor!(..., shared)`, or leave `share` out";
    Some(Problem::at(place.clone(), what, "here").help(help))
}

/// A digest, and where the manifest names it.
type Pin = (String, Range<usize>);
