//! Grants to send to all descendants of an address, present and future.

use std::sync::Arc;

use crate::stage::*;

fn sends_below(mut spec: playhouse_kernel::ActorSpec, tops: &[&str]) -> playhouse_kernel::ActorSpec {
    spec.grants.sends_below = tops.iter().map(|top| addr(top)).collect();
    spec
}

#[tokio::test(start_paused = true)]
async fn grant_below_an_address_excludes_the_address() {
    let journal = Journal::default();
    let team = spawns(scripted(&journal).named("team").at("/team"), &["worker"]);
    let asker = sends_below(scripted(&journal).at("/a"), &["/team"]);
    let mut plan = plan(vec![team, recorder(&journal).at("/team/old"), recorder(&journal).at("/teams"), asker]);
    plan.plugins.insert("worker".into(), Arc::new(Kind(scripted(&journal).named("worker"), |_| {}, false)));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/a", "tell /team/new note early").await;
    kernel.wait_idle().await;
    tell(&kernel, "/team", "spawn new worker").await;
    kernel.wait_idle().await;
    for to in ["/team/old", "/team/new", "/team", "/teams"] {
        tell(&kernel, "/a", &format!("tell {to} note hello")).await;
        kernel.wait_idle().await;
    }
    assert_eq!(
        journal.lines(),
        [
            "a:no actor has the address `/team/new`",
            "old:note hello",
            "new:hello",
            "a:`/a` may not send to `/team`: add it to `sends_to` of `/a`",
            "a:`/a` may not send to `/teams`: add it to `sends_to` of `/a`",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn route_into_a_subtree_follows_its_address() {
    let journal = Journal::default();
    let team = spawns(scripted(&journal).named("team").at("/team"), &["worker"]);
    let mut plan = plan(vec![team, sends_below(scripted(&journal).at("/a"), &["/team"])]);
    plan.plugins.insert("worker".into(), Arc::new(Kind(scripted(&journal).named("worker"), |_| {}, false)));
    let kernel = start_plan(&plan).await;
    for round in 1..=3 {
        tell(&kernel, "/team", "spawn new worker").await;
        kernel.wait_idle().await;
        tell(&kernel, "/a", &format!("tell /team/new note {round}")).await;
        kernel.wait_idle().await;
        tell(&kernel, "/team", "stop new").await;
        kernel.wait_idle().await;
        while kernel.actors().await.len() > 2 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(journal.lines(), ["new:1", "new:2", "new:3"]);
}

/// The reach of a worker below `/boss`: its own grants are `/**`, and its parent may send to `/one` and below `/shop`.
#[tokio::test(start_paused = true)]
async fn child_gets_a_subtree_grant_within_its_parents() {
    let journal = Journal::default();
    let mut boss = spawns(scripted(&journal).named("boss").at("/boss"), &["worker"]);
    boss.grants.sends_to = vec![addr("/one")];
    boss.grants.sends_below = vec![addr("/shop")];
    let others = ["/one", "/other", "/shop", "/shop/till"].map(|at| recorder(&journal).at(at));
    let mut plan = plan(others.into_iter().chain([boss]).collect());
    let worker = Kind(scripted(&journal).named("worker"), |spec| spec.grants.sends_below = vec![addr("/")], false);
    plan.plugins.insert("worker".into(), Arc::new(worker));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w worker;spawn peer worker").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss/w", "tell /one 1;tell /shop/till 2;tell /boss note 3;tell /boss/peer note 4").await;
    tell(&kernel, "/boss/w", "tell /other 5;tell /shop 6").await;
    kernel.wait_idle().await;
    let mut lines = journal.lines();
    lines.sort();
    let refused = |to| format!("w:`/boss/w` may not send to `{to}`: add it to `sends_to` of `/boss/w`");
    assert_eq!(lines, ["boss:3", "one:1", "peer:4", "till:2", &refused("/other"), &refused("/shop")]);
}

#[tokio::test(start_paused = true)]
async fn narrower_subtree_grant_stays_and_others_are_removed() {
    let journal = Journal::default();
    let boss = sends_below(spawns(scripted(&journal).named("boss").at("/boss"), &["worker"]), &["/shop"]);
    let others = ["/shop", "/shop/till", "/shop/till/drawer", "/shop/door", "/bank", "/bank/safe"];
    let mut plan = plan(others.map(|at| recorder(&journal).at(at)).into_iter().chain([boss]).collect());
    let worker = Kind(
        scripted(&journal).named("worker"),
        |spec| spec.grants.sends_below = vec![addr("/shop/till"), addr("/bank")],
        false,
    );
    plan.plugins.insert("worker".into(), Arc::new(worker));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w worker").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss/w", "tell /shop/till/drawer 1;tell /shop/door 2;tell /bank/safe 3").await;
    kernel.wait_idle().await;
    let mut lines = journal.lines();
    lines.sort();
    let refused = |to| format!("w:`/boss/w` may not send to `{to}`: add it to `sends_to` of `/boss/w`");
    assert_eq!(lines, ["drawer:1", &refused("/bank/safe"), &refused("/shop/door")]);
}
