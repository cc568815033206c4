//! A parent's directives about a failed child.

use std::time::Duration;

use playhouse_kernel::{ActorSpec, Crash, CrashReason, Decision, Directive, Kernel, Outcome, RestartKind, State};

use crate::stage::*;

/// Follows the plan in a message. Gives the directive `word` about each failed child, after a note about the failure.
fn boss(journal: &Journal, word: Directive) -> Native {
    let log = journal.clone();
    scripted(journal).on_child_failed(move |turn, failure| {
        let (report, window) = (&failure.report, failure.window);
        let blamed = report.blamed.map_or(0, |(_, attempt)| attempt);
        let reason = report.crash.reason.kind();
        let restarts = format!("{}/{}", window.restarts, window.intensity);
        log.note(format!("{}#{} {reason} x{blamed} {restarts}", report.address, report.incarnation));
        turn.tell("/log", b"asked").expect("granted");
        Box::pin(async move { Ok(word) })
    })
}

fn log(journal: &Journal) -> ActorSpec {
    recorder(journal).at("/log")
}

fn play(journal: &Journal, boss: Native) -> Vec<ActorSpec> {
    vec![log(journal), sends_to(boss.at("/boss"), &["/log"]), scripted(journal).at("/boss/worker")]
}

async fn decision_about(kernel: &Kernel, address: &str) -> Decision {
    let actors = kernel.actors().await;
    let crash = actors.into_iter().find(|a| a.address.as_str() == address).and_then(|a| a.last_crash);
    crash.expect("it crashed").decision().expect("it is decided").clone()
}

#[tokio::test(start_paused = true)]
async fn directive_request_names_the_failure_and_commits_sends() {
    let journal = Journal::default();
    let kernel = start(play(&journal, boss(&journal, Directive::Default))).await;
    tell(&kernel, "/boss/worker", "trap").await;
    kernel.wait_idle().await;
    let told = |n| format!("/boss/worker#{n} trap x{n} {}/10", i32::from(n != 1));
    for n in 1..=3 {
        assert_eq!(journal.count(&told(n)), 1, "{:?}", journal.lines());
    }
    assert_eq!(journal.count("log:asked"), 3);
    assert!(matches!(decision_about(&kernel, "/boss/worker").await, Decision::Restarts { .. }), "by the rules");
}

#[tokio::test(start_paused = true)]
async fn stop_directive_ends_a_permanent_child() {
    let journal = Journal::default();
    let kernel = start(play(&journal, boss(&journal, Directive::Stop))).await;
    tell(&kernel, "/boss/worker", "trap").await;
    kernel.wait_idle().await;
    assert_eq!(state_of(&kernel, "/boss/worker").await, State::Ended);
    assert_eq!(decision_about(&kernel, "/boss/worker").await.to_string(), "stays ended: its parent said `stop`");
    assert_eq!(state_of(&kernel, "/boss").await, State::Idle);
}

