//! The promises about reports of outcomes to stored actors, each in a small play. Such a report ends with the effects of the hook that got
//! it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use parking_lot::Mutex;
use playhouse_kernel::{
    ActorGrants, ActorSpec, Address, Backoff, Bounds, Config, Failure, FamilySpec, Fault, FaultyStore, JournalGroup,
    Keep, Kernel, MailboxSpec, MemoryStore, Message, MessageId, NativeActor, NativeContext, NativeLauncher,
    NativeResult, Op, Plan, RestartSpec, StartKind, Store, TaskDone, TaskOutcome, Template,
};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::house::{SOON, WRITE, addr, stop, tell};

/// The actors of a play over several runs, and everything that they saw.
#[derive(Clone, Default)]
struct Bureau {
    store: MemoryStore,
    bodies: Arc<Mutex<BTreeMap<MessageId, String>>>,
    /// The reports that hooks got, whether or not these were committed.
    heard: Arc<Mutex<Vec<String>>>,
    /// Whether `hang`, and the hook, hang.
    hangs: Arc<AtomicBool>,
    hook_hangs: Arc<AtomicBool>,
    /// Whether the hook asks `/log` at its end.
    hook_asks: Arc<AtomicBool>,
    /// Whether the hook crashes at a report of `boom`.
    hook_crashes: Arc<AtomicBool>,
}

/// Does what a message says: `retry`, `reject`, `panic`, `hang`, `reply`, `spawn`, `stop`. For each outcome, the hook tells `/log`.
struct Worker(Bureau);

/// As a [`Worker`] that wants no reports.
struct Deaf(Worker);

impl NativeActor for Worker {
    const CALLS_BACK: bool = true;

    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let text = String::from_utf8(msg.body).unwrap();
        self.0.bodies.lock().insert(msg.envelope.id, text.clone());
        match text.as_str() {
            "hang" if self.0.hangs.load(Ordering::Relaxed) => std::future::pending().await,
            "reply" => ctx.reply("yes"),
            "spawn" => ctx.spawn("k", "kid", Config::new()).map_err(|error| Failure::Reject(error.to_string()))?,
            "> k" => ctx.tell("k", "to a child").map_err(|error| Failure::Reject(error.to_string()))?,
            "stop" => ctx.stop_child("k").map_err(|error| Failure::Reject(error.to_string()))?,
            "retry" => return Err(Failure::Retry("not now".into())),
            "reject" | "boom" => return Err(Failure::Reject("never".into())),
            "panic" => panic!("as told"),
            _ => {}
        }
        Ok(())
    }

    async fn task_done(&mut self, done: &[TaskDone], ctx: &mut NativeContext) {
        for task in done {
            let body = self.0.bodies.lock()[&task.id].clone();
            let outcome = match &task.outcome {
                TaskOutcome::Done => "done".to_owned(),
                TaskOutcome::Replied => "replied".to_owned(),
                TaskOutcome::Failed(_) => "failed".to_owned(),
                TaskOutcome::Crashed(kind, _) => kind.clone(),
            };
            let line = format!("{body} {} {outcome}{}", task.attempt, if task.dead_letter { " dead" } else { "" });
            self.0.heard.lock().push(line.clone());
            assert!(body != "boom" || !self.0.hook_crashes.load(Ordering::Relaxed), "as told");
            ctx.tell("/log", line).unwrap();
        }
        if self.0.hook_asks.load(Ordering::Relaxed) {
            let _ = ctx.ask("/log", "question", SOON).await;
        }
        if self.0.hook_hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

impl NativeActor for Deaf {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        self.0.msg_handler(msg, ctx).await
    }
}

struct Kid(Bureau);

impl Template for Kid {
    fn spec(&self, address: Address, _: Config, _: Bounds) -> ActorSpec {
        self.0.actor(address.as_str())
    }
}

impl Bureau {
    fn actor(&self, address: &str) -> ActorSpec {
        let bureau = self.clone();
        ActorSpec {
            mailbox: MailboxSpec { keep: Keep::Stored, ..MailboxSpec::default() },
            restart: RestartSpec {
                attempts: 2,
                backoff: Backoff { initial: SOON / 100, max: SOON / 100 },
                ..RestartSpec::default()
            },
            grants: ActorGrants {
                sends_to: vec![addr("/log")],
                spawns: vec!["kid".to_owned()],
                ..ActorGrants::default()
            },
            ..ActorSpec::new(addr(address), NativeLauncher::new(move || Worker(bureau.clone())))
        }
    }

