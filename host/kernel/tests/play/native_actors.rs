//! Actors that implement the trait for native actors: effects, failures, crashes, hooks.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Change, ChildFailed, Directive, Failure, Incoming, Message, Metadata, NativeActor, NativeContext,
    NativeLauncher, NativeResult, Notice, TaskDone,
};

use tokio::task::JoinSet;

use crate::stage::*;

/// Follows its messages, and notes its hooks.
struct Scripted {
    journal: Journal,
    handled: u32,
    tasks: JoinSet<()>,
}

impl NativeActor for Scripted {
    const CALLS_BACK: bool = true;
    const WATCHES: bool = true;

    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        self.handled += 1;
        let body = String::from_utf8(msg.body)?;
        match body.split_once(' ').unwrap_or((&body, "")) {
            ("count", _) => ctx.reply(self.handled.to_string()),
            ("tell", to) => ctx.tell(to, "told")?,
            ("tell-and-reject", to) => {
                ctx.tell(to, "dropped")?;
                return Err(Failure::Reject("as told".into()));
            }
            ("ask", to) => {
                let reply = ctx.ask(to, "count", SOON).await?;
                ctx.reply(reply);
            }
            ("after", to) => drop(ctx.tell_after(Duration::from_secs(5), to, "late")?),
            ("watch", to) => drop(ctx.watch(to)?),
            ("number", text) => drop(text.parse::<u64>()?),
            ("panic", _) => panic!("as told"),
            ("panic-in-a-task", _) => drop(self.tasks.spawn(ctx.task(async { panic!("in a task") }))),
            ("task", to) => {
                let (ingress, to) = (ctx.ingress(), addr(to));
                drop(self.tasks.spawn(ctx.task(async move {
                    let metadata = Metadata::new();
                    let message = Incoming::new(ingress.next_id(), &metadata, b"told");
                    let _ = ingress.tell(&to, &message, SOON).await;
                })));
            }
            ("spin", _) => std::future::pending::<()>().await,
            (other, _) => self.journal.note(format!("{} got {other}", ctx.address())),
        }
        Ok(())
    }

    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        self.journal.note(format!("{} starts {}", ctx.address(), ctx.incarnation()));
        Ok(())
    }

    async fn shutdown(&mut self, ctx: &mut NativeContext) -> NativeResult {
        self.journal.note(format!("{} stops after {}", ctx.address(), self.handled));
        Ok(())
    }

    async fn task_done(&mut self, done: &[TaskDone], _: &mut NativeContext) {
        for one in done.iter().filter(|one| one.dead_letter) {
            self.journal.note(format!("dead at attempt {}", one.attempt));
        }
    }

    async fn noticed(&mut self, notice: Notice, _: &mut NativeContext) -> NativeResult {
        let change = if let Change::Crashed(kind, _) = &notice.change { kind } else { "other" };
        self.journal.note(format!("noticed {} {change}", notice.address));
        Ok(())
    }
}

fn scripted_at(journal: &Journal, at: &str) -> ActorSpec {
    let journal = journal.clone();
    let mut spec = ActorSpec::new(
        addr(at),
        NativeLauncher::new(move || Scripted { journal: journal.clone(), handled: 0, tasks: JoinSet::new() }),
    );
    spec.grants.sends_below = vec![playhouse_kernel::Address::root()];
    spec.restart.attempts = 2;
    spec
}

/// Waits for a line of the journal.
async fn noted(journal: &Journal, line: &str) {
    while journal.count(line) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn native_actor_tells_asks_and_replies() {
    let journal = Journal::default();
    let kernel = start(vec![scripted_at(&journal, "/a"), scripted_at(&journal, "/b")]).await;
    tell(&kernel, "/a", "tell /b").await;
    kernel.wait_idle().await;
    assert_eq!(ask(&kernel, "/a", "ask /b").await, Ok("2".into()));
    assert_eq!(journal.lines()[2..], ["/b got told"]);
    assert_eq!(kernel.actors().await[0].plugin, "native:Scripted");
}

#[tokio::test(start_paused = true)]
async fn failed_message_drops_sends_of_native_actor() {
    let journal = Journal::default();
    let kernel = start(vec![scripted_at(&journal, "/a"), scripted_at(&journal, "/b")]).await;
    tell(&kernel, "/a", "tell-and-reject /b").await;
    tell(&kernel, "/a", "number x").await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["rejected tell-and-reject /b x1", "failed number x x2"], "an error is a retry");
    assert_eq!(journal.count("/b got dropped"), 0);
    assert_eq!(journal.count("dead at attempt 1") + journal.count("dead at attempt 2"), 2);
}

