//! Dead letters that leave, in a running kernel.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_gateway::letters::{LettersSettings, place};
use playhouse_gateway::{Common, Placed, Statuses};
use playhouse_kernel::{
    ActorSpec, Address, Failure, Kernel, Message, NativeActor, NativeContext, NativeLauncher, NativeResult, Plan, State,
};
use tokio::sync::watch;

/// Rejects what comes, or handles it and sends it on.
#[derive(Clone)]
struct Actor {
    came: Arc<Mutex<Vec<String>>>,
    sends_to: Option<&'static str>,
    rejects: bool,
}

impl NativeActor for Actor {
    async fn msg_handler(&mut self, msg: Message, ctx: &mut NativeContext) -> NativeResult {
        let kind = msg.metadata().get("content-type").unwrap_or_default().to_owned();
        self.came.lock().push(format!("{} {kind}", String::from_utf8_lossy(&msg.body)));
        if let Some(to) = self.sends_to {
            ctx.tell(to, "follows")?;
        }
        if self.rejects { Err(Failure::Reject("no".into())) } else { Ok(()) }
    }
}

fn addr(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// An actor that takes messages of at most 100 bytes.
fn actor(at: &str, sends_to: Option<&'static str>, rejects: bool) -> (ActorSpec, Arc<Mutex<Vec<String>>>) {
    let actor = Actor { came: Arc::default(), sends_to, rejects };
    let came = actor.came.clone();
    let mut spec = ActorSpec::new(addr(at), NativeLauncher::new(move || actor.clone()));
    spec.grants.sends_below = vec![Address::root()];
    spec.limits.message_bytes = 100;
    (spec, came)
}

/// Starts actors whose dead letters also go to `/dead`.
async fn start(actors: Vec<ActorSpec>) -> (Kernel, Statuses) {
    let (_draining, drains) = watch::channel(false);
    let common = Common::new(Statuses::default(), drains);
    let settings = LettersSettings { address: addr("/dead-letters"), to: addr("/dead") };
    let mut placed = Placed::default();
    let encode = Arc::new(|letter: &playhouse_kernel::DeadLetter, with_body: bool| {
        let body = if with_body { String::from_utf8_lossy(&letter.message.body).into_owned() } else { "cut".into() };
        format!("{} {} {body}", letter.to, letter.reason.kind()).into_bytes()
    });
    place(&settings, encode, &common, &mut placed);
    let mut all = placed.sinks;
    all.extend(actors);
    let kernel = Kernel::start(&Plan { actors: all, letter_feed: placed.letter_feed, ..Plan::default() }).unwrap();
    kernel.wait_booted().await;
    (kernel, common.statuses)
}

async fn tell(kernel: &Kernel, to: &str, body: &str) {
    kernel.tell(&addr(to), body.as_bytes(), Duration::from_secs(1)).await.unwrap();
    // On paused time this ends when nothing else runs.
    tokio::time::sleep(Duration::from_secs(1)).await;
}

fn status(statuses: &Statuses) -> String {
    statuses.get(&addr("/dead-letters")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn letter_is_sent_to_the_receiver() {
    let (shop, _) = actor("/shop", None, true);
    let (dead, came) = actor("/dead", None, false);
    let (kernel, statuses) = start(vec![dead, shop]).await;
    tell(&kernel, "/shop", "order").await;
    assert_eq!(*came.lock(), ["/shop rejected order application/json"]);
    assert_eq!(status(&statuses), "1 sent to /dead");
    assert_eq!(kernel.dead_letters().len(), 1, "it is in the store as well");
}

#[tokio::test(start_paused = true)]
async fn receiver_that_rejects_letters_gets_none_about_them() {
    let (shop, _) = actor("/shop", None, true);
    let (dead, came) = actor("/dead", Some("/shop"), false);
    let (kernel, _) = start(vec![dead, shop]).await;
    tell(&kernel, "/shop", "order").await;
    assert_eq!(came.lock().len(), 1, "what the receiver sends on becomes a letter that is not sent");
    assert_eq!(kernel.dead_letters().len(), 2);
    let (shop, _) = actor("/shop", None, true);
    let (dead, came) = actor("/dead", None, true);
    let (kernel, _) = start(vec![dead, shop]).await;
    tell(&kernel, "/shop", "order").await;
    assert_eq!((came.lock().len(), kernel.dead_letters().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn letter_that_is_too_large_is_sent_without_its_body() {
    let (mut shop, _) = actor("/shop", None, true);
    shop.limits.message_bytes = 1000;
    let (dead, came) = actor("/dead", None, false);
    let (kernel, _) = start(vec![dead, shop]).await;
    tell(&kernel, "/shop", &"x".repeat(500)).await;
    assert_eq!(*came.lock(), ["/shop rejected cut application/json"]);
}

#[tokio::test(start_paused = true)]
async fn refused_letters_are_counted() {
    let (shop, _) = actor("/shop", None, true);
    let (mut dead, _) = actor("/dead", None, false);
    dead.limits.message_bytes = 1;
    let (kernel, statuses) = start(vec![dead, shop]).await;
    tell(&kernel, "/shop", "order").await;
    assert_eq!(status(&statuses), "0 sent to /dead, 1 refused there");
}

#[tokio::test(start_paused = true)]
async fn letters_of_the_shutdown_are_sent_as_well() {
    let (shop, _) = actor("/shop", None, true);
    let (dead, came) = actor("/dead", None, false);
    let mut actors = vec![dead];
    // A receiver that starts before the actor that sends the letters stops after it, as a sink does.
    let (_draining, drains) = watch::channel(false);
    let common = Common::new(Statuses::default(), drains);
    let settings = LettersSettings { address: addr("/dead-letters"), to: addr("/dead") };
    let mut placed = Placed::default();
    place(&settings, Arc::new(|_: &_, _| b"letter".to_vec()), &common, &mut placed);
    actors.extend(placed.sinks);
    actors.push(shop);
    let kernel = Kernel::start(&Plan { actors, letter_feed: placed.letter_feed, ..Plan::default() }).unwrap();
    kernel.wait_booted().await;
    assert_eq!(kernel.halt(&addr("/shop")).await, Some(State::Idle));
    for _ in 0..3 {
        kernel.tell(&addr("/shop"), b"x", Duration::from_secs(1)).await.unwrap();
    }
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!((came.lock().len(), kernel.dead_letters().len()), (3, 3));
}
