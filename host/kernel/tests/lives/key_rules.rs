//! The promises about requests under keys, each in a small play.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    AskError, Fault, FaultyStore, Incoming, Keep, Kernel, KeySpec, MessageId, Metadata, Plan, RequestKey, SendError,
    Store,
};
use tokio::time::Instant;

use crate::house::{House, SOON, WRITE, addr, stop};

/// A key that stands for a request with this body.
fn key<'a>(via: &'a str, key: &'a str, body: &str) -> RequestKey<'a> {
    let mut digest = [0; 32];
    digest[..body.len()].copy_from_slice(body.as_bytes());
    RequestKey { via, key, digest }
}

async fn told(kernel: &Kernel, name: &str, body: &str) -> Result<MessageId, SendError> {
    kernel.tell_under(&key("way", name, body), &addr("/a"), body.as_bytes(), SOON).await
}

async fn asked(kernel: &Kernel, name: &str, body: &str) -> Result<String, AskError> {
    let reply = kernel.ask_under(&key("way", name, body), &addr("/a"), body.as_bytes(), SOON).await?;
    Ok(String::from_utf8(reply).unwrap())
}

#[tokio::test(start_paused = true)]
async fn repeated_tell_is_the_first_one_over_all_runs() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    let id = told(&kernel, "k", "one").await.unwrap();
    assert_eq!(told(&kernel, "k", "one").await, Ok(id));
    assert_ne!(told(&kernel, "other", "one").await, Ok(id));
    let refused = told(&kernel, "k", "two").await;
    assert!(matches!(refused, Err(SendError::KeyReused { .. })), "{refused:?}");
    kernel.wait_idle().await;
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/a")]).await;
    assert_eq!(told(&kernel, "k", "one").await, Ok(id));
    assert!(told(&kernel, "k", "two").await.is_err());
    kernel.wait_idle().await;
    stop(&kernel).await;
    assert_eq!(house.lines(), ["/a one 0", "/a one 0"], "one under each key");
}

#[tokio::test(start_paused = true)]
async fn repeated_ask_has_the_id_of_the_first_over_all_runs() {
    let house = House::default();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let kernel = house.open(vec![house.stored("/a")]).await;
        let (ingress, metadata) = (house.ingress(), Metadata::new());
        for body in ["answer", "nothing", "answer", "nothing"] {
            let message = Incoming::new(ingress.next_id(), &metadata, body.as_bytes());
            ids.push(ingress.ask_under(&key("way", body, body), &addr("/a"), &message, SOON).await.0);
        }
        kernel.wait_idle().await;
        stop(&kernel).await;
    }
    assert!(ids.chunks(2).all(|pair| pair == &ids[..2]), "{ids:?}");
    assert_ne!(ids[0], ids[1]);
    assert_eq!(house.lines(), ["/a answer 0", "/a nothing 0"]);
}

#[tokio::test(start_paused = true)]
async fn key_of_another_way_or_receiver_says_nothing() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b")]).await;
    for (via, to) in [("way", "/a"), ("other", "/a"), ("way", "/b"), ("way", "/a")] {
        kernel.tell_under(&key(via, "k", via), &addr(to), via.as_bytes(), SOON).await.unwrap();
    }
    kernel.wait_idle().await;
    let mut lines = house.lines();
    lines.sort();
    assert_eq!(lines, ["/a other 0", "/a way 0", "/b way 0"]);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn answer_is_kept_with_the_turn_that_gave_it() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b")]).await;
    assert_eq!(asked(&kernel, "k", "> /b x; answer").await, Ok("yes".to_owned()));
    assert_eq!(asked(&kernel, "k", "> /b x; answer").await, Ok("yes".to_owned()));
    assert!(matches!(asked(&kernel, "silent", "nothing").await, Err(AskError::NoReply)));
    kernel.wait_idle().await;
    stop(&kernel).await;
    assert_eq!(house.entries()[0], "put 1, from /a\0way\0k", "what the turn sent, and its answer");
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b")]).await;
    assert_eq!(asked(&kernel, "k", "> /b x; answer").await, Ok("yes".to_owned()));
    assert!(matches!(asked(&kernel, "silent", "nothing").await, Err(AskError::NoReply)));
    let refused = asked(&kernel, "k", "answer").await;
    assert!(matches!(refused, Err(AskError::NotSent(SendError::KeyReused { .. }))), "{refused:?}");
    kernel.wait_idle().await;
    stop(&kernel).await;
    assert_eq!(house.lines(), ["/a > /b x; answer 0", "/b x 0", "/a nothing 0"]);
}

