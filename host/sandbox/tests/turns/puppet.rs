//! One actor that follows the steps in a message, in plain Rust and as a component (`tests/guests/puppet`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use playhouse_kernel::{Address, Bounds, Config, Crash, Failure, Launcher, Metadata, Outcome, Reply, Turn};
use playhouse_sandbox::{Grants, Groups, Limits, LineOrigin, Output, Plugin, Sandbox, SandboxConfig, SubtreeLimits};

use crate::native::{Memory, Native, kind, text, trap};

/// The interfaces of an actor: plain Rust, single messages, batches, also through the component; batches in an instance that another
/// actor shares.
#[derive(Debug, Clone, Copy)]
pub enum Interface {
    Native,
    Plain,
    Turns,
    Component,
    Shared,
}

impl Interface {
    /// The puppet's component at this interface; `None` in plain Rust.
    pub fn plugin(self) -> Option<&'static Plugin> {
        static PLUGINS: LazyLock<[Plugin; 3]> =
            LazyLock::new(|| [(false, true), (true, true), (true, false)].map(puppet_plugin));
        match self {
            Self::Native => None,
            Self::Plain => Some(&PLUGINS[0]),
            Self::Turns => Some(&PLUGINS[1]),
            Self::Component => Some(&PLUGINS[2]),
            Self::Shared => Some(shared_puppet()),
        }
    }

    /// An actor that shares the puppet's instance, and the puppet.
    pub fn puppets(self, reports: bool) -> (Option<Arc<dyn Launcher>>, Arc<dyn Launcher>) {
        let Self::Shared = self else { return (None, self.puppet(reports)) };
        let groups = shared_puppet().groups().expect("it can share");
        (
            Some(member(&groups, Config::new(), Arc::new(Silent))),
            member(&groups, reports_config(reports), Arc::new(Silent)),
        )
    }

    pub fn puppet(self, reports: bool) -> Arc<dyn Launcher> {
        let Some(plugin) = self.plugin() else {
            let memory = Arc::new(Memory { reports, ..Memory::default() });
            return Arc::new(Native {
                memory: Some(memory.clone()),
                handler: Arc::new(move |turn| {
                    let memory = memory.clone();
                    Box::pin(async move { puppet(turn, &memory).await })
                }),
            });
        };
        plugin.launcher(Limits::default(), reports_config(reports), Arc::new(Silent))
    }
}

fn reports_config(reports: bool) -> Config {
    reports.then(|| ("reports".to_owned(), "all".to_owned())).into_iter().collect()
}

/// An actor among others that share an instance.
pub fn member(groups: &Groups, config: Config, output: Arc<dyn Output>) -> Arc<dyn Launcher> {
    member_with(groups, Limits::default(), config, output)
}

/// As [`member`], with limits.
pub fn member_with(groups: &Groups, limits: Limits, config: Config, output: Arc<dyn Output>) -> Arc<dyn Launcher> {
    let accounts = shared_puppet().accounts(&Bounds::NONE, &Address::root(), SubtreeLimits::default());
    groups.launcher_in(&Bounds::NONE, accounts, Grants::default(), limits, config, output)
}

/// The puppet whose actors can share an instance.
pub fn shared_puppet() -> &'static Plugin {
    static PLUGIN: LazyLock<Plugin> = LazyLock::new(|| load(&built("puppet-shared", "puppet_shared"), true, true));
    &PLUGIN
}

/// The component of a package, built here if needed.
fn built(package: &str, file: &str) -> PathBuf {
    let build = ["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", package];
    assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success(), "cargo {build:?} failed");
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    target.join(format!("wasm32-wasip2/guest/{file}.wasm"))
}

fn puppet_plugin((turns, direct): (bool, bool)) -> Plugin {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| built("puppet", "puppet"));
    load(&BUILT, turns, direct)
}

fn load(file: &Path, turns: bool, direct: bool) -> Plugin {
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 16, turns, direct, ..SandboxConfig::default() }).unwrap();
    let plugin = sandbox.load("puppet", file).unwrap();
    assert_eq!(plugin.info().direct, direct);
    assert!(plugin.info().exports.contains(&"playhouse:actor/turns@0.2.0".to_owned()));
    plugin
}

pub struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
}

