//! The promises one by one, each in a small play.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{
    ActorGrants, ActorId, ActorSpec, Address, Backoff, DeadReason, Failure, Fault, FaultyStore, FlowId, Incoming,
    Ingress, Keep, Kernel, LetterFilter, MailboxSpec, MemoryStore, Message, MessageId, Metadata, NativeActor,
    NativeContext, NativeLauncher, NativeResult, Op, OpenError, Overflow, Plan, PlanError, PortableMessage,
    RestartSpec, SendError, StartKind, State, Store, StoreError, WaitingNumbers,
};
use tokio::time::{Instant, sleep};

pub const SOON: Duration = Duration::from_secs(1);
/// The time of one write to a slow store.
pub const WRITE: Duration = Duration::from_millis(100);

/// Everything that the actors of a play saw: address, body, attempt, and time since the start.
pub type Seen = Arc<Mutex<Vec<(String, String, u32)>>>;

/// Does what a message says: `> /a hello` sends, `retry` fails, `panic` crashes, `answer` replies, `later /a`, `in 100 /a` and
/// `every 100 /a` set timers, in milliseconds, and `cancel 0` cancels the first one, `set k v`, `for 100 k v`
/// (for 100 ms) and `unset k` change the state, `get k` and `keys p` answer from it.
struct Actor {
    seen: Seen,
    timers: Arc<Mutex<Vec<u64>>>,
    ingress: Arc<Mutex<Option<Ingress>>>,
}

impl NativeActor for Actor {
    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        *self.ingress.lock() = Some(ctx.ingress());
        Ok(())
    }

    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let text = String::from_utf8(msg.body).unwrap();
        self.seen.lock().push((ctx.address().to_string(), text.clone(), msg.envelope.attempt));
        for command in text.split(';') {
            let (verb, rest) = command.trim().split_once(' ').unwrap_or((command.trim(), ""));
            match verb {
                ">" => {
                    let (to, body) = rest.split_once(' ').unwrap();
                    ctx.tell(to, body.replace('+', ";")).unwrap();
                }
                "later" => drop(ctx.tell_after(Duration::from_millis(5), rest, "a timer's")),
                "in" | "every" => {
                    let (wait_ms, to) = rest.split_once(' ').unwrap();
                    let wait = Duration::from_millis(wait_ms.parse().unwrap());
                    let set = match verb {
                        "in" => ctx.tell_after(wait, to, "a timer's"),
                        _ => ctx.tell_every(wait, to, "a timer's"),
                    };
                    self.timers.lock().push(set.map_err(|error| Failure::Reject(error.to_string()))?);
                }
                "cancel" => {
                    let id = self.timers.lock()[rest.parse::<usize>().unwrap()];
                    ctx.cancel(id);
                }
                "answer" => ctx.reply("yes"),
                "all" => {
                    let (group, body) = rest.split_once(' ').unwrap();
                    let count = ctx.tell_all(group, body).await?;
                    ctx.reply(count.to_string());
                }
                "large" => ctx.reply(vec![0; (1 << 20) + 1]),
                "set" => {
                    let (key, value) = rest.split_once(' ').unwrap();
                    if let Err(error) = ctx.set_state(key, value).await {
                        return Err(Failure::Reject(error.to_string()));
                    }
                }
                "for" => {
                    let (ms, pair) = rest.split_once(' ').unwrap();
                    let (key, value) = pair.split_once(' ').unwrap();
                    ctx.set_state_for(key, value, Duration::from_millis(ms.parse().unwrap())).await?;
                }
                "unset" => ctx.delete_state(rest)?,
                "get" => {
                    let value = ctx.state_value(rest).await?;
                    ctx.reply(value.map_or_else(|| b"none".to_vec(), |value| value.to_vec()));
                }
                "keys" => {
                    let keys = ctx.state_keys(rest, None, 100).await?;
                    ctx.reply(keys.join(" "));
                }
                "ask" => drop(ctx.ask(rest, "answer", SOON).await),
                "hang" => std::future::pending().await,
                "retry" => return Err(Failure::Retry("not now".into())),
                "reject" => return Err(Failure::Reject("never".into())),
                "panic" => panic!("as told"),
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Clone, Default)]
pub struct House {
    seen: Seen,
    ingress: Arc<Mutex<Option<Ingress>>>,
    /// The ids of all timers that messages set.
    pub timers: Arc<Mutex<Vec<u64>>>,
    pub store: MemoryStore,
}

