use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{BulkError, Kernel, Plan, RestartKind, State, Template};

use crate::stage::*;

/// `/boss` follows the plan in a message and may spawn `worker`s, which note their messages.
fn boss(journal: &Journal) -> Plan {
    let worker = recorder(journal).named("worker");
    let boss = spawns(sends_to(scripted(journal).named("boss").at("/boss"), &["/log"]), &["worker", "boss", "nobody"]);
    with_kinds(plan(vec![recorder(journal).at("/log"), boss]), [("worker", Kind(worker, |_| {}, false))])
}

fn with_kinds<const N: usize>(mut plan: Plan, kinds: [(&str, Kind); N]) -> Plan {
    for (name, kind) in kinds {
        plan.plugins.insert(name.to_owned(), Arc::new(kind) as Arc<dyn Template>);
    }
    plan
}

async fn actors(kernel: &Kernel) -> Vec<String> {
    let actors = kernel.actors().await;
    actors.iter().map(|a| format!("{}{}", a.address, if a.dynamic { " (spawned)" } else { "" })).collect()
}

#[tokio::test(start_paused = true)]
async fn child_starts_at_the_commit_and_gets_messages_of_the_turn() {
    let journal = Journal::default();
    let kernel = start_plan(&boss(&journal)).await;
    tell(&kernel, "/boss", "spawn w worker;tell w 1;tell /boss/w 2;children").await;
    tell(&kernel, "/boss", "tell w 3").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss", "children").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["boss:", "w:1", "w:2", "w:3", "boss:w"]);
    assert_eq!(actors(&kernel).await, ["/log", "/boss", "/boss/w (spawned)"]);
}

#[tokio::test(start_paused = true)]
async fn a_spawn_of_a_failed_message_never_happens() {
    let journal = Journal::default();
    let kernel = start_plan(&boss(&journal)).await;
    for end in ["fail", "trap"] {
        tell(&kernel, "/boss", &format!("spawn w worker;tell w 1;{end}")).await;
    }
    tell(&kernel, "/boss", "tell w 2;spawn w worker;tell w 3").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["boss:no actor has the address `/boss/w`", "w:3"]);
}

#[tokio::test(start_paused = true)]
async fn refused_spawn_says_its_reason() {
    let journal = Journal::default();
    let mut plan = boss(&journal);
    plan.actors[1].limits.max_children = 2;
    let plan = with_kinds(
        plan,
        [
            ("boss", Kind(recorder(&journal).named("boss"), |_| {}, false)),
            ("other", Kind(recorder(&journal), |_| {}, false)),
        ],
    );
    let kernel = start_plan(&plan).await;
    for script in ["spawn a/b worker", "spawn  worker", "spawn w nobody", "spawn w other", "spawn w boss"] {
        tell(&kernel, "/boss", script).await;
    }
    tell(&kernel, "/boss", "spawn 1 worker;spawn 1 worker;spawn 2 worker;spawn 3 worker").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss", "spawn 2 worker").await;
    kernel.wait_idle().await;
    assert_eq!(
        journal.lines(),
        [
            "boss:bad name: `a/b` is no address: `/` is not allowed; use letters, digits, `_` and `-`",
            "boss:bad name: `/boss/` is no address: it has an empty segment (a doubled `/`, or one at the end)",
            "boss:there is no plugin `nobody` to spawn: the manifest needs a [[plugin]] with this name",
            "boss:`/boss` may not spawn `other`: add it to `spawns` of `/boss`, or of its plugin",
            "boss:the plugin would stand above itself: /boss (boss) -> boss",
            "boss:`/boss/1` exists already, or is still being removed",
            "boss:`/boss` has all 2 children that `limits.children` allows",
            "boss:`/boss/2` exists already, or is still being removed",
        ]
    );
}

/// `/a` is a `ping` that spawns `pong`s, and they spawn `ping`s.
fn ping_pong(journal: &Journal, recursive: bool) -> Plan {
    let ping = || scripted(journal).named("ping");
    let pong = || scripted(journal).named("pong");
    let a = spawns(ping().at("/a"), &["pong"]);
    with_kinds(
        plan(vec![a]),
        [
            ("ping", Kind(ping(), |spec| spec.grants.spawns = vec!["pong".into()], recursive)),
            ("pong", Kind(pong(), |spec| spec.grants.spawns = vec!["ping".into()], recursive)),
        ],
    )
}

