//! Rows and bits that were changed: a host that reads them names the place.

use std::time::{Duration, UNIX_EPOCH};

use playhouse_kernel::{Address, JournalEntry, Op, Store, StoreError, StoredTimer};
use playhouse_store::{Inspection, SqliteStore, StoreSettings};

use crate::filled::{
    A, database, filled, filled_with_state, folder, open, read, read_state, record, refusal, sql, write,
};

#[tokio::test]
async fn changed_rows_are_found_with_their_place() {
    let changes = [
        (
            "update frame set records = zeroblob(length(records)) where first = 7",
            "message 7 of actor 1 in table `frame`",
        ),
        ("delete from frame where first = 20", "message 20 of actor 1 in table `frame`"),
        ("delete from frame where first = 39", "message 39 of actor 1 in table `frame`"),
        ("update frame set first = 100 where first = 39", "message 100 of actor 1 in table `frame`"),
        ("update held set due_ns = due_ns + 1", "held message 3 of actor 1"),
        ("delete from held", "the held messages of actor 1 in table `held`"),
        ("update actor set last_number = 50", "the row of actor 1 in table `actor`"),
        ("update actor set taken_later = x'01'", "the row of actor 1 in table `actor`"),
        ("update actor set frame_bytes = 65", "the row of actor 1 in table `actor`"),
        ("update letter set why = 'no' where number = 2", "dead letter 2"),
        ("delete from letter where number = 4", "table `letter`, which has 3 rows of 4"),
        ("update store set free_id = 77", "table `store`"),
        ("delete from store", "table `store`"),
    ];
    for (change, place) in changes {
        let (_home, settings) = folder();
        filled(&settings).await;
        sql(&settings, change);
        assert_eq!(refusal(&settings).await, format!("the store is damaged at {place}: restore a backup"), "{change}");
    }
}

