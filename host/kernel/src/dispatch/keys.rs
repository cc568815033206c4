//! Keys by which a sender outside repeats a request: the repetition is the first one. A key is kept in the entry that ends the request:
//! of a message that is told, the one that brings it into the mailbox; of a question, the one of the turn that answered it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use playhouse_frame::Pairs;
use tokio::sync::watch;

use crate::dispatch::origins::{Origin, origin_gone};
use crate::dispatch::routing::output::Output;
use crate::journal::entry::{EntryNumber, StoredOrigin};
use crate::journal::order::Draft;
use crate::words::message::{MessageId, Reply, ReplyToken};
use crate::words::send_error::{AskError, FullAnswer};

/// The source of all keys in the store.
pub(crate) const SOURCE: &str = "key";
/// The cost of a key beside its own bytes: the memory of the host, and the row in the store.
const COST: u64 = 256;
/// The largest answer that is kept, in bytes.
pub const MOST_KEPT_ANSWER: usize = 1 << 20;
/// Bytes before the answer in a value: form, time, digest and id.
const HEAD: usize = 1 + 8 + 32 + 16;

/// The bounds of the keys that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    /// How long a key is kept after its request ended.
    pub keep: Duration,
    /// The most bytes of all keys: of each its name, its answer and 256. Beyond them the oldest go before their time.
    pub bytes: u64,
}

impl Default for KeySpec {
    fn default() -> Self {
        Self { keep: Duration::from_hours(1), bytes: 64 << 20 }
    }
}

/// The key of a request from outside.
#[derive(Debug, Clone, Copy)]
pub struct RequestKey<'a> {
    /// The way in, such as a route: a key of one way says nothing on another.
    pub via: &'a str,
    /// The key, as the sender gave it.
    pub key: &'a str,
    /// A digest of everything else that the sender gave: another request under the same key is refused.
    pub digest: [u8; 32],
}

/// How a request under a key ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The message was told, with this id.
    Told(MessageId),
    /// The question with this id was handled.
    Answered(MessageId, FullAnswer),
}

/// The keys of a play.
#[derive(Default)]
pub(crate) struct Keys {
    spec: KeySpec,
    inner: Mutex<Inner>,
}

/// Receiver, way and key.
type Name = Arc<[u8]>;

#[derive(Default)]
struct Inner {
    known: HashMap<Name, Known>,
    /// The keys that are in the store, with their cost, the oldest first.
    by_age: BTreeMap<(u64, u64), (Name, u64)>,
    /// The questions under way.
    questions: HashMap<ReplyToken, Name>,
    bytes: u64,
    last: u64,
}

struct Known {
    digest: [u8; 32],
    /// Its age, once it is in an entry.
    kept: Option<(u64, u64)>,
    /// The entry that has it; 0 when it is durable.
    entry: EntryNumber,
    /// Tells of the end of a request under way.
    under_way: Option<watch::Receiver<Option<Ended>>>,
}

/// A request beside those before it.
pub(crate) enum Begun {
    /// The first one under its key.
    First(FirstRequest),
    /// A repetition of one that is under way.
    UnderWay(watch::Receiver<Option<Ended>>),
    /// A repetition of one that has ended, in this entry.
    Kept(EntryNumber),
    /// Another one under the same key.
    Other,
}

/// The first request under a key, until it has ended. Dropping it gives the key free, unless the key is in an entry.
pub(crate) struct FirstRequest {
    keys: Arc<Keys>,
    name: Name,
    ended: watch::Sender<Option<Ended>>,
    token: ReplyToken,
    entry: EntryNumber,
}

impl Keys {
    pub(crate) fn new(spec: KeySpec) -> Self {
        Self { spec, inner: Mutex::default() }
    }

    /// Begins a request.
    pub(crate) fn begin(self: &Arc<Self>, name: &[u8], digest: [u8; 32], now: SystemTime) -> Begun {
        let mut inner = self.inner.lock();
        if let Some(known) = inner.known.get(name) {
            let is_old = known.kept.is_some_and(|(at, _)| self.is_old(at, now));
            match &known.under_way {
                Some(_) if known.digest != digest => return Begun::Other,
                Some(under_way) => return Begun::UnderWay(under_way.clone()),
                // The next entry with a key removes it.
                None if is_old => {}
                None if known.digest != digest => return Begun::Other,
                None => return Begun::Kept(known.entry),
            }
        }
        let (ended, under_way) = watch::channel(None);
        let name: Name = name.into();
        inner.known.insert(name.clone(), Known { digest, kept: None, entry: 0, under_way: Some(under_way) });
        Begun::First(FirstRequest { keys: self.clone(), name, ended, token: ReplyToken::NONE, entry: 0 })
    }