#[tokio::test(start_paused = true)]
async fn cycle_of_spawns_is_refused_and_named() {
    let journal = Journal::default();
    let kernel = start_plan(&ping_pong(&journal, false)).await;
    tell(&kernel, "/a", "spawn b pong;tell b spawn c ping").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["b:the plugin would stand above itself: /a (ping) -> /a/b (pong) -> ping"]);
}

#[tokio::test(start_paused = true)]
async fn recursive_plugin_may_spawn_itself_to_the_deepest_address() {
    let journal = Journal::default();
    let kernel = start_plan(&ping_pong(&journal, true)).await;
    let mut address = "/a".to_owned();
    for depth in 2..=17 {
        let kind = if depth % 2 == 0 { "pong" } else { "ping" };
        tell(&kernel, &address, &format!("spawn x {kind}")).await;
        kernel.wait_idle().await;
        address.push_str("/x");
    }
    let [too_deep] = journal.lines().try_into().unwrap();
    assert!(too_deep.ends_with("an address would have over 16 segments"), "{too_deep}");
    assert_eq!(kernel.actors().await.len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_child_has_no_wider_bounds_than_its_parent() {
    let journal = Journal::default();
    let mut plan = boss(&journal);
    plan.actors[1].limits.message_bytes = 100;
    let worker = Kind(
        scripted(&journal).named("worker"),
        |spec| {
            spec.grants.sends_to = ["/log", "/other", "/boss", "/boss/peer"].map(addr).to_vec();
        },
        false,
    );
    plan.actors.insert(0, recorder(&journal).at("/other"));
    let kernel = start_plan(&with_kinds(plan, [("worker", worker)])).await;
    tell(&kernel, "/boss", "spawn w worker;spawn peer worker").await;
    kernel.wait_idle().await;
    assert_eq!(kernel.message_limit(&addr("/boss/w")), Some(100));
    tell(&kernel, "/boss/w", "tell /log 1;tell /other 2;tell /boss/peer note 3;tell /boss note 4").await;
    kernel.wait_idle().await;
    let mut lines = journal.lines();
    lines.sort();
    let refused = "w:`/boss/w` may not send to `/other`: add it to `sends_to` of `/boss/w`";
    assert_eq!(lines, ["boss:4", "log:1", "peer:3", refused]);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_child_is_gone_and_its_name_is_free() {
    let journal = Journal::default();
    let log = journal.clone();
    let mut plan = boss(&journal);
    let worker = recorder(&journal).named("worker").on_shutdown(move |turn| {
        log.note(format!("{} stops", turn.address().name()));
        Ok(())
    });
    plan.plugins.insert("worker".into(), Arc::new(Kind(worker, |_| {}, false)));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w worker;tell w 1").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss", "stop w;lookup w").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss", "lookup w;tell w 2;stop w;children").await;
    kernel.wait_idle().await;
    while kernel.actors().await.len() > 2 {
        tokio::task::yield_now().await;
    }
    tell(&kernel, "/boss", "state w;spawn w worker;tell w 3").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines()[..2], ["w:1", "boss:Some(/boss/w)"]);
    let rest: Vec<_> = journal.lines()[2..].iter().filter(|line| *line != "w stops").cloned().collect();
    let unknown = "boss:no actor has the address `/boss/w`";
    assert_eq!(rest, ["boss:None", unknown, unknown, "boss:", "boss:None", "w:3"]);
    assert_eq!(journal.count("w stops"), 1);
}

#[tokio::test(start_paused = true)]
async fn stopped_child_handles_its_messages_first() {
    let journal = Journal::default();
    let kernel = start_plan(&boss(&journal)).await;
    tell(&kernel, "/boss", "spawn w worker;tell w 1;stop w;spawn w worker").await;
    kernel.wait_idle().await;
    while kernel.actors().await.len() > 2 {
        tokio::task::yield_now().await;
    }
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["boss:`/boss/w` exists already, or is still being removed", "w:1"]);
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn stopped_child_that_is_late_makes_dead_letters() {
    let journal = Journal::default();
    let mut plan = boss(&journal);
    let stuck = native(|_| Box::pin(std::future::pending())).named("worker");
    plan.plugins
        .insert("worker".into(), Arc::new(Kind(stuck, |spec| spec.limits.timeout = Duration::from_mins(1), false)));
    plan.actors[1].limits.timeout = Duration::from_mins(1);
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w worker;tell w 1;tell w 2").await;
    tell(&kernel, "/boss", "stop w").await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["stopped 1 x1", "stopped 2 x0"]);
    assert_eq!(actors(&kernel).await, ["/log", "/boss"]);
}

