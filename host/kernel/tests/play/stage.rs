//! Plain Rust actors for the kernel's tests, and a journal of their actions.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{
    ActorSpec, Address, Behavior, Bounds, BoxFuture, ChildFailed, Config, Crash, CrashReason, Directive, Failure, Gate,
    Kernel, Launcher, Outcome, Plan, Stage, State, TaskDone, Template, TimerError, Turn,
};

/// Lines of the actors, in the order of events.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub fn note(&self, line: impl Into<String>) {
        self.0.lock().push(line.into());
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().clone()
    }

    pub fn count(&self, line: &str) -> usize {
        self.0.lock().iter().filter(|l| *l == line).count()
    }
}

type Handler = dyn for<'a> Fn(&'a mut Turn) -> BoxFuture<'a, Result<Outcome, Crash>> + Send + Sync;
type Pause = dyn Fn(&Turn) -> bool + Send + Sync;
type Word = dyn for<'a> Fn(&'a mut Turn, &'a ChildFailed) -> BoxFuture<'a, Result<Directive, Crash>> + Send + Sync;
type GateFn = dyn Fn(&mut Turn) -> Result<Gate, Crash> + Send + Sync;
type Told = dyn for<'a> Fn(&'a mut Turn, &'a [TaskDone]) -> BoxFuture<'a, Result<(), Crash>> + Send + Sync;
type Step = dyn Fn(&mut Turn) -> Result<(), Crash> + Send + Sync;

/// An actor made of closures.
#[derive(Clone)]
pub struct Native {
    plugin: &'static str,
    init: Arc<Step>,
    prepare: Arc<Step>,
    handler: Arc<Handler>,
    shutdown: Arc<Step>,
    gate: Option<Arc<GateFn>>,
    child_failed: Option<Arc<Word>>,
    task_done: Option<Arc<Told>>,
    journal: Option<Journal>,
    returns_before: Arc<Pause>,
}

/// Handles each message with `handler`.
pub fn native(
    handler: impl for<'a> Fn(&'a mut Turn) -> BoxFuture<'a, Result<Outcome, Crash>> + Send + Sync + 'static,
) -> Native {
    Native {
        plugin: "native",
        init: Arc::new(|_| Ok(())),
        prepare: Arc::new(|_| Ok(())),
        handler: Arc::new(handler),
        shutdown: Arc::new(|_| Ok(())),
        gate: None,
        child_failed: None,
        task_done: None,
        journal: None,
        returns_before: Arc::new(|_| false),
    }
}

/// As [`native`], for handlers that do not wait.
pub fn quick(handler: impl Fn(&mut Turn) -> Result<Outcome, Crash> + Send + Sync + 'static) -> Native {
    native(move |turn| {
        let result = handler(turn);
        Box::pin(async { result })
    })
}

/// Notes each body in the journal as `name:body`.
pub fn recorder(journal: &Journal) -> Native {
    let journal = journal.clone();
    quick(move |turn| {
        journal.note(format!("{}:{}", turn.address().name(), text(turn)));
        Ok(Outcome::Done(None))
    })
}

impl Native {
    pub fn on_init(mut self, init: impl Fn(&mut Turn) -> Result<(), Crash> + Send + Sync + 'static) -> Self {
        self.init = Arc::new(init);
        self
    }

    pub fn on_prepare(mut self, hook: impl Fn(&mut Turn) -> Result<(), Crash> + Send + Sync + 'static) -> Self {
        self.prepare = Arc::new(hook);
        self
    }

    pub fn named(mut self, plugin: &'static str) -> Self {
        self.plugin = plugin;
        self
    }

    pub fn on_shutdown(mut self, hook: impl Fn(&mut Turn) -> Result<(), Crash> + Send + Sync + 'static) -> Self {
        self.shutdown = Arc::new(hook);
        self
    }

    pub fn gated(mut self, gate: impl Fn(&mut Turn) -> Result<Gate, Crash> + Send + Sync + 'static) -> Self {
        self.gate = Some(Arc::new(gate));
        self
    }

    /// Notes its notices, and may watch.
    pub fn watching(mut self, journal: &Journal) -> Self {
        self.journal = Some(journal.clone());
        self
    }

    pub fn on_child_failed(
        mut self,
        word: impl for<'a> Fn(&'a mut Turn, &'a ChildFailed) -> BoxFuture<'a, Result<Directive, Crash>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.child_failed = Some(Arc::new(word));
        self
    }

    pub fn on_task_done(
        self,
        told: impl Fn(&mut Turn, &[TaskDone]) -> Result<(), Crash> + Send + Sync + 'static,
    ) -> Self {
        self.on_task_done_slowly(move |turn, done| {
            let result = told(turn, done);
            Box::pin(async { result })
        })
    }

    pub fn on_task_done_slowly(
        mut self,
        told: impl for<'a> Fn(&'a mut Turn, &'a [TaskDone]) -> BoxFuture<'a, Result<(), Crash>> + Send + Sync + 'static,
    ) -> Self {
        self.task_done = Some(Arc::new(told));
        self
    }

