//! Bounds on the number of instances and the number of actors: of the whole play, and of an actor and its descendants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Kernel, MaxInstances, Plan, PolicySpec, PolicyState, Reserve, StartKind, State, SubtreeSpec, Template,
};
use tokio::time::sleep;

use crate::policies::sorting::sorting;
use crate::stage::*;

const MINUTE: Duration = Duration::from_mins(1);

fn idle_stop(spec: &mut ActorSpec) {
    spec.idle_stop = Some(MINUTE);
}

fn limited(mut spec: ActorSpec, actors: Option<usize>, instances: Option<usize>) -> ActorSpec {
    spec.limits.subtree = Some(Box::new(SubtreeSpec { actors, instances }));
    spec
}

fn with_kinds<const N: usize>(mut plan: Plan, kinds: [(&str, Kind); N]) -> Plan {
    for (name, kind) in kinds {
        plan.plugins.insert(name.to_owned(), Arc::new(kind) as Arc<dyn Template>);
    }
    plan
}

fn bounded(most: usize, plan: Plan) -> Plan {
    Plan { max_instances: Some(MaxInstances { most, key: "`play.max_instances`".into() }), ..plan }
}

/// The use of its limits by the actor at an address, as `key used/most`.
async fn usage(kernel: &Kernel, address: &str) -> Vec<String> {
    let actor = kernel.actors().await.into_iter().find(|actor| actor.address.as_str() == address).expect("known");
    actor.subtree.iter().map(|usage| format!("{} {}/{}", usage.key, usage.used, usage.most)).collect()
}

async fn count_in(kernel: &Kernel, state: State) -> usize {
    kernel.actors().await.iter().filter(|actor| actor.dynamic && actor.state == state).count()
}