#[tokio::test(start_paused = true)]
async fn restart_directive_restarts_a_temporary_child() {
    let journal = Journal::default();
    let mut actors = play(&journal, boss(&journal, Directive::Restart));
    actors[2].restart.kind = RestartKind::Temporary;
    let kernel = start(actors).await;
    tell(&kernel, "/boss/worker", "trap").await;
    tell(&kernel, "/boss/worker", "note again").await;
    kernel.wait_idle().await;
    assert_eq!(journal.count("worker:again"), 1);
    let decision = decision_about(&kernel, "/boss/worker").await;
    assert_eq!(decision.directive(), Some(Directive::Restart));
    assert_eq!(decision.window().expect("it counts").restarts, 1, "three attempts at one message");
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_escalates_fails_itself() {
    let journal = Journal::default();
    let kernel = start(play(&journal, boss(&journal, Directive::Escalate))).await;
    tell(&kernel, "/boss/worker", "trap").await;
    tell(&kernel, "/boss", "note up again").await;
    while journal.count("boss:up again") == 0 || kernel.restarts() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let said = "/boss gave up: it passed the failure of a child on; its parent said `escalate`";
    assert_eq!(decision_about(&kernel, "/boss/worker").await.to_string(), said);
}

#[tokio::test(start_paused = true)]
async fn a_parent_is_asked_between_two_of_its_calls() {
    let journal = Journal::default();
    let kernel = start(play(&journal, boss(&journal, Directive::Stop))).await;
    // The handler is busy while the child fails.
    tell(&kernel, "/boss", "tell worker trap;wait 300;note handled;tell /log handled").await;
    tell(&kernel, "/boss/worker", "trap").await;
    kernel.wait_idle().await;
    let lines: Vec<_> = journal.lines().into_iter().filter(|line| line.starts_with("log:")).collect();
    assert_eq!(lines, ["log:handled", "log:asked"]);
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_waits_for_nothing_but_a_retry_is_asked() {
    let journal = Journal::default();
    let mut actors = play(&journal, boss(&journal, Directive::Stop));
    actors[1].mailbox.capacity = 1;
    actors[1].restart.backoff.initial = Duration::from_hours(1);
    actors[1].restart.backoff.max = Duration::from_hours(1);
    let kernel = start(actors).await;
    tell(&kernel, "/boss", "retry").await;
    tell(&kernel, "/boss/worker", "trap").await;
    while state_of(&kernel, "/boss/worker").await != State::Ended {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn busy_parent_loses_its_directive() {
    let journal = Journal::default();
    let mut actors = play(&journal, boss(&journal, Directive::Stop));
    actors[1].limits.timeout = Duration::from_millis(100);
    let kernel = start(actors).await;
    tell(&kernel, "/boss", "quick").await;
    kernel.wait_idle().await;
    // One call has two messages: each has its whole time, and the ask has the time of one.
    tell(&kernel, "/boss", "ask worker trap;wait 60").await;
    tell(&kernel, "/boss", "wait 60").await;
    kernel.wait_idle().await;
    assert_eq!(state_of(&kernel, "/boss/worker").await, State::Idle);
    assert_eq!((journal.count("log:asked"), kernel.restarts()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_crash_or_a_timeout_in_the_hook_is_a_crash_of_the_parent() {
    for (crashes, kind) in [(true, "panic"), (false, "timeout")] {
        let journal = Journal::default();
        let boss = scripted(&journal).on_child_failed(move |turn, _| {
            turn.tell("/log", b"never seen").expect("granted");
            Box::pin(async move {
                assert!(!crashes, "the hook is broken");
                std::future::pending::<Result<Directive, Crash>>().await
            })
        });
        let kernel = start(play(&journal, boss)).await;
        tell(&kernel, "/boss/worker", "trap").await;
        tell(&kernel, "/boss/worker", "note after").await;
        while journal.count("worker:after") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let actors = kernel.actors().await;
        let crash = actors[1].last_crash.clone().expect("the parent crashed");
        assert_eq!(crash.crash.reason.kind(), kind);
        assert_eq!(journal.count("log:never seen"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn parent_is_not_asked_about_a_first_start_that_failed() {
    let journal = Journal::default();
    let no = quick(|_| Ok(Outcome::Done(None)))
        .on_init(|_| Err(Crash::new(CrashReason::Start { message: "no".into() })))
        .named("weak");
    let mut plan = plan(play(&journal, boss(&journal, Directive::Stop)));
    plan.plugins.insert("weak".into(), std::sync::Arc::new(Kind(no, |_| {}, false)));
    plan.actors[1].grants.spawns = vec!["weak".into()];
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w weak").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss", "state w").await;
    kernel.wait_idle().await;
    assert_eq!(journal.count("boss:None"), 1, "{:?}", journal.lines());
    assert_eq!(journal.count("/boss/w#1 start x0 0/10"), 0, "{:?}", journal.lines());
}

#[tokio::test(start_paused = true)]
async fn crash_of_a_parent_voids_its_directive_request() {
    let journal = Journal::default();
    let mut actors = play(&journal, boss(&journal, Directive::Stop));
    actors[1].restart.attempts = 1;
    let kernel = start(actors).await;
    tell(&kernel, "/boss", "ask worker trap;wait 5;trap").await;
    while kernel.actors().await[1].incarnation == 1 || state_of(&kernel, "/boss/worker").await != State::Idle {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(journal.count("log:asked"), 0);
}
