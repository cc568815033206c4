//! Actors that fail too often directly under the kernel: the rest of the play continues, and their messages wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, AskError, Crash, CrashReason, Kernel, Outcome, Overflow, Plan, Stage, State, SupervisionSpec, WhyGaveUp,
};

use crate::stage::*;

/// One failure is allowed.
const STRICT: SupervisionSpec = SupervisionSpec { intensity: 1, ..supervision() };

const fn supervision() -> SupervisionSpec {
    SupervisionSpec {
        strategy: playhouse_kernel::Strategy::OneForOne,
        intensity: 10,
        period: Duration::from_secs(10),
        shutdown: Duration::from_secs(5),
    }
}

/// Crashes on `bad`, notes every other message. A message has one attempt, and a batch has one message.
fn fragile(journal: &Journal, at: &str) -> ActorSpec {
    let log = journal.clone();
    let mut spec = quick(move |turn| {
        if text(turn) == "bad" {
            return Err(trap());
        }
        log.note(format!("{}:{}", turn.address().name(), text(turn)));
        Ok(Outcome::Done(Some(b"fine".to_vec())))
    })
    .at(at);
    (spec.restart.attempts, spec.batch) = (1, 1);
    spec
}

async fn strict(actors: Vec<ActorSpec>) -> Kernel {
    start_plan(&Plan { supervision: STRICT, ..plan(actors) }).await
}

