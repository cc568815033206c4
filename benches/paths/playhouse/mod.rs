//! The workloads in Playhouse: sandboxed guests with default settings unless a workload changes one.

mod asks;
mod flows;
mod lives;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use flows::Stage;
use playhouse_kernel::{
    ActorSpec, Address, Backoff, Behavior, Bounds, BoxFuture, Config, Crash, Kernel, Launcher, Outcome, Plan,
    SupervisionSpec, Template, Turn,
};
use playhouse_sandbox::{Limits, Output, Plugin, Sandbox, SandboxConfig};
use tokio::sync::Notify;

use crate::figure::Figures;
use crate::workload::Work;

const PATIENCE: Duration = Duration::from_mins(1);

/// Runs one workload once. With `batches`, all waiting messages of a mailbox are handed over in one call.
pub(crate) fn run(work: Work, units: u64, batches: bool) -> Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // The asker is a task among the actors, as in a server, and as in the other libraries.
    runtime.block_on(async {
        tokio::spawn(async move {
            let house = match work {
                Work::FanIn { senders } => House::with_capacity(senders + 1)?,
                Work::Spawn => House::with_capacity(units)?,
                Work::Skynet => House::with_capacity(4000)?,
                _ => House::new(batches)?,
            };
            match work {
                Work::Tell { bytes, acked } => flows::flow(&house, &[], units, bytes, acked).await,
                Work::PingPong => flows::ping_pong(&house, units).await,
                Work::Pipeline { middle, shared, acked } => {
                    let bs = if shared { Stage::Instances(middle) } else { Stage::Actors(middle) };
                    flows::flow(&house, &[Stage::Actors(1), bs], units, 64, acked).await
                }
                Work::FanIn { senders } => flows::fan_in(&house, senders, units).await,
                Work::BatchOfOne => flows::batch_of_one(&house, units).await,
                Work::Ask { at_a_time } => asks::ask(&house, at_a_time, units).await,
                Work::BesideSpinning => asks::beside_spinning(&house, units).await,
                Work::BesideFlooded => asks::beside_flooded(&house, units).await,
                Work::Spawn => lives::spawn(&house, units).await,
                Work::Crash => lives::crash(&house, units).await,
                Work::Skynet => lives::skynet(&house, units).await,
            }
        })
        .await?
    })
}

/// The file of a plugin.
pub(crate) fn plugin_file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches lie in the workspace");
    root.join("plugins").join(name).with_extension("wasm")
}

struct House {
    sandbox: Sandbox,
    driver: Plugin,
}

impl House {
    fn new(turns: bool) -> Result<Self> {
        Self::build(SandboxConfig { turns, ..SandboxConfig::default() })
    }

    fn with_capacity(instances: u64) -> Result<Self> {
        let instances = u32::try_from(instances)?;
        Self::build(SandboxConfig { max_instances: instances, ..SandboxConfig::default() })
    }

    fn build(config: SandboxConfig) -> Result<Self> {
        let cache_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        let sandbox = Sandbox::new(SandboxConfig { key_dir: cache_dir.clone(), cache_dir, ..config })?;
        let file = plugin_file("bench-driver");
        let driver = sandbox
            .load("bench-driver", &file)
            .with_context(|| format!("{}: run `cargo xtask bench`", file.display()))?;
        Ok(Self { sandbox, driver })
    }

    /// A guest with its `config`; it may send to `to`, and to itself.
    fn actor(&self, at: &str, role: &str, to: &[&str], config: &[(&str, &str)]) -> ActorSpec {
        let config = [("role", role), ("to", &to.join(" "))]
            .iter()
            .chain(config)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let mut spec = ActorSpec::new(address(at), self.driver.launcher(Limits::default(), config, Arc::new(Silent)));
        spec.sends_to = to.iter().copied().chain([at, "/bell"]).map(address).collect();
        // The measured time of a restart has no backoff.
        spec.restart.backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
        spec
    }

    async fn start(&self, actors: Vec<ActorSpec>) -> Result<Kernel> {
        let supervision = SupervisionSpec { intensity: u32::MAX, ..SupervisionSpec::default() };
        let child: Arc<dyn Template> = Arc::new(Child(self.driver.clone()));
        let plugins = [(self.driver.name().to_owned(), child)].into();
        let kernel = Kernel::start(&Plan { actors, plugins, supervision, ..Plan::default() })?;
        let stage = kernel.wait_booted().await;
        ensure!(matches!(stage, playhouse_kernel::Stage::Running), "{stage:?}");
        Ok(kernel)
    }
}

async fn tell(kernel: &Kernel, to: &str, body: &str) -> Result<()> {
    kernel.tell(&address(to), body.as_bytes(), PATIENCE).await?;
    Ok(())
}

async fn stop(kernel: Kernel) {
    kernel.shut_down();
    kernel.wait_stopped().await;
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("benches use good addresses")
}

/// The spawned actors: the guest's own plugin, which may send to its parent.
struct Child(Plugin);

impl Template for Child {
    fn spec(&self, address: Address, config: Config, _: Bounds) -> ActorSpec {
        let parent = address.parent();
        let mut spec = ActorSpec::new(address, self.0.launcher(Limits::default(), config, Arc::new(Silent)));
        spec.spawns = vec![self.0.name().to_owned()];
        spec.sends_to.extend(parent);
        spec
    }

    fn recursive(&self) -> bool {
        true
    }
}

/// The output of guests is not measured.
struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &Address, _: &[u8], _: bool) {}
    fn stderr(&self, _: &Address, _: &[u8]) {}
}

/// An actor in plain Rust that wakes the bench with each message.
#[derive(Clone, Default)]
struct Bell(Arc<Notify>);

impl Bell {
    fn actor(&self) -> ActorSpec {
        ActorSpec::new(address("/bell"), Arc::new(self.clone()))
    }

    /// Waits until the bell gets a message, or until a crash or a dead letter shows that no message will come.
    async fn wait(&self, kernel: &Kernel) -> Result<()> {
        while tokio::time::timeout(Duration::from_secs(1), self.0.notified()).await.is_err() {
            let crash = kernel.actors().await.into_iter().find_map(|actor| actor.last_crash);
            if let Some(report) = crash {
                bail!("{} {}", report.address, report.crash.reason);
            }
            if let Some(letter) = kernel.dead_letters().first() {
                bail!("a dead letter for {}: {}", letter.to, letter.reason);
            }
        }
        Ok(())
    }
}

impl Launcher for Bell {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let ringing: Box<dyn Behavior> = Box::new(Ringing { bell: self.0.clone(), turn });
        Box::pin(async { Ok(ringing) })
    }

    fn plugin(&self) -> &'static str {
        "bell"
    }
}

struct Ringing {
    bell: Arc<Notify>,
    turn: Turn,
}

impl Behavior for Ringing {
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        while self.turn.current().is_some() {
            self.bell.notify_one();
            self.turn.finish(Outcome::Done(None));
        }
        Box::pin(async { Ok(()) })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }
}
