use std::time::Duration;

use playhouse_kernel::{AskError, Failure, Outcome};

use crate::stage::*;

fn echo() -> Native {
    quick(|hand| Ok(Outcome::Done(Some(hand.body().to_vec()))))
}

#[tokio::test(start_paused = true)]
async fn an_ask_gets_the_reply() {
    let kernel = start(vec![echo().at("/echo")]).await;
    assert_eq!(ask(&kernel, "/echo", "hello").await, Ok("hello".into()));
}

#[tokio::test(start_paused = true)]
async fn an_ask_without_a_reply_says_so_at_once() {
    let kernel = start(vec![quick(|_| Ok(Outcome::Done(None))).at("/a")]).await;
    assert_eq!(kernel.ask(&addr("/a"), b"?", SOON).await, Err(AskError::NoReply));
}

#[tokio::test(start_paused = true)]
async fn a_failed_ask_tells_the_asker_why() {
    let kernel = start(vec![quick(|_| Ok(Outcome::Failed(Failure::Reject("too odd".into())))).at("/a")]).await;
    assert_eq!(kernel.ask(&addr("/a"), b"?", SOON).await, Err(AskError::Failed("too odd".into())));
}

#[tokio::test(start_paused = true)]
async fn a_crash_fails_the_asks_in_hand_at_once() {
    let kernel = start(vec![quick(|_| Err(trap())).at("/a")]).await;
    let began = tokio::time::Instant::now();
    let answer = kernel.ask(&addr("/a"), b"?", Duration::from_mins(1)).await;
    assert_eq!(answer, Err(AskError::Crashed("trapped: unreachable".into())));
    assert!(began.elapsed() < SOON);
    kernel.idle().await;
    assert_eq!(letters(&kernel), ["ask-crashed ? x1"]);
}

#[tokio::test(start_paused = true)]
async fn an_ask_in_the_mailbox_survives_a_crash_before_it() {
    let fragile =
        quick(|hand| if text(hand) == "crash" { Err(trap()) } else { Ok(Outcome::Done(Some(b"ok".to_vec()))) });
    let mut spec = fragile.at("/a");
    spec.batch = 1;
    let kernel = start(vec![spec]).await;
    tell(&kernel, "/a", "crash").await;
    assert_eq!(ask(&kernel, "/a", "?").await, Ok("ok".into()));
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_nobody_waits_for_any_more_is_not_handled() {
    let journal = Journal::default();
    let log = journal.clone();
    let slow = native(move |hand| {
        log.note(text(hand));
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            Ok(Outcome::Done(None))
        })
    });
    let kernel = start(vec![slow.at("/a")]).await;
    tell(&kernel, "/a", "first").await;
    assert_eq!(kernel.ask(&addr("/a"), b"late", SOON).await, Err(AskError::Timeout));
    kernel.idle().await;
    assert_eq!(journal.lines(), ["first"]);
    assert_eq!(letters(&kernel), ["expired late x0"]);
}

#[tokio::test(start_paused = true)]
async fn an_ask_commits_the_finished_part_of_the_batch_first() {
    let journal = Journal::default();
    let asker = native(|hand| {
        Box::pin(async move {
            match text(hand).as_str() {
                "note" => hand.tell("/sink", b"noted").expect("granted"),
                "ask" => {
                    hand.ask("/echo", b"?", SOON).await.expect("answered");
                }
                _ => return Err(trap()),
            }
            Ok(Outcome::Done(None))
        })
    });
    let asker = sends_to(asker.at("/a"), &["/sink", "/echo"]);
    let kernel = start(vec![recorder(&journal).at("/sink"), echo().at("/echo"), asker]).await;
    kernel.halt(&addr("/a")).await;
    for body in ["note", "note", "note", "ask", "poison"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.resume(&addr("/a")).await;
    kernel.idle().await;
    assert_eq!(journal.count("sink:noted"), 3, "what was committed before the crash is not done again");
    assert_eq!(letters(&kernel), ["crashed poison x3"]);
}

#[tokio::test(start_paused = true)]
async fn a_circle_of_asks_fails_at_once_with_the_chain() {
    let ask_next = |next: &'static str| {
        native(move |hand| {
            Box::pin(async move {
                let answer = hand.ask(next, b"?", Duration::from_secs(4)).await;
                Ok(Outcome::Done(Some(answer.unwrap_or_else(|error| error.to_string().into_bytes()))))
            })
        })
    };
    let kernel = start(vec![
        sends_to(ask_next("/b").at("/a"), &["/b"]),
        sends_to(ask_next("/a").at("/b"), &["/a"]),
        sends_to(ask_next("/self").at("/self"), &["/self"]),
    ])
    .await;
    assert_eq!(ask(&kernel, "/a", "?").await, Ok("deadlock: /b -> /a -> /b".into()));
    assert_eq!(ask(&kernel, "/self", "?").await, Ok("deadlock: /self -> /self".into()));
}

#[tokio::test(start_paused = true)]
async fn who_asks_back_after_its_answer_closes_no_circle() {
    let journal = Journal::default();
    let log = journal.clone();
    let friend = |other: &'static str| {
        let log = log.clone();
        native(move |hand| {
            let log = log.clone();
            Box::pin(async move {
                if text(hand) == "go" {
                    let answer = hand.ask(other, b"?", Duration::from_secs(4)).await;
                    log.note(format!("{} asked: {answer:?}", hand.address()));
                }
                Ok(Outcome::Done(Some(b"ok".to_vec())))
            })
        })
    };
    let (a, b) = (sends_to(friend("/b").at("/a"), &["/b"]), sends_to(friend("/a").at("/b"), &["/a"]));
    let kernel = start(vec![a, b]).await;
    kernel.halt(&addr("/b")).await;
    // Alone in the first batch; the second has both the question and the word to ask back.
    tell(&kernel, "/b", "first").await;
    tell(&kernel, "/a", "go").await;
    while kernel.actors().await[1].waiting < 2 {
        tokio::task::yield_now().await;
    }
    tell(&kernel, "/b", "go").await;
    kernel.resume(&addr("/b")).await;
    kernel.idle().await;
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["/a asked: Ok([111, 107])", "/b asked: Ok([111, 107])"]);
}
