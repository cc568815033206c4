//! The promises of a store that is full, or almost full.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{
    Fault, FaultyStore, Incoming, Keep, Kernel, LetterError, LetterFilter, MemoryStore, Metadata, Op, RequestKey,
    SendError, StateError, StateOrderError, StoreError,
};
use tokio::time::{Instant, sleep};

use crate::house::{House, SOON, WRITE, addr, in_order, stop, tell};

/// A store that is full for some attempts at its groups, after some that it takes.
fn full_for(house: &House, taken: usize, attempts: usize) -> FaultyStore<MemoryStore> {
    let full = Fault::Lost(StoreError::Full("no space".into()));
    let faults = std::iter::repeat_n(None, taken).chain(std::iter::repeat_n(Some(full), attempts));
    FaultyStore::new(house.store.clone(), faults)
}

/// Attempts of one group until about six seconds have passed.
const SIX_SECONDS: usize = 12;
/// More attempts than any test waits for.
const FOR_EVER: usize = 10_000;

/// Begins a tell whose message finds the store full.
async fn tell_in_vain(kernel: &Arc<Kernel>, to: &'static str) {
    let teller = kernel.clone();
    tokio::spawn(async move { teller.tell(&addr(to), b"in vain", Duration::from_hours(1)).await });
    while kernel.store_status().unwrap().full.is_none() {
        sleep(WRITE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn tell_at_a_full_store_is_answered_in_time() {
    let house = House::default();
    let kernel = house.open_on(full_for(&house, 1, FOR_EVER), vec![house.stored("/a")]).await;
    sleep(SOON).await;
    let began = Instant::now();
    let refused = kernel.tell(&addr("/a"), b"one", SOON).await.unwrap_err();
    assert_eq!(began.elapsed(), SOON);
    assert_eq!(
        refused.to_string(),
        "the store did not confirm the message for `/a`: the store is full: no space; the message is stored when there \
         is space, if the host runs then"
    );
    let told = kernel.tell_later(&addr("/a"), b"two", SOON).await;
    assert!(matches!(told, Err(SendError::NotStored { .. })), "the next ones do not even enter: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn message_without_an_answer_comes_when_there_is_space() {
    let house = House::default();
    let kernel = house.open_on(full_for(&house, 1, SIX_SECONDS), vec![house.stored("/a")]).await;
    sleep(SOON).await;
    kernel.tell(&addr("/a"), b"one", SOON).await.unwrap_err();
    kernel.wait_idle().await;
    stop(&kernel).await;
    assert_eq!(house.entries(), ["put 1", "take 1..2"]);
}

/// A source that sent the message again would have it twice.
#[tokio::test(start_paused = true)]
async fn receipt_waits_for_a_full_store() {
    let house = House::default();
    let kernel = house.open_on(full_for(&house, 1, SIX_SECONDS), vec![house.stored("/a")]).await;
    let (ingress, metadata) = (house.ingress(), Metadata::new());
    sleep(SOON).await;
    let message = Incoming::new(ingress.next_id(), &metadata, b"one");
    let began = Instant::now();
    let receipt = ingress.tell_with_receipt(&addr("/a"), &message, SOON).await.unwrap();
    assert!(began.elapsed() > 5 * SOON);
    assert_eq!(receipt.ended().await, Ok(()));
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn shortage_refuses_the_outside_and_turns_go_on() {
    let house = House::default();
    let store = FaultyStore::new(house.store.clone(), vec![Some(Fault::Slow(WRITE)); 50]);
    let shortage = store.shortage();
    let kernel = house.open_on(store, vec![house.stored("/a"), house.stored("/b")]).await;
    sleep(SOON).await;
    *shortage.lock() = Some("almost no space".into());
    tell(&kernel, "/a", "> /b x").await;
    let refused = kernel.tell(&addr("/a"), b"two", SOON).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the store did not confirm the message for `/a`: the store is full: almost no space"
    );
    assert_eq!(kernel.store_status().unwrap().full.as_deref(), Some("the store is full: almost no space"));
    kernel.wait_idle().await;
    assert_eq!(house.entries(), ["put 1", "put 1, take 1..2", "take 1..2"]);
    *shortage.lock() = None;
    // Nothing is written meanwhile.
    sleep(2 * SOON).await;
    tell(&kernel, "/a", "three").await;
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn messages_on_their_way_from_outside_have_a_bound() {
    let house = House::default();
    let slow = FaultyStore::new(house.store.clone(), vec![Some(Fault::Slow(WRITE)); 50]).with_outside_bytes(300);
    let kernel = Arc::new(house.open_on(slow, vec![house.stored("/a")]).await);
    kernel.halt(&addr("/a")).await;
    let began = Instant::now();
    let tellers = (0..4).map(|_| {
        let kernel = kernel.clone();
        tokio::spawn(async move { kernel.tell(&addr("/a"), &[b'x'; 200], SOON).await.is_ok() })
    });
    let told = futures_util::future::join_all(tellers).await;
    assert!(told.iter().all(|told| matches!(told, Ok(true))), "{told:?}");
    assert_eq!(began.elapsed(), 4 * WRITE, "each waits for the one before");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn large_message_from_outside_leaves_the_kept_space() {
    let house = House::default();
    let store = FaultyStore::new(house.store.clone(), []).with_outside_bytes(300).with_space_bytes(1000);
    let kernel = house.open_on(store, vec![house.stored("/a")]).await;
    kernel.halt(&addr("/a")).await;
    tell(&kernel, "/a", &"x".repeat(800)).await;
    let refused = kernel.tell(&addr("/a"), &[b'x'; 2000], SOON).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the store did not confirm the message for `/a`: the store is full: little space: too little for 2064 bytes more"
    );
    tell(&kernel, "/a", "small ones are taken").await;
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn dropped_messages_make_space_in_a_full_store() {
    let house = House::default();
    let kernel = Arc::new(house.open_on(full_for(&house, 4, SIX_SECONDS), vec![house.stored("/a")]).await);
    kernel.halt(&addr("/a")).await;
    tell(&kernel, "/a", "one").await;
    tell(&kernel, "/a", "two").await;
    assert_eq!(house.store.history().len(), 4);
    tell_in_vain(&kernel, "/a").await;
    let began = Instant::now();
    let mut order = kernel.order_mailboxes("user 7").await.unwrap();
    assert_eq!(began.elapsed(), SOON, "it does not wait for what it is to make space for");
    assert_eq!(order.drop_messages(house.id_of("/a"), &addr("/a"), &in_order(&[(1, 3)])).await, Ok(2));
    let last = house.store.history().pop().unwrap();
    let ops: Vec<_> = last.entries.iter().flat_map(|entry| &entry.ops).collect();
    assert!(
        matches!(ops[..], [Op::Put { .. }, Op::Take { .. }]),
        "the message that was in the way, and the order, are one group: {ops:?}"
    );
    drop(order);
    assert_eq!(kernel.actors().await[0].waiting, 1);
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn orders_at_a_full_store_are_answered_in_time() {
    let house = House::default();
    let till = playhouse_kernel::ActorSpec { state: Some(Box::default()), ..house.stored("/a") };
    let kernel = house.open(vec![till.clone()]).await;
    tell(&kernel, "/a", "reject").await;
    tell(&kernel, "/a", "set a 1").await;
    kernel.wait_idle().await;
    kernel.halt(&addr("/a")).await;
    tell(&kernel, "/a", "waits").await;
    stop(&kernel).await;
    let kernel = Arc::new(house.open_on(full_for(&house, 1, FOR_EVER), vec![till]).await);
    tell_in_vain(&kernel, "/a").await;
    let is_full = |error: &StoreError| matches!(error, StoreError::Full(_));
    let changed = kernel.change_state(&addr("/a"), vec![("a".into(), None)]).await;
    assert!(
        matches!(&changed, Err(StateOrderError::State(StateError::Failed(error))) if is_full(error)),
        "{changed:?}"
    );
    let letters = kernel.drop_letters(&LetterFilter::default()).await;
    assert!(matches!(letters.failed[..], [(_, LetterError::NotStored { .. })]), "{letters:?}");
    let mut order = kernel.order_mailboxes("user 7").await.unwrap();
    let dropped = order.drop_messages(house.id_of("/a"), &addr("/a"), &in_order(&[(3, 4)])).await;
    assert!(dropped.as_ref().is_err_and(is_full), "{dropped:?}");
    let again = order.drop_messages(house.id_of("/a"), &addr("/a"), &in_order(&[(3, 4)])).await;
    assert!(again.as_ref().is_err_and(is_full), "nothing is dropped twice: {again:?}");
}

/// The store alone knows the messages of an actor that is gone: a number that is dropped twice would be damage.
#[tokio::test(start_paused = true)]
async fn second_drop_of_a_gone_actor_waits_for_the_first() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b")]).await;
    kernel.halt(&addr("/a")).await;
    tell(&kernel, "/a", "one").await;
    stop(&kernel).await;
    let id = house.id_of("/a");
    let kernel = Arc::new(house.open_on(full_for(&house, 1, 40), vec![house.stored("/b")]).await);
    tell_in_vain(&kernel, "/b").await;
    for _ in 0..2 {
        let mut order = kernel.order_mailboxes("user 7").await.unwrap();
        let dropped = order.drop_messages(id, &addr("/a"), &in_order(&[(1, 2)])).await;
        assert!(matches!(dropped, Err(StoreError::Full(_))), "{dropped:?}");
    }
    kernel.wait_idle().await;
    assert_eq!(kernel.store_failure(), None);
    stop(&kernel).await;
}

/// It would have no answer, or one that is nowhere: the turn needs the store.
#[tokio::test(start_paused = true)]
async fn question_at_a_full_store_is_refused() {
    let house = House::default();
    let store = FaultyStore::new(house.store.clone(), []);
    let shortage = store.shortage();
    let kernel = house.open_on(store, vec![house.stored("/a"), house.actor("/memory", Keep::Memory)]).await;
    *shortage.lock() = Some("almost no space".into());
    tell(&kernel, "/a", "one").await;
    kernel.wait_idle().await;
    let began = Instant::now();
    let refused = kernel.ask(&addr("/a"), b"two", SOON).await.unwrap_err();
    assert_eq!(refused.kind(), "not-stored");
    let (ingress, metadata) = (house.ingress(), Metadata::new());
    let (key, message) =
        (RequestKey { via: "cli", key: "k", digest: [0; 32] }, Incoming::new(ingress.next_id(), &metadata, b"two"));
    let (_, refused) = ingress.ask_under(&key, &addr("/a"), &message, SOON).await;
    assert_eq!(refused.unwrap_err().kind(), "not-stored");
    assert_eq!(began.elapsed(), Duration::ZERO);
    let in_memory = kernel.ask(&addr("/memory"), b"two", SOON).await;
    assert!(!matches!(&in_memory, Err(error) if error.kind() == "not-stored"), "{in_memory:?}");
}

#[tokio::test(start_paused = true)]
async fn full_store_does_not_keep_the_host_from_ending() {
    let house = House::default();
    let kernel = house.open_on(full_for(&house, 2, FOR_EVER), vec![house.stored("/a"), house.stored("/b")]).await;
    sleep(SOON).await;
    for n in 0..20 {
        let _ = kernel.tell_later(&addr("/a"), format!("> /b {n}").as_bytes(), SOON).await;
        sleep(WRITE).await;
    }
    kernel.shut_down();
    let began = Instant::now();
    kernel.wait_stopped().await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(matches!(kernel.store_failure(), Some(StoreError::Full(_))));
}

#[tokio::test(start_paused = true)]
async fn chain_of_an_asker_leads_to_the_full_store() {
    let house = House::default();
    let kernel = house.open_on(full_for(&house, 1, FOR_EVER), vec![house.stored("/a")]).await;
    let kernel = Arc::new(kernel);
    sleep(SOON).await;
    let asker = kernel.clone();
    tokio::spawn(async move { asker.ask(&addr("/a"), b"set k v;answer", Duration::from_hours(1)).await });
    sleep(SOON).await;
    let why = kernel.why(&addr("/a")).await.unwrap();
    let worst = why.links[0].worst().unwrap();
    assert!(matches!(&worst.reason, playhouse_kernel::Reason::Disk { full: Some(_), .. }), "{worst:?}");
    assert_eq!(why.blocked.for_answers, 1);
}
