//! While memory is short, the play accepts no new messages from outside, and its own work continues.

use playhouse_kernel::{AskError, Failure, LetterError, LetterFilter, Outcome, SendError};

use crate::stage::*;

fn short() -> std::sync::Arc<str> {
    "90 % of it is used".into()
}

#[tokio::test(start_paused = true)]
async fn memory_pressure_refuses_messages_from_outside() {
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
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["a:later"]);
    // Refused senders get an error, and no dead letter is written.
    assert!(kernel.dead_letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn memory_pressure_does_not_stop_actors() {
    let journal = Journal::default();
    let relay = native(|turn| {
        Box::pin(async {
            tokio::time::sleep(SOON).await;
            turn.tell("/end", b"went on").expect("granted");
            Ok(Outcome::Done(None))
        })
    });
    let kernel = start(vec![recorder(&journal).at("/end"), sends_to(relay.at("/relay"), &["/end"])]).await;
    tell(&kernel, "/relay", "go").await;
    kernel.set_memory_pressure(Some(short()));
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["end:went on"]);
}

#[tokio::test(start_paused = true)]
async fn memory_pressure_refuses_a_replay() {
    let kernel = start(vec![quick(|_| Ok(Outcome::Failed(Failure::Reject("no".into())))).at("/a")]).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    let id = kernel.dead_letters()[0].id;
    kernel.set_memory_pressure(Some(short()));
    let refused = kernel.replay(id, SOON).await;
    assert!(matches!(refused, Err(LetterError::NotSent(SendError::MemoryPressure(_)))), "{refused:?}");
    let moved = kernel.replay_all(&LetterFilter::default(), |_| SOON).await;
    assert_eq!((moved.done, moved.failed.len()), (0, 1));
    assert_eq!(letters(&kernel), ["rejected x x1"]);
}

#[tokio::test(start_paused = true)]
async fn end_of_memory_pressure_wakes_its_waiters() {
    let kernel = start(vec![]).await;
    kernel.wait_memory_relieved().await;
    kernel.set_memory_pressure(Some(short()));
    let waiting = kernel.clone();
    let waiting = tokio::spawn(async move { waiting.wait_memory_relieved().await });
    tokio::task::yield_now().await;
    // Another reason does not end the shortage.
    kernel.set_memory_pressure(Some("95 % of it is used".into()));
    tokio::time::sleep(SOON).await;
    assert!(!waiting.is_finished());
    assert_eq!(kernel.memory_pressure().as_deref(), Some("95 % of it is used"));
    kernel.set_memory_pressure(None);
    waiting.await.expect("no panic");
    assert_eq!(kernel.memory_pressure(), None);
}
