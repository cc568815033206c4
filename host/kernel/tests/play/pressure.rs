//! While memory is short, nothing new comes in; what is there goes on.

use playhouse_kernel::{AskError, Failure, LetterError, LetterFilter, Outcome, SendError};

use crate::stage::*;

fn short() -> std::sync::Arc<str> {
    "90 % of it is used".into()
}

#[tokio::test(start_paused = true)]
async fn under_memory_pressure_no_message_from_outside_is_taken_and_the_error_says_why() {
    let journal = Journal::default();
    let kernel = start(vec![recorder(&journal).at("/a")]).await;
    kernel.set_memory_pressure(Some(short()));
    let refused = SendError::MemoryPressure("90 % of it is used".into());
    assert_eq!(kernel.tell(&addr("/a"), b"x", SOON).await, Err(refused.clone()));
    assert_eq!(kernel.ask(&addr("/a"), b"x", SOON).await, Err(AskError::NotSent(refused.clone())));
    let said = "memory is short, and no messages from outside are taken: 90 % of it is used";
    assert_eq!(refused.to_string(), said);
    kernel.set_memory_pressure(None);
    tell(&kernel, "/a", "later").await;
    kernel.idle().await;
    assert_eq!(journal.lines(), ["a:later"]);
    // Who is refused is told; nothing of it is a dead letter.
    assert!(kernel.dead_letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn under_memory_pressure_actors_send_to_each_other_and_handle_what_waits() {
    let journal = Journal::default();
    let relay = native(|hand| {
        Box::pin(async {
            tokio::time::sleep(SOON).await;
            hand.tell("/end", b"went on").expect("granted");
            Ok(Outcome::Done(None))
        })
    });
    let kernel = start(vec![recorder(&journal).at("/end"), sends_to(relay.at("/relay"), &["/end"])]).await;
    tell(&kernel, "/relay", "go").await;
    kernel.set_memory_pressure(Some(short()));
    kernel.idle().await;
    assert_eq!(journal.lines(), ["end:went on"]);
}

#[tokio::test(start_paused = true)]
async fn under_memory_pressure_a_dead_letter_is_not_replayed_and_stays() {
    let kernel = start(vec![quick(|_| Ok(Outcome::Failed(Failure::Reject("no".into())))).at("/a")]).await;
    tell(&kernel, "/a", "x").await;
    kernel.idle().await;
    let id = kernel.dead_letters()[0].id;
    kernel.set_memory_pressure(Some(short()));
    let refused = kernel.replay(id, SOON).await;
    assert!(matches!(refused, Err(LetterError::NotSent(SendError::MemoryPressure(_)))), "{refused:?}");
    let moved = kernel.replay_all(&LetterFilter::default(), |_| SOON).await;
    assert_eq!((moved.done, moved.failed.len()), (0, 1));
    assert_eq!(letters(&kernel), ["rejected x x1"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_end_of_memory_pressure_goes_on_at_once() {
    let kernel = start(vec![]).await;
    kernel.memory_relieved().await;
    kernel.set_memory_pressure(Some(short()));
    let waiting = kernel.clone();
    let waiting = tokio::spawn(async move { waiting.memory_relieved().await });
    tokio::task::yield_now().await;
    // Another reason is no relief.
    kernel.set_memory_pressure(Some("95 % of it is used".into()));
    tokio::time::sleep(SOON).await;
    assert!(!waiting.is_finished());
    assert_eq!(kernel.memory_pressure().as_deref(), Some("95 % of it is used"));
    kernel.set_memory_pressure(None);
    waiting.await.expect("no panic");
    assert_eq!(kernel.memory_pressure(), None);
}
