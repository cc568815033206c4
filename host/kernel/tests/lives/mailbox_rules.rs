//! The promises about an operator's orders for stored mailboxes.

use playhouse_kernel::{
    ActorSpec, Backoff, Fault, FaultyStore, FlowId, Message, MessageId, Metadata, PortableMessage, RestartSpec, Store,
    WaitingNumbers,
};
use tokio::time::{Instant, sleep};

use crate::house::{House, SOON, WRITE, addr, in_order, stop, tell};

#[tokio::test(start_paused = true)]
async fn dropped_messages_are_gone_in_one_entry() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    tell(&kernel, "/a", "retry").await;
    kernel.wait_idle().await;
    kernel.halt(&addr("/a")).await;
    for body in ["one", "two", "three", "four"] {
        tell(&kernel, "/a", body).await;
    }
    let letters = kernel.dead_letters().len();
    let (id, before) = (house.id_of("/a"), house.entries().len());
    let mut order = kernel.order_mailboxes("user 7").await.unwrap();
    // The first message became a dead letter after its attempts: its number has ended already.
    assert_eq!(order.drop_messages(id, &addr("/a"), &in_order(&[(1, 4), (5, 6)])).await, Ok(3));
    assert_eq!(order.drop_messages(id, &addr("/a"), &in_order(&[(1, 4)])).await, Ok(0), "they are gone");
    drop(order);
    assert_eq!(house.entries()[before..], ["take 2..4, take 5..6"]);
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/a")]).await;
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert_eq!(house.lines().last().unwrap(), "/a three 0");
    assert_eq!((house.lines().len(), kernel.dead_letters().len()), (4, letters));
}

#[tokio::test(start_paused = true)]
async fn dropped_retry_is_not_tried_again() {
    let house = House::default();
    let slow = |spec: ActorSpec| ActorSpec {
        restart: RestartSpec { backoff: Backoff { initial: SOON * 3600, max: SOON * 3600 }, ..spec.restart },
        ..spec
    };
    let kernel = house.open(vec![slow(house.stored("/a"))]).await;
    tell(&kernel, "/a", "retry").await;
    sleep(SOON / 100).await;
    let id = house.id_of("/a");
    let mut order = kernel.order_mailboxes("user 7").await.unwrap();
    assert_eq!(
        order.drop_messages(id, &addr("/a"), &WaitingNumbers { in_order: Vec::new(), held: vec![1] }).await,
        Ok(1)
    );
    let began = Instant::now();
    kernel.wait_idle().await;
    assert!(began.elapsed() < SOON, "nothing waits for the retry");
    assert_eq!(kernel.handled(), 0);
}

#[tokio::test(start_paused = true)]
async fn message_that_is_being_handled_is_not_dropped() {
    let house = House::default();
    let store = FaultyStore::new(house.store.clone(), [None, None, Some(Fault::Slow(WRITE))]);
    let kernel = house.open_on(store, vec![house.stored("/a"), house.stored("/b")]).await;
    kernel.halt(&addr("/a")).await;
    kernel.tell_later(&addr("/a"), b"> /b x", SOON).await.unwrap().durable().await.unwrap();
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    let id = house.id_of("/a");
    let mut order = kernel.order_mailboxes("user 7").await.unwrap();
    assert_eq!(order.drop_messages(id, &addr("/a"), &in_order(&[(1, 2)])).await, Ok(0));
    assert_eq!(house.lines(), ["/a > /b x 0", "/b x 0"]);
}

#[tokio::test(start_paused = true)]
async fn messages_of_an_actor_that_left_are_dropped() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b")]).await;
    kernel.halt(&addr("/a")).await;
    for body in ["one", "two", "three"] {
        tell(&kernel, "/a", body).await;
    }
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/b")]).await;
    let id = house.id_of("/a");
    let mut order = kernel.order_mailboxes("user 7").await.unwrap();
    assert_eq!(order.drop_messages(id, &addr("/a"), &in_order(&[(1, 3)])).await, Ok(2));
    drop(order);
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b")]).await;
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a three 0"]);
}

#[tokio::test(start_paused = true)]
async fn imported_messages_keep_their_ids_and_attempts() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b")]).await;
    kernel.halt(&addr("/a")).await;
    let portable = |id: u128, body: &str| PortableMessage {
        id: MessageId(id),
        from: Some(addr("/b")),
        flow: FlowId(9),
        hops: 3,
        attempts: 2,
        metadata: Metadata::new(),
        body: body.as_bytes().to_vec(),
    };
    let order = kernel.order_mailboxes("user 7").await.unwrap();
    order.put_messages(&addr("/a"), &[portable(5, "one"), portable(6, "two")], SOON).await.unwrap();
    drop(order);
    assert_eq!(house.entries(), ["put 2"]);
    let stored = house.store.messages(house.id_of("/a"), 0, usize::MAX).await.unwrap();
    let first = Message::read(&stored[0].record).unwrap();
    let sender = house.id_of("/b");
    assert_eq!((first.envelope.id, first.envelope.sender, first.envelope.hops), (MessageId(5), sender, 3));
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b")]).await;
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a one 2", "/a two 2"]);
}
