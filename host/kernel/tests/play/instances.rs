use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use playhouse_kernel::{ActorSpec, ActorView, Failure, Kernel, Outcome, PlanError, RestartKind, State};
use tokio::time::Instant;

use crate::stage::*;

const SECOND: Duration = Duration::from_secs(1);

/// Takes a second for each message, then notes it. Crashes on `poison`, also after a second.
fn slow(journal: &Journal) -> Native {
    let journal = journal.clone();
    native(move |turn| {
        let (body, journal) = (text(turn), journal.clone());
        Box::pin(async move {
            tokio::time::sleep(SECOND).await;
            if body == "poison" {
                return Err(trap());
            }
            journal.note(body);
            Ok(Outcome::Done(None))
        })
    })
}

fn times(instances: usize, mut spec: ActorSpec) -> ActorSpec {
    spec.instances = instances;
    spec
}

async fn view(kernel: &Kernel) -> ActorView {
    kernel.actors().await.remove(0)
}

fn sorted(journal: &Journal) -> Vec<String> {
    let mut lines = journal.lines();
    lines.sort();
    lines
}

#[tokio::test(start_paused = true)]
async fn n_instances_work_at_the_same_time() {
    let journal = Journal::default();
    let kernel = start(vec![times(4, slow(&journal).at("/a"))]).await;
    let began = Instant::now();
    for n in 0..8 {
        tell(&kernel, "/a", &n.to_string()).await;
    }
    kernel.wait_idle().await;
    assert_eq!(began.elapsed().as_secs(), 2);
    assert_eq!(sorted(&journal), ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

#[tokio::test(start_paused = true)]
async fn one_instance_keeps_the_order() {
    let journal = Journal::default();
    let kernel = start(vec![times(1, slow(&journal).at("/a"))]).await;
    for n in 0..9 {
        tell(&kernel, "/a", &n.to_string()).await;
    }
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[tokio::test(start_paused = true)]
async fn instances_have_own_incarnations_and_share_one_view() {
    let journal = Journal::default();
    let log = journal.clone();
    let greeter = recorder(&journal).on_init(move |turn| {
        turn.tell("/a", b"hello").expect("granted");
        log.note(format!("#{}", turn.incarnation()));
        Ok(())
    });
    let kernel = start(vec![times(3, sends_to(greeter.at("/a"), &["/a"]))]).await;
    kernel.wait_idle().await;
    assert_eq!(sorted(&journal), ["#1", "#2", "#3", "a:hello", "a:hello", "a:hello"]);
    let view = view(&kernel).await;
    assert_eq!((view.state, view.incarnation, view.handled), (State::Idle, 3, 3));
    assert_eq!(view.instances.iter().map(|i| i.incarnation).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_message_is_handled_once_by_one_of_them() {
    let journal = Journal::default();
    let log = journal.clone();
    let echo = quick(move |turn| {
        log.note(text(turn));
        Ok(Outcome::Done(Some(turn.body().to_vec())))
    });
    let mut spec = times(4, echo.at("/a"));
    spec.mailbox.capacity = 8;
    let kernel = start(vec![spec]).await;
    // Asks find idle instances each time, tells find busy ones and a full mailbox.
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let kernel = kernel.clone();
            tokio::spawn(async move {
                for n in 0..2000 {
                    let (body, patience) = (format!("{client}.{n}"), Duration::from_mins(2));
                    if client < 4 {
                        let reply = kernel.ask(&addr("/a"), body.as_bytes(), patience).await;
                        assert_eq!(reply, Ok(body.into_bytes()));
                    } else {
                        kernel.tell(&addr("/a"), body.as_bytes(), patience).await.expect("accepted");
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("all its messages were handled");
    }
    kernel.wait_idle().await;
    let mut expected: Vec<_> = (0..8).flat_map(|client| (0..2000).map(move |n| format!("{client}.{n}"))).collect();
    expected.sort();
    assert_eq!(sorted(&journal), expected);
}

#[tokio::test(start_paused = true)]
async fn no_instance_sleeps_while_messages_wait() {
    let busy = Arc::new(AtomicUsize::new(0));
    let count = busy.clone();
    let worker = native(move |turn| {
        let (pause, count) = (u64::from(turn.body()[0]), count.clone());
        Box::pin(async move {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            count.fetch_sub(1, Ordering::Relaxed);
            Ok(Outcome::Done(None))
        })
    });
    let kernel = start(vec![times(3, worker.at("/a"))]).await;
    for step in 0..500u64 {
        for n in 0..step * 7 % 4 {
            kernel.tell(&addr("/a"), &[(step * 31 + n * 17) as u8 % 9 + 1], SOON).await.expect("accepted");
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let (waiting, busy) = (view(&kernel).await.waiting, busy.load(Ordering::Relaxed));
        assert!(waiting == 0 || busy == 3, "{waiting} wait while {busy} work, at step {step}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn retrying_instance_passes_a_new_message_on() {
    let journal = Journal::default();
    let log = journal.clone();
    let worker = native(move |turn| {
        let (body, attempt, log) =
            (text(turn), turn.envelope().expect("there is a current message").attempt, log.clone());
        Box::pin(async move {
            if body == "retry" && attempt == 0 {
                return Ok(Outcome::Failed(Failure::Retry("again".into())));
            }
            tokio::time::sleep(SECOND).await;
            log.note(body);
            Ok(Outcome::Done(None))
        })
    });
    let kernel = start(vec![times(2, worker.at("/a"))]).await;
    tell(&kernel, "/a", "retry").await;
    let began = Instant::now();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    // The message wakes the instance whose own retry is due at the next look.
    tell(&kernel, "/a", "other").await;
    tokio::time::advance(Duration::from_millis(20)).await;
    kernel.wait_idle().await;
    assert_eq!(sorted(&journal), ["other", "retry"]);
    assert_eq!(began.elapsed().as_secs(), 1, "at the same time");
}

#[tokio::test(start_paused = true)]
async fn a_crash_of_one_costs_only_its_own_batch() {
    let journal = Journal::default();
    let mut spec = times(4, slow(&journal).at("/a"));
    spec.restart.attempts = 1;
    let kernel = start(vec![spec]).await;
    let began = Instant::now();
    for body in ["1", "poison", "2", "3"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.wait_idle().await;
    assert_eq!((began.elapsed().as_secs(), sorted(&journal)), (1, ["1", "2", "3"].map(String::from).into()));
    assert_eq!(letters(&kernel), ["crashed poison x1"]);
    while view(&kernel).await.incarnation < 5 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let view = view(&kernel).await;
    let crashed: Vec<_> = view.instances.iter().filter(|i| i.restarts > 0 || i.last_crash.is_some()).collect();
    assert_eq!((crashed.len(), crashed[0].incarnation, view.restarts), (1, 5, 1));
    assert_eq!(view.last_crash.expect("one crashed").incarnation, crashed[0].last_crash.as_ref().unwrap().incarnation);
}

#[tokio::test(start_paused = true)]
async fn messages_of_an_ended_instance_go_to_the_others() {
    let journal = Journal::default();
    let mut spec = times(2, slow(&journal).at("/a"));
    spec.restart.kind = RestartKind::Temporary;
    spec.batch = 1;
    let kernel = start(vec![spec]).await;
    for body in ["poison", "1", "2", "3"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.wait_idle().await;
    assert_eq!(sorted(&journal), ["1", "2", "3"]);
    assert_eq!(letters(&kernel), ["crashed poison x1"]);
    assert_eq!(view(&kernel).await.state, State::Idle);
    tell(&kernel, "/a", "poison").await;
    kernel.wait_idle().await;
    assert!(kernel.tell(&addr("/a"), b"x", SOON).await.is_err(), "after the last one the mailbox is closed");
    assert_eq!(view(&kernel).await.state, State::Ended);
}

#[tokio::test(start_paused = true)]
async fn operator_stops_all_instances() {
    let journal = Journal::default();
    let kernel = start(vec![times(3, slow(&journal).at("/a"))]).await;
    for n in 0..9 {
        tell(&kernel, "/a", &n.to_string()).await;
    }
    tokio::task::yield_now().await;
    assert_eq!(kernel.halt(&addr("/a")).await, Some(State::Running));
    while view(&kernel).await.state != State::Stopped {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (stopped, handled) = (view(&kernel).await, journal.lines().len());
    assert!(stopped.instances.iter().all(|instance| instance.state == State::Stopped), "{stopped:?}");
    assert_eq!(stopped.waiting + handled, 9);
    assert_eq!(kernel.resume(&addr("/a")).await, Some(State::Stopped));
    kernel.wait_idle().await;
    assert_eq!(journal.lines().len(), 9);
    assert_eq!(view(&kernel).await.incarnation, 6);
}

#[tokio::test(start_paused = true)]
async fn an_orderly_stop_drains_with_all_of_them() {
    let journal = Journal::default();
    let log = journal.clone();
    let spec = slow(&journal).on_shutdown(move |_| {
        log.note("shutdown");
        Ok(())
    });
    let kernel = start(vec![times(4, spec.at("/a"))]).await;
    for n in 0..16 {
        tell(&kernel, "/a", &n.to_string()).await;
    }
    let began = Instant::now();
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(began.elapsed().as_secs(), 4);
    assert_eq!((journal.lines().len(), journal.count("shutdown")), (20, 4));
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_killed_instance_go_to_the_others() {
    let journal = Journal::default();
    let log = journal.clone();
    let hangs = native(move |turn| {
        let (body, incarnation, log) = (text(turn), turn.incarnation(), log.clone());
        Box::pin(async move {
            // The last one, which stops first.
            if incarnation == 2 {
                std::future::pending::<()>().await;
            }
            log.note(body);
            Ok(Outcome::Done(None))
        })
    });
    let mut spec = times(2, hangs.at("/a"));
    spec.limits.timeout = Duration::from_hours(1);
    let kernel = start(vec![spec]).await;
    for n in 0..4 {
        tell(&kernel, "/a", &n.to_string()).await;
    }
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(sorted(&journal), ["0", "1", "2", "3"]);
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_actor_may_ask_itself_while_another_instance_is_free() {
    let asker = native(|turn| {
        Box::pin(async move {
            let depth = turn.body()[0] - b'0';
            if depth == 0 {
                return Ok(Outcome::Done(Some(b"deep enough".to_vec())));
            }
            let answer = turn.ask("/a", &[b'0' + depth - 1], Duration::from_secs(4)).await;
            Ok(Outcome::Done(Some(answer.unwrap_or_else(|error| error.to_string().into_bytes()))))
        })
    });
    let kernel = start(vec![times(3, sends_to(asker.at("/a"), &["/a"]))]).await;
    assert_eq!(ask(&kernel, "/a", "2").await, Ok("deep enough".into()));
    assert_eq!(ask(&kernel, "/a", "3").await, Ok("deadlock: /a -> /a".into()));
}

#[tokio::test(start_paused = true)]
async fn plan_limits_instances_and_their_children() {
    let journal = Journal::default();
    let several = |n| times(n, recorder(&journal).at("/a"));
    let refused = |actors| Kernel::start(&plan(actors)).map(drop).map_err(|error| error.to_string());
    let refusals = [
        refused(vec![several(2), recorder(&journal).at("/a/b")]),
        refused(vec![several(0)]),
        refused(vec![several(65)]),
    ];
    assert_eq!(
        refusals,
        [
            Err("`/a/b` cannot be below `/a`, which has several instances: give it one, or move the child".into()),
            Err("`/a`: `instances` must be at least 1".into()),
            Err("`/a` has 65 instances: at most 64 share a mailbox; put more actors beside it".into()),
        ]
    );
    let error = plan(vec![several(65)]).check();
    assert_eq!(error, Err(PlanError::TooManyInstances(addr("/a"), 65)));
}

#[tokio::test(start_paused = true)]
async fn actor_with_several_instances_may_not_spawn() {
    let journal = Journal::default();
    let refused = plan(vec![times(2, spawns(recorder(&journal).at("/a"), &["worker"]))]).check();
    assert_eq!(refused, Err(PlanError::SeveralSpawn(addr("/a"))));
}

#[tokio::test(start_paused = true)]
async fn spawned_child_with_instances_stops_as_one() {
    let journal = Journal::default();
    let mut plan = plan(vec![spawns(scripted(&journal).at("/boss"), &["worker"])]);
    let worker = Kind(slow(&journal).named("worker"), |spec| spec.instances = 3, false);
    plan.plugins.insert("worker".into(), Arc::new(worker));
    let kernel = start_plan(&plan).await;
    let began = Instant::now();
    tell(&kernel, "/boss", "spawn w worker;tell w 1;tell w 2;tell w 3").await;
    tell(&kernel, "/boss", "stop w").await;
    kernel.wait_idle().await;
    assert_eq!((began.elapsed().as_secs(), sorted(&journal)), (1, ["1", "2", "3"].map(String::from).into()));
    while kernel.actors().await.len() > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(letters(&kernel).is_empty());
    tell(&kernel, "/boss", "spawn w worker;tell w 4").await;
    kernel.wait_idle().await;
    assert_eq!(journal.count("4"), 1);
}

#[tokio::test(start_paused = true)]
async fn spawned_actor_outlives_an_instance_that_did_not_start() {
    let journal = Journal::default();
    let starts = AtomicUsize::new(0);
    let worker = scripted(&journal).named("worker").on_init(move |_| match starts.fetch_add(1, Ordering::Relaxed) {
        0 => Err(trap()),
        _ => Ok(()),
    });
    let mut plan = plan(vec![spawns(scripted(&journal).at("/boss"), &["worker"])]);
    let worker = Kind(
        worker,
        |spec| {
            (spec.instances, spec.batch) = (2, 1);
            (spec.restart.kind, spec.restart.attempts) = (RestartKind::Temporary, 1);
        },
        false,
    );
    plan.plugins.insert("worker".into(), Arc::new(worker));
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "spawn w worker;tell w note 1").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss", "tell w trap;tell w note 2").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["w:1"]);
    assert_eq!(letters(&kernel), ["crashed trap x1", "stopped note 2 x0"], "its other instance did start");
}