#[tokio::test(start_paused = true)]
async fn panic_of_native_actor_restarts_a_fresh_value() {
    let journal = Journal::default();
    let kernel = start(vec![scripted_at(&journal, "/a"), scripted_at(&journal, "/b")]).await;
    tell(&kernel, "/b", "watch /a").await;
    for body in ["count", "panic", "count"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.wait_idle().await;
    // The batch crashes once, and then its message alone, twice. The value of each incarnation begins at 0.
    assert_eq!(letters(&kernel), ["crashed panic x2"]);
    assert_eq!((journal.count("/a starts 4"), journal.count("/a starts 5")), (1, 0));
    assert_eq!(ask(&kernel, "/a", "count").await, Ok("2".into()), "two of its messages since the last crash");
    assert_eq!(journal.count("noticed /a panic"), 3);
}

#[tokio::test(start_paused = true)]
async fn panic_in_a_task_restarts_its_actor_and_blames_no_message() {
    let journal = Journal::default();
    let kernel = start(vec![scripted_at(&journal, "/a"), scripted_at(&journal, "/b")]).await;
    tell(&kernel, "/b", "watch /a").await;
    for round in 2..4 {
        tell(&kernel, "/a", "panic-in-a-task").await;
        noted(&journal, &format!("/a starts {round}")).await;
    }
    tell(&kernel, "/a", "task /b").await;
    noted(&journal, "/b got told").await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), [""; 0]);
    assert_eq!(journal.count("noticed /a panic"), 2);
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(journal.count("/a stops after 1"), 1);
}

#[tokio::test(start_paused = true)]
async fn wait_beyond_its_timeout_crashes_a_native_actor() {
    let journal = Journal::default();
    let kernel = start(vec![scripted_at(&journal, "/a")]).await;
    tell(&kernel, "/a", "spin").await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["crashed spin x2"]);
}

#[tokio::test(start_paused = true)]
async fn native_actor_has_timers_and_hooks() {
    let journal = Journal::default();
    let kernel = start(vec![scripted_at(&journal, "/a")]).await;
    tell(&kernel, "/a", "after /a").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(journal.lines(), ["/a starts 1"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(journal.lines(), ["/a starts 1", "/a got late", "/a stops after 2"]);
}

/// Crashes in its first two starts.
struct Late(u64);

impl NativeActor for Late {
    async fn msg_handler(&mut self, _: Message, ctx: &mut NativeContext) -> NativeResult {
        ctx.reply("here");
        Ok(())
    }

    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        if ctx.incarnation() <= self.0 { Err(Failure::Retry("not yet".into())) } else { Ok(()) }
    }
}

/// Stops each child that fails.
struct Strict;

impl NativeActor for Strict {
    const SUPERVISES: bool = true;

    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        Ok(())
    }

    async fn child_failed(&mut self, _: &ChildFailed, _: &mut NativeContext) -> Directive {
        Directive::Stop
    }
}

#[tokio::test(start_paused = true)]
async fn failed_init_of_native_actor_is_tried_again() {
    let kernel = start(vec![ActorSpec::new(addr("/a"), NativeLauncher::new(|| Late(2)))]).await;
    assert_eq!(ask(&kernel, "/a", "x").await, Ok("here".into()));
    let actor = &kernel.actors().await[0];
    let reason = actor.last_crash.as_ref().expect("it failed twice").crash.reason.to_string();
    assert!(actor.incarnation == 3 && reason.contains("not yet"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn native_parent_gives_directives() {
    let journal = Journal::default();
    let parent = ActorSpec::new(addr("/p"), NativeLauncher::new(|| Strict));
    let kernel = start(vec![parent, scripted_at(&journal, "/p/c")]).await;
    tell(&kernel, "/p/c", "panic").await;
    kernel.wait_idle().await;
    assert_eq!(journal.count("/p/c starts 2"), 0);
    assert!(!state_of(&kernel, "/p/c").await.is_up());
}

#[tokio::test(start_paused = true)]
async fn each_instance_of_native_actor_has_its_own_value() {
    let journal = Journal::default();
    let made = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = made.clone();
    let launcher = NativeLauncher::new(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Scripted { journal: journal.clone(), handled: 0, tasks: JoinSet::new() }
    });
    let mut spec = ActorSpec::new(addr("/a"), launcher);
    spec.instances = 3;
    let _kernel = start(vec![spec]).await;
    assert_eq!(made.load(std::sync::atomic::Ordering::Relaxed), 3);
}
