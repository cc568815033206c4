//! A periodic timer has at most one waiting message, whatever keeps its receiver from handling it.

use std::time::Duration;

use playhouse_kernel::{ActorSpec, Kernel, Outcome, PolicyState, StartKind};

use crate::policies::sorting::sorting;
use crate::stage::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

async fn waiting(kernel: &Kernel, address: &str) -> usize {
    let actors = kernel.actors().await;
    actors.iter().find(|actor| actor.address == addr(address)).expect("it is there").mailbox.waiting
}

/// `/a` sets a timer for `receiver`, which is `/b`.
async fn told_every(ms: u64, journal: &Journal, receiver: ActorSpec) -> Kernel {
    let kernel = start(vec![receiver, sends_to(scripted(journal).at("/a"), &["/b"])]).await;
    tell(&kernel, "/a", &format!("every {ms} /b tick")).await;
    kernel.wait_idle().await;
    kernel
}

#[tokio::test(start_paused = true)]
async fn busy_actor_gets_one_of_its_missed_ticks() {
    let journal = Journal::default();
    let kernel = start(vec![scripted(&journal).at("/a")]).await;
    tell(&kernel, "/a", "every 10 /a note tick").await;
    tell(&kernel, "/a", "wait 4005;note done").await;
    tokio::time::sleep(MS(4008)).await;
    assert_eq!(journal.lines(), ["a:done", "a:tick"]);
    tokio::time::sleep(MS(20)).await;
    assert_eq!(journal.count("a:tick"), 3, "it continues in step");
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn handler_slower_than_its_period_fills_no_mailbox() {
    let journal = Journal::default();
    let kernel = start(vec![scripted(&journal).at("/a")]).await;
    tell(&kernel, "/a", "every 1 /a wait 3").await;
    for _ in 0..1000 {
        tokio::time::sleep(MS(5)).await;
        assert!(waiting(&kernel, "/a").await <= 1);
    }
    tell(&kernel, "/a", "note hi").await;
    tokio::time::sleep(MS(10)).await;
    assert_eq!(journal.lines(), ["a:hi"]);
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_tick_waits_for_an_actor_that_is_stopped() {
    for policed in [false, true] {
        let journal = Journal::default();
        let mut stopped = recorder(&journal).at("/b");
        stopped.start = StartKind::Manual;
        let stopped = if policed { sorting().in_front_of(stopped) } else { stopped };
        let kernel = told_every(10, &journal, stopped).await;
        tell(&kernel, "/b", "x").await;
        tokio::time::sleep(MS(1005)).await;
        assert_eq!(waiting(&kernel, "/b").await, 2, "a message, and the first tick");
        kernel.resume(&addr("/b")).await;
        tokio::time::sleep(MS(30)).await;
        assert_eq!((journal.count("b:x"), journal.count("b:tick")), (1, 4));
        assert!(letters(&kernel).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn one_tick_waits_when_a_policy_is_given_up() {
    let journal = Journal::default();
    let hangs = sorting().fault(|_, call, _| Ok(call == "put"));
    let mut slow = hangs.in_front_of(quick(|_| Ok(Outcome::Done(None))).at("/b"));
    slow.start = StartKind::Manual;
    let kernel = told_every(10, &journal, slow).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let actors = kernel.actors().await;
    let policy = actors.iter().find_map(|actor| actor.mailbox.policy.as_ref()).expect("it has one");
    assert_eq!(policy.state, PolicyState::GaveUp);
    assert_eq!(waiting(&kernel, "/b").await, 1);
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_tick_waits_for_several_instances() {
    let journal = Journal::default();
    let mut several = scripted(&journal).at("/b");
    several.instances = 3;
    let kernel = start(vec![several, sends_to(scripted(&journal).at("/a"), &["/b"])]).await;
    tell(&kernel, "/a", "every 1 /b wait 50").await;
    for _ in 0..500 {
        tokio::time::sleep(MS(1)).await;
        assert!(waiting(&kernel, "/b").await <= 1);
    }
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_tick_waits_while_its_receiver_fails_at_another() {
    for failure in ["retry", "trap"] {
        let journal = Journal::default();
        let kernel = start(vec![scripted(&journal).at("/b"), sends_to(scripted(&journal).at("/a"), &["/b"])]).await;
        tell(&kernel, "/a", &format!("every 1 /b wait 5;{failure}")).await;
        tell(&kernel, "/a", &format!("every 1 /b {failure}")).await;
        for _ in 0..200 {
            tokio::time::sleep(MS(1)).await;
            assert!(waiting(&kernel, "/b").await <= 2, "one of each timer");
        }
        kernel.kill();
    }
}

#[tokio::test(start_paused = true)]
async fn tick_follows_a_tick_that_was_displaced() {
    let journal = Journal::default();
    let mut stopped = recorder(&journal).at("/b");
    stopped.start = StartKind::Manual;
    stopped.mailbox.capacity = 1;
    stopped.mailbox.overflow = playhouse_kernel::Overflow::DropOldest;
    let kernel = told_every(10, &journal, stopped).await;
    tokio::time::sleep(MS(25)).await;
    tell(&kernel, "/b", "x").await;
    assert_eq!(letters(&kernel), ["overflow tick x0"]);
    tokio::time::sleep(MS(100)).await;
    assert_eq!(letters(&kernel), ["overflow tick x0", "overflow x x0"]);
}