async fn become_failed(kernel: &Kernel, at: &str) {
    for _ in 0..2 {
        tell(kernel, at, "bad").await;
    }
    while state_of(kernel, at).await != State::Failed {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn failed_actor_keeps_its_messages_for_a_trial() {
    let journal = Journal::default();
    let kernel = strict(vec![fragile(&journal, "/a"), fragile(&journal, "/b")]).await;
    become_failed(&kernel, "/a").await;
    tell(&kernel, "/a", "waits").await;
    assert_eq!(ask(&kernel, "/b", "x").await, Ok("fine".into()));
    let failed = kernel.actors().await.remove(0).failed.expect("it failed");
    assert!(matches!(failed.why, WhyGaveUp::TooOften(window) if window.restarts == 2), "{failed:?}");
    assert!(failed.trial_at.is_some() && failed.last.is_some());
    assert_eq!(journal.count("a:waits"), 0);
    tokio::time::sleep(Duration::from_mins(1)).await;
    kernel.wait_idle().await;
    assert_eq!((journal.count("a:waits"), state_of(&kernel, "/a").await), (1, State::Idle));
    assert!(kernel.actors().await.remove(0).failed.is_none());
}

#[tokio::test(start_paused = true)]
async fn asks_to_a_failed_actor_and_below_are_answered_at_once() {
    let journal = Journal::default();
    let actors = vec![fragile(&journal, "/a"), fragile(&journal, "/a/x"), fragile(&journal, "/b")];
    let kernel = strict(actors).await;
    kernel.halt(&addr("/a/x")).await;
    let waits = tokio::spawn({
        let kernel = kernel.clone();
        async move { kernel.ask(&addr("/a/x"), b"?", Duration::from_hours(1)).await }
    });
    while kernel.actors().await[1].waiting == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    become_failed(&kernel, "/a").await;
    let told = waits.await.expect("no panic");
    assert!(matches!(&told, Err(AskError::ActorFailed(why)) if why.contains("`/a` failed (2 failures")), "{told:?}");
    for at in ["/a", "/a/x"] {
        let began = tokio::time::Instant::now();
        let told = kernel.ask(&addr(at), b"?", Duration::MAX).await;
        assert!(matches!(told, Err(AskError::ActorFailed(_))), "{told:?}");
        assert!(began.elapsed().is_zero());
    }
    kernel.resume(&addr("/a")).await;
    assert_eq!(ask(&kernel, "/a", "x").await, Ok("fine".into()), "in its trial it is asked again");
}

#[tokio::test(start_paused = true)]
async fn play_without_trials_is_idle_beside_a_failed_actor() {
    let journal = Journal::default();
    let mut actors = vec![fragile(&journal, "/a"), fragile(&journal, "/a/x"), fragile(&journal, "/b")];
    actors[0].restart.cooldown = None;
    let kernel = strict(actors).await;
    become_failed(&kernel, "/a").await;
    for at in ["/a", "/a/x", "/b"] {
        tell(&kernel, at, "waits").await;
    }
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["b:waits"]);
    kernel.wait_failed_for_good(&addr("/a")).await;
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(letters(&kernel)[2..], ["stopped waits x0", "stopped waits x0"], "waiting messages are reported");
}

#[tokio::test(start_paused = true)]
async fn failed_actor_has_its_mailboxs_bound_and_rule() {
    let journal = Journal::default();
    let mut actor = fragile(&journal, "/a");
    (actor.mailbox.capacity, actor.mailbox.overflow) = (1, Overflow::DropOldest);
    actor.restart.cooldown = None;
    let kernel = strict(vec![actor, fragile(&journal, "/b")]).await;
    for _ in 0..2 {
        tell(&kernel, "/a", "bad").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(state_of(&kernel, "/a").await, State::Failed);
    for body in ["1", "2"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert_eq!((journal.count("a:1"), journal.count("a:2")), (0, 1));
    assert_eq!(letters(&kernel)[2], "overflow 1 x0");
}

#[tokio::test(start_paused = true)]
async fn poison_among_many_messages_never_fails_an_actor() {
    let journal = Journal::default();
    let mut actor = fragile(&journal, "/a");
    (actor.restart, actor.batch) = (playhouse_kernel::RestartSpec::default(), 256);
    let kernel = start(vec![actor]).await;
    for n in 0..1000 {
        tell(&kernel, "/a", if n % 20 == 5 { "bad" } else { "good" }).await;
    }
    kernel.wait_idle().await;
    let handled = kernel.actors().await.remove(0).handled;
    assert_eq!((handled, letters(&kernel)), (950, vec!["crashed bad x3".to_owned(); 50]));
    assert!(matches!(kernel.stage(), Stage::Running));
}

#[tokio::test(start_paused = true)]
async fn rare_crashes_never_lengthen_the_pause() {
    let journal = Journal::default();
    let kernel = start(vec![fragile(&journal, "/a")]).await;
    let mut longest = Duration::ZERO;
    for _ in 0..100 {
        for _ in 0..200 {
            tell(&kernel, "/a", "good").await;
        }
        kernel.wait_idle().await;
        let began = tokio::time::Instant::now();
        tell(&kernel, "/a", "bad").await;
        tell(&kernel, "/a", "good").await;
        kernel.wait_idle().await;
        longest = longest.max(began.elapsed());
    }
    assert!(longest <= Duration::from_millis(12), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn boot_goes_on_without_an_actor_that_does_not_come_up() {
    let journal = Journal::default();
    let well = Arc::new(AtomicBool::new(false));
    let is_well = well.clone();
    let refuses = recorder(&journal).on_init(move |_| {
        let no = || Crash::new(CrashReason::Start { message: "no".into() });
        if is_well.load(Ordering::Relaxed) { Ok(()) } else { Err(no()) }
    });
    let kernel = start(vec![refuses.at("/a"), fragile(&journal, "/b")]).await;
    assert_eq!(ask(&kernel, "/b", "x").await, Ok("fine".into()));
    kernel.wait_idle().await;
    assert_eq!(state_of(&kernel, "/a").await, State::Failed, "a play that tries an actor again is not idle");
    tell(&kernel, "/a", "waits").await;
    well.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_mins(1)).await;
    kernel.wait_idle().await;
    assert_eq!(journal.count("a:waits"), 1);
}

#[tokio::test(start_paused = true)]
async fn play_ends_when_every_actor_failed() {
    let journal = Journal::default();
    let kernel = strict(vec![fragile(&journal, "/a"), fragile(&journal, "/b")]).await;
    become_failed(&kernel, "/a").await;
    for _ in 0..2 {
        tell(&kernel, "/b", "bad").await;
    }
    let Stage::GaveUp(failures) = kernel.wait_stopped().await else { panic!("it continues") };
    let mut named: Vec<_> = failures.iter().map(|report| report.address.to_string()).collect();
    named.sort();
    assert_eq!(named, ["/a", "/b"]);
}

#[tokio::test(start_paused = true)]
async fn instance_that_fails_hands_its_messages_to_another() {
    let journal = Journal::default();
    let (log, crashed) = (journal.clone(), AtomicBool::new(false));
    let once = quick(move |turn| {
        if text(turn) == "2" && !crashed.swap(true, Ordering::Relaxed) {
            return Err(trap());
        }
        log.note(format!("a:{}", text(turn)));
        Ok(Outcome::Done(None))
    });
    let mut actor = once.at("/a");
    (actor.instances, actor.restart.cooldown) = (2, None);
    let kernel =
        start_plan(&Plan { supervision: SupervisionSpec { intensity: 0, ..STRICT }, ..plan(vec![actor]) }).await;
    kernel.halt(&addr("/a")).await;
    for n in 0..12 {
        tell(&kernel, "/a", &n.to_string()).await;
    }
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert!((0..12).all(|n| journal.count(&format!("a:{n}")) > 0), "{:?}", journal.lines());
    assert!(letters(&kernel).is_empty());
    let states: Vec<_> = kernel.actors().await.remove(0).instances.iter().map(|instance| instance.state).collect();
    assert!(states.contains(&State::Failed), "{states:?}");
}

#[tokio::test(start_paused = true)]
async fn one_handled_message_between_failures_keeps_an_actor() {
    for batch in [1, 256] {
        let journal = Journal::default();
        let mut actor = fragile(&journal, "/a");
        (actor.restart, actor.batch) = (playhouse_kernel::RestartSpec::default(), batch);
        let kernel = start(vec![actor]).await;
        for n in 0..90 {
            tell(&kernel, "/a", if n % 3 == 2 { "bad" } else { "good" }).await;
        }
        kernel.wait_idle().await;
        let view = &kernel.actors().await[0];
        assert_eq!((view.handled, view.failed.is_none()), (60, true), "batches of {batch}");
    }
}

/// Fails the test if a play never becomes idle.
async fn becomes_idle(kernel: &Kernel) {
    let hour = Duration::from_hours(1);
    tokio::time::timeout(hour, kernel.wait_idle()).await.expect("a message is stranded");
}

/// Sleeps a second over `slow`, and for ever over the first `hang`. Exits with status 0 over the first `exit`, crashes on
/// `bad`, and notes every other message. It has several instances, and the first one failed.
async fn with_a_failed_instance(journal: &Journal, instances: usize) -> Kernel {
    let (log, went_wrong) = (journal.clone(), Arc::new(AtomicBool::new(false)));
    let mut actor = native(move |turn| {
        let (body, log, went_wrong) = (text(turn), log.clone(), went_wrong.clone());
        Box::pin(async move {
            match &*body {
                "bad" => return Err(trap()),
                "exit" if !went_wrong.swap(true, Ordering::Relaxed) => {
                    return Err(Crash::new(CrashReason::Exit { status: 0 }));
                }
                "slow" => tokio::time::sleep(Duration::from_secs(1)).await,
                "hang" if !went_wrong.swap(true, Ordering::Relaxed) => std::future::pending().await,
                _ => {}
            }
            log.note(body);
            Ok(Outcome::Done(None))
        })
    })
    .at("/a");
    (actor.instances, actor.limits.timeout) = (instances, Duration::from_hours(1));
    actor.restart.kind = playhouse_kernel::RestartKind::Transient;
    (actor.restart.attempts, actor.restart.cooldown) = (1, None);
    let supervision = SupervisionSpec { intensity: 0, ..STRICT };
    let kernel = start_plan(&Plan { supervision, ..plan(vec![actor, fragile(journal, "/b")]) }).await;
    tell(&kernel, "/a", "bad").await;
    while kernel.actors().await[0].instances[0].state != State::Failed {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    kernel
}

#[tokio::test(start_paused = true)]
async fn instance_that_ends_hands_its_messages_to_a_live_one() {
    let journal = Journal::default();
    let kernel = with_a_failed_instance(&journal, 3).await;
    for body in ["slow", "1", "exit", "2"] {
        tell(&kernel, "/a", body).await;
    }
    becomes_idle(&kernel).await;
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["1", "2", "exit", "slow"]);
    let states: Vec<_> = kernel.actors().await[0].instances.iter().map(|instance| instance.state).collect();
    assert_eq!(states.iter().filter(|state| **state == State::Failed).count(), 1, "{states:?}");
}

#[tokio::test(start_paused = true)]
async fn last_instance_that_ends_leaves_a_failed_actor() {
    let journal = Journal::default();
    let kernel = with_a_failed_instance(&journal, 2).await;
    for body in ["1", "exit", "2"] {
        tell(&kernel, "/a", body).await;
    }
    becomes_idle(&kernel).await;
    let view = kernel.actors().await.remove(0);
    assert_eq!((view.state, view.failed.is_some(), view.waiting > 0), (State::Failed, true, true));
    assert!(matches!(kernel.ask(&addr("/a"), b"?", SOON).await, Err(AskError::ActorFailed(_))));
}

#[tokio::test(start_paused = true)]
async fn killed_instance_leaves_its_messages_to_a_live_one() {
    let journal = Journal::default();
    let kernel = with_a_failed_instance(&journal, 3).await;
    for body in ["slow", "0", "hang", "1"] {
        tell(&kernel, "/a", body).await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!((letters(&kernel), journal.count("1")), (vec!["crashed bad x1".to_owned()], 1), "{:?}", journal.lines());
}

#[tokio::test(start_paused = true)]
async fn instance_whose_ordered_start_fails_strands_no_message() {
    let journal = Journal::default();
    let (log, started) = (journal.clone(), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let mut actor = native(move |turn| {
        let (body, first_runs, log) = (text(turn), turn.incarnation() <= 2, log.clone());
        Box::pin(async move {
            if first_runs {
                std::future::pending::<()>().await;
            }
            log.note(body);
            Ok(Outcome::Done(None))
        })
    })
    .on_init(move |_| match started.fetch_add(1, Ordering::Relaxed) {
        2 => Err(Crash::new(CrashReason::Start { message: "no".into() })),
        _ => Ok(()),
    })
    .at("/a");
    (actor.instances, actor.limits.timeout) = (2, Duration::from_hours(1));
    let kernel = start(vec![actor]).await;
    for body in ["1", "2"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.halt(&addr("/a")).await;
    while state_of(&kernel, "/a").await != State::Stopped {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(kernel.start_actor(&addr("/a")).await.is_err(), "one instance did not start");
    becomes_idle(&kernel).await;
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn ask_is_refused_while_no_instance_is_back_in_time() {
    let journal = Journal::default();
    let mut actor = fragile(&journal, "/a");
    actor.instances = 2;
    actor.restart.backoff = playhouse_kernel::Backoff { initial: Duration::from_mins(1), max: Duration::from_mins(1) };
    let kernel = strict(vec![actor, fragile(&journal, "/b")]).await;
    for _ in 0..2 {
        tell(&kernel, "/a", "bad").await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let view = kernel.actors().await.remove(0);
    let states: Vec<_> = view.instances.iter().map(|instance| instance.state).collect();
    assert_eq!(states, [State::BackingOff, State::Failed]);
    let began = tokio::time::Instant::now();
    let told = kernel.ask(&addr("/a"), b"?", Duration::from_millis(1)).await;
    assert!(matches!(told, Err(AskError::Restarting(_))), "{told:?}");
    assert!(began.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn instances_account_for_each_message_once() {
    let journal = Journal::default();
    let mut actor = fragile(&journal, "/a");
    (actor.instances, actor.idle_stop) = (3, Some(Duration::from_millis(100)));
    let supervision = SupervisionSpec { intensity: 3, ..STRICT };
    let kernel = start_plan(&Plan { supervision, ..plan(vec![actor, fragile(&journal, "/b")]) }).await;
    for body in ["1", "2", "3", "4"] {
        tell(&kernel, "/a", body).await;
    }
    while state_of(&kernel, "/a").await != State::Passivated {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..5 {
        tell(&kernel, "/a", "bad").await;
        kernel.wait_idle().await;
    }
    let last = kernel.actors().await.remove(0).last_crash.expect("it crashed");
    let decision = last.decision().expect("the play is idle").to_string();
    assert!(decision.contains("5 failures"), "they outnumber the four messages before: {decision}");
}

#[tokio::test(start_paused = true)]
async fn failed_actor_shows_the_first_trial_of_its_instances() {
    let journal = Journal::default();
    let mut actor = fragile(&journal, "/a");
    actor.instances = 2;
    let supervision = SupervisionSpec { intensity: 0, ..STRICT };
    let kernel = start_plan(&Plan { supervision, ..plan(vec![actor, fragile(&journal, "/b")]) }).await;
    for _ in 0..2 {
        tell(&kernel, "/a", "bad").await;
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    let failed = kernel.actors().await.remove(0).failed.expect("both instances failed");
    let left = failed.trial_at.expect("it has a cooldown").duration_since(failed.since).expect("later");
    assert!(left < Duration::from_secs(41), "the first failed 20 s before: {left:?}");
}

#[tokio::test(start_paused = true)]
async fn instance_that_starts_again_with_its_group_is_asked() {
    let journal = Journal::default();
    let actor = quick(|turn| match &*text(turn) {
        "bad" => Err(trap()),
        "exit" => Err(Crash::new(CrashReason::Exit { status: 0 })),
        _ => Ok(Outcome::Done(Some(b"fine".to_vec()))),
    });
    let mut actor = actor.at("/a");
    (actor.instances, actor.restart.attempts, actor.restart.cooldown) = (2, 1, None);
    actor.restart.kind = playhouse_kernel::RestartKind::Transient;
    let supervision = SupervisionSpec { strategy: playhouse_kernel::Strategy::OneForAll, ..STRICT };
    let kernel = start_plan(&Plan { supervision, ..plan(vec![actor, fragile(&journal, "/b")]) }).await;
    for body in ["bad", "bad", "exit"] {
        tell(&kernel, "/a", body).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(state_of(&kernel, "/a").await, State::Failed);
    assert!(kernel.actors().await[0].failed.is_some());
    tell(&kernel, "/b", "bad").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ask(&kernel, "/a", "x").await, Ok("fine".into()));
    assert!(kernel.actors().await[0].failed.is_none());
}

#[tokio::test(start_paused = true)]
async fn restarted_instance_takes_over_from_a_failed_one() {
    let journal = Journal::default();
    let log = journal.clone();
    let actor = quick(move |turn| {
        let (body, first) = (text(turn), turn.envelope().expect("there is a current message").attempt == 0);
        match &*body {
            "bad" => return Err(trap()),
            "once" if first => return Err(trap()),
            "exit" => return Err(Crash::new(CrashReason::Exit { status: 0 })),
            _ => log.note(body),
        }
        Ok(Outcome::Done(None))
    });
    let mut actor = actor.at("/a");
    (actor.instances, actor.restart.attempts, actor.restart.cooldown) = (2, 2, None);
    actor.restart.kind = playhouse_kernel::RestartKind::Transient;
    let supervision = SupervisionSpec { strategy: playhouse_kernel::Strategy::OneForAll, ..STRICT };
    let kernel = start_plan(&Plan { supervision, ..plan(vec![actor, fragile(&journal, "/b")]) }).await;
    for body in ["bad", "exit", "once"] {
        tell(&kernel, "/a", body).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let view = kernel.actors().await.remove(0);
    assert_eq!((view.state, view.failed.is_some(), view.waiting), (State::Failed, true, 1), "{view:?}");
    tell(&kernel, "/b", "bad").await;
    becomes_idle(&kernel).await;
    assert_eq!(journal.count("once"), 1);
}
