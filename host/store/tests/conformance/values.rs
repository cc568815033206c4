//! The rules of values that go after a time.

use std::time::Duration;

use playhouse_kernel::{ActorId, ExpiringKey, Lifetime, StateSize, Store, StoredValue};

use crate::home::Home;
use crate::words::{A, B, at, entry, write};

const NONE: ActorId = ActorId(9);

/// The time of a value that is set at a time for so many seconds.
fn lifetime(set_at: u64, seconds: u64) -> Lifetime {
    Lifetime::since(at(set_at), Duration::from_secs(seconds))
}

fn stored(value: &str, lifetime: impl Into<Option<Lifetime>>) -> StoredValue {
    StoredValue { value: value.into(), lifetime: lifetime.into() }
}

/// The keys that expire, with their times in seconds.
async fn expiring(store: &impl Store, most: usize) -> Vec<(String, u64)> {
    let keys = store.expiring(most).await.unwrap();
    let shown = |ExpiringKey { address, key, ends, .. }: ExpiringKey| {
        let since = ends.duration_since(at(0)).expect("after the first second");
        (format!("{address} {key}"), since.as_secs())
    };
    keys.into_iter().map(shown).collect()
}

fn expected(keys: &[(&str, u64)]) -> Vec<(String, u64)> {
    keys.iter().map(|(key, ends)| ((*key).to_owned(), *ends)).collect()
}

pub async fn value_comes_back_with_its_time(home: impl Home) {
    let (store, mut image) = home.open().await;
    let set = entry().born(A, "/a").set(A, "stays", "1").set_for(A, "goes", "2", (10, 5));
    let again = set.set_for(A, "now stays", "3", (10, 5)).set_for(A, "later", "4", (10, 5));
    write(&*store, &mut image, [again]).await.unwrap();
    let again = entry().set(A, "now stays", "5").set_for(A, "later", "6", (12, 7)).set_for(A, "ever", "", (0, 1 << 40));
    write(&*store, &mut image, [again]).await.unwrap();
    drop(store);
    for _ in 0..2 {
        let (store, image) = home.open().await;
        assert_eq!(store.value(A, "stays").await.unwrap(), Some(stored("1", None)));
        assert_eq!(store.value(A, "goes").await.unwrap(), Some(stored("2", lifetime(10, 5))));
        assert_eq!(store.value(A, "now stays").await.unwrap(), Some(stored("5", None)));
        assert_eq!(store.value(A, "later").await.unwrap(), Some(stored("6", lifetime(12, 7))));
        assert_eq!(image.actors[0].state.keys, 5);
        assert_eq!(expiring(&*store, 2).await, expected(&[("/a goes", 15), ("/a later", 19)]));
        assert_eq!(expiring(&*store, 9).await.len(), 3);
    }
}

pub async fn keys_are_those_whose_time_is_not_over(home: impl Home) {
    let (store, mut image) = home.open().await;
    let set = entry().born(A, "/a").set(A, "a", "1").set_for(A, "b", "2", (0, 10)).set_for(A, "c", "3", (0, 20));
    write(&*store, &mut image, [set.set(A, "d", "4")]).await.unwrap();
    let keys = async |after, most, now| store.keys(A, "", after, most, at(now)).await.unwrap().concat();
    assert_eq!(keys(None, 9, 9).await, "abcd");
    assert_eq!(keys(None, 9, 10).await, "acd");
    assert_eq!(keys(None, 2, 10).await, "ac");
    assert_eq!(keys(None, 2, 20).await, "ad");
    assert_eq!(keys(Some("a"), 9, 20).await, "d");
    assert_eq!(keys(Some("a"), 1, 10).await, "c");
    assert_eq!(store.state_size(A).await.unwrap(), StateSize { keys: 4, bytes: 4 * 66 }, "they are removed later");
}

