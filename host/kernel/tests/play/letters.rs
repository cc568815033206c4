use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use playhouse_kernel::{
    ActorSpec, DeadLetter, Failure, Kernel, LetterError, LetterFilter, MessageId, Outcome, Overflow, RestartKind,
    SendError, State,
};

use crate::stage::*;

/// Rejects every message until the switch is set, and notes each message that it takes, with its attempt, sender and hops.
fn picky(journal: &Journal, open: &Arc<AtomicBool>) -> Native {
    let (log, open) = (journal.clone(), open.clone());
    quick(move |turn| {
        if !open.load(Ordering::Relaxed) {
            return Ok(Outcome::Failed(Failure::Reject("closed".into())));
        }
        let envelope = turn.envelope().expect("there is a current message");
        let from = turn.sender().map_or_else(|| "outside".to_owned(), |sender| sender.to_string());
        log.note(format!("{} x{} from {from}, hop {}", text(turn), envelope.attempt, envelope.hops));
        Ok(Outcome::Done(None))
    })
}

fn oldest(kernel: &Kernel) -> Arc<DeadLetter> {
    kernel.dead_letters().remove(0)
}

async fn replay(kernel: &Kernel) -> Result<MessageId, LetterError> {
    kernel.replay(oldest(kernel).id, SOON).await
}

fn fates(kernel: &Kernel) -> [u64; 4] {
    let sum = kernel.dead_letter_counts().sum();
    [sum.all, sum.replayed, sum.dropped, sum.kept()]
}

