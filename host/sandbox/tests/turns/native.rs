//! Actors in plain Rust, made of closures. The puppet is one that decides about its failed children and, if it reports, gets the
//! outcomes of its messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use playhouse_kernel::{
    Behavior, BoxFuture, Change, ChildFailed, Config, Crash, CrashReason, Directive, Failure, Launcher, Notice,
    Outcome, TaskDone, TaskOutcome, Turn,
};

type Handler = dyn for<'a> Fn(&'a mut Turn) -> BoxFuture<'a, Result<Outcome, Crash>> + Send + Sync;

/// An actor made of a closure.
#[derive(Clone)]
pub struct Native {
    pub handler: Arc<Handler>,
    /// The state of the puppet; none for other actors.
    pub memory: Option<Arc<Memory>>,
}

/// The state of the puppet in plain Rust.
#[derive(Default)]
pub struct Memory {
    /// The id of the last timer.
    pub timer: AtomicU64,
    /// Whether its directive for a failed child is `stop`; otherwise it is `restart`.
    pub stops: AtomicBool,
    pub reports: bool,
}

impl Native {
    pub fn new(
        handler: impl for<'a> Fn(&'a mut Turn) -> BoxFuture<'a, Result<Outcome, Crash>> + Send + Sync + 'static,
    ) -> Self {
        Self { handler: Arc::new(handler), memory: None }
    }
}

/// An actor in plain Rust that calls `handler` for each message.
pub fn native(handler: impl Fn(&mut Turn) + Send + Sync + 'static) -> Native {
    Native::new(move |turn| {
        handler(turn);
        Box::pin(async { Ok(Outcome::Done(None)) })
    })
}

impl Launcher for Native {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        let behavior: Box<dyn Behavior> = Box::new(Run { native: self.clone(), turn });
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
    turn: Turn,
}

impl Behavior for Run {
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }

    fn prepare_children(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        if self.turn.incarnation() > 1 && self.turn.address().as_str() == "/a" {
            self.turn.spawn("again", "worker", Config::new()).unwrap();
        }
        Box::pin(async { Ok(()) })
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async {
            while self.turn.current().is_some() {
                if let Some(Notice { address, change, .. }) = self.turn.notice() {
                    let change = match change {
                        Change::Crashed(kind, _) => kind,
                        other => kind(&format!("{other:?}")).to_lowercase(),
                    };
                    self.turn.tell("/log", format!("{address} {change}").as_bytes()).unwrap();
                    self.turn.finish(Outcome::Done(None));
                    continue;
                }
                let outcome = (self.native.handler)(&mut self.turn).await?;
                self.turn.finish(outcome);
            }
            Ok(())
        })
    }

    fn child_failed<'a>(&'a mut self, failure: &'a ChildFailed) -> BoxFuture<'a, Result<Directive, Crash>> {
        let (report, memory) = (&failure.report, self.native.memory.as_ref().unwrap());
        let attempt = report.blamed.map_or(0, |(_, attempt)| attempt);
        let line = format!("{} {} {attempt}", report.address.name(), report.crash.reason.kind());
        self.turn.tell("/log", line.as_bytes()).unwrap();
        let directive = if memory.stops.load(Relaxed) { Directive::Stop } else { Directive::Restart };
        Box::pin(async move { Ok(directive) })
    }

    fn task_done<'a>(&'a mut self, done: &'a [TaskDone]) -> BoxFuture<'a, Result<(), Crash>> {
        Box::pin(async move {
            for task in done {
                let what = match &task.outcome {
                    TaskOutcome::Done => "done".to_owned(),
                    TaskOutcome::Replied => "replied".to_owned(),
                    TaskOutcome::Failed(Failure::Reject(reason)) if reason == "boom" => return Err(trap()),
                    TaskOutcome::Failed(Failure::Reject(reason) | Failure::BadReply(reason)) => {
                        format!("rejected {reason}")
                    }
                    TaskOutcome::Failed(Failure::Retry(reason)) => format!("retry {reason}"),
                    TaskOutcome::Crashed(..) => "crashed".to_owned(),
                };
                let dead = if task.dead_letter { " dead" } else { "" };
                self.turn.tell("/log", format!("{} {what}{dead}", task.attempt).as_bytes()).unwrap();
            }
            Ok(())
        })
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        Box::pin(async { Ok(()) })
    }
}

pub fn text(turn: &Turn) -> String {
    String::from_utf8_lossy(turn.body()).into_owned()
}

/// The name of an error's variant.
pub fn kind(debugged: &str) -> String {
    debugged.split(['(', ' ']).next().unwrap_or_default().to_owned()
}

pub fn trap() -> Crash {
    Crash::new(CrashReason::Trap { kind: "as told".into() })
}
