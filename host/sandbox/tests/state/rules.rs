//! The rules, for each interface that a component may have.

use playhouse_kernel::StateSpec;

use crate::play::{House, address};

#[tokio::test]
async fn state_of_a_component_outlives_the_host() {
    for turns in [false, true] {
        let house = House::of("keeper", turns);
        let play = house.open().await;
        play.tell(&["set a 1", "set b 2;set a 3", "unset b;set c 4"]).await;
        play.kill().await;
        let play = house.open().await;
        assert_eq!((play.ask("get a").await, play.ask("keys").await), ("3".into(), "a c".into()), "turns: {turns}");
        play.kill().await;
    }
}

#[tokio::test]
async fn failed_message_of_a_batch_changes_nothing() {
    for turns in [false, true] {
        let play = House::of("keeper", turns).open().await;
        play.tell(&["set n 1", "set n 2;set x 1;reject", "get n;set m 1", "set n 3;ask /b;set o 1", "set y 1;trap"])
            .await;
        assert_eq!((play.ask("keys").await, play.ask("get n").await), ("m n o".into(), "3".into()), "turns: {turns}");
        play.kill().await;
    }
}

#[tokio::test]
async fn messages_of_a_batch_read_their_own_changes() {
    for turns in [false, true] {
        let play = House::of("keeper", turns).open().await;
        assert_eq!(play.ask("set k 1;get k").await, "1");
        assert_eq!(play.ask("set l 2;unset k;keys").await, "l");
        assert_eq!(play.ask("unset l;get l").await, "none");
        play.kill().await;
    }
}

#[tokio::test]
async fn bounds_hold_in_each_interface() {
    for turns in [false, true] {
        let mut house = House::of("keeper", turns);
        house.state = Some(StateSpec { bytes: 100_000, value_bytes: 1000, cache_bytes: 0, expire: None });
        let play = house.open().await;
        let many: Vec<_> = (0..8).map(|_| "fill 90").collect();
        play.tell(&many).await;
        assert_eq!(play.ask("keys fill/").await.split(' ').count(), 90, "turns: {turns}");
        play.tell(&["fill 95", "set a 1;reject", "fill 90", "fill 95"]).await;
        assert_eq!(play.ask("keys").await.split(' ').count(), 90, "turns: {turns}");
        assert!(play.ask(&format!("set a {}", "x".repeat(1001))).await.contains("state.value"), "turns: {turns}");
        let long = play.ask(&format!("set {} 1", "k".repeat(513))).await;
        assert!(long.contains("a key has at most 512 bytes"), "{long}");
        assert_eq!(play.kernel.actors().await[1].restarts, 0, "turns: {turns}");
        play.kill().await;
    }
}

#[tokio::test]
async fn refused_reply_leaves_no_change_behind() {
    for turns in [false, true] {
        let play = House::of("keeper", turns).open().await;
        play.tell(&["set a 1", "set a 2;long", "get a;set b 1"]).await;
        assert_eq!((play.ask("get a").await, play.ask("get b").await), ("1".into(), "1".into()), "turns: {turns}");
        play.kill().await;
    }
}

#[tokio::test]
async fn component_without_the_grant_is_told_so() {
    for (name, body) in [("keeper", "set a 1"), ("keeper", "get a"), ("bucket", "open")] {
        let mut house = House::of(name, true);
        house.state = None;
        let play = house.open().await;
        let answer = play.ask(body).await;
        let denied = answer.contains("`/a` has no state") || answer.contains("AccessDenied");
        assert!(denied, "{name} {body}: {answer}");
        play.kill().await;
    }
}

#[tokio::test]
async fn saved_value_outlives_the_host_without_failed_messages() {
    for turns in [false, true] {
        let house = House::of("saver", turns);
        let play = house.open().await;
        play.tell(&["a", "b", "reject", "c"]).await;
        assert_eq!(play.ask("count").await, "3", "turns: {turns}");
        play.tell(&["d", "trap", "e", "reject"]).await;
        play.kill().await;
        let play = house.open().await;
        assert_eq!(play.ask("count").await, "5", "turns: {turns}");
        let kept = play.kernel.state_value(&address("/a"), "").await.unwrap();
        assert_eq!(kept.as_deref(), Some(&br#"{"count":5}"#[..]));
        play.kill().await;
    }
}

#[tokio::test]
async fn component_built_for_wasi_keyvalue_keeps_its_values() {
    let house = House::of("bucket", true);
    let play = house.open().await;
    assert_eq!((play.ask("open").await, play.ask("open other").await), ("open".into(), "Error::AccessDenied".into()));
    play.tell(&["set a 1", "set b 2", "delete a", "set c 3 reject", "set d 4"]).await;
    play.kill().await;
    let play = house.open().await;
    assert_eq!(play.ask("keys").await, "b d");
    assert_eq!((play.ask("get b").await, play.ask("get a").await), ("2 true".into(), "none false".into()));
    assert_eq!((play.ask("add n 40").await, play.ask("add n 2").await), ("40".into(), "42".into()));
    assert!(play.ask("add e 1").await == "1" && play.ask("set e x").await.is_empty());
    assert!(play.ask("add e 1").await.contains("the value is no decimal number"));
    assert_eq!(play.ask("many").await, r#"1000 [None, Some(("m1499", [49, 52, 57, 57]))]"#);
    assert_eq!(play.ask("keys").await, "b d e m1499 n");
    let refused = play.ask(&format!("set {} 1", "k".repeat(513))).await;
    assert!(refused.contains("a key has at most 512 bytes"), "{refused}");
    play.kill().await;
}
