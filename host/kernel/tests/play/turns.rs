use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{Backoff, Failure, Outcome, SendError};

use crate::stage::*;

#[tokio::test(start_paused = true)]
async fn messages_of_one_sender_are_handled_in_order() {
    let journal = Journal::default();
    let kernel = start(vec![recorder(&journal).at("/a")]).await;
    for n in 0..200 {
        tell(&kernel, "/a", &n.to_string()).await;
    }
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), (0..200).map(|n| format!("a:{n}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn effects_of_a_failed_message_are_dropped() {
    let journal = Journal::default();
    let source = quick(|turn| {
        let body = text(turn);
        turn.tell("/sink", body.as_bytes()).expect("granted");
        Ok(match &*body {
            "bad" => Outcome::Failed(Failure::Reject("no".into())),
            _ => Outcome::Done(None),
        })
    });
    let kernel = start(vec![recorder(&journal).at("/sink"), sends_to(source.at("/a"), &["/sink"])]).await;
    for body in ["1", "bad", "2"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["sink:1", "sink:2"]);
    assert_eq!(letters(&kernel), ["rejected bad x1"]);
}

#[tokio::test(start_paused = true)]
async fn poison_message_alone_is_blamed_in_its_batch() {
    let journal = Journal::default();
    let source = quick(|turn| {
        let body = text(turn);
        turn.tell("/sink", body.as_bytes()).expect("granted");
        if body == "poison" { Err(trap()) } else { Ok(Outcome::Done(None)) }
    });
    let kernel = start(vec![recorder(&journal).at("/sink"), sends_to(source.at("/a"), &["/sink"])]).await;
    for n in 0..50 {
        tell(&kernel, "/a", &if n == 33 { "poison".into() } else { n.to_string() }).await;
    }
    kernel.wait_idle().await;
    let expected: Vec<_> = (0..50).filter(|n| *n != 33).map(|n| format!("sink:{n}")).collect();
    assert_eq!(journal.lines(), expected);
    assert_eq!(letters(&kernel), ["crashed poison x3"]);
}

#[tokio::test(start_paused = true)]
async fn retry_follows_a_backoff_and_may_be_overtaken() {
    let journal = Journal::default();
    let log = journal.clone();
    let flaky = quick(move |turn| {
        let attempt = turn.envelope().expect("there is a current message").attempt;
        log.note(format!("{} {attempt}", text(turn)));
        Ok(if text(turn) == "later" && attempt == 0 {
            Outcome::Failed(Failure::Retry("not yet".into()))
        } else {
            Outcome::Done(None)
        })
    });
    let kernel = start(vec![flaky.at("/a")]).await;
    tell(&kernel, "/a", "later").await;
    tell(&kernel, "/a", "now").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["later 0", "now 0", "later 1"]);
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_makes_a_dead_letter() {
    let kernel = start(vec![quick(|_| Ok(Outcome::Failed(Failure::Retry("never".into())))).at("/a")]).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["failed x x3"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_code_is_a_crash_with_its_message() {
    let kernel = start(vec![quick(|_| panic!("ouch")).at("/a")]).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    let letter = kernel.dead_letters().remove(0);
    assert_eq!(letter.reason.to_string(), "the actor panicked: ouch");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_too_long_is_ended() {
    let sleeper = native(|_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_hours(1)).await;
            Ok(Outcome::Done(None))
        })
    });
    let kernel = start(vec![sleeper.at("/a")]).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    let reason = kernel.dead_letters().remove(0).reason.to_string();
    assert_eq!(reason, "the actor did not finish within 5s (limits.timeout)");
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_gets_one_message_at_a_time() {
    let journal = Journal::default();
    let log = journal.clone();
    let slow = native(move |turn| {
        log.note(turn.len().to_string());
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(Outcome::Done(None))
        })
    });
    let kernel = start(vec![slow.at("/a")]).await;
    for _ in 0..20 {
        tell(&kernel, "/a", "x").await;
    }
    kernel.wait_idle().await;
    assert_eq!(journal.count("1"), 20);
}

