//! Hops: a receiver runs on the thread of its sender, within bounds.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{ActorSpec, Kernel, Outcome, Turn};
use tokio::runtime::Builder;

use crate::stage::*;

/// Notes the Tokio task in which it runs.
fn note_task(journal: &Journal, turn: &Turn) {
    let task = tokio::task::try_id().map(|id| id.to_string());
    journal.note(format!("{} in {}", turn.address().name(), task.unwrap_or_default()));
}

/// Sends its message on to all of `to`, and notes the task in which it runs.
fn forwards(journal: &Journal, to: &'static [&'static str]) -> Native {
    let journal = journal.clone();
    quick(move |turn| {
        note_task(&journal, turn);
        let body = turn.body().to_vec();
        to.iter().try_for_each(|to| turn.tell(to, &body)).unwrap();
        Ok(Outcome::Done(Some(body)))
    })
}

/// The tasks in which these actors ran, in the order of their runs.
fn tasks_of(journal: &Journal, names: &[&str]) -> Vec<String> {
    let mut tasks = Vec::new();
    for line in journal.lines() {
        if let Some((name, task)) = line.split_once(" in ")
            && names.contains(&name)
        {
            tasks.push(task.to_owned());
        }
    }
    tasks
}

#[tokio::test(start_paused = true)]
async fn receiver_runs_in_the_task_of_its_sender() {
    let journal = Journal::default();
    let specs = vec![
        sends_to(forwards(&journal, &["/b"]).at("/a"), &["/b"]),
        sends_to(forwards(&journal, &["/c"]).at("/b"), &["/c"]),
        forwards(&journal, &[]).at("/c"),
    ];
    let kernel = start(specs).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    let tasks = tasks_of(&journal, &["a", "b", "c"]);
    assert!(tasks.len() == 3 && tasks[0] == tasks[1] && tasks[1] == tasks[2], "{tasks:?}");
}

#[tokio::test(start_paused = true)]
async fn asked_actor_runs_in_the_task_of_the_caller() {
    let journal = Journal::default();
    let kernel = start(vec![forwards(&journal, &[]).at("/a")]).await;
    let caller = tokio::spawn(async move {
        ask(&kernel, "/a", "x").await.unwrap();
        tokio::task::id()
    });
    let caller = caller.await.unwrap().to_string();
    assert_eq!(tasks_of(&journal, &["a"]), [caller]);
}

#[tokio::test(start_paused = true)]
async fn several_receivers_go_to_the_scheduler() {
    let journal = Journal::default();
    let to = ["/b", "/c", "/d"];
    let mut specs = vec![sends_to(forwards(&journal, &["/b", "/c", "/d"]).at("/a"), &to)];
    specs.extend(to.iter().map(|at| forwards(&journal, &[]).at(at)));
    let kernel = start(specs).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    let mut tasks = tasks_of(&journal, &["a", "b", "c", "d"]);
    tasks.sort();
    tasks.dedup();
    assert_eq!(tasks.len(), 4, "each runs in its own task: {tasks:?}");
}

#[tokio::test(start_paused = true)]
async fn receiver_of_many_messages_runs_in_the_task_of_its_sender() {
    let journal = Journal::default();
    let to = ["/b"; 256];
    let specs = vec![sends_to(forwards(&journal, &["/b"; 256]).at("/a"), &to), forwards(&journal, &[]).at("/b")];
    let kernel = start(specs).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    let mut tasks = tasks_of(&journal, &["a", "b"]);
    assert_eq!(tasks.len(), 257);
    tasks.dedup();
    assert_eq!(tasks.len(), 1, "{tasks:?}");
}

