//! Rules about messages, dead letters and suspects.

use playhouse_kernel::{ActorId, Op, Store, StoreError, StoredSuspect};

use crate::home::Home;
use crate::two::with_two;
use crate::words::{A, B, entry, letter, messages, record, shown, write};

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
