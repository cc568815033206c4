//! Rules about states, timers and positions of sources.

use playhouse_kernel::{ActorId, FIRST_CHOSEN_TIMER, StateSize, Store, TimerIds};

use crate::home::Home;
use crate::two::with_two;
use crate::words::{A, B, Words, at, entry, origins, timer, value, write};

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