#[tokio::test(start_paused = true)]
async fn actor_stops_only_children_that_it_spawned() {
    let journal = Journal::default();
    let mut plan = boss(&journal);
    plan.actors.push(recorder(&journal).at("/boss/static"));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "stop static;stop /log;stop /boss;stop w;stop no:name;spawn static worker;children").await;
    kernel.wait_idle().await;
    let lines = journal.lines();
    assert_eq!(
        lines[..4],
        [
            "boss:`/boss/static` is not a child that this actor spawned",
            "boss:`/log` is not a child that this actor spawned",
            "boss:`/boss` is not a child that this actor spawned",
            "boss:no actor has the address `/boss/w`",
        ]
    );
    assert_eq!(lines[5..], ["boss:`/boss/static` exists already, or is still being removed", "boss:static"]);
}

#[tokio::test(start_paused = true)]
async fn child_may_be_asked_after_its_spawn_committed() {
    let journal = Journal::default();
    let kernel = start_plan(&boss(&journal)).await;
    tell(&kernel, "/boss", "spawn w worker;ask w 1").await;
    tell(&kernel, "/boss", "ask w 2").await;
    kernel.wait_idle().await;
    assert_eq!(
        journal.lines(),
        ["boss:no actor has the address `/boss/w`", "w:2", "boss:it was handled, and there is no reply",]
    );
}

#[tokio::test(start_paused = true)]
async fn play_is_not_idle_before_a_spawned_actor_started() {
    let journal = Journal::default();
    let mut plan = boss(&journal);
    let worker = Kind(recorder(&journal).named("worker"), |spec| spec.grants.sends_to = vec![addr("/log")], false);
    plan.plugins.insert("worker".into(), Arc::new(worker));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "greeting w worker /log").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["log:hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_crashes_is_restarted_and_keeps_its_mailbox() {
    let journal = Journal::default();
    let mut plan = boss(&journal);
    plan.plugins.insert("worker".into(), Arc::new(Kind(scripted(&journal).named("worker"), |_| {}, false)));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w worker;tell w trap;tell w note 2").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["w:2"]);
    assert_eq!(letters(&kernel), ["crashed trap x3"]);
}

#[tokio::test(start_paused = true)]
async fn a_temporary_child_that_ends_is_gone() {
    let journal = Journal::default();
    let mut plan = boss(&journal);
    let worker = Kind(scripted(&journal).named("worker"), |spec| spec.restart.kind = RestartKind::Temporary, false);
    plan.plugins.insert("worker".into(), Arc::new(worker));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w worker;tell w trap").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss", "state w;lookup w;children;tell w 1;spawn w worker").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["boss:None", "boss:None", "boss:", "boss:no actor has the address `/boss/w`"]);
}

#[tokio::test(start_paused = true)]
async fn route_leads_to_the_actor_at_its_address_at_commit() {
    let journal = Journal::default();
    let mut plan = boss(&journal);
    plan.actors.push(sends_to(scripted(&journal).at("/peer"), &["/boss/w"]));
    let kernel = start_plan(&plan).await;
    for n in 0..3 {
        tell(&kernel, "/boss", "spawn w worker").await;
        kernel.wait_idle().await;
        tell(&kernel, "/peer", &format!("tell /boss/w {n}")).await;
        kernel.wait_idle().await;
        tell(&kernel, "/boss", "stop w").await;
        while kernel.actors().await.len() > 3 {
            tokio::task::yield_now().await;
        }
        tell(&kernel, "/peer", "tell /boss/w gone").await;
        kernel.wait_idle().await;
    }
    let gone = "peer:no actor has the address `/boss/w`";
    assert_eq!(journal.lines(), ["w:0", gone, "w:1", gone, "w:2", gone]);
}

