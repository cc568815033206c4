//! One actor that does what a message says, in plain Rust and as a component (`tests/guests/puppet`), and those around it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Address, Answer, Behavior, Bounds, BoxFuture, Change, ChildFailed, Config, Crash, CrashReason,
    Directive, Failure, Hand, Kernel, Launcher, Notice, Outcome, Plan, RestartKind, TaskDone, TaskOutcome, Template,
};
use playhouse_sandbox::{Limits, Output, Plugin, Sandbox, SandboxConfig};

/// Far longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The ways into an actor.
#[derive(Debug, Clone, Copy)]
pub enum Door {
    Native,
    Plain,
    Turns,
}

impl Door {
    fn puppet(self, reports: bool) -> Arc<dyn Launcher> {
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

/// The puppet's component, built now if need be.
fn puppet_plugin(turns: bool) -> Plugin {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let build = ["build", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "puppet"];
        assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success(), "cargo {build:?} failed");
        let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
        target.join("wasm32-wasip2/guest/puppet.wasm")
    });
    let sandbox = Sandbox::new(SandboxConfig { max_instances: 16, turns, ..SandboxConfig::default() }).unwrap();
    let plugin = sandbox.load("puppet", Path::new(&*BUILT)).unwrap();
    assert!(plugin.info().exports.contains(&"playhouse:actor/turns@0.1.0".to_owned()));
    plugin
}

pub struct Silent;

impl Output for Silent {
    fn stdout(&self, _: &Address, _: &[u8], _: bool) {}
    fn stderr(&self, _: &Address, _: &[u8]) {}
}

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// `/a`, the puppet; `/log`, which keeps what it is sent; `/peer`, which sends its messages on to `/a`; `/echo`, which
/// replies and notes that in the log; and `/fragile`, which takes two messages at a time, crashes on `trap` and ends on
/// `exit`. `/a` may send to `/log`, `/echo`, `/fragile` and `/nobody`, and may spawn workers, which send their names and what
/// they are told to `/log`; no more than 5 at a time. It may have 3 timers, and in one turn 300 effects and 500,000 bytes.
pub struct Play {
    pub kernel: Kernel,
    log: Log,
    /// The most messages that the puppet was given at a time.
    most: Arc<AtomicUsize>,
}

type Log = Arc<Mutex<Vec<String>>>;

impl Play {
    pub async fn start(door: Door) -> Self {
        Self::start_with(door, false).await
    }

    /// The puppet reports to `/log` what it is told about its messages.
    pub async fn start_reporting(door: Door) -> Self {
        Self::start_with(door, true).await
    }

    async fn start_with(door: Door, reports: bool) -> Self {
        let log = Log::default();
        let most = Arc::new(AtomicUsize::new(0));
        let recorder = native({
            let log = log.clone();
            move |hand| log.lock().unwrap().push(text(hand))
        });
        let echo = Native::new({
            let log = log.clone();
            move |hand| {
                log.lock().unwrap().push(format!("asked {}", text(hand)));
                let reply = hand.body().to_vec();
                Box::pin(async { Ok(Outcome::Done(Some(reply))) })
            }
        });
        let fragile = Native::new(|hand| {
            let outcome = match text(hand).as_str() {
                "trap" => Err(Crash::new(CrashReason::Trap { kind: "as told".into() })),
                "exit" => Err(Crash::new(CrashReason::Exit { status: 0 })),
                _ => Ok(Outcome::Done(Some(b"whole".to_vec()))),
            };
            Box::pin(async { outcome })
        });
        let peer = native(|hand| {
            let body = text(hand);
            hand.tell("/a", body.as_bytes()).unwrap();
        });
        let puppet = Counting { inner: door.puppet(reports), most: most.clone() };
        let spec = |at: &str, launcher: Arc<dyn Launcher>, to: &[&str]| {
            let mut spec = ActorSpec::new(address(at), launcher);
            spec.sends_to = to.iter().map(|to| address(to)).collect();
            spec.spawns = vec!["worker".to_owned()];
            (spec.max_children, spec.max_timers) = (5, 3);
            (spec.max_effects, spec.max_effect_bytes) = (300, 500_000);
            spec
        };
        let mut fragile = spec("/fragile", Arc::new(fragile), &[]);
        (fragile.batch, fragile.restart.kind) = (2, RestartKind::Transient);
        let plan = Plan {
            actors: vec![
                fragile,
                spec("/log", Arc::new(recorder), &[]),
                spec("/echo", Arc::new(echo), &[]),
                spec("/a", Arc::new(puppet), &["/log", "/echo", "/fragile", "/nobody"]),
                spec("/peer", Arc::new(peer), &["/a"]),
            ],
            plugins: [("worker".to_owned(), Arc::new(Worker) as Arc<dyn Template>)].into(),
            seed: 7,
            ..Plan::default()
        };
        let kernel = Kernel::start(&plan).unwrap();
        kernel.booted().await;
        Self { kernel, log, most }
    }

