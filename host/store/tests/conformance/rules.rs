//! The rules one by one.

use std::sync::Arc;

use playhouse_kernel::{
    ActorId, FIRST_CHOSEN_TIMER, Image, JournalGroup, KEY_BYTES, Op, StateSize, Store, StoreError, StoredActor,
    StoredSuspect, TimerIds,
};

use crate::home::Home;
use crate::words::{A, B, Words, addr, at, child_of, entry, letter, messages, origins, record, shown, timer, write};

fn actor(id: ActorId, address: &str) -> StoredActor {
    StoredActor {
        id,
        address: addr(address),
        last_number: 0,
        waiting: 0,
        bytes: 0,
        halted: None,
        state: StateSize::default(),
        timers: 0,
        timer_ids: TimerIds::default(),
        child: None,
        leaves: false,
    }
}

/// A store with two actors without messages.
async fn with_two<H: Home>(home: &H) -> (Arc<H::Store>, Image) {
    let (store, mut image) = home.open().await;
    write(&*store, &mut image, [entry().born(A, "/a").born(B, "/b")]).await.unwrap();
    (store, image)
}

pub async fn new_store_is_empty(home: impl Home) {
    let (store, image) = home.open().await;
    assert_eq!(image, Image { boots: 1, ..Image::default() });
    assert_eq!(messages(&*store, A).await, [""; 0]);
    assert_eq!(store.letters(0, 10).await.unwrap(), []);
}

pub async fn each_opening_is_one_more_start(home: impl Home) {
    for boots in 1..4 {
        assert_eq!(home.open().await.1.boots, boots);
    }
}

pub async fn written_groups_are_there_at_the_next_start(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let entries = [entry().put(A, 1, &["one", "two"]).put(B, 1, &["three"]), entry().take(A, 1..2)];
    write(&*store, &mut image, entries).await.unwrap();
    drop(store);
    let (store, image) = home.open().await;
    assert_eq!((image.boots, image.last), (2, 3));
    let a = StoredActor { last_number: 2, waiting: 1, bytes: 67, ..actor(A, "/a") };
    assert_eq!(image.actors, [a, StoredActor { last_number: 1, waiting: 1, bytes: 69, ..actor(B, "/b") }]);
    assert_eq!(messages(&*store, A).await, ["2 two"]);
    assert_eq!(messages(&*store, B).await, ["1 three"]);
}

pub async fn actor_is_found_by_its_address_until_it_is_gone(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let entries = [entry().put(A, 1, &["one", "two"]).set(A, "k", "v").set(B, "k", "v"), entry().take(A, 1..2)];
    write(&*store, &mut image, entries).await.unwrap();
    let state = StateSize { keys: 1, bytes: 66 };
    let a = StoredActor { last_number: 2, waiting: 1, bytes: 67, state, ..actor(A, "/a") };
    assert_eq!(store.actor(&addr("/a")).await, Ok(Some(a)));
    assert_eq!(store.actor(&addr("/c")).await, Ok(None));
    let gone = entry().take(A, 2..3).timer(A, timer(1, 1)).removed(A);
    write(&*store, &mut image, [gone]).await.unwrap();
    assert_eq!(store.actor(&addr("/a")).await, Ok(None));
    assert_eq!(store.value(A, "k").await, Ok(None), "its state went with it");
    assert_eq!(store.timers(A, 0, 9).await, Ok(Vec::new()), "and its timer");
    assert_eq!(value(&*store, B, "k").await.as_deref(), Some("v"));
    // A later actor at the address is another one, also in the same group.
    let again = ActorId(7);
    let entries = [
        entry().born(again, "/a").set(again, "k", "w"),
        entry().removed(again),
        entry().born(ActorId(8), "/a").put(ActorId(8), 1, &["new"]),
    ];
    write(&*store, &mut image, entries).await.unwrap();
    drop(store);
    let (store, image) = home.open().await;
    assert_eq!(image.actors.iter().map(|actor| actor.id.0).collect::<Vec<_>>(), [2, 8]);
    assert_eq!(messages(&*store, ActorId(8)).await, ["1 new"]);
    assert_eq!(store.value(again, "k").await, Ok(None));
}