#[tokio::test(start_paused = true)]
async fn a_send_needs_a_grant_an_address_and_a_size() {
    let journal = Journal::default();
    let log = journal.clone();
    let prober = quick(move |turn| {
        for to in ["/other", "child", "/nobody", "no address"] {
            let result = turn.tell(to, b"x");
            log.note(match result {
                Ok(()) => "sent".to_owned(),
                Err(error) => error.to_string(),
            });
        }
        let large = turn.tell("child", &vec![0; 2 << 20]);
        assert!(matches!(large, Err(SendError::TooLarge { bytes: 2_097_152, limit_bytes: 1_048_576, .. })));
        Ok(Outcome::Done(None))
    });
    let quiet = || quick(|_| Ok(Outcome::Done(None)));
    let prober = sends_to(prober.at("/a"), &["/nobody"]);
    let kernel = start(vec![quiet().at("/other"), prober, quiet().at("/a/child")]).await;
    tell(&kernel, "/a", "go").await;
    kernel.wait_idle().await;
    assert_eq!(
        journal.lines(),
        [
            "`/a` may not send to `/other`: add it to `sends_to` of `/a`",
            "sent",
            "no actor has the address `/nobody`",
            "`/a/no address` is no address: ` ` is not allowed; use letters, digits, `_` and `-`",
        ]
    );
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn sender_of_the_current_message_may_be_sent_to() {
    let journal = Journal::default();
    let answerer = quick(|turn| {
        let sender = turn.sender().expect("an actor sent it");
        turn.tell(sender.as_str(), b"pong").expect("granted while it handles its message");
        Ok(Outcome::Done(None))
    });
    let log = journal.clone();
    let asker = quick(move |turn| {
        match text(turn).as_str() {
            "pong" => log.note("pong"),
            _ => turn.tell("/b", b"ping").expect("granted"),
        }
        Ok(Outcome::Done(None))
    });
    let kernel = start(vec![answerer.at("/b"), sends_to(asker.at("/a"), &["/b"])]).await;
    tell(&kernel, "/a", "go").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["pong"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_keeps_its_flow_and_counts_its_hops() {
    let journal = Journal::default();
    let log = journal.clone();
    let forward = |to: &'static str| {
        quick(move |turn| {
            let body = turn.body().to_vec();
            turn.tell(to, &body).expect("granted");
            Ok(Outcome::Done(None))
        })
    };
    let last = quick(move |turn| {
        let envelope = turn.envelope().expect("there is a current message");
        log.note(format!("{} hops, flow {}", envelope.hops, envelope.flow));
        Ok(Outcome::Done(None))
    });
    let kernel = start(vec![
        last.at("/c"),
        sends_to(forward("/c").at("/b"), &["/c"]),
        sends_to(forward("/b").at("/a"), &["/b"]),
    ])
    .await;
    let id = kernel.tell(&addr("/a"), b"x", SOON).await.expect("accepted");
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), [format!("2 hops, flow {}", id.flow())]);
}

#[tokio::test(start_paused = true)]
async fn each_message_of_a_batch_has_the_whole_timeout_and_no_more() {
    let journal = Journal::default();
    let log = journal.clone();
    let sleeper = native(move |turn| {
        let pause = if text(turn) == "long" { 3600 } else { 4 };
        log.note(format!("{} of {}", text(turn), turn.len()));
        Box::pin(async move {
            if pause > 4 || turn.len() > 1 {
                tokio::time::sleep(Duration::from_secs(pause)).await;
            }
            Ok(Outcome::Done(None))
        })
    });
    let mut spec = sleeper.at("/a");
    spec.start = playhouse_kernel::StartKind::Manual;
    let kernel = start(vec![spec]).await;
    for body in ["1", "2", "3", "long"] {
        tell(&kernel, "/a", body).await;
    }
    let began = tokio::time::Instant::now();
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["crashed long x3"]);
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}: {:?}", began.elapsed(), journal.lines());
}