/// In its first incarnation `/boss` spawns two actors: `w1` in `init`, `w2` in `prepare-children`.
fn nursery(journal: &Journal) -> Plan {
    let spawn = |name: &'static str| {
        move |turn: &mut playhouse_kernel::Turn| {
            if turn.incarnation() > 1 {
                turn.spawn(name, "worker", playhouse_kernel::Config::new()).expect("it is free, or an orphan");
            }
            Ok(())
        }
    };
    let mut plan = boss(journal);
    let boss = scripted(journal).named("boss").on_init(spawn("w1")).on_prepare(spawn("w2"));
    plan.actors[1] = spawns(boss.at("/boss"), &["worker"]);
    plan.actors[1].restart.attempts = 1;
    plan
}

#[tokio::test(start_paused = true)]
async fn child_spawned_again_keeps_its_mailbox() {
    let journal = Journal::default();
    let mut plan = nursery(&journal);
    let slow = native({
        let journal = journal.clone();
        move |turn| {
            let journal = journal.clone();
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                journal.note(format!("{}:{}", turn.address().name(), text(turn)));
                Ok(playhouse_kernel::Outcome::Done(None))
            })
        }
    });
    plan.plugins.insert("worker".into(), Arc::new(Kind(slow.named("worker"), |spec| spec.batch = 1, false)));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w1 worker;spawn w2 worker;spawn w3 worker").await;
    kernel.wait_idle().await;
    for n in [1, 2, 3] {
        tell(&kernel, &format!("/boss/w{n}"), "first").await;
        tell(&kernel, &format!("/boss/w{n}"), "second").await;
    }
    tell(&kernel, "/boss", "trap").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss", "children").await;
    kernel.wait_idle().await;
    let lines = journal.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("w1") || line.starts_with("w2")).count(), 4, "{lines:?}");
    assert_eq!(lines.last().unwrap(), "boss:w1 w2");
    assert!(letters(&kernel).contains(&"stopped second x0".to_owned()), "{:?}", letters(&kernel));
    assert_eq!(actors(&kernel).await, ["/log", "/boss", "/boss/w1 (spawned)", "/boss/w2 (spawned)"]);
}

#[tokio::test(start_paused = true)]
async fn state_lookup_takes_an_address() {
    let journal = Journal::default();
    let mut plan = boss(&journal);
    plan.actors[0].start = playhouse_kernel::StartKind::Manual;
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "state /log;state /boss;state /none").await;
    kernel.wait_idle().await;
    kernel.resume(&addr("/log")).await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["boss:Some(Stopped)", "boss:Some(Running)", "boss:None"]);
    assert_eq!(kernel.actors().await[0].state, State::Idle);
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_spawned_children_first() {
    let journal = Journal::default();
    let log = journal.clone();
    let mut plan = boss(&journal);
    let boss = scripted(&journal).named("boss").on_shutdown(move |_| {
        log.note("boss stops");
        Ok(())
    });
    plan.actors[1] = spawns(boss.at("/boss"), &["worker"]);
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w worker").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss/w", "last").await;
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(journal.lines(), ["w:last", "boss stops"]);
    assert!(letters(&kernel).is_empty());
}

/// The result that `/boss` gets for a turn recorded in bulk.
fn in_bulk(record: impl Fn(&mut playhouse_kernel::Turn) -> Result<(), BulkError> + Send + Sync + 'static) -> Plan {
    let journal = Journal::default();
    let boss = native(move |turn| {
        let result = record(turn);
        Box::pin(async move {
            let message = result.map_or_else(|bad| bad.to_string(), |()| "fine".to_owned());
            Ok(playhouse_kernel::Outcome::Done(Some(message.into_bytes())))
        })
    });
    let mut plan = boss_plan_with(&journal, boss);
    plan.actors[1].batch = 1;
    plan
}