pub async fn children_of_an_address_come_in_order_and_in_pages(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let born = entry().born(ActorId(11), "/user/b").born(ActorId(12), "/user/a").born(ActorId(13), "/user/a/deep");
    let beside = entry().born(ActorId(14), "/user").born(ActorId(15), "/users/c").born(ActorId(16), "/user/c");
    write(&*store, &mut image, [born, beside, entry().removed(ActorId(16))]).await.unwrap();
    let children = async |above: &str, after: Option<&str>, most| {
        let after = after.map(addr);
        let found = store.children(&addr(above), after.as_ref(), most).await.unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(children("/user", None, 9).await, ["/user/a", "/user/b"]);
    assert_eq!(children("/user", None, 1).await, ["/user/a"]);
    assert_eq!(children("/user", Some("/user/a"), 9).await, ["/user/b"]);
    assert_eq!(children("/user", Some("/user/b"), 9).await, [""; 0]);
    assert_eq!(children("/", None, 9).await, ["/a", "/b", "/user"]);
    assert_eq!(children("/none", None, 9).await, [""; 0]);
}

pub async fn messages_come_in_order_and_in_pages(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    write(&*store, &mut image, [entry().put(A, 1, &["a", "b"]), entry().put(A, 3, &["c", "d", "e"])]).await.unwrap();
    write(&*store, &mut image, [entry().put(A, 6, &["f"]).hold(A, 2, 9, "b")]).await.unwrap();
    let page = async |from, most| {
        let messages = store.messages(A, from, most).await.unwrap();
        messages.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 1).await, ["1 a"], "at least one");
    assert_eq!(page(1, 2 * 65).await, ["1 a", "2 b @9"]);
    assert_eq!(page(2, 4 * 65 - 1).await, ["2 b @9", "3 c", "4 d"]);
    assert_eq!(page(4, usize::MAX).await, ["4 d", "5 e", "6 f"]);
    assert_eq!(page(7, usize::MAX).await, [""; 0]);
}

