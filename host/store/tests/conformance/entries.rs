//! Entries that cannot be true.

use std::sync::Arc;

use playhouse_kernel::{ActorId, JournalGroup, KEY_BYTES, Op, Store, StoreError};

use crate::home::Home;
use crate::two::with_two;
use crate::words::{A, B, C, Words, child_of, entry, timer, write};

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
