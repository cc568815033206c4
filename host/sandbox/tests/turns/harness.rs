//! The play around the puppet: its receivers, its workers, and the queries that tests make of all of them.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Address, Answer, Behavior, Bounds, BoxFuture, ChildFailed, Config, Crash, CrashReason, Directive,
    Kernel, Launcher, MetricNames, Outcome, OwnMetric, Plan, Resources, RestartKind, TaskDone, Template, Turn,
};

use crate::native::{Native, native, text, trap};
use crate::puppet::Interface;

/// A deadline far beyond the time of any step here.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// `/a`, the puppet; `/log`, which keeps the bodies of its messages; `/peer`, which forwards its messages to `/a`; `/echo`, which
/// replies and notes that in the log; and `/fragile`, which takes two messages at a time, crashes on `trap` and ends on
/// `exit`. `/a` may send to `/log`, `/echo`, `/fragile` and `/nobody`, and may spawn up to 5 workers, which send their names
/// and the bodies of their messages to `/log`. `/a` may have 3 timers, and in one turn 300 effects and 500,000 bytes; it declares
/// the metrics `orders` and `amount`. In a shared instance, `/beside` shares it, and its number is the first.
pub struct Play {
    pub kernel: Kernel,
    log: Log,
    /// The most messages that the puppet got in one call.
    most: Arc<AtomicUsize>,
}

type Log = Arc<Mutex<Vec<String>>>;

impl Play {
    pub async fn start(interface: Interface) -> Self {
        Self::start_with(interface, false).await
    }

    /// As [`Play::start`], with a puppet that reports the outcomes of its messages to `/log`.
    pub async fn start_reporting(interface: Interface) -> Self {
        Self::start_with(interface, true).await
    }

    async fn start_with(interface: Interface, reports: bool) -> Self {
        let log = Log::default();
        let most = Arc::new(AtomicUsize::new(0));
        let recorder = native({
            let log = log.clone();
            move |turn| log.lock().unwrap().push(text(turn))
        });
        let echo = Native::new({
            let log = log.clone();
            move |turn| {
                log.lock().unwrap().push(format!("asked {}", text(turn)));
                let reply = turn.body().to_vec();
                Box::pin(async { Ok(Outcome::Done(Some(reply))) })
            }
        });
        let fragile = Native::new(|turn| {
            let outcome = match text(turn).as_str() {
                "trap" => Err(Crash::new(CrashReason::Trap { kind: "as told".into() })),
                "exit" => Err(Crash::new(CrashReason::Exit { status: 0 })),
                _ => Ok(Outcome::Done(Some(b"whole".to_vec()))),
            };
            Box::pin(async { outcome })
        });
        let peer = native(|turn| {
            let body = text(turn);
            turn.tell("/a", body.as_bytes()).unwrap();
        });
        let (beside, puppet) = interface.puppets(reports);
        let puppet = Counting { inner: puppet, most: most.clone() };
        let spec = |at: &str, launcher: Arc<dyn Launcher>, to: &[&str]| {
            let mut spec = ActorSpec::new(address(at), launcher);
            spec.grants.sends_to = to.iter().map(|to| address(to)).collect();
            spec.grants.spawns = vec!["worker".to_owned()];
            spec.metrics = MetricNames::new(["orders", "amount"]).unwrap();
            (spec.limits.max_children, spec.limits.max_timers) = (5, 3);
            (spec.limits.max_effects, spec.limits.max_effect_bytes) = (300, 500_000);
            spec
        };
        let mut fragile = spec("/fragile", Arc::new(fragile), &[]);
        (fragile.batch, fragile.restart.kind) = (2, RestartKind::Transient);
        let beside = beside.map(|beside| spec("/beside", beside, &[]));
        let actors = [
            fragile,
            spec("/log", Arc::new(recorder), &[]),
            spec("/echo", Arc::new(echo), &[]),
            spec("/a", Arc::new(puppet), &["/log", "/echo", "/fragile", "/nobody"]),
            spec("/peer", Arc::new(peer), &["/a"]),
        ];
        let plan = Plan {
            actors: beside.into_iter().chain(actors).collect(),
            plugins: [("worker".to_owned(), Arc::new(Worker) as Arc<dyn Template>)].into(),
            seed: 7,
            ..Plan::default()
        };
        let kernel = Kernel::start(&plan).unwrap();
        kernel.wait_booted().await;
        Self { kernel, log, most }
    }

