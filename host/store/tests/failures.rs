//! Everything that may be wrong with the folder, the file or the disk of a store.

#![allow(missing_docs, clippy::unwrap_used)]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use playhouse_kernel::{ActorId, Address, Image, JournalEntry, JournalGroup, Op, Store, StoreError, StoredLetter};
use playhouse_store::{Inspection, SqliteStore, StoreSettings, Survives, change_state, compact, restore};
use tempfile::TempDir;

const A: ActorId = ActorId(1);

fn folder() -> (TempDir, StoreSettings) {
    let home = tempfile::tempdir().unwrap();
    let settings = StoreSettings::new(&home.path().join("store"));
    (home, settings)
}

fn database(settings: &StoreSettings) -> PathBuf {
    settings.path.join("store.db")
}

async fn open(settings: &StoreSettings) -> (SqliteStore, Image) {
    let store = SqliteStore::new(settings.clone());
    let image = store.open().await.unwrap();
    (store, image)
}

async fn write(store: &SqliteStore, image: &mut Image, entry: JournalEntry) -> Result<(), StoreError> {
    let group = JournalGroup { boot: image.boots, first: image.last + 1, entries: vec![entry] };
    store.write(Arc::new(group)).await.inspect(|()| image.last += 1)
}

fn record(body: &[u8]) -> Vec<u8> {
    let mut record = vec![0; 64];
    record[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    record.extend_from_slice(body);
    record
}

fn born() -> JournalEntry {
    let address = Address::parse("/a").unwrap();
    JournalEntry { ops: vec![Op::Born { actor: A, address }], ..JournalEntry::default() }
}

fn put(number: u64, body: &[u8]) -> JournalEntry {
    let bytes = record(body);
    let put = Op::Put { mailbox: A, first: number, messages: 1, records: 0..bytes.len() };
    JournalEntry { ops: vec![put], bytes, ..JournalEntry::default() }
}

fn take(numbers: Range<u64>) -> JournalEntry {
    JournalEntry { ops: vec![Op::Take { mailbox: A, numbers }], ..JournalEntry::default() }
}

/// Messages in order, a held one and dead letters.
async fn filled(settings: &StoreSettings) {
    let (store, mut image) = open(settings).await;
    write(&store, &mut image, born()).await.unwrap();
    for number in 1..40 {
        write(&store, &mut image, put(number, format!("body {number}").repeat(40).as_bytes())).await.unwrap();
    }
    let bytes = record(b"again");
    let hold = Op::Hold { mailbox: A, number: 3, due: std::time::UNIX_EPOCH, record: 0..bytes.len() };
    let letters = (1..5).map(|number| {
        let to = Address::parse("/a").unwrap();
        let record = record(&[b'l'; 300]);
        let (kind, why) = ("rejected".to_owned(), "never".to_owned());
        let at = std::time::UNIX_EPOCH;
        Op::Letter(Box::new(StoredLetter { number, copy: 1, record, to, owner: A, sender: None, kind, why, at }))
    });
    let ops = [hold].into_iter().chain(letters).collect();
    write(&store, &mut image, JournalEntry { ops, bytes, ..JournalEntry::default() }).await.unwrap();
    write(&store, &mut image, take(1..2)).await.unwrap();
}

/// Everything that can be read from a store, or the first error.
async fn read(settings: &StoreSettings) -> Result<String, StoreError> {
    let store = SqliteStore::new(settings.clone());
    let mut image = store.open().await?;
    image.boots = 0;
    let messages = store.messages(A, 0, usize::MAX).await?;
    let letters = store.letters(0, 100).await?;
    Ok(format!("{image:?} {messages:?} {letters:?}"))
}

fn sql(settings: &StoreSettings, statement: &str) {
    rusqlite::Connection::open(database(settings)).unwrap().execute_batch(statement).unwrap();
}

async fn refusal(settings: &StoreSettings) -> String {
    read(settings).await.unwrap_err().to_string()
}

#[tokio::test]
async fn second_host_is_refused() {
    let (_home, settings) = folder();
    let (first, _) = open(&settings).await;
    let process = std::process::id();
    assert_eq!(
        refusal(&settings).await,
        format!("the store is in use by process {process}: stop that host first, or use another store")
    );
    drop(first);
    assert!(read(&settings).await.is_ok());
}

#[tokio::test]
async fn newer_format_is_refused() {
    let (_home, settings) = folder();
    filled(&settings).await;
    sql(&settings, "pragma user_version = 9");
    assert_eq!(
        refusal(&settings).await,
        "the store has format 9, which is newer than this host: use the version that wrote it"
    );
}

#[tokio::test]
async fn database_of_another_program_is_refused() {
    let (_home, settings) = folder();
    std::fs::create_dir(&settings.path).unwrap();
    sql(&settings, "create table theirs(a)");
    assert!(refusal(&settings).await.contains("is a database of another program: use another folder"));
}

#[tokio::test]
async fn file_that_is_no_database_is_refused() {
    let (_home, settings) = folder();
    std::fs::create_dir(&settings.path).unwrap();
    std::fs::write(database(&settings), [7; 5000]).unwrap();
    assert!(refusal(&settings).await.starts_with("the store is damaged at the database `store.db`"));
}

#[tokio::test]
async fn path_that_is_no_folder_is_refused() {
    let (home, _) = folder();
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = refusal(&StoreSettings::new(&file.join("store"))).await;
    assert!(refused.starts_with("the store failed: no folder `"), "{refused}");
}

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
async fn full_store_keeps_nothing_of_its_group_and_goes_on() {
    let (_home, mut settings) = folder();
    settings.size_bytes = Some(256 << 10);
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let body = vec![b'x'; 20_000];
    let mut number = 0;
    let refused = loop {
        match write(&store, &mut image, put(number + 1, &body)).await {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.to_string(), "the store is full: the disk, or `size` of `[play.store]`, has no space left");
    assert!(number > 3, "{number}");
    let waiting = async || store.messages(A, 0, usize::MAX).await.unwrap().len() as u64;
    assert_eq!(waiting().await, number);
    write(&store, &mut image, take(1..number)).await.unwrap();
    write(&store, &mut image, put(number + 1, &body)).await.unwrap();
    assert_eq!(waiting().await, 2);
    drop(store);
    assert_eq!(open(&settings).await.1.actors[0].waiting, 2);
}

#[tokio::test]
async fn full_store_takes_a_group_that_makes_its_own_space() {
    let (_home, mut settings) = folder();
    settings.size_bytes = Some(256 << 10);
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let body = vec![b'x'; 20_000];
    let mut number = 1;
    while write(&store, &mut image, put(number, &body)).await.is_ok() {
        number += 1;
    }
    let group =
        JournalGroup { boot: image.boots, first: image.last + 1, entries: vec![put(number, &body), take(1..number)] };
    store.write(Arc::new(group)).await.unwrap();
    assert_eq!(store.messages(A, 0, usize::MAX).await.unwrap().len(), 1);
}

#[tokio::test]
async fn program_that_reads_does_not_stop_the_writer() {
    let (_home, settings) = folder();
    filled(&settings).await;
    let (store, mut image) = open(&settings).await;
    let other = rusqlite::Connection::open(database(&settings)).unwrap();
    other.execute_batch("begin; select * from frame").unwrap();
    write(&store, &mut image, put(40, b"while another reads")).await.unwrap();
    other.execute_batch("commit").unwrap();
    write(&store, &mut image, put(41, b"x")).await.unwrap();
}

#[tokio::test]
async fn log_is_moved_into_the_database_at_the_end() {
    let (_home, settings) = folder();
    let settings = StoreSettings { survives: Survives::Crash, ..settings };
    let log = |settings: &StoreSettings| {
        let path: &Path = &settings.path;
        std::fs::metadata(path.join("store.db-wal")).map_or(0, |log| log.len())
    };
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let body = vec![b'x'; 1 << 20];
    for number in 1..200 {
        write(&store, &mut image, put(number, &body)).await.unwrap();
        write(&store, &mut image, take(number..number + 1)).await.unwrap();
    }
    assert!(log(&settings) < 160 << 20, "{} bytes after 200 MiB", log(&settings));
    drop(store);
    assert_eq!(log(&settings), 0);
}

#[tokio::test]
async fn backup_of_a_running_store_is_restored_with_new_runs() {
    let (home, settings) = folder();
    filled(&settings).await;
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, put(40, b"the last one")).await.unwrap();
    let expected = read_open(&store).await;
    let file = home.path().join("backup.db");
    let inspection = Inspection::open(&settings.path).unwrap();
    inspection.backup(&file).unwrap();
    assert!(inspection.backup(&file).is_err(), "the file is there already");
    assert!(restore(&settings.path, &file).is_err(), "a host has the store");
    drop(store);
    assert!(restore(&settings.path, &file).unwrap_err().to_string().contains("there is a store in"));
    let again = StoreSettings::new(&home.path().join("again"));
    restore(&again.path, &file).unwrap();
    let (store, image) = open(&again).await;
    assert_eq!(read_open(&store).await, expected);
    assert!(image.boots > 1 << 32, "{}", image.boots);
}

#[tokio::test]
async fn database_with_its_log_is_no_backup() {
    let (home, settings) = folder();
    filled(&settings).await;
    let (_store, _) = open(&settings).await;
    let refused = restore(&home.path().join("again"), &database(&settings)).unwrap_err().to_string();
    assert!(refused.contains("has a log beside it"), "{refused}");
}

#[tokio::test]
async fn inspection_shows_and_checks_a_store() {
    let (_home, settings) = folder();
    filled(&settings).await;
    let mut inspection = Inspection::open(&settings.path).unwrap();
    let facts = inspection.facts().unwrap();
    assert_eq!((facts.runs, facts.letters, facts.mailboxes.len()), (1, 4, 1));
    let mailbox = &facts.mailboxes[0];
    assert_eq!((mailbox.address.as_str(), mailbox.waiting, mailbox.held), ("/a", 38, 1));
    inspection.check().unwrap();
    sql(&settings, "update frame set records = zeroblob(length(records)) where first = 7");
    assert!(inspection.check().unwrap_err().to_string().contains("message 7 of actor 1"));
}

#[tokio::test]
async fn compacted_store_is_smaller_and_the_same() {
    let (_home, settings) = folder();
    let (store, mut image) = open(&settings).await;
    write(&store, &mut image, born()).await.unwrap();
    for number in 1..20 {
        write(&store, &mut image, put(number, &vec![b'x'; 100_000])).await.unwrap();
    }
    write(&store, &mut image, take(1..19)).await.unwrap();
    assert!(compact(&settings.path).is_err(), "a host has the store");
    drop(store);
    let (expected, before) = (read(&settings).await.unwrap(), std::fs::metadata(database(&settings)).unwrap().len());
    compact(&settings.path).unwrap();
    assert!(std::fs::metadata(database(&settings)).unwrap().len() < before / 5);
    assert_eq!(read(&settings).await.unwrap(), expected);
}

async fn read_open(store: &SqliteStore) -> String {
    let (messages, letters) = (store.messages(A, 0, usize::MAX).await, store.letters(0, 100).await);
    format!("{messages:?} {letters:?}")
}

/// A state of twenty keys.
async fn filled_with_state(settings: &StoreSettings) {
    let (store, mut image) = open(settings).await;
    write(&store, &mut image, born()).await.unwrap();
    let (mut ops, mut bytes) = (Vec::new(), Vec::new());
    for n in 0..20 {
        let key = bytes.len()..bytes.len() + 3;
        bytes.extend_from_slice(format!("k{n:02}").as_bytes());
        let value = bytes.len()..bytes.len() + 300;
        bytes.extend_from_slice(&[b'v'; 300]);
        ops.push(Op::Set { actor: A, key, value });
    }
    write(&store, &mut image, JournalEntry { ops, bytes, ..JournalEntry::default() }).await.unwrap();
}

/// The whole state, or the first error.
async fn read_state(settings: &StoreSettings) -> Result<usize, StoreError> {
    let store = SqliteStore::new(settings.clone());
    store.open().await?;
    let mut bytes = 0;
    for key in store.keys(A, "", None, 1000).await? {
        bytes += store.value(A, &key).await?.map_or(0, |value| value.len());
    }
    Ok(bytes)
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
async fn inspection_checks_states() {
    for change in ["update state set value = zeroblob(300) where key = 'k07'", "delete from state where key = 'k07'"] {
        let (_home, settings) = folder();
        filled_with_state(&settings).await;
        let mut inspection = Inspection::open(&settings.path).unwrap();
        inspection.check().unwrap();
        assert_eq!(inspection.facts().unwrap().mailboxes[0].state.keys, 20);
        sql(&settings, change);
        let refused = inspection.check().unwrap_err().to_string();
        assert!(
            refused.contains("in table `state`") || refused.contains("table `state`, which has 19 of 20"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn state_is_changed_without_a_host_and_not_beside_one() {
    let (_home, settings) = folder();
    filled_with_state(&settings).await;
    let a = Address::parse("/a").unwrap();
    let changes = [("k00".to_owned(), None), ("new".to_owned(), Some(b"x".to_vec()))];
    change_state(&settings.path, &a, &changes).unwrap();
    let (store, image) = open(&settings).await;
    assert_eq!((image.actors[0].state.keys, image.last), (20, 3));
    assert_eq!(store.value(A, "new").await, Ok(Some(b"x".to_vec())));
    let refused = change_state(&settings.path, &a, &changes);
    assert!(matches!(refused, Err(StoreError::Taken { .. })), "{refused:?}");
    drop(store);
    let unknown = change_state(&settings.path, &Address::parse("/b").unwrap(), &changes).unwrap_err();
    assert!(unknown.to_string().contains("has no actor `/b`"), "{unknown}");
    let long = change_state(&settings.path, &a, &[("k".repeat(513), None)]).unwrap_err();
    assert!(long.to_string().contains("at most 512 bytes"), "{long}");
    let none = change_state(&settings.path.join("none"), &a, &changes).unwrap_err();
    assert!(none.to_string().contains("there is no store in"), "{none}");
}
