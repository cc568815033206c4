//! The size of a store's pages.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use playhouse_kernel::{ActorId, Address, Image, JournalEntry, JournalGroup, Op, Store, StoreError};
use playhouse_store::{Inspection, SqliteStore, StoreSettings};
use rusqlite::Connection;

const A: ActorId = ActorId(1);
const SIZE: u64 = 8 << 20;

fn page_bytes(settings: &StoreSettings) -> u32 {
    let db = Connection::open(settings.path.join("store.db")).unwrap();
    db.query_row("pragma page_size", [], |row| row.get(0)).unwrap()
}

async fn write(store: &SqliteStore, image: &mut Image, op: Op, bytes: Vec<u8>) -> Result<(), StoreError> {
    let entries = vec![JournalEntry { ops: vec![op], bytes, ..JournalEntry::default() }];
    let group = JournalGroup { boot: image.boots, first: image.last + 1, entries };
    store.write(Arc::new(group)).await.inspect(|()| image.last += 1)
}

/// Writes messages of 10 kB until the store is full. Returns how many.
async fn fill(settings: &StoreSettings) -> u64 {
    let store = SqliteStore::new(settings.clone());
    let mut image = store.open().await.unwrap();
    if image.actors.is_empty() {
        let born = Op::Born { actor: A, address: Address::parse("/a").unwrap() };
        write(&store, &mut image, born, Vec::new()).await.unwrap();
    }
    let mut record = vec![0; 64 + 10_000];
    record[..4].copy_from_slice(&10_000_u32.to_le_bytes());
    for number in 1.. {
        let put = Op::Put { mailbox: A, first: number, messages: 1, records: 0..record.len() };
        match write(&store, &mut image, put, record.clone()).await {
            Ok(()) => {}
            Err(StoreError::Full(_)) => return number - 1,
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("a store of some size is full at some time")
}

#[tokio::test]
async fn new_store_has_small_pages_if_the_settings_say_so() {
    let home = tempfile::tempdir().unwrap();
    for small_pages in [false, true] {
        let path = home.path().join(small_pages.to_string());
        let settings = StoreSettings { small_pages, size_bytes: Some(SIZE), ..StoreSettings::new(&path) };
        let messages = fill(&settings).await;
        assert_eq!(page_bytes(&settings), if small_pages { 1024 } else { 4096 });
        assert!((700..838).contains(&messages), "{messages} messages of 10 kB fit into 8 MiB");
        let bytes = std::fs::metadata(path.join("store.db")).unwrap().len();
        assert!(bytes <= SIZE, "{bytes}");
    }
}

#[tokio::test]
async fn size_has_the_pages_that_only_the_log_has() {
    let home = tempfile::tempdir().unwrap();
    let settings = StoreSettings::new(&home.path().join("store"));
    let store = SqliteStore::new(settings.clone());
    let mut image = store.open().await.unwrap();
    let born = Op::Born { actor: A, address: Address::parse("/a").unwrap() };
    write(&store, &mut image, born, Vec::new()).await.unwrap();
    let mut record = vec![0; 64 + 100_000];
    record[..4].copy_from_slice(&100_000_u32.to_le_bytes());
    let put = Op::Put { mailbox: A, first: 1, messages: 1, records: 0..record.len() };
    write(&store, &mut image, put, record).await.unwrap();
    write(&store, &mut image, Op::Take { mailbox: A, numbers: 1..2 }, Vec::new()).await.unwrap();
    let facts = Inspection::open(&settings.path).unwrap().facts().unwrap();
    assert!(facts.free_bytes >= 90_000 && facts.bytes > facts.free_bytes, "{facts:?}");
    assert!(std::fs::metadata(settings.path.join("store.db")).unwrap().len() < 90_000, "the others are in the log");
}

#[tokio::test]
async fn older_store_keeps_its_pages() {
    let home = tempfile::tempdir().unwrap();
    let large = StoreSettings::new(&home.path().join("store"));
    drop(SqliteStore::new(large.clone()).open().await.unwrap());
    let small = StoreSettings { small_pages: true, size_bytes: Some(SIZE), ..large.clone() };
    assert!((700..838).contains(&fill(&small).await));
    assert_eq!(page_bytes(&small), 4096);
}
