//! Stored mailboxes that are larger than their memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use playhouse_kernel::{
    ActorId, ActorSpec, BoxFuture, Image, JournalGroup, Keep, Kernel, MailboxView, MemoryStore, Overflow, RestartKind,
    SendError, Store, StoreError, StoredLetter, StoredMessage,
    StoredTimer,
};

use crate::rules::{House, SOON, addr, stop, tell};

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

/// A store whose messages cannot be read any more after some reads.
struct Unreadable {
    inner: MemoryStore,
    reads: AtomicUsize,
}

impl Store for Unreadable {
    fn open(&self) -> BoxFuture<'_, Result<Image, StoreError>> {
        self.inner.open()
    }

    fn write(&self, group: Arc<JournalGroup>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.write(group)
    }

    fn messages(&self, of: ActorId, from: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        if self.reads.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Box::pin(async { Err(StoreError::Damaged { at: "a page".into() }) });
        }
        self.inner.messages(of, from, most)
    }

    fn held(&self, of: ActorId, from: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        self.inner.held(of, from, most)
    }

    fn bytes(&self, of: ActorId, from: u64) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.inner.bytes(of, from)
    }

    fn timers(
        &self,
        actor: ActorId,
        after: u64,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredTimer>, StoreError>> {
        self.0.timers(actor, after, most)
    }

    fn letters(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredLetter>, StoreError>> {
        self.inner.letters(after, most)
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
