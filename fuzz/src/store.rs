//! Any change to the files of a store.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

use playhouse_kernel::{ActorId, Address, JournalEntry, JournalGroup, Op, Store, StoreError, StoredTimer};
use playhouse_store::{SqliteStore, StoreSettings};

/// The files of a sound store, by name.
static SOUND: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = folder.path().join("made");
    block_on(async {
        let store = SqliteStore::new(StoreSettings::new(&made));
        let image = store.open().await.expect("a new store");
        let group = JournalGroup { boot: image.boots, first: image.last + 1, entries: vec![content()] };
        store.write(Arc::new(group)).await.expect("a good group");
        // Its log is there, as after a kill: the files are copied while the store is open.
        files(&made)
    })
});

/// A changed store is refused, or what is read from it is as it was. The first byte of the input selects the file; the others are
/// places and bytes that are written there, and in the end its length.
pub fn store(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some((&which, changes)) = bytes.split_first() else { return };
    for (index, (name, sound)) in SOUND.iter().enumerate() {
        let mut content = sound.clone();
        if index == usize::from(which) % SOUND.len() {
            change(&mut content, changes);
        }
        std::fs::write(folder.path().join(name), content).expect("our own folder");
    }
    block_on(async {
        let store = SqliteStore::new(StoreSettings::new(folder.path()));
        let Ok(image) = store.open().await else { return };
        for actor in &image.actors {
            assert_eq!(actor.address.as_str(), "/a", "an address that nobody wrote");
            expect(store.messages(actor.id, 0, usize::MAX).await, |messages| {
                assert!(messages.len() <= 3, "{messages:?}");
                assert!(messages.iter().all(|message| message.record == record(message.number)), "{messages:?}");
            });
            expect(store.value(actor.id, "key").await, |value| {
                assert!(value.as_ref().is_none_or(|value| value.value == b"value"), "{value:?}");
            });
            expect(store.timers(actor.id, 0, 10).await, |timers| {
                assert!(timers.iter().all(|found| *found == timer()), "{timers:?}");
            });
        }
        expect(store.letters(0, 10).await, |letters| assert!(letters.is_empty(), "{letters:?}"));
    });
}

/// Looks at a result that is not refused.
fn expect<T>(read: Result<T, StoreError>, look: impl FnOnce(&T)) {
    if let Ok(read) = read {
        look(&read);
    }
}

/// Each change is three bytes of a place and one byte; a rest of one or two bytes is a length.
fn change(content: &mut Vec<u8>, changes: &[u8]) {
    let mut changes = changes.chunks_exact(4);
    for change in &mut changes {
        let place = usize::from(change[0]) << 16 | usize::from(change[1]) << 8 | usize::from(change[2]);
        let length = content.len();
        if let Some(byte) = content.get_mut(place % length.max(1)) {
            *byte = change[3];
        }
    }
    if let [high, rest @ ..] = changes.remainder() {
        let length = usize::from(*high) << 8 | usize::from(rest.first().copied().unwrap_or(0));
        content.truncate(length);
    }
}

fn content() -> JournalEntry {
    let mut bytes: Vec<u8> = (1..=3).flat_map(record).collect();
    let records = 0..bytes.len();
    bytes.extend_from_slice(b"keyvalue");
    let (key, value) = (records.end..records.end + 3, records.end + 3..records.end + 8);
    let actor = ActorId(1);
    let ops = vec![
        Op::Ids { below: 9 },
        Op::Born { actor, address: Address::parse("/a").expect("a good address") },
        Op::Put { mailbox: actor, first: 1, messages: 3, records },
        Op::Set { actor, key, value, lifetime: None },
        Op::Timer { actor, timer: Box::new(timer()) },
    ];
    JournalEntry { actor: None, ops, bytes }
}

/// The record of a message with this number, which is its body.
fn record(number: u64) -> Vec<u8> {
    let mut record = vec![0; 64];
    record[0] = 8;
    record.extend_from_slice(&number.to_le_bytes());
    record
}

fn timer() -> StoredTimer {
    StoredTimer {
        id: 1,
        due: UNIX_EPOCH + Duration::from_secs(7),
        wait: Duration::from_secs(7),
        again: false,
        to: Address::parse("/b").expect("a good address"),
        record: record(9),
    }
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |name: &str| std::fs::read(folder.join(name)).ok().map(|bytes| (name.to_owned(), bytes));
    ["store.db", "store.db-wal", "tail"].into_iter().filter_map(read).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}
