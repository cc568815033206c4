//! The promises about messages and turns, one by one, each in a small play.

use std::time::Duration;

use playhouse_kernel::{ActorSpec, Backoff, DeadReason, Fault, FaultyStore, Keep, LetterFilter, StartKind, State};
use tokio::time::{Instant, sleep};

use crate::house::{House, SOON, WRITE, addr, stop, tell};

#[tokio::test(start_paused = true)]
async fn acknowledged_message_waits_for_the_next_run() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    kernel.halt(&addr("/a")).await;
    tell(&kernel, "/a", "one").await;
    tell(&kernel, "/a", "two").await;
    stop(&kernel).await;
    assert_eq!(kernel.dead_letters().len(), 0);
    let kernel = house.open(vec![house.stored("/a")]).await;
    assert_eq!(house.lines(), [""; 0], "the operator's order holds, too");
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/a")]).await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a one 0", "/a two 0"]);
}

#[tokio::test(start_paused = true)]
async fn message_of_an_earlier_run_starts_an_actor_that_waits_for_one() {
    let house = House::default();
    let starting = |start| ActorSpec { start, ..house.stored("/a") };
    let kernel = house.open(vec![starting(StartKind::Manual)]).await;
    tell(&kernel, "/a", "one").await;
    stop(&kernel).await;
    let kernel = house.open(vec![starting(StartKind::OnMessage)]).await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a one 0"]);
}

#[tokio::test(start_paused = true)]
async fn turn_of_a_stored_actor_is_one_entry() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b"), house.actor("/out", Keep::Memory)]).await;
    tell(&kernel, "/a", "> /b x; > /out y; > /b z").await;
    kernel.wait_idle().await;
    assert_eq!(house.entries(), ["put 1", "put 2, take 1..2", "take 1..2", "take 2..3"]);
    let mut seen = house.lines();
    seen.sort();
    assert_eq!(seen, ["/a > /b x; > /out y; > /b z 0", "/b x 0", "/b z 0", "/out y 0"]);
}

#[tokio::test(start_paused = true)]
async fn pipeline_waits_for_two_writes_whatever_its_length() {
    let house = House::default();
    let slow = FaultyStore::new(house.store.clone(), vec![Some(Fault::Slow(WRITE)); 50]);
    let stored = ["/a", "/b", "/c"].map(|address| house.stored(address));
    let kernel = house.open_on(slow, stored.into_iter().chain([house.actor("/out", Keep::Memory)]).collect()).await;
    sleep(SOON).await;
    let began = Instant::now();
    tell(&kernel, "/a", "> /b > /c > /out end").await;
    assert_eq!(began.elapsed(), WRITE, "the acknowledgement waits for one write");
    assert_eq!(house.lines().len(), 3, "stored actors do not wait for each other's writes");
    kernel.wait_idle().await;
    assert_eq!(house.lines().last().unwrap(), "/out end 0");
    assert_eq!(began.elapsed(), 2 * WRITE);
}

#[tokio::test(start_paused = true)]
async fn answer_waits_for_the_turn_that_gave_it() {
    let house = House::default();
    let slow = FaultyStore::new(house.store.clone(), vec![Some(Fault::Slow(WRITE)); 50]);
    let kernel = house.open_on(slow, vec![house.stored("/a"), house.stored("/b")]).await;
    sleep(SOON).await;
    let began = Instant::now();
    let answer = kernel.ask(&addr("/a"), b"> /b x; answer", SOON).await;
    assert_eq!((answer.as_deref(), began.elapsed()), (Ok(&b"yes"[..]), WRITE));
}

#[tokio::test(start_paused = true)]
async fn attempts_of_a_message_outlive_the_host() {
    let house = House::default();
    let mut slow_retry = house.stored("/a");
    slow_retry.restart.backoff = Backoff { initial: Duration::from_mins(1), max: Duration::from_mins(1) };
    let kernel = house.open(vec![slow_retry.clone()]).await;
    tell(&kernel, "/a", "retry").await;
    sleep(SOON).await;
    stop(&kernel).await;
    for _ in 0..2 {
        let kernel = house.open(vec![slow_retry.clone()]).await;
        sleep(Duration::from_secs(200)).await;
        stop(&kernel).await;
    }
    assert_eq!(house.lines(), ["/a retry 0", "/a retry 1", "/a retry 2"]);
    assert_eq!(house.entries(), ["put 1", "hold 1", "hold 1", "take 1..2, letter failed"]);
}