/// The tasks of `/begins`, whose chain of hops it is, and of the later messages of `/a`, which waits for space in the mailbox of `/b`. Each
/// body has `bytes` bytes.
async fn tasks_beside_a_full_mailbox(bytes: usize) -> (String, Vec<String>) {
    let journal = Journal::default();
    let mut b = forwards(&journal, &[]).at("/b");
    b.mailbox.capacity = 4;
    let specs = vec![
        sends_to(forwards(&journal, &["/a"; 8]).at("/begins"), &["/a"]),
        sends_to(forwards(&journal, &["/b"; 8]).at("/a"), &["/b"]),
        b,
    ];
    let kernel = start(specs).await;
    tell(&kernel, "/begins", &"x".repeat(bytes)).await;
    kernel.wait_idle().await;
    assert_eq!(tasks_of(&journal, &["b"]).len(), 64);
    (tasks_of(&journal, &["begins"]).remove(0), tasks_of(&journal, &["a"]).split_off(1))
}

#[tokio::test(start_paused = true)]
async fn sender_with_space_again_goes_on_in_the_chain() {
    let (chain, senders) = tasks_beside_a_full_mailbox(8).await;
    assert!(senders.contains(&chain), "{chain}: {senders:?}");
}

#[tokio::test(start_paused = true)]
async fn sender_of_large_batches_goes_on_beside_its_receiver() {
    let (chain, senders) = tasks_beside_a_full_mailbox(100 << 10).await;
    assert!(senders.len() == 7 && !senders.contains(&chain), "{chain}: {senders:?}");
}

#[tokio::test(start_paused = true)]
async fn receiver_of_a_long_turn_goes_to_the_scheduler() {
    for (time, hops) in [(Duration::from_micros(10), true), (Duration::from_millis(1), false)] {
        let journal = Journal::default();
        let noted = journal.clone();
        let a = quick(move |turn| {
            note_task(&noted, turn);
            let _ = pin!(tokio::time::advance(time)).poll(&mut Context::from_waker(Waker::noop()));
            turn.tell("/b", b"x").unwrap();
            Ok(Outcome::Done(None))
        });
        let kernel = start(vec![sends_to(a.at("/a"), &["/b"]), forwards(&journal, &[]).at("/b")]).await;
        tell(&kernel, "/a", "x").await;
        kernel.wait_idle().await;
        let tasks = tasks_of(&journal, &["a", "b"]);
        assert_eq!((tasks.len(), tasks[0] == tasks[1]), (2, hops), "{time:?}");
    }
}

/// A pair that sends a message to and fro without end, and the number of its messages so far.
async fn endless_pair(on_message: impl Fn() + Clone + Send + Sync + 'static) -> (Kernel, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let specs: Vec<ActorSpec> = [("/a", "/b"), ("/b", "/a")]
        .map(|(at, to)| {
            let (count, on_message) = (count.clone(), on_message.clone());
            let player = quick(move |turn| {
                count.fetch_add(1, Ordering::Relaxed);
                on_message();
                turn.tell(to, b"again").unwrap();
                Ok(Outcome::Done(None))
            });
            sends_to(player.at(at), &[to])
        })
        .into();
    let kernel = start(specs).await;
    tell(&kernel, "/a", "begin").await;
    (kernel, count)
}