    /// The reason of the puppet's last crash.
    pub async fn last_crash(&self) -> Option<CrashReason> {
        let actors = self.kernel.actors().await;
        let puppet = actors.into_iter().find(|actor| actor.address == address("/a")).unwrap();
        puppet.last_crash.map(|report| report.crash.reason.clone())
    }

    /// The restarts of the puppet.
    pub async fn restarts(&self) -> u64 {
        let actors = self.kernel.actors().await;
        actors.into_iter().find(|actor| actor.address == address("/a")).unwrap().restarts
    }

    /// Waits until no child of the puppet is left.
    pub async fn childless(&self) {
        while self.kernel.actors().await.iter().any(|actor| actor.dynamic) {
            tokio::task::yield_now().await;
        }
    }

    /// Sends all messages before the first one is handled, and waits until all are handled.
    pub async fn tell(&self, messages: &[impl AsRef<str>]) {
        self.tell_to("/a", messages).await;
        self.kernel.wait_idle().await;
    }

    pub async fn tell_to(&self, to: &str, messages: &[impl AsRef<str>]) {
        for message in messages {
            self.kernel.tell(&address(to), message.as_ref().as_bytes(), PATIENCE).await.unwrap();
        }
    }

    /// Lets `/fragile` find these messages when it starts, and after them one that the puppet sends.
    pub async fn fragile_gets(&self, messages: &[&str], last: &str) {
        let fragile = address("/fragile");
        self.kernel.halt(&fragile).await;
        self.tell_to("/fragile", messages).await;
        self.tell_to("/a", &[last]).await;
        while self.kernel.actors().await.iter().any(|a| a.address == fragile && a.waiting <= messages.len()) {
            tokio::task::yield_now().await;
        }
        self.kernel.resume(&fragile).await;
        self.kernel.wait_idle().await;
    }

    pub async fn ask(&self, body: &str) -> Answer {
        self.kernel.ask(&address("/a"), body.as_bytes(), PATIENCE).await
    }

    /// The lines of the log, in order.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// One of the puppet's own metrics.
    pub async fn own(&self, name: &str) -> OwnMetric {
        let metrics = self.kernel.metrics(PATIENCE, |_| Duration::ZERO).await;
        let row = metrics.actors.into_iter().find(|row| row.address == address("/a")).unwrap();
        row.totals.own.get(name).cloned().unwrap_or_default()
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

/// Sends its name and what it is told to `/log`; crashes when it is told `trap`.
struct Worker;

impl Template for Worker {
    fn spec(&self, address: Address, _: Config, _: Bounds) -> ActorSpec {
        let worker = Native::new(|turn| {
            let line = format!("{}: {}", turn.address().name(), text(turn));
            turn.tell("/log", line.as_bytes()).unwrap();
            let traps = text(turn) == "trap";
            Box::pin(async move { if traps { Err(trap()) } else { Ok(Outcome::Done(None)) } })
        });
        let mut spec = ActorSpec::new(address, Arc::new(worker));
        spec.grants.sends_to = vec![self::address("/log")];
        spec
    }
}

/// Any actor, with its batches counted.
struct Counting {
    inner: Arc<dyn Launcher>,
    most: Arc<AtomicUsize>,
}

impl Launcher for Counting {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async {
            let counted = Counted { inner: self.inner.launch(turn).await?, most: self.most.clone() };
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

    fn shared_instance(&self) -> Option<u64> {
        self.inner.shared_instance()
    }

    fn shared_use(&self) -> Option<Resources> {
        self.inner.shared_use()
    }
}

struct Counted {
    inner: Box<dyn Behavior>,
    most: Arc<AtomicUsize>,
}

impl Behavior for Counted {
    fn turn(&mut self) -> &mut Turn {
        self.inner.turn()
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.inner.init()
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.most.fetch_max(self.inner.turn().len(), Relaxed);
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

/// Messages that tell `/log` their numbers.
pub fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("tell /log {n}")).collect()
}

/// The numbers as texts.
pub fn numbers(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| n.to_string()).collect()
}
