//! Plugin files, loaded side by side, and the progress of loading.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use playhouse_kernel::{AboutPlugin, LogEvent};
use playhouse_sandbox::{Compiled, LoadError, MailboxPlugin, Plugin, PluginInfo, Sandbox};

use crate::events::{PluginCompiled, PluginCompiling, PluginRecompiled};
use crate::printable::size;

/// Time after which loading is announced. Code from the cache is loaded before.
const AN_INSTANT: Duration = Duration::from_millis(200);

/// Gets the progress of loading. All methods are called on the thread that loads a play.
pub trait LoadProgress {
    /// A plugin is not loaded after 200 ms: it is being compiled.
    fn compiling(&mut self, plugin: &str, bytes: u64);
    /// Loading of a plugin that was announced by [`LoadProgress::compiling`] ended, with or without success.
    fn ended(&mut self, plugin: &str);
    /// A plugin is loaded.
    fn compiled(&mut self, plugin: &str, how: &Compiled);
}

/// The progress as events of `tracing`, for programs without a console of their own.
#[derive(Debug, Default)]
pub struct LogProgress;

impl LoadProgress for LogProgress {
    fn compiling(&mut self, plugin: &str, bytes: u64) {
        PluginCompiling { subject: AboutPlugin(plugin), bytes, name: plugin, size: &size(bytes) }.log();
    }

    fn compiled(&mut self, plugin: &str, how: &Compiled) {
        match how {
            Compiled::FromCache => {}
            Compiled::Fresh(took) => {
                PluginCompiled { subject: AboutPlugin(plugin), seconds: took.as_secs_f64(), name: plugin }.log();
            }
            Compiled::Rebuilt { why, took } => {
                let (subject, seconds) = (AboutPlugin(plugin), took.as_secs_f64());
                PluginRecompiled { subject, seconds, name: plugin, why }.log();
            }
        }
    }

    fn ended(&mut self, _: &str) {}
}

/// The role of a file. A file with both roles is loaded twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Actor,
    Mailbox,
}

pub(super) struct Job {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) file: PathBuf,
}

pub(super) enum Loaded {
    Actor(Plugin),
    Mailbox(MailboxPlugin),
}

impl Loaded {
    pub(super) fn info(&self) -> &PluginInfo {
        match self {
            Self::Actor(plugin) => plugin.info(),
            Self::Mailbox(plugin) => plugin.info(),
        }
    }
}

pub(super) type Loads = BTreeMap<(Role, String), Result<Loaded, LoadError>>;

enum Step {
    Began((Role, String), u64),
    Ended((Role, String), Result<Loaded, LoadError>),
}

/// Loads with one thread for each core, each of which takes one plugin after the other; this thread reports the progress.
pub(super) fn load_side_by_side(sandbox: &Sandbox, jobs: VecDeque<Job>, progress: &mut dyn LoadProgress) -> Loads {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    let jobs = Mutex::new(jobs);
    let (sender, steps) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (jobs, sender) = (&jobs, sender.clone());
            scope.spawn(move || {
                let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                while let Some(Job { name, role, file }) = next() {
                    let bytes = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
                    let began = sender.send(Step::Began((role, name.clone()), bytes));
                    let plugin = match role {
                        Role::Actor => sandbox.load(&name, &file).map(Loaded::Actor),
                        Role::Mailbox => sandbox.load_mailbox(&name, &file).map(Loaded::Mailbox),
                    };
                    if began.and_then(|()| sender.send(Step::Ended((role, name), plugin))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        follow(&steps, progress)
    })
}

/// A plugin that is being loaded and not announced yet.
struct Loading {
    bytes: u64,
    announce_at: Instant,
}

fn follow(steps: &mpsc::Receiver<Step>, progress: &mut dyn LoadProgress) -> Loads {
    let mut done = BTreeMap::new();
    let mut loading: BTreeMap<(Role, String), Loading> = BTreeMap::new();
    loop {
        let due = loading.values().map(|one| one.announce_at).min();
        let wait = due.map_or(Duration::from_mins(1), |due| due.saturating_duration_since(Instant::now()));
        match steps.recv_timeout(wait) {
            Ok(Step::Began(key, bytes)) => {
                loading.insert(key, Loading { bytes, announce_at: Instant::now() + AN_INSTANT });
            }
            Ok(Step::Ended(key, result)) => {
                if loading.remove(&key).is_none() {
                    progress.ended(&key.1);
                }
                if let Ok(plugin) = &result {
                    progress.compiled(&key.1, &plugin.info().compiled);
                }
                done.insert(key, result);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let now = Instant::now();
                loading.retain(|(_, name), one| {
                    let is_due = one.announce_at <= now;
                    if is_due {
                        progress.compiling(name, one.bytes);
                    }
                    !is_due
                });
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return done,
        }
    }
}
