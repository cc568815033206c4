//! A store with a `size` that is almost used up.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use playhouse_kernel::{ActorId, Address, Image, JournalEntry, JournalGroup, Op, Store, StoreError};
use playhouse_store::{SqliteStore, StoreSettings};

const A: ActorId = ActorId(1);
const SIZE: u64 = 8 << 20;

struct Host {
    _home: tempfile::TempDir,
    store: SqliteStore,
    image: Image,
    number: u64,
}

impl Host {
    async fn open() -> Self {
        let home = tempfile::tempdir().unwrap();
        let settings = StoreSettings::new(&home.path().join("store"));
        let store = SqliteStore::new(StoreSettings { size_bytes: Some(SIZE), ..settings });
        let image = store.open().await.unwrap();
        let mut host = Self { _home: home, store, image, number: 0 };
        let born = Op::Born { actor: A, address: Address::parse("/a").unwrap() };
        host.write(vec![born], Vec::new()).await.unwrap();
        host
    }

    async fn write(&mut self, ops: Vec<Op>, bytes: Vec<u8>) -> Result<(), StoreError> {
        let entries = vec![JournalEntry { ops, bytes, actor: None }];
        let group = JournalGroup { boot: self.image.boots, first: self.image.last + 1, entries };
        self.store.write(Arc::new(group)).await.inspect(|()| self.image.last += 1)
    }

    async fn put(&mut self, body_bytes: usize) -> Result<(), StoreError> {
        let mut record = vec![0; 64 + body_bytes];
        record[..4].copy_from_slice(&u32::try_from(body_bytes).unwrap().to_le_bytes());
        let put = Op::Put { mailbox: A, first: self.number + 1, messages: 1, records: 0..record.len() };
        self.write(vec![put], record).await.inspect(|()| self.number += 1)
    }

    async fn put_until_short(&mut self) {
        while self.store.shortage().is_none() {
            self.put(10_000).await.unwrap();
        }
    }
}

#[tokio::test]
async fn shortage_leaves_space_for_what_is_on_its_way() {
    let mut host = Host::open().await;
    host.put_until_short().await;
    let why = host.store.shortage().unwrap();
    assert_eq!(why, "`size` of `[play.store]` is used up, but for what is kept for turns and orders");
    let on_its_way = host.store.outside_bytes();
    assert_eq!(on_its_way, 512 << 10);
    for _ in 0..on_its_way / 10_000 {
        host.put(10_000).await.unwrap();
    }
    let set = Op::Set { actor: A, key: 0..1, value: 1..1001, lifetime: None };
    host.write(vec![set, Op::Halted { actor: A, halted: true }], vec![b'x'; 1001]).await.unwrap();
}

#[tokio::test]
async fn dropped_messages_end_the_shortage() {
    let mut host = Host::open().await;
    host.put_until_short().await;
    let half = host.number / 2;
    host.write(vec![Op::Take { mailbox: A, numbers: 1..half }], Vec::new()).await.unwrap();
    assert_eq!(host.store.shortage(), None);
    host.put_until_short().await;
    host.write(vec![Op::Take { mailbox: A, numbers: half..host.number + 1 }], Vec::new()).await.unwrap();
    assert_eq!(host.store.shortage(), None);
}