    fn is_old(&self, at: u64, now: SystemTime) -> bool {
        let keep = u64::try_from(self.spec.keep.as_millis()).unwrap_or(u64::MAX);
        at.saturating_add(keep) <= millis(now)
    }

    /// Takes over a key from the store.
    pub(crate) fn restore(&self, origin: &StoredOrigin, now: SystemTime) {
        let Some((at, digest, _)) = read(&origin.value) else { return };
        let mut inner = self.inner.lock();
        // After a clock that was wrong, a key is not kept for longer.
        let (name, cost) = (Name::from(&*origin.position), cost(&origin.position, &origin.value));
        let age = inner.count(at.min(millis(now)), &name, cost);
        inner.known.insert(name, Known { digest, kept: Some(age), entry: 0, under_way: None });
    }

    /// Keeps the answer to a question under a key, as a part of the entry of the turn that answered it. Does nothing for other
    /// questions.
    pub(crate) fn keep_answer(
        &self,
        draft: &mut Draft<Output>,
        token: ReplyToken,
        answer: &FullAnswer,
        (id, now): (MessageId, SystemTime),
    ) {
        let mut inner = self.inner.lock();
        let Some(name) = inner.questions.get(&token).cloned() else { return };
        inner.keep(self, draft, &name, &Ended::Answered(id, answer.clone()), now);
    }
}

impl Inner {
    fn count(&mut self, at: u64, name: &Name, cost: u64) -> (u64, u64) {
        self.last += 1;
        self.bytes += cost;
        self.by_age.insert((at, self.last), (name.clone(), cost));
        (at, self.last)
    }

    /// Adds a key to an entry, and removes those that are too old or too many.
    fn keep(&mut self, keys: &Keys, draft: &mut Draft<Output>, name: &Name, ended: &Ended, now: SystemTime) {
        let Some(digest) = self.known.get(name).map(|known| known.digest) else { return };
        let value = value_of(ended, digest, now);
        let cost = cost(name, &value);
        while let Some(first) = self.by_age.first_entry()
            && (keys.is_old(first.key().0, now) || self.bytes + cost > keys.spec.bytes)
        {
            let age = *first.key();
            let (oldest, its_cost) = first.remove();
            self.bytes -= its_cost;
            origin_gone(draft, SOURCE, &oldest);
            if let Some(known) = self.known.get_mut(&oldest)
                && known.kept == Some(age)
            {
                known.kept = None;
                if known.under_way.is_none() {
                    self.known.remove(&oldest);
                }
            }
        }
        let age = self.count(millis(now), name, cost);
        Origin { source: SOURCE, position: name, value: &value, is_unique: false }.enter_in(draft);
        if let Some(known) = self.known.get_mut(name) {
            known.kept = Some(age);
        }
    }
}

impl FirstRequest {
    /// Tells of its end.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Ended>> {
        self.ended.subscribe()
    }

    /// Notes the question that carries the request.
    pub(crate) fn asks(&mut self, token: ReplyToken) {
        self.token = token;
        self.keys.inner.lock().questions.insert(token, self.name.clone());
    }

    /// Adds the key of a message that is told to the entry of the message.
    pub(crate) fn keep_told(&self, draft: &mut Draft<Output>, id: MessageId, now: SystemTime) {
        self.keys.inner.lock().keep(&self.keys, draft, &self.name, &Ended::Told(id), now);
    }

    /// The request has ended, in this entry; 0 when that is durable.
    pub(crate) fn end(mut self, ended: Ended, entry: EntryNumber) {
        self.entry = entry;
        self.ended.send_replace(Some(ended));
    }
}

