//! The promises about a store that is slow, full or broken, and about the bounds of stored mailboxes.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    Fault, FaultyStore, Incoming, Keep, Kernel, Metadata, OpenError, Overflow, Plan, PlanError, SendError, StoreError,
};
use tokio::time::{Instant, sleep};

use crate::house::{House, SOON, WRITE, addr, tell};

#[tokio::test(start_paused = true)]
async fn receipt_of_a_stored_message_ends_when_it_is_durable() {
    let house = House::default();
    let slow = FaultyStore::new(house.store.clone(), vec![Some(Fault::Slow(WRITE)); 50]);
    let kernel = house.open_on(slow, vec![house.stored("/a"), house.actor("/gate", Keep::Memory)]).await;
    sleep(SOON).await;
    let ingress = house.ingress();
    let metadata = Metadata::collect([("k", "v")]).unwrap();
    let message = Incoming::new(ingress.next_id(), &metadata, b"one");
    let began = Instant::now();
    let receipt = ingress.tell_with_receipt(&addr("/a"), &message, SOON).await.unwrap();
    assert_eq!(began.elapsed(), WRITE);
    assert_eq!(receipt.ended().await, Ok(()));
    assert_eq!(began.elapsed(), WRITE, "the store answers for it: who sent it need not send it again");
    drop(kernel);
}

#[tokio::test(start_paused = true)]
async fn full_store_refuses_the_outside_and_goes_on() {
    let house = House::default();
    let full = || Some(Fault::Lost(StoreError::Full("no space".into())));
    let store = FaultyStore::new(house.store.clone(), [None, full(), full(), full()]);
    let kernel = Arc::new(house.open_on(store, vec![house.stored("/a")]).await);
    sleep(SOON).await;
    let first = tokio::spawn({
        let kernel = kernel.clone();
        async move { kernel.tell(&addr("/a"), b"one", SOON).await.is_ok() }
    });
    sleep(Duration::from_millis(5)).await;
    let refused = kernel.tell(&addr("/a"), b"two", SOON).await.unwrap_err();
    assert_eq!(refused.to_string(), "the store did not confirm the message for `/a`: the store is full: no space");
    assert!(first.await.unwrap(), "it was acknowledged when there was space");
    tell(&kernel, "/a", "three").await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a one 0", "/a three 0"]);
}

/// Else a store that is full of messages which were handled in the meantime would stay full.
#[tokio::test(start_paused = true)]
async fn full_store_gets_what_came_meanwhile_with_its_group() {
    let house = House::default();
    let full = Fault::Lost(StoreError::Full("no space".into()));
    let store = FaultyStore::new(house.store.clone(), [None, Some(full)]);
    let kernel = house.open_on(store, vec![house.stored("/a")]).await;
    sleep(SOON).await;
    tell(&kernel, "/a", "one").await;
    let last = house.store.history().pop().unwrap();
    assert_eq!(last.entries.len(), 2, "the message, and the turn that handled it: {last:?}");
}

#[tokio::test(start_paused = true)]
async fn failed_store_ends_the_play_and_shows_nothing() {
    let house = House::default();
    let broken = Fault::Torn { kept: 0, error: StoreError::Failed("the disk broke".into()) };
    let store = FaultyStore::new(house.store.clone(), [None, None, Some(broken)]);
    let kernel = house.open_on(store, vec![house.stored("/a"), house.actor("/out", Keep::Memory)]).await;
    sleep(SOON).await;
    tell(&kernel, "/a", "> /out x").await;
    kernel.wait_stopped().await;
    assert_eq!(kernel.store_failure(), Some(StoreError::Failed("the disk broke".into())));
    assert_eq!(house.lines(), ["/a > /out x 0"]);
    assert!(matches!(kernel.tell(&addr("/a"), b"two", SOON).await, Err(SendError::Stopped(_))));
    let kernel = house.open(vec![house.stored("/a"), house.actor("/out", Keep::Memory)]).await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a > /out x 0", "/a > /out x 0", "/out x 0"], "the turn was undone, and ran again");
}

#[tokio::test(start_paused = true)]
async fn stored_mailbox_keeps_its_bounds() {
    let house = House::default();
    let mut small = house.stored("/b");
    (small.mailbox.capacity, small.mailbox.overflow) = (2, Overflow::Reject);
    let kernel = house.open(vec![house.stored("/a"), small]).await;
    kernel.halt(&addr("/b")).await;
    tell(&kernel, "/a", "> /b 1; > /b 2; > /b 3").await;
    tell(&kernel, "/a", "> /b 4").await;
    let refused = kernel.tell(&addr("/b"), b"5", SOON).await;
    assert_eq!(refused, Err(SendError::MailboxFull(addr("/b"))));
    sleep(SOON).await;
    let waiting = kernel.actors().await[1].waiting;
    let letters = kernel.dead_letters().iter().map(|letter| letter.reason.kind()).collect::<Vec<_>>();
    assert_eq!((waiting, letters), (3, vec!["mailbox-full"]), "one turn goes in as a whole");
}

#[tokio::test]
async fn plan_with_a_stored_mailbox_needs_a_store() {
    let house = House::default();
    let plan = Plan { actors: vec![house.stored("/a")], ..Plan::default() };
    assert_eq!(Kernel::start(&plan).err(), Some(PlanError::NoStore(addr("/a"))));
    let mut dropping = house.stored("/a");
    dropping.mailbox.overflow = Overflow::DropOldest;
    let plan = Plan { actors: vec![dropping], ..Plan::default() };
    let refused = Kernel::open(&plan, Arc::new(house.store.clone())).await.err();
    assert_eq!(refused, Some(OpenError::Plan(PlanError::NotForStored(addr("/a"), "`drop-oldest`"))));
}

#[tokio::test(start_paused = true)]
async fn messages_told_later_wait_for_the_disk_once() {
    let house = House::default();
    let store = FaultyStore::new(house.store.clone(), vec![Some(Fault::Slow(WRITE)); 100]);
    let kernel = house.open_on(store, vec![house.stored("/a")]).await;
    kernel.halt(&addr("/a")).await;
    let began = Instant::now();
    let mut told = Vec::new();
    for number in 0..50 {
        told.push(kernel.tell_later(&addr("/a"), format!("{number}").as_bytes(), SOON).await.unwrap());
    }
    assert!(!told[0].is_durable());
    for told in told {
        told.durable().await.unwrap();
    }
    assert!(began.elapsed() <= 2 * WRITE, "{:?}", began.elapsed());
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), (0..50).map(|number| format!("/a {number} 0")).collect::<Vec<_>>());
}
