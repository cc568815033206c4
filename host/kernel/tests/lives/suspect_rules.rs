//! The promises about messages that end their host, each in a small play. A host that dies is a runtime that is dropped.

use std::time::Duration;

use playhouse_kernel::{ActorSpec, Kernel, StartKind};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::house::{House, addr, stop, tell};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// One life of a host that dies after some time.
fn life(house: &House, actors: Vec<ActorSpec>, bodies: &[(&str, &str)]) {
    runtime().block_on(async {
        let kernel = house.open(actors).await;
        for (to, body) in bodies {
            tell(&kernel, to, body).await;
        }
        sleep(Duration::from_secs(1)).await;
    });
}

/// The last life: the host ends in order.
fn last_life(house: &House, actors: Vec<ActorSpec>) -> Vec<String> {
    runtime().block_on(async {
        let kernel: Kernel = house.open(actors).await;
        sleep(Duration::from_secs(1)).await;
        stop(&kernel).await;
        let letters = kernel.dead_letters();
        letters.iter().map(|letter| format!("{} {}", letter.to, letter.reason.kind())).collect()
    })
}

/// The notes of messages that were handed over, each with the runs that it may have ended before.
fn notes(house: &House) -> Vec<String> {
    house.entries().into_iter().filter(|line| line.contains("suspect")).collect()
}

#[test]
fn message_that_ends_its_host_again_and_again_is_a_letter() {
    let house = House::default();
    let actors = || vec![house.stored("/a")];
    life(&house, actors(), &[("/a", "first"), ("/a", "hang"), ("/a", "last")]);
    for _ in 0..3 {
        life(&house, actors(), &[]);
    }
    assert_eq!(last_life(&house, actors()), ["/a host-died"]);
    let lines = house.lines();
    assert_eq!(lines.iter().filter(|line| *line == "/a hang 0").count(), 4, "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("/a last 0"));
    assert_eq!(notes(&house), ["suspect 2 0", "suspect 2 1", "suspect 2 2", "suspect 3 0"]);
    assert!(
        house.entries().iter().any(|line| line == "2 ended 3, take 2..3, letter host-died"),
        "{:?}",
        house.entries()
    );
}

#[test]
fn messages_of_a_batch_that_ended_the_host_go_one_at_a_time() {
    let house = House::default();
    let actors = || vec![house.stored("/a")];
    runtime().block_on(async {
        let kernel = house.open(actors()).await;
        kernel.halt(&addr("/a")).await;
        for body in ["one", "two", "three"] {
            tell(&kernel, "/a", body).await;
        }
    });
    runtime().block_on(async {
        let kernel = house.open(actors()).await;
        kernel.resume(&addr("/a")).await;
        sleep(Duration::from_secs(1)).await;
        stop(&kernel).await;
    });
    let entries = house.entries();
    assert_eq!(
        entries[3..],
        ["suspect 1 0", "take 1..2", "suspect 2 0", "take 2..3", "suspect 3 0", "take 3..4"],
        "{entries:?}"
    );
}

#[test]
fn only_the_first_messages_go_one_at_a_time() {
    let house = House::default();
    let actors = || vec![house.stored("/a")];
    runtime().block_on(async {
        let kernel = house.open(actors()).await;
        kernel.halt(&addr("/a")).await;
        for n in 0..70 {
            tell(&kernel, "/a", &format!("m{n}")).await;
        }
    });
    runtime().block_on(async {
        let kernel = house.open(actors()).await;
        kernel.resume(&addr("/a")).await;
        kernel.wait_idle().await;
        stop(&kernel).await;
    });
    let lines: Vec<_> = (0..70).map(|n| format!("/a m{n} 0")).collect();
    assert_eq!((house.lines(), notes(&house).len()), (lines, 64));
}

#[test]
fn end_in_order_blames_no_message_in_process() {
    let house = House::default();
    let actors = || vec![house.stored("/a")];
    life(&house, actors(), &[("/a", "hang")]);
    for _ in 0..5 {
        assert_eq!(last_life(&house, actors()), [""; 0]);
    }
    assert_eq!(notes(&house), ["suspect 1 0"], "later runs follow one that ended in order");
}

#[test]
fn end_counts_once_and_is_not_forgotten() {
    let house = House::default();
    let manual = || vec![ActorSpec { start: StartKind::Manual, ..house.stored("/a") }];
    life(&house, vec![house.stored("/a")], &[("/a", "hang")]);
    life(&house, vec![house.stored("/a")], &[]);
    for _ in 0..3 {
        life(&house, manual(), &[]);
    }
    life(&house, vec![house.stored("/a")], &[]);
    assert_eq!(notes(&house), ["suspect 1 0", "suspect 1 1"]);
}

#[test]
fn message_that_waits_for_its_retry_did_not_end_the_host() {
    let house = House::default();
    let mut slow = house.stored("/a");
    (slow.restart.backoff.initial, slow.restart.backoff.max) = (Duration::from_hours(1), Duration::from_hours(1));
    slow.restart.attempts = 100;
    runtime().block_on(async {
        let kernel = house.open(vec![slow.clone()]).await;
        kernel.halt(&addr("/a")).await;
        tell(&kernel, "/a", "retry").await;
    });
    runtime().block_on(async {
        let kernel = house.open(vec![slow.clone()]).await;
        kernel.resume(&addr("/a")).await;
        sleep(Duration::from_secs(1)).await;
    });
    let before = notes(&house).len();
    runtime().block_on(async {
        let _kernel = house.open(vec![slow.clone()]).await;
        sleep(Duration::from_hours(2)).await;
    });
    let notes = notes(&house);
    assert!(before > 0 && notes.len() > before, "it was handed over in both runs: {notes:?}");
    assert!(notes.iter().all(|note| note == "suspect 1 0"), "{notes:?}");
}

#[test]
fn run_that_ended_in_order_leaves_no_suspects() {
    let house = House::default();
    runtime().block_on(async {
        let kernel = house.open(vec![house.stored("/a")]).await;
        tell(&kernel, "/a", "hang").await;
        tell(&kernel, "/a", "two").await;
        sleep(Duration::from_secs(1)).await;
        stop(&kernel).await;
    });
    life(&house, vec![house.stored("/a")], &[]);
    assert!(!house.entries().iter().any(|line| line.contains("suspect")), "{:?}", house.entries());
}

#[test]
fn retry_that_waits_at_the_end_of_a_host_did_not_end_it() {
    let house = House::default();
    let mut slow = house.stored("/a");
    (slow.restart.backoff.initial, slow.restart.backoff.max) = (Duration::from_hours(1), Duration::from_hours(1));
    // The first random pause of a run is short.
    slow.restart.attempts = 3;
    life(&house, vec![slow.clone()], &[("/a", "retry")]);
    for _ in 0..5 {
        life(&house, vec![slow.clone()], &[]);
    }
    assert_eq!(last_life(&house, vec![slow]), [""; 0], "{:?} {:?}", house.lines(), house.entries());
}

#[test]
fn message_in_process_beside_a_last_chance_is_not_blamed() {
    let house = House::default();
    // Each life both are in process when the host dies, unless one is the last chance of the other.
    let actors = || vec![house.stored("/a"), house.stored("/b")];
    life(&house, actors(), &[("/a", "hang"), ("/b", "hang")]);
    for _ in 0..3 {
        life(&house, actors(), &[]);
    }
    let letters = last_life(&house, actors());
    assert_eq!(letters.len(), 1, "one of them had its last chance alone: {letters:?}");
}
