//! The promises about messages from sources outside, each in a small play.

use playhouse_kernel::{
    ActorSpec, Admitted, Fault, FaultyStore, Incoming, Ingress, Keep, MailboxSpec, MessageId, Metadata, Origin,
    Overflow, SendError, StoredOrigin,
};
use tokio::time::Instant;

use crate::house::{House, SOON, WRITE, addr, stop};

const SOURCE: &str = "/gate/s";

fn at(position: &[u8]) -> Origin<'_> {
    Origin { source: SOURCE, position, value: b"handle", is_unique: true }
}

async fn tell_from(ingress: &Ingress, body: &str, origin: &Origin<'_>) -> Result<Admitted, SendError> {
    let metadata = Metadata::new();
    let message = Incoming::new(MessageId::seeded(body, 0), &metadata, body.as_bytes());
    ingress.tell_from(&addr("/a"), &message, origin, SOON).await
}

/// Tells it, and waits until it is durable. False: its position is known.
async fn told(ingress: &Ingress, body: &str, position: &[u8]) -> bool {
    match tell_from(ingress, body, &at(position)).await.unwrap() {
        Admitted::New(told) => told.durable().await.is_ok(),
        Admitted::Known => false,
    }
}

fn positions(origins: &[StoredOrigin]) -> Vec<String> {
    origins.iter().map(|origin| String::from_utf8_lossy(&origin.position).into_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn message_from_one_position_is_admitted_once_over_all_runs() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    let ingress = house.ingress();
    assert!(told(&ingress, "one", b"1").await && told(&ingress, "two", b"2").await);
    assert!(!told(&ingress, "one", b"1").await, "in the same run");
    kernel.wait_idle().await;
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/a")]).await;
    let ingress = house.ingress();
    assert!(!ingress.knows(SOURCE, b"1"), "nobody has asked for them");
    assert_eq!(positions(&ingress.origins(SOURCE, true).await.unwrap()), ["1", "2"]);
    assert!(ingress.knows(SOURCE, b"1") && !told(&ingress, "one", b"1").await);
    assert!(told(&ingress, "three", b"3").await);
    kernel.wait_idle().await;
    stop(&kernel).await;
    assert_eq!(house.lines(), ["/a one 0", "/a two 0", "/a three 0"]);
    let puts: Vec<_> = house.entries().into_iter().filter(|entry| entry.contains("put")).collect();
    assert_eq!(puts, ["put 1, from 1", "put 1, from 2", "put 1, from 3"], "each in the entry of its message");
}

#[tokio::test(start_paused = true)]
async fn forgotten_position_is_new() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    let ingress = house.ingress();
    assert!(told(&ingress, "one", b"1").await && told(&ingress, "two", b"2").await);
    ingress.forget_origins(SOURCE, [&b"1"[..]]);
    assert!(told(&ingress, "one", b"1").await && !told(&ingress, "two", b"2").await);
    ingress.forget_origins(SOURCE, [&b"1"[..], b"never"]);
    ingress.wait_durable().await.unwrap();
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/a")]).await;
    assert_eq!(positions(&house.ingress().origins(SOURCE, true).await.unwrap()), ["2"]);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn refused_message_leaves_its_position_free() {
    let house = House::default();
    let small = MailboxSpec { keep: Keep::Stored, capacity: 1, overflow: Overflow::Reject, ..MailboxSpec::default() };
    let kernel = house.open(vec![ActorSpec { mailbox: small, ..house.stored("/a") }]).await;
    let ingress = house.ingress();
    kernel.halt(&addr("/a")).await;
    assert!(told(&ingress, "one", b"1").await);
    assert!(matches!(tell_from(&ingress, "two", &at(b"2")).await, Err(SendError::MailboxFull(_))));
    assert!(!ingress.knows(SOURCE, b"2"));
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert!(told(&ingress, "two", b"2").await);
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a one 0", "/a two 0"]);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn dropped_and_rejected_messages_are_letters_with_positions() {
    let house = House::default();
    let small =
        MailboxSpec { keep: Keep::Stored, capacity: 1, overflow: Overflow::DropNewest, ..MailboxSpec::default() };
    let slow = FaultyStore::new(house.store.clone(), (0..20).map(|_| Some(Fault::Slow(WRITE))));
    let kernel = house.open_on(slow, vec![ActorSpec { mailbox: small, ..house.stored("/a") }]).await;
    let ingress = house.ingress();
    kernel.halt(&addr("/a")).await;
    assert!(told(&ingress, "one", b"1").await);
    let began = Instant::now();
    assert!(matches!(tell_from(&ingress, "two", &at(b"2")).await, Err(SendError::Dropped { .. })));
    assert!(began.elapsed() >= WRITE, "the letter is durable");
    let (metadata, began) = (Metadata::new(), Instant::now());
    let message = Incoming::new(MessageId(7), &metadata, b"three");
    for _ in 0..2 {
        ingress.reject_from(&addr("/a"), &message, "too long".to_owned(), &at(b"3")).await.unwrap();
    }
    assert!(began.elapsed() >= WRITE);
    assert_eq!(house.entries(), ["put 1, from 1", "letter overflow, from 2", "letter rejected, from 3"], "one each");
    assert_eq!(positions(&ingress.origins(SOURCE, true).await.unwrap()), ["1", "2", "3"]);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn place_of_a_source_in_order_moves() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    let ingress = house.ingress();
    let place = |value| Origin { source: SOURCE, position: b"file", value, is_unique: false };
    ingress.keep_origin(&place(b"0")).await.unwrap();
    for value in [&b"10"[..], b"20"] {
        let admitted = tell_from(&ingress, "line", &place(value)).await.unwrap();
        assert!(matches!(admitted, Admitted::New(_)));
    }
    let origins = ingress.origins(SOURCE, false).await.unwrap();
    assert_eq!(origins, [StoredOrigin { position: b"file".into(), value: b"20".into() }]);
    assert!(!ingress.knows(SOURCE, b"file"));
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn actor_in_memory_has_no_positions() {
    let house = House::default();
    let kernel = house.open(vec![house.actor("/a", Keep::Memory)]).await;
    let ingress = house.ingress();
    assert!(!ingress.is_stored(&addr("/a")) && ingress.has_store());
    assert!(matches!(tell_from(&ingress, "one", &at(b"1")).await, Err(SendError::NotStored { .. })));
    assert!(!ingress.knows(SOURCE, b"1"));
    stop(&kernel).await;
}