/// Bits all over the file. Everything that is read is as it was written, or nothing is read.
#[tokio::test]
async fn flipped_bits_are_found_or_change_nothing() {
    let (home, settings) = folder();
    filled(&settings).await;
    let (expected, bytes) = (read(&settings).await.unwrap(), std::fs::read(database(&settings)).unwrap());
    let (mut found, mut same) = (0, 0);
    let flipped = StoreSettings::new(&home.path().join("flipped"));
    for at in (0..bytes.len()).step_by(499) {
        let _ = std::fs::remove_dir_all(&flipped.path);
        std::fs::create_dir(&flipped.path).unwrap();
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(database(&flipped), bytes).unwrap();
        match read(&flipped).await {
            Ok(read) => {
                assert_eq!(read, expected, "byte {at}");
                same += 1;
            }
            Err(StoreError::Damaged { .. } | StoreError::Failed(_) | StoreError::Newer { .. }) => found += 1,
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    assert!(found > 20 && same > 2, "{found} found, {same} the same");
}

#[tokio::test]
async fn changed_rows_of_a_state_are_found_with_their_place() {
    let changes = [
        ("update state set value = zeroblob(300) where key = 'k07'", "the value of `k07` of actor 1 in table `state`"),
        ("update state set key = 'k99' where key = 'k07'", "the value of `k99` of actor 1 in table `state`"),
        ("update state set actor = 9 where key = 'k07'", "the keys of actor 1 in table `state`"),
        ("delete from state where key = 'k07'", "the keys of actor 1 in table `state`"),
        ("update actor set state_keys = 19", "the row of actor 1 in table `actor`"),
    ];
    for (change, place) in changes {
        let (_home, settings) = folder();
        filled_with_state(&settings).await;
        assert_eq!(read_state(&settings).await, Ok(6000));
        sql(&settings, change);
        let refused = read_state(&settings).await.unwrap_err().to_string();
        assert_eq!(refused, format!("the store is damaged at {place}: restore a backup"), "{change}");
    }
}

#[tokio::test]
async fn damaged_positions_of_sources_are_found_with_their_place() {
    let changes = [
        ("update origin set value = x'00' where id = 2", "a position of `/gate/s` in table `origin`", 1),
        ("update origin set position = x'00' where id = 1", "a position of `/gate/s` in table `origin`", 1),
        ("delete from origin where id = 3", "table `origin`, which has 2 rows of 3", 0),
        ("update origin_count set origins = 4", "table `origin_count`", 0),
        ("delete from origin_count", "table `origin_count`", 0),
    ];
    for (change, place, rows) in changes {
        let (_home, settings) = folder();
        filled(&settings).await;
        let (store, mut image) = open(&settings).await;
        let (bytes, source) = (b"/gate/s123".to_vec(), 0..7);
        let origin = |at: usize| Op::Origin { source: source.clone(), position: at..at + 1, value: 7..10 };
        let ops = (7..10).map(origin).collect();
        write(&store, &mut image, JournalEntry { ops, bytes, ..JournalEntry::default() }).await.unwrap();
        drop(store);
        sql(&settings, change);
        let opened = SqliteStore::new(settings.clone());
        let refused = match opened.open().await {
            Ok(_) => opened.origins("/gate/s", &[], 9).await.unwrap_err(),
            Err(error) => error,
        };
        drop(opened);
        assert_eq!(refused.to_string(), format!("the store is damaged at {place}: restore a backup"), "{change}");
        let damages = Inspection::open(&settings.path).unwrap().check().unwrap().damages;
        let expected =
            place.replace(" in table", &format!(", in row {} of table", if change.contains("= 2") { 2 } else { 1 }));
        assert_eq!(damages, [if rows > 0 { expected } else { place.to_owned() }], "{change}");
    }
}

#[tokio::test]
async fn damaged_timers_and_suspects_are_found_with_their_place() {
    let strange = [
        "message 5 of actor 9 in table `suspect`",
        "table `suspect`, which has 1 rows of 2 for `/a`",
        "the rows of table `suspect` for actor 9, of which there is no sound row",
    ];
    let changes = [
        (
            "update suspect set ends = 9 where number = 5",
            "message 5 of actor 1 in table `suspect`",
            &["message 5 of `/a` in table `suspect`"][..],
        ),
        ("delete from suspect where number = 5", "the suspects of actor 1 in table `suspect`", &strange[1..2]),
        ("update suspect set mailbox = 9 where number = 5", strange[0], &strange[..]),
        (
            "update timer set due_ns = 0 where id = 2",
            "timer 2 of actor 1 in table `timer`",
            &["timer 2 of `/a`, in row 2 of table `timer`"],
        ),
        (
            "delete from timer where id = 1",
            "the timers of actor 1 in table `timer`",
            &["table `timer`, which has 1 rows of 2 for `/a`"],
        ),
    ];
    let timer = |id| {
        let (to, wait) = (Address::parse("/a").unwrap(), Duration::from_secs(1));
        let timer = StoredTimer { id, due: UNIX_EPOCH + wait, wait, again: false, to, record: record(b"due") };
        Op::Timer { actor: A, timer: Box::new(timer) }
    };
    for (change, place, damages) in changes {
        let (_home, settings) = folder();
        filled(&settings).await;
        let (store, mut image) = open(&settings).await;
        let suspect = |number| Op::Suspect { mailbox: A, number, ends: 0, in_process: true };
        let ops = vec![timer(1), timer(2), suspect(5), suspect(6)];
        write(&store, &mut image, JournalEntry { ops, ..JournalEntry::default() }).await.unwrap();
        drop(store);
        let checked = Inspection::open(&settings.path).unwrap().check().unwrap();
        assert_eq!((checked.damages.len(), checked.timers), (0, 2));
        sql(&settings, change);
        let opened = SqliteStore::new(settings.clone());
        let refused = match opened.open().await {
            Ok(_) => opened.timers(A, 0, 9).await.unwrap_err(),
            Err(error) => error,
        };
        drop(opened);
        assert_eq!(refused.to_string(), format!("the store is damaged at {place}: restore a backup"), "{change}");
        assert_eq!(Inspection::open(&settings.path).unwrap().check().unwrap().damages, damages, "{change}");
    }
}
