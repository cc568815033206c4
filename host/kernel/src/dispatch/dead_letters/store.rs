//! The store of dead letters. It is bounded; letters that it evicted and letters that operators took out are counted. When it
//! is full, the actor with the most letters, or the most bytes, loses its oldest: a flood evicts its own letters first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use super::feed::LetterFeed;
use super::shares::Shares;
use crate::words::address::Address;
use crate::words::dead_letter::{
    DeadLetter, DeadLetterCounts, DeadLetterSpec, DeadReason, Fates, LetterError, LetterId, LetterPrefix,
};
use crate::words::message::{ActorId, Message};

/// Ids named when a prefix fits more than one.
const NAMED_IDS: usize = 5;

pub(crate) struct DeadLetters {
    spec: DeadLetterSpec,
    feed: Option<LetterFeed>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By a number that counts up, so that the oldest is first.
    kept: BTreeMap<u64, Kept>,
    by_id: BTreeMap<LetterId, u64>,
    last_number: u64,
    bytes: usize,
    shares: Shares,
    counts: DeadLetterCounts,
}

struct Kept {
    letter: Arc<DeadLetter>,
    /// The actor for which it counts.
    owner: ActorId,
    /// A replay is under way: the letter is neither evicted nor removed.
    in_replay: bool,
}

impl DeadLetters {
    /// An empty store. [`DeadLetters::feed`] passes letters on to `feed`.
    pub(crate) fn new(spec: DeadLetterSpec, feed: Option<LetterFeed>) -> Self {
        Self { spec, feed, inner: Mutex::default() }
    }

    /// Keeps a letter, which counts for `owner`. Returns its number, itself, and the numbers of the evicted ones.
    pub(crate) fn add(
        &self,
        owner: ActorId,
        message: Message,
        to: Address,
        sender: Option<Address>,
        reason: DeadReason,
    ) -> (u64, Arc<DeadLetter>, Vec<u64>) {
        let mut inner = self.inner.lock();
        let id = inner.next_id(&message);
        let letter = Arc::new(DeadLetter { id, message, to, sender, reason, at: SystemTime::now() });
        inner.fates(&letter).all += 1;
        inner.bytes += letter.bytes();
        inner.last_number += 1;
        let number = inner.last_number;
        inner.keep(number, letter.clone(), owner);
        let evicted = inner.trim(self.spec);
        (number, letter, evicted)
    }

    /// Passes a letter on to the feed, if there is one.
    pub(crate) fn feed(&self, letter: &Arc<DeadLetter>) {
        if let Some(feed) = &self.feed {
            feed.offer(letter);
        }
    }

    /// Keeps a letter of an earlier run. Returns the numbers of the evicted ones.
    pub(crate) fn restore(&self, number: u64, letter: DeadLetter, owner: ActorId) -> Vec<u64> {
        let mut inner = self.inner.lock();
        inner.fates(&letter).restored += 1;
        inner.bytes += letter.bytes();
        inner.keep(number, Arc::new(letter), owner);
        inner.trim(self.spec)
    }

    /// Goes on after the numbers of earlier runs.
    pub(crate) fn count_on_from(&self, last_number: u64) {
        self.inner.lock().last_number = last_number;
    }

    /// Bytes of the kept letters.
    pub(crate) fn bytes(&self) -> usize {
        self.inner.lock().bytes
    }

