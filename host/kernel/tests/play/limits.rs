//! Limits of a turn, of the depth of children, and of the time of a start.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, Behavior, BoxFuture, BulkError, Crash, CrashReason, Kernel, Launcher, Outcome, Overrun, Plan, Stage,
    Template, Turn,
};

use crate::stage::*;

/// `/a` follows the plan in a message and may spawn `worker`s that do the same. `/log` notes its messages. A message has one
/// attempt.
fn play(journal: &Journal, change: impl FnOnce(&mut ActorSpec)) -> Plan {
    let scripted = scripted(journal).watching(journal);
    let mut a = spawns(sends_to(scripted.clone().at("/a"), &["/log"]), &["worker"]);
    a.restart.attempts = 1;
    change(&mut a);
    let worker = |spec: &mut ActorSpec| {
        spec.restart.attempts = 1;
        spec.grants.sends_to = vec![addr("/log")];
        spec.grants.spawns = vec!["worker".into()];
    };
    let mut plan = plan(vec![recorder(journal).at("/log"), a]);
    plan.plugins.insert("worker".into(), Arc::new(Kind(scripted.named("worker"), worker, true)) as Arc<dyn Template>);
    plan
}

async fn last_crash(kernel: &Kernel, at: &str) -> Option<CrashReason> {
    let actors = kernel.actors().await;
    let actor = actors.into_iter().find(|actor| actor.address == addr(at)).expect("it is there");
    actor.last_crash.map(|report| report.crash.reason.clone())
}

