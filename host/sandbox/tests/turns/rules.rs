//! The rules. Each is a function of the `Interface`, so that all interfaces are tested with the same rules.

use std::time::Duration;

use playhouse_kernel::{AskError, CrashReason, Metadata};

use crate::harness::{PATIENCE, Play, address};
use crate::puppet::Interface;

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("tell /log {n}")).collect()
}

fn numbers(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| n.to_string()).collect()
}

pub async fn messages_are_handled_in_order_many_in_one_call(interface: Interface) {
    let play = Play::start(interface).await;
    play.tell(&numbered(200)).await;
    assert_eq!(play.log(), numbers(0, 200));
    play.assert_batches();
}

pub async fn effects_of_a_failed_message_are_dropped(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[30] = "tell /log gone;tell /echo gone;reject no".into();
    play.tell(&messages).await;
    assert_eq!(play.log(), [numbers(0, 30), numbers(31, 40)].concat());
    assert_eq!(play.letters(), ["rejected tell /log gone;tell /echo gone;reject no x1"]);
    play.assert_batches();
}

pub async fn only_the_poison_message_is_blamed(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(50);
    messages[33] = "tell /log gone;trap".into();
    play.tell(&messages).await;
    assert_eq!(play.log(), [numbers(0, 33), numbers(34, 50)].concat());
    assert_eq!(play.letters(), ["crashed tell /log gone;trap x3"]);
    play.assert_batches();
}

pub async fn an_ask_commits_the_finished_prefix_first(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[30] = "tell /log early;ask /echo why;tell /log late".into();
    play.tell(&messages).await;
    let log = play.log();
    let place = |line: &str| log.iter().position(|l| l == line).unwrap();
    assert!(place("29") < place("early") && place("asked why") < place("early"), "{log:?}");
    let handled: Vec<_> = log.iter().filter(|line| *line != "asked why").cloned().collect();
    let expected = ["early", "answer why", "late"].map(str::to_owned);
    assert_eq!(handled, [&numbers(0, 30)[..], &expected, &numbers(31, 40)].concat());
    play.assert_batches();
}

pub async fn ask_commits_are_not_handled_again_after_a_crash(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[30] = "ask /echo why;trap".into();
    play.tell(&messages).await;
    let handled: Vec<_> = play.log().into_iter().filter(|line| line != "asked why").collect();
    assert_eq!(handled, [numbers(0, 30), numbers(31, 40)].concat());
    assert_eq!(play.letters(), ["crashed ask /echo why;trap x3"]);
}

pub async fn failed_message_drops_its_tells_before_an_ask(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[30] = "tell /log early;ask /echo why;tell /log late;reject no".into();
    messages[31] = "ask /echo again;tell /log after".into();
    play.tell(&messages).await;
    let handled: Vec<_> = play.log().into_iter().filter(|line| !line.starts_with("asked ")).collect();
    let expected = ["answer again", "after"].map(str::to_owned);
    assert_eq!(handled, [&numbers(0, 30)[..], &expected, &numbers(32, 40)].concat());
}

pub async fn a_retry_comes_back_and_others_may_overtake_it(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[30] = "tell /log late;retry-once not yet".into();
    play.tell(&messages).await;
    assert_eq!(play.log(), [&numbers(0, 30)[..], &numbers(31, 40), &["late".to_owned()]].concat());
    assert!(play.letters().is_empty());
}

pub async fn the_last_attempt_makes_a_dead_letter(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[30] = "retry never".into();
    play.tell(&messages).await;
    assert_eq!(play.letters(), ["failed retry never x3"]);
}

pub async fn each_asker_gets_the_reply_to_its_own_message(interface: Interface) {
    let play = Play::start(interface).await;
    let asks = (0..64).map(|n| {
        let (kernel, body) = (
            play.kernel.clone(),
            match n % 3 {
                0 => format!("reply {n}"),
                1 => format!("reply {n};reject {n}"),
                _ => String::new(),
            },
        );
        tokio::spawn(async move { kernel.ask(&address("/a"), body.as_bytes(), PATIENCE).await })
    });
    let asks: Vec<_> = asks.collect();
    for (n, ask) in asks.into_iter().enumerate() {
        let expected = match n % 3 {
            0 => Ok(n.to_string().into_bytes()),
            1 => Err(AskError::Rejected(n.to_string())),
            _ => Err(AskError::NoReply),
        };
        assert_eq!(ask.await.unwrap(), expected);
    }
    play.assert_batches();
}

