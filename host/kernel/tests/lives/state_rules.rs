//! The promises about keyed state, each in a small play.

use std::sync::Arc;
use std::time::SystemTime;

use playhouse_kernel::{
    ActorId, ActorSpec, Address, BoxFuture, ExpiringKey, Fault, FaultyStore, Image, JournalGroup, Keep, Kernel,
    MemoryStore, Plan, PlanError, Stage, StateError, StateOrderError, StateSize, StateSpec, Store, StoreError,
    StoredActor, StoredLetter, StoredMessage, StoredOrigin, StoredTimer, StoredValue,
};

use crate::house::{House, SOON, WRITE, addr, stop, tell};

/// A stored actor with state.
fn till(house: &House) -> ActorSpec {
    ActorSpec { state: Some(Box::default()), ..house.stored("/a") }
}

fn bounded(house: &House, spec: StateSpec) -> ActorSpec {
    ActorSpec { state: Some(Box::new(spec)), ..till(house) }
}

async fn ask(kernel: &Kernel, body: &str) -> String {
    let reply = kernel.ask(&addr("/a"), body.as_bytes(), SOON).await;
    reply.map_or_else(|error| error.to_string(), |reply| String::from_utf8(reply).unwrap())
}

#[tokio::test(start_paused = true)]
async fn state_outlives_the_host() {
    let house = House::default();
    let kernel = house.open(vec![till(&house)]).await;
    tell(&kernel, "/a", "set sum 1; set other x; unset other").await;
    assert_eq!(ask(&kernel, "get sum").await, "1");
    stop(&kernel).await;
    let kernel = house.open(vec![till(&house)]).await;
    assert_eq!(ask(&kernel, "get sum").await, "1");
    assert_eq!(ask(&kernel, "get other").await, "none");
    assert_eq!(ask(&kernel, "keys").await, "sum");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn changes_enter_with_the_end_of_their_message() {
    let house = House::default();
    let kernel = house.open(vec![till(&house)]).await;
    tell(&kernel, "/a", "set sum 1; set sum 2; > /a get sum").await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    assert_eq!(house.entries(), ["put 1", "put 1, take 1..2, sum=2", "take 2..3"]);
}

#[tokio::test(start_paused = true)]
async fn failed_message_changes_nothing() {
    let house = House::default();
    let kernel = house.open(vec![till(&house)]).await;
    for body in ["set sum 1", "set sum 2; reject", "set sum 3; retry", "set sum 4; panic"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.wait_idle().await;
    assert_eq!(ask(&kernel, "get sum").await, "1");
    stop(&kernel).await;
    assert!(
        house.entries().iter().all(|entry| !entry.contains('=') || entry.contains("sum=1")),
        "{:?}",
        house.entries()
    );
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_batch_read_what_earlier_ones_set() {
    let house = House::default();
    let kernel = house.open(vec![till(&house), house.actor("/b", Keep::Memory)]).await;
    kernel.halt(&addr("/a")).await;
    for body in ["set a 1", "set b 2; reject", "set c 3; unset a"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.resume(&addr("/a")).await;
    assert_eq!(ask(&kernel, "keys").await, "c");
    assert_eq!(ask(&kernel, "set d 4; ask /b; unset c; keys").await, "d");
    assert_eq!(ask(&kernel, "get d").await, "4");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn ask_keeps_the_changes_of_messages_before_it() {
    let house = House::default();
    let kernel = house.open(vec![till(&house), house.actor("/b", Keep::Memory)]).await;
    kernel.halt(&addr("/a")).await;
    tell(&kernel, "/a", "set before 1").await;
    tell(&kernel, "/a", "set own 2; ask /b; panic").await;
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert_eq!(ask(&kernel, "keys").await, "before");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn refused_reply_of_a_message_that_changed_the_state_is_a_crash() {
    let house = House::default();
    let kernel = house.open(vec![till(&house)]).await;
    assert!(ask(&kernel, "large").await.contains("its reply of 1048577 bytes is larger than limits.message"));
    let answer = ask(&kernel, "set a 1; large").await;
    assert!(answer.contains("bytes in the reply to a message that changed the state"), "{answer}");
    assert_eq!(ask(&kernel, "keys").await, "");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn reads_see_changes_that_are_not_durable_yet() {
    let house = House::default();
    let slow = FaultyStore::new(house.store.clone(), (0..20).map(|_| Some(Fault::Slow(WRITE))));
    let spec = StateSpec { cache_bytes: 0, ..StateSpec::default() };
    let kernel = house.open_on(slow, vec![bounded(&house, spec)]).await;
    for n in 1..5 {
        tell(&kernel, "/a", &format!("set k{n} {n}; unset k{}", n - 1)).await;
    }
    assert_eq!(ask(&kernel, "keys k").await, "k4");
    assert_eq!(ask(&kernel, "get k4").await, "4");
    assert_eq!(ask(&kernel, "get k3").await, "none");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn bounds_of_the_state_hold() {
    let house = House::default();
    let spec = StateSpec { bytes: 3 * (64 + 2), value_bytes: 10, ..StateSpec::default() };
    let kernel = house.open(vec![bounded(&house, spec)]).await;
    for (body, said) in [
        ("set a 1; set b 2; set c 3", "there is no reply"),
        ("set d 4", "the state of `/a` would be larger than state.bytes, 198 bytes"),
        ("set a 12345678901", "a value of 11 bytes is larger than state.value, 10 bytes"),
        ("unset c; set d 4; keys", "a b d"),
        ("set a 22", "the state of `/a` would be larger than state.bytes, 198 bytes"),
        ("unset b; set a 333; keys", "a d"),
    ] {
        let answer = ask(&kernel, body).await;
        assert!(answer.contains(said), "{body}: {answer}");
    }
    let long = format!("set {} 1", "k".repeat(513));
    let answer = ask(&kernel, &long).await;
    assert!(answer.contains("a key has at most 512 bytes, and this one has 513"), "{answer}");
    stop(&kernel).await;
    // In a new run no value is in memory, so that the sizes before are measured.
    let kernel = house.open(vec![bounded(&house, spec)]).await;
    for (body, said) in [
        ("set d 4; set d 5; unset a; set e 6; keys", "d e"),
        ("get d", "5"),
        ("set f 7; keys", "d e f"),
        ("set g 8", "would be larger"),
    ] {
        let answer = ask(&kernel, body).await;
        assert!(answer.contains(said), "{body}: {answer}");
    }
    let used = kernel.actors().await[0].keyed_state;
    assert_eq!(used, Some((198, 198)));
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn state_that_is_too_large_already_may_shrink() {
    let house = House::default();
    let kernel = house.open(vec![till(&house)]).await;
    tell(&kernel, "/a", "set a 1; set b 2; set c 3").await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    let kernel = house.open(vec![bounded(&house, StateSpec { bytes: 100, ..StateSpec::default() })]).await;
    assert!(ask(&kernel, "set d 4").await.contains("would be larger"));
    assert_eq!(ask(&kernel, "unset a; unset b; keys").await, "c");
    assert_eq!(ask(&kernel, "set c 33; keys").await, "c");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn operator_changes_only_a_stopped_actors_state() {
    let house = House::default();
    let kernel = house.open(vec![till(&house), house.stored("/b")]).await;
    tell(&kernel, "/a", "set a 1; set b 2").await;
    kernel.wait_idle().await;
    let change =
        || vec![("a".to_owned(), Some(b"9".to_vec())), ("b".to_owned(), None), ("c".to_owned(), Some(Vec::new()))];
    let refused = kernel.change_state(&addr("/a"), change()).await;
    assert!(matches!(refused, Err(StateOrderError::NotStopped { .. })), "{refused:?}");
    kernel.halt(&addr("/a")).await;
    kernel.change_state(&addr("/a"), change()).await.unwrap();
    assert_eq!(kernel.state_keys(&addr("/a"), "", None, 10).await.unwrap(), ["a", "c"]);
    assert_eq!(kernel.state_value(&addr("/a"), "a").await.unwrap(), Some(b"9".to_vec()));
    let large = kernel.change_state(&addr("/a"), vec![("x".into(), Some(vec![0; (1 << 20) + 1]))]).await;
    assert!(matches!(large, Err(StateOrderError::State(StateError::TooLarge { .. }))), "{large:?}");
    kernel.resume(&addr("/a")).await;
    assert_eq!(ask(&kernel, "get a").await, "9");
    assert_eq!(ask(&kernel, "keys").await, "a c");
    let unknown = kernel.state_value(&addr("/x"), "a").await;
    assert_eq!(unknown, Err(StateOrderError::UnknownAddress(addr("/x"))));
    let without = kernel.state_value(&addr("/b"), "a").await;
    assert!(matches!(without, Err(StateOrderError::State(StateError::NotGranted { .. }))), "{without:?}");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn plan_refuses_state_that_is_not_possible() {
    let house = House::default();
    let fault = |spec: ActorSpec| Plan { actors: vec![spec], ..Plan::default() }.check().unwrap_err();
    let memory = ActorSpec { state: Some(Box::default()), ..house.actor("/a", Keep::Memory) };
    assert_eq!(fault(memory), PlanError::NoState(addr("/a"), "a stored mailbox"));
    let several = ActorSpec { instances: 2, ..till(&house) };
    assert!(matches!(fault(several), PlanError::NoState(..)));
}

#[tokio::test(start_paused = true)]
async fn actor_without_state_is_told_so() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    let answer = ask(&kernel, "set a 1").await;
    assert!(answer.contains("`/a` has no state: add a table [actor.state]"), "{answer}");
    stop(&kernel).await;
}

#[tokio::test(start_paused = true)]
async fn store_that_cannot_be_read_ends_the_play() {
    let house = House::default();
    let kernel = house.open_on(Unreadable(house.store.clone()), vec![till(&house)]).await;
    let _ = ask(&kernel, "get a").await;
    assert!(matches!(kernel.wait_stopped().await, Stage::Stopped | Stage::GaveUp(_)));
    assert_eq!(kernel.store_failure(), Some(StoreError::Damaged { at: "a value".into() }));
}

/// A store whose values are damaged.
struct Unreadable(MemoryStore);

impl Store for Unreadable {
    fn open(&self) -> BoxFuture<'_, Result<Image, StoreError>> {
        self.0.open()
    }

    fn write(&self, group: Arc<JournalGroup>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.0.write(group)
    }

    fn messages(
        &self,
        mailbox: ActorId,
        from: u64,
        most_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        self.0.messages(mailbox, from, most_bytes)
    }

    fn held(
        &self,
        mailbox: ActorId,
        from: u64,
        most_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredMessage>, StoreError>> {
        self.0.held(mailbox, from, most_bytes)
    }

    fn value(&self, _: ActorId, _: &str) -> BoxFuture<'_, Result<Option<StoredValue>, StoreError>> {
        Box::pin(async { Err(StoreError::Damaged { at: "a value".into() }) })
    }

    fn keys(
        &self,
        actor: ActorId,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        self.0.keys(actor, prefix, after, most, now)
    }

    fn state_size(&self, actor: ActorId) -> BoxFuture<'_, Result<StateSize, StoreError>> {
        self.0.state_size(actor)
    }

    fn expiring(&self, most: usize) -> BoxFuture<'_, Result<Vec<ExpiringKey>, StoreError>> {
        self.0.expiring(most)
    }

    fn shorten_lifetimes(&self, now: SystemTime) -> BoxFuture<'_, Result<(), StoreError>> {
        self.0.shorten_lifetimes(now)
    }

    fn timers(&self, actor: ActorId, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredTimer>, StoreError>> {
        self.0.timers(actor, after, most)
    }

    fn letters(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<StoredLetter>, StoreError>> {
        self.0.letters(after, most)
    }

    fn origins(&self, source: &str, from: &[u8], most: usize) -> BoxFuture<'_, Result<Vec<StoredOrigin>, StoreError>> {
        self.0.origins(source, from, most)
    }

    fn actor(&self, address: &Address) -> BoxFuture<'_, Result<Option<StoredActor>, StoreError>> {
        self.0.actor(address)
    }

    fn children(
        &self,
        above: &Address,
        after: Option<&Address>,
        most: usize,
    ) -> BoxFuture<'_, Result<Vec<Address>, StoreError>> {
        self.0.children(above, after, most)
    }
}