impl Drop for FirstRequest {
    fn drop(&mut self) {
        let mut inner = self.keys.inner.lock();
        inner.questions.remove(&self.token);
        if let Some(known) = inner.known.get_mut(&self.name) {
            known.under_way = None;
            known.entry = self.entry;
            if known.kept.is_none() {
                inner.known.remove(&self.name);
            }
        }
    }
}

/// The name of a key: its receiver, the way in, and the key itself. An address has no character that separates them.
pub(crate) fn name_of(to: &str, key: &RequestKey<'_>) -> Vec<u8> {
    [to, key.via, key.key].join("\0").into_bytes()
}

fn cost(name: &[u8], value: &[u8]) -> u64 {
    (name.len() + value.len()) as u64 + COST
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The forms of a value.
const TOLD: u8 = 0;
const NO_REPLY: u8 = 1;
const REPLY: u8 = 2;
/// The answer was too large to be kept.
const TOO_LARGE: u8 = 3;

fn value_of(ended: &Ended, digest: [u8; 32], now: SystemTime) -> Vec<u8> {
    let (Ended::Told(id) | Ended::Answered(id, _)) = ended;
    let (form, reply) = match ended {
        Ended::Told(_) => (TOLD, None),
        Ended::Answered(_, Ok(reply)) if reply.body.len() > MOST_KEPT_ANSWER => (TOO_LARGE, None),
        Ended::Answered(_, Ok(reply)) => (REPLY, Some(reply)),
        Ended::Answered(_, Err(_)) => (NO_REPLY, None),
    };
    let mut value = vec![form];
    value.extend_from_slice(&millis(now).to_be_bytes());
    value.extend_from_slice(&digest);
    value.extend_from_slice(&id.0.to_be_bytes());
    if let Some(Reply { body, metadata }) = reply {
        value.extend_from_slice(&(metadata.as_bytes().len() as u64).to_be_bytes());
        value.extend_from_slice(metadata.as_bytes());
        value.extend_from_slice(body);
    }
    value
}

/// Time, digest and end of a value; none for bytes that are none.
fn read(value: &[u8]) -> Option<(u64, [u8; 32], Ended)> {
    let (head, rest) = value.split_at_checked(HEAD)?;
    let at = u64::from_be_bytes(head[1..9].try_into().ok()?);
    let digest = head[9..41].try_into().ok()?;
    let id = MessageId(u128::from_be_bytes(head[41..].try_into().ok()?));
    let ended = match head[0] {
        TOLD => Ended::Told(id),
        NO_REPLY => Ended::Answered(id, Err(AskError::NoReply)),
        REPLY => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            let (pairs, body) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
            let metadata = match pairs {
                [] => playhouse_frame::Metadata::new(),
                pairs => Pairs::read(pairs).ok()?.0.into(),
            };
            Ended::Answered(id, Ok(Reply { body: body.to_vec(), metadata }))
        }
        TOO_LARGE => Ended::Answered(id, Err(AskError::Failed("its answer was too large to be kept".to_owned()))),
        _ => return None,
    };
    Some((at, digest, ended))
}

/// The end of a request, from its value in the store.
pub(crate) fn ended_of(value: &[u8]) -> Option<Ended> {
    read(value).map(|(.., ended)| ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_comes_back_from_its_value() {
        let metadata = playhouse_frame::Metadata::collect([("status", "201"), ("a", "b")]).expect("few");
        let reply = |body: &[u8], metadata| Ended::Answered(MessageId(7), Ok(Reply { body: body.to_vec(), metadata }));
        for ended in [
            Ended::Told(MessageId(7)),
            Ended::Answered(MessageId(7), Err(AskError::NoReply)),
            reply(b"yes", metadata),
            reply(b"", playhouse_frame::Metadata::new()),
        ] {
            let value = value_of(&ended, [3; 32], UNIX_EPOCH + Duration::from_secs(9));
            assert_eq!(read(&value), Some((9000, [3; 32], ended)));
            assert_eq!(read(&value[..HEAD - 1]), None);
        }
        let large = reply(&vec![0; MOST_KEPT_ANSWER + 1], playhouse_frame::Metadata::new());
        let value = value_of(&large, [3; 32], UNIX_EPOCH);
        assert!(value.len() == HEAD && matches!(ended_of(&value), Some(Ended::Answered(_, Err(AskError::Failed(_))))));
    }
}
