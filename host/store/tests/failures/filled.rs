//! A store with messages, dead letters and a state, and everything that can be read from it.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use playhouse_kernel::{ActorId, Address, Image, JournalEntry, JournalGroup, Op, Store, StoreError, StoredLetter};
use playhouse_store::{SqliteStore, StoreSettings};
use tempfile::TempDir;

pub(crate) const A: ActorId = ActorId(1);

pub(crate) fn folder() -> (TempDir, StoreSettings) {
    let home = tempfile::tempdir().unwrap();
    let settings = StoreSettings::new(&home.path().join("store"));
    (home, settings)
}

pub(crate) fn database(settings: &StoreSettings) -> PathBuf {
    settings.path.join("store.db")
}

pub(crate) async fn open(settings: &StoreSettings) -> (SqliteStore, Image) {
    let store = SqliteStore::new(settings.clone());
    let image = store.open().await.unwrap();
    (store, image)
}

pub(crate) async fn write(store: &SqliteStore, image: &mut Image, entry: JournalEntry) -> Result<(), StoreError> {
    let group = JournalGroup { boot: image.boots, first: image.last + 1, entries: vec![entry] };
    store.write(Arc::new(group)).await.inspect(|()| image.last += 1)
}

pub(crate) fn record(body: &[u8]) -> Vec<u8> {
    let mut record = vec![0; 64];
    record[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    record.extend_from_slice(body);
    record
}

pub(crate) fn born() -> JournalEntry {
    let address = Address::parse("/a").unwrap();
    JournalEntry { ops: vec![Op::Born { actor: A, address }], ..JournalEntry::default() }
}

pub(crate) fn put(number: u64, body: &[u8]) -> JournalEntry {
    let bytes = record(body);
    let put = Op::Put { mailbox: A, first: number, messages: 1, records: 0..bytes.len() };
    JournalEntry { ops: vec![put], bytes, ..JournalEntry::default() }
}

pub(crate) fn take(numbers: Range<u64>) -> JournalEntry {
    JournalEntry { ops: vec![Op::Take { mailbox: A, numbers }], ..JournalEntry::default() }
}

/// Messages in order, a held one and dead letters.
pub(crate) async fn filled(settings: &StoreSettings) {
    let (store, mut image) = open(settings).await;
    write(&store, &mut image, born()).await.unwrap();
    for number in 1..40 {
        write(&store, &mut image, put(number, format!("body {number}").repeat(40).as_bytes())).await.unwrap();
    }
    let bytes = record(b"again");
    let hold = Op::Hold { mailbox: A, number: 3, due: UNIX_EPOCH, record: 0..bytes.len() };
    let letters = (1..5).map(|number| {
        let to = Address::parse("/a").unwrap();
        let record = record(&[b'l'; 300]);
        let (kind, why) = ("rejected".to_owned(), "never".to_owned());
        let at = UNIX_EPOCH;
        Op::Letter(Box::new(StoredLetter { number, copy: 1, record, to, owner: A, sender: None, kind, why, at }))
    });
    let ops = [hold].into_iter().chain(letters).collect();
    write(&store, &mut image, JournalEntry { ops, bytes, ..JournalEntry::default() }).await.unwrap();
    write(&store, &mut image, take(1..2)).await.unwrap();
}

/// A state of twenty keys.
pub(crate) async fn filled_with_state(settings: &StoreSettings) {
    let (store, mut image) = open(settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let (mut ops, mut bytes) = (Vec::new(), Vec::new());
    for n in 0..20 {
        let key = bytes.len()..bytes.len() + 3;
        bytes.extend_from_slice(format!("k{n:02}").as_bytes());
        let value = bytes.len()..bytes.len() + 300;
        bytes.extend_from_slice(&[b'v'; 300]);
        ops.push(Op::Set { actor: A, key, value, lifetime: None });
    }
    write(&store, &mut image, JournalEntry { ops, bytes, ..JournalEntry::default() }).await.unwrap();
}

/// Everything that can be read from a store, but for its runs, or the first error.
pub(crate) async fn read(settings: &StoreSettings) -> Result<String, StoreError> {
    let store = SqliteStore::new(settings.clone());
    let mut image = store.open().await?;
    (image.boots, image.is_unclean) = (0, false);
    let messages = store.messages(A, 0, usize::MAX).await?;
    let letters = store.letters(0, 100).await?;
    Ok(format!("{image:?} {messages:?} {letters:?}"))
}

/// The whole state, or the first error.
pub(crate) async fn read_state(settings: &StoreSettings) -> Result<usize, StoreError> {
    let store = SqliteStore::new(settings.clone());
    store.open().await?;
    let mut bytes = 0;
    for key in store.keys(A, "", None, 1000, UNIX_EPOCH).await? {
        bytes += store.value(A, &key).await?.map_or(0, |value| value.value.len());
    }
    Ok(bytes)
}

pub(crate) async fn read_open(store: &SqliteStore) -> String {
    let (messages, letters) = (store.messages(A, 0, usize::MAX).await, store.letters(0, 100).await);
    format!("{messages:?} {letters:?}")
}

pub(crate) fn sql(settings: &StoreSettings, statement: &str) {
    rusqlite::Connection::open(database(settings)).unwrap().execute_batch(statement).unwrap();
}

pub(crate) async fn refusal(settings: &StoreSettings) -> String {
    read(settings).await.unwrap_err().to_string()
}
