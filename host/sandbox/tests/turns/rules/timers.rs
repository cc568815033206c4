//! Rules about timers.

use std::time::Duration;

use crate::harness::{Play, numbered};
use crate::puppet::Interface;

pub async fn timers_are_set_when_their_turn_commits_and_tell_in_order(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[30] = "after 50 /log gone;reject no".into();
    messages[31] = "after 100 /log late;after 20 /log early".into();
    messages[32] = "after 30 /a tell /log woken".into();
    play.tell(&messages).await;
    assert_eq!(play.log()[37..], ["early", "woken", "late"]);
    play.assert_batches();
}

pub async fn timers_die_with_their_incarnation(interface: Interface) {
    let play = Play::start(interface).await;
    play.tell(&["every 40 /log tick", "nothing", "nothing"]).await;
    tokio::time::sleep(Duration::from_millis(90)).await;
    play.tell(&["after 1 /log late;trap"]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(play.log(), ["tick", "tick"]);
}

pub async fn a_cancelled_timer_does_not_tell(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = vec!["nothing"; 20];
    messages[5] = "every 40 /log tick";
    messages[6] = "after 50 /log once;cancel";
    play.tell(&messages).await;
    messages[5] = "cancel";
    messages[6] = "every 10 /log tock";
    play.tell(&messages).await;
    tokio::time::sleep(Duration::from_millis(15)).await;
    play.tell(&["cancel"]).await;
    tokio::time::sleep(Duration::from_millis(35)).await;
    assert_eq!(play.log(), ["tock", "tick"]);
}

pub async fn an_actor_has_no_more_timers_than_its_limit(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = vec!["nothing"; 20];
    messages[4] = "after 1 /log gone;after 1 /log gone;after 1 /log gone;reject no";
    messages[5] = "after 1 /log 1;after 2 /log 2";
    messages[6] = "after 3 /log 3;after 4 /log 4;tell /log 5";
    play.tell(&messages).await;
    assert_eq!(play.log(), ["TooManyTimers", "5", "1", "2", "3"]);
    play.tell(&messages).await;
    assert_eq!(play.log()[5..], ["TooManyTimers", "5", "1", "2", "3"]);
}

pub async fn timer_needs_a_granted_receiver(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = vec!["nothing"; 20];
    messages[5] = "after 1 /peer x;after 1 /nobody x;after 1 no:address x";
    play.tell(&messages).await;
    assert_eq!(play.log(), ["NotSent", "NotSent", "NotSent"]);
}