pub fn addr(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Numbers of messages that wait in order, from the first of each pair up to the second, which is not one of them.
pub fn in_order(ranges: &[(u64, u64)]) -> WaitingNumbers {
    WaitingNumbers { in_order: ranges.iter().map(|&(from, end)| from..end).collect(), held: Vec::new() }
}

impl House {
    pub fn actor(&self, address: &str, keep: Keep) -> ActorSpec {
        let house = self.clone();
        let code = NativeLauncher::new(move || Actor {
            seen: house.seen.clone(),
            timers: house.timers.clone(),
            ingress: house.ingress.clone(),
        });
        ActorSpec {
            mailbox: MailboxSpec { keep, ..MailboxSpec::default() },
            restart: RestartSpec {
                attempts: 3,
                backoff: Backoff { initial: Duration::from_millis(1), max: Duration::from_millis(1) },
                ..RestartSpec::default()
            },
            grants: ActorGrants { sends_to: ["/a", "/b", "/c", "/out"].map(addr).to_vec(), ..ActorGrants::default() },
            ..ActorSpec::new(addr(address), code)
        }
    }

    pub fn stored(&self, address: &str) -> ActorSpec {
        self.actor(address, Keep::Stored)
    }

    pub async fn open(&self, actors: Vec<ActorSpec>) -> Kernel {
        self.open_on(self.store.clone(), actors).await
    }

    pub async fn open_on(&self, store: impl Store, actors: Vec<ActorSpec>) -> Kernel {
        let kernel = Kernel::open(&Plan { actors, ..Plan::default() }, Arc::new(store)).await.unwrap();
        kernel.wait_booted().await;
        kernel
    }

    /// The id of an actor of the plan.
    pub fn id_of(&self, address: &str) -> ActorId {
        let mut ops =
            self.store.history().into_iter().flat_map(|group| group.entries.clone()).flat_map(|entry| entry.ops);
        let born = |op: Op| match op {
            Op::Born { actor, address: at } if at.as_str() == address => Some(actor),
            _ => None,
        };
        ops.find_map(born).unwrap()
    }

    /// The ingress of the actor that started last.
    pub fn ingress(&self) -> Ingress {
        self.ingress.lock().take().unwrap()
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen.lock().iter().map(|(who, text, attempt)| format!("{who} {text} {attempt}")).collect()
    }

    /// The operations of the entries that have a message in them.
    pub fn entries(&self) -> Vec<String> {
        let words = |op: &Op| match op {
            Op::Put { messages, .. } => Some(format!("put {messages}")),
            Op::Take { numbers, .. } => Some(format!("take {numbers:?}")),
            Op::Hold { number, .. } => Some(format!("hold {number}")),
            Op::Letter(letter) => Some(format!("letter {}", letter.kind)),
            Op::Suspect { number, ends, in_process: true, .. } => Some(format!("suspect {number} {ends}")),
            Op::Suspect { number, ends, .. } => Some(format!("{number} ended {ends}")),
            Op::LetterGone { number } => Some(format!("letter {number} gone")),
            Op::Timer { timer, .. } => Some(format!("timer {}", timer.to)),
            Op::Cancel { .. } => Some("timer gone".to_owned()),
            _ => None,
        };
        let state = |op: &Op, bytes: &[u8]| {
            let text = |at: &std::ops::Range<usize>| String::from_utf8_lossy(&bytes[at.clone()]).into_owned();
            match op {
                Op::Set { key, value, .. } => Some(format!("{}={}", text(key), text(value))),
                Op::Unset { key, .. } => Some(format!("no {}", text(key))),
                Op::Expire { key, .. } => Some(format!("end of {}", text(key))),
                Op::Origin { position, .. } => Some(format!("from {}", text(position))),
                Op::OriginGone { position, .. } => Some(format!("no more from {}", text(position))),
                _ => None,
            }
        };
        let entries = self.store.history().into_iter().flat_map(|group| group.entries.clone());
        let lines = entries.map(|entry| {
            let ops = entry.ops.iter().filter_map(|op| words(op).or_else(|| state(op, &entry.bytes)));
            ops.collect::<Vec<_>>().join(", ")
        });
        lines.filter(|line| !line.is_empty()).collect()
    }
}

pub async fn tell(kernel: &Kernel, to: &str, body: &str) {
    kernel.tell(&addr(to), body.as_bytes(), SOON).await.unwrap();
}

pub async fn stop(kernel: &Kernel) {
    kernel.kill();
    kernel.wait_stopped().await;
}

#[tokio::test(start_paused = true)]
async fn acknowledged_message_waits_for_the_next_run() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    kernel.halt(&addr("/a")).await;
    tell(&kernel, "/a", "one").await;
    tell(&kernel, "/a", "two").await;
    stop(&kernel).await;
    assert_eq!(kernel.dead_letters().len(), 0);
    let kernel = house.open(vec![house.stored("/a")]).await;
    assert_eq!(house.lines(), [""; 0], "the operator's order holds, too");
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/a")]).await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a one 0", "/a two 0"]);
}

