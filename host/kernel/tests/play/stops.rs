use std::time::Duration;

use playhouse_kernel::{Kernel, Outcome, PlanError, Stage, State};

use crate::stage::*;

#[tokio::test(start_paused = true)]
async fn shutdown_drains_actors_in_reverse_order() {
    let journal = Journal::default();
    let log = journal.clone();
    let source = quick(|turn| {
        let body = turn.body().to_vec();
        turn.tell("/sink", &body).expect("granted");
        Ok(Outcome::Done(None))
    })
    .on_shutdown(move |turn| {
        log.note("source stops");
        turn.tell("/sink", b"last words").expect("granted");
        Ok(())
    });
    let log = journal.clone();
    let sink = recorder(&journal).on_shutdown(move |_| {
        log.note("sink stops");
        Ok(())
    });
    let kernel = start(vec![sink.at("/sink"), sends_to(source.at("/source"), &["/sink"])]).await;
    for n in 0..10 {
        tell(&kernel, "/source", &n.to_string()).await;
    }
    kernel.shut_down();
    assert!(matches!(kernel.wait_stopped().await, Stage::Stopped));
    let lines = journal.lines();
    assert_eq!(lines.iter().filter(|l| l.starts_with("sink:")).count(), 11);
    assert_eq!(lines[lines.len() - 2..], ["sink:last words", "sink stops"]);
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_crash_during_the_shutdown_costs_only_the_poison_message() {
    let journal = Journal::default();
    let log = journal.clone();
    let fragile = native(move |turn| {
        let body = text(turn);
        let log = log.clone();
        Box::pin(async move {
            // The work is slow, so that the shutdown finds all messages waiting.
            tokio::time::sleep(Duration::from_millis(10)).await;
            if body == "poison" {
                return Err(trap());
            }
            log.note(body);
            Ok(Outcome::Done(None))
        })
    });
    let kernel = start(vec![fragile.at("/a")]).await;
    for body in ["1", "poison", "2", "3"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.shut_down();
    assert!(matches!(kernel.wait_stopped().await, Stage::Stopped));
    assert_eq!(journal.lines(), ["1", "2", "3"]);
    assert_eq!(letters(&kernel), ["crashed poison x3"]);
}

#[tokio::test(start_paused = true)]
async fn late_actor_is_killed_and_makes_dead_letters() {
    let stubborn = native(|_| {
        Box::pin(async {
            std::future::pending::<()>().await;
            Ok(Outcome::Done(None))
        })
    });
    let mut spec = stubborn.at("/a");
    spec.limits.timeout = Duration::from_hours(1);
    let kernel = start(vec![spec]).await;
    tell(&kernel, "/a", "1").await;
    tell(&kernel, "/a", "2").await;
    let began = tokio::time::Instant::now();
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(letters(&kernel), ["stopped 1 x1", "stopped 2 x0"], "it handled the first one");
    assert_eq!(kernel.failed_shutdowns(), 1, "its hook never ran");
}

#[tokio::test(start_paused = true)]
async fn kill_ends_everything_at_once() {
    let stubborn = native(|_| Box::pin(std::future::pending()));
    let kernel = start(vec![stubborn.at("/a"), quick(|_| Ok(Outcome::Done(None))).at("/b")]).await;
    tell(&kernel, "/a", "1").await;
    let began = tokio::time::Instant::now();
    kernel.kill();
    kernel.wait_stopped().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn only_an_operator_starts_a_stopped_actor() {
    let journal = Journal::default();
    let parent = quick(|_| Err(trap()));
    let kernel = start(vec![parent.at("/p"), recorder(&journal).at("/p/c")]).await;
    assert_eq!(kernel.halt(&addr("/p/c")).await, Some(State::Idle));
    tell(&kernel, "/p/c", "x").await;
    tell(&kernel, "/p", "crash").await;
    while kernel.actors().await[0].restarts < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(state_of(&kernel, "/p/c").await, State::Stopped, "a restart of the parent does not start it");
    assert!(journal.lines().is_empty());
    kernel.resume(&addr("/p/c")).await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["c:x"]);
}

#[tokio::test(start_paused = true)]
async fn operators_stop_is_no_crash() {
    let kernel = start(vec![quick(|_| Ok(Outcome::Done(None))).at("/a")]).await;
    for _ in 0..50 {
        kernel.halt(&addr("/a")).await;
        kernel.resume(&addr("/a")).await;
    }
    while state_of(&kernel, "/a").await != State::Idle {
        tokio::task::yield_now().await;
    }
    assert_eq!(kernel.actors().await[0].restarts, 0);
    assert!(matches!(kernel.stage(), Stage::Running));
}

#[tokio::test(start_paused = true)]
async fn manual_actor_waits_for_an_operator() {
    let journal = Journal::default();
    let mut spec = recorder(&journal).at("/a");
    spec.start = playhouse_kernel::StartKind::Manual;
    let kernel = start(vec![spec]).await;
    tell(&kernel, "/a", "x").await;
    tokio::time::sleep(SOON).await;
    assert!(journal.lines().is_empty());
    assert_eq!(kernel.resume(&addr("/a")).await, Some(State::Stopped));
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["a:x"]);
}

#[tokio::test(start_paused = true)]
async fn bad_plans_are_refused() {
    let actor = |address: &str| quick(|_| Ok(Outcome::Done(None))).at(address);
    let refusal = |actors| Kernel::start(&plan(actors)).err();
    assert_eq!(refusal(vec![actor("/")]), Some(PlanError::Root));
    assert_eq!(refusal(vec![actor("/a"), actor("/a")]), Some(PlanError::Doubled(addr("/a"))));
    assert_eq!(refusal(vec![actor("/a/b"), actor("/a")]), Some(PlanError::Orphan(addr("/a/b"), addr("/a"))));
    let mut zero = actor("/a");
    zero.batch = 0;
    assert_eq!(refusal(vec![zero]), Some(PlanError::Zero(addr("/a"), "batch")));
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_an_actor_in_backoff() {
    let journal = Journal::default();
    let log = journal.clone();
    let fragile = quick(move |turn| {
        if text(turn) == "poison" {
            return Err(trap());
        }
        log.note(text(turn));
        Ok(Outcome::Done(None))
    });
    let mut spec = fragile.at("/a");
    spec.restart.attempts = 1;
    spec.restart.backoff.initial = Duration::from_mins(1);
    spec.restart.backoff.max = Duration::from_mins(1);
    let kernel = start(vec![spec]).await;
    tell(&kernel, "/a", "poison").await;
    while state_of(&kernel, "/a").await != State::BackingOff {
        tokio::task::yield_now().await;
    }
    tell(&kernel, "/a", "1").await;
    kernel.shut_down();
    assert!(matches!(kernel.wait_stopped().await, Stage::Stopped));
    assert_eq!(journal.lines(), ["1"]);
    assert_eq!(letters(&kernel), ["crashed poison x1"]);
}

#[tokio::test(start_paused = true)]
async fn consumer_that_crashes_in_a_shutdown_still_drains() {
    let journal = Journal::default();
    let log = journal.clone();
    let sink = quick(move |turn| {
        if text(turn) == "poison" {
            return Err(trap());
        }
        log.note(text(turn));
        Ok(Outcome::Done(None))
    });
    let source = native(|turn| {
        Box::pin(async {
            turn.tell("/sink", b"poison").expect("granted");
            Ok(Outcome::Done(None))
        })
    })
    .on_shutdown(|turn| {
        turn.tell("/sink", b"last words").expect("granted");
        Ok(())
    });
    let kernel = start(vec![sink.at("/sink"), sends_to(source.at("/source"), &["/sink"])]).await;
    tell(&kernel, "/source", "go").await;
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(journal.lines(), ["last words"]);
    assert_eq!(letters(&kernel), ["crashed poison x3"]);
}

#[tokio::test(start_paused = true)]
async fn kill_does_not_wait_for_a_full_mailbox() {
    let mut full = quick(|_| Ok(Outcome::Done(None))).at("/full");
    full.start = playhouse_kernel::StartKind::Manual;
    full.mailbox.capacity = 1;
    full.mailbox.block_timeout = Duration::from_hours(24);
    let source = quick(|turn| {
        for _ in 0..3 {
            turn.tell("/full", b"x").expect("granted");
        }
        Ok(Outcome::Done(None))
    });
    let kernel = start(vec![full, sends_to(source.at("/source"), &["/full"])]).await;
    tell(&kernel, "/source", "go").await;
    let began = tokio::time::Instant::now();
    kernel.halt(&addr("/source")).await;
    while state_of(&kernel, "/source").await != State::Stopped {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(began.elapsed().as_secs(), 5, "the time it has to stop");
    assert_eq!(letters(&kernel), ["mailbox-full x x0", "mailbox-full x x0"]);
}

#[tokio::test(start_paused = true)]
async fn a_play_whose_last_busy_actor_is_stopped_becomes_idle() {
    let sleeper = native(|_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(Outcome::Done(None))
        })
    });
    let kernel = start(vec![sleeper.at("/a")]).await;
    tell(&kernel, "/a", "x").await;
    tokio::task::yield_now().await;
    kernel.halt(&addr("/a")).await;
    tokio::time::timeout(SOON * 10, kernel.wait_idle()).await.expect("no message waits, none is handled");
}

