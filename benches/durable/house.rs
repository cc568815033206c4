//! A play in this process, on a store: components in the sandbox, and a bell in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use playhouse_kernel::{
    ActorSpec, Address, Config, Keep, Kernel, Message, NativeActor, NativeContext, NativeLauncher, NativeResult, Plan,
    Stage, Store,
};
use playhouse_sandbox::{Limits, LineOrigin, Output, Plugin, Sandbox, SandboxConfig};
use playhouse_store::{SqliteStore, StoreSettings};
use tokio::sync::Notify;

use crate::appended::AppendStore;
use crate::counted::CountedStore;

pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// The variable of the environment with which plays have an [`AppendStore`].
pub(crate) const APPEND: &str = "PLAYHOUSE_BENCH_APPEND";

/// The sandbox and the guests.
pub(crate) struct House {
    _sandbox: Sandbox,
    driver: Plugin,
    adder: Plugin,
}

impl House {
    pub(crate) fn new() -> Result<Self> {
        let cache_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        let config = SandboxConfig { key_dir: cache_dir.clone(), cache_dir, ..SandboxConfig::default() };
        let sandbox = Sandbox::new(config)?;
        let load = |name: &str| {
            let file = plugins().join(name).with_extension("wasm");
            sandbox.load(name, &file).with_context(|| format!("{}: run `cargo xtask bench durable`", file.display()))
        };
        Ok(Self { driver: load("bench-driver")?, adder: load("bench-adder")?, _sandbox: sandbox })
    }

    /// A durable actor of the driver with its `config`, which may send to `to` and to itself.
    pub(crate) fn driver(&self, at: &str, role: &str, to: &str, config: &[(&str, &str)]) -> ActorSpec {
        let both = [("role", role), ("to", to)];
        let config = both.iter().chain(config).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut spec = ActorSpec::new(address(at), self.driver.launcher(Limits::default(), config, Arc::new(Silent)));
        spec.grants.sends_to = to.split(' ').filter(|to| !to.is_empty()).chain([at, "/bell"]).map(address).collect();
        stored(spec)
    }

    /// A durable actor that adds numbers up in its state.
    pub(crate) fn adder(&self, at: &str) -> ActorSpec {
        let launcher = self.adder.launcher(Limits::default(), Config::new(), Arc::new(Silent));
        stored(ActorSpec { state: Some(Box::default()), ..ActorSpec::new(address(at), launcher) })
    }
}

/// The folder of the components.
pub(crate) fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins")
}

/// As in a manifest with `mailbox = { kind = "durable" }`.
pub(crate) fn stored(mut spec: ActorSpec) -> ActorSpec {
    spec.mailbox.keep = Keep::Stored;
    spec.mailbox.capacity = 20_000_000;
    spec.mailbox.capacity_bytes = 16 << 30;
    spec
}

/// A play on a new or an older store.
pub(crate) struct Running {
    pub(crate) kernel: Kernel,
    pub(crate) store: Arc<CountedStore>,
}

impl Running {
    pub(crate) async fn open(folder: &Path, actors: Vec<ActorSpec>) -> Result<Self> {
        let folder = folder.join("store");
        let store: Arc<dyn Store> = if std::env::var_os(APPEND).is_some() {
            Arc::new(AppendStore::new(&folder)?)
        } else {
            // As a manifest has it.
            let small_pages = actors.iter().any(|actor| actor.family.is_some());
            Arc::new(SqliteStore::new(StoreSettings { small_pages, ..StoreSettings::new(&folder) }))
        };
        let store = Arc::new(CountedStore::new(store));
        let kernel = Kernel::open(&Plan { actors, ..Plan::default() }, store.clone()).await?;
        let stage = kernel.wait_booted().await;
        ensure!(matches!(stage, Stage::Running), "{stage:?}");
        Ok(Self { kernel, store })
    }

    pub(crate) async fn stop(self) {
        self.kernel.shut_down();
        self.kernel.wait_stopped().await;
    }
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).expect("benches use good addresses")
}

/// Two threads, as a host has on two cores.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// An actor in memory that wakes the bench with each message.
#[derive(Clone, Default)]
pub(crate) struct Bell(Arc<Notify>);

impl Bell {
    pub(crate) fn actor(&self) -> ActorSpec {
        let bell = self.clone();
        ActorSpec::new(address("/bell"), NativeLauncher::new(move || bell.clone()))
    }

    /// Waits for one message.
    pub(crate) async fn wait(&self, kernel: &Kernel) -> Result<()> {
        while tokio::time::timeout(Duration::from_secs(10), self.0.notified()).await.is_err() {
            if let Some(letter) = kernel.dead_letters().first() {
                bail!("a dead letter for {}: {}", letter.to, letter.reason);
            }
        }
        Ok(())
    }
}

impl NativeActor for Bell {
    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        self.0.notify_one();
        Ok(())
    }
}

/// The output of guests is not measured.
struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &LineOrigin<'_>, _: &[u8], _: bool) {}
    fn stderr(&self, _: &LineOrigin<'_>, _: &[u8]) {}
}