pub async fn a_crash_fails_asks_at_once_with_its_typed_reason(interface: Interface) {
    let play = Play::start(interface).await;
    let began = tokio::time::Instant::now();
    // The first message is taken alone, the next two together, so their crash cannot be blamed on one of them.
    play.fragile_gets(&["", "x"], "ask /fragile trap").await;
    play.tell(&["ask /fragile trap"]).await;
    play.fragile_gets(&["exit"], "ask /fragile waits").await;
    assert_eq!(play.log(), ["Restarting", "Crashed", "Stopped"]);
    assert!(began.elapsed() < Duration::from_secs(5), "no ask waited for its deadline");
}

pub async fn a_reply_that_is_too_large_rejects_its_message(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[30] = format!("tell /log gone;reply-bytes {}", (1 << 20) + 1);
    messages[31] = format!("tell /log 31;reply-bytes {}", 1 << 20);
    play.tell(&messages).await;
    assert_eq!(play.log(), [numbers(0, 30), numbers(31, 40)].concat());
    assert_eq!(play.letters(), ["bad-reply tell /log gone;reply-bytes 1048577 x1"]);
}

pub async fn reply_tell_is_allowed_for_the_senders_own_messages_only(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = vec!["nothing"; 20];
    play.tell_to("/a", &messages).await;
    play.tell_to("/peer", &["back nothing", "back nothing"]).await;
    messages[5] = "tell /peer no";
    play.tell(&messages).await;
    play.tell_to("/peer", &["back nothing;tell /log went back"]).await;
    play.kernel.wait_idle().await;
    assert_eq!(play.letters(), ["failed tell /peer no x3"]);
    assert_eq!(play.log(), ["went back"]);
}

pub async fn a_refused_send_fails_its_message_alone(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[30] = "tell /log gone;tell /nobody x".into();
    messages[31] = "tell /log gone;tell no:address x".into();
    play.tell(&messages).await;
    assert_eq!(play.log(), [numbers(0, 30), numbers(32, 40)].concat());
    assert_eq!(
        play.letters(),
        ["failed tell /log gone;tell /nobody x x3", "failed tell /log gone;tell no:address x x3"]
    );
}

pub async fn envelope_is_that_of_the_current_message(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = vec!["nothing"; 40];
    messages[20] = "envelope";
    messages[21] = "envelope;retry-once no";
    play.tell_to("/a", &messages).await;
    play.tell_to("/peer", &["envelope"]).await;
    let asked = play.ask("envelope").await;
    play.kernel.wait_idle().await;
    assert_eq!(asked, Err(AskError::NoReply));
    let mut log = play.log();
    log.sort();
    assert_eq!(log, [" 0 1 false", " 0 1 true", " 0 2 false", "/peer 1 1 false"]);
}