#[tokio::test(start_paused = true)]
async fn a_reason_is_cut_to_size() {
    let kernel = start(vec![quick(|_| Ok(Outcome::Failed(Failure::Reject("x".repeat(1 << 20))))).at("/a")]).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    assert!(kernel.dead_letters()[0].reason.to_string().len() < 5000);
}

#[tokio::test(start_paused = true)]
async fn batch_call_has_a_timeout_for_each_single_wait() {
    let waits = |stretch: Duration| {
        native(move |turn| {
            // A runtime that takes all messages at once works like this.
            if turn.len() > 1 && turn.current() == Some(0) {
                turn.bulk().flat(b"");
            }
            let stretches = if turn.len() > 1 { 4 } else { 1 };
            Box::pin(async move {
                for _ in 0..stretches {
                    tokio::time::sleep(stretch).await;
                }
                Ok(Outcome::Done(None))
            })
        })
    };
    for (stretch, crashed) in [(Duration::from_secs(4), false), (Duration::from_secs(6), true)] {
        let mut spec = waits(stretch).at("/a");
        spec.start = playhouse_kernel::StartKind::Manual;
        spec.restart.attempts = 1;
        let kernel = start(vec![spec]).await;
        // The first batch has one message, and the second as many as fit.
        for body in ["1", "2", "3", "4"] {
            tell(&kernel, "/a", body).await;
        }
        kernel.resume(&addr("/a")).await;
        kernel.wait_idle().await;
        let timeouts = kernel.dead_letters();
        assert_eq!(!timeouts.is_empty(), crashed, "{stretch:?}: {timeouts:?}");
        for letter in timeouts {
            assert!(letter.reason.to_string().contains("did not finish within 5s"), "{}", letter.reason);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn kept_bytes_of_a_batch_do_not_show_in_the_next() {
    let (journal, held) = (Journal::default(), Mutex::new(Vec::new()));
    let log = journal.clone();
    let keeper = quick(move |turn| {
        held.lock().push(turn.bulk().flat(b""));
        log.note(text(turn));
        Ok(Outcome::Done(None))
    });
    let kernel = start(vec![keeper.at("/a")]).await;
    for body in ["1", "2", "3"] {
        tell(&kernel, "/a", body).await;
        kernel.wait_idle().await;
    }
    assert_eq!(journal.lines(), ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn suspect_message_is_handled_alone_after_early_return() {
    let journal = Journal::default();
    let (log, paused) = (journal.clone(), AtomicBool::new(false));
    let fragile = quick(move |turn| {
        log.note(format!("{} of {}", text(turn), turn.len()));
        match text(turn).as_str() {
            "later" if turn.envelope().unwrap().attempt == 0 => Ok(Outcome::Failed(Failure::Retry("not yet".into()))),
            "odd" if turn.len() > 1 => Err(trap()),
            _ => Ok(Outcome::Done(None)),
        }
    })
    .returns_before(move |turn| text(turn) == "odd" && turn.len() == 1 && !paused.swap(true, Ordering::Relaxed));
    let mut spec = fragile.at("/a");
    spec.start = playhouse_kernel::StartKind::Manual;
    spec.restart.backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
    let kernel = start(vec![spec]).await;
    for body in ["first", "later", "odd"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["first of 1", "later of 2", "odd of 2", "later of 1", "odd of 1", "later of 1"]);
}

#[tokio::test(start_paused = true)]
async fn an_endless_backlog_lets_others_run() {
    let endless = quick(|turn| {
        turn.tell("/endless", b"again").expect("granted");
        Ok(Outcome::Done(None))
    });
    let endless = sends_to(endless.at("/endless"), &["/endless"]);
    let echo = quick(|turn| Ok(Outcome::Done(Some(turn.body().to_vec()))));
    let kernel = start(vec![endless, echo.at("/echo")]).await;
    tell(&kernel, "/endless", "go").await;
    for _ in 0..10 {
        assert_eq!(ask(&kernel, "/echo", "still there?").await.as_deref(), Ok("still there?"));
    }
    assert!(kernel.actors().await[0].handled > 0);
}