fn boss_plan_with(journal: &Journal, native: Native) -> Plan {
    let mut plan = boss(journal);
    plan.actors[1] = spawns(native.named("boss").at("/boss"), &["worker"]);
    plan
}

async fn bulk_answer(plan: &Plan) -> String {
    let kernel = start_plan(plan).await;
    ask(&kernel, "/boss", "go").await.expect("it replies")
}

/// Space for a header and a body.
fn record() -> Vec<u8> {
    [&[0; 64][..], b"x"].concat()
}

fn reserve(turn: &mut playhouse_kernel::Turn, name: &str, message: usize) -> u32 {
    turn.bulk().reserve(name, "worker", playhouse_kernel::Config::new(), message).expect("it is free")
}

#[tokio::test(start_paused = true)]
async fn a_reservation_is_used_once_and_by_its_own_message() {
    let twice = in_bulk(|turn| {
        let route = reserve(turn, "w", 0);
        turn.bulk().record(Vec::new(), |bulk| bulk.spawn(route).and_then(|()| bulk.spawn(route)))
    });
    let refused = "it spawns the child of route 0, which its message has not reserved, or spawned already";
    assert_eq!(bulk_answer(&twice).await, refused);
    let foreign = in_bulk(|turn| {
        let route = reserve(turn, "w", 1);
        turn.bulk().record(Vec::new(), |bulk| bulk.spawn(route))
    });
    assert_eq!(bulk_answer(&foreign).await, refused);
}

#[tokio::test(start_paused = true)]
async fn tells_timers_and_stops_need_a_spawned_child() {
    let told = in_bulk(|turn| {
        let route = reserve(turn, "w", 0);
        turn.bulk().record(record(), |bulk| bulk.tell(route, 64..65))
    });
    assert!(bulk_answer(&told).await.starts_with("it sends to route 0, which it may only use for messages"));
    let stopped = in_bulk(|turn| {
        let route = reserve(turn, "w", 0);
        turn.bulk().record(Vec::new(), |bulk| bulk.stop(route))
    });
    assert_eq!(bulk_answer(&stopped).await, "it stops the actor of route 0, which is not a child that it spawned");
    let in_order = in_bulk(|turn| {
        let route = reserve(turn, "w", 0);
        turn.bulk().record(record(), |bulk| {
            bulk.spawn(route)?;
            bulk.tell(route, 64..65)?;
            bulk.timer(1, route, SOON, false, 0, 64..65)?;
            bulk.stop(route)
        })
    });
    assert_eq!(bulk_answer(&in_order).await, "fine");
    let too_many = in_bulk(|turn| {
        let route = turn.bulk().resolve_own().route;
        turn.bulk().record(Vec::new(), |bulk| (1..=1025).try_for_each(|id| bulk.timer(id, route, SOON, true, 0, 0..0)))
    });
    assert_eq!(bulk_answer(&too_many).await, "it sets more than the 1024 timers that limits.timers allows");
}

#[tokio::test(start_paused = true)]
async fn stale_routes_are_given_up_when_they_are_most() {
    let many = in_bulk(|turn| {
        // These addresses are reserved without a spawn, and lead to no actor.
        for n in 0..1023 {
            reserve(turn, &format!("w{n}"), 0);
        }
        assert!(!turn.bulk().has_stale_routes(), "there are few");
        reserve(turn, "last", 0);
        assert!(turn.bulk().has_stale_routes());
        Ok(())
    });
    assert_eq!(bulk_answer(&many).await, "fine");
}

/// On several threads: a report of idleness includes the children that came and went meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn idle_play_has_handled_messages_of_stopped_children() {
    let journal = Journal::default();
    let mut plan = boss(&journal);
    plan.actors[1].limits.max_children = 10_000;
    let kernel = start_plan(&plan).await;
    for round in 0..20 {
        for n in 0..50 {
            tell(&kernel, "/boss", &format!("spawn w{round}-{n} worker;tell w{round}-{n} x;stop w{round}-{n}")).await;
        }
        kernel.wait_idle().await;
        assert_eq!(journal.lines().len(), 50 * (round + 1));
    }
    assert!(letters(&kernel).is_empty());
}