pub async fn optional_parts_reach_the_handler_and_the_asker(interface: Interface) {
    let plain = matches!(interface, Interface::Plain);
    let play = Play::start(interface).await;
    let (to, metadata) = (address("/a"), Metadata::collect([("path", "/x"), ("method", "POST")]).unwrap());
    play.tell_to("/a", &["nothing"; 20]).await;
    play.kernel.tell_with(&to, &metadata, b"parts;retry-once no", PATIENCE).await.unwrap();
    play.tell_to("/a", &["parts"; 1]).await;
    play.kernel.wait_idle().await;
    let reply = play.kernel.ask_with(&to, &metadata, b"parts;answer made", PATIENCE).await.unwrap();
    play.kernel.wait_idle().await;
    assert_eq!((reply.body, reply.metadata.get("status")), (b"made".to_vec(), Some("201")));
    // The SDK shows metadata with the messages of frames. With frames switched off, a component has to ask `kernel.message`.
    let pairs = if plain { "[]" } else { r#"[("path", "/x"), ("method", "POST")]"# };
    let expected = ["[] 32 false 0".to_owned(), format!("{pairs} 32 false 0"), format!("{pairs} 32 true 0")];
    assert_eq!(play.log(), expected, "the retry keeps its metadata; the ask has a deadline");
    assert_eq!(play.ask("reply plain").await, Ok(b"plain".to_vec()));
    let lone = play.kernel.ask_with(&to, &Metadata::new(), b"answer x", PATIENCE).await.unwrap();
    assert_eq!((lone.body, lone.metadata.len()), (b"x".to_vec(), 1), "a reply of a lone message has metadata, too");
    let rejected = play.kernel.ask_with(&to, &Metadata::new(), b"answer x;reject no", PATIENCE).await;
    assert!(matches!(rejected, Err(AskError::Rejected(_))), "{rejected:?}");
    let next = play.kernel.ask_with(&to, &Metadata::new(), b"reply plain", PATIENCE).await.unwrap();
    assert_eq!(next.metadata.len(), 0, "metadata of a failed message are dropped");
}

pub async fn sends_beyond_one_frame_go_out_in_order(interface: Interface) {
    let play = Play::start(interface).await;
    let body = "x".repeat(300_000);
    let messages: Vec<_> = (0..30).map(|n| format!("tell /log {n};tell /log {body}")).collect();
    play.tell(&numbered(40)).await;
    play.tell(&messages).await;
    let log: Vec<_> = play.log().into_iter().filter(|line| line.len() < 3).collect();
    assert_eq!(log, [numbers(0, 40), numbers(0, 30)].concat());
}

pub async fn a_restarted_actor_finds_its_routes_again(interface: Interface) {
    let play = Play::start(interface).await;
    play.tell(&numbered(20)).await;
    play.tell(&["trap"]).await;
    play.tell(&numbered(20)).await;
    assert_eq!(play.log(), [numbers(0, 20), numbers(0, 20)].concat());
    play.assert_batches();
}

pub async fn child_gets_a_message_of_the_turn_that_spawned_it(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[30] = "spawn w;tell w 1;tell /a/w 2;around".into();
    messages[31] = "tell w 3".into();
    play.tell(&messages).await;
    play.tell(&["tell w 4;around"]).await;
    let log = play.log();
    let workers: Vec<_> = log.iter().filter(|line| line.starts_with("w: ")).collect();
    assert_eq!(workers, ["w: 1", "w: 2", "w: 3", "w: 4"]);
    // `/log` runs, with or without messages to handle.
    let around = log.iter().filter(|line| line.starts_with('[')).map(|line| line.replace("Running", "Idle"));
    assert_eq!(around.collect::<Vec<_>>(), ["[]  Some(Idle)", "[\"w\"] /a/w Some(Idle)"]);
    play.assert_batches();
}

pub async fn a_spawn_of_a_failed_message_never_happens(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[30] = "spawn w;tell w gone;reject no".into();
    messages[31] = "tell w late".into();
    messages[32] = "spawn w;spawn w;tell w 1".into();
    messages[33] = "spawn x;ask /echo why;reject no".into();
    messages[34] = "spawn x;tell x 2;tell /log 34".into();
    play.tell(&messages).await;
    let mut log = play.log();
    log.retain(|line| line.parse::<u32>().is_err() && line != "asked why");
    // Message 31 found no child at first, and was tried again.
    assert_eq!(log, ["Duplicate", "w: 1", "x: 2", "w: late"]);
    assert_eq!(play.letters().len(), 2);
    play.assert_batches();
}

pub async fn a_spawn_of_a_crashed_batch_happens_once(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[30] = "spawn w;tell w 1;spawn gone;trap".into();
    messages[31] = "spawn w;tell w 2".into();
    play.tell(&messages).await;
    let workers: Vec<_> = play.log().into_iter().filter(|line| line.parse::<u32>().is_err()).collect();
    assert_eq!(workers, ["w: 2"]);
    play.tell(&["around"]).await;
    let around = play.log().last().unwrap().replace("Running", "Idle");
    assert_eq!(around, "[\"again\", \"w\"] /a/w Some(Idle)");
}

pub async fn refused_spawn_or_stop_has_its_reason(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = vec!["nothing"; 20];
    messages[10] = "spawn a/b;stop w;stop /log;stop no:name;spawn 1;spawn 2;spawn 3";
    messages[11] = "spawn 4;spawn 5;spawn 6;spawn 1";
    play.tell(&messages).await;
    let expected = ["BadName", "UnknownAddress", "NotSpawned", "BadAddress", "TooManyChildren", "Duplicate"];
    assert_eq!(play.log(), expected);
    play.assert_batches();
}

pub async fn stopped_child_frees_its_name_when_it_ended(interface: Interface) {
    let play = Play::start(interface).await;
    play.tell(&["spawn w;tell w 1"]).await;
    let mut messages = vec!["nothing"; 20];
    messages[10] = "stop w;reject no";
    messages[11] = "tell w 2";
    messages[12] = "tell w 3;stop w;spawn w";
    play.tell(&messages).await;
    play.childless().await;
    play.tell(&["tell w gone;reject no", "spawn w;tell w 4;stop w"]).await;
    play.childless().await;
    let mut log = play.log();
    log.sort();
    assert_eq!(log, ["Duplicate", "w: 1", "w: 2", "w: 3", "w: 4"]);
    assert_eq!(play.letters()[1..], ["failed tell w gone;reject no x3"]);
}

pub async fn a_batch_tells_a_child_that_was_stopped_and_spawned_again(interface: Interface) {
    let play = Play::start(interface).await;
    for round in 0..3 {
        let mut messages = vec!["nothing".to_owned(); 20];
        messages[0] = "spawn w".into();
        messages.push(format!("tell w {round}"));
        play.tell(&messages).await;
        messages[0] = "nothing".into();
        messages[20] = "stop w".into();
        play.tell(&messages).await;
        play.childless().await;
    }
    assert_eq!(play.log(), ["w: 0", "w: 1", "w: 2"]);
}

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

pub async fn actor_spawns_more_children_than_it_keeps_routes_for(interface: Interface) {
    let play = Play::start(interface).await;
    for round in 0..300 {
        let messages: Vec<_> =
            (0..4).map(|n| format!("spawn w{round}-{n};tell w{round}-{n} x;stop w{round}-{n}")).collect();
        play.tell(&messages).await;
        play.childless().await;
    }
    play.tell(&["tell /log on;after 1 /a tell /log woken", "tell /echo x"]).await;
    let log = play.log();
    assert_eq!(log.iter().filter(|line| line.ends_with(": x")).count(), 1200);
    assert_eq!(log.iter().filter(|line| !line.ends_with(": x")).collect::<Vec<_>>(), ["on", "asked x", "woken"]);
    assert!(play.kernel.actors().await.iter().all(|actor| actor.last_crash.is_none()));
}

pub async fn parent_decides_about_a_failed_child(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(20);
    messages[10] = "say stop;spawn w;tell w trap".into();
    play.tell(&messages).await;
    play.childless().await;
    assert_eq!(play.log().last().unwrap(), "w trap 1");
    assert_eq!(play.letters(), ["crashed trap x1"]);
    play.tell(&["say restart", "spawn v;tell v trap;tell v on"]).await;
    let log: Vec<_> = play.log().into_iter().filter(|line| line.starts_with('v')).collect();
    assert_eq!(log, ["v trap 1", "v trap 2", "v trap 3", "v: on"]);
    assert_eq!(play.letters(), ["crashed trap x1", "crashed trap x3"]);
}

pub async fn watcher_gets_a_notice_for_each_change(interface: Interface) {
    let play = Play::start(interface).await;
    let mut messages = numbered(40);
    messages[10] = "watch /nobody;watch /log;reject no".into();
    messages[20] = "watch /peer;watch /nobody;spawn w;watch w;tell w trap".into();
    play.tell(&messages).await;
    let log = play.log();
    let about = |who: &str| log.iter().filter(|line| line.starts_with(who)).cloned().collect::<Vec<_>>();
    assert_eq!((about("NotGranted").len(), about("/nobody")), (1, vec!["/nobody gone".to_owned()]), "{log:?}");
    assert_eq!(about("/a/w")[..3], ["/a/w started", "/a/w trap", "/a/w started"], "{log:?}");
    play.assert_batches();
}

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
    assert_eq!(play.kernel.restarts(), 2, "with others, and alone");
    play.assert_batches();
}

pub async fn broadcast_reaches_all_children_or_none(interface: Interface) {
    let play = Play::start(interface).await;
    play.tell(&["spawn v"]).await;
    let mut messages = numbered(40);
    messages[30] = "all * gone;reject no".into();
    messages[31] = "spawn w;tell w 1;all * 2;tell w 3;tell /log end".into();
    messages[32] = "all /* x".into();
    messages[33] = "all /peer/* x;all /nobody/** x".into();
    play.tell(&messages).await;
    let log = play.log();
    let of = |start: &str| log.iter().filter(|line| line.starts_with(start)).cloned().collect::<Vec<_>>();
    assert_eq!(
        (of("v: "), of("w: ")),
        (vec!["v: 2".to_owned()], vec!["w: 1".to_owned(), "w: 2".into(), "w: 3".into()])
    );
    let said: Vec<_> = log.into_iter().filter(|line| line.parse::<u32>().is_err() && !line.contains(": ")).collect();
    assert_eq!(said, ["all 2", "end", "NotGranted", "all 0", "UnknownAddress"]);
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
