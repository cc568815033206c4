//! One actor that follows the steps in a message, in plain Rust and as a component (`tests/guests/puppet`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use playhouse_kernel::{Address, Config, Crash, Failure, Hand, Launcher, Outcome};
use playhouse_sandbox::{Limits, Output, Plugin, Sandbox, SandboxConfig};

use crate::native::{Memory, Native, kind, text, trap};

/// The interfaces of an actor: plain Rust, single messages, batches.
#[derive(Debug, Clone, Copy)]
pub enum Door {
    Native,
    Plain,
    Turns,
}

impl Door {
    pub fn puppet(self, reports: bool) -> Arc<dyn Launcher> {
        static PLUGINS: LazyLock<[Plugin; 2]> = LazyLock::new(|| [false, true].map(puppet_plugin));
        let plugin = match self {
            Self::Native => {
                let memory = Arc::new(Memory { reports, ..Memory::default() });
                return Arc::new(Native {
                    memory: Some(memory.clone()),
                    handler: Arc::new(move |hand| {
                        let memory = memory.clone();
                        Box::pin(async move { puppet(hand, &memory).await })
                    }),
                });
            }
            Self::Plain => &PLUGINS[0],
            Self::Turns => &PLUGINS[1],
        };
        let config = reports.then(|| ("reports".to_owned(), "all".to_owned())).into_iter().collect();
        plugin.launcher(Limits::default(), config, Arc::new(Silent))
    }
}

/// The puppet's component, built here if needed.
fn puppet_plugin(turns: bool) -> Plugin {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let build = ["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "puppet"];
        assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success(), "cargo {build:?} failed");
        let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
        target.join("wasm32-wasip2/guest/puppet.wasm")
    });
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 16, turns, ..SandboxConfig::default() }).unwrap();
    let plugin = sandbox.load("puppet", Path::new(&*BUILT)).unwrap();
    assert!(plugin.info().exports.contains(&"playhouse:actor/turns@0.2.0".to_owned()));
    plugin
}

pub struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &Address, _: &[u8], _: bool) {}
    fn stderr(&self, _: &Address, _: &[u8]) {}
}

/// The puppet in plain Rust; `tests/guests/puppet` documents the verbs.
async fn puppet(hand: &mut Hand, Memory { timer, stops, .. }: &Memory) -> Result<Outcome, Crash> {
    let (mut reply, order) = (None, text(hand));
    for step in order.split(';') {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let (to, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let first = hand.envelope().is_some_and(|envelope| envelope.attempt == 0);
        let told = match verb {
            "tell" => hand.tell(to, body.as_bytes()),
            "ask" => {
                let line = match hand.ask(to, body.as_bytes(), Duration::from_secs(5)).await {
                    Ok(reply) => format!("answer {}", String::from_utf8_lossy(&reply)),
                    Err(error) => kind(&format!("{error:?}")),
                };
                hand.tell("/log", line.as_bytes())
            }
            "all" => match hand.tell_all(to, body.as_bytes()) {
                Ok(count) => hand.tell("/log", format!("all {count}").as_bytes()),
                error => log_error(hand, error.map(drop)),
            },
            "back" => {
                let sender = hand.sender().map(|sender| sender.to_string()).unwrap_or_default();
                hand.tell(&sender, rest.as_bytes())
            }
            "envelope" => {
                let envelope = hand.envelope().unwrap();
                let sender = hand.sender().map(|sender| sender.to_string()).unwrap_or_default();
                let asked = envelope.reply.is_some();
                hand.tell("/log", format!("{sender} {} {} {asked}", envelope.hops, envelope.attempt + 1).as_bytes())
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
                let spawned = hand.spawn(rest, "worker", Config::new());
                log_error(hand, spawned)
            }
            "stop" => {
                let stopped = hand.stop(rest);
                log_error(hand, stopped)
            }
            "after" | "every" => {
                let wait = Duration::from_millis(to.parse().unwrap());
                let (to, body) = body.split_once(' ').unwrap_or((body, ""));
                let set = match verb {
                    "after" => hand.tell_after(to, body.as_bytes(), wait),
                    _ => hand.tell_every(to, body.as_bytes(), wait),
                };
                let set = set.map(|id| timer.store(id, Relaxed));
                log_error(hand, set)
            }
            "cancel" => {
                hand.cancel(timer.load(Relaxed));
                Ok(())
            }
            "watch" => {
                let watched = hand.watch(rest).map(drop);
                log_error(hand, watched)
            }
            "around" => {
                let found = hand.lookup("w").map(|address| address.to_string()).unwrap_or_default();
                let line = format!("{:?} {found} {:?}", hand.children(), hand.state("/log").await);
                hand.tell("/log", line.as_bytes())
            }
            _ => Ok(()),
        };
        if let Err(error) = told {
            return Ok(Outcome::Failed(Failure::Retry(error.to_string())));
        }
    }
    Ok(Outcome::Done(reply))
}

/// Sends a refusal to the log, in the same words for each `Door`.
fn log_error<E: std::fmt::Debug>(hand: &mut Hand, done: Result<(), E>) -> Result<(), playhouse_kernel::SendError> {
    match done {
        Ok(()) => Ok(()),
        Err(error) => hand.tell("/log", kind(&format!("{error:?}")).as_bytes()),
    }
}