#[tokio::test(start_paused = true)]
async fn replay_sends_a_new_message_of_the_same_flow() {
    let (journal, open) = (Journal::default(), Arc::default());
    let relay = quick(|turn| {
        let body = turn.body().to_vec();
        turn.tell("/picky", &body).expect("granted");
        Ok(Outcome::Done(None))
    });
    let actors = vec![picky(&journal, &open).at("/picky"), sends_to(relay.at("/relay"), &["/picky"])];
    let kernel = start(actors).await;
    tell(&kernel, "/relay", "x").await;
    kernel.wait_idle().await;
    let letter = oldest(&kernel);
    open.store(true, Ordering::Relaxed);
    let id = replay(&kernel).await.expect("accepted");
    kernel.wait_idle().await;
    assert_ne!(id, letter.message.envelope.id);
    assert_eq!(journal.lines(), ["x x0 from outside, hop 2"]);
    assert_eq!(fates(&kernel), [1, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn replay_begins_its_attempts_again() {
    let kernel = start(vec![quick(|_| Ok(Outcome::Failed(Failure::Retry("never".into())))).at("/a")]).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    let first = oldest(&kernel);
    let id = replay(&kernel).await.expect("accepted");
    kernel.wait_idle().await;
    let second = oldest(&kernel);
    assert_eq!(letters(&kernel), ["failed x x3"]);
    assert_eq!(second.message.envelope.id, id);
    assert_eq!(second.message.envelope.flow, first.message.envelope.flow);
    assert_eq!(fates(&kernel), [2, 1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn letter_stays_while_the_mailbox_is_full() {
    for overflow in [Overflow::Block, Overflow::Reject, Overflow::DropNewest] {
        let (journal, open) = (Journal::default(), Arc::default());
        let mut shop = picky(&journal, &open).at("/shop");
        shop.mailbox.capacity = 1;
        shop.mailbox.overflow = overflow;
        let kernel = start(vec![shop]).await;
        tell(&kernel, "/shop", "x").await;
        kernel.wait_idle().await;
        kernel.halt(&addr("/shop")).await;
        tell(&kernel, "/shop", "in the way").await;
        let full = Err(LetterError::NotSent(SendError::MailboxFull(addr("/shop"))));
        assert_eq!(replay(&kernel).await, full, "{overflow:?}");
        assert_eq!(fates(&kernel), [1, 0, 0, 1], "{overflow:?}");
        open.store(true, Ordering::Relaxed);
        kernel.resume(&addr("/shop")).await;
        kernel.wait_idle().await;
        replay(&kernel).await.expect("there is space now");
        kernel.wait_idle().await;
        assert_eq!(journal.lines().len(), 2, "{overflow:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_letter_to_an_actor_that_ended_stays() {
    let mut once = quick(|_| Err(trap())).at("/once");
    once.restart.kind = RestartKind::Temporary;
    let kernel = start(vec![once]).await;
    tell(&kernel, "/once", "x").await;
    kernel.wait_idle().await;
    assert_eq!(replay(&kernel).await, Err(LetterError::NotSent(SendError::Stopped(addr("/once")))));
    assert_eq!(fates(&kernel), [1, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn replay_waits_for_an_actor_that_an_operator_stopped() {
    let (journal, open) = (Journal::default(), Arc::default());
    let kernel = start(vec![picky(&journal, &open).at("/a")]).await;
    tell(&kernel, "/a", "x").await;
    kernel.wait_idle().await;
    open.store(true, Ordering::Relaxed);
    kernel.halt(&addr("/a")).await;
    replay(&kernel).await.expect("it waits in the mailbox");
    assert!(journal.lines().is_empty());
    kernel.resume(&addr("/a")).await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn ask_is_replayed_as_a_tell() {
    let crashed = AtomicBool::new(false);
    let journal = Journal::default();
    let log = journal.clone();
    let answers = quick(move |turn| {
        if !crashed.swap(true, Ordering::Relaxed) {
            return Err(trap());
        }
        let asked = turn.envelope().expect("there is a current message").reply.is_some();
        log.note(format!("{} asked: {asked}", text(turn)));
        Ok(Outcome::Done(Some(b"too late".to_vec())))
    });
    let kernel = start(vec![answers.at("/a")]).await;
    assert!(ask(&kernel, "/a", "?").await.is_err());
    assert_eq!(letters(&kernel), ["ask-crashed ? x1"]);
    replay(&kernel).await.expect("accepted");
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["? asked: false"]);
}

#[tokio::test(start_paused = true)]
async fn two_letters_of_one_message_are_replayed_as_two() {
    let (journal, open) = (Journal::default(), Arc::default());
    let asker = native(|turn| {
        Box::pin(async move {
            turn.ask("/picky", b"?", SOON).await.expect_err("it is rejected");
            Ok(Outcome::Failed(Failure::Retry("no answer".into())))
        })
    });
    let mut asker = sends_to(asker.at("/asker"), &["/picky"]);
    asker.restart.attempts = 2;
    let kernel = start(vec![picky(&journal, &open).at("/picky"), asker]).await;
    tell(&kernel, "/asker", "go").await;
    kernel.wait_idle().await;
    let picky = LetterFilter { to: Some(addr("/picky")), kind: None };
    let ids: Vec<_> = kernel.dead_letters().iter().filter(|l| picky.matches(l)).map(|l| l.id).collect();
    assert_eq!((ids[0].message, ids[0].copy, ids[1].copy), (ids[1].message, 1, 2), "each attempt asked anew");
    open.store(true, Ordering::Relaxed);
    let replays = [kernel.replay(ids[1], SOON).await, kernel.replay(ids[0], SOON).await];
    kernel.wait_idle().await;
    assert_ne!(replays[0], replays[1]);
    assert_eq!(journal.lines(), ["? x0 from outside, hop 2"; 2]);
}

#[tokio::test(start_paused = true)]
async fn replay_all_waits_for_a_full_mailbox_once() {
    let (journal, open) = (Journal::default(), Arc::default());
    let mut full = picky(&journal, &open).at("/full");
    full.mailbox.capacity = 1;
    let kernel = start(vec![full, picky(&journal, &open).at("/picky")]).await;
    for to in ["/full", "/picky", "/full", "/picky"] {
        tell(&kernel, to, "x").await;
        kernel.wait_idle().await;
    }
    kernel.halt(&addr("/full")).await;
    tell(&kernel, "/full", "in the way").await;
    let began = tokio::time::Instant::now();
    let moved = kernel.replay_all(&LetterFilter::default(), |_| Duration::from_secs(30)).await;
    assert_eq!(began.elapsed(), Duration::from_secs(30));
    let errors: Vec<_> = moved.failed.iter().map(|(_, error)| error.to_string()).collect();
    assert_eq!((moved.done, errors), (2, vec!["the mailbox of `/full` is full".to_owned(); 2]));
    while fates(&kernel)[0] < 6 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fates(&kernel), [6, 2, 0, 4], "those that /picky rejected again are not sent again");
}

#[tokio::test(start_paused = true)]
async fn letter_in_a_replay_is_locked() {
    let (journal, open) = (Journal::default(), Arc::default());
    let mut shop = picky(&journal, &open).at("/shop");
    shop.mailbox.capacity = 1;
    let kernel = start(vec![shop]).await;
    tell(&kernel, "/shop", "x").await;
    kernel.wait_idle().await;
    kernel.halt(&addr("/shop")).await;
    tell(&kernel, "/shop", "in the way").await;
    let id = oldest(&kernel).id;
    let (waits, again) = tokio::join!(tokio::time::timeout(SOON, kernel.replay(id, SOON * 10)), async {
        tokio::task::yield_now().await;
        (kernel.drop_letter(id).await, kernel.replay(id, SOON).await)
    });
    assert!(waits.is_err(), "it waits for space");
    assert_eq!(again, (Err(LetterError::InReplay(id)), Err(LetterError::InReplay(id))));
    assert_eq!(fates(&kernel), [1, 0, 0, 1]);
    assert_eq!(kernel.drop_letter(id).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_letter_is_gone_and_counted() {
    let (journal, open) = (Journal::default(), Arc::default());
    let kernel = start(vec![picky(&journal, &open).at("/a"), picky(&journal, &open).at("/b")]).await;
    for to in ["/a", "/a", "/b"] {
        tell(&kernel, to, "x").await;
        kernel.wait_idle().await;
    }
    let id = oldest(&kernel).id;
    assert_eq!(kernel.drop_letter(id).await, Ok(()));
    assert_eq!(kernel.drop_letter(id).await, Err(LetterError::Unknown(id.to_string())));
    let of_b = LetterFilter { to: Some(addr("/b")), kind: Some("rejected".into()) };
    assert_eq!(kernel.drop_letters(&of_b).await.done, 1);
    assert_eq!(kernel.drop_letters(&LetterFilter { kind: Some("crashed".into()), to: None }).await.done, 0);
    assert_eq!(fates(&kernel), [3, 0, 2, 1]);
}

/// Fails each message for now, and notes when each attempt was made.
fn unwilling(journal: &Journal, backoff: Duration) -> ActorSpec {
    let (log, began) = (journal.clone(), tokio::time::Instant::now());
    let mut spec = quick(move |_| {
        log.note(began.elapsed().as_millis().to_string());
        Ok(Outcome::Failed(Failure::Retry("not yet".into())))
    })
    .at("/a");
    spec.restart.backoff = playhouse_kernel::Backoff { initial: backoff, max: backoff * 4 };
    spec
}

#[tokio::test(start_paused = true)]
async fn retry_pause_is_random_below_a_doubling_ceiling() {
    let mut longest = [0; 3];
    for seed in 0..200 {
        let journal = Journal::default();
        let mut actor = unwilling(&journal, Duration::from_secs(1));
        actor.restart.attempts = 4;
        let kernel = start_plan(&playhouse_kernel::Plan { seed, ..plan(vec![actor]) }).await;
        tell(&kernel, "/a", "x").await;
        kernel.wait_idle().await;
        let at: Vec<u128> = journal.lines().iter().map(|line| line.parse().expect("a number")).collect();
        assert_eq!(at.len(), 4);
        for n in 0..3 {
            longest[n] = longest[n].max(at[n + 1] - at[n]);
        }
    }
    for (longest, ceiling) in longest.into_iter().zip([1000, 2000, 4000]) {
        assert!((ceiling / 10 * 9..=ceiling + 1).contains(&longest), "{longest} of {ceiling}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_attempt_is_no_retry_and_no_second_crash() {
    for (handler, letter) in [
        (quick(|_| Ok(Outcome::Failed(Failure::Retry("no".into())))), "failed x x1"),
        (quick(|_| Err(trap())), "crashed x x1"),
    ] {
        let mut spec = handler.at("/a");
        spec.restart.attempts = 1;
        let kernel = start(vec![spec]).await;
        tell(&kernel, "/a", "x").await;
        kernel.wait_idle().await;
        assert_eq!(letters(&kernel), [letter]);
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_count_failures_and_crashes_over_restarts() {
    let journal = Journal::default();
    let log = journal.clone();
    let moody = quick(move |turn| {
        let attempt = turn.envelope().expect("there is a current message").attempt;
        log.note(format!("{} x{attempt} #{}", text(turn), turn.incarnation()));
        match text(turn).as_str() {
            "other" => Ok(Outcome::Done(None)),
            _ if attempt == 1 => Err(trap()),
            _ => Ok(Outcome::Failed(Failure::Retry("no".into()))),
        }
    });
    let mut spec = moody.at("/a");
    let hour = Duration::from_hours(1);
    spec.restart.backoff = playhouse_kernel::Backoff { initial: hour, max: hour };
    let kernel = start(vec![spec]).await;
    tell(&kernel, "/a", "x").await;
    while kernel.actors().await[0].waiting == 0 {
        tokio::task::yield_now().await;
    }
    // While it waits for its retry, an operator restarts the actor, and other messages overtake it.
    kernel.halt(&addr("/a")).await;
    kernel.resume(&addr("/a")).await;
    tell(&kernel, "/a", "other").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["x x0 #1", "other x0 #2", "x x1 #2", "x x2 #3"]);
    assert_eq!(letters(&kernel), ["failed x x3"]);
}

#[tokio::test(start_paused = true)]
async fn letter_of_a_killed_message_shows_its_attempt() {
    let mut actor = native(|_| Box::pin(std::future::pending())).at("/a");
    (actor.instances, actor.limits.timeout) = (2, Duration::from_hours(1));
    let kernel = start(vec![actor]).await;
    for body in ["1", "2", "3"] {
        tell(&kernel, "/a", body).await;
    }
    kernel.halt(&addr("/a")).await;
    while state_of(&kernel, "/a").await != State::Stopped {
        tokio::time::sleep(SOON).await;
    }
    kernel.shut_down();
    kernel.wait_stopped().await;
    let mut left = letters(&kernel);
    left.sort();
    assert_eq!(left, ["stopped 1 x1", "stopped 2 x1", "stopped 3 x0"]);
}
