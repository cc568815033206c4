//! Stores of each format that a version wrote, opened by this version. `formats/N.sql` is a store of format N.

#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use playhouse_kernel::{ActorId, JournalEntry, JournalGroup, Lifetime, Op, Store, StoreError, StoredValue};
use playhouse_store::{Inspection, Migrated, SqliteStore, StoreSettings, restore};
use rusqlite::Connection;

const FORMAT_1: &str = include_str!("formats/1.sql");
const FORMAT_2: &str = include_str!("formats/2.sql");
const A: ActorId = ActorId(1);

/// A database of an older format.
fn database(place: &Path, statements: &str) {
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    Connection::open(place).unwrap().execute_batch(statements).unwrap();
}

/// The actors of a store: id, messages that wait, and the bytes of those that are not held.
async fn actors(store: &SqliteStore) -> Result<Vec<(u64, u64, u64)>, StoreError> {
    let image = store.open().await?;
    Ok(image.actors.iter().map(|actor| (actor.id.0, actor.waiting, actor.bytes)).collect())
}

#[tokio::test]
async fn store_of_format_1_is_migrated_with_all_that_it_has() {
    let home = tempfile::tempdir().unwrap();
    let settings = StoreSettings::new(&home.path().join("store"));
    database(&settings.path.join("store.db"), FORMAT_1);
    let store = SqliteStore::new(settings.clone());
    let bytes_of_a = 5 * 64 + "onetwothreefourfive".len() as u64;
    assert_eq!(actors(&store).await, Ok(vec![(1, 4, bytes_of_a), (2, 1, 64 + 5), (3, 0, 0)]));
    let copy = settings.path.join("store.db.v1");
    assert_eq!(store.migrated(), Some(&Migrated { from: 1, to: 3, copy: copy.clone() }));
    let messages = store.messages(A, 1, usize::MAX).await.unwrap();
    let bodies: Vec<_> = messages.iter().map(|message| std::str::from_utf8(&message.record[64..]).unwrap()).collect();
    assert_eq!(bodies, ["two", "three", "four", "five"]);
    assert_eq!(store.value(A, "sum").await.unwrap().unwrap().value, b"42");
    assert_eq!(store.timers(A, 0, 10).await.unwrap().len(), 1);
    drop(store);
    let checked = Inspection::open(&settings.path).unwrap().check().unwrap();
    assert_eq!((checked.damages, checked.messages, checked.keys, checked.timers), (Vec::<String>::new(), 5, 1, 1));
    let format: u32 = Connection::open(copy).unwrap().query_row("pragma user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(format, 1, "the copy is as the store was");
}

#[tokio::test]
async fn store_of_format_1_from_before_children_is_migrated() {
    let home = tempfile::tempdir().unwrap();
    let settings = StoreSettings::new(&home.path().join("store"));
    let before = format!("{FORMAT_1} drop table child; drop table child_count;");
    database(&settings.path.join("store.db"), &before);
    assert_eq!(actors(&SqliteStore::new(settings.clone())).await.map(|actors| actors.len()), Ok(3));
    assert_eq!(Inspection::open(&settings.path).unwrap().check().unwrap().damages, Vec::<String>::new());
}

#[tokio::test]
async fn damaged_row_of_format_1_is_refused() {
    for change in ["waiting = 5", "taken_later = x''", "timers_given = 8", "suspects = 0", "address = '/x'"] {
        let home = tempfile::tempdir().unwrap();
        let settings = StoreSettings::new(&home.path().join("store"));
        database(&settings.path.join("store.db"), &format!("{FORMAT_1} update actor set {change} where id = 1;"));
        let refused = actors(&SqliteStore::new(settings)).await;
        let at = "the row of actor 1 in table `actor`".to_owned();
        assert_eq!(refused, Err(StoreError::Damaged { at }), "{change}");
    }
}

#[tokio::test]
async fn store_of_format_2_is_migrated_with_all_that_it_has() {
    let home = tempfile::tempdir().unwrap();
    let settings = StoreSettings::new(&home.path().join("store"));
    database(&settings.path.join("store.db"), FORMAT_2);
    let store = SqliteStore::new(settings.clone());
    let mut image = store.open().await.unwrap();
    let copy = settings.path.join("store.db.v2");
    assert_eq!(store.migrated(), Some(&Migrated { from: 2, to: 3, copy: copy.clone() }));
    assert_eq!(image.actors.iter().map(|actor| actor.waiting).collect::<Vec<_>>(), [4, 1, 0]);
    let value = |text: &str, lifetime| Some(StoredValue { value: text.into(), lifetime });
    assert_eq!(store.value(A, "sum").await.unwrap(), value("42", None));
    assert_eq!(store.expiring(10).await.unwrap(), [], "values stay");
    let lifetime = Lifetime::since(UNIX_EPOCH, Duration::from_secs(7));
    let set = Op::Set { actor: A, key: 0..3, value: 3..5, lifetime: Some(Box::new(lifetime)) };
    let entry = JournalEntry { ops: vec![set], bytes: b"sum43".to_vec(), ..JournalEntry::default() };
    image.last += 1;
    store.write(Arc::new(JournalGroup { boot: image.boots, first: image.last, entries: vec![entry] })).await.unwrap();
    drop(store);
    let store = SqliteStore::new(settings.clone());
    store.open().await.unwrap();
    assert_eq!((store.value(A, "sum").await.unwrap(), store.migrated()), (value("43", Some(lifetime)), None));
    drop(store);
    let checked = Inspection::open(&settings.path).unwrap().check().unwrap();
    assert_eq!((checked.damages, checked.keys), (Vec::<String>::new(), 1));
    let format: u32 = Connection::open(copy).unwrap().query_row("pragma user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(format, 2, "the copy is as the store was");
}

#[tokio::test]
async fn damaged_value_of_format_2_is_refused() {
    for change in ["value = x'3433'", "ends_ns = 1, lifetime_ns = 1", "ends_ns = 1"] {
        let home = tempfile::tempdir().unwrap();
        let settings = StoreSettings::new(&home.path().join("store"));
        database(&settings.path.join("store.db"), FORMAT_2);
        SqliteStore::new(settings.clone()).open().await.unwrap();
        let place = settings.path.join("store.db");
        Connection::open(place).unwrap().execute_batch(&format!("update state set {change}")).unwrap();
        let store = SqliteStore::new(settings.clone());
        let mut image = store.open().await.unwrap();
        let at = "the value of `sum` of actor 1 in table `state`".to_owned();
        let refused = Err(StoreError::Damaged { at });
        assert_eq!(store.value(A, "sum").await, refused.clone().map(|()| None), "{change}");
        // A wrong time removes no value.
        let expire = Op::Expire { actor: A, key: 0..3, by: UNIX_EPOCH + Duration::from_secs(7) };
        let entry = JournalEntry { ops: vec![expire], bytes: b"sum".to_vec(), ..JournalEntry::default() };
        image.last += 1;
        let group = JournalGroup { boot: image.boots, first: image.last, entries: vec![entry] };
        assert_eq!(store.write(Arc::new(group)).await, refused, "{change}");
        drop(store);
        let damages = Inspection::open(&settings.path).unwrap().check().unwrap().damages;
        assert_eq!(damages.len(), 1, "{change}: {damages:?}");
    }
}

#[tokio::test]
async fn backup_of_format_1_is_restored() {
    let home = tempfile::tempdir().unwrap();
    let (backup, settings) = (home.path().join("backup"), StoreSettings::new(&home.path().join("store")));
    database(&backup, FORMAT_1);
    restore(&settings.path, &backup, false).unwrap();
    let store = SqliteStore::new(settings);
    assert_eq!(actors(&store).await.unwrap().len(), 3);
    assert_eq!(store.migrated(), None, "it was migrated before");
}
