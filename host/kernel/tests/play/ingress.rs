//! Messages that a native actor sends outside of its turns, and the receipts for them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{
    ActorSpec, AskError, Failure, FlowId, Incoming, Ingress, Kernel, Message, MessageId, Metadata, NativeActor,
    NativeContext, NativeLauncher, NativeResult, Outcome, SendError,
};

use crate::stage::*;

/// Hands out the ingress of each of its incarnations.
#[derive(Clone, Default)]
pub struct Gateway(Arc<Mutex<Vec<Arc<Ingress>>>>);

impl Gateway {
    /// The ingress of the first incarnation.
    pub fn first(&self) -> Arc<Ingress> {
        self.0.lock()[0].clone()
    }
}

impl NativeActor for Gateway {
    async fn init(&mut self, ctx: &mut NativeContext) -> NativeResult {
        self.0.lock().push(Arc::new(ctx.ingress()));
        Ok(())
    }

    async fn msg_handler(&mut self, _: Message, _: &mut NativeContext) -> NativeResult {
        Ok(())
    }
}

/// A play with a gateway `/gate`, and its ingress.
async fn with_gateway(mut actors: Vec<ActorSpec>) -> (Kernel, Arc<Ingress>) {
    let gateway = Gateway::default();
    let made = gateway.clone();
    actors.push(ActorSpec::new(addr("/gate"), NativeLauncher::new(move || made.clone())));
    let kernel = start(actors).await;
    let ingress = gateway.first();
    (kernel, ingress)
}

const NONE: &Metadata = &Metadata::new();

#[tokio::test(start_paused = true)]
async fn message_of_a_gateway_has_its_sender_id_and_flow() {
    let seen = Journal::default();
    let notes = seen.clone();
    let code = quick(move |turn| {
        let envelope = turn.envelope().expect("a message");
        let sender = turn.sender().expect("a sender");
        notes.note(format!("{sender} {} {:x} {}", envelope.id, envelope.flow.0, envelope.attempt));
        Ok(Outcome::Done(None))
    });
    let (kernel, ingress) = with_gateway(vec![code.at("/a")]).await;
    let message = Incoming { failures: 1, flow: FlowId(0xfeed), ..Incoming::new(MessageId(7), NONE, b"x") };
    ingress.tell(&addr("/a"), &message, SOON).await.unwrap();
    kernel.wait_idle().await;
    assert_eq!(seen.lines(), [format!("/gate {} feed 1", MessageId(7))]);
}

#[tokio::test(start_paused = true)]
async fn receipt_comes_after_the_last_attempt_and_blames_no_ask() {
    let journal = Journal::default();
    let notes = journal.clone();
    let code = quick(move |turn| {
        notes.note(text(turn));
        match turn.body() {
            b"crash" => Err(trap()),
            b"retry" => Ok(Outcome::Failed(Failure::Retry("later".into()))),
            _ => Ok(Outcome::Done(Some(b"a reply that nobody gets".to_vec()))),
        }
    });
    let (kernel, ingress) = with_gateway(vec![code.at("/a")]).await;
    let end = async |body: &[u8]| {
        let message = Incoming::new(ingress.next_id(), NONE, body);
        ingress.tell_with_receipt(&addr("/a"), &message, SOON).await.unwrap().ended().await
    };
    assert_eq!(end(b"fine").await, Ok(()));
    assert_eq!(end(b"retry").await, Err(AskError::RetriesSpent("later".into())));
    assert_eq!(end(b"crash").await, Err(AskError::Crashed("trapped: unreachable".into())));
    assert_eq!((journal.count("retry"), journal.count("crash")), (3, 3), "all attempts, although one sender waits");
    assert_eq!(letters(&kernel), ["failed retry x3", "crashed crash x3"]);
}

#[tokio::test(start_paused = true)]
async fn failures_elsewhere_count_as_attempts() {
    let code = quick(|_| Ok(Outcome::Failed(Failure::Retry("later".into()))));
    let (kernel, ingress) = with_gateway(vec![code.at("/a")]).await;
    let message = Incoming { failures: 2, ..Incoming::new(ingress.next_id(), NONE, b"x") };
    let receipt = ingress.tell_with_receipt(&addr("/a"), &message, SOON).await.unwrap();
    assert_eq!(receipt.ended().await, Err(AskError::RetriesSpent("later".into())));
    assert_eq!(letters(&kernel), ["failed x x3"]);
}