/// `/boss` spawns `worker`s. A message may give them another spec.
fn boss(journal: &Journal, change: fn(&mut ActorSpec)) -> (ActorSpec, [(&'static str, Kind); 1]) {
    let boss = spawns(scripted(journal).named("boss").at("/boss"), &["worker"]);
    (boss, [("worker", Kind(recorder(journal).named("worker"), change, false))])
}

#[tokio::test(start_paused = true)]
async fn spawned_actors_take_no_instance_of_planned_ones() {
    let journal = Journal::default();
    let (boss, kinds) = boss(&journal, |_| {});
    let mut rare = recorder(&journal).at("/rare");
    idle_stop(&mut rare);
    rare.start = StartKind::OnMessage;
    let kernel = start_plan(&bounded(4, with_kinds(plan(vec![boss, rare]), kinds))).await;
    tell(&kernel, "/boss", "spawn 1 worker;spawn 2 worker;spawn 3 worker;spawn 4 worker").await;
    sleep(SOON).await;
    assert_eq!((count_in(&kernel, State::Idle).await, count_in(&kernel, State::Starting).await), (2, 2));
    tell(&kernel, "/rare", "x").await;
    sleep(SOON).await;
    assert_eq!(journal.lines(), ["rare:x"]);
}

#[tokio::test(start_paused = true)]
async fn reserved_slots_are_for_grandchildren_alone() {
    let journal = Journal::default();
    let (boss, [worker]) = boss(&journal, |_| {});
    let gate = spawns(scripted(&journal).named("gate").at("/gate"), &["connection"]);
    let connection = scripted(&journal).named("connection");
    let connection = Kind(connection, |spec| spec.grants.spawns = vec!["worker".into()], false);
    // Two for the actors of the plan, two in reserve, two for other spawned actors.
    let plan = bounded(6, with_kinds(plan(vec![boss, gate]), [worker, ("connection", connection)]));
    let kernel = start_plan(&Plan { reserves: vec![Reserve { of: addr("/gate"), instances: 2 }], ..plan }).await;
    tell(&kernel, "/gate", "spawn c connection;tell c spawn 1 worker").await;
    sleep(SOON).await;
    tell(&kernel, "/boss", "spawn 1 worker;spawn 2 worker;spawn 3 worker").await;
    sleep(SOON).await;
    assert_eq!(count_in(&kernel, State::Idle).await, 3, "the connection, its handler, one worker of the boss");
    tell(&kernel, "/gate", "tell c spawn 2 worker;tell c spawn 3 worker").await;
    sleep(SOON).await;
    assert_eq!(count_in(&kernel, State::Idle).await, 4, "one handler more, and the third waits");
}

#[tokio::test(start_paused = true)]
async fn passivated_spawned_actors_take_turns_in_the_free_slots() {
    let journal = Journal::default();
    let (boss, kinds) = boss(&journal, idle_stop);
    let kernel = start_plan(&bounded(2, with_kinds(plan(vec![boss]), kinds))).await;
    for n in 0..20 {
        tell(&kernel, "/boss", &format!("spawn {n} worker;tell {n} {n}")).await;
    }
    kernel.wait_idle().await;
    assert_eq!(journal.lines().len(), 20, "{:?}", journal.lines());
    assert_eq!(kernel.restarts(), 0);
}

#[tokio::test(start_paused = true)]
async fn spawned_actors_never_get_the_slots_of_planned_ones() {
    for (most, stay, take_turns, left) in
        [(10, 3, 0, 7), (3, 3, 0, 0), (3, 2, 1, 0), (10, 2, 100, 1), (3, 2, 5, 0), (2, 0, 5, 1), (1, 0, 5, 0)]
    {
        let bound = MaxInstances { most, key: String::new() };
        let actors = [(1, true)].repeat(stay).into_iter().chain([(1, false)].repeat(take_turns));
        assert_eq!(bound.left_to_spawned(actors), left, "{most} for {stay} that stay and {take_turns} that take turns");
    }
}

#[tokio::test(start_paused = true)]
async fn actors_of_a_subtree_take_turns_in_its_instances() {
    let journal = Journal::default();
    let (alive, most_alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (up, most, down) = (alive.clone(), most_alive.clone(), alive.clone());
    let worker = recorder(&journal)
        .on_init(move |_| {
            most.fetch_max(up.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            Ok(())
        })
        .on_shutdown(move |_| {
            down.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        });
    let boss = limited(spawns(scripted(&journal).named("boss").at("/boss"), &["worker"]), None, Some(3));
    let plan = with_kinds(plan(vec![boss]), [("worker", Kind(worker.named("worker"), idle_stop, false))]);
    let kernel = start_plan(&bounded(10, plan)).await;
    for round in 0..2 {
        for n in 0..20 {
            let spawn = if round == 0 { format!("spawn {n} worker;") } else { String::new() };
            tell(&kernel, "/boss", &format!("{spawn}tell {n} x")).await;
        }
    }
    kernel.wait_idle().await;
    assert_eq!((journal.lines().len(), most_alive.load(Ordering::Relaxed)), (40, 2), "the boss has one itself");
    assert_eq!(kernel.restarts(), 0);
    sleep(2 * MINUTE).await;
    assert_eq!(usage(&kernel, "/boss").await, ["instances 1/3"]);
}

#[tokio::test(start_paused = true)]
async fn spawn_beyond_the_actors_of_a_subtree_is_refused() {
    let journal = Journal::default();
    let kind = || scripted(&journal).named("node");
    let deeper = |spec: &mut ActorSpec| {
        spec.grants.spawns = vec!["node".into()];
        spec.limits.subtree = Some(Box::new(SubtreeSpec { actors: Some(2), instances: None }));
    };
    let boss = limited(spawns(kind().at("/boss"), &["node"]), Some(5), None);
    let below = kind().at("/boss/planned");
    let kernel =
        start_plan(&with_kinds(plan(vec![boss, below, kind().at("/free")]), [("node", Kind(kind(), deeper, true))]))
            .await;
    assert_eq!((usage(&kernel, "/boss").await, usage(&kernel, "/free").await), (vec!["actors 2/5".to_owned()], vec![]));
    tell(&kernel, "/boss", "spawn a node;tell a spawn x node;tell a spawn y node;spawn b node").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss", "spawn c node;tell b spawn x node").await;
    kernel.wait_idle().await;
    let of_boss = "`/boss` and all below it are the 5 actors that its `limits.subtree.actors` allows";
    assert_eq!(
        journal.lines(),
        [
            "a:`/boss/a` and all below it are the 2 actors that its `limits.subtree.actors` allows".to_owned(),
            format!("boss:{of_boss}"),
            format!("b:{of_boss}"),
        ]
    );
    assert_eq!(usage(&kernel, "/boss/a").await, ["actors 2/2"]);
    tell(&kernel, "/boss", "stop a").await;
    kernel.wait_idle().await;
    assert_eq!(usage(&kernel, "/boss").await, ["actors 3/5"]);
    tell(&kernel, "/boss", "spawn c node;spawn d node;spawn e node").await;
    kernel.wait_idle().await;
    assert_eq!(journal.count(&format!("boss:{of_boss}")), 2);
}

#[tokio::test(start_paused = true)]
async fn counts_of_a_subtree_are_released_by_crashes_and_failed_turns() {
    let journal = Journal::default();
    let (boss, kinds) = boss(&journal, |_| {});
    let mut boss = limited(boss, Some(4), Some(4));
    boss.restart.attempts = 1;
    boss.restart.backoff.max = boss.restart.backoff.initial;
    let mut plan = with_kinds(plan(vec![boss]), kinds);
    plan.supervision.intensity = u32::MAX;
    let kernel = start_plan(&plan).await;
    for n in 0..200 {
        // Each run uses other names. Names of the run before are gone or will be, and do not count.
        tell(&kernel, "/boss", &format!("spawn a{n} worker;spawn b{n} worker;spawn c{n} worker")).await;
        tell(&kernel, "/boss", &format!("stop a{n};spawn d{n} worker;{}", if n % 2 == 0 { "trap" } else { "fail" }))
            .await;
        tell(&kernel, "/boss", "trap").await;
    }
    kernel.wait_idle().await;
    while usage(&kernel, "/boss").await != ["actors 1/4", "instances 1/4"] {
        sleep(SOON).await;
    }
    let refused = journal.lines().into_iter().filter(|line| line.contains("allows")).count();
    assert_eq!(refused, 200, "each turn that wants a fifth is refused it, and no other");
}

fn policed(spec: &mut ActorSpec, most: usize) {
    let mut policy = PolicySpec::new(Arc::new(sorting()));
    policy.backoff.max = policy.backoff.initial;
    spec.policy = Some(Box::new(policy));
    spec.limits.subtree = Some(Box::new(SubtreeSpec { actors: None, instances: Some(most) }));
}

#[tokio::test(start_paused = true)]
async fn policy_leaves_its_actor_the_last_instance() {
    for (most, state) in [(1, PolicyState::GaveUp), (2, PolicyState::Running)] {
        let journal = Journal::default();
        let mut plan = plan(vec![spawns(scripted(&journal).named("boss").at("/boss"), &["one", "two"])]);
        let kind = |change: fn(&mut ActorSpec)| Kind(recorder(&journal).named("worker"), change, false);
        plan = with_kinds(plan, [("one", kind(|spec| policed(spec, 1))), ("two", kind(|spec| policed(spec, 2)))]);
        let kernel = start_plan(&plan).await;
        let name = if most == 1 { "one" } else { "two" };
        tell(&kernel, "/boss", &format!("spawn w {name};tell w 1")).await;
        kernel.wait_idle().await;
        assert_eq!(journal.lines(), ["w:1"], "of {most}");
        let policy = || async { kernel.actors().await.remove(1).mailbox.policy.expect("it has one") };
        while policy().await.state != state {
            sleep(SOON).await;
        }
        let last_crash = policy().await.last_crash;
        assert_eq!(last_crash.is_some_and(|why| why.contains("`limits.subtree.instances` of `/boss/w`")), most == 1);
    }
}

#[tokio::test(start_paused = true)]
async fn policy_keeps_its_instance_from_run_to_run() {
    let journal = Journal::default();
    let mut policy = PolicySpec::new(Arc::new(sorting().fault(|run, call, _| match (run, call) {
        (1..=3, "take") => Err(trap()),
        _ => Ok(false),
    })));
    policy.backoff.max = policy.backoff.initial;
    let mut actor = limited(recorder(&journal).at("/a"), None, Some(2));
    actor.policy = Some(Box::new(policy));
    let kernel = start(vec![actor]).await;
    for body in ["b", "a"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.wait_idle().await;
    let policy = kernel.actors().await.remove(0).mailbox.policy.expect("it has one");
    assert_eq!((policy.state, policy.crashes), (PolicyState::Running, 3), "{:?}", policy.last_crash);
    assert_eq!(usage(&kernel, "/a").await, ["instances 2/2"]);
}