#[tokio::test(start_paused = true)]
async fn message_of_an_earlier_run_starts_an_actor_that_waits_for_one() {
    let house = House::default();
    let starting = |start| ActorSpec { start, ..house.stored("/a") };
    let kernel = house.open(vec![starting(StartKind::Manual)]).await;
    tell(&kernel, "/a", "one").await;
    stop(&kernel).await;
    let kernel = house.open(vec![starting(StartKind::OnMessage)]).await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a one 0"]);
}

#[tokio::test(start_paused = true)]
async fn turn_of_a_stored_actor_is_one_entry() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b"), house.actor("/out", Keep::Memory)]).await;
    tell(&kernel, "/a", "> /b x; > /out y; > /b z").await;
    kernel.wait_idle().await;
    assert_eq!(house.entries(), ["put 1", "put 2, take 1..2", "take 1..2", "take 2..3"]);
    let mut seen = house.lines();
    seen.sort();
    assert_eq!(seen, ["/a > /b x; > /out y; > /b z 0", "/b x 0", "/b z 0", "/out y 0"]);
}

#[tokio::test(start_paused = true)]
async fn pipeline_waits_for_two_writes_whatever_its_length() {
    let house = House::default();
    let slow = FaultyStore::new(house.store.clone(), vec![Some(Fault::Slow(WRITE)); 50]);
    let stored = ["/a", "/b", "/c"].map(|address| house.stored(address));
    let kernel = house.open_on(slow, stored.into_iter().chain([house.actor("/out", Keep::Memory)]).collect()).await;
    sleep(SOON).await;
    let began = Instant::now();
    tell(&kernel, "/a", "> /b > /c > /out end").await;
    assert_eq!(began.elapsed(), WRITE, "the acknowledgement waits for one write");
    assert_eq!(house.lines().len(), 3, "stored actors do not wait for each other's writes");
    kernel.wait_idle().await;
    assert_eq!(house.lines().last().unwrap(), "/out end 0");
    assert_eq!(began.elapsed(), 2 * WRITE);
}

#[tokio::test(start_paused = true)]
async fn answer_waits_for_the_turn_that_gave_it() {
    let house = House::default();
    let slow = FaultyStore::new(house.store.clone(), vec![Some(Fault::Slow(WRITE)); 50]);
    let kernel = house.open_on(slow, vec![house.stored("/a"), house.stored("/b")]).await;
    sleep(SOON).await;
    let began = Instant::now();
    let answer = kernel.ask(&addr("/a"), b"> /b x; answer", SOON).await;
    assert_eq!((answer.as_deref(), began.elapsed()), (Ok(&b"yes"[..]), WRITE));
}

#[tokio::test(start_paused = true)]
async fn attempts_of_a_message_outlive_the_host() {
    let house = House::default();
    let mut slow_retry = house.stored("/a");
    slow_retry.restart.backoff = Backoff { initial: Duration::from_mins(1), max: Duration::from_mins(1) };
    let kernel = house.open(vec![slow_retry.clone()]).await;
    tell(&kernel, "/a", "retry").await;
    sleep(SOON).await;
    stop(&kernel).await;
    for _ in 0..2 {
        let kernel = house.open(vec![slow_retry.clone()]).await;
        sleep(Duration::from_secs(200)).await;
        stop(&kernel).await;
    }
    assert_eq!(house.lines(), ["/a retry 0", "/a retry 1", "/a retry 2"]);
    assert_eq!(house.entries(), ["put 1", "hold 1", "hold 1", "take 1..2, letter failed"]);
}

#[tokio::test(start_paused = true)]
async fn blamed_crash_counts_in_the_next_run() {
    let house = House::default();
    let mut poisoned = house.stored("/a");
    poisoned.restart.backoff = Backoff { initial: Duration::from_mins(1), max: Duration::from_mins(1) };
    let kernel = house.open(vec![poisoned.clone()]).await;
    tell(&kernel, "/a", "panic").await;
    sleep(SOON).await;
    stop(&kernel).await;
    house.open(vec![poisoned]).await;
    sleep(SOON).await;
    assert_eq!(house.lines(), ["/a panic 0", "/a panic 1"]);
}

