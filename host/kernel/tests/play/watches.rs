//! Watches and their notices.

use std::sync::Arc;
use std::time::Duration;

use playhouse_kernel::{Directive, Kernel, Plan, RestartKind};

use crate::stage::*;

const CRASHED: &str = "Crashed(\"trap\", \"trapped: unreachable\")";

/// `/boss` may spawn workers and watches actors by order of a message. It may not send to `/far`.
fn play(journal: &Journal) -> Plan {
    let boss = scripted(journal).watching(journal).at("/boss");
    let mut plan = plan(vec![
        scripted(journal).at("/far"),
        scripted(journal).at("/near"),
        spawns(sends_to(boss, &["/near", "/nobody"]), &["worker"]),
        scripted(journal).at("/boss/clerk"),
    ]);
    plan.plugins.insert("worker".into(), Arc::new(Kind(scripted(journal).named("worker"), |_| {}, false)));
    plan
}

fn notices(journal: &Journal) -> Vec<String> {
    journal.lines().into_iter().filter(|line| line.contains('!')).collect()
}

/// Waits for `count` notices.
async fn notified(kernel: &Kernel, journal: &Journal, count: usize) -> Vec<String> {
    for _ in 0..1000 {
        if notices(journal).len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    kernel.wait_idle().await;
    notices(journal)
}

#[tokio::test(start_paused = true)]
async fn watcher_gets_notices_of_a_crash_and_of_the_restart() {
    let journal = Journal::default();
    let mut plan = play(&journal);
    plan.actors[1].restart.attempts = 1;
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "watch /near").await;
    kernel.wait_idle().await;
    tell(&kernel, "/near", "trap").await;
    let expected = [format!("boss!1 /near#1 {CRASHED}"), "boss!1 /near#2 Started".to_owned()];
    assert_eq!(notified(&kernel, &journal, 2).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_notice_comes_after_all_that_the_watched_one_sent() {
    let journal = Journal::default();
    let kernel = start_plan(&play(&journal)).await;
    tell(&kernel, "/boss", "spawn w worker;watch w;tell w tell /boss note done").await;
    tell(&kernel, "/boss", "tell w trap").await;
    notified(&kernel, &journal, 2).await;
    let lines = journal.lines();
    let place = |line: &str| lines.iter().position(|l| l == line);
    let crashed = place(&format!("boss!1 /boss/w#1 {CRASHED}"));
    assert!(crashed.is_some() && place("boss:done") < crashed, "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn notice_of_a_stop_names_an_operator() {
    let journal = Journal::default();
    let kernel = start_plan(&play(&journal)).await;
    tell(&kernel, "/boss", "watch clerk;watch /near").await;
    kernel.wait_idle().await;
    kernel.halt(&addr("/near")).await;
    notified(&kernel, &journal, 1).await;
    tell(&kernel, "/boss", "state /near").await;
    kernel.wait_idle().await;
    assert_eq!(journal.count("boss:Some(Stopped)"), 1, "{:?}", journal.lines());
    kernel.resume(&addr("/near")).await;
    let expected = ["boss!2 /near#1 Stopped { by_operator: true }", "boss!2 /near#2 Started"];
    assert_eq!(notified(&kernel, &journal, 2).await, expected);
}

#[tokio::test(start_paused = true)]
async fn notice_tells_ended_from_gone() {
    let journal = Journal::default();
    let mut plan = play(&journal);
    plan.actors[1].restart.kind = RestartKind::Temporary;
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "watch /near;spawn w worker;watch w;tell w note up").await;
    kernel.wait_idle().await;
    tell(&kernel, "/near", "trap").await;
    notified(&kernel, &journal, 3).await;
    tell(&kernel, "/boss", "stop w").await;
    let told = notified(&kernel, &journal, 4).await;
    let near: Vec<_> = told.iter().filter(|line| line.contains("!1 ")).collect();
    assert_eq!(near, [&format!("boss!1 /near#1 {CRASHED}"), "boss!1 /near#1 Ended"]);
    assert_eq!(told.last().map(String::as_str), Some("boss!2 /boss/w#1 Gone"));
}

#[tokio::test(start_paused = true)]
async fn watch_of_an_unknown_address_is_gone_at_once() {
    let journal = Journal::default();
    let kernel = start_plan(&play(&journal)).await;
    tell(&kernel, "/boss", "watch /nobody").await;
    kernel.wait_idle().await;
    assert_eq!(notices(&journal), ["boss!1 /nobody#0 Gone"]);
}

#[tokio::test(start_paused = true)]
async fn failed_message_sets_no_watch_and_unwatch_ends_one() {
    let journal = Journal::default();
    let kernel = start_plan(&play(&journal)).await;
    tell(&kernel, "/boss", "watch /nobody;fail").await;
    tell(&kernel, "/boss", "watch /near").await;
    tell(&kernel, "/boss", "unwatch 2").await;
    kernel.wait_idle().await;
    kernel.halt(&addr("/near")).await;
    kernel.resume(&addr("/near")).await;
    kernel.actors().await;
    kernel.wait_idle().await;
    assert_eq!(notices(&journal), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_the_run_that_set_it() {
    let journal = Journal::default();
    let mut plan = play(&journal);
    plan.actors[2].restart.attempts = 1;
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "watch /near").await;
    kernel.wait_idle().await;
    // The notices wait while the watcher is busy, and then its run ends.
    tell(&kernel, "/boss", "wait 4000;trap").await;
    tell(&kernel, "/near", "trap").await;
    tell(&kernel, "/boss", "note next").await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    kernel.wait_idle().await;
    assert_eq!(notices(&journal), [""; 0]);
    assert_eq!(journal.count("boss:next"), 1);
    assert_eq!(letters(&kernel), ["crashed trap x3", "crashed wait 4000;trap x1"]);
}

#[tokio::test(start_paused = true)]
async fn watch_needs_a_grant_and_is_bounded() {
    let journal = Journal::default();
    let mut plan = play(&journal);
    plan.actors[2].limits.max_watches = 1;
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/near", "watch /boss").await;
    tell(&kernel, "/boss", "watch /far;watch no:path;watch /near;watch clerk;unwatch 1").await;
    tell(&kernel, "/boss", "watch /nobody").await;
    tell(&kernel, "/boss", "note waited").await;
    kernel.wait_idle().await;
    // A watch that is over frees its place.
    tell(&kernel, "/boss", "watch /near").await;
    kernel.wait_idle().await;
    let refused: Vec<_> = journal.lines().into_iter().filter(|line| line.contains('`')).collect();
    assert!(refused[0].starts_with("near:`/near` takes no notices"), "{refused:?}");
    assert!(refused[1].starts_with("boss:`/boss` may not watch `/far`"), "{refused:?}");
    assert!(refused[3].contains("all 1 watches"), "{refused:?}");
    assert_eq!(refused.len(), 4, "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_is_asked_hears_of_the_crash_as_well() {
    let journal = Journal::default();
    let mut plan = play(&journal);
    let boss = scripted(&journal).watching(&journal).on_child_failed(|_, _| Box::pin(async { Ok(Directive::Stop) }));
    plan.actors[2] = boss.at("/boss");
    let kernel = start_plan(&plan).await;
    tell(&kernel, "/boss", "watch clerk").await;
    kernel.wait_idle().await;
    tell(&kernel, "/boss/clerk", "trap").await;
    let expected = [format!("boss!1 /boss/clerk#1 {CRASHED}"), "boss!1 /boss/clerk#1 Ended".to_owned()];
    assert_eq!(notified(&kernel, &journal, 2).await, expected);
}
