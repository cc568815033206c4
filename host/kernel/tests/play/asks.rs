use std::time::Duration;

use playhouse_kernel::{AskError, Backoff, Failure, Kernel, Outcome, RestartKind};

use crate::stage::*;

fn echo() -> Native {
    quick(|turn| Ok(Outcome::Done(Some(turn.body().to_vec()))))
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
async fn failed_ask_tells_whether_a_retry_can_help() {
    let code = quick(|turn| match turn.body() {
        b"odd" => Ok(Outcome::Failed(Failure::Reject("too odd".into()))),
        b"large" => Ok(Outcome::Done(Some(vec![0; 2 << 20]))),
        _ => Ok(Outcome::Failed(Failure::Retry("busy".into()))),
    });
    let kernel = start(vec![code.at("/a")]).await;
    let ask = async |body: &[u8]| kernel.ask(&addr("/a"), body, Duration::from_mins(10)).await;
    assert_eq!(ask(b"odd").await, Err(AskError::Rejected("too odd".into())));
    assert_eq!(ask(b"now").await, Err(AskError::RetriesSpent("busy".into())));
    let text = "its reply of 2097152 bytes is larger than limits.message, 1048576 bytes";
    assert_eq!(ask(b"large").await, Err(AskError::Failed(text.into())));
    let kinds: Vec<_> = kernel.dead_letters().iter().map(|letter| letter.reason.kind()).collect();
    assert_eq!(kinds, ["rejected", "failed", "bad-reply"]);
}

#[tokio::test(start_paused = true)]
async fn crash_fails_pending_asks_at_once() {
    let kernel = start(vec![quick(|_| Err(trap())).at("/a")]).await;
    let began = tokio::time::Instant::now();
    let answer = kernel.ask(&addr("/a"), b"?", Duration::from_mins(1)).await;
    assert_eq!(answer, Err(AskError::Crashed("trapped: unreachable".into())));
    assert!(began.elapsed() < SOON);
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["ask-crashed ? x1"]);
}

/// Crashes on `crash`, answers everything else.
fn fragile() -> Native {
    quick(|turn| if text(turn) == "crash" { Err(trap()) } else { Ok(Outcome::Done(Some(b"ok".to_vec()))) })
}

