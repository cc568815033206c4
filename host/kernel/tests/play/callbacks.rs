//! Notices to an actor about the ends of its messages.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use playhouse_kernel::{
    Crash, Gate, Kernel, Outcome, Plan, RestartKind, State, SupervisionSpec, TaskDone, TaskOutcome, Turn,
};

use crate::stage::*;

/// Notes each notice as `#RUN ATTEMPT WHAT`, and at the end `dead`, and tells `/log` the number of notices in one call.
fn worker(journal: &Journal) -> Native {
    let log = journal.clone();
    scripted(journal).on_task_done(move |turn, done| {
        for task in done {
            log.note(told(turn, task));
        }
        turn.tell("/log", done.len().to_string().as_bytes()).expect("granted");
        Ok(())
    })
}

fn told(turn: &Turn, task: &TaskDone) -> String {
    let what = match &task.outcome {
        TaskOutcome::Done => "done".to_owned(),
        TaskOutcome::Replied => "replied".to_owned(),
        TaskOutcome::Failed(failure) => format!("{failure:?}"),
        TaskOutcome::Crashed(kind, reason) => format!("{kind}: {reason}"),
    };
    let dead = if task.dead_letter { " dead" } else { "" };
    format!("#{} {} {what}{dead}", turn.incarnation(), task.attempt)
}

fn play(journal: &Journal) -> Vec<playhouse_kernel::ActorSpec> {
    let mut worker = sends_to(worker(journal).at("/worker"), &["/log"]);
    worker.restart.attempts = 3;
    vec![recorder(journal).at("/log"), worker]
}

