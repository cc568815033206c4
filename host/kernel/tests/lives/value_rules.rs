//! The promises about the times after which values of keyed states go, each in a small play.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{ActorSpec, FamilySpec, Kernel, Op, StateSize, StateSpec, Store};
use tokio::time::sleep;

use crate::house::{House, SOON, addr, stop, tell};
use crate::timer_rules::{DAY, noon, open_at};

/// A stored actor whose values go after a second.
fn till(house: &House) -> ActorSpec {
    with(house, StateSpec { expire: Some(SOON), ..StateSpec::default() })
}

fn with(house: &House, spec: StateSpec) -> ActorSpec {
    ActorSpec { state: Some(Box::new(spec)), ..house.stored("/a") }
}

/// A stored actor whose values stay.
fn staying(house: &House) -> ActorSpec {
    with(house, StateSpec::default())
}

/// Time until values whose times are over are removed, too.
const REMOVED: Duration = Duration::from_secs(3);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

async fn ask(kernel: &Kernel, body: &str) -> String {
    String::from_utf8(kernel.ask(&addr("/a"), body.as_bytes(), SOON).await.unwrap()).unwrap()
}

/// The entries that set or remove values.
fn changes(house: &House) -> Vec<String> {
    house.entries().into_iter().filter(|entry| entry.contains('=') || entry.contains("end of")).collect()
}

async fn members(kernel: &Kernel) -> usize {
    kernel.actors().await.iter().find_map(|actor| actor.family).expect("the family").members
}

/// A family at `/user` whose members leave the memory after a second.
fn users(house: &House, expire: Option<Duration>) -> ActorSpec {
    let family = FamilySpec { expire, ..FamilySpec::new(10, 100).created_by(addr("/"), 1_000) };
    let state = Some(Box::default());
    ActorSpec { idle_stop: Some(SOON), state, family: Some(Arc::new(family)), ..house.stored("/user") }
}