/// /// Asks of `/a` that wait when it starts: it takes the first alone, then two at a time. Their answers.
async fn asked_together(kernel: &Kernel, bodies: &[&'static str]) -> Vec<Result<String, String>> {
    kernel.halt(&addr("/a")).await;
    let asks: Vec<_> = bodies
        .iter()
        .map(|&body| {
            let kernel = kernel.clone();
            tokio::spawn(async move { ask(&kernel, "/a", body).await })
        })
        .collect();
    while kernel.actors().await[0].waiting < bodies.len() {
        tokio::task::yield_now().await;
    }
    kernel.resume(&addr("/a")).await;
    let mut answers = Vec::new();
    for ask in asks {
        answers.push(ask.await.expect("no panic"));
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn ask_blames_a_message_only_when_it_crashed_alone() {
    let kernel = start(vec![fragile().at("/a")]).await;
    let began = tokio::time::Instant::now();
    let told = asked_together(&kernel, &["alone", "crash", "?"]).await;
    let restarting =
        Err("the receiver is restarting: while it handled several messages, it trapped: unreachable".to_owned());
    assert_eq!(told, [Ok("ok".into()), restarting.clone(), restarting]);
    assert_eq!(ask(&kernel, "/a", "?").await, Ok("ok".into()));
    assert_eq!(ask(&kernel, "/a", "crash").await, Err("the receiver trapped: unreachable".into()));
    assert!(began.elapsed() < SOON, "no asker waited for a deadline");
}

#[tokio::test(start_paused = true)]
async fn temporary_actor_crash_answers_all_its_asks() {
    let mut spec = fragile().at("/a");
    spec.restart.kind = RestartKind::Temporary;
    spec.start = playhouse_kernel::StartKind::Manual;
    spec.batch = 1;
    let kernel = start(vec![spec]).await;
    let began = tokio::time::Instant::now();
    let told = asked_together(&kernel, &["crash", "?", "?"]).await;
    let stopped = || Err("the receiver is stopped".to_owned());
    assert_eq!(told, [Err("the receiver trapped: unreachable".to_owned()), stopped(), stopped()]);
    assert!(began.elapsed() < SOON, "no asker waited for a deadline");
}

#[tokio::test(start_paused = true)]
async fn ask_without_time_for_a_restart_fails_at_once() {
    let mut spec = fragile().at("/a");
    spec.restart.backoff = Backoff { initial: Duration::from_hours(1), max: Duration::from_hours(1) };
    spec.start = playhouse_kernel::StartKind::Manual;
    spec.batch = 1;
    spec.mailbox.capacity = 2;
    let kernel = start(vec![spec]).await;
    let patient = {
        let kernel = kernel.clone();
        tokio::spawn(async move { kernel.ask(&addr("/a"), b"patient", Duration::from_hours(2)).await })
    };
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    tell(&kernel, "/a", "crash").await;
    let blocked = {
        let kernel = kernel.clone();
        tokio::spawn(async move { ask(&kernel, "/a", "no room").await })
    };
    tokio::task::yield_now().await;
    kernel.resume(&addr("/a")).await;
    assert_eq!(patient.await.expect("no panic"), Ok(b"ok".to_vec()), "it comes before the crash");
    let restarting = "the receiver is restarting: it will not be back in time: it trapped: unreachable".to_owned();
    assert_eq!(blocked.await.expect("no panic"), Err(restarting.clone()));
    assert_eq!(ask(&kernel, "/a", "?").await, Err(restarting), "one that comes in the pause");
    assert!(began.elapsed() < SOON, "no asker waited for a deadline");
    assert_eq!(kernel.ask(&addr("/a"), b"?", Duration::from_hours(9)).await, Ok(b"ok".to_vec()), "it has the time");
}

#[tokio::test(start_paused = true)]
async fn an_ask_in_the_mailbox_survives_a_crash_before_it() {
    let mut spec = fragile().at("/a");
    spec.batch = 1;
    let kernel = start(vec![spec]).await;
    tell(&kernel, "/a", "crash").await;
    assert_eq!(ask(&kernel, "/a", "?").await, Ok("ok".into()));
}

#[tokio::test(start_paused = true)]
async fn expired_ask_is_not_handled() {
    let journal = Journal::default();
    let log = journal.clone();
    let slow = native(move |turn| {
        log.note(text(turn));
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            Ok(Outcome::Done(None))
        })
    });
    let kernel = start(vec![slow.at("/a")]).await;
    tell(&kernel, "/a", "first").await;
    assert_eq!(kernel.ask(&addr("/a"), b"late", SOON).await, Err(AskError::Timeout));
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["first"]);
    assert_eq!(letters(&kernel), ["expired late x0"]);
}