    /// Returns early, before the current message, if `pause` is true for it.
    pub fn returns_before(mut self, pause: impl Fn(&Turn) -> bool + Send + Sync + 'static) -> Self {
        self.returns_before = Arc::new(pause);
        self
    }

    pub fn at(self, address: &str) -> ActorSpec {
        ActorSpec::new(addr(address), Arc::new(self))
    }
}

impl Launcher for Native {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let behavior: Box<dyn Behavior> = Box::new(Run { native: self.clone(), turn });
        Box::pin(async { Ok(behavior) })
    }

    fn plugin(&self) -> &'static str {
        self.plugin
    }

    fn gated(&self) -> bool {
        self.gate.is_some()
    }

    fn watches(&self) -> bool {
        self.journal.is_some()
    }

    fn calls_back(&self) -> bool {
        self.task_done.is_some()
    }

    fn supervises(&self) -> bool {
        self.child_failed.is_some()
    }
}

/// Actors to spawn: all defaults, changed by a function.
pub struct Kind(pub Native, pub fn(&mut ActorSpec), pub bool);

impl Template for Kind {
    fn spec(&self, address: Address, config: Config, _: Bounds) -> ActorSpec {
        let native = self.0.clone();
        let init = native.init.clone();
        let native = native.on_init(move |turn| {
            // The part of its configuration that an actor can see.
            if let Some(to) = config.get("greets") {
                turn.tell(to, b"hello").expect("granted");
            }
            init(turn)
        });
        let mut spec = ActorSpec::new(address, Arc::new(native));
        (self.1)(&mut spec);
        spec
    }

    fn recursive(&self) -> bool {
        self.2
    }
}

/// Follows the plan in a message, one step after another, separated by `;`, and notes refusals.
///
/// `spawn NAME PLUGIN`, `greeting NAME PLUGIN TO` (which greets TO in `init`), `stop NAME`, `tell TO BODY`,
/// `ask TO BODY`, `tell-all GROUP BODY`, `after MS TO BODY`, `every MS TO BODY`, `cancel` (the last one), `watch PATH`,
/// `unwatch ID`, `wait MS`, `host MS` (waits for the host), `children`, `lookup PATH`, `state PATH`, `note TEXT`, `fail`,
/// `retry`, `trap`.
pub fn scripted(journal: &Journal) -> Native {
    let journal = journal.clone();
    let timer = Arc::new(Mutex::new(0));
    native(move |turn| {
        let (journal, timer) = (journal.clone(), timer.clone());
        Box::pin(async move {
            let script = text(turn);
            for step in script.split(';') {
                match step {
                    "fail" => return Ok(Outcome::Failed(Failure::Reject("as told".into()))),
                    "retry" => return Ok(Outcome::Failed(Failure::Retry("as told".into()))),
                    "trap" => return Err(trap()),
                    step => act(turn, step, &journal, &timer).await,
                }
            }
            Ok(Outcome::Done(None))
        })
    })
}

async fn act(turn: &mut Turn, step: &str, journal: &Journal, timer: &Mutex<u64>) {
    let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
    let words: Vec<_> = rest.splitn(if matches!(verb, "tell" | "ask" | "tell-all") { 2 } else { 3 }, ' ').collect();
    let wait = |ms: &str| Duration::from_millis(ms.parse().expect("a number"));
    let set = |set: Result<u64, TimerError>| set.map(|id| *timer.lock() = id).map_err(|e| e.to_string());
    let done = match (verb, &*words) {
        ("spawn", [name, plugin]) => turn.spawn(name, plugin, Config::new()).map_err(|e| e.to_string()),
        ("greeting", [name, plugin, to]) => {
            turn.spawn(name, plugin, [("greets".into(), (*to).into())].into()).map_err(|e| e.to_string())
        }
        ("stop", [name]) => turn.stop(name).map_err(|e| e.to_string()),
        ("tell", [to, body]) => turn.tell(to, body.as_bytes()).map_err(|e| e.to_string()),
        ("ask", [to, body]) => turn.ask(to, body.as_bytes(), SOON).await.map(drop).map_err(|e| e.to_string()),
        ("tell-all", [group, body]) => turn
            .tell_all(group, body.as_bytes())
            .await
            .map_err(|e| e.to_string())
            .and_then(|count| Err(format!("told {count}"))),
        ("after", [ms, to, body]) => set(turn.tell_after(to, body.as_bytes(), wait(ms))),
        ("every", [ms, to, body]) => set(turn.tell_every(to, body.as_bytes(), wait(ms))),
        ("watch", [path]) => turn.watch(path).map(drop).map_err(|e| e.to_string()),
        ("unwatch", [id]) => {
            turn.unwatch(id.parse().expect("a number"));
            Ok(())
        }
        ("wait", [ms]) => {
            tokio::time::sleep(wait(ms)).await;
            Ok(())
        }
        ("host", [ms]) => {
            turn.host_wait("stdout").wait(tokio::time::sleep(wait(ms))).await;
            Ok(())
        }
        ("cancel", _) => {
            turn.cancel(*timer.lock());
            Ok(())
        }
        ("children", _) => Err(turn.children().join(" ")),
        ("lookup", [path]) => Err(format!("{:?}", turn.lookup(path))),
        ("state", [path]) => Err(format!("{:?}", turn.state(path).await)),
        ("note", _) => Err(rest.to_owned()),
        _ => Ok(()),
    };
    if let Err(line) = done {
        journal.note(format!("{}:{line}", turn.address().name()));
    }
}

