//! The optional parts of a message: metadata, deadline, sequence number; and the flow.

use std::time::Duration;

use playhouse_kernel::{Failure, MessageId, Metadata, Outcome, Reply};

use crate::stage::*;

fn pairs(pairs: &[(&str, &str)]) -> Metadata {
    Metadata::collect(pairs.iter().copied()).expect("few pairs")
}

/// Notes metadata, deadline and sequence number of each message, and fails it as its body says.
fn noting(journal: &Journal) -> Native {
    let journal = journal.clone();
    quick(move |turn| {
        let (left, number) = (turn.time_left(), turn.sequence());
        journal.note(format!("{:?} {left:?} {number}", turn.metadata()));
        Ok(match turn.body() {
            b"reject" => Outcome::Failed(Failure::Reject("no".into())),
            b"retry" if turn.envelope().is_some_and(|envelope| envelope.attempt == 0) => {
                Outcome::Failed(Failure::Retry("later".into()))
            }
            _ => {
                let metadata = pairs(&[("status", "201")]);
                Outcome::DoneWith(Box::new(Reply { body: b"made".to_vec(), metadata }))
            }
        })
    })
}

#[tokio::test(start_paused = true)]
async fn metadata_stay_through_retries_letters_and_replay() {
    let journal = Journal::default();
    let kernel = start(vec![noting(&journal).at("/a")]).await;
    let (to, metadata) = (addr("/a"), pairs(&[("path", "/x"), ("path", "/y")]));
    kernel.tell_with(&to, &metadata, b"retry", SOON).await.expect("accepted");
    kernel.tell_with(&to, &metadata, b"reject", SOON).await.expect("accepted");
    kernel.wait_idle().await;
    let [letter] = &kernel.dead_letters()[..] else { panic!("one letter") };
    assert_eq!(Metadata::from(letter.message.metadata()), metadata);
    kernel.replay(letter.id, SOON).await.expect("replayed");
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), [r#"[("path", "/x"), ("path", "/y")] None 0"#; 4]);
}

#[tokio::test(start_paused = true)]
async fn ask_carries_its_deadline_and_gets_metadata_back() {
    let journal = Journal::default();
    let kernel = start(vec![noting(&journal).at("/a")]).await;
    let (to, timeout) = (addr("/a"), Duration::from_secs(7));
    let reply = kernel.ask_with(&to, &pairs(&[("k", "v")]), b"?", timeout).await.expect("answered");
    assert_eq!((reply.body, reply.metadata), (b"made".to_vec(), pairs(&[("status", "201")])));
    assert_eq!(kernel.ask(&to, b"?", timeout).await, Ok(b"made".to_vec()));
    assert_eq!(journal.lines(), [r#"[("k", "v")] Some(7s) 0"#, "[] Some(7s) 0"]);
}

#[tokio::test(start_paused = true)]
async fn replayed_ask_has_no_deadline() {
    let journal = Journal::default();
    let kernel = start(vec![noting(&journal).at("/a")]).await;
    kernel.ask_with(&addr("/a"), &pairs(&[("k", "v")]), b"reject", SOON).await.expect_err("rejected");
    let letter = kernel.dead_letters()[0].id;
    kernel.replay(letter, SOON).await.expect("replayed");
    kernel.wait_idle().await;
    assert_eq!(journal.lines()[1], r#"[("k", "v")] None 0"#);
}

#[tokio::test(start_paused = true)]
async fn sends_timers_and_groups_carry_metadata() {
    let journal = Journal::default();
    let sender = native(|turn| {
        Box::pin(async move {
            let metadata = pairs(&[("k", "v")]);
            turn.tell_with("/a/child", &metadata, b"told").expect("granted");
            turn.tell_all_with("*", &metadata, b"all").await.expect("granted");
            turn.tell_after_with("/a/child", &metadata, b"timer", Duration::from_secs(1)).expect("granted");
            Ok(Outcome::Done(None))
        })
    });
    let kernel = start(vec![sender.at("/a"), noting(&journal).at("/a/child")]).await;
    kernel.tell(&addr("/a"), b"go", SOON).await.expect("accepted");
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), [r#"[("k", "v")] None 0"#; 3]);
}

#[tokio::test(start_paused = true)]
async fn flow_is_the_id_of_its_first_message() {
    let journal = Journal::default();
    let noted = journal.clone();
    let code = quick(move |turn| {
        noted.note(turn.envelope().expect("a message").flow.to_string());
        Ok(Outcome::Done(None))
    });
    let kernel = start(vec![code.at("/a")]).await;
    let id: MessageId = kernel.tell(&addr("/a"), b"x", SOON).await.expect("accepted");
    kernel.wait_idle().await;
    assert_eq!((journal.lines(), id.to_string().len()), (vec![id.to_string()], 32));
}
