//! One message for many: children, or all below an actor.

use std::sync::Arc;

use playhouse_kernel::{ActorSpec, Plan, Template};

use crate::stage::*;

/// `/a` with the children `b` and `c` of the manifest, `/a/b/d` below, and `/e` beside it; `/a` may spawn workers.
fn family(journal: &Journal) -> Plan {
    let mut top = spawns(scripted(journal).at("/a"), &["worker"]);
    top.sends_to = vec![addr("/e")];
    let below = ["/a/b", "/a/b/d", "/a/c", "/e"].map(|at| scripted(journal).at(at));
    let worker: Arc<dyn Template> = Arc::new(Kind(scripted(journal).named("worker"), |_| {}, false));
    let actors: Vec<ActorSpec> = [top].into_iter().chain(below).collect();
    Plan { plugins: [("worker".to_owned(), worker)].into(), ..plan(actors) }
}

async fn after(script: &str) -> Vec<String> {
    let journal = Journal::default();
    let kernel = start_plan(&family(&journal)).await;
    tell(&kernel, "/a", script).await;
    kernel.idle().await;
    let mut lines = journal.lines();
    // All but the sender's own word are from actors that run side by side.
    lines.sort();
    assert!(letters(&kernel).is_empty(), "{:?}", letters(&kernel));
    lines
}

#[tokio::test(start_paused = true)]
async fn children_are_told_and_nobody_below_them() {
    assert_eq!(after("tell-all * note x").await, ["a:told 2", "b:x", "c:x"]);
}

#[tokio::test(start_paused = true)]
async fn all_below_are_told_by_relative_and_by_absolute_address() {
    assert_eq!(after("tell-all ** note x").await, ["a:told 3", "b:x", "c:x", "d:x"]);
    assert_eq!(after("tell-all b/** note x").await, ["a:told 1", "d:x"]);
    assert_eq!(after("tell-all /a/** note x").await, ["a:told 3", "b:x", "c:x", "d:x"]);
    assert_eq!(after("tell-all c/* note x").await, ["a:told 0"]);
}

#[tokio::test(start_paused = true)]
async fn everybody_but_the_sender_is_told() {
    assert_eq!(after("tell-all /** note x").await, ["a:told 4", "b:x", "c:x", "d:x", "e:x"]);
    assert_eq!(after("tell-all /* note x").await, ["a:told 1", "e:x"]);
}

#[tokio::test(start_paused = true)]
async fn children_of_the_same_message_are_told_and_those_that_it_stops_are_not() {
    assert_eq!(after("spawn w worker;tell-all * note x").await, ["a:told 3", "b:x", "c:x", "w:x"]);
    let journal = Journal::default();
    let kernel = start_plan(&family(&journal)).await;
    tell(&kernel, "/a", "spawn w worker").await;
    tell(&kernel, "/a", "tell-all * note 1;stop w;tell-all * note 2").await;
    kernel.idle().await;
    assert_eq!((journal.count("w:1"), journal.count("w:2"), journal.count("c:2")), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_of_a_failed_message_reaches_nobody() {
    let journal = Journal::default();
    let kernel = start_plan(&family(&journal)).await;
    tell(&kernel, "/a", "tell-all ** note x;fail").await;
    tell(&kernel, "/a", "tell-all * note y;tell /e note z").await;
    kernel.idle().await;
    assert_eq!((journal.count("d:x"), journal.count("b:y"), journal.count("e:z")), (0, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_grant_for_all_below_an_actor_is_one_for_a_broadcast_there() {
    let journal = Journal::default();
    let mut plan = family(&journal);
    plan.actors.last_mut().expect("/e").sends_below = vec![addr("/a")];
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/e", "tell-all /a/** note x").await;
    kernel.idle().await;
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["b:x", "c:x", "d:x", "e:told 3"]);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_send_to_one_of_them_sends_to_none() {
    let journal = Journal::default();
    let kernel = start_plan(&family(&journal)).await;
    tell(&kernel, "/e", "tell-all /a/** note x").await;
    tell(&kernel, "/e", "tell-all /nobody/** note x").await;
    tell(&kernel, "/e", "tell-all /a note x").await;
    kernel.idle().await;
    let refused = "e:`/e` may not send to `/a/b`: add it to `sends_to` of `/e`";
    let nobody = "e:no actor has the address `/nobody`";
    let no_group =
        "e:`/a` names no group of actors: it must end with `/*` (children) or `/**` (all below), as in `/shop/**`";
    assert_eq!(journal.lines(), [refused, nobody, no_group]);
}
