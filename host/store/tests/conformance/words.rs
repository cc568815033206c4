//! Groups in a few words.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use playhouse_kernel::{
    ActorId, Address, Image, JournalEntry, JournalGroup, Lifetime, Op, Store, StoreError, StoredChild, StoredLetter,
    StoredMessage, StoredTimer,
};

pub const A: ActorId = ActorId(1);
pub const B: ActorId = ActorId(2);
pub const C: ActorId = ActorId(3);

/// An entry under construction.
#[derive(Clone, Default)]
pub struct Words(JournalEntry);

pub fn entry() -> Words {
    Words::default()
}

impl Words {
    pub fn op(mut self, op: Op) -> Self {
        self.0.ops.push(op);
        self
    }

    pub fn born(self, actor: ActorId, address: &str) -> Self {
        self.op(Op::Born { actor, address: addr(address) })
    }

    pub fn spawned(self, actor: ActorId, address: &str, child: StoredChild) -> Self {
        self.op(Op::Spawned { actor, address: addr(address), child: Box::new(child) })
    }

    pub fn leaves(self, actor: ActorId) -> Self {
        self.op(Op::Leaves { actor })
    }

    /// A spawned actor is gone.
    pub fn removed(self, actor: ActorId) -> Self {
        self.op(Op::Gone { actor })
    }

    /// Messages with these bodies.
    pub fn put(mut self, mailbox: ActorId, first: u64, bodies: &[&str]) -> Self {
        let from = self.0.bytes.len();
        self.0.bytes.extend(bodies.iter().flat_map(|body| record(body)));
        let (messages, records) = (bodies.len() as u32, from..self.0.bytes.len());
        self.op(Op::Put { mailbox, first, messages, records })
    }

    pub fn hold(mut self, mailbox: ActorId, number: u64, seconds: u64, body: &str) -> Self {
        let from = self.0.bytes.len();
        self.0.bytes.extend(record(body));
        let record = from..self.0.bytes.len();
        self.op(Op::Hold { mailbox, number, due: at(seconds), record })
    }

    pub fn take(self, mailbox: ActorId, numbers: std::ops::Range<u64>) -> Self {
        self.op(Op::Take { mailbox, numbers })
    }

    pub fn set(mut self, actor: ActorId, key: &str, value: &str) -> Self {
        let key = self.text(key);
        let value = self.text(value);
        self.op(Op::Set { actor, key, value, lifetime: None })
    }

    /// A value that is set at a time for so many seconds.
    pub fn set_for(mut self, actor: ActorId, key: &str, value: &str, (set_at, seconds): (u64, u64)) -> Self {
        let key = self.text(key);
        let value = self.text(value);
        let lifetime = Lifetime::since(at(set_at), Duration::from_secs(seconds));
        self.op(Op::Set { actor, key, value, lifetime: Some(Box::new(lifetime)) })
    }

    pub fn expire(mut self, actor: ActorId, key: &str, seconds: u64) -> Self {
        let key = self.text(key);
        self.op(Op::Expire { actor, key, by: at(seconds) })
    }

    pub fn unset(mut self, actor: ActorId, key: &str) -> Self {
        let key = self.text(key);
        self.op(Op::Unset { actor, key })
    }

    pub fn timer(self, actor: ActorId, timer: StoredTimer) -> Self {
        self.op(Op::Timer { actor, timer: Box::new(timer) })
    }

    pub fn cancel(self, actor: ActorId, id: u64) -> Self {
        self.op(Op::Cancel { actor, id })
    }

    fn text(&mut self, text: &str) -> std::ops::Range<usize> {
        let from = self.0.bytes.len();
        self.0.bytes.extend_from_slice(text.as_bytes());
        from..self.0.bytes.len()
    }

    pub fn origin(mut self, source: &str, position: &str, value: &str) -> Self {
        let [source, position, value] = [source, position, value].map(|text| self.text(text));
        self.op(Op::Origin { source, position, value })
    }

    pub fn origin_gone(mut self, source: &str, position: &str) -> Self {
        let [source, position] = [source, position].map(|text| self.text(text));
        self.op(Op::OriginGone { source, position })
    }

    pub fn letter(self, number: u64) -> Self {
        self.op(Op::Letter(Box::new(letter(number))))
    }

    pub fn gone(self, number: u64) -> Self {
        self.op(Op::LetterGone { number })
    }
}

pub fn addr(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::new(seconds, 123_456_789)
}

/// A record with this body: a header of zeros, but for the length.
pub fn record(body: &str) -> Vec<u8> {
    let mut record = vec![0; 64];
    record[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    record.extend_from_slice(body.as_bytes());
    record
}

pub fn timer(id: u64, seconds: u64) -> StoredTimer {
    StoredTimer {
        id,
        due: at(seconds),
        wait: Duration::new(seconds, 5),
        again: id.is_multiple_of(2),
        to: addr("/a/b"),
        record: record(&format!("timer {id} at {seconds}")),
    }
}

/// A child with these values of `colour` and `size`.
pub fn child_of(parent: ActorId, plugin: &str, colour: &str) -> StoredChild {
    let config = [("colour", colour), ("size", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    StoredChild { parent, plugin: plugin.to_owned(), config: config.into() }
}

pub fn letter(number: u64) -> StoredLetter {
    StoredLetter {
        number,
        copy: 2,
        record: record("a letter's"),
        to: addr("/a/b"),
        owner: A,
        sender: number.is_multiple_of(2).then(|| addr("/c")),
        kind: "rejected".into(),
        why: format!("reason {number}"),
        at: at(number),
    }
}

/// Writes entries as one group, after everything that is there.
pub async fn write(
    store: &impl Store,
    image: &mut Image,
    entries: impl IntoIterator<Item = Words>,
) -> Result<(), StoreError> {
    let entries = entries.into_iter().map(|words| words.0).collect();
    let group = JournalGroup { boot: image.boots, first: image.last + 1, entries };
    let last = group.last();
    store.write(Arc::new(group)).await?;
    image.last = last;
    Ok(())
}

/// All messages of a mailbox as `number body`, and `@seconds` when they are held.
pub async fn messages(store: &impl Store, mailbox: ActorId) -> Vec<String> {
    let messages = store.messages(mailbox, 0, usize::MAX).await.unwrap();
    messages.iter().map(shown).collect()
}

/// Positions of a source as `position=value`.
pub async fn origins(store: &impl Store, source: &str, from: &str, most: usize) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let origins = store.origins(source, from.as_bytes(), most).await.unwrap();
    origins.iter().map(|origin| format!("{}={}", text(&origin.position), text(&origin.value))).collect()
}

pub fn shown(message: &StoredMessage) -> String {
    let body = String::from_utf8_lossy(&message.record[64..]);
    match message.due {
        None => format!("{} {body}", message.number),
        Some(due) => format!("{} {body} @{}", message.number, due.duration_since(at(0)).unwrap().as_secs()),
    }
}

/// The value of a key, as text.
pub async fn value(store: &impl Store, actor: ActorId, key: &str) -> Option<String> {
    let value = store.value(actor, key).await.unwrap();
    value.map(|value| String::from_utf8(value.value).unwrap())
}