#[tokio::test(start_paused = true)]
async fn value_goes_after_its_time() {
    let house = House::default();
    let kernel = house.open(vec![till(&house)]).await;
    tell(&kernel, "/a", "set k 1").await;
    kernel.wait_idle().await;
    sleep(ms(999)).await;
    assert_eq!((ask(&kernel, "get k").await, ask(&kernel, "keys").await), ("1".into(), "k".into()));
    sleep(ms(1)).await;
    assert_eq!((ask(&kernel, "get k").await, ask(&kernel, "keys").await), ("none".into(), String::new()));
    assert_eq!(kernel.state_value(&addr("/a"), "k").await.unwrap(), None);
    assert_eq!(kernel.state_keys(&addr("/a"), "", None, 10).await.unwrap(), [""; 0]);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn value_that_is_not_in_memory_goes_too() {
    let house = House::default();
    let spec = StateSpec { expire: Some(SOON), cache_bytes: 0, ..StateSpec::default() };
    let kernel = house.open(vec![with(&house, spec)]).await;
    tell(&kernel, "/a", "set k 1").await;
    tell(&kernel, "/a", "set l 1").await;
    kernel.wait_idle().await;
    sleep(ms(999)).await;
    assert_eq!((ask(&kernel, "get k").await, ask(&kernel, "keys").await), ("1".into(), "k l".into()));
    sleep(ms(1)).await;
    assert_eq!((ask(&kernel, "get k").await, ask(&kernel, "keys").await), ("none".into(), String::new()));
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn value_that_is_set_again_begins_anew() {
    let house = House::default();
    let kernel = house.open(vec![till(&house)]).await;
    for value in ["1", "2", "2", "2"] {
        tell(&kernel, "/a", &format!("set k {value}")).await;
        kernel.wait_idle().await;
        sleep(ms(900)).await;
    }
    assert_eq!(ask(&kernel, "get k").await, "2");
    assert!(!changes(&house).iter().any(|change| change.starts_with("end of")), "{:?}", changes(&house));
    sleep(ms(100)).await;
    assert_eq!(ask(&kernel, "get k").await, "none");
    tell(&kernel, "/a", "set k 3").await;
    sleep(ms(500)).await;
    assert_eq!(ask(&kernel, "get k").await, "3");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn value_may_have_its_own_time() {
    let house = House::default();
    let kernel = house.open(vec![till(&house)]).await;
    tell(&kernel, "/a", "for 500 short 1; set usual 1; for 2000 long 1; for 100 again 1; set again 1").await;
    kernel.wait_idle().await;
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(ask(&kernel, "keys").await);
        sleep(ms(700)).await;
    }
    assert_eq!(keys, ["again long short usual", "again long usual", "long"]);
    assert_eq!(ask(&kernel, "keys").await, "");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn values_stay_unless_they_have_a_time() {
    let house = House::default();
    let kernel = house.open(vec![staying(&house)]).await;
    tell(&kernel, "/a", "set k 1; for 500 short 1").await;
    tell(&kernel, "/a", "for 500 l 1; set l 2").await;
    kernel.wait_idle().await;
    sleep(DAY).await;
    assert_eq!(ask(&kernel, "keys").await, "k l");
    assert_eq!(house.store.expiring(10).await.unwrap(), []);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn any_time_of_a_value_has_a_meaning() {
    let house = House::default();
    let kernel = house.open(vec![staying(&house)]).await;
    tell(&kernel, "/a", &format!("for {} longest 1; for 0 none 1", u64::MAX)).await;
    kernel.wait_idle().await;
    sleep(ms(1)).await;
    assert_eq!(ask(&kernel, "keys").await, "longest");
    // Tokio's sleeps have a bound, of some two years.
    for _ in 0..99 {
        sleep(365 * DAY).await;
    }
    assert_eq!(ask(&kernel, "keys").await, "longest");
    sleep(365 * DAY).await;
    assert_eq!(ask(&kernel, "keys").await, "");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn values_are_removed_although_their_actor_does_nothing() {
    let house = House::default();
    let kernel = house.open(vec![till(&house)]).await;
    tell(&kernel, "/a", "set k 1; set l 2; for 10000 m 3").await;
    kernel.wait_idle().await;
    sleep(REMOVED).await;
    assert_eq!(changes(&house).last().unwrap(), "end of k, end of l");
    let id = house.id_of("/a");
    assert_eq!(house.store.state_size(id).await.unwrap(), StateSize { keys: 1, bytes: 66 });
    assert_eq!(kernel.actors().await[0].keyed_state.unwrap().0, 66, "their bytes are given back");
    sleep(4 * REMOVED).await;
    assert_eq!(house.store.state_size(id).await.unwrap(), StateSize::default());
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn many_values_are_removed_in_steps() {
    let house = House::default();
    let kernel = house.open(vec![till(&house)]).await;
    for n in 0..6 {
        let sets: Vec<_> = (0..100).map(|of| format!("set k{n}-{of} v")).collect();
        tell(&kernel, "/a", &sets.join(";")).await;
    }
    kernel.wait_idle().await;
    sleep(REMOVED).await;
    let entries = changes(&house);
    let removed: Vec<_> = entries.iter().map(|entry| entry.matches("end of").count()).filter(|n| *n > 0).collect();
    assert_eq!((removed.iter().sum::<usize>(), removed.iter().max()), (600, Some(&256)));
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn removed_values_make_space() {
    let house = House::default();
    let spec = StateSpec { bytes: 3 * 66, expire: Some(SOON), ..StateSpec::default() };
    let kernel = house.open(vec![with(&house, spec)]).await;
    tell(&kernel, "/a", "set a 1; set b 2; set c 3").await;
    kernel.wait_idle().await;
    sleep(REMOVED).await;
    assert_eq!(ask(&kernel, "set d 4; set e 5; set f 6; keys").await, "d e f");
    // Values that are over count until they are removed, a moment later here.
    sleep(ms(1001)).await;
    assert_eq!(ask(&kernel, "set d 4; set e 5; set f 6; keys").await, "d e f");
    assert!(kernel.ask(&addr("/a"), b"set g 7", SOON).await.is_err());
    sleep(REMOVED).await;
    assert_eq!(kernel.actors().await[0].keyed_state.unwrap().0, 0);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn time_of_a_value_goes_on_without_the_host() {
    let house = House::default();
    let kernel = open_at(&house, noon(), vec![till(&house)]).await;
    tell(&kernel, "/a", "set k 1").await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    let kernel = open_at(&house, noon() + ms(400), vec![till(&house)]).await;
    sleep(ms(590)).await;
    assert_eq!(ask(&kernel, "get k").await, "1");
    sleep(ms(10)).await;
    assert_eq!(ask(&kernel, "get k").await, "none");
    tell(&kernel, "/a", "set k 2").await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    let kernel = open_at(&house, noon() + DAY, vec![till(&house)]).await;
    assert_eq!(ask(&kernel, "get k").await, "none");
    sleep(ms(1)).await;
    assert_eq!(house.store.expiring(1).await.unwrap(), [], "it is removed at once");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn clock_that_was_ahead_lets_no_value_live_longer() {
    let house = House::default();
    let kernel = open_at(&house, noon(), vec![till(&house)]).await;
    tell(&kernel, "/a", "set k 1; for 86400000 long 1").await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    for _ in 0..2 {
        let kernel = open_at(&house, noon() - 10 * DAY, vec![till(&house)]).await;
        sleep(ms(999)).await;
        assert_eq!(ask(&kernel, "keys").await, "k long");
        stop(&kernel).await;
    }
    let kernel = open_at(&house, noon() - 10 * DAY, vec![till(&house)]).await;
    sleep(ms(1000)).await;
    assert_eq!(ask(&kernel, "keys").await, "long");
    sleep(ms(24 * 60 * 60 * 1000 - 1001)).await;
    assert_eq!(ask(&kernel, "keys").await, "long");
    sleep(ms(1)).await;
    assert_eq!(ask(&kernel, "keys").await, "");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn value_that_an_operator_sets_has_the_usual_time() {
    let house = House::default();
    let kernel = house.open(vec![till(&house)]).await;
    kernel.halt(&addr("/a")).await;
    kernel.change_state(&addr("/a"), vec![("k".into(), Some(b"1".to_vec()))]).await.unwrap();
    sleep(ms(999)).await;
    assert_eq!(kernel.state_value(&addr("/a"), "k").await.unwrap(), Some(b"1".to_vec()));
    sleep(ms(1)).await;
    assert_eq!(kernel.state_value(&addr("/a"), "k").await.unwrap(), None);
    kernel.change_state(&addr("/a"), vec![("k".into(), Some(b"2".to_vec()))]).await.unwrap();
    kernel.resume(&addr("/a")).await;
    assert_eq!(ask(&kernel, "get k").await, "2");
    sleep(REMOVED).await;
    assert_eq!(kernel.actors().await[0].keyed_state.unwrap().0, 0);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn member_that_keeps_nothing_after_it_vanishes() {
    let house = House::default();
    let kernel = house.open(vec![users(&house, Some(DAY))]).await;
    tell(&kernel, "/user/gone", "for 5000 k v").await;
    tell(&kernel, "/user/stays", "for 5000 k v; set l v").await;
    tell(&kernel, "/user/timer", "for 5000 k v; in 86400000 /user/timer").await;
    sleep(REMOVED).await;
    assert_eq!((members(&kernel).await, kernel.actors().await.len()), (3, 1), "none of them is in memory");
    sleep(2 * REMOVED).await;
    assert_eq!(members(&kernel).await, 2);
    let idle = house.store.origins("playhouse:idle-since:/user", &[], 10).await.unwrap();
    assert_eq!(idle.len(), 2, "nothing is left of the one that is gone");
    stop(&kernel).await;
    let history = house.store.history();
    let gone = history.iter().flat_map(|group| &group.entries).flat_map(|entry| &entry.ops);
    assert_eq!(gone.filter(|op| matches!(op, Op::Gone { .. })).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn member_in_memory_vanishes_when_it_leaves() {
    let house = House::default();
    let kernel = house.open(vec![users(&house, None)]).await;
    tell(&kernel, "/user/1", "for 500 k v").await;
    for _ in 0..8 {
        sleep(ms(500)).await;
        tell(&kernel, "/user/1", "x").await;
    }
    assert_eq!(members(&kernel).await, 1);
    sleep(REMOVED).await;
    assert_eq!(members(&kernel).await, 0);
    stop(&kernel).await;
}