    /// Why the puppet crashed last.
    pub async fn last_crash(&self) -> Option<CrashReason> {
        let actors = self.kernel.actors().await;
        let puppet = actors.into_iter().find(|actor| actor.address == address("/a")).unwrap();
        puppet.last_crash.map(|report| report.crash.reason.clone())
    }

    /// Waits until no child of the puppet is left.
    pub async fn childless(&self) {
        while self.kernel.actors().await.iter().any(|actor| actor.dynamic) {
            tokio::task::yield_now().await;
        }
    }

    /// Sends all of it before any of it is handled, and waits until all is.
    pub async fn tell(&self, messages: &[impl AsRef<str>]) {
        self.tell_to("/a", messages).await;
        self.kernel.idle().await;
    }

    pub async fn tell_to(&self, to: &str, messages: &[impl AsRef<str>]) {
        for message in messages {
            self.kernel.tell(&address(to), message.as_ref().as_bytes(), PATIENCE).await.unwrap();
        }
    }

    /// Has `/fragile` find these messages when it starts, and after them one that the puppet sends.
    pub async fn fragile_gets(&self, messages: &[&str], last: &str) {
        let fragile = address("/fragile");
        self.kernel.halt(&fragile).await;
        self.tell_to("/fragile", messages).await;
        self.tell_to("/a", &[last]).await;
        while self.kernel.actors().await.iter().any(|a| a.address == fragile && a.waiting <= messages.len()) {
            tokio::task::yield_now().await;
        }
        self.kernel.resume(&fragile).await;
        self.kernel.idle().await;
    }

    pub async fn ask(&self, body: &str) -> Answer {
        self.kernel.ask(&address("/a"), body.as_bytes(), PATIENCE).await
    }

    /// What was logged, in order.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The kinds of all dead letters with the first word of their bodies and their failures, oldest first.
    pub fn letters(&self) -> Vec<String> {
        let letters = self.kernel.dead_letters();
        let show = |letter: &playhouse_kernel::DeadLetter| {
            let body = String::from_utf8_lossy(&letter.message.body).into_owned();
            let body = body.chars().take(40).collect::<String>();
            format!("{} {body} x{}", letter.reason.kind(), letter.message.envelope.attempt)
        };
        letters.iter().map(|letter| show(letter)).collect()
    }

    /// Whether messages came many at a time: else a rule about batches was not put to the test.
    pub fn assert_batches(&self) {
        assert!(self.most.load(Relaxed) >= 8, "only {:?} messages at a time", self.most);
    }
}

fn text(hand: &Hand) -> String {
    String::from_utf8_lossy(hand.body()).into_owned()
}

/// Sends its name and what it is told to `/log`; crashes when it is told `trap`.
struct Worker;

impl Template for Worker {
    fn spec(&self, address: Address, _: Config, _: Bounds) -> ActorSpec {
        let worker = Native::new(|hand| {
            let line = format!("{}: {}", hand.address().name(), text(hand));
            hand.tell("/log", line.as_bytes()).unwrap();
            let traps = text(hand) == "trap";
            Box::pin(async move { if traps { Err(trap()) } else { Ok(Outcome::Done(None)) } })
        });
        let mut spec = ActorSpec::new(address, Arc::new(worker));
        spec.sends_to = vec![self::address("/log")];
        spec
    }
}

/// A refusal goes to the log, in words that do not depend on the door.
fn log_error<E: std::fmt::Debug>(hand: &mut Hand, done: Result<(), E>) -> Result<(), playhouse_kernel::SendError> {
    match done {
        Ok(()) => Ok(()),
        Err(error) => hand.tell("/log", kind(&format!("{error:?}")).as_bytes()),
    }
}

/// The name of an error's variant.
fn kind(debugged: &str) -> String {
    debugged.split(['(', ' ']).next().unwrap_or_default().to_owned()
}

/// The puppet in plain Rust; `tests/guests/puppet` says what the words mean.
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

type Handler = dyn for<'a> Fn(&'a mut Hand) -> BoxFuture<'a, Result<Outcome, Crash>> + Send + Sync;

fn trap() -> Crash {
    Crash::new(CrashReason::Trap { kind: "as told".into() })
}

/// An actor made of a closure.
#[derive(Clone)]
pub struct Native {
    handler: Arc<Handler>,
    /// The puppet's, which has a word about its children.
    memory: Option<Arc<Memory>>,
}

/// What the puppet in plain Rust keeps.
#[derive(Default)]
struct Memory {
    /// The last one.
    timer: AtomicU64,
    /// Its word about a child that fails: `stop`, or `restart`.
    stops: AtomicBool,
    reports: bool,
}

impl Native {
    fn new(
        handler: impl for<'a> Fn(&'a mut Hand) -> BoxFuture<'a, Result<Outcome, Crash>> + Send + Sync + 'static,
    ) -> Self {
        Self { handler: Arc::new(handler), memory: None }
    }
}