    /// The kept letters, oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<DeadLetter>> {
        self.inner.lock().kept.values().map(|kept| kept.letter.clone()).collect()
    }

    pub(crate) fn counts(&self) -> DeadLetterCounts {
        self.inner.lock().counts.clone()
    }

    /// The letter whose id is `text`, or else the only one whose id begins with it.
    pub(crate) fn find(&self, text: &str) -> Result<Arc<DeadLetter>, LetterError> {
        let LetterPrefix { first, last, copy } = text.parse()?;
        let inner = self.inner.lock();
        let range = LetterId { message: first, copy: 0 }..=LetterId { message: last, copy: u32::MAX };
        let mut found = inner.by_id.range(range).filter(|(id, _)| copy.is_none_or(|copy| copy == id.copy));
        let exact = |id: &LetterId| first == last && id.copy == 1;
        let some: Vec<_> = found.by_ref().take(NAMED_IDS).collect();
        match some[..] {
            [] => Err(LetterError::Unknown(text.to_owned())),
            [(_, number)] => Ok(inner.kept[number].letter.clone()),
            [(id, number), ..] if exact(id) => Ok(inner.kept[number].letter.clone()),
            _ => {
                let count = some.len() + found.count();
                let some = some.into_iter().map(|(id, _)| *id).collect();
                Err(LetterError::Ambiguous { prefix: text.to_owned(), some, count })
            }
        }
    }

    /// Begins a replay. The letter stays until [`Replay::accepted`] is called.
    pub(crate) fn begin_replay(&self, id: LetterId) -> Result<Replay<'_>, LetterError> {
        let mut inner = self.inner.lock();
        let number = inner.free(id)?;
        let kept = inner.kept.get_mut(&number).expect("both maps have the same letters");
        kept.in_replay = true;
        let (letter, owner) = (kept.letter.clone(), kept.owner);
        inner.shares.hold(owner, number);
        Ok(Replay { store: self, number, letter, accepted: false })
    }

    /// Removes a letter by an operator's order.
    pub(crate) fn remove(&self, id: LetterId) -> Result<(u64, Arc<DeadLetter>), LetterError> {
        let mut inner = self.inner.lock();
        let number = inner.free(id)?;
        let letter = inner.take(number);
        inner.fates(&letter).dropped += 1;
        Ok((number, letter))
    }
}

impl Inner {
    fn keep(&mut self, number: u64, letter: Arc<DeadLetter>, owner: ActorId) {
        self.by_id.insert(letter.id, number);
        self.shares.add(owner, number, letter.bytes());
        self.kept.insert(number, Kept { letter, owner, in_replay: false });
    }

    fn next_id(&self, message: &Message) -> LetterId {
        let id = |copy| LetterId { message: message.envelope.id, copy };
        let last = self.by_id.range(id(0)..=id(u32::MAX)).next_back();
        id(last.map_or(0, |(id, _)| id.copy).saturating_add(1))
    }

    fn fates(&mut self, letter: &DeadLetter) -> &mut Fates {
        self.counts.by_reason.entry(letter.reason.kind()).or_default()
    }

    /// The number of a letter that is not in a replay.
    fn free(&self, id: LetterId) -> Result<u64, LetterError> {
        let number = *self.by_id.get(&id).ok_or_else(|| LetterError::Unknown(id.to_string()))?;
        if self.kept[&number].in_replay { Err(LetterError::InReplay(id)) } else { Ok(number) }
    }

    fn take(&mut self, number: u64) -> Arc<DeadLetter> {
        let Kept { letter, owner, .. } = self.kept.remove(&number).expect("it was found there under this lock");
        self.shares.remove(owner, number, letter.bytes());
        self.by_id.remove(&letter.id);
        self.bytes -= letter.bytes();
        letter
    }

    /// Evicts letters until the store is within its bounds: the oldest of the actor that has the most letters, or the most
    /// bytes. Returns their numbers.
    fn trim(&mut self, spec: DeadLetterSpec) -> Vec<u64> {
        let mut evicted = Vec::new();
        loop {
            let largest = if self.kept.len() > spec.capacity {
                self.shares.oldest_of_most_letters()
            } else if self.bytes > spec.capacity_bytes {
                self.shares.oldest_of_most_bytes()
            } else {
                return evicted;
            };
            let Some(number) = largest else { return evicted };
            let letter = self.take(number);
            self.fates(&letter).forgotten += 1;
            evicted.push(number);
        }
    }
}

/// A letter whose message is being sent again. If this is dropped without [`Replay::accepted`], the letter stays as it was.
pub(crate) struct Replay<'a> {
    store: &'a DeadLetters,
    /// Unique to this letter; the new message's id is made from it.
    pub(crate) number: u64,
    pub(crate) letter: Arc<DeadLetter>,
    accepted: bool,
}

impl Replay<'_> {
    /// The new message is in its mailbox: removes the letter.
    pub(crate) fn accepted(mut self) {
        self.accepted = true;
    }
}

impl Drop for Replay<'_> {
    fn drop(&mut self) {
        let mut inner = self.store.inner.lock();
        if self.accepted {
            inner.take(self.number);
            inner.fates(&self.letter).replayed += 1;
        } else {
            let kept = inner.kept.get_mut(&self.number).expect("a letter in a replay is not removed");
            kept.in_replay = false;
            let owner = kept.owner;
            inner.shares.release(owner, self.number);
            inner.trim(self.store.spec);
        }
    }
}

#[cfg(test)]
mod tests {
    use playhouse_frame::Parts;

    use super::*;
    use crate::words::message::{ActorId, Envelope, FlowId, MessageId, ReplyToken};

