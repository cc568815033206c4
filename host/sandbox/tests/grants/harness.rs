//! One actor at `/a` that follows the steps in a message, with grants.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use playhouse_kernel::{ActorSpec, Address, AskError, Bounds, Config, Kernel, Plan, Template};
use playhouse_sandbox::{Folder, Grants, Host, Limits, LineOrigin, Output, Plugin, Sandbox, SandboxConfig, Variable};

/// A deadline far beyond the time of any step here.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
}

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// The guest's component, built here if needed.
pub fn reach() -> &'static Plugin {
    static PLUGIN: LazyLock<Plugin> = LazyLock::new(|| {
        let build = ["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "reach"];
        assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success(), "cargo {build:?} failed");
        let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
        let file: PathBuf = target.join("wasm32-wasip2/guest/reach.wasm");
        let config = SandboxConfig { max_instances: 100, ..SandboxConfig::default() };
        Sandbox::new(config).unwrap().load("reach", &file).unwrap()
    });
    &PLUGIN
}

pub fn hosts(list: &[String]) -> Grants {
    Grants { hosts: list.iter().map(|host| Host::parse(host).unwrap()).collect(), ..Grants::default() }
}

pub fn folders(list: Vec<Folder>) -> Grants {
    Grants { dirs: list, ..Grants::default() }
}

pub fn variable(name: &str, value: &str, from_host: bool) -> Variable {
    Variable { name: name.to_owned(), value: value.to_owned(), from_host }
}

pub struct Play {
    pub kernel: Kernel,
}

impl Play {
    pub async fn start(grants: Grants) -> Self {
        Self::start_with(grants, |_| {}).await
    }

    pub async fn start_with(grants: Grants, change: impl FnOnce(&mut ActorSpec)) -> Self {
        let launcher = reach().launcher_with(grants, limits(), BTreeMap::new(), Arc::new(Silent));
        let mut spec = ActorSpec::new(address("/a"), launcher);
        spec.limits.timeout = PATIENCE;
        spec.restart.backoff.initial = Duration::from_millis(1);
        change(&mut spec);
        let kernel = Kernel::start(&Plan { actors: vec![spec], ..Plan::default() }).unwrap();
        kernel.wait_booted().await;
        Self { kernel }
    }

    /// The guest's answer.
    pub async fn ask(&self, what: &str) -> String {
        let reply = self.try_ask(what).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        String::from_utf8(reply).unwrap()
    }

    /// Files, folders and connections that the actor has open, as its counts say.
    pub async fn open_resources(&self) -> u64 {
        self.kernel.actors().await[0].resources.expect("its code counts them").open
    }

    pub async fn try_ask(&self, what: &str) -> Result<Vec<u8>, AskError> {
        self.kernel.ask(&address("/a"), what.as_bytes(), PATIENCE).await
    }
}

/// Limits with a CPU time that a busy machine does not exceed, so that only the tested limit ends a message.
pub fn limits() -> Limits {
    Limits { cpu: PATIENCE, ..Limits::default() }
}

/// Spawned actors of the same guest, with grants of their own.
pub struct Spawned(pub Grants);

impl Template for Spawned {
    fn spec(&self, address: Address, config: Config, within: Bounds) -> ActorSpec {
        let grants = self.0.clone().bounded(&within);
        let mut spec = ActorSpec::new(address, reach().launcher_with(grants, limits(), config, Arc::new(Silent)));
        spec.limits.timeout = PATIENCE;
        spec
    }

    fn recursive(&self) -> bool {
        true
    }
}