    /// As [`Bureau::actor`], one that wants no reports.
    fn deaf(&self, address: &str) -> ActorSpec {
        let bureau = self.clone();
        let code = NativeLauncher::new(move || Deaf(Worker(bureau.clone())));
        ActorSpec { code: ActorSpec::new(addr(address), code).code, ..self.actor(address) }
    }

    fn actors(&self) -> Vec<ActorSpec> {
        vec![self.deaf("/log"), self.actor("/a")]
    }

    /// A life of a host that dies at its end.
    fn dies_after(&self, messages: &[&str]) {
        self.dies_with(self.actors(), messages);
    }

    fn dies_with(&self, actors: Vec<ActorSpec>, messages: &[&str]) {
        runtime().block_on(async {
            let kernel = self.open(self.store.clone(), actors).await;
            for message in messages {
                tell(&kernel, "/a", message).await;
                sleep(SOON).await;
            }
            sleep(SOON).await;
        });
    }

    /// A life of a host that ends in order.
    fn goes_on(&self) {
        self.goes_on_with(self.actors());
    }

    fn goes_on_with(&self, actors: Vec<ActorSpec>) {
        runtime().block_on(async {
            let kernel = self.open(self.store.clone(), actors).await;
            sleep(10 * SOON).await;
            stop(&kernel).await;
        });
    }

    async fn open(&self, store: impl Store, actors: Vec<ActorSpec>) -> Kernel {
        let mut plan = Plan { actors, ..Plan::default() };
        plan.plugins.insert("kid".to_owned(), Arc::new(Kid(self.clone())));
        let kernel = Kernel::open(&plan, Arc::new(store)).await.unwrap();
        kernel.wait_booted().await;
        kernel
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock())
    }

    /// The number of reports in the store.
    fn kept(&self) -> usize {
        self.store.origins("report", b"", 100).now_or_never().unwrap().unwrap().len()
    }

    /// The entries with a report: those that bring one, and those that end one.
    fn entries(&self) -> Vec<String> {
        let words = |op: &Op, bytes: &[u8]| match op {
            Op::Put { messages, .. } => Some(format!("put {messages}")),
            Op::Take { .. } => Some("take".to_owned()),
            Op::Hold { .. } => Some("hold".to_owned()),
            Op::Letter(letter) => Some(format!("letter {}", letter.kind)),
            Op::Origin { source, .. } if bytes[source.clone()] == *b"report" => Some("report".to_owned()),
            Op::OriginGone { source, .. } if bytes[source.clone()] == *b"report" => Some("told".to_owned()),
            _ => None,
        };
        let entries = self.store.history().into_iter().flat_map(|group| group.entries.clone());
        let lines = entries
            .map(|entry| entry.ops.iter().filter_map(|op| words(op, &entry.bytes)).collect::<Vec<_>>().join(", "));
        lines.filter(|line| line.contains("report") || line.contains("told")).collect()
    }

    /// How often each line was told to `/log`, over all lives.
    fn told(&self) -> BTreeMap<String, usize> {
        let mut told = BTreeMap::new();
        for entry in self.store.history().iter().flat_map(|group| &group.entries) {
            for op in &entry.ops {
                let Op::Put { records, .. } = op else { continue };
                let text = String::from_utf8_lossy(&entry.bytes[records.clone()]).into_owned();
                for line in LINES.iter().filter(|line| text.contains(*line)) {
                    *told.entry((*line).to_owned()).or_default() += text.matches(line).count();
                }
            }
        }
        told
    }

    /// This play with the first `entries` entries of its only life, as if the host had died then.
    fn cut(&self, entries: usize) -> Self {
        let cut = Self { store: MemoryStore::new(), bodies: self.bodies.clone(), ..Self::default() };
        cut.store.open().now_or_never().unwrap().unwrap();
        let kept: Vec<_> = self.store.history().iter().flat_map(|group| group.entries.clone()).take(entries).collect();
        let group = JournalGroup { boot: 1, first: 1, entries: kept };
        cut.store.write(Arc::new(group)).now_or_never().unwrap().unwrap();
        cut
    }
}

