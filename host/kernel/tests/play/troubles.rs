//! Trouble in crowds: poison, crashes of many actors at once, starts that fail repeatedly, full mailboxes in a circle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use playhouse_kernel::{ActorSpec, Crash, CrashReason, Kernel, Outcome, RestartKind, Stage, State};
use tokio::time::Instant;

use crate::stage::*;

/// Crashes on `poison`, notes every other message, and counts its starts.
fn fragile(journal: &Journal, starts: &Arc<AtomicU64>) -> Native {
    let (log, starts) = (journal.clone(), starts.clone());
    quick(move |turn| {
        if text(turn) == "poison" {
            return Err(trap());
        }
        log.note(text(turn));
        Ok(Outcome::Done(None))
    })
    .on_init(move |_| {
        starts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    })
}

async fn view(kernel: &Kernel, at: &str) -> playhouse_kernel::ActorView {
    kernel.actors().await.into_iter().find(|actor| actor.address.as_str() == at).expect("known")
}

#[tokio::test(start_paused = true)]
async fn poison_message_becomes_a_dead_letter_by_default() {
    let journal = Journal::default();
    let child = quick(|turn| {
        let body = turn.body().to_vec();
        turn.tell("/log", &body).expect("granted");
        if body == b"poison" { Err(trap()) } else { Ok(Outcome::Done(None)) }
    });
    let plan = vec![
        recorder(&journal).at("/log"),
        recorder(&journal).at("/p"),
        sends_to(child.at("/p/c"), &["/log"]),
        recorder(&journal).at("/p/d"),
    ];
    let kernel = start(plan).await;
    // The poison is in the middle of a batch, and the crash blames no message: the worst case.
    kernel.halt(&addr("/p/c")).await;
    for n in 0..101 {
        tell(&kernel, "/p/c", &if n == 50 { "poison".to_owned() } else { n.to_string() }).await;
    }
    kernel.resume(&addr("/p/c")).await;
    kernel.wait_idle().await;
    assert_eq!(letters(&kernel), ["crashed poison x3"]);
    let others: Vec<_> = (0..101).filter(|n| *n != 50).map(|n| format!("log:{n}")).collect();
    assert_eq!(journal.lines(), others, "all others were handled once, and in order");
    let views = kernel.actors().await;
    let incarnations: Vec<_> = views.iter().map(|view| (view.incarnation, view.state)).collect();
    let (untouched, crashed) = ((1, State::Idle), (6, State::Idle));
    // One restart by an operator, one for the batch, three for the poison.
    assert_eq!(incarnations, [untouched, untouched, crashed, untouched]);
    assert!(matches!(kernel.stage(), Stage::Running));
}

#[tokio::test(start_paused = true)]
async fn thousand_crashes_at_once_restart_each_actor_once() {
    let (journal, starts) = (Journal::default(), Arc::default());
    let of = |at: String| {
        let mut spec = fragile(&journal, &starts).at(&at);
        spec.restart.attempts = 1;
        spec
    };
    // As many actors below each parent as may restart within a window by default.
    let (parents, below) = (100, 10);
    let mut actors: Vec<ActorSpec> = (0..parents).map(|p| of(format!("/p{p}"))).collect();
    actors.extend((0..parents * below).map(|n| of(format!("/p{}/c{}", n / below, n % below))));
    let kernel = start(actors).await;
    let children: Vec<_> = (0..parents * below).map(|n| format!("/p{}/c{}", n / below, n % below)).collect();
    let (booted, began) = (starts.load(Ordering::Relaxed), Instant::now());
    for child in &children {
        tell(&kernel, child, "poison").await;
        tell(&kernel, child, "after").await;
    }
    kernel.wait_idle().await;
    assert_eq!(journal.count("after"), 1000);
    // A first pause is at most 10 ms; a timer rounds it up by 1 ms.
    assert!(began.elapsed() <= Duration::from_millis(12), "took {:?}", began.elapsed());
    assert_eq!((starts.load(Ordering::Relaxed) - booted, kernel.restarts()), (1000, 1000), "no start but these");
    let views = kernel.actors().await;
    let at_first = views.iter().filter(|view| view.incarnation == 1).count();
    assert_eq!((at_first, letters(&kernel).len()), (parents, 1000), "no parent was taken down");
}