#[tokio::test(start_paused = true)]
async fn blamed_crash_counts_in_the_next_run() {
    let house = House::default();
    let mut poisoned = house.stored("/a");
    poisoned.restart.backoff = Backoff { initial: Duration::from_mins(1), max: Duration::from_mins(1) };
    let kernel = house.open(vec![poisoned.clone()]).await;
    tell(&kernel, "/a", "panic").await;
    sleep(SOON).await;
    stop(&kernel).await;
    house.open(vec![poisoned]).await;
    sleep(SOON).await;
    assert_eq!(house.lines(), ["/a panic 0", "/a panic 1"]);
}

#[tokio::test(start_paused = true)]
async fn dead_letter_outlives_the_host_and_is_replayed_once() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    tell(&kernel, "/a", "reject").await;
    tell(&kernel, "/a", "reject; me too").await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/a")]).await;
    let letters = kernel.dead_letters();
    assert!(matches!(&letters[0].reason, DeadReason::Recorded(_)), "{:?}", letters[0].reason);
    assert_eq!(letters[0].reason.kind(), "rejected");
    assert_eq!((letters.len(), letters[0].reason.to_string()), (2, "rejected: never".to_owned()));
    kernel.replay(letters[0].id, SOON).await.unwrap();
    kernel.wait_idle().await;
    assert_eq!(kernel.drop_letters(&LetterFilter::default()).await.done, 2, "the replayed one was rejected again");
    kernel.wait_idle().await;
    assert_eq!(house.lines().len(), 3);
    let last = ["put 1, letter 1 gone", "take 3..4, letter rejected", "letter 2 gone", "letter 3 gone"];
    assert!(house.entries().ends_with(&last.map(str::to_owned)), "{:?}", house.entries());
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/a")]).await;
    kernel.wait_idle().await;
    assert_eq!(house.lines().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn timer_puts_its_message_into_the_store() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b")]).await;
    tell(&kernel, "/a", "later /b").await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a later /b 0", "/b a timer's 0"]);
    assert_eq!(house.entries(), ["put 1", "timer /b, take 1..2", "put 1, timer gone", "take 1..2"]);
}

#[tokio::test(start_paused = true)]
async fn two_turns_that_wait_for_each_others_mailboxes_go_on() {
    let house = House::default();
    let small = |address: &str| {
        let mut actor = house.stored(address);
        (actor.mailbox.capacity, actor.batch, actor.mailbox.block_timeout) = (1, 1, Duration::from_hours(1));
        actor
    };
    let kernel = house.open(vec![small("/a"), small("/b")]).await;
    let began = Instant::now();
    for _ in 0..5 {
        tell(&kernel, "/a", "> /b > /a x; > /b > /a y").await;
        tell(&kernel, "/b", "> /a > /b x; > /a > /b y").await;
    }
    kernel.wait_idle().await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!((kernel.dead_letters().len(), house.lines().len()), (0, 50));
}

#[tokio::test(start_paused = true)]
async fn operators_start_is_kept_when_it_succeeded() {
    let house = House::default();
    let manual = || ActorSpec { start: StartKind::Manual, ..house.stored("/a") };
    let kernel = house.open(vec![manual()]).await;
    let started = kernel.start_actor(&addr("/a")).await.unwrap();
    assert_eq!(started.before, State::Stopped);
    stop(&kernel).await;
    let kernel = house.open(vec![manual()]).await;
    tell(&kernel, "/a", "one").await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a one 0"]);
}

/// An operator who goes away while the store is slow has replayed the letter all the same.
#[tokio::test(start_paused = true)]
async fn abandoned_replay_of_a_letter_is_not_repeated() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    tell(&kernel, "/a", "reject").await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    let store = FaultyStore::new(house.store.clone(), vec![Some(Fault::Slow(WRITE)); 100]);
    let kernel = house.open_on(store, vec![house.stored("/a")]).await;
    kernel.halt(&addr("/a")).await;
    let letter = kernel.dead_letters()[0].id;
    let replay = tokio::time::timeout(WRITE / 2, kernel.replay(letter, SOON)).await;
    assert!(replay.is_err(), "it waits for the disk");
    assert_eq!(kernel.dead_letters().len(), 0);
    assert!(kernel.replay(letter, SOON).await.is_err(), "it is gone");
    sleep(2 * WRITE).await;
    stop(&kernel).await;
    assert_eq!(kernel.store_failure(), None);
    assert_eq!(house.entries().iter().filter(|entry| **entry == "put 1, letter 1 gone").count(), 1);
}