#[tokio::test(start_paused = true)]
async fn stop_and_start_during_the_boot_leaves_no_actor_down() {
    let kernel = Kernel::start(&plan(vec![
        quick(|_| Ok(Outcome::Done(None))).at("/a"),
        native(|_| Box::pin(std::future::pending())).at("/b"),
    ]))
    .expect("a good plan");
    kernel.halt(&addr("/a")).await;
    kernel.resume(&addr("/a")).await;
    kernel.wait_booted().await;
    while state_of(&kernel, "/a").await != State::Idle {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn last_sends_of_a_killed_actor_become_dead_letters() {
    let mut full = quick(|_| Ok(Outcome::Done(None))).at("/full");
    full.start = playhouse_kernel::StartKind::Manual;
    full.mailbox.capacity = 1;
    let source = quick(|_| Ok(Outcome::Done(None))).on_shutdown(|turn| {
        turn.tell("/full", b"last words").expect("granted");
        Ok(())
    });
    let kernel = start(vec![full, sends_to(source.at("/source"), &["/full"])]).await;
    tell(&kernel, "/full", "first").await;
    kernel.halt(&addr("/source")).await;
    while state_of(&kernel, "/source").await != State::Stopped {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(letters(&kernel), ["mailbox-full last words x0"]);
}