pub async fn held_messages_come_alone(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    write(&*store, &mut image, [entry().put(A, 1, &["a", "b", "c", "d"]).put(B, 1, &["z"])]).await.unwrap();
    write(&*store, &mut image, [entry().hold(A, 4, 7, "d").hold(A, 2, 9, "b")]).await.unwrap();
    let held = async |from, most| {
        let messages = store.held(A, from, most).await.unwrap();
        messages.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(held(0, usize::MAX).await, ["2 b @9", "4 d @7"]);
    assert_eq!(held(0, 2 * 65 - 1).await, ["2 b @9"]);
    assert_eq!(held(0, 1).await, ["2 b @9"], "at least one");
    assert_eq!(held(3, usize::MAX).await, ["4 d @7"]);
    assert_eq!(held(5, usize::MAX).await, [""; 0]);
}

pub async fn bytes_are_those_of_messages_in_order(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    write(&*store, &mut image, [entry().put(A, 1, &["a", "b", "c", "d"]).put(B, 1, &["z"])]).await.unwrap();
    write(&*store, &mut image, [entry().put(A, 5, &["e"]).put(B, 2, &["y", "x"])]).await.unwrap();
    write(&*store, &mut image, [entry().hold(A, 4, 7, "d").hold(A, 2, 9, "b").take(B, 1..2)]).await.unwrap();
    drop(store);
    let (store, mut image) = home.open().await;
    // The bytes of those that ended lately may count, too.
    assert!((3 * 65..=5 * 65).contains(&image.actors[0].bytes), "{}", image.actors[0].bytes);
    assert_eq!(image.actors[1].bytes, 2 * 65);
    write(&*store, &mut image, [entry().take(A, 1..5).take(B, 2..4)]).await.unwrap();
    drop(store);
    let (_, image) = home.open().await;
    assert_eq!([image.actors[0].bytes, image.actors[1].bytes], [65, 0]);
}

pub async fn taken_messages_are_gone(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    write(&*store, &mut image, [entry().put(A, 1, &["a", "b", "c", "d"])]).await.unwrap();
    write(&*store, &mut image, [entry().take(A, 1..3)]).await.unwrap();
    assert_eq!(messages(&*store, A).await, ["3 c", "4 d"]);
    write(&*store, &mut image, [entry().take(A, 3..5)]).await.unwrap();
    assert_eq!(messages(&*store, A).await, [""; 0]);
}

pub async fn messages_are_taken_in_any_order(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    for first in [1, 3, 5] {
        write(&*store, &mut image, [entry().put(A, first, &["x", "y"])]).await.unwrap();
    }
    write(&*store, &mut image, [entry().take(A, 5..6), entry().take(A, 2..4)]).await.unwrap();
    assert_eq!(messages(&*store, A).await, ["1 x", "4 y", "6 y"]);
    drop(store);
    let (store, mut image) = home.open().await;
    write(&*store, &mut image, [entry().take(A, 1..2).take(A, 4..5)]).await.unwrap();
    assert_eq!(messages(&*store, A).await, ["6 y"]);
    assert!(write(&*store, &mut image, [entry().take(A, 5..6)]).await.is_err(), "it was taken in the run before");
}

pub async fn held_message_has_its_time_and_its_new_record(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    write(&*store, &mut image, [entry().put(A, 1, &["a", "b", "c"]).hold(A, 1, 100, "again")]).await.unwrap();
    write(&*store, &mut image, [entry().hold(A, 2, 50, "b1")]).await.unwrap();
    write(&*store, &mut image, [entry().hold(A, 2, 60, "b2")]).await.unwrap();
    assert_eq!(messages(&*store, A).await, ["1 again @100", "2 b2 @60", "3 c"]);
    drop(store);
    let (store, mut image) = home.open().await;
    assert_eq!(image.actors[0].waiting, 3);
    assert_eq!(messages(&*store, A).await, ["1 again @100", "2 b2 @60", "3 c"]);
    write(&*store, &mut image, [entry().take(A, 2..4)]).await.unwrap();
    assert_eq!(messages(&*store, A).await, ["1 again @100"]);
    write(&*store, &mut image, [entry().take(A, 1..2)]).await.unwrap();
    assert_eq!(messages(&*store, A).await, [""; 0]);
}

pub async fn message_that_ends_in_its_group_leaves_its_number(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let entries = [
        entry().put(A, 1, &["a", "b", "c"]).put(B, 1, &["d"]),
        entry().take(A, 1..2).hold(A, 2, 5, "b"),
        entry().take(A, 2..3).take(B, 1..2),
    ];
    write(&*store, &mut image, entries).await.unwrap();
    assert_eq!(messages(&*store, A).await, ["3 c"]);
    drop(store);
    let (_, image) = home.open().await;
    let numbers: Vec<_> = image.actors.iter().map(|actor| (actor.last_number, actor.waiting)).collect();
    assert_eq!(numbers, [(3, 1), (1, 0)]);
}

pub async fn numbers_and_ids_are_never_given_again(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let more = entry().op(Op::Ids { below: 1 << 20 }).put(A, 7, &["a"]).take(A, 7..8).letter(4).gone(4);
    write(&*store, &mut image, [more]).await.unwrap();
    drop(store);
    let (_, image) = home.open().await;
    assert_eq!((image.free_id, image.last_letter, image.actors[0].last_number), (1 << 20, 4, 7));
}

pub async fn letters_come_in_order_and_in_pages(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    write(&*store, &mut image, [entry().letter(1).letter(2), entry().letter(3).letter(7)]).await.unwrap();
    write(&*store, &mut image, [entry().gone(2)]).await.unwrap();
    assert_eq!(store.letters(0, 2).await.unwrap(), [letter(1), letter(3)]);
    drop(store);
    let (store, _) = home.open().await;
    assert_eq!(store.letters(3, 10).await.unwrap(), [letter(7)]);
    assert_eq!(store.letters(7, 10).await.unwrap(), []);
}

pub async fn last_order_of_an_operator_counts(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let halted = |actor, halted| entry().op(Op::Halted { actor, halted });
    write(&*store, &mut image, [halted(A, true), halted(B, true), halted(B, false)]).await.unwrap();
    drop(store);
    let (_, image) = home.open().await;
    assert_eq!(image.actors.iter().map(|actor| actor.halted).collect::<Vec<_>>(), [Some(true), Some(false)]);
}

pub async fn mailboxes_are_apart(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    write(&*store, &mut image, [entry().put(A, 1, &["a"]).put(B, 1, &["b"])]).await.unwrap();
    write(&*store, &mut image, [entry().take(A, 1..2)]).await.unwrap();
    assert_eq!(messages(&*store, B).await, ["1 b"]);
    assert_eq!(messages(&*store, ActorId(9)).await, [""; 0], "an actor that was never born");
}

pub async fn large_messages_come_back_whole(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let bodies: Vec<_> = (0..5).map(|n| n.to_string().repeat(300_000)).collect();
    let bodies: Vec<_> = bodies.iter().map(String::as_str).collect();
    write(&*store, &mut image, [entry().put(A, 1, &bodies), entry().take(A, 2..3)]).await.unwrap();
    let read = store.messages(A, 1, usize::MAX).await.unwrap();
    assert_eq!(read.iter().map(|message| message.number).collect::<Vec<_>>(), [1, 3, 4, 5]);
    assert!(read.iter().all(|message| message.record == record(bodies[message.number as usize - 1])));
}

/// An entry that cannot be true, and why.
type Attempt = (&'static str, fn() -> Words);

pub async fn entry_that_cannot_be_true_ends_the_store(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let first = entry().put(A, 1, &["a", "b", "c"]).take(A, 1..2).letter(1).op(Op::Ids { below: 9 });
    write(&*store, &mut image, [first]).await.unwrap();
    drop(store);
    let impossible: [Attempt; 28] = [
        ("a message ends twice", || entry().take(A, 1..2)),
        ("a message that never came ends", || entry().take(A, 3..5)),
        ("a message is held after its end", || entry().hold(A, 1, 5, "a")),
        ("a number is given twice", || entry().put(A, 3, &["d"])),
        ("records and their count differ", || {
            let mut words = entry().put(A, 4, &["d"]);
            words = words.op(Op::Put { mailbox: A, first: 5, messages: 2, records: 0..65 });
            words
        }),
        ("an unknown mailbox", || entry().put(ActorId(9), 1, &["x"])),
        ("an actor is born twice", || entry().born(A, "/c")),
        ("two actors at one address", || entry().born(ActorId(3), "/a")),
        ("an actor goes that was never born", || entry().removed(ActorId(9))),
        ("an actor goes with messages", || entry().removed(A)),
        ("an actor goes twice", || entry().removed(B).removed(B)),
        ("a letter is written twice", || entry().letter(1)),
        ("a letter goes twice", || entry().gone(1).gone(1)),
        ("state of an unknown actor", || entry().set(ActorId(9), "k", "v")),
        ("a key that is too long", || entry().set(A, &"k".repeat(KEY_BYTES + 1), "v")),
        ("a key with a NUL", || entry().unset(A, "a\0b")),
        ("a timer ends that was never set", || entry().cancel(A, 1)),
        ("a timer ends twice", || entry().timer(A, timer(1, 1)).cancel(A, 1).cancel(A, 1)),
        ("a timer of an unknown actor", || entry().timer(ActorId(9), timer(1, 1))),
        ("a child of an unknown actor", || entry().spawned(C, "/d/c", child_of(ActorId(9), "p", ""))),
        ("a child at an address that is taken", || entry().spawned(C, "/b", child_of(A, "p", ""))),
        ("an actor of the plan leaves", || entry().leaves(A)),
        ("a child leaves twice", || entry().spawned(C, "/a/c", child_of(A, "p", "")).leaves(C).leaves(C)),
        ("a child goes twice", || entry().spawned(C, "/a/c", child_of(A, "p", "")).removed(C).removed(C)),
        ("a child goes before its messages", || {
            entry().spawned(C, "/a/c", child_of(A, "p", "")).put(C, 1, &["m"]).removed(C)
        }),
        ("a message for a child that is gone", || {
            entry().spawned(C, "/a/c", child_of(A, "p", "")).removed(C).put(C, 1, &["m"])
        }),
        ("ids go back", || entry().op(Op::Ids { below: 8 })),
        ("a source that is no text", || {
            let words = entry().put(A, 4, &["\u{e4}"]);
            words.op(Op::Origin { source: 65..66, position: 0..1, value: 0..1 })
        }),
    ];
    for (what, words) in impossible {
        let (store, mut image) = home.open().await;
        let refused = write(&*store, &mut image, [words()]).await;
        assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{what}: {refused:?}");
    }
    for (boots, first) in [(1, 0), (0, 1), (0, 2)] {
        let (store, image) = home.open().await;
        let group = JournalGroup { boot: image.boots + boots, first: image.last + first, entries: Vec::new() };
        let refused = store.write(Arc::new(group)).await;
        assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{boots} {first}: {refused:?}");
    }
}

async fn value(store: &impl Store, actor: ActorId, key: &str) -> Option<String> {
    let value = store.value(actor, key).await.unwrap();
    value.map(|value| String::from_utf8(value.value).unwrap())
}

pub async fn state_is_that_of_the_last_changes(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let entries = [
        entry().set(A, "sum", "1").set(A, "", "empty key").set(B, "sum", "9").set(A, "gone", "x"),
        entry().set(A, "sum", "22").unset(A, "gone").unset(A, "never"),
    ];
    write(&*store, &mut image, entries).await.unwrap();
    write(&*store, &mut image, [entry().unset(B, "sum").set(A, "new", "")]).await.unwrap();
    drop(store);
    for _ in 0..2 {
        let (store, image) = home.open().await;
        assert_eq!(value(&*store, A, "sum").await.as_deref(), Some("22"));
        assert_eq!(value(&*store, A, "").await.as_deref(), Some("empty key"));
        assert_eq!(value(&*store, A, "new").await.as_deref(), Some(""));
        assert_eq!(value(&*store, A, "gone").await, None);
        assert_eq!(value(&*store, B, "sum").await, None);
        assert_eq!(value(&*store, ActorId(9), "sum").await, None, "an actor that was never born");
        let of_a = StateSize { keys: 3, bytes: (3 + 2 + 64) + (9 + 64) + (3 + 64) };
        assert_eq!(image.actors.iter().map(|actor| actor.state).collect::<Vec<_>>(), [of_a, StateSize::default()]);
        assert_eq!(store.state_size(A).await.unwrap(), of_a);
        assert_eq!(store.state_size(ActorId(9)).await.unwrap(), StateSize::default());
    }
}

pub async fn keys_come_in_order_and_in_pages(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let keys = ["a", "b", "b/", "b/1", "b/2", "b0", "bé", "\u{10ffff}", "B", ""];
    let set = keys.iter().fold(entry(), |words, key| words.set(A, key, "v")).set(B, "b/3", "of another");
    write(&*store, &mut image, [set]).await.unwrap();
    let page = async |prefix, after, most| store.keys(A, prefix, after, most, at(0)).await.unwrap();
    assert_eq!(page("", None, 100).await, ["", "B", "a", "b", "b/", "b/1", "b/2", "b0", "bé", "\u{10ffff}"]);
    assert_eq!(page("", None, 2).await, ["", "B"]);
    assert_eq!(page("", Some("B"), 2).await, ["a", "b"]);
    assert_eq!(page("b/", None, 2).await, ["b/", "b/1"]);
    assert_eq!(page("b/", Some("b/1"), 2).await, ["b/2"]);
    assert_eq!(page("b/", Some("a"), 9).await, ["b/", "b/1", "b/2"], "after a text before the prefix");
    assert_eq!(page("b/", Some("c"), 9).await, [""; 0], "after a text behind the prefix");
    assert_eq!(page("\u{10ffff}", None, 9).await, ["\u{10ffff}"]);
    assert_eq!(page("", None, 0).await, [""; 0]);
}

pub async fn large_values_come_back_whole(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let large: Vec<_> = (0..4).map(|n| n.to_string().repeat(700_000)).collect();
    let set = |words: Words, n: usize| words.set(A, &format!("k{n}"), &large[n]);
    write(&*store, &mut image, [(0..4).fold(entry(), set)]).await.unwrap();
    write(&*store, &mut image, [entry().set(A, "k1", "small now")]).await.unwrap();
    drop(store);
    let (store, image) = home.open().await;
    assert_eq!(value(&*store, A, "k3").await.as_ref(), Some(&large[3]));
    assert_eq!(value(&*store, A, "k1").await.as_deref(), Some("small now"));
    assert_eq!(image.actors[0].state, StateSize { keys: 4, bytes: 3 * 700_000 + 9 + 4 * (2 + 64) });
}

pub async fn origins_are_those_of_the_last_changes(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let entries = [
        entry().put(A, 1, &["a"]).origin("/gate/s", "7", "x").origin("/gate/s", "10", "y").origin("/gate/t", "7", "z"),
        entry().origin("/gate/s", "7", "xx").origin_gone("/gate/s", "10").origin_gone("/gate/s", "never"),
        entry().origin("/gate/s", "", "of the empty position").origin("/gate/s", "71", ""),
    ];
    write(&*store, &mut image, entries).await.unwrap();
    write(&*store, &mut image, [entry().origin_gone("/gate/t", "7"), entry().origin("/gate/s", "10", "again")])
        .await
        .unwrap();
    write(&*store, &mut image, [entry().origin("/gate/s", "71", "more")]).await.unwrap();
    drop(store);
    for _ in 0..2 {
        let (store, _) = home.open().await;
        let all = ["=of the empty position", "10=again", "7=xx", "71=more"];
        assert_eq!(origins(&*store, "/gate/s", "", 9).await, all);
        assert_eq!(origins(&*store, "/gate/s", "", 2).await, all[..2]);
        assert_eq!(origins(&*store, "/gate/s", "7", 1).await, all[2..3], "from this one on");
        assert_eq!(origins(&*store, "/gate/s", "7\0", 9).await, all[3..]);
        assert_eq!(origins(&*store, "/gate/t", "", 9).await, [""; 0]);
        assert_eq!(origins(&*store, "/gate/never", "", 9).await, [""; 0]);
    }
}

pub async fn timers_come_back_as_they_were_set_last(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let entries = [
        entry().timer(A, timer(1, 10)).timer(A, timer(2, 20)).timer(B, timer(1, 30)).timer(A, timer(3, 40)),
        entry().timer(A, timer(2, 25)).cancel(A, 1).timer(A, timer(4, 50)).cancel(A, 4),
    ];
    write(&*store, &mut image, entries).await.unwrap();
    write(&*store, &mut image, [entry().timer(A, timer(3, 45)).timer(A, timer(6, 60))]).await.unwrap();
    drop(store);
    for _ in 0..2 {
        let (store, image) = home.open().await;
        assert_eq!(image.actors.iter().map(|actor| actor.timers).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(store.timers(A, 0, 9).await.unwrap(), [timer(2, 25), timer(3, 45), timer(6, 60)]);
        assert_eq!(store.timers(A, 2, 1).await.unwrap(), [timer(3, 45)]);
        assert_eq!(store.timers(A, 6, 9).await.unwrap(), []);
        assert_eq!(store.timers(B, 0, 9).await.unwrap(), [timer(1, 30)]);
        assert_eq!(store.timers(ActorId(9), 0, 9).await.unwrap(), [], "an actor that was never born");
    }
}

pub async fn ids_of_timers_are_never_given_again(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let chosen = FIRST_CHOSEN_TIMER + 3;
    let set = entry().timer(A, timer(9, 1)).timer(A, timer(chosen, 1)).timer(A, timer(2, 1)).cancel(A, 9);
    write(&*store, &mut image, [set, entry().cancel(A, chosen).cancel(A, 2)]).await.unwrap();
    drop(store);
    let (_, image) = home.open().await;
    let ids = TimerIds { given: 9, chosen };
    assert_eq!(
        (image.actors[0].timers, image.actors[0].timer_ids, image.actors[1].timer_ids),
        (0, ids, TimerIds::default())
    );
}

const C: ActorId = ActorId(3);

pub async fn child_comes_back_as_it_was_spawned(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let grandchild = ActorId(4);
    let entries = [
        entry().spawned(C, "/a/c", child_of(A, "worker", "red")).put(C, 1, &["x", "y"]),
        entry().spawned(grandchild, "/a/c/d", child_of(C, "worker", "\u{e4}")).set(C, "k", "v").timer(C, timer(1, 9)),
    ];
    write(&*store, &mut image, entries).await.unwrap();
    write(&*store, &mut image, [entry().take(C, 1..2).leaves(grandchild)]).await.unwrap();
    drop(store);
    for _ in 0..2 {
        let (store, image) = home.open().await;
        let child = &image.actors[2];
        assert_eq!((child.id, child.address.as_str(), child.leaves), (C, "/a/c", false));
        assert_eq!((child.last_number, child.waiting, child.timers, child.state.keys), (2, 1, 1, 1));
        assert_eq!(child.child.as_deref(), Some(&child_of(A, "worker", "red")));
        let below = &image.actors[3];
        assert_eq!(
            (below.id, below.child.as_deref(), below.leaves),
            (grandchild, Some(&child_of(C, "worker", "\u{e4}")), true)
        );
        assert_eq!((image.actors[0].child.as_deref(), image.actors[0].leaves), (None, false));
        assert_eq!(messages(&*store, C).await, ["2 y"]);
    }
}

pub async fn child_that_is_gone_leaves_nothing(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let spawned = || entry().spawned(C, "/a/c", child_of(A, "worker", "red"));
    let full = spawned().put(C, 1, &["x", "y"]).hold(C, 2, 9, "y").set(C, "k", "v").timer(C, timer(1, 9));
    write(&*store, &mut image, [full, entry().op(Op::Suspect { mailbox: C, number: 1, ends: 0, in_process: true })])
        .await
        .unwrap();
    let next = ActorId(4);
    // Its address is free in the entry itself.
    let gone = entry().leaves(C).take(C, 1..3).letter(1).removed(C).spawned(next, "/a/c", child_of(B, "other", "blue"));
    write(&*store, &mut image, [gone]).await.unwrap();
    drop(store);
    for _ in 0..2 {
        let (store, image) = home.open().await;
        let actors: Vec<_> = image.actors.iter().map(|actor| (actor.id, actor.child.as_deref().cloned())).collect();
        assert_eq!(actors, [(A, None), (B, None), (next, Some(child_of(B, "other", "blue")))]);
        assert_eq!((messages(&*store, C).await, image.suspects), (Vec::new(), Vec::new()));
        assert_eq!((value(&*store, C, "k").await, store.timers(C, 0, 9).await), (None, Ok(Vec::new())));
        assert_eq!(store.letters(0, 9).await.unwrap().len(), 1);
    }
}

pub async fn child_that_comes_and_goes_in_one_group_leaves_nothing(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let spawned = entry().spawned(C, "/a/c", child_of(A, "worker", "red")).put(C, 1, &["x"]).set(C, "k", "v");
    write(&*store, &mut image, [spawned, entry().take(C, 1..2), entry().leaves(C).removed(C)]).await.unwrap();
    drop(store);
    let (store, image) = home.open().await;
    assert_eq!(image.actors.iter().map(|actor| actor.id).collect::<Vec<_>>(), [A, B]);
    assert_eq!((messages(&*store, C).await, value(&*store, C, "k").await), (Vec::new(), None));
}

pub async fn suspects_stay_until_they_end(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let suspect = |mailbox, number, ends| entry().op(Op::Suspect { mailbox, number, ends, in_process: true });
    let counted = |mailbox, number, ends| entry().op(Op::Suspect { mailbox, number, ends, in_process: false });
    write(&*store, &mut image, [entry().put(A, 1, &["a", "b", "c", "d"]).put(B, 1, &["e"])]).await.unwrap();
    let noted = [suspect(A, 1, 0), suspect(A, 3, 2), suspect(A, 4, 0), suspect(B, 1, 1), entry().take(A, 1..2)];
    write(&*store, &mut image, noted).await.unwrap();
    write(&*store, &mut image, [entry().hold(A, 4, 7, "d"), suspect(A, 2, 0)]).await.unwrap();
    drop(store);
    let (store, mut image) = home.open().await;
    let of = |mailbox, number, ends, boot| StoredSuspect { mailbox, number, ends, boot };
    assert_eq!(image.suspects, [of(A, 2, 0, 1), of(A, 3, 2, 1), of(A, 4, 0, 0), of(B, 1, 1, 1)]);
    write(&*store, &mut image, [suspect(A, 4, 1), counted(A, 3, 3), entry().take(A, 2..3).take(B, 1..2)])
        .await
        .unwrap();
    drop(store);
    assert_eq!(home.open().await.1.suspects, [of(A, 3, 3, 0), of(A, 4, 1, 2)]);
    let (store, mut image) = home.open().await;
    let refused = write(&*store, &mut image, [suspect(A, 1, 0)]).await;
    assert!(matches!(refused, Err(StoreError::Damaged { .. })), "it has ended: {refused:?}");
}

pub async fn run_that_did_not_end_in_order_is_unclean(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    assert!(!image.is_unclean, "there was no run");
    write(&*store, &mut image, [entry().op(Op::Ended)]).await.unwrap();
    drop(store);
    let (store, image) = home.open().await;
    assert!(!image.is_unclean);
    drop(store);
    let (store, mut image) = home.open().await;
    assert!(image.is_unclean, "it wrote nothing, and did not end in order");
    write(&*store, &mut image, [entry().put(A, 1, &["a"])]).await.unwrap();
    drop(store);
    assert!(home.open().await.1.is_unclean);
}
