//! Any entries, written to the store in memory and to that on SQLite.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use arbitrary::{Result, Unstructured};
use playhouse_kernel::{
    ActorId, Address, Image, JournalEntry, JournalGroup, Lifetime, MemoryStore, Op, Store, StoreError, StoredLetter,
    StoredTimer,
};
use playhouse_store::{SqliteStore, StoreSettings};

/// Most groups of one input.
const GROUPS: usize = 12;

/// Both stores take the same groups, and have the same content in the next run. A group that cannot be true ends both, and leaves
/// no trace.
pub fn entries(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let memory = MemoryStore::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut left = GROUPS;
        while left > 0 {
            let sqlite = SqliteStore::new(StoreSettings::new(folder.path()));
            let (mut image, other) = (memory.open().await.expect("sound"), sqlite.open().await.expect("sound"));
            same(&memory, &sqlite, &image, &other).await;
            // Until the first group that is refused: then the stores are opened again.
            while left > 0 {
                left -= 1;
                let Ok(group) = group(&mut input, &image) else {
                    left = 0;
                    break;
                };
                let last = group.first + group.entries.len() as u64 - 1;
                let group = Arc::new(group);
                let (kept, other) = (memory.write(group.clone()).await, sqlite.write(group.clone()).await);
                match (&kept, &other) {
                    (Ok(()), Ok(())) => image.last = last,
                    (Err(StoreError::Damaged { .. }), Err(StoreError::Damaged { .. })) => break,
                    _ => panic!("{kept:?} in memory, {other:?} on SQLite: {group:?}"),
                }
            }
        }
        let sqlite = SqliteStore::new(StoreSettings::new(folder.path()));
        let (image, other) = (memory.open().await.expect("sound"), sqlite.open().await.expect("sound"));
        same(&memory, &sqlite, &image, &other).await;
    });
}

async fn same(memory: &MemoryStore, sqlite: &SqliteStore, image: &Image, other: &Image) {
    assert_eq!(image, other);
    for actor in &image.actors {
        let id = actor.id;
        assert_eq!(memory.messages(id, 0, usize::MAX).await, sqlite.messages(id, 0, usize::MAX).await);
        assert_eq!(memory.held(id, 0, usize::MAX).await, sqlite.held(id, 0, usize::MAX).await);
        let now = UNIX_EPOCH + Duration::from_secs(5);
        assert_eq!(memory.keys(id, "", None, 1000, now).await, sqlite.keys(id, "", None, 1000, now).await);
        assert_eq!(memory.timers(id, 0, 1000).await, sqlite.timers(id, 0, 1000).await);
        for key in memory.keys(id, "", None, 1000, UNIX_EPOCH).await.expect("sound") {
            assert_eq!(memory.value(id, &key).await, sqlite.value(id, &key).await);
        }
    }
    assert_eq!(memory.letters(0, 1000).await, sqlite.letters(0, 1000).await);
    for source in ["s", "t"] {
        assert_eq!(memory.origins(source, b"", 1000).await, sqlite.origins(source, b"", 1000).await);
    }
}

fn group(input: &mut Unstructured<'_>, image: &Image) -> Result<JournalGroup> {
    if input.is_empty() {
        return Err(arbitrary::Error::NotEnoughData);
    }
    let entries = (0..input.int_in_range(1..=4)?).map(|_| entry(input)).collect::<Result<_>>()?;
    Ok(JournalGroup { boot: image.boots, first: image.last + 1, entries })
}

fn entry(input: &mut Unstructured<'_>) -> Result<JournalEntry> {
    let mut entry = JournalEntry::default();
    for _ in 0..input.int_in_range(0..=4)? {
        let op = op(input, &mut entry.bytes)?;
        entry.ops.push(op);
    }
    Ok(entry)
}

