//! The plugins of a play, loaded in parallel with progress, and the kernel's plan, which they complete.

mod initial_memory;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::{Index, Range};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use playhouse_kernel::{
    ActorSpec, Address, Bounds, Clock, Config, MaxInstances, Plan, PolicySpec, StartKind, SubtreeSpec, Template,
};
use playhouse_sandbox::{
    Accounts, Compilation, CompilePlace, Compiled, Limits, LoadError, MailboxPlugin, Missing, Output, Plugin,
    PluginInfo, Sandbox, SandboxConfig, SandboxError,
};
use tokio::runtime::Handle;

use self::initial_memory::{child_memory_problems, memory_problem, shared_memory_limit};
use crate::console::Console;
use crate::descriptors::{self, Shares};
use crate::manifest::{MailboxPluginSettings, Play, PlayLimits, Problem, Problems, Settings};
use crate::memory::guest_memory;
use crate::printable::{self, Printable};
use crate::system_limits;

/// Time after which loading is announced. Code from the cache is loaded before.
const AN_INSTANT: Duration = Duration::from_millis(200);

/// The plugins of a play.
#[derive(Default)]
pub(crate) struct Plugins {
    sandbox: Option<Sandbox>,
    actors: BTreeMap<String, Plugin>,
    mailboxes: BTreeMap<String, MailboxPlugin>,
}

impl Plugins {
    /// The sandbox in which they run; `None` without plugins.
    pub(crate) fn sandbox(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref()
    }

    /// The clock of the host's time from now on, for a kernel whose actors run on this runtime.
    pub(crate) fn clock(&self, runtime: &Handle) -> Clock {
        self.actors.values().next().map(|plugin| plugin.clock(runtime).into()).unwrap_or_default()
    }

