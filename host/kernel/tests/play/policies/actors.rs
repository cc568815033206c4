//! Actors behind a policy work like others: asks, retries, crashes, children, the shutdown.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use playhouse_kernel::{ActorSpec, Failure, Outcome, PolicySpec, SendError, StartKind};

use super::sorting::{closed_shop, handled, open, sorting, tell_all};
use crate::stage::*;

#[tokio::test(start_paused = true)]
async fn policy_changes_no_ask_retry_or_crash() {
    let journal = Journal::default();
    let moody = {
        let journal = journal.clone();
        quick(move |turn| {
            let (body, first) = (text(turn), turn.envelope().expect("there is a current message").attempt == 0);
            journal.note(body.clone());
            match &*body {
                "retry" if first => Ok(Outcome::Failed(Failure::Retry("once".into()))),
                "trap" if first => Err(trap()),
                "question" => Ok(Outcome::Done(Some(b"answer".to_vec()))),
                _ => Ok(Outcome::Done(None)),
            }
        })
    };
    let kernel = start(vec![sorting().in_front_of(moody.at("/shop"))]).await;
    tell_all(&kernel, &["retry", "trap", "plain"]).await;
    assert_eq!(ask(&kernel, "/shop", "question").await, Ok("answer".into()));
    kernel.wait_idle().await;
    for (body, times) in [("retry", 2), ("trap", 2), ("plain", 1), ("question", 1)] {
        assert_eq!(journal.count(body), times, "{body}");
    }
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_is_passed_over_until_its_deadline_expires() {
    let journal = Journal::default();
    let kernel = start(vec![closed_shop(&journal, sorting())]).await;
    assert_eq!(
        ask(&kernel, "/shop", "z").await,
        Err("no reply in time: an operator stopped `/shop`, and only an operator starts it".into())
    );
    open(&kernel).await;
    assert_eq!((handled(&journal), letters(&kernel)), (String::new(), vec!["expired z x0".into()]));
}

#[tokio::test(start_paused = true)]
async fn a_spawned_actor_has_the_policy_of_its_kind() {
    let journal = Journal::default();
    let boss = spawns(scripted(&journal).at("/boss"), &["sorted"]);
    let mut plan = plan(vec![boss]);
    let policed = |spec: &mut ActorSpec| {
        spec.policy = Some(Box::new(PolicySpec::new(Arc::new(sorting()))));
    };
    plan.plugins.insert("sorted".into(), Arc::new(Kind(recorder(&journal).named("sorted"), policed, false)));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w sorted;tell w c;tell w a;tell w b").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["w:a", "w:b", "w:c"]);
    tell(&kernel, "/boss", "stop w").await;
    kernel.wait_idle().await;
    tokio::time::sleep(SOON).await;
    assert_eq!(kernel.actors().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_is_revived_has_its_policy_again() {
    let journal = Journal::default();
    let boss = quick(|turn| match &*text(turn) {
        "trap" => Err(trap()),
        _ => Ok(Outcome::Done(None)),
    });
    let mut boss = boss.at("/boss");
    boss.restart.attempts = 1;
    let mut child = sorting().in_front_of(recorder(&journal).at("/boss/shop"));
    child.restart.kind = playhouse_kernel::RestartKind::Temporary;
    let policy = sorting();
    let runs = policy.runs.clone();
    child.policy = Some(Box::new(PolicySpec::new(Arc::new(policy))));
    let kernel = start(vec![boss, child]).await;
    tell(&kernel, "/boss/shop", "b").await;
    tell(&kernel, "/boss/shop", "a").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss", "trap").await;
    kernel.wait_idle().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    tell(&kernel, "/boss/shop", "d").await;
    tell(&kernel, "/boss/shop", "c").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["shop:a", "shop:b", "shop:c", "shop:d"]);
    assert!(runs.load(Ordering::Relaxed) >= 1);
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_messages_that_a_policy_holds() {
    for instances in [1, 3] {
        let journal = Journal::default();
        let mut spec = sorting().in_front_of(recorder(&journal).at("/shop"));
        (spec.instances, spec.start) = (instances, StartKind::Auto);
        let kernel = start(vec![spec]).await;
        for n in 0..100 {
            tell(&kernel, "/shop", &format!("{n}")).await;
        }
        kernel.shut_down();
        kernel.wait_stopped().await;
        assert_eq!((journal.lines().len(), letters(&kernel).len()), (100, 0));
        assert_eq!(kernel.tell(&addr("/shop"), b"x", SOON).await, Err(SendError::Stopped(addr("/shop"))));
    }
    let journal = Journal::default();
    let kernel = start(vec![closed_shop(&journal, sorting())]).await;
    tell_all(&kernel, &["b", "a"]).await;
    tell(&kernel, "/shop", "fresh").await;
    kernel.kill();
    kernel.wait_stopped().await;
    let mut letters = letters(&kernel);
    letters.sort();
    assert_eq!(letters, ["stopped a x0", "stopped b x0", "stopped fresh x0"]);
}
