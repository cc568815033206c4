//! One message for many receivers: children, or all descendants of an actor.

use std::sync::Arc;

use playhouse_kernel::{ActorSpec, Plan, Template};

use crate::stage::*;

/// `/a` with the children `b` and `c` of the manifest, `/a/b/d` below, and `/e` beside it; `/a` may spawn workers.
fn family(journal: &Journal) -> Plan {
    let mut top = spawns(scripted(journal).at("/a"), &["worker"]);
    top.grants.sends_to = vec![addr("/e")];
    let below = ["/a/b", "/a/b/d", "/a/c", "/e"].map(|at| scripted(journal).at(at));
    let worker: Arc<dyn Template> = Arc::new(Kind(scripted(journal).named("worker"), |_| {}, false));
    let actors: Vec<ActorSpec> = [top].into_iter().chain(below).collect();
    Plan { plugins: [("worker".to_owned(), worker)].into(), ..plan(actors) }
}

async fn after(script: &str) -> Vec<String> {
    let journal = Journal::default();
    let kernel = start_plan(&family(&journal)).await;
    tell(&kernel, "/a", script).await;
    kernel.wait_idle().await;
    let mut lines = journal.lines();
    // The actors run side by side, except that the sender's own message comes in order.
    lines.sort();
    assert!(letters(&kernel).is_empty(), "{:?}", letters(&kernel));
    lines
}

#[tokio::test(start_paused = true)]
async fn broadcast_to_children_skips_their_descendants() {
    assert_eq!(after("tell-all * note x").await, ["a:told 2", "b:x", "c:x"]);
}

#[tokio::test(start_paused = true)]
async fn broadcast_takes_relative_and_absolute_addresses() {
    assert_eq!(after("tell-all ** note x").await, ["a:told 3", "b:x", "c:x", "d:x"]);
    assert_eq!(after("tell-all b/** note x").await, ["a:told 1", "d:x"]);
    assert_eq!(after("tell-all /a/** note x").await, ["a:told 3", "b:x", "c:x", "d:x"]);
    assert_eq!(after("tell-all c/* note x").await, ["a:told 0"]);
}

#[tokio::test(start_paused = true)]
async fn broadcast_reaches_all_but_its_sender() {
    assert_eq!(after("tell-all /** note x").await, ["a:told 4", "b:x", "c:x", "d:x", "e:x"]);
    assert_eq!(after("tell-all /* note x").await, ["a:told 1", "e:x"]);
}

#[tokio::test(start_paused = true)]
async fn broadcast_reaches_new_children_and_no_stopped_ones() {
    assert_eq!(after("spawn w worker;tell-all * note x").await, ["a:told 3", "b:x", "c:x", "w:x"]);
    let journal = Journal::default();
    let kernel = start_plan(&family(&journal)).await;
    tell(&kernel, "/a", "spawn w worker").await;
    tell(&kernel, "/a", "tell-all * note 1;stop w;tell-all * note 2").await;
    kernel.wait_idle().await;
    assert_eq!((journal.count("w:1"), journal.count("w:2"), journal.count("c:2")), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn failed_message_drops_its_broadcast() {
    let journal = Journal::default();
    let kernel = start_plan(&family(&journal)).await;
    tell(&kernel, "/a", "tell-all ** note x;fail").await;
    tell(&kernel, "/a", "tell-all * note y;tell /e note z").await;
    kernel.wait_idle().await;
    assert_eq!((journal.count("d:x"), journal.count("b:y"), journal.count("e:z")), (0, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_grant_for_all_below_an_actor_is_one_for_a_broadcast_there() {
    let journal = Journal::default();
    let mut plan = family(&journal);
    plan.actors.last_mut().expect("/e").grants.sends_below = vec![addr("/a")];
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/e", "tell-all /a/** note x").await;
    kernel.wait_idle().await;
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["b:x", "c:x", "d:x", "e:told 3"]);
}

#[tokio::test(start_paused = true)]
async fn broadcast_needs_a_grant_for_each_member() {
    let journal = Journal::default();
    let kernel = start_plan(&family(&journal)).await;
    tell(&kernel, "/e", "tell-all /a/** note x").await;
    tell(&kernel, "/e", "tell-all /nobody/** note x").await;
    tell(&kernel, "/e", "tell-all /a note x").await;
    kernel.wait_idle().await;
    let refused = "e:`/e` may not send to `/a/b`: add it to `sends_to` of `/e`";
    let nobody = "e:no actor has the address `/nobody`";
    let no_group =
        "e:`/a` names no group of actors: it must end with `/*` (children) or `/**` (all below), as in `/shop/**`";
    assert_eq!(journal.lines(), [refused, nobody, no_group]);
}