    /// The facts about a mailbox plugin.
    pub(crate) fn mailbox(&self, settings: &MailboxPluginSettings) -> &PluginInfo {
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
#[derive(Debug)]
pub(crate) enum PluginsError {
    /// The sandbox could not be made.
    Sandbox(SandboxError),
    /// A limit of the system keeps the host from loading them.
    System(String),
    /// Some plugins do not fit the manifest.
    Wrong(Problems),
}

/// A sandbox with the settings of the manifest.
fn sandbox(play: &Play, shares: Shares) -> Result<Sandbox, SandboxError> {
    let (cache_dir, key_dir) = (playhouse_sandbox::default_cache_dir(), playhouse_sandbox::default_key_dir());
    if cache_dir.is_none() {
        tracing::warn!(
            target: "playhouse",
            "no cache of compiled code, so that each start compiles again: set XDG_CACHE_HOME and XDG_STATE_HOME, or HOME, to absolute paths"
        );
    }
    let mut config = SandboxConfig { cache_dir, key_dir, ..SandboxConfig::default() };
    if let Some(max_instances) = play.max_instances {
        config.max_instances = max_instances;
    }
    let PlayLimits { stack_bytes, component_bytes, compile_time, compile_memory_bytes, memory_bytes } = play.limits;
    config.memory_bytes = memory_bytes.unwrap_or_else(guest_memory);
    config.descriptors = shares.of_actors;
    if let Some(room) = system_limits::room() {
        let advice = room.limit.advice();
        if room.memory_bytes < config.memory_bytes {
            config.memory_bytes = room.memory_bytes;
            config.memory_key = format!("what is left to guests of a limit of the system: {advice}; it");
        }
        if room.instances < config.max_instances {
            config.max_instances = room.instances;
            config.instances_key = format!("what is left to guests of a limit of the system ({advice})");
        }
        tracing::warn!(
            target: "playhouse",
            "guests may have {} of memory together and {} instances: {advice}", printable::size(config.memory_bytes),
            config.max_instances
        );
    }
    (config.stack_bytes, config.component_bytes) = (stack_bytes, component_bytes);
    config.compilation = compilation();
    (config.compilation.time, config.compilation.memory_bytes) = (compile_time, compile_memory_bytes);
    Sandbox::new(config)
}

/// Components are compiled by this very program, in a process of its own.
pub(crate) fn compilation() -> Compilation {
    // On Linux this path leads to the running file, even when another file has its name by now. A system that does not tell the
    // file gives an empty name: the next compilation is then an error.
    let itself = if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
    let program = itself.unwrap_or_default();
    let place = CompilePlace::Child { program, arguments: vec![crate::COMPILE_FOR_PARENT.to_owned()] };
    Compilation { place, ..Compilation::default() }
}

/// Loads all plugins of a play. This blocks, for seconds for each plugin that was not compiled before.
pub(crate) fn load(play: &Play, console: &Console) -> Result<Plugins, PluginsError> {
    let shares = descriptors::shares(play).map_err(PluginsError::System)?;
    let sandbox = sandbox(play, shares).map_err(PluginsError::Sandbox)?;
    let job = |name: &str, role| Job { name: name.to_owned(), role, file: play.plugin_file(name) };
    let actors = play.plugin_names().into_iter().map(|name| job(name, Role::Actor));
    let mailboxes = play.mailbox_plugin_names().into_iter().map(|name| job(name, Role::Mailbox));
    let results = load_side_by_side(&sandbox, actors.chain(mailboxes).collect(), console);
    if let Some(error) =
        results.values().find_map(|result| result.as_ref().err().filter(|error| error.is_of_the_system()))
    {
        return Err(PluginsError::System(error.to_string()));
    }
    let mut problems = Vec::new();
    let subtree = |settings: &Settings| settings.subtree.together.memory_bytes;
    let subtrees = play.actors.iter().filter_map(|actor| Some((actor.address.as_str(), subtree(&actor.settings)?)));
    let subtrees: HashMap<&str, u64> = subtrees.collect();
    let actors = play.actors.iter().map(|actor| (actor.address.to_string(), &actor.settings));
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
                let limit = (settings.limits.memory_bytes, "limits.memory".to_owned());
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

fn pin_problem(play: &Play, whose: &str, (plugin, pin): (&str, Option<&Pin>), found: &str) -> Option<Problem> {
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
    let help = format!(
        "grant it the hosts that it may talk to, as in grants = {{ {grant} = [\"https://api.example.com\"] }}, or use a \
         plugin without that import"
    );
    Some(Problem::at(place, what, "this plugin").help(help))
}

/// A digest, and where the manifest names it.
type Pin = (String, Range<usize>);

/// The role of a file. A file with both roles is loaded twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Actor,
    Mailbox,
}

struct Job {
    name: String,
    role: Role,
    file: PathBuf,
}

enum Loaded {
    Actor(Plugin),
    Mailbox(MailboxPlugin),
}

impl Loaded {
    fn info(&self) -> &PluginInfo {
        match self {
            Self::Actor(plugin) => plugin.info(),
            Self::Mailbox(plugin) => plugin.info(),
        }
    }
}

type Loads = BTreeMap<(Role, String), Result<Loaded, LoadError>>;

enum Progress {
    Began((Role, String), u64),
    Ended((Role, String), Result<Loaded, LoadError>),
}

/// Loads with one thread for each core, each of which takes one plugin after the other; this thread shows the progress.
fn load_side_by_side(sandbox: &Sandbox, jobs: VecDeque<Job>, console: &Console) -> Loads {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    let jobs = Mutex::new(jobs);
    let (sender, progress) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (jobs, sender) = (&jobs, sender.clone());
            scope.spawn(move || {
                let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                while let Some(Job { name, role, file }) = next() {
                    let bytes = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
                    let began = sender.send(Progress::Began((role, name.clone()), bytes));
                    let plugin = match role {
                        Role::Actor => sandbox.load(&name, &file).map(Loaded::Actor),
                        Role::Mailbox => sandbox.load_mailbox(&name, &file).map(Loaded::Mailbox),
                    };
                    if began.and_then(|()| sender.send(Progress::Ended((role, name), plugin))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        follow(&progress, console)
    })
}

/// A plugin that is being loaded.
struct Loading {
    text: String,
    announce_at: Instant,
    announced: bool,
    bar: Option<ProgressBar>,
}

fn follow(progress: &mpsc::Receiver<Progress>, console: &Console) -> Loads {
    let mut done = BTreeMap::new();
    let mut loading: BTreeMap<(Role, String), Loading> = BTreeMap::new();
    loop {
        let due = loading.values().filter(|one| !one.announced).map(|one| one.announce_at).min();
        let wait = due.map_or(Duration::from_mins(1), |due| due.saturating_duration_since(Instant::now()));
        match progress.recv_timeout(wait) {
            Ok(Progress::Began(key, bytes)) => {
                let text = format!("compiling {} ({})", key.1, printable::size(bytes));
                let announce_at = Instant::now() + AN_INSTANT;
                loading.insert(key, Loading { text, announce_at, announced: false, bar: None });
            }
            Ok(Progress::Ended(key, result)) => {
                if let Some(bar) = loading.remove(&key).and_then(|one| one.bar) {
                    console.clear(&bar);
                }
                let name = &key.1;
                match result.as_ref().map(|plugin| &plugin.info().compiled) {
                    Ok(Compiled::Fresh(took)) => console.say(&format!("compiled {name} in {:.1}s", took.as_secs_f64())),
                    Ok(Compiled::Rebuilt { why, took }) => console.say(&format!(
                        "compiled {name} again in {:.1}s: its compiled code in the cache was damaged ({why})",
                        took.as_secs_f64()
                    )),
                    Ok(Compiled::FromCache) | Err(_) => {}
                }
                done.insert(key, result);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let now = Instant::now();
                for one in loading.values_mut().filter(|one| !one.announced && one.announce_at <= now) {
                    one.announced = true;
                    if console.is_terminal() {
                        one.bar = console.spinner(one.text.clone());
                    } else {
                        console.say(&format!("{}…", one.text));
                    }
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return done,
        }
    }
}

/// The maximum number of instances of actors: those of their mailbox plugins live all the time and are subtracted.
fn room_for_actors(play: &Play, plugin: &Plugin) -> MaxInstances {
    let bound = plugin.max_instances();
    let mailboxes = play.actors.iter().filter(|actor| actor.settings.mailbox_plugin.is_some()).count();
    MaxInstances { most: bound.most.saturating_sub(mailboxes).max(1), ..bound }
}

/// The number of instances that spawned actors may have at a time, and the number of all instances; `None` without plugins.
pub(crate) fn room_for_spawned(play: &Play, plugins: &Plugins) -> Option<(usize, usize)> {
    let bound = room_for_actors(play, plugins.actors.values().next()?);
    let kinds = play.actors.iter().map(|actor| {
        let Settings { idle_stop, start, .. } = actor.settings;
        (actor.instances, idle_stop.is_none() && start == StartKind::Auto)
    });
    Some((bound.left_to_spawned(kinds), bound.most))
}

/// The plan that the kernel runs.
pub(crate) fn plan(play: &Play, plugins: &Plugins, output: &Arc<dyn Output>, seed: u64) -> Plan {
    let made = |settings: &Settings, recursive| Made {
        plugin: plugins[&settings.plugin].clone(),
        mailbox: settings.mailbox_plugin.as_ref().map(|mailbox| plugins.mailboxes[&mailbox.plugin].clone()),
        settings: settings.clone(),
        recursive,
        output: output.clone(),
    };
    let mut actors: Vec<ActorSpec> = Vec::with_capacity(play.actors.len());
    let mut accounts = HashMap::new();
    for actor in &play.actors {
        let above = actor.address.parent().and_then(|parent| accounts.get(&parent).cloned());
        let within = Bounds { accounts: above, ..Bounds::NONE };
        let spec = made(&actor.settings, false).spec(actor.address.clone(), BTreeMap::new(), within);
        accounts.extend(spec.launcher.bounds().accounts.map(|own| (actor.address.clone(), own)));
        actors.push(ActorSpec { instances: actor.instances, required: actor.required, ..spec });
    }
    let spawnable = play.spawnable.iter().map(|plugin| {
        let template: Arc<dyn Template> = Arc::new(made(&plugin.settings, plugin.recursive));
        (plugin.settings.plugin.clone(), template)
    });
    Plan {
        actors,
        plugins: spawnable.collect(),
        supervision: play.supervision,
        dead_letters: play.dead_letters,
        max_instances: plugins.actors.values().next().map(|plugin| room_for_actors(play, plugin)),
        clock: Clock::default(),
        runtime: None,
        seed,
    }
}

/// Makes actors of a plugin with the settings of the manifest.
struct Made {
    plugin: Plugin,
    mailbox: Option<MailboxPlugin>,
    settings: Settings,
    recursive: bool,
    output: Arc<dyn Output>,
}

impl Made {
    /// The policy of the mailbox, with limits that are no wider than `within`.
    fn policy(&self, accounts: Accounts, within: &Bounds) -> Option<PolicySpec> {
        let (plugin, settings) = self.mailbox.as_ref().zip(self.settings.mailbox_plugin.as_ref())?;
        let limits =
            Limits { memory_bytes: settings.memory_bytes, cpu: settings.cpu, ..Limits::default() }.within(within);
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
        let limits = settings.limits.within(&within);
        let grants = settings.grants.clone().bounded(&within);
        let accounts = self.plugin.accounts(&within, &address, settings.subtree.together);
        let mut whole = settings.config.clone();
        whole.extend(config);
        ActorSpec {
            address,
            launcher: self.plugin.launcher_in(accounts.clone(), grants, limits, whole, self.output.clone()),
            start: settings.start,
            idle_stop: settings.idle_stop,
            instances: 1,
            batch: settings.batch,
            mailbox: settings.mailbox,
            policy: self.policy(accounts, &within).map(Box::new),
            restart: settings.restart,
            required: false,
            supervision: settings.supervision,
            timeout: settings.timeout,
            start_timeout: settings.start_timeout,
            message_bytes: settings.message_bytes,
            sends_to: settings.sends_to.clone(),
            sends_below: settings.sends_below.clone(),
            spawns: settings.spawns.clone(),
            max_children: settings.max_children,
            max_timers: settings.max_timers,
            max_watches: settings.max_watches,
            max_depth: settings.max_depth,
            max_effects: settings.max_effects,
            max_effect_bytes: settings.max_effect_bytes,
            subtree: Some(settings.subtree.counts).filter(|counts| *counts != SubtreeSpec::default()).map(Box::new),
        }
    }

    fn recursive(&self) -> bool {
        self.recursive
    }
}