/// The outcomes of the messages of [`MESSAGES`].
const LINES: [&str; 6] = [
    "one 1 done",
    "reject 1 failed dead",
    "retry 1 failed",
    "retry 2 failed dead",
    "panic 1 panic",
    "panic 2 panic dead",
];
const MESSAGES: [&str; 4] = ["one", "reject", "retry", "panic"];

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn each_outcome_is_reported_once_wherever_the_host_dies() {
    let bureau = Bureau::default();
    bureau.dies_after(&MESSAGES);
    let entries: usize = bureau.store.history().iter().map(|group| group.entries.len()).sum();
    let of_message = |told: &BTreeMap<String, usize>, message: &str| -> Vec<usize> {
        told.iter().filter(|(line, _)| line.starts_with(message)).map(|(_, count)| *count).collect()
    };
    for cut in 1..=entries {
        let cut_off = bureau.cut(cut);
        cut_off.goes_on();
        let (told, kept) = (cut_off.told(), cut_off.kept());
        assert_eq!(kept, 0, "{cut} of {entries}: all of them are told");
        for message in MESSAGES {
            let expected = match of_message(&told, message).len() {
                // The message was not in the prefix.
                0 => Vec::new(),
                _ if message == "retry" || message == "panic" => vec![1, 1],
                _ => vec![1],
            };
            assert_eq!(of_message(&told, message), expected, "{cut} of {entries}: {told:?}");
        }
    }
    assert_eq!(bureau.told().len(), LINES.len());
}

#[test]
fn report_is_a_part_of_the_entry_in_which_the_attempt_ends() {
    let bureau = Bureau::default();
    bureau.dies_after(&MESSAGES);
    let expected = [
        "report, take",
        "told, put 1",
        "report, take, letter rejected",
        "told, put 1",
        "report, hold",
        "told, put 1",
        "report, take, letter failed",
        "told, put 1",
        "hold, report",
        "told, put 1",
        "report, take, letter crashed",
        "told, put 1",
    ];
    let mut entries = bureau.entries();
    for entry in &mut entries {
        let mut ops: Vec<_> = entry.split(", ").collect();
        ops.sort_unstable();
        *entry = ops.join(", ");
    }
    let sorted = expected.map(|line| {
        let mut ops: Vec<_> = line.split(", ").collect();
        ops.sort_unstable();
        ops.join(", ")
    });
    assert_eq!(entries, sorted);
}

#[test]
fn hook_that_the_host_cut_off_gets_its_reports_again() {
    let bureau = Bureau::default();
    bureau.hook_hangs.store(true, Ordering::Relaxed);
    bureau.dies_after(&["one"]);
    bureau.dies_after(&[]);
    bureau.hook_hangs.store(false, Ordering::Relaxed);
    assert_eq!((bureau.kept(), bureau.told().len()), (1, 0));
    bureau.goes_on();
    assert_eq!(bureau.heard(), ["one 1 done"; 3]);
    assert_eq!((bureau.kept(), bureau.told().get("one 1 done")), (0, Some(&1)));
}

#[test]
fn question_of_a_hook_does_not_end_its_reports() {
    let bureau = Bureau::default();
    bureau.hook_hangs.store(true, Ordering::Relaxed);
    bureau.hook_asks.store(true, Ordering::Relaxed);
    bureau.dies_after(&["one"]);
    assert_eq!(bureau.kept(), 1, "the hook has not ended");
    bureau.hook_hangs.store(false, Ordering::Relaxed);
    bureau.goes_on();
    assert_eq!((bureau.heard(), bureau.kept()), (vec!["one 1 done".to_owned(); 2], 0));
}

#[test]
fn report_of_an_earlier_run_wakes_an_actor_without_messages() {
    let bureau = Bureau::default();
    bureau.hook_hangs.store(true, Ordering::Relaxed);
    bureau.dies_after(&["one"]);
    bureau.hook_hangs.store(false, Ordering::Relaxed);
    bureau.heard();
    let mut actors = bureau.actors();
    actors[1].start = StartKind::OnMessage;
    bureau.goes_on_with(actors);
    assert_eq!(bureau.heard(), ["one 1 done"]);
}

#[test]
fn report_that_crashed_its_hook_alone_is_not_told_again() {
    let bureau = Bureau::default();
    bureau.hook_crashes.store(true, Ordering::Relaxed);
    bureau.dies_after(&["boom", "one"]);
    assert_eq!(bureau.kept(), 0);
    bureau.goes_on();
    assert_eq!(bureau.heard(), ["boom 1 failed dead", "one 1 done"]);
}

