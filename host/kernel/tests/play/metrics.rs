//! The counts of turns, crashes and asks, as a reader of metrics sees them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{
    ActorMetrics, CrashReason, DURATION_BOUNDS, Failure, Kernel, Metrics, Outcome, RestartKind, State,
};

use crate::stage::*;

async fn metrics(kernel: &Kernel) -> Metrics {
    kernel.metrics(Duration::from_mins(1), |_| Duration::ZERO).await
}

async fn first_row(kernel: &Kernel) -> ActorMetrics {
    metrics(kernel).await.actors.swap_remove(0)
}

#[tokio::test(start_paused = true)]
async fn turn_that_waits_is_measured_from_its_wait() {
    let slow = native(|_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(Outcome::Done(None))
        })
    });
    let kernel = start(vec![slow.at("/slow")]).await;
    for _ in 0..5 {
        tell(&kernel, "/slow", "x").await;
        kernel.wait_idle().await;
    }
    let totals = first_row(&kernel).await.totals;
    let class = DURATION_BOUNDS.iter().position(|bound| *bound > Duration::from_secs(2)).expect("a longer one");
    assert_eq!((totals.turn_durations.counts[class], totals.turns[0]), (5, 5));
    assert_eq!(totals.turn_durations.counts.iter().sum::<u64>(), 5);
    assert_eq!(totals.turn_durations.sum.as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn histogram_has_each_turn_that_returned_at_once() {
    let kernel = start(vec![quick(|_| Ok(Outcome::Done(None))).at("/a")]).await;
    for turns in 1..=7 {
        tell(&kernel, "/a", "x").await;
        kernel.wait_idle().await;
        let totals = first_row(&kernel).await.totals;
        let measured = totals.turn_durations.counts.iter().sum::<u64>();
        assert_eq!((measured, totals.turns.iter().sum::<u64>()), (turns, turns));
    }
}

#[tokio::test]
async fn slow_turn_stands_for_the_turns_after_it() {
    let slow = quick(|turn| {
        let began = std::time::Instant::now();
        while text(turn) == "slow" && began.elapsed() < Duration::from_millis(2) {}
        Ok(Outcome::Done(None))
    });
    let kernel = start(vec![slow.at("/a")]).await;
    for body in ["slow", "slow", "quick"] {
        tell(&kernel, "/a", body).await;
        kernel.wait_idle().await;
    }
    // The first two turns are samples, and the third is not.
    let durations = first_row(&kernel).await.totals.turn_durations;
    let classes = DURATION_BOUNDS.iter().filter(|bound| **bound < Duration::from_millis(2)).count();
    assert_eq!(durations.counts[classes..].iter().sum::<u64>(), 3, "{durations:?}");
}

#[tokio::test(start_paused = true)]
async fn crash_is_counted_by_its_reason_with_its_restart() {
    let kernel = start(vec![quick(|_| Err(trap())).at("/a")]).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    let row = first_row(&kernel).await;
    let traps = CrashReason::KINDS.iter().position(|kind| *kind == "trap").expect("a kind");
    assert_eq!(row.totals.crashes[traps], row.totals.crashes.iter().sum::<u64>());
    assert_eq!(row.totals.crashes[traps], 3, "one for each attempt");
    assert_eq!(row.totals.restarts, kernel.restarts());
    assert_eq!((row.totals.handled, row.totals.letters.iter().sum::<u64>()), (0, 1));
}

/// A call of the host may end after the actor whose code began it.
#[tokio::test(start_paused = true)]
async fn cpu_time_after_a_removal_is_counted() {
    let held = Arc::new(Mutex::new(None));
    let holds = held.clone();
    let worker = quick(move |turn| {
        turn.resource_use().add_cpu_ns(1);
        *holds.lock() = Some(turn.resource_use());
        Ok(Outcome::Done(None))
    });
    let mut plan = plan(vec![spawns(scripted(&Journal::default()).at("/a"), &["worker"])]);
    plan.plugins.insert("worker".into(), Arc::new(Kind(worker.named("worker"), |_| {}, false)));
    let kernel = start_plan(&plan).await;
    let cpu = async || {
        let row = metrics(&kernel).await.actors.into_iter().find(|row| row.spawned).expect("a row");
        row.totals.cpu.as_nanos()
    };
    for step in ["spawn x worker", "tell x go", "stop x"] {
        tell(&kernel, "/a", step).await;
        kernel.wait_idle().await;
    }
    while kernel.actors().await.len() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(cpu().await, 1);
    let uses = held.lock().take().expect("it ran");
    uses.add_cpu_ns(10);
    assert_eq!(cpu().await, 11);
    drop(uses);
    assert_eq!([cpu().await, cpu().await], [11, 11]);
}

#[tokio::test(start_paused = true)]
async fn retry_is_counted_when_a_message_is_handled_again() {
    for (kind, body, retries) in [
        (RestartKind::Permanent, "crash", 2),
        (RestartKind::Temporary, "crash", 0),
        (RestartKind::Permanent, "fail", 2),
        (RestartKind::Permanent, "fine", 0),
    ] {
        let mut spec = quick(|turn| match text(turn).as_str() {
            "crash" => Err(trap()),
            "fail" => Ok(Outcome::Failed(Failure::Retry("not now".into()))),
            _ => Ok(Outcome::Done(None)),
        })
        .at("/a");
        spec.restart.kind = kind;
        let kernel = start(vec![spec]).await;
        tell(&kernel, "/a", body).await;
        kernel.wait_idle().await;
        assert_eq!(first_row(&kernel).await.totals.retries, retries, "{kind:?} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn states_and_waiting_messages_are_those_of_now() {
    let kernel = start(vec![quick(|_| Ok(Outcome::Done(None))).at("/a")]).await;
    kernel.halt(&addr("/a")).await;
    tell(&kernel, "/a", "waits").await;
    let row = first_row(&kernel).await;
    assert_eq!((row.states[State::Stopped.index()], row.states.iter().sum::<u32>()), (1, 1));
    assert_eq!((row.waiting, row.totals.handled), (1, 0));
    let mut seen = Vec::new();
    kernel.progress(|progress| seen.push((progress.accepted, progress.finished)));
    assert_eq!(seen, [(1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn metrics_of_a_play_that_is_over_have_no_states() {
    let kernel = start(vec![quick(|_| Ok(Outcome::Done(None))).at("/a")]).await;
    tell(&kernel, "/a", "x").await;
    kernel.shut_down();
    kernel.wait_stopped().await;
    let metrics = metrics(&kernel).await;
    assert!(!metrics.answered && !kernel.wait_answer().await);
    assert_eq!(metrics.actors[0].totals.handled, 1);
}