/// Small numbers, so that operations meet.
fn op(input: &mut Unstructured<'_>, bytes: &mut Vec<u8>) -> Result<Op> {
    let actor = ActorId(input.int_in_range(0..=3)?);
    let number = input.int_in_range(0..=9)?;
    Ok(match input.int_in_range(0..=15)? {
        0 => Op::Ids { below: number },
        1 | 2 => Op::Born { actor, address: address(input)? },
        3..5 => {
            let messages = input.int_in_range(0..=3)?;
            let from = bytes.len();
            for _ in 0..messages {
                record(input, bytes)?;
            }
            Op::Put { mailbox: actor, first: number, messages, records: from..bytes.len() }
        }
        5 => Op::Hold {
            mailbox: actor,
            number,
            due: UNIX_EPOCH + Duration::from_secs(number),
            record: record(input, bytes)?,
        },
        6 => Op::Take { mailbox: actor, numbers: number..number + input.int_in_range(0..=3)? },
        7 => {
            let (ends, in_process) = (input.int_in_range(0..=2)?, input.arbitrary()?);
            Op::Suspect { mailbox: actor, number, ends, in_process }
        }
        8 => {
            let (key, value) = (text(input, bytes)?, text(input, bytes)?);
            let ends = UNIX_EPOCH + Duration::from_secs(number + 1);
            let lifetime: bool = input.arbitrary()?;
            let lifetime = lifetime.then(|| Box::new(Lifetime { ends, length: Duration::from_secs(1) }));
            Op::Set { actor, key, value, lifetime }
        }
        15 => Op::Expire { actor, key: text(input, bytes)?, by: UNIX_EPOCH + Duration::from_secs(number) },
        9 => Op::Unset { actor, key: text(input, bytes)? },
        10 => Op::Timer { actor, timer: Box::new(timer(input, number)?) },
        11 => Op::Cancel { actor, id: number },
        12 => Op::Letter(Box::new(letter(input, number)?)),
        13 => Op::LetterGone { number },
        _ => {
            let source = bytes.len()..bytes.len() + 1;
            bytes.push(*input.choose(b"st")?);
            let position = text(input, bytes)?;
            if input.arbitrary()? {
                Op::OriginGone { source, position }
            } else {
                Op::Origin { source, position, value: text(input, bytes)? }
            }
        }
    })
}

fn address(input: &mut Unstructured<'_>) -> Result<Address> {
    let text = input.choose(&["/a", "/a/b", "/b", "/c"])?;
    Ok(Address::parse(text).expect("a good address"))
}

/// Bytes that are no record at times.
fn record(input: &mut Unstructured<'_>, bytes: &mut Vec<u8>) -> Result<Range<usize>> {
    let (from, length) = (bytes.len(), input.int_in_range(0..=20_u8)?);
    let mut header = [0; 64];
    header[0] = length;
    bytes.extend_from_slice(&header);
    bytes.extend(std::iter::repeat_n(b'x', length.into()));
    if input.ratio(1_u8, 16_u8)? {
        bytes.truncate(from + usize::from(length));
    }
    Ok(from..bytes.len())
}

/// A short text, mostly of UTF-8.
fn text(input: &mut Unstructured<'_>, bytes: &mut Vec<u8>) -> Result<Range<usize>> {
    let from = bytes.len();
    let length = input.int_in_range(0..=3)?;
    for _ in 0..length {
        bytes.push(*input.choose(b"abc\xff\0")?);
    }
    Ok(from..bytes.len())
}

fn timer(input: &mut Unstructured<'_>, id: u64) -> Result<StoredTimer> {
    let mut bytes = Vec::new();
    record(input, &mut bytes)?;
    let seconds = input.int_in_range(0..=100)?;
    Ok(StoredTimer {
        id,
        due: UNIX_EPOCH + Duration::from_secs(seconds),
        wait: Duration::from_secs(seconds),
        again: input.arbitrary()?,
        to: address(input)?,
        record: bytes,
    })
}

fn letter(input: &mut Unstructured<'_>, number: u64) -> Result<StoredLetter> {
    let mut bytes = Vec::new();
    record(input, &mut bytes)?;
    Ok(StoredLetter {
        number,
        copy: 1,
        record: bytes,
        to: address(input)?,
        owner: ActorId(input.int_in_range(0..=3)?),
        sender: None,
        kind: "rejected".into(),
        why: "no".into(),
        at: UNIX_EPOCH,
    })
}