fn told_lines(journal: &Journal) -> Vec<String> {
    journal.lines().into_iter().filter(|line| line.starts_with('#')).collect()
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_reported_once_with_its_outcome() {
    let journal = Journal::default();
    let kernel = start(play(&journal)).await;
    for message in ["note x", "fail", "retry", "trap"] {
        tell(&kernel, "/worker", message).await;
        kernel.wait_idle().await;
    }
    let unreachable = trap().reason.to_string();
    let retry = "Retry(\"as told\")";
    assert_eq!(
        told_lines(&journal),
        [
            "#1 1 done".to_owned(),
            "#1 1 Reject(\"as told\") dead".to_owned(),
            format!("#1 1 {retry}"),
            format!("#1 2 {retry}"),
            format!("#1 3 {retry} dead"),
            format!("#2 1 trap: {unreachable}"),
            format!("#3 2 trap: {unreachable}"),
            format!("#4 3 trap: {unreachable} dead"),
        ]
    );
    assert_eq!(journal.count("log:1"), 8, "the hook's messages are committed before the play is idle");
}

#[tokio::test(start_paused = true)]
async fn crashed_batch_is_reported_when_it_is_handled_again() {
    let journal = Journal::default();
    let kernel = start(play(&journal)).await;
    kernel.halt(&addr("/worker")).await;
    for message in ["note a", "note b", "trap", "note c"] {
        tell(&kernel, "/worker", message).await;
    }
    kernel.resume(&addr("/worker")).await;
    kernel.wait_idle().await;
    let lines = told_lines(&journal);
    assert_eq!(lines.iter().filter(|line| line.ends_with(" 1 done")).count(), 3, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.contains("trap: ")).count(), 3, "{lines:?}");
    assert_eq!(lines.len(), 6, "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn next_run_reports_messages_that_an_ask_committed() {
    let journal = Journal::default();
    let mut actors = play(&journal);
    actors[1].grants.sends_to.push(addr("/oracle"));
    actors.insert(0, quick(|_| Ok(Outcome::Done(Some(b"because".to_vec())))).at("/oracle"));
    let kernel = start(actors).await;
    // The first call takes one message, the second two: the later one asks, which commits the earlier one, and crashes.
    kernel.halt(&addr("/worker")).await;
    for message in ["note a", "note b", "ask /oracle why;trap"] {
        tell(&kernel, "/worker", message).await;
    }
    kernel.resume(&addr("/worker")).await;
    kernel.wait_idle().await;
    let lines = told_lines(&journal);
    assert_eq!(lines[0], "#2 1 done");
    assert_eq!(lines[1], "#3 1 done", "committed by a run that then crashed: {lines:?}");
    assert_eq!(lines[2..].iter().filter(|line| line.contains("trap: ")).count(), 3, "{lines:?}");
    assert_eq!(lines.len(), 5, "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn crashed_ask_is_reported_as_a_dead_letter() {
    let journal = Journal::default();
    let kernel = start(play(&journal)).await;
    assert!(ask(&kernel, "/worker", "trap").await.is_err());
    assert!(ask(&kernel, "/worker", "note x").await.is_err(), "no reply");
    kernel.wait_idle().await;
    let unreachable = trap().reason.to_string();
    assert_eq!(told_lines(&journal), [format!("#2 1 trap: {unreachable} dead"), "#2 1 done".to_owned()]);
}

#[tokio::test(start_paused = true)]
async fn crashed_callback_repeats_only_reports_of_a_group() {
    let journal = Journal::default();
    let log = journal.clone();
    let told_of = quick(|turn| match text(turn).as_str() {
        "boom" => Ok(Outcome::Failed(playhouse_kernel::Failure::Reject("boom".into()))),
        _ => Ok(Outcome::Done(None)),
    });
    let worker = told_of.on_task_done(move |turn, done| {
        for task in done {
            log.note(told(turn, task));
            if task.dead_letter {
                return Err(trap());
            }
        }
        Ok(())
    });
    let kernel = start(vec![worker.at("/worker")]).await;
    kernel.halt(&addr("/worker")).await;
    for message in ["a", "b", "boom", "c", "d"] {
        tell(&kernel, "/worker", message).await;
    }
    kernel.resume(&addr("/worker")).await;
    kernel.wait_idle().await;
    let boom = "Reject(\"boom\") dead";
    // The halt ended run 1. Next came one message alone, then two in one call that crashed, then each of these alone (one
    // crashed), then the rest.
    let lines = told_lines(&journal);
    assert_eq!(lines[..3], ["#2 1 done".to_owned(), "#2 1 done".to_owned(), format!("#2 1 {boom}")], "{lines:?}");
    assert_eq!(lines[3..5], ["#3 1 done".to_owned(), format!("#3 1 {boom}")], "{lines:?}");
    assert_eq!(lines[5..], ["#4 1 done", "#4 1 done"], "{lines:?}");
    assert_eq!(letters(&kernel), ["rejected boom x1"]);
    assert_eq!(kernel.restarts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_callback_comes_before_the_shutdown_hook() {
    let journal = Journal::default();
    let (log, at_end) = (journal.clone(), journal.clone());
    let worker = quick(|_| Ok(Outcome::Done(None))).on_task_done(move |turn, done| {
        for task in done {
            log.note(told(turn, task));
        }
        Ok(())
    });
    let worker = worker.on_shutdown(move |_| {
        at_end.note("# shutdown");
        Ok::<(), Crash>(())
    });
    let kernel = start(vec![worker.at("/worker")]).await;
    for n in 0..5 {
        tell(&kernel, "/worker", &n.to_string()).await;
    }
    kernel.shut_down();
    kernel.wait_stopped().await;
    let lines = told_lines(&journal);
    assert_eq!((lines.len(), lines.last().map(String::as_str)), (6, Some("# shutdown")), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn ended_actor_does_not_delay_idleness_by_reports() {
    let journal = Journal::default();
    let mut actors = play(&journal);
    actors[1].restart.kind = RestartKind::Temporary;
    let kernel = start(actors).await;
    tell(&kernel, "/worker", "trap").await;
    kernel.wait_idle().await;
    assert!(told_lines(&journal).is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_instance_gets_reports_of_its_own_messages() {
    let journal = Journal::default();
    let mut actors = play(&journal);
    actors[1].instances = 3;
    let kernel = start(actors).await;
    for _ in 0..30 {
        tell(&kernel, "/worker", "wait 1").await;
    }
    kernel.wait_idle().await;
    let lines = told_lines(&journal);
    assert_eq!(lines.len(), 30);
    let runs: std::collections::BTreeSet<_> = lines.iter().map(|line| line.split(' ').next()).collect();
    assert_eq!(runs.len(), 3, "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn cut_off_callback_is_repeated_in_the_next_run() {
    let journal = Journal::default();
    let log = journal.clone();
    let slow = quick(|_| Ok(Outcome::Done(None))).on_task_done_slowly(move |turn, done| {
        let (log, line) = (log.clone(), told(turn, &done[0]));
        Box::pin(async move {
            log.note(line.clone());
            if line.starts_with("#1 ") {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    });
    let mut actor = slow.at("/worker");
    actor.limits.timeout = std::time::Duration::from_hours(1);
    let kernel = start(vec![actor]).await;
    tell(&kernel, "/worker", "x").await;
    while told_lines(&journal).is_empty() {
        tokio::task::yield_now().await;
    }
    // It gets its time to stop, and a kill ends it then.
    kernel.halt(&addr("/worker")).await;
    kernel.resume(&addr("/worker")).await;
    kernel.wait_idle().await;
    assert_eq!(told_lines(&journal), ["#1 1 done", "#2 1 done"]);
}

/// `/worker` gets a notice about its message `trap`, and fails by it. The gate of its next run opens after a second.
async fn failed_worker(journal: &Journal, cooldown: Option<Duration>) -> Kernel {
    let looks = AtomicUsize::new(0);
    let worker = worker(journal).gated(move |_| match looks.fetch_add(1, Ordering::Relaxed) {
        1 => Ok(Gate::Wait(Some(SOON))),
        _ => Ok(Gate::Start),
    });
    let mut worker = sends_to(worker.at("/worker"), &["/log"]);
    (worker.restart.attempts, worker.restart.cooldown) = (1, cooldown);
    let supervision = SupervisionSpec { intensity: 0, ..SupervisionSpec::default() };
    let kernel = start_plan(&Plan { supervision, ..plan(vec![recorder(journal).at("/log"), worker]) }).await;
    tell(&kernel, "/worker", "trap").await;
    while state_of(&kernel, "/worker").await != State::Failed {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    kernel
}

#[tokio::test(start_paused = true)]
async fn play_waits_for_a_callback_that_a_trial_will_make() {
    let journal = Journal::default();
    let kernel = failed_worker(&journal, Some(SOON)).await;
    kernel.wait_idle().await;
    assert_eq!(told_lines(&journal).len(), 1, "{:?}", journal.lines());
}

#[tokio::test(start_paused = true)]
async fn play_waits_for_a_callback_once_an_operator_starts() {
    let journal = Journal::default();
    let kernel = failed_worker(&journal, None).await;
    kernel.wait_idle().await;
    assert_eq!(told_lines(&journal), [""; 0], "no further run starts by itself");
    kernel.resume(&addr("/worker")).await;
    kernel.wait_idle().await;
    assert_eq!(told_lines(&journal).len(), 1);
}
