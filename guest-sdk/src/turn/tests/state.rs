//! Changes of the state in frames, and outside of them; an actor that is saved.

use super::*;

#[test]
fn changes_are_in_the_frame_and_read_from_there() {
    let mut play = Play::start();
    assert_eq!(
        play.batch(&["a=1 get:a", "a=2 get:a unset:a get:a", "get:a get:old"]),
        "set a=1, reply 1, set a=2, delete a, reply none, reply kept"
    );
    assert_eq!(play.crossed(), ["limits", "get old"]);
    assert_eq!(play.batch(&["get:a"]), "reply none");
    assert_eq!(play.crossed(), ["get a"], "the host has the frame by now");
}

#[test]
fn changes_of_a_failed_message_are_forgotten() {
    let mut play = Play::start();
    assert_eq!(
        play.batch(&["a=1", "a=2 b=3 unset:a reject", "get:a", "get:b"]),
        "set a=1, done, reject(\"no\"), reply 1, reply none"
    );
    assert_eq!(play.crossed(), ["limits", "get b"]);
}

#[test]
fn host_is_asked_for_space_when_the_known_one_is_used_up() {
    let mut play = Play::start();
    // A key of one byte costs 66 with its value.
    assert_eq!(play.batch(&["a=1 b=2 c=3", "d=4"]), "set d=4, done");
    assert_eq!(play.crossed(), ["limits", "hand over set a=1, set b=2, set c=3, done", "limits"]);
}

#[test]
fn host_decides_about_a_set_that_may_not_fit() {
    let mut play = Play::start();
    let (fits, refused) = ("k".repeat(140), format!("one-too-many{}", "k".repeat(130)));
    let outcomes =
        play.batch(&["/a", &format!("{fits}=1 get:{fits}"), &format!("{refused}=1"), "x=123456789012345678901"]);
    assert!(outcomes.starts_with("retry(\"the state would be larger than the 200 bytes"), "{outcomes}");
    assert!(
        outcomes.ends_with("retry(\"the value is larger than the 20 bytes that state.value allows\")"),
        "{outcomes}"
    );
    let expected = [
        "resolve /a for 0".to_owned(),
        "limits".to_owned(),
        "hand over 2:/a, done".to_owned(),
        format!("set {fits} 1"),
        "hand over reply 1".to_owned(),
        "limits".to_owned(),
        "hand over ".to_owned(),
        format!("set {refused} 1"),
    ];
    assert_eq!(play.crossed(), expected);
}

#[test]
fn bad_key_never_crosses() {
    let mut play = Play::start();
    let refused = play.batch(&[&format!("{}=1", "k".repeat(513)), &format!("unset:{}", "k".repeat(513))]);
    assert_eq!(refused.matches("a key has at most 512 bytes, and this one has 513").count(), 2, "{refused}");
    assert_eq!(play.crossed(), [""; 0]);
}

#[test]
fn keys_are_asked_for_with_all_changes() {
    let mut play = Play::start();
    assert_eq!(play.batch(&["keys", "a=1 keys"]), "reply x");
    let crossed = play.crossed();
    assert_eq!(crossed[..3], ["keys  None", "keys  Some(\"x\")", "limits"]);
    assert_eq!(crossed[3], "hand over reply x, set a=1");
}

#[test]
fn changes_outside_of_a_batch_go_to_the_host() {
    let play = Play::start();
    play.turns.state_set("a", b"1").unwrap();
    play.turns.state_delete("a").unwrap();
    assert_eq!(play.turns.state_get("old").unwrap(), Some(b"kept".to_vec()));
    assert_eq!(play.crossed(), ["set a 1", "delete a", "get old"]);
}

#[test]
fn values_with_a_time_are_in_the_frame_in_their_order() {
    let mut play = Play::start();
    assert_eq!(
        play.batch(&["a=1 a=2~30 get:a", "a=3~40 reject", "get:a"]),
        "set a=1, set a=2 for 30, reply 2, reject(\"no\"), reply 2"
    );
    assert_eq!(play.crossed(), ["limits"]);
}

#[test]
fn host_decides_about_a_set_with_a_time_that_may_not_fit() {
    let mut play = Play::start();
    let key = "k".repeat(140);
    play.batch(&["a=1", &format!("{key}=1~30 get:{key}")]);
    let expected = ["limits", "hand over set a=1, done", "limits", "hand over ", &format!("set {key} 1 for 30")];
    assert_eq!(play.crossed()[..5], expected);
}

#[test]
fn times_outside_of_a_batch_go_to_the_host() {
    let play = Play::start();
    play.turns.state_set_for("a", b"1", 5).unwrap();
    assert_eq!(play.crossed(), ["set a 1 for 5"]);
}

fn saved() -> Play {
    let play = Play::start_as(Some(SavedFns::default()));
    assert_eq!(play.crossed(), ["get ", "set  {\"count\":0}"]);
    play
}

#[test]
fn value_is_saved_once_with_the_last_message_that_is_done() {
    let mut play = saved();
    assert_eq!(
        play.batch(&["more", "/a more more", "more reject", "more reject"]),
        "done, 2:/a, set ={\"count\":3}, done, reject(\"no\"), reject(\"no\")"
    );
    assert_eq!(play.actor.actor.count, 3, "what failed messages did is put back");
    assert_eq!(play.batch(&["/a", "/a"]), "2:/a, done, 2:/a, done", "nothing new");
}

#[test]
fn value_is_saved_before_an_ask_commits() {
    let mut play = saved();
    assert_eq!(play.batch(&["more", "more ask", "more reject"]), "set ={\"count\":2}, reply why, reject(\"no\")");
    let crossed = play.crossed();
    assert!(crossed.contains(&"hand over set ={\"count\":1}, done".to_owned()), "{crossed:?}");
}

#[test]
fn saves_of_batches_before_take_no_space() {
    let mut play = saved();
    // The state has space for two values in a frame; the host has all frames before.
    for count in 1..=9 {
        assert_eq!(play.batch(&["more"]), format!("set ={{\"count\":{count}}}, done"));
    }
}

#[test]
fn value_of_a_lone_message_goes_to_the_host() {
    let mut play = saved();
    play.actor.handle(Message::new("more")).unwrap();
    play.actor.handle(Message::new("more reject")).unwrap_err();
    play.actor.handle(Message::new("/a")).unwrap();
    assert_eq!(play.crossed(), ["set  {\"count\":1}", "tell /a"]);
}

#[test]
#[should_panic(expected = "the state has space for")]
fn value_without_space_ends_the_incarnation() {
    saved().batch(&["more a=1 b=1", "more"]);
}