#[tokio::test(start_paused = true)]
async fn an_ask_commits_the_finished_part_of_the_batch_first() {
    let journal = Journal::default();
    let asker = native(|turn| {
        Box::pin(async move {
            match text(turn).as_str() {
                "note" => turn.tell("/sink", b"noted").expect("granted"),
                "ask" => {
                    turn.ask("/echo", b"?", SOON).await.expect("answered");
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
    kernel.wait_idle().await;
    assert_eq!(journal.count("sink:noted"), 3, "a commit before the crash is not repeated");
    assert_eq!(letters(&kernel), ["crashed poison x3"]);
}

#[tokio::test(start_paused = true)]
async fn cycle_of_asks_fails_at_once_with_its_chain() {
    let ask_next = |next: &'static str| {
        native(move |turn| {
            Box::pin(async move {
                let answer = turn.ask(next, b"?", Duration::from_secs(4)).await;
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
async fn answered_asker_may_be_asked_back() {
    let journal = Journal::default();
    let log = journal.clone();
    let friend = |other: &'static str| {
        let log = log.clone();
        native(move |turn| {
            let log = log.clone();
            Box::pin(async move {
                if text(turn) == "go" {
                    let answer = turn.ask(other, b"?", Duration::from_secs(4)).await;
                    log.note(format!("{} asked: {answer:?}", turn.address()));
                }
                Ok(Outcome::Done(Some(b"ok".to_vec())))
            })
        })
    };
    let (a, b) = (sends_to(friend("/b").at("/a"), &["/b"]), sends_to(friend("/a").at("/b"), &["/a"]));
    let kernel = start(vec![a, b]).await;
    kernel.halt(&addr("/b")).await;
    // The first message is alone in its batch. The second batch has both the ask and the message that asks back.
    tell(&kernel, "/b", "first").await;
    tell(&kernel, "/a", "go").await;
    while kernel.actors().await[1].waiting < 2 {
        tokio::task::yield_now().await;
    }
    tell(&kernel, "/b", "go").await;
    kernel.resume(&addr("/b")).await;
    kernel.wait_idle().await;
    let mut lines = journal.lines();
    lines.sort();
    assert_eq!(lines, ["/a asked: Ok([111, 107])", "/b asked: Ok([111, 107])"]);
}

#[tokio::test(start_paused = true)]
async fn repeated_ask_is_not_blamed_for_the_first_crash() {
    let mut fragile = quick(|_| Err(trap())).at("/fragile");
    fragile.restart.backoff = Backoff { initial: Duration::from_hours(1), max: Duration::from_hours(1) };
    let asker = native(|turn| {
        Box::pin(async {
            let answer = turn.ask("/fragile", b"?", Duration::from_hours(2)).await;
            Ok(Outcome::Failed(Failure::Retry(answer.unwrap_err().to_string())))
        })
    });
    let kernel = start(vec![fragile, sends_to(asker.at("/asker"), &["/fragile"])]).await;
    tell(&kernel, "/asker", "go").await;
    while kernel.actors().await[0].waiting == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    kernel.kill();
    kernel.wait_stopped().await;
    assert_eq!(letters(&kernel), ["ask-crashed ? x1", "stopped ? x0", "stopped go x2"]);
}

#[tokio::test(start_paused = true)]
async fn ask_deadline_includes_the_commit_before_it() {
    let journal = Journal::default();
    let log = journal.clone();
    let asker = native(move |turn| {
        let log = log.clone();
        Box::pin(async move {
            if text(turn) == "ask" {
                let began = tokio::time::Instant::now();
                let answer = turn.ask("/echo", b"?", SOON).await;
                log.note(format!("{answer:?} after {:?}", began.elapsed()));
            } else if text(turn) == "fill" {
                turn.tell("/full", b"1").expect("granted");
                turn.tell("/full", b"2").expect("granted");
            }
            Ok(Outcome::Done(None))
        })
    });
    let (mut full, mut asker) = (recorder(&journal).at("/full"), sends_to(asker.at("/a"), &["/full", "/echo"]));
    (full.start, asker.start) = (playhouse_kernel::StartKind::Manual, playhouse_kernel::StartKind::Manual);
    full.mailbox.capacity = 1;
    let kernel = start(vec![full, echo().at("/echo"), asker]).await;
    for body in ["-", "fill", "ask"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.resume(&addr("/a")).await;
    tokio::time::sleep(SOON * 2).await;
    kernel.resume(&addr("/full")).await;
    kernel.wait_idle().await;
    let expected = ["Err(Timeout) after 1s", "full:1", "full:2"];
    assert_eq!(journal.lines(), expected);
    assert!(letters(&kernel).is_empty());
}
