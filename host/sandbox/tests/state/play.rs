//! A play on a store in memory, with one guest at `/a`; `/b` replies to each message.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Address, Backoff, Config, Keep, Kernel, Launcher, MemoryStore, NativeActor, NativeContext,
    NativeLauncher, NativeResult, Plan, RestartSpec, StateSpec,
};
use playhouse_sandbox::{Limits, LineOrigin, Output, Plugin, Sandbox, SandboxConfig};

/// A deadline far beyond the time of any step here.
const PATIENCE: Duration = Duration::from_mins(1);

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

struct Echo;

impl NativeActor for Echo {
    async fn msg_handler(&mut self, msg: playhouse_kernel::Message, ctx: &mut NativeContext) -> NativeResult {
        ctx.reply(msg.body);
        Ok(())
    }
}

struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
}

/// A guest of `tests/guests`, built here if needed. `turns`: whether it gets batches as frames.
pub fn guest(name: &str, turns: bool) -> Plugin {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let packages = ["--package", "keeper", "--package", "saver", "--package", "bucket"];
        let build = [&["build", "--profile", "guest", "--target", "wasm32-wasip2"][..], &packages].concat();
        assert!(Command::new(env!("CARGO")).args(&build).status().unwrap().success(), "cargo {build:?} failed");
        let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
        target.join("wasm32-wasip2/guest")
    });
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 16, turns, ..SandboxConfig::default() }).unwrap();
    sandbox.load(name, &BUILT.join(format!("{name}.wasm"))).unwrap()
}

/// A play that may be opened again on what it kept.
pub struct House {
    plugin: Plugin,
    store: MemoryStore,
    pub state: Option<StateSpec>,
}

impl House {
    pub fn of(name: &str, turns: bool) -> Self {
        Self { plugin: guest(name, turns), store: MemoryStore::new(), state: Some(StateSpec::default()) }
    }

    pub async fn open(&self) -> Play {
        let launcher: Arc<dyn Launcher> = self.plugin.launcher(Limits::default(), Config::new(), Arc::new(Silent));
        let mut a = ActorSpec { state: self.state.map(Box::new), ..ActorSpec::new(address("/a"), launcher) };
        a.mailbox.keep = Keep::Stored;
        a.grants.sends_to = vec![address("/b")];
        let backoff = Backoff { initial: Duration::from_millis(1), max: Duration::from_millis(1) };
        a.restart = RestartSpec { attempts: 2, backoff, ..RestartSpec::default() };
        let b = ActorSpec::new(address("/b"), NativeLauncher::new(|| Echo));
        let plan = Plan { actors: vec![b, a], ..Plan::default() };
        let kernel = Kernel::open(&plan, Arc::new(self.store.clone())).await.unwrap();
        kernel.wait_booted().await;
        Play { kernel }
    }
}

pub struct Play {
    pub kernel: Kernel,
}

impl Play {
    /// Sends all messages before the first one is handled, and waits until all are handled.
    pub async fn tell(&self, messages: &[&str]) {
        self.kernel.halt(&address("/a")).await;
        for message in messages {
            self.kernel.tell(&address("/a"), message.as_bytes(), PATIENCE).await.unwrap();
        }
        self.kernel.resume(&address("/a")).await;
        self.kernel.wait_idle().await;
    }

    pub async fn ask(&self, body: &str) -> String {
        let answer = self.kernel.ask(&address("/a"), body.as_bytes(), PATIENCE).await;
        answer.map_or_else(|error| error.to_string(), |reply| String::from_utf8_lossy(&reply).into_owned())
    }

    pub async fn kill(self) {
        self.kernel.kill();
        self.kernel.wait_stopped().await;
    }
}