#[tokio::test(start_paused = true)]
async fn repetition_waits_for_the_first_request() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    kernel.halt(&addr("/a")).await;
    let first = tokio::spawn({
        let kernel = kernel.clone();
        async move { asked(&kernel, "k", "answer").await }
    });
    let second = tokio::spawn({
        let kernel = kernel.clone();
        async move { asked(&kernel, "k", "answer").await }
    });
    tokio::time::sleep(SOON / 4).await;
    assert!(!first.is_finished() && !second.is_finished());
    assert!(asked(&kernel, "k", "get x").await.is_err(), "another body is refused meanwhile");
    first.abort();
    tokio::time::sleep(SOON / 4).await;
    kernel.resume(&addr("/a")).await;
    assert_eq!(second.await.unwrap(), Ok("yes".to_owned()), "the first client is gone, its request is not");
    assert_eq!(asked(&kernel, "k", "answer").await, Ok("yes".to_owned()));
    assert_eq!(house.lines(), ["/a answer 0"]);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn answer_under_a_key_leaves_when_it_is_durable() {
    let house = House::default();
    let slow = FaultyStore::new(house.store.clone(), (0..20).map(|_| Some(Fault::Slow(WRITE))));
    let kernel = house.open_on(slow, vec![house.stored("/a")]).await;
    tokio::time::sleep(WRITE * 2).await;
    let began = Instant::now();
    let (first, second) = tokio::join!(asked(&kernel, "k", "answer"), asked(&kernel, "k", "answer"));
    assert_eq!((first, second), (Ok("yes".to_owned()), Ok("yes".to_owned())));
    assert!(began.elapsed() >= WRITE, "{:?}", began.elapsed());
    let began = Instant::now();
    let (first, second) = tokio::join!(told(&kernel, "t", "set a 1"), told(&kernel, "t", "set a 1"));
    assert!(first.is_ok() && first == second && began.elapsed() >= WRITE, "{first:?} {second:?}");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn request_that_fails_leaves_its_key_free() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    for _ in 0..2 {
        assert!(matches!(asked(&kernel, "k", "reject").await, Err(AskError::Rejected(_))));
    }
    assert_eq!(asked(&kernel, "k", "answer").await, Ok("yes".to_owned()), "nothing was done under it");
    let crashed = asked(&kernel, "c", "panic").await;
    assert!(crashed.is_err(), "{crashed:?}");
    assert_eq!(asked(&kernel, "c", "answer").await, Ok("yes".to_owned()));
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn lost_turn_leaves_no_key() {
    let house = House::default();
    // The entry of the answer is lost with the host.
    let store = FaultyStore::new(
        house.store.clone(),
        [None, Some(Fault::Lost(playhouse_kernel::StoreError::Failed("cut".into())))],
    );
    let kernel = house.open_on(store, vec![house.stored("/a")]).await;
    assert!(asked(&kernel, "k", "answer").await.is_err());
    kernel.wait_stopped().await;
    let kernel = house.open(vec![house.stored("/a")]).await;
    assert_eq!(asked(&kernel, "k", "answer").await, Ok("yes".to_owned()));
    stop(&kernel).await;
}

async fn bounded(house: &House, keys: KeySpec) -> Kernel {
    let plan = Plan { actors: vec![house.stored("/a")], keys, ..Plan::default() };
    let kernel = Kernel::open(&plan, Arc::new(house.store.clone())).await.unwrap();
    kernel.wait_booted().await;
    kernel
}

/// The keys in the store.
async fn keys(house: &House) -> Vec<String> {
    let origins = house.store.origins("key", &[], 100).await.unwrap();
    origins.iter().map(|origin| String::from_utf8_lossy(&origin.position[7..]).into_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn keys_go_after_their_time() {
    let house = House::default();
    let spec = KeySpec { keep: Duration::from_mins(1), ..KeySpec::default() };
    let kernel = bounded(&house, spec).await;
    let id = told(&kernel, "a", "one").await.unwrap();
    tokio::time::sleep(Duration::from_secs(40)).await;
    told(&kernel, "b", "one").await.unwrap();
    assert_eq!(told(&kernel, "a", "one").await, Ok(id));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_ne!(told(&kernel, "a", "two").await, Ok(id), "the key is free for another request");
    assert_eq!(keys(&house).await, ["a", "b"]);
    tokio::time::sleep(Duration::from_secs(50)).await;
    told(&kernel, "c", "one").await.unwrap();
    assert_eq!(keys(&house).await, ["a", "c"], "those that are too old leave the store");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn oldest_keys_go_beyond_the_bound_on_bytes() {
    let house = House::default();
    // Each costs 256 bytes, and some more of its own.
    let spec = KeySpec { bytes: 1100, ..KeySpec::default() };
    let kernel = bounded(&house, spec).await;
    for name in ["a", "b", "c", "d", "e"] {
        told(&kernel, name, "x").await.unwrap();
    }
    assert_eq!(keys(&house).await, ["c", "d", "e"]);
    kernel.wait_idle().await;
    stop(&kernel).await;
    let kernel = bounded(&house, spec).await;
    told(&kernel, "f", "x").await.unwrap();
    assert_eq!(keys(&house).await, ["d", "e", "f"], "those of earlier runs count");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn actor_in_memory_has_no_keys() {
    let house = House::default();
    let kernel = house.open(vec![house.actor("/a", Keep::Memory)]).await;
    assert_eq!(told(&kernel, "k", "one").await, Err(SendError::NoKeys(addr("/a"))));
    assert_eq!(asked(&kernel, "k", "one").await, Err(AskError::NotSent(SendError::NoKeys(addr("/a")))));
    stop(&kernel).await;
}
