//! The plugins of a play: loaded side by side, with progress; and the kernel's plan that they complete.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use playhouse_kernel::{ActorSpec, Plan};
use playhouse_sandbox::{Compiled, Limits, LoadError, Output, Plugin, Sandbox, SandboxConfig, SandboxError};

use crate::console::Console;
use crate::manifest::{Play, Problem, Problems};
use crate::printable;

/// Code that comes from the cache is there before this; only what takes longer is announced.
const AN_INSTANT: Duration = Duration::from_millis(200);

/// The plugins of a play, by name.
pub(crate) type Plugins = BTreeMap<String, Plugin>;

/// Why there are no plugins.
#[derive(Debug)]
pub(crate) enum PluginsError {
    /// There is no sandbox.
    Sandbox(SandboxError),
    /// Some of them are not what the manifest says.
    Wrong(Problems),
}

/// A sandbox as the manifest wants it.
pub(crate) fn sandbox(play: &Play) -> Result<Sandbox, SandboxError> {
    let mut config = SandboxConfig { cache_dir: playhouse_sandbox::default_cache_dir(), ..SandboxConfig::default() };
    if let Some(max_instances) = play.max_instances {
        config.max_instances = max_instances;
    }
    Sandbox::new(config)
}

/// Loads all plugins of a play. Blocking; seconds for each that was not compiled before.
pub(crate) fn load(play: &Play, console: &Console) -> Result<Plugins, PluginsError> {
    let sandbox = sandbox(play).map_err(PluginsError::Sandbox)?;
    let jobs = play.plugin_names().into_iter().map(|name| (name.to_owned(), play.plugin_file(name))).collect();
    let results = load_side_by_side(&sandbox, jobs, console);
    let mut problems = Vec::new();
    for actor in &play.actors {
        match &results[&actor.plugin] {
            Err(error) => {
                let remark = format!("the plugin of `{}`", actor.address);
                problems.push(Problem::at(actor.plugin_place.clone(), error.to_string(), remark));
            }
            Ok(plugin) => problems.extend(pin_problem(play, actor, &plugin.info().sha256)),
        }
    }
    if !problems.is_empty() {
        return Err(PluginsError::Wrong(Problems::new(play.source.clone(), problems)));
    }
    Ok(results.into_iter().filter_map(|(name, plugin)| Some((name, plugin.ok()?))).collect())
}

fn pin_problem(play: &Play, actor: &crate::manifest::PlayActor, found: &str) -> Option<Problem> {
    let (wanted, place) = actor.sha256.as_ref().filter(|(wanted, _)| wanted != found)?;
    let file = play.plugin_file(&actor.plugin);
    let problem = Problem::at(
        place.clone(),
        format!("`{}` is not the file that `{}` is pinned to", file.display(), actor.address),
        "the manifest wants this digest",
    );
    Some(problem.help(format!("the file has {found}, not {}…: if that is right, write it here", &wanted[..12])))
}

enum Progress {
    Began(String, u64),
    Ended(String, Result<Plugin, LoadError>),
}

/// One thread per core takes one plugin after another; this thread says how far they are.
fn load_side_by_side(
    sandbox: &Sandbox,
    jobs: VecDeque<(String, PathBuf)>,
    console: &Console,
) -> BTreeMap<String, Result<Plugin, LoadError>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    let jobs = Mutex::new(jobs);
    let (sender, progress) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (jobs, sender) = (&jobs, sender.clone());
            scope.spawn(move || {
                let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                while let Some((name, file)) = next() {
                    let bytes = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
                    let began = sender.send(Progress::Began(name.clone(), bytes));
                    let plugin = sandbox.load(&name, &file);
                    if began.and_then(|()| sender.send(Progress::Ended(name, plugin))).is_err() {
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

fn follow(progress: &mpsc::Receiver<Progress>, console: &Console) -> BTreeMap<String, Result<Plugin, LoadError>> {
    let mut done = BTreeMap::new();
    let mut loading: BTreeMap<String, Loading> = BTreeMap::new();
    loop {
        let due = loading.values().filter(|one| !one.announced).map(|one| one.announce_at).min();
        let wait = due.map_or(Duration::from_mins(1), |due| due.saturating_duration_since(Instant::now()));
        match progress.recv_timeout(wait) {
            Ok(Progress::Began(name, bytes)) => {
                let text = format!("compiling {name} ({})", printable::size(bytes));
                let announce_at = Instant::now() + AN_INSTANT;
                loading.insert(name, Loading { text, announce_at, announced: false, bar: None });
            }
            Ok(Progress::Ended(name, result)) => {
                if let Some(bar) = loading.remove(&name).and_then(|one| one.bar) {
                    console.clear(&bar);
                }
                match result.as_ref().map(|plugin| &plugin.info().compiled) {
                    Ok(Compiled::Fresh(took)) => console.say(&format!("compiled {name} in {:.1}s", took.as_secs_f64())),
                    Ok(Compiled::Rebuilt { why, took }) => console.say(&format!(
                        "compiled {name} again in {:.1}s: its compiled code in the cache was damaged ({why})",
                        took.as_secs_f64()
                    )),
                    Ok(Compiled::FromCache) | Err(_) => {}
                }
                done.insert(name, result);
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

/// What the kernel runs.
pub(crate) fn plan(play: &Play, plugins: &Plugins, output: &Arc<dyn Output>, seed: u64) -> Plan {
    let actors = play.actors.iter().map(|actor| {
        let limits = Limits { memory_bytes: actor.memory_bytes, cpu: actor.cpu };
        ActorSpec {
            address: actor.address.clone(),
            launcher: plugins[&actor.plugin].launcher(limits, actor.config.clone(), output.clone()),
            auto_start: actor.auto_start,
            instances: actor.instances,
            batch: actor.batch,
            mailbox: actor.mailbox,
            restart: actor.restart,
            supervision: actor.supervision,
            timeout: actor.timeout,
            message_bytes: actor.message_bytes,
            sends_to: actor.sends_to.clone(),
            spawns: Vec::new(),
            max_children: 1024,
            max_timers: 1024,
        }
    });
    let plugins = std::collections::BTreeMap::new();
    Plan { actors: actors.collect(), plugins, supervision: play.supervision, dead_letters: play.dead_letters, seed }
}
