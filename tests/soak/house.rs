//! The plugins, the plans, and the tasks that make actors crash.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use playhouse_kernel::{
    ActorSpec, Address, AskError, Backoff, Bounds, Config, DeadLetterSpec, Kernel, Plan, Stage, SupervisionSpec,
    Template,
};
use playhouse_sandbox::{Limits, LineOrigin, Output, Plugin, Sandbox, SandboxConfig};
use tokio::task::JoinHandle;

/// Far longer than any step of the soak takes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// Maximum number of dead letters: so low that the store is full long before memory is measured.
pub(crate) const LETTERS: usize = 200;
/// Number of actors that crash again and again.
const FLAKY: usize = 8;
/// Number of children below each parent of the crowd: the default intensity.
const BELOW: usize = 10;
const PARENTS: usize = 100;

pub(crate) struct House {
    sandbox: Sandbox,
    flaky: Plugin,
    team: Plugin,
    worker: Plugin,
}

impl House {
    pub(crate) fn open() -> Result<Self> {
        let cache_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        let max_instances = (PARENTS * (BELOW + 1)) as u32;
        let sandbox = Sandbox::new(SandboxConfig {
            key_dir: cache_dir.clone(),
            cache_dir,
            max_instances,
            ..SandboxConfig::default()
        })?;
        let load = |name: &str| {
            let file = plugin_file(name);
            sandbox.load(name, &file).with_context(|| format!("{}: run `cargo xtask soak`", file.display()))
        };
        Ok(Self { flaky: load("flaky")?, team: load("team")?, worker: load("worker")?, sandbox })
    }

    /// The addresses of the actors that crash at once, as many as this machine admits.
    pub(crate) fn crowd(&self) -> Vec<Address> {
        let parents = PARENTS.min(self.sandbox.max_instances() as usize / (BELOW + 1));
        (0..parents * BELOW).map(|n| address(&format!("/p{}/c{}", n / BELOW, n % BELOW))).collect()
    }

    /// The plan of the crowd: all settings are the defaults, except for one attempt instead of three.
    pub(crate) fn crowd_plan(&self, children: &[Address]) -> Plan {
        let mut parents: Vec<_> = children.iter().filter_map(Address::parent).collect();
        parents.dedup();
        let mut actors: Vec<_> = parents.iter().chain(children).map(|at| actor(at, &self.flaky)).collect();
        for actor in &mut actors {
            actor.restart.attempts = 1;
        }
        Plan { actors, ..Plan::default() }
    }

    /// The plan of the second act: actors that crash again and again without a pause, every other one with a child that stops
    /// with it; and a team.
    pub(crate) fn plan(&self) -> Plan {
        let at = |n: usize, below: &str| address(&format!("/flaky{n}{below}"));
        let mut flaky: Vec<_> = (0..FLAKY).map(|n| actor(&at(n, ""), &self.flaky)).collect();
        flaky.extend((0..FLAKY).step_by(2).map(|n| actor(&at(n, "/child"), &self.flaky)));
        for actor in &mut flaky {
            actor.restart.attempts = 1;
            actor.restart.backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
        }
        let mut team = actor(&address("/team"), &self.team);
        team.grants.spawns = vec!["worker".to_owned()];
        flaky.push(team);
        // No more restarts are remembered than happen within the period.
        let period = Duration::from_millis(100);
        Plan {
            actors: flaky,
            plugins: [("worker".to_owned(), Arc::new(Workers(self.worker.clone())) as Arc<dyn Template>)].into(),
            supervision: SupervisionSpec { intensity: u32::MAX, period, ..SupervisionSpec::default() },
            dead_letters: DeadLetterSpec { capacity: LETTERS, ..DeadLetterSpec::default() },
            ..Plan::default()
        }
    }
}

fn actor(at: &Address, plugin: &Plugin) -> ActorSpec {
    // An actor that is to run out of memory does so at once.
    let limits = Limits { memory_bytes: 4 << 20, ..Limits::default() };
    ActorSpec::new(at.clone(), plugin.launcher(limits, Config::new(), Arc::new(Silent)))
}

pub(crate) async fn start(plan: Plan) -> Result<Kernel> {
    let kernel = Kernel::start(&plan)?;
    let stage = kernel.wait_booted().await;
    ensure!(matches!(stage, Stage::Running), "{stage:?}");
    Ok(kernel)
}

/// Starts tasks that make the actors crash until `enough` is set.
pub(crate) fn torment(kernel: &Kernel, enough: &Arc<AtomicBool>) -> Vec<JoinHandle<Result<()>>> {
    let orders = give_orders(kernel.clone(), enough.clone());
    let crashes = (0..FLAKY).map(|n| crash(kernel.clone(), address(&format!("/flaky{n}")), enough.clone()));
    crashes.map(tokio::spawn).chain([tokio::spawn(orders)]).collect()
}

/// Waits until no spawned child is left.
pub(crate) async fn wait_for_childless(kernel: &Kernel) {
    while kernel.actors().await.iter().any(|actor| actor.dynamic) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Ends the play in order, and checks that none of its guests is left.
pub(crate) async fn stop(kernel: Kernel, house: &House) -> Result<()> {
    kernel.shut_down();
    kernel.wait_stopped().await;
    let alive = house.sandbox.instances();
    ensure!(alive == 0, "{alive} instances outlive their play");
    Ok(())
}

/// Makes one actor crash, mostly by a panic. Tells become dead letters, askers get an error, and the actor answers between
/// crashes.
async fn crash(kernel: Kernel, victim: Address, enough: Arc<AtomicBool>) -> Result<()> {
    for round in 0_u64.. {
        if enough.load(Ordering::Relaxed) {
            break;
        }
        let trouble: &[u8] = match round % 32 {
            7 => b"!stack",
            15 => b"!memory",
            23 => b"!reject",
            _ => b"!panic",
        };
        if round % 4 == 0 {
            kernel.tell(&victim, trouble, PATIENCE).await?;
        }
        let asked = kernel.ask(&victim, trouble, PATIENCE).await;
        let told = matches!(
            asked,
            Err(AskError::Crashed(_) | AskError::Restarting(_) | AskError::Rejected(_) | AskError::RetriesSpent(_))
        );
        ensure!(told, "{victim} was asked to crash or fail, and the answer is {asked:?}");
        if round % 16 == 0 {
            ensure!(
                kernel.ask(&victim, b"alive", PATIENCE).await? == b"alive",
                "{victim} does not answer after its restart"
            );
        }
    }
    Ok(())
}

/// Gives orders to the team, which spawns a worker for each order and stops it.
async fn give_orders(kernel: Kernel, enough: Arc<AtomicBool>) -> Result<()> {
    let team = address("/team");
    while !enough.load(Ordering::Relaxed) {
        kernel.tell(&team, b"soup", PATIENCE).await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

struct Workers(Plugin);

impl Template for Workers {
    fn spec(&self, address: Address, config: Config, within: Bounds) -> ActorSpec {
        ActorSpec::new(address, self.0.launcher(Limits::default().bounded(&within), config, Arc::new(Silent)))
    }
}

/// An output that drops all bytes of guests.
struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
}

fn plugin_file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in the workspace");
    root.join("plugins").join(name).with_extension("wasm")
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).expect("the soak uses good addresses")
}
