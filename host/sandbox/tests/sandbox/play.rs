//! A play of a few actors, and the queries that tests make of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use playhouse_kernel::{Address, Answer, AskError, CrashReport, Kernel, Plan};
use playhouse_sandbox::{Limits, LineOrigin, Output, Sandbox, SandboxConfig};

/// A deadline far beyond the time of any step here.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Keeps the lines of the actors with stream and address.
#[derive(Default)]
pub struct Kept(pub Mutex<Vec<String>>);

impl Output for Kept {
    fn stdout(&self, from: &LineOrigin<'_>, line: &[u8], _: bool) {
        self.0.lock().unwrap().push(format!("stdout {} {}", from.actor, String::from_utf8_lossy(line)));
    }

    fn stderr(&self, from: &LineOrigin<'_>, line: &[u8]) {
        self.0.lock().unwrap().push(format!("stderr {} {}", from.actor, String::from_utf8_lossy(line)));
    }
}

pub fn small_sandbox() -> Sandbox {
    Sandbox::new(SandboxConfig { max_instances: 8, ..SandboxConfig::default() }).unwrap()
}

pub struct Play {
    pub kernel: Kernel,
    pub output: Arc<Kept>,
    pub sandbox: Sandbox,
}

impl Play {
    /// Runs actors, each given by its address and its component. Each may send to all others.
    pub fn start(actors: &[(&str, Vec<u8>)]) -> Self {
        Self::with(small_sandbox(), actors, |_| {})
    }

    pub fn start_in(sandbox: Sandbox, actors: &[(&str, Vec<u8>)]) -> Self {
        Self::with(sandbox, actors, |_| {})
    }

    pub fn with(sandbox: Sandbox, actors: &[(&str, Vec<u8>)], change: impl Fn(&mut Plan)) -> Self {
        let limits = Limits { memory_bytes: 1 << 20, cpu: Duration::from_millis(50), ..Limits::default() };
        Self::limited(sandbox, actors, limits, change)
    }

    pub fn limited(sandbox: Sandbox, actors: &[(&str, Vec<u8>)], limits: Limits, change: impl Fn(&mut Plan)) -> Self {
        let output = Arc::new(Kept::default());
        let all: Vec<_> = actors.iter().map(|(at, _)| address(at)).collect();
        let mut plan = Plan::default();
        for (at, wasm) in actors {
            let plugin = sandbox.load_bytes("actor", wasm).unwrap();
            let config = BTreeMap::from([("colour".to_owned(), "red".to_owned())]);
            let launcher = plugin.launcher(limits, config, output.clone());
            let mut spec = playhouse_kernel::ActorSpec::new(address(at), launcher);
            spec.grants.sends_to.clone_from(&all);
            spec.restart.attempts = 1;
            plan.actors.push(spec);
        }
        change(&mut plan);
        Self { kernel: Kernel::start(&plan).unwrap(), output, sandbox }
    }

    pub async fn ask(&self, at: &str, body: &str) -> Answer {
        self.kernel.ask(&address(at), body.as_bytes(), PATIENCE).await
    }

    /// Sends an ask that makes the actor crash, and returns the report.
    pub async fn crash(&self, at: &str, body: &str) -> Arc<CrashReport> {
        let answer = self.ask(at, body).await;
        assert!(matches!(answer, Err(AskError::Crashed(_))), "{answer:?}");
        self.last_crash(at).await
    }

    pub async fn last_crash(&self, at: &str) -> Arc<CrashReport> {
        let actors = self.kernel.actors().await;
        let actor = actors.into_iter().find(|actor| actor.address == address(at)).unwrap();
        actor.last_crash.expect("it has crashed")
    }

    pub fn lines(&self) -> Vec<String> {
        self.output.0.lock().unwrap().clone()
    }
}