#[tokio::test(start_paused = true)]
async fn dead_letter_outlives_the_host_and_is_replayed_once() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    tell(&kernel, "/a", "reject").await;
    tell(&kernel, "/a", "reject; me too").await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/a")]).await;
    let letters = kernel.dead_letters();
    assert!(matches!(&letters[0].reason, DeadReason::Recorded(_)), "{:?}", letters[0].reason);
    assert_eq!(letters[0].reason.kind(), "rejected");
    assert_eq!((letters.len(), letters[0].reason.to_string()), (2, "rejected: never".to_owned()));
    kernel.replay(letters[0].id, SOON).await.unwrap();
    kernel.wait_idle().await;
    assert_eq!(kernel.drop_letters(&LetterFilter::default()).await.done, 2, "the replayed one was rejected again");
    kernel.wait_idle().await;
    assert_eq!(house.lines().len(), 3);
    let last = ["put 1, letter 1 gone", "take 3..4, letter rejected", "letter 2 gone", "letter 3 gone"];
    assert!(house.entries().ends_with(&last.map(str::to_owned)), "{:?}", house.entries());
    stop(&kernel).await;
    let kernel = house.open(vec![house.stored("/a")]).await;
    kernel.wait_idle().await;
    assert_eq!(house.lines().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn timer_puts_its_message_into_the_store() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a"), house.stored("/b")]).await;
    tell(&kernel, "/a", "later /b").await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a later /b 0", "/b a timer's 0"]);
    assert_eq!(house.entries(), ["put 1", "timer /b, take 1..2", "put 1, timer gone", "take 1..2"]);
}

#[tokio::test(start_paused = true)]
async fn receipt_of_a_stored_message_ends_when_it_is_durable() {
    let house = House::default();
    let slow = FaultyStore::new(house.store.clone(), vec![Some(Fault::Slow(WRITE)); 50]);
    let kernel = house.open_on(slow, vec![house.stored("/a"), house.actor("/gate", Keep::Memory)]).await;
    sleep(SOON).await;
    let ingress = house.ingress.lock().take().unwrap();
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

#[tokio::test(start_paused = true)]
async fn two_turns_that_wait_for_each_others_mailboxes_go_on() {
    let house = House::default();
    let small = |address: &str| {
        let mut actor = house.stored(address);
        (actor.mailbox.capacity, actor.batch, actor.mailbox.block_timeout) = (1, 1, Duration::from_hours(1));
        actor
    };
    let kernel = house.open(vec![small("/a"), small("/b")]).await;
    let began = Instant::now();
    for _ in 0..5 {
        tell(&kernel, "/a", "> /b > /a x; > /b > /a y").await;
        tell(&kernel, "/b", "> /a > /b x; > /a > /b y").await;
    }
    kernel.wait_idle().await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!((kernel.dead_letters().len(), house.lines().len()), (0, 50));
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
async fn operators_start_is_kept_when_it_succeeded() {
    let house = House::default();
    let manual = || ActorSpec { start: StartKind::Manual, ..house.stored("/a") };
    let kernel = house.open(vec![manual()]).await;
    let started = kernel.start_actor(&addr("/a")).await.unwrap();
    assert_eq!(started.before, State::Stopped);
    stop(&kernel).await;
    let kernel = house.open(vec![manual()]).await;
    tell(&kernel, "/a", "one").await;
    kernel.wait_idle().await;
    assert_eq!(house.lines(), ["/a one 0"]);
}

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

/// An operator who goes away while the store is slow has replayed the letter all the same.
#[tokio::test(start_paused = true)]
async fn abandoned_replay_of_a_letter_is_not_repeated() {
    let house = House::default();
    let kernel = house.open(vec![house.stored("/a")]).await;
    tell(&kernel, "/a", "reject").await;
    kernel.wait_idle().await;
    stop(&kernel).await;
    let store = FaultyStore::new(house.store.clone(), vec![Some(Fault::Slow(WRITE)); 100]);
    let kernel = house.open_on(store, vec![house.stored("/a")]).await;
    kernel.halt(&addr("/a")).await;
    let letter = kernel.dead_letters()[0].id;
    let replay = tokio::time::timeout(WRITE / 2, kernel.replay(letter, SOON)).await;
    assert!(replay.is_err(), "it waits for the disk");
    assert_eq!(kernel.dead_letters().len(), 0);
    assert!(kernel.replay(letter, SOON).await.is_err(), "it is gone");
    sleep(2 * WRITE).await;
    stop(&kernel).await;
    assert_eq!(kernel.store_failure(), None);
    assert_eq!(house.entries().iter().filter(|entry| **entry == "put 1, letter 1 gone").count(), 1);
}
