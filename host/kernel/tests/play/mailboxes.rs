use std::time::Duration;

use playhouse_kernel::{ActorSpec, Backoff, Failure, Kernel, Outcome, Overflow, SendError};

use crate::stage::*;

/// An actor that only an operator starts, so that its mailbox fills.
fn closed_shop(journal: &Journal, overflow: Overflow) -> ActorSpec {
    let mut spec = recorder(journal).at("/shop");
    spec.start = playhouse_kernel::StartKind::Manual;
    spec.mailbox.capacity = 3;
    spec.mailbox.overflow = overflow;
    spec.mailbox.block_timeout = Duration::from_secs(2);
    spec
}

/// Sends 0 to 5 to the shop in one turn.
fn crowd() -> ActorSpec {
    let crowd = quick(|turn| {
        for n in 0..6 {
            turn.tell("/shop", n.to_string().as_bytes()).expect("granted");
        }
        Ok(Outcome::Done(None))
    });
    sends_to(crowd.at("/crowd"), &["/shop"])
}

#[tokio::test(start_paused = true)]
async fn block_holds_the_sender_until_its_message_fits() {
    let journal = Journal::default();
    let kernel = start(vec![closed_shop(&journal, Overflow::Block), crowd()]).await;
    tell(&kernel, "/crowd", "go").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    kernel.resume(&addr("/shop")).await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), (0..6).map(|n| format!("shop:{n}")).collect::<Vec<_>>());
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn message_blocked_too_long_is_a_dead_letter() {
    let journal = Journal::default();
    let kernel = start(vec![closed_shop(&journal, Overflow::Block), crowd()]).await;
    tell(&kernel, "/crowd", "go").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(letters(&kernel), ["mailbox-full 3 x0", "mailbox-full 4 x0", "mailbox-full 5 x0"]);
    kernel.resume(&addr("/shop")).await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["shop:0", "shop:1", "shop:2"]);
}