#[tokio::test(start_paused = true)]
async fn receipt_waits_while_the_actor_is_stopped() {
    let (kernel, ingress) = with_gateway(vec![quick(|_| Ok(Outcome::Done(None))).at("/a")]).await;
    kernel.halt(&addr("/a")).await;
    let message = Incoming::new(ingress.next_id(), NONE, b"x");
    let receipt = ingress.tell_with_receipt(&addr("/a"), &message, SOON).await.unwrap();
    let ended = tokio::spawn(receipt.ended());
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(!ended.is_finished());
    kernel.resume(&addr("/a")).await;
    assert_eq!(ended.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn receipt_of_a_play_that_ends_says_stopped() {
    let (kernel, ingress) = with_gateway(vec![quick(|_| Ok(Outcome::Done(None))).at("/a")]).await;
    kernel.halt(&addr("/a")).await;
    let message = Incoming::new(ingress.next_id(), NONE, b"x");
    let receipt = ingress.tell_with_receipt(&addr("/a"), &message, SOON).await.unwrap();
    kernel.shut_down();
    assert_eq!(receipt.ended().await, Err(AskError::Stopped));
}

#[tokio::test(start_paused = true)]
async fn ingress_refuses_what_the_outside_is_refused() {
    let (kernel, ingress) = with_gateway(vec![quick(|_| Ok(Outcome::Done(None))).at("/a")]).await;
    let message = Incoming::new(ingress.next_id(), NONE, b"x");
    let unknown = ingress.tell_with_receipt(&addr("/b"), &message, SOON).await.map(|_| ());
    assert_eq!(unknown, Err(SendError::UnknownAddress(addr("/b"))));
    kernel.set_memory_pressure(Some("91 %".into()));
    let refused = ingress.ask(&addr("/a"), &message, SOON).await.map(|_| ());
    assert_eq!(refused, Err(AskError::NotSent(SendError::MemoryPressure("91 %".into()))));
    assert_eq!((ingress.space(&addr("/a")), ingress.space(&addr("/b"))), (1024, 0));
}

#[tokio::test(start_paused = true)]
async fn ids_of_two_starts_differ() {
    let mut ids = Vec::new();
    for seed in [1, 2] {
        let gateway = Gateway::default();
        let made = gateway.clone();
        let seen = Journal::default();
        let from_init = quick(|_| Ok(Outcome::Done(None))).on_init(|turn| turn.tell("/sink", b"x").map_err(|_| trap()));
        let notes = seen.clone();
        let sink = quick(move |turn| {
            notes.note(turn.envelope().expect("a message").id.to_string());
            Ok(Outcome::Done(None))
        });
        let mut sender = from_init.at("/b");
        sender.grants.sends_to = vec![addr("/sink")];
        let actors =
            vec![sink.at("/sink"), sender, ActorSpec::new(addr("/gate"), NativeLauncher::new(move || made.clone()))];
        let plan = playhouse_kernel::Plan { actors, seed, ..Default::default() };
        let kernel = Kernel::start(&plan).unwrap();
        kernel.wait_booted().await;
        kernel.wait_idle().await;
        ids.extend(seen.lines());
        ids.push(gateway.0.lock()[0].next_id().to_string());
    }
    assert_eq!(ids.len(), 4);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn relay_gets_tells_and_the_actor_asks_and_receipts() {
    let journal = Journal::default();
    let noting = |name: &'static str| {
        let notes = journal.clone();
        quick(move |turn| {
            notes.note(format!("{name} {}", text(turn)));
            Ok(Outcome::Done(Some(name.into())))
        })
    };
    let sender = quick(|turn| turn.tell("/a", b"from an actor").map(|()| Outcome::Done(None)).map_err(|_| trap()));
    let mut sender = sender.at("/sender");
    sender.grants.sends_to = vec![addr("/a")];
    let mut actor = noting("/a").at("/a");
    actor.relay = Some(Box::new(addr("/relay")));
    let (kernel, ingress) = with_gateway(vec![noting("/relay").at("/relay"), actor, sender]).await;
    kernel.tell(&addr("/sender"), b"go", SOON).await.unwrap();
    kernel.wait_idle().await;
    kernel.tell(&addr("/a"), b"from outside", SOON).await.unwrap();
    kernel.wait_idle().await;
    assert_eq!(kernel.ask(&addr("/a"), b"asked", SOON).await, Ok(b"/a".to_vec()));
    let message = Incoming::new(ingress.next_id(), NONE, b"with receipt");
    let receipt = ingress.tell_with_receipt(&addr("/a"), &message, SOON).await.unwrap();
    assert_eq!(receipt.ended().await, Ok(()));
    assert_eq!(journal.lines(), ["/relay from an actor", "/relay from outside", "/a asked", "/a with receipt"]);
}
