//! Actors without an incarnation until a message comes: passivated, or refused by their own code at the start. And a bound on
//! actors that have one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use playhouse_kernel::{ActorSpec, Gate, Kernel, MaxInstances, Outcome, Plan, StartKind, State};
use tokio::time::{Instant, sleep};

use crate::stage::*;

const MINUTE: Duration = Duration::from_mins(1);

fn idle_stop(mut spec: ActorSpec) -> ActorSpec {
    spec.idle_stop = Some(MINUTE);
    spec
}

/// Notes each body, and when it stops.
fn noting(journal: &Journal) -> Native {
    let log = journal.clone();
    recorder(journal).on_shutdown(move |turn| {
        log.note(format!("{} stops", turn.address().name()));
        Ok(())
    })
}

async fn passivated(kernel: &Kernel, address: &str) {
    while state_of(kernel, address).await != State::Passivated {
        sleep(SOON).await;
    }
}

#[tokio::test(start_paused = true)]
async fn idle_actor_is_passivated_until_the_next_message() {
    let journal = Journal::default();
    let kernel = start(vec![idle_stop(noting(&journal).at("/a"))]).await;
    tell(&kernel, "/a", "1").await;
    sleep(59 * SOON).await;
    assert_eq!(state_of(&kernel, "/a").await, State::Idle);
    sleep(2 * SOON).await;
    assert_eq!(state_of(&kernel, "/a").await, State::Passivated);
    kernel.wait_idle().await;
    tell(&kernel, "/a", "2").await;
    kernel.wait_idle().await;
    let view = kernel.actors().await.remove(0);
    assert_eq!((view.state, view.incarnation, view.handled, view.restarts), (State::Idle, 2, 2, 0));
    assert_eq!(journal.lines(), ["a:1", "a stops", "a:2"], "with its shutdown hook");
}

#[tokio::test(start_paused = true)]
async fn message_in_time_delays_passivation() {
    let journal = Journal::default();
    let kernel = start(vec![idle_stop(noting(&journal).at("/a"))]).await;
    for n in 0..10 {
        tell(&kernel, "/a", &n.to_string()).await;
        sleep(59 * SOON).await;
    }
    assert_eq!((kernel.actors().await[0].incarnation, journal.lines().len()), (1, 10));
}

#[tokio::test(start_paused = true)]
async fn message_during_passivation_is_for_the_next_run() {
    let journal = Journal::default();
    let once = Arc::new(AtomicBool::new(true));
    let late = recorder(&journal).on_shutdown(move |turn| {
        if once.swap(false, Ordering::Relaxed) {
            for body in ["1", "2", "3"] {
                turn.tell("/a", body.as_bytes()).expect("granted");
            }
        }
        Ok(())
    });
    let kernel = start(vec![sends_to(idle_stop(late.at("/a")), &["/a"])]).await;
    sleep(2 * MINUTE).await;
    assert_eq!(journal.lines(), ["a:1", "a:2", "a:3"]);
    passivated(&kernel, "/a").await;
    assert_eq!(kernel.actors().await[0].incarnation, 2);
}

#[tokio::test(start_paused = true)]
async fn on_message_actor_has_no_run_before_a_message() {
    let journal = Journal::default();
    let mut spec = noting(&journal).at("/a");
    spec.start = StartKind::OnMessage;
    let kernel = start(vec![spec]).await;
    let view = kernel.actors().await.remove(0);
    assert_eq!((view.state, view.incarnation), (State::Passivated, 0));
    tell(&kernel, "/a", "1").await;
    kernel.wait_idle().await;
    sleep(10 * MINUTE).await;
    assert_eq!((state_of(&kernel, "/a").await, journal.lines()), (State::Idle, vec!["a:1".to_owned()]), "and stays");
}

