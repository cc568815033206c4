//! Rules about limits of a turn, metrics and callbacks.

use playhouse_kernel::{AskError, CrashReason};

use crate::harness::{Play, numbered, numbers};
use crate::puppet::Interface;

pub async fn callback_gets_each_outcome_also_after_a_crash(interface: Interface) {
    let play = Play::start_reporting(interface).await;
    let mut messages = vec!["nothing"; 20];
    messages[10] = "reject no";
    messages[11] = "retry-once later";
    messages[12] = "retry never";
    messages[13] = "tell /log gone;trap";
    play.tell(&messages).await;
    assert_eq!(play.ask("reply x").await, Ok(b"x".to_vec()));
    assert_eq!(play.ask("trap").await.map_err(|error| matches!(error, AskError::Crashed(_))), Err(true));
    play.kernel.wait_idle().await;
    let log = play.log();
    let count = |line: &str| log.iter().filter(|logged| *logged == line).count();
    let expected = [
        ("1 done", 16),
        ("2 done", 1),
        ("1 rejected no dead", 1),
        ("1 retry later", 1),
        ("1 retry never", 1),
        ("2 retry never", 1),
        ("3 retry never dead", 1),
        ("1 crashed", 1),
        ("2 crashed", 1),
        ("3 crashed dead", 1),
        ("1 replied", 1),
        ("1 crashed dead", 1),
    ];
    for (line, times) in expected {
        assert_eq!(count(line), times, "{line}: {log:?}");
    }
    assert_eq!(log.len(), 27, "{log:?}");
    play.assert_batches();
}

pub async fn callback_crash_blames_no_message_and_happens_once(interface: Interface) {
    let play = Play::start_reporting(interface).await;
    let mut messages = vec!["nothing"; 20];
    messages[12] = "reject boom";
    play.tell(&messages).await;
    assert_eq!(play.log(), ["1 done"; 19]);
    assert_eq!(play.letters(), ["rejected reject boom x1"]);
    assert_eq!(play.restarts().await, 2, "with others, and alone");
    play.assert_batches();
}

pub async fn turn_beyond_its_limits_crashes_without_a_commit(interface: Interface) {
    let play = Play::start(interface).await;
    let many = |times: usize| vec!["tell /log x"; times].join(";");
    let mut messages = numbered(40);
    messages[20] = many(301);
    messages[30] = many(300);
    play.tell(&messages).await;
    let expected = [numbers(0, 20), numbers(21, 30), vec!["x".to_owned(); 300], numbers(31, 40)].concat();
    assert_eq!(play.log(), expected);
    assert_eq!(play.letters(), [format!("crashed {} x3", &many(301)[..40])]);
    let limit = CrashReason::Limit { more_than: "300 sends and other effects in one turn (limits.effects)".into() };
    assert_eq!(play.last_crash().await, Some(limit));
}

pub async fn more_bytes_than_a_turn_may_send_are_a_crash(interface: Interface) {
    let play = Play::start(interface).await;
    let (some, more) = ("x".repeat(250_000), "y".repeat(250_001));
    let large = [format!("tell /log {some};tell /log {some}"), format!("tell /log {some};tell /log {more}")];
    play.tell(&[numbered(3), large.to_vec(), numbered(3)].concat()).await;
    assert_eq!(play.log(), [numbers(0, 3), vec![some.clone(), some], numbers(0, 3)].concat());
    let limit = CrashReason::Limit { more_than: "500000 bytes sent in one turn (limits.effect_bytes)".into() };
    assert_eq!(play.last_crash().await, Some(limit));
}

pub async fn metrics_are_effects_of_their_message(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = vec!["count orders 1;observe amount 0.5".to_owned(); 40];
    messages[10] = "count orders 100;observe amount 100;reject no".into();
    messages[20] = "count orders 1000;observe amount 1000;trap".into();
    messages[30] = "count orders 10000;ask /echo why;count orders 10000;reject no".into();
    play.tell(&messages).await;
    assert_eq!(play.letters().len(), 3);
    let (orders, amount) = (play.own("orders").await, play.own("amount").await);
    assert_eq!((orders.counted, orders.observed), (Some(37), None));
    let observed = amount.observed.unwrap();
    assert_eq!((amount.counted, observed.counts.iter().sum::<u64>(), observed.sum), (None, 37, 18.5));
    play.assert_batches();
}

pub async fn refused_metric_is_an_error_to_its_handler(interface: Interface) {
    let play = Play::start(interface).await;
    let message = "count other 1;observe amount -1;observe amount NaN;observe amount inf;count orders 0";
    play.tell(&[numbers(0, 20), vec![message.to_owned()]].concat()).await;
    play.tell(&[message]).await;
    assert_eq!(play.log(), ["Undeclared", "BadValue", "BadValue", "BadValue"].repeat(2));
    assert_eq!(play.own("orders").await.counted, Some(0), "a count of 0 is one, too");
    assert_eq!(play.own("amount").await.observed, None);
    assert!(play.letters().is_empty());
}

pub async fn count_beyond_the_limit_is_a_crash(interface: Interface) {
    let play = Play::start(interface).await;
    play.tell(&[&numbered(20)[..], &["counts 301".to_owned(), "counts 300".to_owned()]].concat()).await;
    assert_eq!(play.letters(), ["crashed counts 301 x3"]);
    assert_eq!(play.own("orders").await.counted, Some(300));
    let limit = CrashReason::Limit { more_than: "300 sends and other effects in one turn (limits.effects)".into() };
    assert_eq!(play.last_crash().await, Some(limit));
}