#[tokio::test(start_paused = true)]
async fn reject_and_drop_rules_make_dead_letters_at_once() {
    for (overflow, letters_expected, handled) in [
        (Overflow::Reject, ["mailbox-full 3 x0", "mailbox-full 4 x0", "mailbox-full 5 x0"], ["0", "1", "2"]),
        (Overflow::DropNewest, ["overflow 3 x0", "overflow 4 x0", "overflow 5 x0"], ["0", "1", "2"]),
        (Overflow::DropOldest, ["overflow 0 x0", "overflow 1 x0", "overflow 2 x0"], ["3", "4", "5"]),
    ] {
        let journal = Journal::default();
        let kernel = start(vec![closed_shop(&journal, overflow), crowd()]).await;
        tell(&kernel, "/crowd", "go").await;
        while letters(&kernel).len() < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(letters(&kernel), letters_expected, "{overflow:?}");
        kernel.resume(&addr("/shop")).await;
        kernel.wait_idle().await;
        assert_eq!(journal.lines(), handled.map(|n| format!("shop:{n}")), "{overflow:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn full_mailbox_returns_an_error_to_the_outside() {
    let journal = Journal::default();
    let kernel = start(vec![closed_shop(&journal, Overflow::Block)]).await;
    for n in 0..3 {
        tell(&kernel, "/shop", &n.to_string()).await;
    }
    let refused = kernel.tell(&addr("/shop"), b"x", SOON).await;
    assert_eq!(refused, Err(SendError::MailboxFull(addr("/shop"))));
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn dropped_message_is_a_dead_letter_and_its_sender_learns_it() {
    for (overflow, dropped) in [(Overflow::DropNewest, "3"), (Overflow::DropOldest, "0")] {
        let journal = Journal::default();
        let kernel = start(vec![closed_shop(&journal, overflow)]).await;
        for n in 0..3 {
            tell(&kernel, "/shop", &n.to_string()).await;
        }
        let last = kernel.tell(&addr("/shop"), b"3", SOON).await;
        let was_dropped = matches!(last, Err(SendError::Dropped { .. }));
        assert_eq!(was_dropped, overflow == Overflow::DropNewest, "{last:?}");
        assert_eq!(letters(&kernel), [format!("overflow {dropped} x0")]);
    }
}

#[tokio::test(start_paused = true)]
async fn mailbox_bounds_bytes_and_one_message_always_fits() {
    let journal = Journal::default();
    let mut shop = closed_shop(&journal, Overflow::Reject);
    shop.mailbox.capacity = 100;
    shop.mailbox.capacity_bytes = 1000;
    let kernel = start(vec![shop]).await;
    assert!(kernel.tell(&addr("/shop"), &[0; 5000], SOON).await.is_ok());
    assert!(kernel.tell(&addr("/shop"), &[0; 1], SOON).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn blocked_senders_are_served_in_order_of_arrival() {
    let journal = Journal::default();
    let mut shop = closed_shop(&journal, Overflow::Block);
    shop.mailbox.capacity = 1;
    let kernel = start(vec![shop]).await;
    tell(&kernel, "/shop", "first").await;
    let mut senders = Vec::new();
    for n in 0..10 {
        let kernel = kernel.clone();
        senders.push(tokio::spawn(async move { tell(&kernel, "/shop", &n.to_string()).await }));
        tokio::task::yield_now().await;
    }
    kernel.resume(&addr("/shop")).await;
    for sender in senders {
        sender.await.expect("accepted");
    }
    kernel.wait_idle().await;
    let expected: Vec<_> =
        std::iter::once("shop:first".to_owned()).chain((0..10).map(|n| format!("shop:{n}"))).collect();
    assert_eq!(journal.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn retries_are_bounded_as_the_mailbox_is() {
    let hour = Duration::from_hours(1);
    let mut spec = quick(|_| Ok(Outcome::Failed(Failure::Retry("never".into())))).at("/a");
    spec.restart.backoff = Backoff { initial: hour, max: hour };
    spec.mailbox.capacity = 3;
    let kernel = start(vec![spec]).await;
    let mut accepted = 0;
    while accepted < 50 && kernel.tell(&addr("/a"), b"x", SOON).await.is_ok() {
        accepted += 1;
    }
    assert_eq!(accepted, 6, "three to be retried, three in the mailbox");
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["failed x x3"; 6]);
}

/// A source that sends so many messages to `/sink` in one turn, the numbers from 0 on.
fn source(at: &str, messages: usize) -> ActorSpec {
    let source = quick(move |turn| {
        for n in 0..messages {
            turn.tell("/sink", n.to_string().as_bytes()).expect("granted");
        }
        Ok(Outcome::Done(None))
    });
    sends_to(source.at(at), &["/sink"])
}

/// A sink for one message at a time, with space for 16, which an operator starts. It waits without end in the message `waits_at`.
fn sink(journal: &Journal, waits_at: &'static str) -> ActorSpec {
    let journal = journal.clone();
    let sink = native(move |turn| {
        let sender = turn.sender().map(|sender| sender.name().to_owned()).unwrap_or_default();
        journal.note(format!("{sender}:{}", text(turn)));
        let waits = text(turn) == waits_at;
        Box::pin(async move {
            if waits {
                std::future::pending::<()>().await;
            }
            Ok(Outcome::Done(None))
        })
    });
    let mut spec = sink.at("/sink");
    (spec.batch, spec.mailbox.capacity, spec.start) = (1, 16, playhouse_kernel::StartKind::Manual);
    spec
}

async fn waiting(kernel: &Kernel, at: &str) -> usize {
    let actors = kernel.actors().await;
    actors.iter().find(|actor| actor.address == addr(at)).expect("it exists").waiting
}

#[tokio::test(start_paused = true)]
async fn sender_goes_on_when_a_quick_receiver_waits() {
    let kernel = start(vec![sink(&Journal::default(), "2"), source("/source", 24)]).await;
    tell(&kernel, "/source", "go").await;
    while waiting(&kernel, "/sink").await < 16 {
        tokio::task::yield_now().await;
    }
    kernel.resume(&addr("/sink")).await;
    // The sink took three messages, and only the take of the first one woke the sender.
    tokio::time::sleep(SOON).await;
    assert_eq!(waiting(&kernel, "/sink").await, 16);
}

#[tokio::test(start_paused = true)]
async fn sender_of_many_messages_lets_others_go_first() {
    let journal = Journal::default();
    let kernel = start(vec![sink(&journal, ""), source("/many", 40), source("/few", 1)]).await;
    for source in ["/many", "/few"] {
        tell(&kernel, source, "go").await;
        tokio::time::sleep(SOON).await;
    }
    kernel.resume(&addr("/sink")).await;
    kernel.wait_idle().await;
    let few = journal.lines().iter().position(|line| line == "few:0");
    assert_eq!(few, Some(17), "behind the messages that found space, and one that waited before it");
}