#[test]
fn reports_that_crashed_their_hook_together_outlive_the_host() {
    let bureau = Bureau::default();
    bureau.hook_crashes.store(true, Ordering::Relaxed);
    let mut actors = bureau.actors();
    actors[1].restart.backoff = Backoff { initial: 100 * SOON, max: 100 * SOON };
    runtime().block_on(async {
        let kernel = bureau.open(bureau.store.clone(), actors).await;
        kernel.halt(&addr("/a")).await;
        for message in ["zero", "one", "boom", "two"] {
            tell(&kernel, "/a", message).await;
        }
        kernel.resume(&addr("/a")).await;
        sleep(SOON).await;
    });
    assert!(bureau.kept() > 1, "the actor waits for its restart");
    bureau.hook_crashes.store(false, Ordering::Relaxed);
    bureau.heard();
    bureau.goes_on();
    let heard = bureau.heard();
    assert!(heard.iter().any(|line| line == "boom 1 failed dead"), "{heard:?}");
    assert_eq!(bureau.kept(), 0);
    assert_eq!(bureau.told().get("one 1 done"), Some(&1));
}

#[test]
fn message_that_ended_its_host_is_reported() {
    let bureau = Bureau::default();
    bureau.hangs.store(true, Ordering::Relaxed);
    bureau.dies_after(&["hang"]);
    bureau.dies_after(&[]);
    bureau.dies_after(&[]);
    bureau.goes_on();
    assert_eq!(bureau.heard(), ["hang 2 host-died dead"]);
    assert_eq!(bureau.kept(), 0);
}

#[test]
fn asked_actor_gets_the_outcome_of_the_question_after_the_host() {
    let bureau = Bureau::default();
    bureau.hook_hangs.store(true, Ordering::Relaxed);
    runtime().block_on(async {
        let kernel = bureau.open(bureau.store.clone(), bureau.actors()).await;
        assert_eq!(kernel.ask(&addr("/a"), b"reply", SOON).await.as_deref(), Ok(&b"yes"[..]));
    });
    bureau.hook_hangs.store(false, Ordering::Relaxed);
    bureau.heard();
    bureau.goes_on();
    assert_eq!(bureau.heard(), ["reply 1 replied"]);
}

#[test]
fn reports_go_with_code_that_wants_none() {
    let bureau = Bureau::default();
    bureau.hook_hangs.store(true, Ordering::Relaxed);
    bureau.dies_after(&["one"]);
    assert_eq!(bureau.kept(), 1);
    bureau.goes_on_with(vec![bureau.deaf("/log"), bureau.deaf("/a")]);
    assert_eq!(bureau.kept(), 0);
}

#[test]
fn reports_of_a_child_end_with_it() {
    let bureau = Bureau::default();
    bureau.dies_after(&["spawn"]);
    bureau.hook_hangs.store(true, Ordering::Relaxed);
    bureau.dies_after(&["> k"]);
    assert!(bureau.kept() > 0);
    bureau.hook_hangs.store(false, Ordering::Relaxed);
    bureau.dies_after(&["stop"]);
    assert_eq!(bureau.kept(), 0);
}

#[test]
fn actor_at_the_edge_gets_a_report_when_its_turn_is_durable() {
    let bureau = Bureau::default();
    let mut actors = bureau.actors();
    actors[1].reaches_outside = true;
    runtime().block_on(async {
        let slow = FaultyStore::new(bureau.store.clone(), vec![Some(Fault::Slow(WRITE)); 50]);
        let kernel = bureau.open(slow, actors).await;
        sleep(SOON).await;
        // It is durable, and handed over, when this returns.
        tell(&kernel, "/a", "one").await;
        sleep(WRITE / 2).await;
        assert_eq!(bureau.heard(), [""; 0]);
        sleep(WRITE).await;
        assert_eq!(bureau.heard(), ["one 1 done"]);
    });
}

/// A member may be in the store alone, where nobody looks for its reports.
#[test]
fn reports_to_members_are_not_stored() {
    let bureau = Bureau::default();
    bureau.hook_hangs.store(true, Ordering::Relaxed);
    runtime().block_on(async {
        let family = FamilySpec::new(10, 100).created_by(addr("/"), 1_000);
        let users = ActorSpec { family: Some(Arc::new(family)), idle_stop: Some(SOON), ..bureau.actor("/user") };
        let kernel = bureau.open(bureau.store.clone(), vec![bureau.deaf("/log"), users]).await;
        for body in ["x", "retry", "reject", "panic"] {
            tell(&kernel, "/user/1", body).await;
        }
        sleep(SOON).await;
    });
    assert!(bureau.heard.lock().contains(&"x 1 done".to_owned()));
    assert_eq!(bureau.store.origins("report", b"", 100).now_or_never().unwrap().unwrap(), []);
}
