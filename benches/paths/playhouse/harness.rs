//! The sandbox, the guest and the native actors that all workloads in Playhouse use.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use playhouse_kernel::{
    ActorSpec, Address, Backoff, Behavior, Bounds, BoxFuture, Config, Crash, Kernel, Launcher, Outcome, Plan,
    SupervisionSpec, Template, Turn,
};
use playhouse_sandbox::{Grants, Groups, Limits, LineOrigin, Output, Plugin, Sandbox, SandboxConfig, SubtreeLimits};
use tokio::sync::Notify;

pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// The file of a plugin.
pub(crate) fn plugin_file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches lie in the workspace");
    root.join("plugins").join(name).with_extension("wasm")
}

pub(super) struct Harness {
    pub(super) sandbox: Sandbox,
    pub(super) driver: Plugin,
    /// With these, the actors share one instance.
    groups: Option<Groups>,
}

impl Harness {
    pub(super) fn new(turns: bool) -> Result<Self> {
        Self::build("bench-driver", SandboxConfig { turns, ..SandboxConfig::default() })
    }

    pub(super) fn with_capacity(instances: u64) -> Result<Self> {
        let instances = u32::try_from(instances)?;
        Self::build("bench-driver", SandboxConfig { max_instances: instances, ..SandboxConfig::default() })
    }

    /// With a guest whose actors share one instance.
    pub(super) fn sharing() -> Result<Self> {
        let harness = Self::build("bench-driver-shared", SandboxConfig::default())?;
        let groups = Some(harness.driver.groups().context("it was not exported with `shared`")?);
        Ok(Self { groups, ..harness })
    }

    fn build(guest: &str, config: SandboxConfig) -> Result<Self> {
        let cache_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        let sandbox = Sandbox::new(SandboxConfig { key_dir: cache_dir.clone(), cache_dir, ..config })?;
        let file = plugin_file(guest);
        let driver = sandbox
            .load("bench-driver", &file)
            .with_context(|| format!("{}: run `cargo xtask bench`", file.display()))?;
        Ok(Self { sandbox, driver, groups: None })
    }

    /// A guest with its `config`; it may send to `to`, and to itself.
    pub(super) fn actor(&self, at: &str, role: &str, to: &[&str], config: &[(&str, &str)]) -> ActorSpec {
        let config = [("role", role), ("to", &to.join(" "))]
            .iter()
            .chain(config)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let launcher = match &self.groups {
            None => self.driver.launcher(Limits::default(), config, Arc::new(Silent)),
            Some(groups) => {
                let accounts = self.driver.accounts(&Bounds::NONE, &address(at), SubtreeLimits::default());
                let (grants, limits) = (Grants::default(), Limits::default());
                groups.launcher_in(&Bounds::NONE, accounts, grants, limits, config, Arc::new(Silent))
            }
        };
        let mut spec = ActorSpec::new(address(at), launcher);
        spec.grants.sends_to = to.iter().copied().chain([at, "/bell"]).map(address).collect();
        // The measured time of a restart has no backoff.
        spec.restart.backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
        spec
    }

    pub(super) async fn start(&self, actors: Vec<ActorSpec>) -> Result<Kernel> {
        let supervision = SupervisionSpec { intensity: u32::MAX, ..SupervisionSpec::default() };
        let child: Arc<dyn Template> = Arc::new(Child(self.driver.clone()));
        let plugins = [(self.driver.name().to_owned(), child)].into();
        let kernel = Kernel::start(&Plan { actors, plugins, supervision, ..Plan::default() })?;
        let stage = kernel.wait_booted().await;
        ensure!(matches!(stage, playhouse_kernel::Stage::Running), "{stage:?}");
        Ok(kernel)
    }
}

pub(super) async fn tell(kernel: &Kernel, to: &str, body: &str) -> Result<()> {
    kernel.tell(&address(to), body.as_bytes(), PATIENCE).await?;
    Ok(())
}

pub(super) async fn stop(kernel: Kernel) {
    kernel.shut_down();
    kernel.wait_stopped().await;
}

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).expect("benches use good addresses")
}

/// The spawned actors: the guest's own plugin, which may send to its parent.
struct Child(Plugin);

impl Template for Child {
    fn spec(&self, address: Address, config: Config, _: Bounds) -> ActorSpec {
        let parent = address.parent();
        let mut spec = ActorSpec::new(address, self.0.launcher(Limits::default(), config, Arc::new(Silent)));
        spec.grants.spawns = vec![self.0.name().to_owned()];
        spec.grants.sends_to.extend(parent);
        spec
    }

    fn recursive(&self) -> bool {
        true
    }
}

/// The output of guests is not measured.
struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
}

/// An actor in plain Rust that wakes the bench with each message.
#[derive(Clone, Default)]
pub(super) struct Bell(Arc<Notify>);

impl Bell {
    pub(super) fn actor(&self) -> ActorSpec {
        ActorSpec::new(address("/bell"), Arc::new(self.clone()))
    }

    /// Waits until the bell gets a message, or until a crash or a dead letter shows that no message will come.
    pub(super) async fn wait(&self, kernel: &Kernel) -> Result<()> {
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