/// Goes to the end of the queue of ready tasks.
async fn requeue() {
    let mut queued = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut queued, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn endless_pair_lets_other_tasks_run() {
    let (_kernel, count) = endless_pair(|| {}).await;
    let other = tokio::spawn(async move {
        let mut most = 0;
        for _ in 0..1000 {
            let before = count.load(Ordering::Relaxed);
            requeue().await;
            most = most.max(count.load(Ordering::Relaxed) - before);
        }
        most
    });
    let most = other.await.unwrap();
    assert!((2..=257).contains(&most), "{most} messages between two polls of another task");
}

#[tokio::test(start_paused = true)]
async fn hops_do_not_grow_the_stack() {
    let (lowest, highest) = (Arc::new(AtomicUsize::new(usize::MAX)), Arc::new(AtomicUsize::new(0)));
    let (low, high) = (lowest.clone(), highest.clone());
    let on_message = move || {
        let here = 0_u8;
        let at = std::ptr::from_ref(&here).addr();
        low.fetch_min(at, Ordering::Relaxed);
        high.fetch_max(at, Ordering::Relaxed);
    };
    let (_kernel, count) = endless_pair(on_message).await;
    while count.load(Ordering::Relaxed) < 10_000 {
        tokio::task::yield_now().await;
    }
    let grown = highest.load(Ordering::Relaxed) - lowest.load(Ordering::Relaxed);
    assert!(grown < 4 << 10, "{grown} bytes between the frames of two messages");
}

#[tokio::test(start_paused = true)]
async fn asks_of_actors_do_not_grow_the_stack() {
    let places: Arc<Mutex<Vec<usize>>> = Arc::default();
    let asks = |to: Option<&'static str>| {
        let places = places.clone();
        native(move |turn| {
            let here = 0_u8;
            places.lock().push(std::ptr::from_ref(&here).addr());
            Box::pin(async move {
                if let Some(to) = to {
                    turn.ask(to, b"x", SOON).await.unwrap();
                }
                Ok(Outcome::Done(Some(Vec::new())))
            })
        })
    };
    let specs = vec![
        sends_to(asks(Some("/b")).at("/a"), &["/b"]),
        sends_to(asks(Some("/c")).at("/b"), &["/c"]),
        sends_to(asks(Some("/d")).at("/c"), &["/d"]),
        asks(None).at("/d"),
    ];
    let kernel = start(specs).await;
    ask(&kernel, "/a", "x").await.unwrap();
    let places = places.lock();
    let grown = places.iter().max().unwrap() - places.iter().min().unwrap();
    assert!(places.len() == 4 && grown < 4 << 10, "{grown} bytes between the frames of four asked actors");
}

#[tokio::test(start_paused = true)]
async fn time_limit_holds_in_a_hop() {
    let journal = Journal::default();
    let noted = journal.clone();
    let waits = native(move |turn| {
        note_task(&noted, turn);
        Box::pin(std::future::pending())
    });
    let mut waits = waits.at("/b");
    waits.restart.attempts = 1;
    waits.limits.timeout = Duration::from_secs(3);
    let kernel = start(vec![sends_to(forwards(&journal, &["/b"]).at("/a"), &["/b"]), waits]).await;
    let began = tokio::time::Instant::now();
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    let tasks = tasks_of(&journal, &["a", "b"]);
    assert_eq!(tasks[0], tasks[1], "it ran in a hop");
    assert_eq!(letters(&kernel), ["crashed x x1"]);
    assert!(began.elapsed() >= Duration::from_secs(3) && began.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn panic_in_a_hop_crashes_the_receiver_alone() {
    let journal = Journal::default();
    let noted = journal.clone();
    let panics = quick(move |turn| {
        note_task(&noted, turn);
        panic!("as told")
    });
    let mut panics = panics.at("/b");
    panics.restart.attempts = 1;
    let kernel = start(vec![sends_to(forwards(&journal, &["/b"]).at("/a"), &["/b"]), panics]).await;
    assert_eq!(ask(&kernel, "/a", "x").await, Ok("x".into()));
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["crashed x x1"]);
    let crashed: Vec<_> = kernel.actors().await.iter().map(|actor| actor.last_crash.is_some()).collect();
    assert_eq!(crashed, [false, true]);
}

/// A value that an incarnation holds is dropped with the runtime, although the mailbox of the actor has the waker of its task.
#[test]
fn incarnations_end_with_their_runtime() {
    let held = Arc::new(Mutex::new(0));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let (counted, hold) = (held.clone(), held.clone());
    let counts = quick(move |_| {
        *counted.lock() += 1;
        Ok(Outcome::Done(None))
    });
    let kernel = runtime.block_on(async move {
        let kernel = start(vec![counts.at("/a")]).await;
        tell(&kernel, "/a", "x").await;
        kernel.wait_idle().await;
        kernel
    });
    drop(kernel);
    drop(runtime);
    drop(hold);
    assert_eq!((*held.lock(), Arc::strong_count(&held)), (1, 1));
}
