//! The feed of dead letters for a reader beside the store.

use playhouse_kernel::{ActorSpec, DeadLetterSpec, Failure, FlowId, Kernel, LetterFeed, LetterReader, Outcome, Plan};

use crate::stage::*;

const OWN: FlowId = FlowId(77);

/// A play of an actor that rejects everything and one that sends there, whose letters come to a reader.
async fn with_feed(bounds: DeadLetterSpec) -> (Kernel, LetterReader) {
    let (feed, reader) = LetterFeed::new(bounds, OWN);
    let rejects = quick(|_| Ok(Outcome::Failed(Failure::Reject("no".into())))).at("/a");
    let relay = quick(|turn| {
        let body = turn.body().to_vec();
        turn.tell("/a", &body).expect("granted");
        Ok(Outcome::Done(None))
    });
    let actors: Vec<ActorSpec> = vec![rejects, sends_to(relay.at("/relay"), &["/a"])];
    let kernel = Kernel::start(&Plan { actors, letter_feed: Some(feed), ..Plan::default() }).unwrap();
    kernel.wait_booted().await;
    (kernel, reader)
}

/// The bodies of the letters that the reader has now.
fn bodies(reader: &mut LetterReader) -> Vec<String> {
    let next = || Some(String::from_utf8(reader.try_next()?.message.body.clone()).unwrap());
    std::iter::from_fn(next).collect()
}

#[tokio::test(start_paused = true)]
async fn letters_come_to_the_reader_in_order() {
    let (kernel, mut reader) = with_feed(DeadLetterSpec::default()).await;
    for body in ["1", "2", "3"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.wait_idle().await;
    assert_eq!(reader.next().await.unwrap().message.body, b"1");
    assert_eq!((bodies(&mut reader), reader.left_out()), (vec!["2".to_owned(), "3".to_owned()], 0));
    assert_eq!(kernel.dead_letters().len(), 3, "the store has them as well");
}

#[tokio::test(start_paused = true)]
async fn full_feed_leaves_letters_out_and_delays_nothing() {
    let (kernel, mut reader) = with_feed(DeadLetterSpec { capacity: 2, capacity_bytes: 1000 }).await;
    for body in ["1", "2", "3"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.wait_idle().await;
    assert_eq!((bodies(&mut reader), reader.left_out()), (vec!["1".to_owned(), "2".to_owned()], 1));
    let large = "x".repeat(1000);
    for body in ["4", large.as_str(), "5"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.wait_idle().await;
    assert_eq!((bodies(&mut reader), reader.left_out()), (vec!["4".to_owned(), "5".to_owned()], 2));
    assert_eq!(kernel.dead_letters().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn letter_about_a_letter_does_not_come() {
    let gateway = crate::ingress::Gateway::default();
    let made = gateway.clone();
    let (feed, mut reader) = LetterFeed::new(DeadLetterSpec::default(), OWN);
    let rejects = quick(|_| Ok(Outcome::Failed(Failure::Reject("no".into())))).at("/a");
    let relay = quick(|turn| {
        turn.tell("/a", b"follows").expect("granted");
        Ok(Outcome::Done(None))
    });
    let gate = ActorSpec::new(addr("/gate"), playhouse_kernel::NativeLauncher::new(move || made.clone()));
    let actors = vec![rejects, sends_to(relay.at("/relay"), &["/a"]), gate];
    let kernel = Kernel::start(&Plan { actors, letter_feed: Some(feed), ..Plan::default() }).unwrap();
    kernel.wait_booted().await;
    let ingress = gateway.first();
    for to in ["/a", "/relay"] {
        let none = playhouse_kernel::Metadata::new();
        let message = playhouse_kernel::Incoming::new(ingress.next_id(), &none, b"letter");
        let message = playhouse_kernel::Incoming { flow: reader.own_flow(), ..message };
        ingress.tell(&addr(to), &message, SOON).await.unwrap();
    }
    kernel.wait_idle().await;
    assert_eq!(kernel.dead_letters().len(), 2);
    assert_eq!(bodies(&mut reader), [""; 0]);
}