    fn store(capacity: usize, capacity_bytes: usize) -> DeadLetters {
        DeadLetters::new(DeadLetterSpec { capacity, capacity_bytes }, None)
    }

    fn add(store: &DeadLetters, id: u128, body_bytes: usize) {
        add_for(store, 1, id, body_bytes);
    }

    fn add_for(store: &DeadLetters, owner: u64, id: u128, body_bytes: usize) {
        let envelope = Envelope {
            id: MessageId(id),
            sender: ActorId::OUTSIDE,
            flow: FlowId(1),
            hops: 0,
            attempt: 1,
            reply: ReplyToken::NONE,
            parts: Parts::NONE,
        };
        let message = Message::new(envelope, vec![0; body_bytes]);
        store.add(ActorId(owner), message, Address::root(), None, DeadReason::Stopped);
    }

    fn ids(store: &DeadLetters) -> Vec<u128> {
        store.list().iter().map(|letter| letter.id.message.0).collect()
    }

    #[test]
    fn the_oldest_letters_go_first_and_are_counted() {
        let store = store(3, 100);
        for n in 0..5 {
            add(&store, n, 10);
        }
        add(&store, 5, 90);
        assert_eq!(ids(&store), [4, 5]);
        let counts = store.counts().sum();
        assert_eq!((counts.all, counts.forgotten, counts.kept()), (6, 4, 2));
    }

    #[test]
    fn flood_evicts_the_letters_of_its_own_actor_first() {
        let store = store(6, 1000);
        add_for(&store, 1, 1, 10);
        add_for(&store, 2, 2, 10);
        for id in 10..100 {
            add_for(&store, 3, id, 10);
        }
        assert_eq!(ids(&store), [1, 2, 96, 97, 98, 99]);
        for id in 100..200 {
            add_for(&store, 4, id, 10);
        }
        assert_eq!(ids(&store), [1, 2, 98, 99, 198, 199], "two that flood have the same share");
        let counts = store.counts().sum();
        assert_eq!((counts.all, counts.forgotten), (192, 186));
    }

    #[test]
    fn large_letters_evict_those_of_their_own_actor_first() {
        let store = store(100, 1000);
        for id in 0..50 {
            add_for(&store, 1, id, 1);
        }
        for id in 100..110 {
            add_for(&store, 2, id, 400);
        }
        assert_eq!(ids(&store).len(), 52, "many small ones stay");
        assert_eq!(ids(&store)[50..], [108, 109]);
    }

    #[test]
    fn oldest_letter_goes_when_all_have_as_many() {
        let store = store(3, 1000);
        for id in 1..=5 {
            add_for(&store, id, u128::from(id), 0);
        }
        assert_eq!(ids(&store), [3, 4, 5]);
    }

    #[test]
    fn a_prefix_finds_one_letter_and_an_exact_id_is_never_ambiguous() {
        let store = store(100, 1000);
        let top = 0xab00_u128 << 112;
        for id in [top, top | 1, top | 1, 0xac00_u128 << 112] {
            add(&store, id, 0);
        }
        let found = |text: &str| store.find(text).map(|letter| letter.id).map_err(|error| error.to_string());
        let (one, second) = (MessageId(top | 1), LetterId { message: MessageId(top | 1), copy: 2 });
        assert_eq!(found("ac"), Ok(LetterId { message: MessageId(0xac00 << 112), copy: 1 }));
        assert_eq!(found(&one.to_string()), Ok(LetterId { message: one, copy: 1 }));
        assert_eq!(found("ab-2"), Ok(second));
        assert_eq!(found(&second.to_string()), Ok(second));
        assert_eq!(found("b"), Err("no dead letter is kept whose id begins with `b`".into()));
        let text = format!("`ab` is the beginning of 3 ids: {}-1, {one}-1, {one}-2", MessageId(top));
        assert_eq!(found("ab"), Err(text));
    }

    #[test]
    fn eviction_spares_a_letter_in_replay() {
        let store = store(1, 1000);
        add(&store, 1, 0);
        let replay = store.begin_replay(store.list()[0].id).expect("it is there");
        add(&store, 2, 0);
        assert_eq!(ids(&store), [1], "the newer one had to go");
        assert_eq!(store.remove(replay.letter.id).err(), Some(LetterError::InReplay(replay.letter.id)));
        drop(replay);
        add(&store, 3, 0);
        assert_eq!(ids(&store), [3]);
    }
}
