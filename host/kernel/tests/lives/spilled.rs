//! Stored mailboxes that are larger than their memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use playhouse_kernel::{
    ActorId, ActorSpec, BoxFuture, JournalGroup, Keep, Kernel, MailboxView, MemoryStore, Message, Overflow,
    RestartKind, SendError, Store, StoreError, StoredMessage, WaitingNumbers, delegate_store,
};

use crate::house::{House, SOON, addr, in_order, stop, tell};

/// Bytes of a mailbox in memory: some ten messages.
const MEMORY: usize = 800;

fn small(house: &House, address: &str) -> ActorSpec {
    let mut spec = house.stored(address);
    spec.mailbox.memory_bytes = MEMORY;
    spec
}

async fn view(kernel: &Kernel, address: &str) -> MailboxView {
    let actors = kernel.actors().await;
    actors.into_iter().find(|actor| actor.address == addr(address)).unwrap().mailbox
}

/// The texts that `/a` saw.
fn texts(house: &House) -> Vec<String> {
    house.lines().iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn messages_beyond_the_memory_come_in_order() {
    let house = House::default();
    let kernel = house.open(vec![small(&house, "/a")]).await;
    kernel.halt(&addr("/a")).await;
    for number in 0..200 {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    let mailbox = view(&kernel, "/a").await;
    assert!(mailbox.memory_bytes <= MEMORY && mailbox.bytes > 10 * MEMORY, "{mailbox:?}");
    assert_eq!(mailbox.waiting, 200);
    kernel.resume(&addr("/a")).await;
    for number in 200..300 {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    kernel.wait_idle().await;
    assert_eq!(texts(&house), numbers(0..300));
    let mailbox = view(&kernel, "/a").await;
    assert_eq!((mailbox.waiting, mailbox.bytes, mailbox.memory_bytes), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn messages_beyond_the_memory_wait_for_the_next_run() {
    let house = House::default();
    let kernel = house.open(vec![small(&house, "/a")]).await;
    kernel.halt(&addr("/a")).await;
    for number in 0..100 {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    stop(&kernel).await;
    assert_eq!(kernel.dead_letters().len(), 0);
    let kernel = house.open(vec![small(&house, "/a")]).await;
    let mailbox = view(&kernel, "/a").await;
    assert!(mailbox.waiting == 100 && mailbox.memory_bytes < 2 * MEMORY, "{mailbox:?}");
    kernel.resume(&addr("/a")).await;
    tell(&kernel, "/a", "100").await;
    kernel.wait_idle().await;
    assert_eq!(texts(&house), numbers(0..101));
}

#[tokio::test(start_paused = true)]
async fn bounds_count_what_is_only_in_the_store() {
    let house = House::default();
    let mut spec = small(&house, "/a");
    (spec.mailbox.capacity, spec.mailbox.overflow) = (50, Overflow::Reject);
    let kernel = house.open(vec![spec]).await;
    kernel.halt(&addr("/a")).await;
    for number in 0..50 {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    assert_eq!(kernel.tell(&addr("/a"), b"50", SOON).await, Err(SendError::MailboxFull(addr("/a"))));
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    tell(&kernel, "/a", "50").await;
    kernel.wait_idle().await;
    assert_eq!(texts(&house), numbers(0..51));
}

#[tokio::test(start_paused = true)]
async fn question_keeps_its_place_behind_messages_in_the_store() {
    let house = House::default();
    let kernel = Arc::new(house.open(vec![small(&house, "/a")]).await);
    kernel.halt(&addr("/a")).await;
    for number in 0..60 {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    let asker = tokio::spawn({
        let kernel = kernel.clone();
        async move { kernel.ask(&addr("/a"), b"answer", 100 * SOON).await }
    });
    while view(&kernel, "/a").await.waiting < 61 {
        tokio::task::yield_now().await;
    }
    for number in 60..120 {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    kernel.resume(&addr("/a")).await;
    assert_eq!(asker.await.unwrap().as_deref(), Ok(&b"yes"[..]));
    kernel.wait_idle().await;
    let mut expected = numbers(0..120);
    expected.insert(60, "answer".to_owned());
    assert_eq!(texts(&house), expected);
}

#[tokio::test(start_paused = true)]
async fn retried_message_is_not_read_twice() {
    let house = House::default();
    let kernel = house.open(vec![small(&house, "/a")]).await;
    kernel.halt(&addr("/a")).await;
    tell(&kernel, "/a", "retry").await;
    for number in 0..60 {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    let mut seen = texts(&house);
    seen.retain(|text| text != "retry");
    assert_eq!((seen, house.lines().len()), (numbers(0..60), 63), "three attempts");
}

#[tokio::test(start_paused = true)]
async fn messages_in_the_store_become_letters_when_their_actor_ends() {
    let house = House::default();
    let mut spec = small(&house, "/a");
    (spec.restart.kind, spec.batch) = (RestartKind::Temporary, 1);
    // Else the play would be over.
    let kernel = house.open(vec![spec, house.actor("/b", Keep::Memory)]).await;
    kernel.halt(&addr("/a")).await;
    tell(&kernel, "/a", "panic").await;
    for number in 0..100 {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert_eq!(texts(&house), ["panic"]);
    assert_eq!(kernel.dead_letters().len(), 101);
    stop(&kernel).await;
    let image = house.store.open().await.unwrap();
    assert!(image.actors.iter().all(|actor| actor.waiting == 0), "{image:?}");
}

/// All numbers of the messages for `/a` that are in the store.
async fn waiting(house: &House) -> WaitingNumbers {
    let messages = house.store.messages(house.id_of("/a"), 0, usize::MAX).await.unwrap();
    let mut numbers = WaitingNumbers::default();
    for StoredMessage { number, due, .. } in messages {
        match due {
            Some(_) => numbers.held.push(number),
            None => numbers.in_order.push(number..number + 1),
        }
    }
    numbers
}

#[tokio::test(start_paused = true)]
async fn dropped_messages_beyond_the_memory_are_gone() {
    let house = House::default();
    let kernel = house.open(vec![small(&house, "/a")]).await;
    kernel.halt(&addr("/a")).await;
    for number in 0..200 {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    let (id, before) = (house.id_of("/a"), house.entries().len());
    let mut order = kernel.order_mailboxes("user 7").await.unwrap();
    // Some of the first are in memory.
    let some = in_order(&[(3, 31), (51, 61), (101, 102), (200, 201)]);
    assert_eq!(order.drop_messages(id, &addr("/a"), &some).await, Ok(40));
    assert_eq!(order.drop_messages(id, &addr("/a"), &some).await, Ok(0), "they are gone");
    drop(order);
    assert_eq!(house.entries()[before..], ["take 3..31, take 51..61, take 101..102, take 200..201"]);
    assert_eq!(view(&kernel, "/a").await.waiting, 160);
    tell(&kernel, "/a", "200").await;
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    let expected = [numbers(0..2), numbers(30..50), numbers(60..100), numbers(101..199), numbers(200..201)].concat();
    assert_eq!(texts(&house), expected);
    let mailbox = view(&kernel, "/a").await;
    assert_eq!((mailbox.waiting, mailbox.bytes, mailbox.memory_bytes), (0, 0, 0));
    assert_eq!((kernel.dead_letters().len(), kernel.handled()), (0, 161));
}

#[tokio::test(start_paused = true)]
async fn mailbox_beyond_the_memory_has_space_when_all_are_dropped() {
    for restarts in [false, true] {
        let house = House::default();
        let mut spec = small(&house, "/a");
        (spec.mailbox.capacity, spec.mailbox.overflow) = (100, Overflow::Reject);
        let mut kernel = house.open(vec![spec.clone()]).await;
        kernel.halt(&addr("/a")).await;
        for number in 0..100 {
            tell(&kernel, "/a", &number.to_string()).await;
        }
        if restarts {
            // Then the bytes of the messages are an estimate.
            stop(&kernel).await;
            kernel = house.open(vec![spec.clone()]).await;
        }
        let mut order = kernel.order_mailboxes("user 7").await.unwrap();
        let dropped = order.drop_messages(house.id_of("/a"), &addr("/a"), &waiting(&house).await).await;
        assert_eq!(dropped, Ok(100));
        drop(order);
        let mailbox = view(&kernel, "/a").await;
        assert_eq!((mailbox.waiting, mailbox.bytes, mailbox.memory_bytes), (0, 0, 0));
        for number in 100..200 {
            tell(&kernel, "/a", &number.to_string()).await;
        }
        kernel.resume(&addr("/a")).await;
        kernel.wait_idle().await;
        assert_eq!(texts(&house), numbers(100..200));
    }
}

#[tokio::test(start_paused = true)]
async fn question_keeps_its_place_among_dropped_messages() {
    let house = House::default();
    let kernel = Arc::new(house.open(vec![small(&house, "/a")]).await);
    kernel.halt(&addr("/a")).await;
    for number in 0..60 {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    let asker = tokio::spawn({
        let kernel = kernel.clone();
        async move { kernel.ask(&addr("/a"), b"answer", 100 * SOON).await }
    });
    while view(&kernel, "/a").await.waiting < 61 {
        tokio::task::yield_now().await;
    }
    for number in 60..120 {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    let mut order = kernel.order_mailboxes("user 7").await.unwrap();
    // Those after the question are not counted as those before it.
    let some = in_order(&[(41, 46), (71, 121)]);
    assert_eq!(order.drop_messages(house.id_of("/a"), &addr("/a"), &some).await, Ok(55));
    drop(order);
    kernel.resume(&addr("/a")).await;
    assert_eq!(asker.await.unwrap().as_deref(), Ok(&b"yes"[..]));
    kernel.wait_idle().await;
    let expected = [numbers(0..40), numbers(45..60), vec!["answer".to_owned()], numbers(60..70)].concat();
    assert_eq!(texts(&house), expected);
}

/// An operator drops everything while pages are read and written slowly.
#[tokio::test(start_paused = true)]
async fn messages_are_handled_or_dropped_while_pages_are_read() {
    let (mut dropped_some, mut handled_some) = (0, 0);
    for delay in 0..60 {
        let house = House::default();
        let store = Slow { inner: house.store.clone() };
        let mut spec = small(&house, "/a");
        spec.batch = 1;
        let kernel = house.open_on(store, vec![spec]).await;
        kernel.halt(&addr("/a")).await;
        let told = (0..100).map(|number| {
            let kernel = kernel.clone();
            tokio::spawn(async move { tell(&kernel, "/a", &number.to_string()).await })
        });
        for told in told.collect::<Vec<_>>() {
            told.await.unwrap();
        }
        let in_order: Vec<String> = bodies(&house).await;
        kernel.resume(&addr("/a")).await;
        tokio::time::sleep(SOON / 1000 * delay).await;
        let mut order = kernel.order_mailboxes("user 7").await.unwrap();
        let wanted = waiting(&house).await;
        tokio::time::sleep(SOON / 1000 * (delay % 7)).await;
        let dropped = order.drop_messages(house.id_of("/a"), &addr("/a"), &wanted).await.unwrap();
        drop(order);
        tell(&kernel, "/a", "last").await;
        kernel.wait_idle().await;
        assert_eq!(kernel.store_failure(), None);
        let seen = texts(&house);
        assert_eq!(seen.len() as u64 + dropped, 101, "delay {delay}");
        assert_eq!(seen[..seen.len() - 1], in_order[..seen.len() - 1], "delay {delay}");
        assert_eq!(seen.last().map(String::as_str), Some("last"));
        dropped_some += u32::from(dropped > 0);
        handled_some += u32::from(seen.len() > 15);
        stop(&kernel).await;
        let image = house.store.open().await.unwrap();
        assert_eq!((image.actors[0].waiting, kernel.dead_letters().len()), (0, 0), "delay {delay}");
    }
    assert!(dropped_some > 20 && handled_some > 5, "{dropped_some} {handled_some}");
}

/// The bodies of the messages for `/a` in the store, in order.
async fn bodies(house: &House) -> Vec<String> {
    let messages = house.store.messages(house.id_of("/a"), 0, usize::MAX).await.unwrap();
    let body = |stored: &StoredMessage| Message::read(&stored.record).unwrap().body;
    messages.iter().map(|stored| String::from_utf8(body(stored)).unwrap()).collect()
}

/// A store whose reads and writes take time.
struct Slow {
    inner: MemoryStore,
}

impl Store for Slow {
    delegate_store!(self.inner: open, reads);

    fn write(&self, group: Arc<JournalGroup>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            tokio::time::sleep(SOON / 300).await;
            self.inner.write(group).await
        })
    }

    fn messages(&self, of: ActorId, from: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        Box::pin(async move {
            let read = self.inner.messages(of, from, most).await;
            tokio::time::sleep(SOON / 200).await;
            read
        })
    }
}

/// A store whose messages cannot be read any more after some reads.
struct Unreadable {
    inner: MemoryStore,
    reads: AtomicUsize,
}

impl Store for Unreadable {
    delegate_store!(self.inner: open, write, reads);

    fn messages(&self, of: ActorId, from: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        if self.reads.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Box::pin(async { Err(StoreError::Damaged { at: "a page".into() }) });
        }
        self.inner.messages(of, from, most)
    }
}

#[tokio::test(start_paused = true)]
async fn store_that_cannot_be_read_ends_the_play() {
    let house = House::default();
    let store = Unreadable { inner: house.store.clone(), reads: AtomicUsize::new(2) };
    let kernel = house.open_on(store, vec![small(&house, "/a")]).await;
    kernel.halt(&addr("/a")).await;
    for number in 0..200 {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    kernel.resume(&addr("/a")).await;
    kernel.wait_stopped().await;
    assert_eq!(kernel.store_failure(), Some(StoreError::Damaged { at: "a page".into() }));
    let seen = texts(&house).len();
    assert!((1..200).contains(&seen), "{seen}");
}

/// The bound holds while messages come and go by the hundred thousand.
#[tokio::test(start_paused = true)]
async fn memory_is_bounded_with_200_000_messages() {
    const MESSAGES: usize = 200_000;
    let house = House::default();
    let mut spec = house.stored("/a");
    (spec.mailbox.capacity, spec.mailbox.capacity_bytes) = (MESSAGES, 1 << 30);
    spec.mailbox.memory_bytes = 64 << 10;
    let kernel = house.open(vec![spec.clone()]).await;
    kernel.halt(&addr("/a")).await;
    for number in 0..MESSAGES {
        tell(&kernel, "/a", &number.to_string()).await;
    }
    let mailbox = view(&kernel, "/a").await;
    assert!(mailbox.waiting == MESSAGES && mailbox.memory_bytes <= 64 << 10, "{mailbox:?}");
    kernel.resume(&addr("/a")).await;
    let mut most = 0;
    while kernel.dead_letters().is_empty() && view(&kernel, "/a").await.waiting > 0 {
        most = most.max(view(&kernel, "/a").await.memory_bytes);
    }
    assert!((1..=64 << 10).contains(&most), "{most}");
    kernel.wait_idle().await;
    let seen = texts(&house);
    assert!(seen.iter().enumerate().all(|(at, text)| *text == at.to_string()) && seen.len() == MESSAGES);
}
