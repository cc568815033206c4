//! Rules about children, watched actors and broadcasts.

use crate::harness::{Play, numbered};
use crate::puppet::Interface;

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
    // `/log` and `/echo` write into one log: their order among each other is not promised.
    let mut others: Vec<_> = log.iter().filter(|line| !line.ends_with(": x")).collect();
    others[..2].sort();
    assert_eq!(others, ["asked x", "on", "woken"]);
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