#[tokio::test(start_paused = true)]
async fn timer_watch_or_child_prevents_passivation() {
    let journal = Journal::default();
    let busy = scripted(&journal).watching(&journal);
    let worker: Arc<dyn playhouse_kernel::Template> = Arc::new(Kind(recorder(&journal), |_| {}, false));
    let spec = sends_to(spawns(idle_stop(busy.at("/a")), &["worker"]), &["/b"]);
    let plugins = [("worker".to_owned(), worker)].into();
    let kernel = start_plan(&Plan { plugins, ..plan(vec![recorder(&journal).at("/b"), spec]) }).await;
    for (hold, release) in [("after 600000 /b x", "cancel"), ("watch /b", "unwatch 1"), ("spawn c worker", "stop c")] {
        tell(&kernel, "/a", hold).await;
        sleep(5 * MINUTE).await;
        assert_eq!(state_of(&kernel, "/a").await, State::Idle, "{hold}");
        tell(&kernel, "/a", release).await;
        sleep(2 * MINUTE).await;
        assert_eq!(state_of(&kernel, "/a").await, State::Passivated, "{release}");
        // Each run counts its watches from zero.
        tell(&kernel, "/a", "note up").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_a_run_that_is_over_never_fires_into_the_next() {
    let journal = Journal::default();
    let kernel = start(vec![sends_to(idle_stop(scripted(&journal).at("/a")), &["/a"])]).await;
    tell(&kernel, "/a", "after 90000 /a note late").await;
    sleep(80 * SOON).await;
    assert_eq!(state_of(&kernel, "/a").await, State::Idle, "it waits for its timer");
    sleep(12 * SOON).await;
    assert_eq!(journal.lines(), ["a:late"]);
    passivated(&kernel, "/a").await;
    assert_eq!(kernel.actors().await[0].incarnation, 1);
}

#[tokio::test(start_paused = true)]
async fn passivation_sends_no_notice() {
    let journal = Journal::default();
    let watcher = scripted(&journal).watching(&journal);
    let quiet = idle_stop(recorder(&journal).at("/q"));
    let kernel = start(vec![quiet, sends_to(watcher.at("/w"), &["/q"])]).await;
    tell(&kernel, "/w", "watch /q").await;
    passivated(&kernel, "/q").await;
    tell(&kernel, "/q", "x").await;
    passivated(&kernel, "/q").await;
    kernel.halt(&addr("/q")).await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["q:x", "w!1 /q#2 Stopped { by_operator: true }"]);
}

#[tokio::test(start_paused = true)]
async fn an_ask_finds_a_passivated_actor() {
    let mut spec = quick(|turn| Ok(Outcome::Done(Some(turn.body().to_vec())))).at("/a");
    spec.start = StartKind::OnMessage;
    let kernel = start(vec![idle_stop(spec)]).await;
    for _ in 0..3 {
        assert_eq!(ask(&kernel, "/a", "x").await.as_deref(), Ok("x"));
        passivated(&kernel, "/a").await;
    }
    assert_eq!(kernel.actors().await[0].incarnation, 3);
}

#[tokio::test(start_paused = true)]
async fn instances_are_passivated_one_by_one() {
    let mut spec = idle_stop(recorder(&Journal::default()).at("/a"));
    spec.instances = 3;
    let kernel = start(vec![spec]).await;
    sleep(2 * MINUTE).await;
    assert_eq!(state_of(&kernel, "/a").await, State::Passivated);
    for _ in 0..5 {
        tell(&kernel, "/a", "x").await;
        sleep(SOON).await;
    }
    let view = kernel.actors().await.remove(0);
    assert_eq!((view.state, view.incarnation), (State::Idle, 4), "one of them was enough");
}

/// An actor whose code refuses to start until the test opens its gate, and the number of its refusals.
fn gated(journal: &Journal, recheck: Option<Duration>) -> (Native, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (open, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (opens, count) = (open.clone(), asked.clone());
    let native = recorder(journal).gated(move |turn| {
        count.fetch_add(1, Ordering::Relaxed);
        turn.tell("/log", b"asked").expect("granted");
        Ok(if opens.load(Ordering::Relaxed) { Gate::Start } else { Gate::Wait(recheck) })
    });
    (native, open, asked)
}

#[tokio::test(start_paused = true)]
async fn refused_start_is_no_failure() {
    let journal = Journal::default();
    let (native, open, asked) = gated(&journal, None);
    let mut spec = sends_to(native.at("/a"), &["/log"]);
    spec.mailbox.capacity = 2;
    spec.mailbox.overflow = playhouse_kernel::Overflow::DropNewest;
    let kernel = start(vec![recorder(&journal).at("/log"), spec, recorder(&journal).at("/b")]).await;
    assert_eq!(state_of(&kernel, "/a").await, State::Waiting, "and the play is up without it");
    for body in ["1", "2"] {
        tell(&kernel, "/a", body).await;
    }
    let third = kernel.tell(&addr("/a"), b"3", SOON).await;
    assert!(matches!(third, Err(playhouse_kernel::SendError::Dropped { .. })), "{third:?}");
    sleep(MINUTE).await;
    let view = &kernel.actors().await[1];
    assert_eq!((view.state, view.waiting, view.restarts, kernel.restarts()), (State::Waiting, 2, 0, 0));
    assert_eq!(letters(&kernel), ["overflow 3 x0"]);
    assert_eq!(asked.load(Ordering::Relaxed), 2, "at the start, and for the messages that came");
    assert!(journal.lines().is_empty(), "its messages are dropped when it refuses to start");
    // The next message opens it.
    open.store(true, Ordering::Relaxed);
    let mut closed = kernel.actors().await;
    assert_eq!(closed.remove(1).state, State::Waiting);
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert_eq!(journal.count("log:asked"), 1, "its messages are sent when it starts");
    assert_eq!((journal.count("a:1"), journal.count("a:2")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn refused_start_is_asked_again_by_time_or_message() {
    let journal = Journal::default();
    let (native, open, asked) = gated(&journal, Some(MINUTE));
    let crashing = native.clone();
    let kernel = start(vec![recorder(&journal).at("/log"), sends_to(crashing.at("/a"), &["/log"])]).await;
    sleep(MINUTE / 2).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    tell(&kernel, "/a", "1").await;
    sleep(SOON).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2, "a message came");
    open.store(true, Ordering::Relaxed);
    sleep(MINUTE).await;
    assert_eq!((asked.load(Ordering::Relaxed), journal.count("a:1")), (3, 1), "its time passed");
    kernel.halt(&addr("/a")).await;
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    sleep(SOON).await;
    assert_eq!(asked.load(Ordering::Relaxed), 4, "an operator started it");
}

#[tokio::test(start_paused = true)]
async fn flood_of_messages_does_not_ask_a_gate_in_a_loop() {
    let journal = Journal::default();
    let (native, _, asked) = gated(&journal, None);
    let kernel = start(vec![recorder(&journal).at("/log"), sends_to(native.at("/a"), &["/log"])]).await;
    let began = Instant::now();
    while began.elapsed() < SOON {
        for _ in 0..2 {
            let _ = kernel.tell(&addr("/a"), b"x", Duration::ZERO).await;
        }
        sleep(Duration::from_millis(1)).await;
    }
    let asked = asked.load(Ordering::Relaxed);
    assert!((5..=8).contains(&asked), "{asked} times in a second; the backoff begins at 10 ms and doubles");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_crashes_is_a_failed_start() {
    let journal = Journal::default();
    let fine = Arc::new(AtomicBool::new(false));
    let is_fine = fine.clone();
    let gate = recorder(&journal)
        .gated(move |_| if is_fine.swap(true, Ordering::Relaxed) { Ok(Gate::Start) } else { Err(trap()) });
    let mut spec = gate.at("/a");
    spec.start = StartKind::OnMessage;
    let kernel = start(vec![spec]).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    let view = kernel.actors().await.remove(0);
    assert_eq!((view.restarts, view.incarnation, journal.lines()), (1, 2, vec!["a:x".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn play_is_not_idle_while_messages_wait_for_a_gate() {
    let journal = Journal::default();
    let (native, ..) = gated(&journal, None);
    let kernel = start(vec![recorder(&journal).at("/log"), sends_to(native.at("/a"), &["/log"])]).await;
    kernel.wait_idle().await;
    tell(&kernel, "/a", "x").await;
    assert!(tokio::time::timeout(MINUTE, kernel.wait_idle()).await.is_err());
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(letters(&kernel), ["stopped x x0"]);
}

fn bounded(most: usize, actors: Vec<ActorSpec>) -> Plan {
    let max_instances = Some(MaxInstances { most, key: "the test".into() });
    Plan { max_instances, ..plan(actors) }
}

#[tokio::test(start_paused = true)]
async fn more_actors_than_instances_take_turns() {
    let journal = Journal::default();
    let (alive, most_alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let actors = (0..50).map(|n| {
        let (up, most, down) = (alive.clone(), most_alive.clone(), alive.clone());
        let native = recorder(&journal)
            .on_init(move |_| {
                most.fetch_max(up.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                Ok(())
            })
            .on_shutdown(move |_| {
                down.fetch_sub(1, Ordering::Relaxed);
                Ok(())
            });
        let mut spec = idle_stop(native.at(&format!("/a{n}")));
        spec.start = if n % 2 == 0 { StartKind::OnMessage } else { StartKind::Auto };
        spec
    });
    let kernel = start_plan(&bounded(5, actors.collect())).await;
    let began = Instant::now();
    for round in 0..3 {
        for n in 0..50 {
            tell(&kernel, &format!("/a{n}"), &round.to_string()).await;
        }
    }
    kernel.wait_idle().await;
    assert_eq!(journal.lines().len(), 150);
    assert_eq!((0..50).map(|n| journal.count(&format!("a{n}:2"))).sum::<usize>(), 50);
    assert_eq!(most_alive.load(Ordering::Relaxed), 5);
    assert!(began.elapsed() < MINUTE, "no actor waited for another's time to pass");
    assert_eq!(kernel.restarts(), 0);
}

#[tokio::test(start_paused = true)]
async fn longest_idle_instance_is_passivated_for_a_start() {
    let journal = Journal::default();
    let mut actors = ["/a", "/b", "/c"].map(|at| idle_stop(noting(&journal).at(at))).to_vec();
    let mut on_message = noting(&journal).at("/d");
    on_message.start = StartKind::OnMessage;
    actors.push(on_message);
    let kernel = start_plan(&bounded(3, actors)).await;
    for to in ["/b", "/a", "/c"] {
        sleep(SOON).await;
        tell(&kernel, to, "x").await;
    }
    sleep(SOON).await;
    tell(&kernel, "/d", "x").await;
    sleep(SOON).await;
    assert_eq!(journal.lines()[3..], ["b stops", "d:x"]);
}

#[tokio::test(start_paused = true)]
async fn start_without_a_free_slot_fails_and_is_tried_again() {
    let journal = Journal::default();
    let mut late = recorder(&journal).at("/late");
    late.start = StartKind::OnMessage;
    let kernel = start_plan(&bounded(1, vec![recorder(&journal).at("/a"), late])).await;
    tell(&kernel, "/late", "x").await;
    sleep(Duration::from_secs(9)).await;
    assert_eq!((state_of(&kernel, "/late").await, kernel.restarts()), (State::Starting, 0));
    sleep(Duration::from_secs(2)).await;
    let late = kernel.actors().await.into_iter().find(|actor| actor.address == addr("/late")).expect("known");
    assert_eq!(
        late.last_crash.expect("it failed").crash.reason.to_string(),
        "failed to start: there is no free slot for another instance: 1 run at most, which is all that the test admits"
    );
    kernel.halt(&addr("/a")).await;
    sleep(MINUTE).await;
    assert_eq!(journal.lines(), ["late:x"]);
    kernel.resume(&addr("/a")).await;
    sleep(SOON).await;
    assert_eq!(state_of(&kernel, "/a").await, State::Starting);
    let began = Instant::now();
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(
        began.elapsed(),
        Duration::ZERO,
        "an actor that waits for a slot without messages need not start to stop"
    );
}

#[tokio::test(start_paused = true)]
async fn view_tells_states_apart() {
    let journal = Journal::default();
    let slow = native(|_| {
        Box::pin(async {
            sleep(SOON).await;
            Ok(Outcome::Done(None))
        })
    });
    let (shut, ..) = gated(&journal, None);
    let mut on_message = recorder(&journal).at("/passivated");
    on_message.start = StartKind::OnMessage;
    let mut manual = recorder(&journal).at("/stopped");
    manual.start = StartKind::Manual;
    let mut failing = quick(|_| Err(trap())).at("/backing-off");
    failing.restart.backoff.initial = MINUTE;
    let mut ended = quick(|_| Err(trap())).at("/ended");
    ended.restart.kind = playhouse_kernel::RestartKind::Temporary;
    let kernel = start(vec![
        recorder(&journal).at("/log"),
        slow.clone().at("/running"),
        recorder(&journal).at("/idle"),
        sends_to(shut.at("/waiting"), &["/log"]),
        on_message,
        manual,
        failing,
        ended,
        slow.at("/draining"),
    ])
    .await;
    for to in ["/running", "/backing-off", "/ended"] {
        tell(&kernel, to, "x").await;
    }
    sleep(Duration::from_millis(1)).await;
    for name in ["running", "idle", "waiting", "passivated", "stopped", "backing-off", "ended"] {
        assert_eq!(state_of(&kernel, &format!("/{name}")).await.name(), name);
    }
    tell(&kernel, "/draining", "x").await;
    kernel.shut_down();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(state_of(&kernel, "/draining").await.name(), "draining");
}

#[tokio::test(start_paused = true)]
async fn operators_stop_of_a_child_survives_parent_restarts() {
    let journal = Journal::default();
    let boss = scripted(&journal).on_prepare(|turn| {
        turn.spawn("worker", "worker", playhouse_kernel::Config::new()).expect("granted");
        Ok(())
    });
    let worker: Arc<dyn playhouse_kernel::Template> = Arc::new(Kind(recorder(&journal).named("worker"), |_| {}, false));
    let plugins = [("worker".to_owned(), worker)].into();
    let kernel = start_plan(&Plan { plugins, ..plan(vec![spawns(boss.at("/boss"), &["worker"])]) }).await;
    kernel.halt(&addr("/boss/worker")).await;
    tell(&kernel, "/boss/worker", "x").await;
    tell(&kernel, "/boss", "trap").await;
    while kernel.restarts() == 0 || state_of(&kernel, "/boss").await != State::Idle {
        sleep(Duration::from_millis(1)).await;
    }
    sleep(MINUTE).await;
    assert_eq!(state_of(&kernel, "/boss/worker").await, State::Stopped);
    kernel.resume(&addr("/boss/worker")).await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["worker:x"]);
}