#[tokio::test(start_paused = true)]
async fn child_that_fails_to_start_does_not_block_siblings() {
    let (journal, starts) = (Journal::default(), Arc::<AtomicU64>::default());
    let tries = starts.clone();
    let moody = quick(|_| Err(trap())).on_init(move |_| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(()),
        _ => Err(Crash::new(CrashReason::Start { message: "never again".into() })),
    });
    let mut parent = recorder(&journal).at("/p");
    parent.supervision.intensity = u32::MAX;
    let kernel = start(vec![parent, moody.at("/p/moody"), recorder(&journal).at("/p/calm")]).await;
    tell(&kernel, "/p/moody", "x").await;
    for minute in 1..=10 {
        let began = Instant::now();
        let asked = kernel.ask(&addr("/p/calm"), b"?", SOON).await;
        assert_eq!((asked, began.elapsed()), (Err(playhouse_kernel::AskError::NoReply), Duration::ZERO));
        tokio::time::sleep(Duration::from_mins(1)).await;
        // Pauses are half of at most 10 s, on average.
        let tries = starts.load(Ordering::Relaxed);
        assert!((minute * 6..minute * 24 + 20).contains(&tries), "{tries} starts in {minute} minutes");
    }
    assert_eq!(view(&kernel, "/p").await.incarnation, 1);
}

/// Actors that send to each other in a circle, each with space for one message. The number in a message is the number of
/// generations, of two messages each, that follow.
fn circle(names: &'static [&'static str]) -> Vec<ActorSpec> {
    let member = |n: usize| {
        let next = names[(n + 1) % names.len()];
        let member = quick(move |turn| {
            let generations: u32 = text(turn).parse().expect("a number");
            if let Some(left) = generations.checked_sub(1) {
                for _ in 0..2 {
                    turn.tell(next, left.to_string().as_bytes()).expect("granted");
                }
            }
            Ok(Outcome::Done(None))
        });
        let mut spec = sends_to(member.at(names[n]), &[next]);
        spec.mailbox.capacity = 1;
        spec.mailbox.block_timeout = Duration::from_secs(3);
        spec.restart.kind = RestartKind::Temporary;
        spec
    };
    (0..names.len()).map(member).collect()
}

const CIRCLES: [&[&str]; 2] = [&["/a", "/b"], &["/a", "/b", "/c"]];

#[tokio::test(start_paused = true)]
async fn mailboxes_full_in_a_cycle_do_not_hang() {
    for names in CIRCLES {
        let kernel = start(circle(names)).await;
        tell(&kernel, names[0], "12").await;
        let began = Instant::now();
        kernel.wait_idle().await;
        let letters = kernel.dead_letters();
        let handled: u64 = kernel.actors().await.iter().map(|actor| actor.handled).sum();
        assert!(!letters.is_empty(), "they never filled up");
        assert!(began.elapsed() <= Duration::from_secs(3) * u32::try_from(handled).expect("few"), "each waits once");
        for letter in letters {
            let from = letter.sender.as_ref().expect("a member").as_str();
            let next = names[(names.iter().position(|name| *name == from).expect("a member") + 1) % names.len()];
            assert_eq!((letter.reason.kind(), letter.to.as_str()), ("mailbox-full", next));
            assert_eq!(letter.reason.to_string(), "the mailbox stayed full");
        }
        let asked = kernel.ask(&addr(names[0]), b"0", SOON).await;
        assert_eq!(asked, Err(playhouse_kernel::AskError::NoReply), "they continue");
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_of_a_full_cycle_is_bounded() {
    for names in CIRCLES {
        let kernel = start(circle(names).into_iter().map(patient).collect()).await;
        tell(&kernel, names[0], "30").await;
        let mut handled = 0;
        // No actor continues: all of them wait for space.
        while std::mem::replace(&mut handled, kernel.actors().await.iter().map(|a| a.handled).sum()) != handled {
            tokio::time::sleep(SOON).await;
        }
        let began = Instant::now();
        kernel.shut_down();
        assert!(matches!(kernel.wait_stopped().await, Stage::Stopped));
        let sum = Duration::from_secs(5) * u32::try_from(names.len()).expect("few");
        // A timer rounds up by 1 ms.
        assert!(began.elapsed() <= sum + Duration::from_millis(5), "took {:?}", began.elapsed());
        assert!(!letters(&kernel).is_empty(), "waiting messages are not lost silently");
    }
}

fn patient(mut spec: ActorSpec) -> ActorSpec {
    spec.mailbox.block_timeout = Duration::from_hours(1);
    spec
}
