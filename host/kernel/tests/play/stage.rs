//! Plain Rust actors for the kernel's tests, and a journal of what they did.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{
    ActorSpec, Address, Behavior, BoxFuture, Crash, CrashReason, Hand, Kernel, Launcher, Outcome, Plan, Stage,
};

/// Lines that actors wrote, in the order in which it happened.
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

type Handler = dyn for<'a> Fn(&'a mut Hand) -> BoxFuture<'a, Result<Outcome, Crash>> + Send + Sync;
type Pause = dyn Fn(&Hand) -> bool + Send + Sync;
type Step = dyn Fn(&mut Hand) -> Result<(), Crash> + Send + Sync;

/// An actor made of closures.
#[derive(Clone)]
pub struct Native {
    init: Arc<Step>,
    handler: Arc<Handler>,
    shutdown: Arc<Step>,
    returns_before: Arc<Pause>,
}

/// Handles each message with `handler`.
pub fn native(
    handler: impl for<'a> Fn(&'a mut Hand) -> BoxFuture<'a, Result<Outcome, Crash>> + Send + Sync + 'static,
) -> Native {
    Native {
        init: Arc::new(|_| Ok(())),
        handler: Arc::new(handler),
        shutdown: Arc::new(|_| Ok(())),
        returns_before: Arc::new(|_| false),
    }
}

/// As [`native`], for handlers that do not wait.
pub fn quick(handler: impl Fn(&mut Hand) -> Result<Outcome, Crash> + Send + Sync + 'static) -> Native {
    native(move |hand| {
        let result = handler(hand);
        Box::pin(async { result })
    })
}

/// Notes each body in the journal as `name:body`.
pub fn recorder(journal: &Journal) -> Native {
    let journal = journal.clone();
    quick(move |hand| {
        journal.note(format!("{}:{}", hand.address().name(), text(hand)));
        Ok(Outcome::Done(None))
    })
}

impl Native {
    pub fn on_init(mut self, init: impl Fn(&mut Hand) -> Result<(), Crash> + Send + Sync + 'static) -> Self {
        self.init = Arc::new(init);
        self
    }

    pub fn on_shutdown(mut self, hook: impl Fn(&mut Hand) -> Result<(), Crash> + Send + Sync + 'static) -> Self {
        self.shutdown = Arc::new(hook);
        self
    }

    /// Returns early, before the message in hand, when `pause` says so.
    pub fn returns_before(mut self, pause: impl Fn(&Hand) -> bool + Send + Sync + 'static) -> Self {
        self.returns_before = Arc::new(pause);
        self
    }

    pub fn at(self, address: &str) -> ActorSpec {
        ActorSpec::new(addr(address), Arc::new(self))
    }
}

impl Launcher for Native {
    fn launch(&self, hand: Hand) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let behavior: Box<dyn Behavior> = Box::new(Run { native: self.clone(), hand });
        Box::pin(async { Ok(behavior) })
    }

    fn plugin(&self) -> &'static str {
        "native"
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
        let result = (self.native.init)(&mut self.hand);
        Box::pin(async { result })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            while self.hand.current().is_some() && !(self.native.returns_before)(&self.hand) {
                let outcome = (self.native.handler)(&mut self.hand).await?;
                self.hand.finish(outcome);
            }
            Ok(())
        })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        let result = (self.native.shutdown)(&mut self.hand);
        Box::pin(async { result })
    }
}

pub fn addr(text: &str) -> Address {
    Address::parse(text).expect("tests use good addresses")
}

pub fn text(hand: &Hand) -> String {
    String::from_utf8_lossy(hand.body()).into_owned()
}

pub fn trap() -> Crash {
    Crash::new(CrashReason::Trap { kind: "unreachable".into() })
}

pub fn sends_to(mut spec: ActorSpec, to: &[&str]) -> ActorSpec {
    spec.sends_to = to.iter().map(|a| addr(a)).collect();
    spec
}

pub fn plan(actors: Vec<ActorSpec>) -> Plan {
    Plan { actors, seed: 7, ..Plan::default() }
}

/// Starts a plan whose actors all come up.
pub async fn start(actors: Vec<ActorSpec>) -> Kernel {
    start_plan(&plan(actors)).await
}

pub async fn start_plan(plan: &Plan) -> Kernel {
    let kernel = Kernel::start(plan).expect("tests use good plans");
    assert!(matches!(kernel.booted().await, Stage::Running));
    kernel
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
    let show = |l: &playhouse_kernel::DeadLetter| {
        format!("{} {} x{}", l.reason.kind(), String::from_utf8_lossy(&l.message.body), l.message.envelope.attempt)
    };
    kernel.dead_letters().iter().map(show).collect()
}
