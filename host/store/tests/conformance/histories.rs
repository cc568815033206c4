//! Random histories over several runs, on a store and on the model at the same time.

use std::collections::{BTreeMap, BTreeSet};

use playhouse_kernel::{ActorId, ExpiringKey, MemoryStore, Op, Store};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::home::Home;
use crate::words::{Words, at, child_of, entry, timer, write};

/// The actors of a history.
const ACTORS: u64 = 3;

/// The state that decides which entries are possible next.
struct Dice {
    random: TestRng,
    last_number: [u64; ACTORS as usize],
    waiting: [BTreeSet<u64>; ACTORS as usize],
    last_letter: u64,
    letters: BTreeSet<u64>,
    timers: [BTreeSet<u64>; ACTORS as usize],
    /// Children that are there, with their addresses, and whether they leave.
    children: BTreeMap<u64, (u64, bool)>,
    last_id: u64,
}

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.random.next_u64() % most
    }

    fn entry(&mut self) -> Words {
        let mut words = entry();
        for _ in 0..=self.below(4) {
            words = self.op(words);
        }
        words
    }

    fn op(&mut self, words: Words) -> Words {
        let at = self.below(ACTORS) as usize;
        let actor = ActorId(at as u64 + 1);
        match self.below(21) {
            11 | 12 => {
                let id = 1 + self.below(9);
                self.timers[at].insert(id);
                words.timer(actor, timer(id, self.below(100)))
            }
            13 => match self.timers[at].pop_first() {
                Some(id) => words.cancel(actor, id),
                None => words,
            },
            8..10 => {
                let key = format!("k{}", self.below(6));
                words.set(actor, &key, &"v".repeat(self.below(50) as usize))
            }
            10 => words.unset(actor, &format!("k{}", self.below(6))),
            19 => {
                let (key, times) = (format!("k{}", self.below(6)), (self.below(100), self.below(100)));
                words.set_for(actor, &key, &"v".repeat(self.below(50) as usize), times)
            }
            20 => words.expire(actor, &format!("k{}", self.below(6)), self.below(200)),
            16 => {
                let name = self.below(4);
                if self.children.values().any(|(known, _)| *known == name) {
                    return words;
                }
                self.last_id += 1;
                self.children.insert(self.last_id, (name, false));
                let child = child_of(actor, "worker", &"c".repeat(name as usize));
                words.spawned(ActorId(self.last_id), &format!("/a1/c{name}"), child).set(
                    ActorId(self.last_id),
                    "k",
                    "v",
                )
            }
            17 => match self.children.first_entry() {
                None => words,
                Some(mut child) if !child.get().1 => {
                    child.get_mut().1 = true;
                    words.leaves(ActorId(*child.key()))
                }
                Some(child) => words.removed(ActorId(child.remove_entry().0)),
            },
            14 => words.origin(&format!("s{at}"), &self.below(9).to_string(), &"v".repeat(self.below(9) as usize)),
            15 => words.origin_gone(&format!("s{at}"), &self.below(9).to_string()),
            18 => {
                let nth = self.below(4) as usize;
                let Some(&number) = self.waiting[at].iter().nth(nth) else { return words };
                let ends = self.below(3) as u32;
                words.op(Op::Suspect { mailbox: actor, number, ends, in_process: self.below(2) == 0 })
            }
            0..3 => {
                let first = self.last_number[at] + 1 + self.below(8) / 7;
                let bodies: Vec<_> = (0..=self.below(4)).map(|_| "x".repeat(self.below(200) as usize)).collect();
                self.last_number[at] = first + bodies.len() as u64 - 1;
                self.waiting[at].extend(first..=self.last_number[at]);
                words.put(actor, first, &bodies.iter().map(String::as_str).collect::<Vec<_>>())
            }
            3..6 => {
                // Mostly the oldest ones, as far as they follow one another.
                let skipped = self.below(4) / 3 * self.below(5);
                let Some(&first) = self.waiting[at].iter().nth(skipped as usize) else { return words };
                let most = first + 1 + self.below(4);
                let end = (first..most).find(|number| !self.waiting[at].contains(number)).unwrap_or(most);
                self.waiting[at].retain(|number| !(first..end).contains(number));
                words.take(actor, first..end)
            }
            6 => {
                let nth = self.below(4) as usize;
                let Some(&number) = self.waiting[at].iter().nth(nth) else { return words };
                let seconds = self.below(100);
                words.hold(actor, number, seconds, "held")
            }
            _ if self.below(2) == 0 => {
                self.last_letter += 1 + self.below(3);
                self.letters.insert(self.last_letter);
                words.letter(self.last_letter)
            }
            _ => match self.letters.pop_first() {
                Some(number) => words.gone(number),
                None => words.op(Op::Halted { actor, halted: self.below(2) == 0 }),
            },
        }
    }
}