fn limit(more_than: &str) -> CrashReason {
    CrashReason::Limit { more_than: more_than.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn turn_above_its_limits_crashes_without_a_commit() {
    let journal = Journal::default();
    let kernel = start_plan(&play(&journal, |a| a.limits.max_effects = 3)).await;
    let much = "tell /log x;tell /log x;tell /log x;tell /log x;tell /log x";
    for script in ["tell /log 1;tell /log 2;tell /log 3", much, "tell /log 4;tell /log 5;tell /log 6"] {
        tell(&kernel, "/a", script).await;
    }
    kernel.wait_idle().await;
    let logged: Vec<_> = journal.lines().into_iter().filter(|line| line.starts_with("log")).collect();
    assert_eq!(logged, ["log:1", "log:2", "log:3", "log:4", "log:5", "log:6"]);
    assert_eq!(letters(&kernel), [format!("crashed {much} x1")]);
    assert_eq!(last_crash(&kernel, "/a").await, Some(limit("3 sends and other effects in one turn (limits.effects)")));
}

#[tokio::test(start_paused = true)]
async fn each_effect_of_a_turn_counts() {
    for step in
        ["tell /log x", "spawn wN worker", "after 1 /log x", "every 1 /log x", "cancel", "watch /log", "unwatch 1"]
    {
        let journal = Journal::default();
        let kernel = start_plan(&play(&journal, |a| a.limits.max_effects = 9)).await;
        let script = |times: usize| (0..times).map(|n| step.replace('N', &n.to_string())).collect::<Vec<_>>().join(";");
        tell(&kernel, "/a", &format!("{};trap", script(9))).await;
        tell(&kernel, "/a", &script(10)).await;
        kernel.wait_idle().await;
        let reason = last_crash(&kernel, "/a").await;
        assert_eq!(reason, Some(limit("9 sends and other effects in one turn (limits.effects)")), "{step}");
        assert_eq!(kernel.actors().await.len(), 2, "no child is left: {step}");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_of_a_turn_are_bounded_with_those_of_timers() {
    let journal = Journal::default();
    let kernel = start_plan(&play(&journal, |a| a.limits.max_effect_bytes = 8)).await;
    tell(&kernel, "/a", "tell /log 1234;tell /log 1234").await;
    tell(&kernel, "/a", "tell /log 123;after 1 /log 12345").await;
    kernel.wait_idle().await;
    assert_eq!((journal.lines().len(), last_crash(&kernel, "/a").await), (4, None));
    tell(&kernel, "/a", "tell /log 1234;after 1 /log 12345").await;
    kernel.wait_idle().await;
    assert_eq!(last_crash(&kernel, "/a").await, Some(limit("8 bytes sent in one turn (limits.effect_bytes)")));
    assert_eq!(letters(&kernel).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn bytes_in_timers_are_bounded() {
    let journal = Journal::default();
    let kernel = start_plan(&play(&journal, |a| a.limits.max_effect_bytes = 8)).await;
    for script in ["after 5000 /log 12345", "cancel", "after 10 /log 12345", "wait 20", "after 5000 /log 12345"] {
        tell(&kernel, "/a", script).await;
    }
    tell(&kernel, "/a", "every 5000 /log 123").await;
    tell(&kernel, "/a", "tell /log fine").await;
    tell(&kernel, "/a", "after 1 /log 1").await;
    kernel.wait_idle().await;
    assert_eq!(journal.count("log:fine"), 1);
    assert_eq!(last_crash(&kernel, "/a").await, Some(limit("8 bytes in timers at a time (limits.effect_bytes)")));
}

#[tokio::test(start_paused = true)]
async fn turn_above_its_limits_sends_no_ask() {
    let journal = Journal::default();
    let kernel = start_plan(&play(&journal, |a| a.limits.max_effects = 1)).await;
    tell(&kernel, "/a", "tell /log x;tell /log y;ask /log z").await;
    kernel.wait_idle().await;
    let too_much = "a:more than 1 sends and other effects in one turn (limits.effects)";
    assert_eq!(journal.lines(), [too_much, too_much]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_a_turn_as_well() {
    let journal = Journal::default();
    let mut plan = play(&journal, |_| {});
    let greedy = recorder(&journal).on_init(|turn| {
        while turn.tell("/log", b"x").is_ok() {}
        Ok(())
    });
    let mut greedy = sends_to(greedy.at("/greedy"), &["/log"]);
    greedy.required = true;
    plan.actors.push(greedy);
    plan.supervision.intensity = 0;
    let kernel = Kernel::start(&plan).expect("a good plan");
    let Stage::GaveUp(why) = kernel.wait_stopped().await else { panic!("it must give up") };
    assert!(format!("{why:?}").contains("65536 sends and other effects in one turn"), "{why:?}");
    assert!(journal.lines().is_empty());
}

#[tokio::test(start_paused = true)]
async fn endless_frames_crash_the_actor() {
    let hands_over = quick(|turn| {
        let overrun = loop {
            if let Err(error) = turn.bulk().record::<BulkError>(vec![0; 1 << 20], |_| Ok(())) {
                break error;
            }
        };
        assert!(matches!(overrun, BulkError::Overrun(Overrun::HandedOver { .. })), "{overrun:?}");
        Ok(Outcome::Done(None))
    });
    let kernel = start(vec![hands_over.at("/a")]).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    assert!(matches!(last_crash(&kernel, "/a").await, Some(CrashReason::Limit { .. })));
}

#[tokio::test(start_paused = true)]
async fn config_of_a_child_is_bounded() {
    let spawner = quick(|turn| {
        let config = [("key".to_owned(), "x".repeat(64 << 10))].into();
        let spawned = turn.spawn("w", "worker", config).expect_err("too much").to_string();
        assert_eq!(spawned, "more than 65536 bytes of config for a child");
        Ok(Outcome::Done(None))
    });
    let mut plan = play(&Journal::default(), |_| {});
    plan.actors.push(spawns(spawner.at("/b"), &["worker"]));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/b", "x").await;
    kernel.wait_idle().await;
    assert_eq!(last_crash(&kernel, "/b").await, Some(limit("65536 bytes of config for a child")));
}

#[tokio::test(start_paused = true)]
async fn spawned_actors_go_no_deeper_than_the_limit_of_any_above_them() {
    let journal = Journal::default();
    let kernel = start_plan(&play(&journal, |a| a.limits.max_depth = 2)).await;
    for at in ["/a", "/a/w", "/a/w/w"] {
        tell(&kernel, at, "spawn w worker").await;
        kernel.wait_idle().await;
    }
    let refused = "w:`/a/w/w` is as deep as `limits.depth` of the actors above it allows, or its own";
    assert_eq!(journal.lines(), [refused]);
    assert_eq!(kernel.actors().await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_child_may_do_no_more_in_a_turn_than_its_parent() {
    let journal = Journal::default();
    let kernel = start_plan(&play(&journal, |a| (a.limits.max_effects, a.limits.max_effect_bytes) = (2, 8))).await;
    tell(&kernel, "/a", "spawn v worker;spawn w worker").await;
    kernel.wait_idle().await;
    tell(&kernel, "/a/v", "tell /log x;tell /log x;tell /log x").await;
    tell(&kernel, "/a/w", "tell /log 123456789").await;
    kernel.wait_idle().await;
    let effects = Some(limit("2 sends and other effects in one turn (limits.effects)"));
    assert_eq!(last_crash(&kernel, "/a/v").await, effects);
    assert_eq!(last_crash(&kernel, "/a/w").await, Some(limit("8 bytes sent in one turn (limits.effect_bytes)")));
}

/// Sleeps in each part of its start.
struct Slow(Duration);

struct SlowRun(Duration, Turn);

impl Launcher for Slow {
    fn launch(&self, turn: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(async {
            tokio::time::sleep(self.0).await;
            Ok(Box::new(SlowRun(self.0, turn)) as Box<dyn Behavior>)
        })
    }

    fn plugin(&self) -> &'static str {
        "slow"
    }
}

impl SlowRun {
    fn wait(&self) -> BoxFuture<'static, Result<(), Crash>> {
        let sleep = tokio::time::sleep(self.0);
        Box::pin(async {
            sleep.await;
            Ok(())
        })
    }
}

impl Behavior for SlowRun {
    fn turn(&mut self) -> &mut Turn {
        &mut self.1
    }

    fn init(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.wait()
    }

    fn prepare_children(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.wait()
    }

    fn handle(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.wait()
    }

    fn shutdown(&mut self) -> BoxFuture<'_, Result<(), Crash>> {
        self.wait()
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_has_a_time_for_all_its_parts_together() {
    let slow = |seconds| ActorSpec::new(addr("/slow"), Arc::new(Slow(Duration::from_secs(seconds))));
    assert!(matches!(start(vec![slow(3)]).await.wait_booted().await, Stage::Running));
    let kernel = Kernel::start(&plan(vec![slow(4)])).expect("a good plan");
    let Stage::GaveUp(why) = kernel.wait_stopped().await else { panic!("4 s are too long three times") };
    assert!(format!("{why:?}").contains("StartTimeout { limit: 10s }"), "{why:?}");
    let mut patient = slow(4);
    patient.limits.start_timeout = Duration::from_secs(13);
    assert!(matches!(start(vec![patient]).await.wait_booted().await, Stage::Running));
}
