//! Actors that stop for good while they wait for a restart: waiting messages are handled, and no actor starts without a
//! message.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{Backoff, Failure, Outcome, Stage, State};

use crate::stage::*;

const HOUR: Duration = Duration::from_hours(1);
const PAUSE: Backoff = Backoff { initial: HOUR, max: HOUR };

/// Notes its starts and its messages, and crashes by `trap`.
fn noting(journal: &Journal) -> Native {
    let (handled, begun) = (journal.clone(), journal.clone());
    quick(move |turn| {
        if text(turn) == "trap" {
            return Err(trap());
        }
        handled.note(text(turn));
        Ok(Outcome::Done(None))
    })
    .on_init(move |_| {
        begun.note("start");
        Ok(())
    })
}

#[tokio::test(start_paused = true)]
async fn shutdown_starts_no_actor_in_backoff_without_messages() {
    for (waiting, expected) in [(&[][..], &["start"][..]), (&["1", "2"], &["start", "start", "1", "2"])] {
        let journal = Journal::default();
        let mut actor = noting(&journal).at("/a");
        (actor.restart.attempts, actor.restart.backoff) = (1, PAUSE);
        let kernel = start(vec![actor]).await;
        tell(&kernel, "/a", "trap").await;
        while state_of(&kernel, "/a").await != State::BackingOff {
            tokio::task::yield_now().await;
        }
        for body in waiting {
            tell(&kernel, "/a", body).await;
        }
        kernel.shut_down();
        assert!(matches!(kernel.wait_stopped().await, Stage::Stopped));
        assert_eq!(journal.lines(), expected);
        assert_eq!(letters(&kernel), ["crashed trap x1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn child_stopped_in_backoff_drains() {
    let (journal, noted) = (Journal::default(), Journal::default());
    let boss = spawns(scripted(&journal).at("/boss"), &["worker"]);
    let mut plan = plan(vec![boss]);
    let pausing = |spec: &mut playhouse_kernel::ActorSpec| spec.restart.backoff = PAUSE;
    plan.plugins.insert("worker".into(), Arc::new(Kind(noting(&noted).named("worker"), pausing, false)));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w worker;tell w trap").await;
    while kernel.actors().await.iter().all(|actor| actor.state != State::BackingOff) {
        tokio::task::yield_now().await;
    }
    tell(&kernel, "/boss/w", "last").await;
    tell(&kernel, "/boss", "stop w").await;
    kernel.wait_idle().await;
    assert_eq!(noted.count("last"), 1, "{:?}", noted.lines());
    assert!(kernel.actors().await.iter().all(|actor| actor.address != addr("/boss/w")));
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_the_pause_before_a_retry() {
    let journal = Journal::default();
    let handled = journal.clone();
    let mut actor = quick(move |turn| {
        let attempt = turn.envelope().unwrap().attempt;
        handled.note(format!("{} {attempt}", text(turn)));
        Ok(if attempt == 0 { Outcome::Failed(Failure::Retry("later".into())) } else { Outcome::Done(None) })
    })
    .at("/a");
    actor.restart.backoff = PAUSE;
    let kernel = start(vec![actor]).await;
    tell(&kernel, "/a", "x").await;
    while journal.lines().is_empty() {
        tokio::task::yield_now().await;
    }
    let began = tokio::time::Instant::now();
    kernel.shut_down();
    assert!(matches!(kernel.wait_stopped().await, Stage::Stopped));
    assert_eq!((journal.lines(), began.elapsed()), (vec!["x 0".to_owned(), "x 1".to_owned()], Duration::ZERO));
    assert!(letters(&kernel).is_empty());
}