/// An actor in plain Rust that does this for each message.
pub fn native(handler: impl Fn(&mut Hand) + Send + Sync + 'static) -> Native {
    Native::new(move |hand| {
        handler(hand);
        Box::pin(async { Ok(Outcome::Done(None)) })
    })
}

impl Launcher for Native {
    fn launch(&self, hand: Hand) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let behavior: Box<dyn Behavior> = Box::new(Run { native: self.clone(), hand });
        Box::pin(async { Ok(behavior) })
    }

    fn plugin(&self) -> &'static str {
        "native"
    }

    fn watches(&self) -> bool {
        self.memory.is_some()
    }

    fn calls_back(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.reports)
    }

    fn supervises(&self) -> bool {
        self.memory.is_some()
    }
}

struct Run {
    native: Native,
    hand: Hand,
}

impl Behavior for Run {
    fn hand(&mut self) -> &mut Hand {
        &mut self.hand
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn prepare_children(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        if self.hand.incarnation() > 1 && self.hand.address().as_str() == "/a" {
            self.hand.spawn("again", "worker", Config::new()).unwrap();
        }
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            while self.hand.current().is_some() {
                if let Some(Notice { address, change, .. }) = self.hand.notice() {
                    let change = match change {
                        Change::Crashed(kind, _) => kind,
                        other => kind(&format!("{other:?}")).to_lowercase(),
                    };
                    self.hand.tell("/log", format!("{address} {change}").as_bytes()).unwrap();
                    self.hand.finish(Outcome::Done(None));
                    continue;
                }
                let outcome = (self.native.handler)(&mut self.hand).await?;
                self.hand.finish(outcome);
            }
            Ok(())
        })
    }

    fn child_failed<'a>(&'a mut self, failure: &'a ChildFailed) -> BoxFuture<'a, Result<Directive, Crash>> {
        let (report, memory) = (&failure.report, self.native.memory.as_ref().unwrap());
        let attempt = report.blamed.map_or(0, |(_, attempt)| attempt);
        let line = format!("{} {} {attempt}", report.address.name(), report.crash.reason.kind());
        self.hand.tell("/log", line.as_bytes()).unwrap();
        let word = if memory.stops.load(Relaxed) { Directive::Stop } else { Directive::Restart };
        Box::pin(async move { Ok(word) })
    }

    fn task_done<'a>(&'a mut self, done: &'a [TaskDone]) -> BoxFuture<'a, Result<(), Crash>> {
        Box::pin(async move {
            for task in done {
                let what = match &task.outcome {
                    TaskOutcome::Done => "done".to_owned(),
                    TaskOutcome::Replied => "replied".to_owned(),
                    TaskOutcome::Failed(Failure::Reject(reason)) if reason == "boom" => return Err(trap()),
                    TaskOutcome::Failed(Failure::Reject(reason)) => format!("rejected {reason}"),
                    TaskOutcome::Failed(Failure::Retry(reason)) => format!("retry {reason}"),
                    TaskOutcome::Crashed(..) => "crashed".to_owned(),
                };
                let dead = if task.dead_letter { " dead" } else { "" };
                self.hand.tell("/log", format!("{} {what}{dead}", task.attempt).as_bytes()).unwrap();
            }
            Ok(())
        })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }
}

/// Any actor, with its batches counted.
struct Counting {
    inner: Arc<dyn Launcher>,
    most: Arc<AtomicUsize>,
}

impl Launcher for Counting {
    fn launch(&self, hand: Hand) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async {
            let counted = Counted { inner: self.inner.launch(hand).await?, most: self.most.clone() };
            Ok(Box::new(counted) as Box<dyn Behavior>)
        })
    }

    fn plugin(&self) -> &str {
        self.inner.plugin()
    }

    fn watches(&self) -> bool {
        self.inner.watches()
    }

    fn calls_back(&self) -> bool {
        self.inner.calls_back()
    }

    fn supervises(&self) -> bool {
        self.inner.supervises()
    }
}

struct Counted {
    inner: Box<dyn Behavior>,
    most: Arc<AtomicUsize>,
}

impl Behavior for Counted {
    fn hand(&mut self) -> &mut Hand {
        self.inner.hand()
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.inner.init()
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.most.fetch_max(self.inner.hand().len(), Relaxed);
        self.inner.handle()
    }

    fn prepare_children(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.inner.prepare_children()
    }

    fn child_failed<'a>(&'a mut self, failure: &'a ChildFailed) -> BoxFuture<'a, Result<Directive, Crash>> {
        self.inner.child_failed(failure)
    }

    fn task_done<'a>(&'a mut self, done: &'a [TaskDone]) -> BoxFuture<'a, Result<(), Crash>> {
        self.inner.task_done(done)
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.inner.shutdown()
    }
}
