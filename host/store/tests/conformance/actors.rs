//! Rules about starts, actors and children.

use playhouse_kernel::{ActorId, Image, Op, StateSize, Store, StoredActor, StoredValue};

use crate::home::Home;
use crate::two::{actor, with_two};
use crate::words::{A, B, C, addr, child_of, entry, messages, timer, value, write};

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

pub async fn actor_is_read_with_a_small_state(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let large = "v".repeat(4096);
    let few = (0..8).fold(entry(), |entry, n| entry.set(A, &format!("k{n}"), "v")).set(B, "k", &large);
    write(&*store, &mut image, [few]).await.unwrap();
    let keys = async |address: &str| {
        let actor = store.actor(&addr(address)).await.unwrap().unwrap();
        actor.values.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys("/a").await, ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"]);
    assert_eq!(keys("/b").await, [""; 0], "one large value");
    write(&*store, &mut image, [entry().set(A, "k8", "v").set(B, "k", "v")]).await.unwrap();
    assert_eq!((keys("/a").await.len(), keys("/b").await), (0, vec!["k".to_owned()]), "too many keys");
}

pub async fn actor_is_found_by_its_address_until_it_is_gone(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let entries = [entry().put(A, 1, &["one", "two"]).set(A, "k", "v").set(B, "k", "v"), entry().take(A, 1..2)];
    write(&*store, &mut image, entries).await.unwrap();
    let state = StateSize { keys: 1, bytes: 66 };
    let values = vec![("k".to_owned(), StoredValue { value: b"v".to_vec(), lifetime: None })];
    let a = StoredActor { last_number: 2, waiting: 1, bytes: 67, state, values, ..actor(A, "/a") };
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

pub async fn numbers_and_ids_are_never_given_again(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let more = entry().op(Op::Ids { below: 1 << 20 }).put(A, 7, &["a"]).take(A, 7..8).letter(4).gone(4);
    write(&*store, &mut image, [more]).await.unwrap();
    drop(store);
    let (_, image) = home.open().await;
    assert_eq!((image.free_id, image.last_letter, image.actors[0].last_number), (1 << 20, 4, 7));
}

pub async fn last_order_of_an_operator_counts(home: impl Home) {
    let (store, mut image) = with_two(&home).await;
    let halted = |actor, halted| entry().op(Op::Halted { actor, halted });
    write(&*store, &mut image, [halted(A, true), halted(B, true), halted(B, false)]).await.unwrap();
    drop(store);
    let (_, image) = home.open().await;
    assert_eq!(image.actors.iter().map(|actor| actor.halted).collect::<Vec<_>>(), [Some(true), Some(false)]);
}

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
