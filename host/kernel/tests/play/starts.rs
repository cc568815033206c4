//! Starts that fail: at the boot, by an operator's order, and of spawned children.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use playhouse_kernel::{
    Crash, CrashReason, Decision, Directive, Kernel, Outcome, RestartKind, Stage, StartError, StartKind, State,
};

use crate::stage::*;

/// An actor whose first starts fail.
fn broken(starts_that_fail: u64) -> Native {
    let starts = Arc::new(AtomicU64::new(0));
    quick(|_| Ok(Outcome::Done(None))).on_init(move |_| {
        if starts.fetch_add(1, Ordering::Relaxed) < starts_that_fail {
            return Err(Crash::new(CrashReason::Start { message: "no key".into() }));
        }
        Ok(())
    })
}

async fn start_actor(kernel: &Kernel, address: &str) -> Result<(State, State), String> {
    let started = kernel.start_actor(&addr(address)).await;
    started.map(|started| (started.before, started.now)).map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn ordered_start_that_fails_says_why_and_changes_nothing() {
    let mut manual = broken(2).at("/manual");
    manual.start = StartKind::Manual;
    let kernel = start(vec![quick(|_| Ok(Outcome::Done(None))).at("/good"), manual]).await;
    for _ in 0..2 {
        let why = start_actor(&kernel, "/manual").await;
        assert_eq!(why, Err("`/manual` did not start: it failed to start: no key".to_owned()));
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(state_of(&kernel, "/manual").await, State::Stopped);
        assert_eq!((state_of(&kernel, "/good").await, kernel.restarts()), (State::Idle, 0));
    }
    let views = kernel.actors().await;
    let decision = views[1].last_crash.as_ref().and_then(|report| report.decision().cloned());
    assert_eq!(decision, Some(Decision::NotStarted));
    assert_eq!(start_actor(&kernel, "/manual").await, Ok((State::Stopped, State::Idle)));
    assert_eq!(start_actor(&kernel, "/manual").await, Ok((State::Idle, State::Idle)));
}

#[tokio::test(start_paused = true)]
async fn ordered_start_names_the_child_that_failed() {
    let mut manual = recorder(&Journal::default()).at("/m");
    manual.start = StartKind::Manual;
    let kernel = start(vec![manual, broken(1).at("/m/child")]).await;
    let why = start_actor(&kernel, "/m").await.unwrap_err();
    assert!(why.ends_with("; `/m/child` failed to start: no key"), "{why}");
    assert_eq!(start_actor(&kernel, "/m").await, Ok((State::Stopped, State::Idle)));
    assert_eq!(state_of(&kernel, "/m/child").await, State::Idle);
}

#[tokio::test(start_paused = true)]
async fn start_below_an_actor_that_does_not_run_is_refused() {
    let journal = Journal::default();
    let crashing = || quick(|_| Err(trap()));
    let mut ended = crashing().at("/ended");
    (ended.restart.kind, ended.restart.attempts) = (RestartKind::Temporary, 1);
    let mut child = crashing().at("/p/t");
    (child.restart.kind, child.restart.attempts) = (RestartKind::Temporary, 1);
    let actors = vec![
        ended,
        recorder(&journal).at("/ended/child"),
        recorder(&journal).at("/p"),
        child,
        recorder(&journal).at("/p/t/deep"),
    ];
    let kernel = start(actors).await;
    tell(&kernel, "/ended", "x").await;
    tell(&kernel, "/p/t", "x").await;
    kernel.halt(&addr("/p/t/deep")).await;
    while state_of(&kernel, "/ended").await != State::Ended || state_of(&kernel, "/p/t").await != State::Ended {
        tokio::task::yield_now().await;
    }
    let of = async |address| start_actor(&kernel, address).await.unwrap_err();
    let ended = "`/ended/child` cannot start: `/ended` above it is ended; the play can be";
    assert_eq!(of("/ended/child").await, ended);
    let way_out = "it starts again with its parent: `playhouse stop /p`, then `playhouse start /p`";
    assert_eq!(of("/p/t/deep").await, format!("`/p/t/deep` cannot start: `/p/t` above it is ended; {way_out}"));
    assert!(of("/p/t").await.ends_with(way_out));
    assert_eq!(of("/p/u").await, "no actor has the address `/p/u`");
    // There is only one way out.
    kernel.halt(&addr("/p")).await;
    while state_of(&kernel, "/p").await != State::Stopped {
        tokio::task::yield_now().await;
    }
    let stopped = "`/p/t` cannot start: `/p` above it is stopped; `playhouse start /p` starts that first";
    assert_eq!(of("/p/t").await, stopped);
    assert_eq!(start_actor(&kernel, "/p").await, Ok((State::Stopped, State::Idle)));
    assert_eq!(state_of(&kernel, "/p/t").await, State::Idle);
    assert_eq!(state_of(&kernel, "/p/t/deep").await, State::Stopped, "an operator stopped it");
    assert_eq!(start_actor(&kernel, "/p/t/deep").await, Ok((State::Stopped, State::Idle)));
}

#[tokio::test(start_paused = true)]
async fn start_of_an_actor_that_its_parent_ended_says_so() {
    let boss = recorder(&Journal::default()).on_child_failed(|_, _| Box::pin(async { Ok(Directive::Stop) }));
    let mut child = quick(|_| Err(trap())).at("/boss/t");
    child.restart.attempts = 1;
    let kernel = start(vec![boss.at("/boss"), child]).await;
    tell(&kernel, "/boss/t", "x").await;
    while state_of(&kernel, "/boss/t").await != State::Ended {
        tokio::task::yield_now().await;
    }
    let why = start_actor(&kernel, "/boss/t").await.unwrap_err();
    assert!(why.contains(": its parent said `stop` when it was asked about the failure; "), "{why}");
    assert!(!why.contains("restart.kind"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn start_in_a_play_that_stops_is_refused() {
    let mut manual = broken(0).at("/m");
    manual.start = StartKind::Manual;
    let kernel = start(vec![manual]).await;
    kernel.shut_down();
    assert!(matches!(kernel.start_actor(&addr("/m")).await, Err(StartError::Stopping)));
}

/// `/boss` spawns good and broken workers. A child of it must not notice.
async fn spawning(journal: &Journal) -> Kernel {
    let boss = spawns(scripted(journal).watching(journal).at("/boss"), &["good", "broken"]);
    let mut plan = plan(vec![boss, recorder(journal).at("/boss/calm")]);
    plan.actors[0].supervision.intensity = 0;
    plan.plugins.insert("good".into(), Arc::new(Kind(recorder(journal).named("good"), |_| {}, false)));
    plan.plugins.insert("broken".into(), Arc::new(Kind(broken(u64::MAX).named("broken"), |_| {}, false)));
    start_plan(&plan).await
}

#[tokio::test(start_paused = true)]
async fn spawned_child_whose_first_start_fails_is_gone() {
    let journal = Journal::default();
    let kernel = spawning(&journal).await;
    tell(&kernel, "/boss", "spawn good good;spawn bad broken;watch bad;tell bad 1;tell bad 2;ask /boss/bad 3").await;
    kernel.wait_idle().await;
    let failed = ["failed-start 1 x0", "failed-start 2 x0"];
    let mut letters = letters(&kernel);
    letters.retain(|letter| !letter.contains(" 3 "));
    assert_eq!(letters, failed);
    let told: Vec<_> = journal.lines().into_iter().filter(|line| line.contains('!')).collect();
    assert!(told.iter().any(|line| line.contains("Crashed(\"start\", \"failed to start: no key\")")), "{told:?}");
    assert!(told.last().is_some_and(|line| line.ends_with("Gone")), "{told:?}");
    let views = kernel.actors().await;
    let there: Vec<_> = views.iter().map(|view| (view.address.as_str(), view.incarnation)).collect();
    assert_eq!(there, [("/boss", 1), ("/boss/calm", 1), ("/boss/good", 1)]);
    assert_eq!(kernel.restarts(), 0);
    tell(&kernel, "/boss", "spawn bad good;tell bad 4").await;
    kernel.wait_idle().await;
    assert_eq!(journal.count("bad:4"), 1, "its name is free");
}

#[tokio::test(start_paused = true)]
async fn parent_that_a_message_crashes_at_boot_lives() {
    let journal = Journal::default();
    let poisoned = quick(|_| Err(trap())).at("/s");
    let sent = AtomicU64::new(0);
    let child = recorder(&journal).on_init(move |turn| {
        if sent.fetch_add(1, Ordering::Relaxed) == 0 {
            turn.tell("/s", b"poison").expect("granted");
        }
        Ok(())
    });
    let children = vec![poisoned, sends_to(child.at("/s/k1"), &["/s"]), recorder(&journal).at("/s/k2")];
    let kernel = start(children).await;
    kernel.wait_idle().await;
    assert!(matches!(kernel.wait_booted().await, Stage::Running));
    assert!(letters(&kernel).contains(&"crashed poison x3".to_owned()), "{:?}", letters(&kernel));
}

#[tokio::test(start_paused = true)]
async fn ordered_start_waits_for_every_instance() {
    let mut manual = broken(0).on_init(|_| Ok(())).at("/n");
    (manual.start, manual.instances) = (StartKind::Manual, 3);
    let kernel = start(vec![manual]).await;
    assert_eq!(start_actor(&kernel, "/n").await, Ok((State::Stopped, State::Idle)));
    let views = kernel.actors().await;
    assert!(views[0].instances.iter().all(|instance| instance.state == State::Idle), "{views:?}");
}
