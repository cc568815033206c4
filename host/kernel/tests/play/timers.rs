use std::time::Duration;

use playhouse_kernel::{ActorSpec, Kernel, MailboxSpec, Overflow};
use tokio::time::Instant;

use crate::stage::*;

/// `/a` follows the plan in a message, and `/log` notes its messages.
async fn play(journal: &Journal, change: impl FnOnce(&mut ActorSpec)) -> Kernel {
    let mut a = sends_to(scripted(journal).at("/a"), &["/log"]);
    change(&mut a);
    start(vec![recorder(journal).at("/log"), a]).await
}

#[tokio::test(start_paused = true)]
async fn timer_fires_once_and_keeps_the_play_from_being_idle() {
    let journal = Journal::default();
    let kernel = play(&journal, |_| {}).await;
    let began = Instant::now();
    tell(&kernel, "/a", "after 5000 /log late;after 1000 /log early;tell /log now").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["log:now", "log:early", "log:late"]);
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_a_failed_message_is_never_set() {
    let journal = Journal::default();
    let kernel = play(&journal, |_| {}).await;
    for script in ["after 10 /log rejected;fail", "after 10 /log crashed;trap", "after 10 /log kept"] {
        tell(&kernel, "/a", script).await;
    }
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["log:kept"]);
}

#[tokio::test(start_paused = true)]
async fn timers_die_with_their_incarnation() {
    let journal = Journal::default();
    let kernel = play(&journal, |a| a.restart.attempts = 1).await;
    tell(&kernel, "/a", "after 1000 /log late;every 400 /log tick").await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    tell(&kernel, "/a", "trap").await;
    kernel.wait_idle().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(journal.lines(), ["log:tick", "log:tick"]);
}

#[tokio::test(start_paused = true)]
async fn timers_end_before_the_shutdown_hook() {
    let journal = Journal::default();
    let log = journal.clone();
    let a = scripted(&journal).on_shutdown(move |turn| {
        log.note("bye");
        turn.tell_after("/log", b"never", Duration::ZERO).expect("granted");
        Ok(())
    });
    let kernel = start(vec![recorder(&journal).at("/log"), sends_to(a.at("/a"), &["/log"])]).await;
    tell(&kernel, "/a", "after 1000 /log late").await;
    tell(&kernel, "/a", "every 1000 /a note tick").await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    kernel.shut_down();
    kernel.wait_stopped().await;
    assert_eq!(journal.lines(), ["bye"]);
    assert!(letters(&kernel).is_empty());
}

#[tokio::test(start_paused = true)]
async fn periodic_timer_fires_until_cancelled_in_an_idle_play() {
    let journal = Journal::default();
    let kernel = play(&journal, |_| {}).await;
    tell(&kernel, "/a", "every 100 /log tick").await;
    kernel.wait_idle().await;
    tokio::time::sleep(Duration::from_millis(350)).await;
    tell(&kernel, "/a", "cancel").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(journal.lines(), ["log:tick", "log:tick", "log:tick"]);
}

#[tokio::test(start_paused = true)]
async fn late_periodic_timer_fires_once_and_keeps_its_rhythm() {
    let journal = Journal::default();
    let kernel = play(&journal, |_| {}).await;
    tell(&kernel, "/a", "every 100 /log tick").await;
    kernel.wait_idle().await;
    // Time passes at once, so no actor exists in between to get it.
    tokio::time::advance(Duration::from_millis(1050)).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(journal.lines(), ["log:tick", "log:tick"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_timer_does_not_tell_and_the_play_is_idle() {
    let journal = Journal::default();
    let kernel = play(&journal, |_| {}).await;
    let began = Instant::now();
    tell(&kernel, "/a", "after 5000 /log late;cancel").await;
    kernel.wait_idle().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    tell(&kernel, "/a", "after 1000 /log kept;fail").await;
    tell(&kernel, "/a", "after 1000 /log kept").await;
    tell(&kernel, "/a", "cancel;fail").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["log:kept"]);
}

#[tokio::test(start_paused = true)]
async fn timer_may_send_to_its_actor_and_granted_targets() {
    let journal = Journal::default();
    let kernel = play(&journal, |_| {}).await;
    tell(&kernel, "/a", "after 1 /a note woken;tell /a x;after 1 /nobody x;after 1 no:address x").await;
    kernel.wait_idle().await;
    let lines = journal.lines();
    assert_eq!(lines[0], "a:`/a` may not send to `/a`: add it to `sends_to` of `/a`");
    assert_eq!(lines[1], "a:`/a` may not send to `/nobody`: add it to `sends_to` of `/a`");
    assert!(lines[2].contains("no address"), "{lines:?}");
    assert_eq!(lines[3..], ["a:woken"]);
}

#[tokio::test(start_paused = true)]
async fn an_actor_has_no_more_timers_than_its_limit() {
    let journal = Journal::default();
    let kernel = play(&journal, |a| a.limits.max_timers = 2).await;
    tell(&kernel, "/a", "after 10 /log 1;after 20 /log 2;after 30 /log 3").await;
    kernel.wait_idle().await;
    tell(&kernel, "/a", "every 10 /log tick;after 10 /log 4;fail").await;
    tell(&kernel, "/a", "after 10 /log 5").await;
    kernel.wait_idle().await;
    assert_eq!(journal.lines(), ["a:`/a` has all 2 timers that `limits.timers` allows", "log:1", "log:2", "log:5"]);
}

#[tokio::test(start_paused = true)]
async fn timer_does_not_wait_for_a_full_mailbox() {
    let journal = Journal::default();
    let stuck = native(|_| Box::pin(std::future::pending()));
    let mut log = stuck.at("/log");
    log.mailbox = MailboxSpec { capacity: 1, overflow: Overflow::Block, ..MailboxSpec::default() };
    log.limits.timeout = Duration::from_mins(1);
    let kernel = start(vec![log, sends_to(scripted(&journal).at("/a"), &["/log"])]).await;
    tell(&kernel, "/a", "after 1 /log 1;after 2 /log 2;after 3 /log 3;after 4 /a note free").await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(letters(&kernel), ["mailbox-full 3 x0"]);
    assert_eq!(journal.lines(), ["a:free"]);
}

#[tokio::test(start_paused = true)]
async fn timer_message_keeps_the_flow_of_its_setter() {
    let journal = Journal::default();
    let log = journal.clone();
    let sink = quick(move |turn| {
        let envelope = turn.envelope().expect("there is a current message");
        log.note(format!("{} {} {}", envelope.id, envelope.hops, turn.sender().expect("an actor sent it")));
        Ok(playhouse_kernel::Outcome::Done(None))
    });
    let kernel = start(vec![sink.at("/log"), sends_to(scripted(&journal).at("/a"), &["/log"])]).await;
    tell(&kernel, "/a", "every 10 /log x;tell /log y").await;
    tokio::time::sleep(Duration::from_millis(25)).await;
    let lines = journal.lines();
    assert!(lines.iter().all(|line| line.ends_with(" 1 /a")), "{lines:?}");
    let ids: std::collections::HashSet<_> = lines.iter().collect();
    assert_eq!((lines.len(), ids.len()), (3, 3));
}