pub async fn value_is_removed_when_its_time_is_over(home: impl Home) {
    let (store, mut image) = home.open().await;
    let set = entry().born(A, "/a").born(B, "/b").set_for(A, "k", "1", (0, 10)).set_for(B, "k", "1", (0, 10));
    write(&*store, &mut image, [set.set(A, "stays", "1").set_for(A, "later", "1", (0, 11))]).await.unwrap();
    write(&*store, &mut image, [entry().expire(A, "k", 9)]).await.unwrap();
    assert_eq!(store.value(A, "k").await.unwrap(), Some(stored("1", lifetime(0, 10))));
    let expire = ["k", "stays", "later", "never"].iter().fold(entry(), |words, key| words.expire(A, key, 10));
    write(&*store, &mut image, [expire]).await.unwrap();
    assert_eq!(store.value(A, "k").await.unwrap(), None);
    let left = async || store.keys(A, "", None, 9, at(0)).await.unwrap();
    assert_eq!(left().await, ["later", "stays"]);
    assert_eq!(store.state_size(A).await.unwrap(), StateSize { keys: 2, bytes: (5 + 5 + 2) + 2 * 64 });
    assert_eq!(store.value(B, "k").await.unwrap(), Some(stored("1", lifetime(0, 10))));
    write(&*store, &mut image, [entry().expire(NONE, "k", 99)]).await.unwrap();
    drop(store);
    let (store, image) = home.open().await;
    assert_eq!(image.actors[0].state, StateSize { keys: 2, bytes: (5 + 5 + 2) + 2 * 64 });
    assert_eq!(expiring(&*store, 9).await, expected(&[("/b k", 10), ("/a later", 11)]));
}

pub async fn value_that_is_set_again_is_not_removed(home: impl Home) {
    let (store, mut image) = home.open().await;
    let keys = ["longer", "stays", "gone", "short"];
    let set = keys.iter().fold(entry().born(A, "/a"), |words, key| words.set_for(A, key, "1", (0, 10)));
    write(&*store, &mut image, [set]).await.unwrap();
    let expire = || keys.iter().fold(entry(), |words, key| words.expire(A, key, 10));
    let again = || entry().set_for(A, "longer", "2", (5, 10)).set(A, "stays", "2").unset(A, "gone");
    // In the group of the expiry, before and after it.
    write(&*store, &mut image, [again().set_for(A, "short", "2", (5, 5)), expire()]).await.unwrap();
    let left = async || store.keys(A, "", None, 9, at(0)).await.unwrap();
    assert_eq!(left().await, ["longer", "stays"]);
    write(&*store, &mut image, [expire(), again().set_for(A, "short", "2", (5, 5))]).await.unwrap();
    assert_eq!(left().await, ["longer", "short", "stays"]);
    // In a group of its own.
    write(&*store, &mut image, [entry().expire(A, "short", 9).expire(A, "longer", 14)]).await.unwrap();
    assert_eq!(left().await, ["longer", "short", "stays"]);
    write(&*store, &mut image, [entry().expire(A, "short", 10)]).await.unwrap();
    assert_eq!(left().await, ["longer", "stays"]);
    assert_eq!(store.state_size(A).await.unwrap().keys, 2);
    write(&*store, &mut image, [entry().removed(A), entry().expire(A, "longer", 99)]).await.unwrap();
    assert_eq!(expiring(&*store, 9).await, []);
}

pub async fn times_of_a_clock_that_was_ahead_are_shortened(home: impl Home) {
    let (store, mut image) = home.open().await;
    let set = entry().born(A, "/a").set(A, "stays", "1").set_for(A, "before", "2", (9, 90));
    let set = (0..1500).fold(set, |words, n| words.set_for(A, &format!("k{n}"), "3", (100 + n % 7, 5)));
    write(&*store, &mut image, [set]).await.unwrap();
    drop(store);
    let (store, _) = home.open().await;
    store.shorten_lifetimes(at(10)).await.unwrap();
    assert_eq!(store.value(A, "stays").await.unwrap(), Some(stored("1", None)));
    assert_eq!(store.value(A, "before").await.unwrap(), Some(stored("2", lifetime(9, 90))));
    for key in ["k0", "k6", "k1499"] {
        assert_eq!(store.value(A, key).await.unwrap(), Some(stored("3", lifetime(10, 5))), "{key}");
    }
    assert!(expiring(&*store, 1500).await.iter().all(|(_, ends)| *ends == 15));
    assert_eq!(expiring(&*store, 9999).await.last().unwrap().1, 99);
    drop(store);
    // The clock is right again: what was shortened stays so.
    let (store, _) = home.open().await;
    store.shorten_lifetimes(at(200)).await.unwrap();
    assert_eq!(store.value(A, "k0").await.unwrap(), Some(stored("3", lifetime(10, 5))));
}
