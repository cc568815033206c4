use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Crash, CrashReason, CrashReport, Decision, Kernel, Outcome, Plan, RestartKind, Stage, Strategy,
    SupervisionSpec,
};

use crate::stage::*;

fn crasher(at: &str) -> ActorSpec {
    let crasher = quick(|turn| if text(turn) == "crash" { Err(trap()) } else { Ok(Outcome::Done(None)) });
    let mut spec = crasher.at(at);
    spec.restart.attempts = 1;
    spec
}

async fn last_crash(kernel: &Kernel, at: &str) -> Arc<CrashReport> {
    let actors = kernel.actors().await;
    actors.into_iter().find(|actor| actor.address == addr(at)).expect("known").last_crash.expect("it crashed")
}

/// The decision about the last crash, without the pause.
async fn decided(kernel: &Kernel, at: &str) -> String {
    let report = last_crash(kernel, at).await;
    let text = report.decision().map(ToString::to_string).unwrap_or_default();
    match text.split_once(", failures ") {
        Some((_, rest)) => format!("failures {rest}"),
        None => text,
    }
}

#[tokio::test(start_paused = true)]
async fn crash_report_shows_window_and_strategy() {
    let supervision = SupervisionSpec { strategy: Strategy::OneForAll, intensity: 5, ..SupervisionSpec::default() };
    let plan = Plan { supervision, ..plan(vec![crasher("/a"), crasher("/b")]) };
    let kernel = start_plan(&plan).await;
    for to in ["/a", "/b"] {
        tell(&kernel, to, "crash").await;
        kernel.wait_idle().await;
        while kernel.actors().await.iter().any(|actor| actor.state != playhouse_kernel::State::Idle) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let with = "its siblings with it (one-for-all)";
    assert_eq!(decided(&kernel, "/a").await, format!("failures that count within 10s: 1 of 5, {with}"));
    assert_eq!(decided(&kernel, "/b").await, format!("failures that count within 10s: 1 of 5, {with}"), "of its own");
}

#[tokio::test(start_paused = true)]
async fn crash_report_shows_the_blamed_message_and_attempt() {
    let mut spec = crasher("/a");
    spec.restart.attempts = 2;
    spec.start = playhouse_kernel::StartKind::Manual;
    let kernel = start(vec![spec]).await;
    for body in ["1", "2", "crash", "3"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    let letter = kernel.dead_letters().remove(0);
    let report = letter.reason.crash().expect("it crashed");
    assert_eq!((report.blamed, report.attempts), (Some((letter.id.message, 2)), 2));
    let text = format!("/a (incarnation 3) trapped: unreachable; message {}, attempt 2 of 2", letter.id.short());
    assert_eq!(report.to_string(), text);
}

#[tokio::test(start_paused = true)]
async fn temporary_actor_is_reported_as_ended() {
    let mut spec = crasher("/a");
    spec.restart.kind = RestartKind::Temporary;
    let kernel = start(vec![spec]).await;
    tell(&kernel, "/a", "crash").await;
    kernel.wait_idle().await;
    assert_eq!(decided(&kernel, "/a").await, "stays ended: its restart.kind is temporary");
}

#[tokio::test(start_paused = true)]
async fn a_failed_shutdown_is_said_to_stay_down() {
    let spec = quick(|_| Ok(Outcome::Done(None))).on_shutdown(|_| Err(trap())).at("/a");
    let kernel = start(vec![spec]).await;
    kernel.halt(&addr("/a")).await;
    while kernel.failed_shutdowns() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(decided(&kernel, "/a").await, "stays down: it was stopping");
}

#[tokio::test(start_paused = true)]
async fn crash_in_a_shutdown_is_reported_as_draining() {
    let slow = native(|_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Err(trap())
        })
    });
    let mut spec = slow.at("/a");
    spec.restart.attempts = 1;
    let kernel = start(vec![spec]).await;
    tell(&kernel, "/a", "x").await;
    kernel.shut_down();
    kernel.wait_stopped().await;
    let letter = kernel.dead_letters().remove(0);
    assert_eq!(letter.reason.crash().and_then(CrashReport::decision), Some(&Decision::Drains));
}

#[tokio::test(start_paused = true)]
async fn end_of_the_play_names_counted_failures_and_causes() {
    let supervision = SupervisionSpec { intensity: 1, ..SupervisionSpec::default() };
    let mut parent = crasher("/p");
    parent.supervision = supervision;
    parent.required = true;
    let plan = Plan { supervision, ..plan(vec![crasher("/other"), parent, crasher("/p/c")]) };
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/other", "crash").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    for _ in 0..4 {
        tell(&kernel, "/p/c", "crash").await;
    }
    let Stage::GaveUp(failures) = kernel.wait_stopped().await else { panic!("it continues") };
    let told: Vec<_> = failures
        .iter()
        .flat_map(|report| report.chain())
        .map(|report| {
            let decision = report.decision().map(Decision::kind).unwrap_or_default();
            format!("{} #{} {}: {decision}", report.address, report.incarnation, report.crash.reason)
        })
        .collect();
    let gave_up = "gave up on its children: 2 failures within 10s, and 1 restart is allowed";
    assert_eq!(
        told,
        [
            format!("/p #2 {gave_up}: gave-up"),
            "/p/c #4 trapped: unreachable: gave-up".to_owned(),
            format!("/p #1 {gave_up}: restarts"),
            "/p/c #2 trapped: unreachable: gave-up".to_owned(),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_at_boot_is_the_only_failure_that_is_named() {
    let refuses =
        quick(|_| Ok(Outcome::Done(None))).on_init(|_| Err(Crash::new(CrashReason::Start { message: "no".into() })));
    let mut refuses = refuses.at("/b");
    refuses.required = true;
    let supervision = SupervisionSpec { intensity: 0, ..SupervisionSpec::default() };
    let plan = Plan { supervision, ..plan(vec![crasher("/a"), refuses]) };
    let kernel = Kernel::start(&plan).expect("a good plan");
    let Stage::GaveUp(failures) = kernel.wait_stopped().await else { panic!("it runs") };
    let decision = failures[0].decision().map(ToString::to_string);
    let ends = "ends the play: 1 failure within 10s, and no restart is allowed";
    assert_eq!((failures.len(), decision.as_deref()), (1, Some(ends)));
}