pub async fn random_histories_are_as_in_the_model(home: impl Home) {
    let model = MemoryStore::new();
    let seed = [7; 32];
    let mut dice = Dice {
        random: TestRng::from_seed(RngAlgorithm::ChaCha, &seed),
        last_number: [0; ACTORS as usize],
        waiting: Default::default(),
        last_letter: 0,
        letters: BTreeSet::new(),
        timers: Default::default(),
        children: BTreeMap::new(),
        last_id: ACTORS,
    };
    for run in 0..8 {
        let (store, mut image) = home.open().await;
        let mut expected = model.open().await.unwrap();
        for (actor, expected) in image.actors.iter_mut().zip(&expected.actors) {
            assert!(actor.bytes >= expected.bytes, "{} bytes, and {} wait", actor.bytes, expected.bytes);
            actor.bytes = expected.bytes;
        }
        assert_eq!(image, expected, "run {run}");
        if run == 0 {
            let born = || (1..=ACTORS).fold(entry(), |words, id| words.born(ActorId(id), &format!("/a{id}")));
            write(&*store, &mut image, [born()]).await.unwrap();
            write(&model, &mut expected, [born()]).await.unwrap();
        }
        for _ in 0..30 {
            let entries: Vec<_> = (0..=dice.below(5)).map(|_| dice.entry()).collect();
            write(&model, &mut expected, entries.iter().cloned()).await.unwrap();
            write(&*store, &mut image, entries).await.unwrap();
        }
        same(&*store, &model, &mut dice).await;
    }
}

async fn same(store: &impl Store, model: &MemoryStore, dice: &mut Dice) {
    for id in (1..=ACTORS).map(ActorId) {
        for _ in 0..10 {
            let (from, most) = (dice.below(300), dice.below(3_000) as usize);
            let (read, expected) = (store.messages(id, from, most).await, model.messages(id, from, most).await);
            assert_eq!(read, expected, "from {from}, {most} bytes");
            assert_eq!(store.held(id, from, most).await, model.held(id, from, most).await);
        }
        assert_eq!(store.messages(id, 0, usize::MAX).await, model.messages(id, 0, usize::MAX).await);
        for now in [0, 50] {
            let keys = model.keys(id, "", None, 100, at(now)).await.unwrap();
            assert_eq!(store.keys(id, "", None, 100, at(now)).await.unwrap(), keys);
        }
        let keys = model.keys(id, "", None, 100, at(0)).await.unwrap();
        for key in keys {
            assert_eq!(store.value(id, &key).await, model.value(id, &key).await, "{key}");
        }
        assert_eq!(store.state_size(id).await, model.state_size(id).await);
        assert_eq!(store.timers(id, 0, 100).await, model.timers(id, 0, 100).await);
    }
    let (read, model_read) = (store.expiring(1000).await.unwrap(), model.expiring(1000).await.unwrap());
    let sorted = |mut keys: Vec<ExpiringKey>| {
        keys.sort_by_key(|key| (key.ends, key.actor, key.key.clone()));
        keys
    };
    assert!(read.is_sorted_by_key(|key| key.ends));
    assert_eq!(sorted(read), sorted(model_read));
    assert_eq!(store.letters(0, 1000).await, model.letters(0, 1000).await);
    for source in ["s0", "s1", "s2"] {
        assert_eq!(store.origins(source, b"", 100).await, model.origins(source, b"", 100).await);
    }
}