/// The puppet in plain Rust; `tests/guests/puppet` documents the verbs.
async fn puppet(turn: &mut Turn, Memory { timer, stops, .. }: &Memory) -> Result<Outcome, Crash> {
    let (mut reply, mut answer, order) = (None, None, text(turn));
    for step in order.split(';') {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let (to, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let first = turn.envelope().is_some_and(|envelope| envelope.attempt == 0);
        let told = match verb {
            "tell" => turn.tell(to, body.as_bytes()),
            "ask" => {
                let line = match turn.ask(to, body.as_bytes(), Duration::from_secs(5)).await {
                    Ok(reply) => format!("answer {}", String::from_utf8_lossy(&reply)),
                    Err(error) => kind(&format!("{error:?}")),
                };
                turn.tell("/log", line.as_bytes())
            }
            "all" => match turn.tell_all(to, body.as_bytes()).await {
                Ok(count) => turn.tell("/log", format!("all {count}").as_bytes()),
                error => log_error(turn, error.map(drop)),
            },
            "back" => {
                let sender = turn.sender().map(|sender| sender.to_string()).unwrap_or_default();
                turn.tell(&sender, rest.as_bytes())
            }
            "envelope" => {
                let envelope = turn.envelope().unwrap();
                let sender = turn.sender().map(|sender| sender.to_string()).unwrap_or_default();
                let asked = envelope.reply.is_some();
                turn.tell("/log", format!("{sender} {} {} {asked}", envelope.hops, envelope.attempt + 1).as_bytes())
            }
            "parts" => {
                let digits = turn.envelope().unwrap().flow.to_string().len();
                let (pairs, left, number) = (turn.metadata(), turn.time_left().is_some(), turn.sequence());
                turn.tell("/log", format!("{pairs:?} {digits} {left} {number}").as_bytes())
            }
            "answer" => {
                let metadata = Metadata::collect([("status", "201")]).unwrap();
                answer = Some(Reply { body: rest.as_bytes().to_vec(), metadata });
                Ok(())
            }
            "reply" => {
                reply = Some(rest.as_bytes().to_vec());
                Ok(())
            }
            "reply-bytes" => {
                reply = Some(vec![0; rest.parse().unwrap()]);
                Ok(())
            }
            "reject" => return Ok(Outcome::Failed(Failure::Reject(rest.to_owned()))),
            "retry" => return Ok(Outcome::Failed(Failure::Retry(rest.to_owned()))),
            "retry-once" if first => return Ok(Outcome::Failed(Failure::Retry(rest.to_owned()))),
            "trap" => return Err(trap()),
            "say" => {
                stops.store(rest == "stop", Relaxed);
                Ok(())
            }
            "spawn" => {
                let spawned = turn.spawn(rest, "worker", Config::new());
                log_error(turn, spawned)
            }
            "stop" => {
                let stopped = turn.stop(rest);
                log_error(turn, stopped)
            }
            "after" | "every" => {
                let wait = Duration::from_millis(to.parse().unwrap());
                let (to, body) = body.split_once(' ').unwrap_or((body, ""));
                let set = match verb {
                    "after" => turn.tell_after(to, body.as_bytes(), wait),
                    _ => turn.tell_every(to, body.as_bytes(), wait),
                };
                let set = set.map(|id| timer.store(id, Relaxed));
                log_error(turn, set)
            }
            "cancel" => {
                turn.cancel(timer.load(Relaxed));
                Ok(())
            }
            "count" => {
                let counted = turn.count(to, body.parse().unwrap());
                log_error(turn, counted)
            }
            "observe" => {
                let observed = turn.observe(to, body.parse().unwrap());
                log_error(turn, observed)
            }
            "counts" => {
                let counted = (0..rest.parse().unwrap()).try_for_each(|_: u32| turn.count("orders", 1));
                log_error(turn, counted)
            }
            "watch" => {
                let watched = turn.watch(rest).map(drop);
                log_error(turn, watched)
            }
            "around" => {
                let found = turn.lookup("w").map(|address| address.to_string()).unwrap_or_default();
                let line = format!("{:?} {found} {:?}", turn.children(), turn.state("/log").await);
                turn.tell("/log", line.as_bytes())
            }
            _ => Ok(()),
        };
        if let Err(error) = told {
            return Ok(Outcome::Failed(Failure::Retry(error.to_string())));
        }
    }
    if let Some(answer) = answer {
        return Ok(Outcome::DoneWith(Box::new(answer)));
    }
    Ok(Outcome::Done(reply))
}

/// Sends a refusal to the log, in the same words for each `Interface`.
fn log_error<E: std::fmt::Debug>(turn: &mut Turn, done: Result<(), E>) -> Result<(), playhouse_kernel::SendError> {
    match done {
        Ok(()) => Ok(()),
        Err(error) => turn.tell("/log", kind(&format!("{error:?}")).as_bytes()),
    }
}
