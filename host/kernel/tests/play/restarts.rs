use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use playhouse_kernel::{
    Crash, CrashReason, Kernel, Outcome, Plan, RestartKind, Stage, State, Strategy, SupervisionSpec,
};

use crate::stage::*;

/// Crashes on `crash`, and notes every other message, its starts and its stops.
fn fragile(journal: &Journal) -> Native {
    let (log, on_init, on_stop) = (journal.clone(), journal.clone(), journal.clone());
    quick(move |turn| {
        if text(turn) == "crash" {
            return Err(trap());
        }
        log.note(format!("{}:{}", turn.address().name(), text(turn)));
        Ok(Outcome::Done(None))
    })
    .on_init(move |turn| {
        on_init.note(format!("+{}#{}", turn.address().name(), turn.incarnation()));
        Ok(())
    })
    .on_shutdown(move |turn| {
        on_stop.note(format!("-{}", turn.address().name()));
        Ok(())
    })
}

#[tokio::test(start_paused = true)]
async fn a_crashed_child_restarts_alone_and_keeps_its_mailbox() {
    let journal = Journal::default();
    let kernel = start(vec![fragile(&journal).at("/a"), fragile(&journal).at("/b")]).await;
    for body in ["1", "crash", "2"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.wait_idle().await;
    let lines = journal.lines();
    assert_eq!(lines.iter().filter(|l| l.starts_with("+b")).count(), 1);
    assert_eq!((journal.count("a:1"), journal.count("a:2")), (1, 1));
    let views = kernel.actors().await;
    assert!(views[0].restarts >= 3 && views[0].incarnation == views[0].restarts + 1, "{views:?}");
    assert_eq!(views[1].restarts, 0);
}

#[tokio::test(start_paused = true)]
async fn transient_child_restarts_and_a_temporary_one_does_not() {
    let journal = Journal::default();
    let (mut transient, mut temporary) = (fragile(&journal).at("/t"), fragile(&journal).at("/n"));
    transient.restart.kind = RestartKind::Transient;
    temporary.restart.kind = RestartKind::Temporary;
    let kernel = start(vec![transient, temporary]).await;
    tell(&kernel, "/t", "crash").await;
    tell(&kernel, "/n", "crash").await;
    tell(&kernel, "/t", "after").await;
    kernel.wait_idle().await;
    assert_eq!(journal.count("t:after"), 1);
    assert_eq!(state_of(&kernel, "/n").await, State::Ended);
    assert!(kernel.tell(&addr("/n"), b"x", SOON).await.is_err(), "its mailbox is closed");
    assert!(letters(&kernel).contains(&"crashed crash x1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn crash_of_a_parent_restarts_its_children() {
    let journal = Journal::default();
    let mut actors = ["/p", "/p/x", "/p/y"].map(|a| fragile(&journal).at(a));
    actors[0].restart.attempts = 1;
    let kernel = start(actors.into()).await;
    tell(&kernel, "/p", "crash").await;
    while journal.count("+y#2") == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(journal.lines(), ["+p#1", "+x#1", "+y#1", "-y", "-x", "+p#2", "+x#2", "+y#2"]);
}

/// The actions of four actors under a kernel with this strategy, after one crash of `b`.
async fn after_a_crash_of_b(strategy: Strategy) -> Vec<String> {
    let journal = Journal::default();
    let mut actors = ["/a", "/b", "/c", "/d"].map(|a| fragile(&journal).at(a));
    actors[1].restart.attempts = 1;
    let supervision = SupervisionSpec { strategy, ..SupervisionSpec::default() };
    let kernel = start_plan(&Plan { supervision, ..plan(actors.into()) }).await;
    let before = journal.lines().len();
    kernel.halt(&addr("/c")).await;
    tell(&kernel, "/c", "waits").await;
    tell(&kernel, "/b", "crash").await;
    while journal.count("+d#2") == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(state_of(&kernel, "/c").await, State::Stopped);
    assert_eq!(kernel.restarts(), 1, "it counts once");
    kernel.resume(&addr("/c")).await;
    tell(&kernel, "/a", "still there").await;
    kernel.wait_idle().await;
    assert_eq!((journal.count("c:waits"), journal.count("a:still there")), (1, 1));
    assert_eq!(letters(&kernel), ["crashed crash x1"]);
    let lines = journal.lines().split_off(before);
    lines.into_iter().filter(|line| !line.starts_with("+c") && !line.contains(':')).collect()
}

#[tokio::test(start_paused = true)]
async fn one_for_all_restarts_all_but_a_stopped_actor() {
    assert_eq!(after_a_crash_of_b(Strategy::OneForAll).await, ["-c", "-d", "-a", "+a#2", "+b#2", "+d#2"]);
}

#[tokio::test(start_paused = true)]
async fn rest_for_one_restarts_later_siblings() {
    assert_eq!(after_a_crash_of_b(Strategy::RestForOne).await, ["-c", "-d", "+b#2", "+d#2"]);
}

#[tokio::test(start_paused = true)]
async fn required_actor_that_exceeds_its_window_ends_the_play() {
    let supervision = SupervisionSpec { intensity: 2, ..SupervisionSpec::default() };
    let mut actor = quick(|_| Err(trap())).at("/a");
    (actor.required, actor.restart.attempts, actor.batch) = (true, 1, 1);
    let plan = Plan { supervision, ..plan(vec![actor, quick(|_| Ok(Outcome::Done(None))).at("/b")]) };
    let kernel = start_plan(&plan).await;
    for _ in 0..3 {
        tell(&kernel, "/a", "x").await;
    }
    let Stage::GaveUp(failures) = kernel.wait_stopped().await else { panic!("it continues") };
    assert_eq!(failures.len(), 3);
    assert_eq!(failures[0].incarnation, 3, "the last failure comes first");
}

#[tokio::test(start_paused = true)]
async fn one_poison_message_never_makes_the_kernel_give_up() {
    let journal = Journal::default();
    let kernel = start(vec![fragile(&journal).at("/a")]).await;
    tell(&kernel, "/a", "crash").await;
    tell(&kernel, "/a", "after").await;
    kernel.wait_idle().await;
    assert_eq!(journal.count("a:after"), 1);
    assert_eq!(letters(&kernel), ["crashed crash x3"]);
    assert!(matches!(kernel.stage(), Stage::Running));
}

#[tokio::test(start_paused = true)]
async fn restarts_outside_the_period_do_not_count() {
    let supervision = SupervisionSpec { intensity: 3, period: Duration::from_secs(10), ..SupervisionSpec::default() };
    let plan = Plan { supervision, ..plan(vec![quick(|_| Err(trap())).at("/a")]) };
    let kernel = start_plan(&plan).await;
    for _ in 0..10 {
        tell(&kernel, "/a", "x").await;
        kernel.wait_idle().await;
        tokio::time::sleep(Duration::from_secs(11)).await;
    }
    assert!(matches!(kernel.stage(), Stage::Running));
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_gives_up_fails_and_its_parent_decides() {
    let journal = Journal::default();
    let mut parent = fragile(&journal).at("/p");
    parent.supervision.intensity = 0;
    let kernel = start(vec![parent, fragile(&journal).at("/p/c"), fragile(&journal).at("/q")]).await;
    tell(&kernel, "/p/c", "crash").await;
    kernel.wait_idle().await;
    let views = kernel.actors().await;
    assert_eq!(letters(&kernel), ["crashed crash x3"]);
    assert!(views[0].restarts >= 1, "the parent failed and came back: {views:?}");
    assert_eq!(views[2].restarts, 0);
    assert!(matches!(kernel.stage(), Stage::Running));
}

#[tokio::test(start_paused = true)]
async fn required_actor_that_does_not_come_up_at_boot_ends_the_play() {
    let journal = Journal::default();
    let refuses =
        quick(|_| Ok(Outcome::Done(None))).on_init(|_| Err(Crash::new(CrashReason::Start { message: "no".into() })));
    let mut refuses = refuses.at("/c");
    refuses.required = true;
    let kernel = Kernel::start(&plan(vec![fragile(&journal).at("/a"), fragile(&journal).at("/b"), refuses]))
        .expect("a good plan");
    let Stage::GaveUp(failures) = kernel.wait_stopped().await else { panic!("it runs") };
    assert_eq!(journal.lines(), ["+a#1", "+b#1", "-b", "-a"]);
    assert_eq!(failures[0].to_string(), "/c (incarnation 11) failed to start: no");
    assert_eq!(failures.len(), 10, "the latest first, and no more than are shown");
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_counts_again_and_does_not_block_the_siblings() {
    let journal = Journal::default();
    let starts = Arc::new(AtomicU64::new(0));
    let counter = starts.clone();
    let moody = quick(|_| Err(trap())).on_init(move |_| match counter.fetch_add(1, Ordering::Relaxed) {
        0 | 5.. => Ok(()),
        _ => Err(Crash::new(CrashReason::Start { message: "not now".into() })),
    });
    let mut moody = moody.at("/moody");
    moody.restart.attempts = 1;
    let kernel = start(vec![fragile(&journal).at("/calm"), moody]).await;
    tell(&kernel, "/moody", "x").await;
    assert_eq!(state_of(&kernel, "/calm").await, State::Idle);
    kernel.wait_idle().await;
    while state_of(&kernel, "/moody").await != State::Idle {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(starts.load(Ordering::Relaxed), 6);
    assert_eq!(kernel.actors().await[1].restarts, 5);
}

#[tokio::test(start_paused = true)]
async fn backoff_ceiling_doubles_to_its_maximum() {
    let spec = playhouse_kernel::Backoff { initial: Duration::from_millis(10), max: Duration::from_secs(1) };
    let ceilings: Vec<_> = (1..=9).map(|n| spec.ceiling(n).as_millis()).collect();
    assert_eq!(ceilings, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
}

#[tokio::test(start_paused = true)]
async fn transient_child_that_exits_is_not_restarted() {
    let exits = || quick(|_| Err(Crash::new(CrashReason::Exit { status: 0 })));
    let (mut transient, permanent) = (exits().at("/t"), exits().at("/p"));
    transient.restart.kind = RestartKind::Transient;
    let kernel = start(vec![transient, permanent]).await;
    tell(&kernel, "/t", "x").await;
    tell(&kernel, "/p", "x").await;
    kernel.wait_idle().await;
    tokio::time::sleep(SOON).await;
    assert_eq!(state_of(&kernel, "/t").await, State::Ended);
    assert_eq!(state_of(&kernel, "/p").await, State::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_others_still_start_does_not_overtake_them() {
    let journal = Journal::default();
    let slow_launch = Arc::new(tokio::sync::Notify::new());
    let gate = slow_launch.clone();
    let slow = Slow { native: fragile(&journal), gate };
    let mut first = quick(|_| Err(trap())).at("/a");
    first.restart.attempts = 1;
    let second = playhouse_kernel::ActorSpec::new(addr("/b"), Arc::new(slow));
    let kernel = Kernel::start(&plan(vec![first, second, fragile(&journal).at("/c")])).expect("a good plan");
    while state_of(&kernel, "/b").await != State::Starting {
        tokio::task::yield_now().await;
    }
    tell(&kernel, "/a", "crash").await;
    while kernel.restarts() == 0 || state_of(&kernel, "/a").await != State::Idle {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(matches!(kernel.stage(), Stage::Starting));
    assert!(journal.lines().is_empty(), "/c waits for /b");
    slow_launch.notify_one();
    assert!(matches!(kernel.wait_booted().await, Stage::Running));
    assert_eq!(journal.lines(), ["+b#1", "+c#1"]);
}

/// Starts once the gate opens.
struct Slow {
    native: Native,
    gate: Arc<tokio::sync::Notify>,
}

impl playhouse_kernel::Launcher for Slow {
    fn launch(
        &self,
        turn: playhouse_kernel::Turn,
    ) -> playhouse_kernel::BoxFuture<'_, Result<Box<dyn playhouse_kernel::Behavior>, Crash>> {
        Box::pin(async {
            self.gate.notified().await;
            self.native.launch(turn).await
        })
    }

    fn plugin(&self) -> &'static str {
        "slow"
    }
}