struct Run {
    native: Native,
    turn: Turn,
}

impl Behavior for Run {
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    fn decide_to_start(&mut self) -> BoxFuture<'_, Result<Gate, Crash>> {
        let gate = self.native.gate.clone().expect("asked, though it has no gate");
        let result = gate(&mut self.turn);
        Box::pin(async { result })
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        let result = (self.native.init)(&mut self.turn);
        Box::pin(async { result })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            while self.turn.current().is_some() && !(self.native.returns_before)(&self.turn) {
                if let Some((notice, journal)) = self.turn.notice().zip(self.native.journal.as_ref()) {
                    let line = format!("{}#{} {:?}", notice.address, notice.incarnation, notice.change);
                    journal.note(format!("{}!{} {line}", self.turn.address().name(), notice.watch));
                    self.turn.finish(Outcome::Done(None));
                    continue;
                }
                let outcome = (self.native.handler)(&mut self.turn).await?;
                self.turn.finish(outcome);
            }
            Ok(())
        })
    }

    fn prepare_children(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        let result = (self.native.prepare)(&mut self.turn);
        Box::pin(async { result })
    }

    fn child_failed<'a>(&'a mut self, failure: &'a ChildFailed) -> BoxFuture<'a, Result<Directive, Crash>> {
        match &self.native.child_failed {
            Some(word) => word(&mut self.turn, failure),
            None => panic!("asked, though it does not supervise"),
        }
    }

    fn task_done<'a>(&'a mut self, done: &'a [TaskDone]) -> BoxFuture<'a, Result<(), Crash>> {
        match &self.native.task_done {
            Some(told) => told(&mut self.turn, done),
            None => panic!("got a notice that it did not ask for"),
        }
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        let result = (self.native.shutdown)(&mut self.turn);
        Box::pin(async { result })
    }
}

pub fn addr(text: &str) -> Address {
    Address::parse(text).expect("tests use good addresses")
}

pub fn text(turn: &Turn) -> String {
    String::from_utf8_lossy(turn.body()).into_owned()
}

pub fn trap() -> Crash {
    Crash::new(CrashReason::Trap { kind: "unreachable".into() })
}

pub fn sends_to(mut spec: ActorSpec, to: &[&str]) -> ActorSpec {
    spec.grants.sends_to = to.iter().map(|a| addr(a)).collect();
    spec
}

pub fn spawns(mut spec: ActorSpec, plugins: &[&str]) -> ActorSpec {
    spec.grants.spawns = plugins.iter().map(|&plugin| plugin.to_owned()).collect();
    spec
}

pub fn plan(actors: Vec<ActorSpec>) -> Plan {
    Plan { actors, seed: 7, ..Plan::default() }
}

/// Starts a plan in which every actor starts.
pub async fn start(actors: Vec<ActorSpec>) -> Kernel {
    start_plan(&plan(actors)).await
}

pub async fn start_plan(plan: &Plan) -> Kernel {
    let kernel = Kernel::start(plan).expect("tests use good plans");
    assert!(matches!(kernel.wait_booted().await, Stage::Running));
    kernel
}

pub async fn state_of(kernel: &Kernel, address: &str) -> State {
    kernel.actors().await.into_iter().find(|a| a.address.as_str() == address).expect("known").state
}

pub const SOON: Duration = Duration::from_secs(1);

pub async fn tell(kernel: &Kernel, to: &str, body: &str) {
    kernel.tell(&addr(to), body.as_bytes(), SOON).await.expect("accepted");
}

pub async fn ask(kernel: &Kernel, to: &str, body: &str) -> Result<String, String> {
    let answer = kernel.ask(&addr(to), body.as_bytes(), SOON).await;
    answer.map(|reply| String::from_utf8_lossy(&reply).into_owned()).map_err(|e| e.to_string())
}

/// Kinds of all dead letters with their bodies, oldest first.
pub fn letters(kernel: &Kernel) -> Vec<String> {
    let show = |l: &Arc<playhouse_kernel::DeadLetter>| {
        format!("{} {} x{}", l.reason.kind(), String::from_utf8_lossy(&l.message.body), l.message.envelope.attempt)
    };
    kernel.dead_letters().iter().map(show).collect()
}
