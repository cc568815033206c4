//! Rules about messages, asks and replies.

use std::time::Duration;

use playhouse_kernel::{AskError, Metadata};

use crate::harness::{PATIENCE, Play, address, numbered, numbers};
use crate::puppet::Interface;

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
