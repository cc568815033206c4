//! Words and their counts, compact for a 32-bit memory: about 20 bytes for a word of 8 letters. This module knows no actors and
//! messages.
//!
//! A record, `count: u32, length: u8 [u32], word`, is in an arena of chunks that are never moved. An index of `u32`
//! record addresses, open addressing with linear probing, is cut into shards by the hash's upper bits. Each shard grows
//! alone, so no single word pays for rehashing millions, and no growth needs twice the index.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

const SHARD_BITS: u32 = 10;
const FIRST_SLOTS: usize = 16;
/// An address that no record has: it is the last byte, and a record has more than one byte.
const EMPTY: u32 = u32::MAX;

/// A count for each word.
pub(crate) struct Table {
    arena: Arena,
    shards: Vec<Shard>,
}

impl Default for Table {
    fn default() -> Self {
        let shards = (0..1 << SHARD_BITS).map(|_| Shard::default()).collect();
        Self { arena: Arena::default(), shards }
    }
}

impl Table {
    /// Adds one to the count of a word.
    pub(crate) fn add(&mut self, word: &[u8]) {
        let hash = hash(word);
        let shard = &mut self.shards[(hash >> (u64::BITS - SHARD_BITS)) as usize];
        shard.grow_if_full(&self.arena);
        let slot = shard.find(hash, |address| self.arena.word(address) == word);
        match shard.slots[slot] {
            EMPTY => {
                shard.slots[slot] = self.arena.push(word);
                shard.used += 1;
            }
            address => self.arena.increment(address),
        }
    }

    /// Puts the words in order, the most frequent first, ties by the word's bytes. Needs almost no memory: it
    /// sorts one shard of the index after the other, and [`Ranking::iter`] merges them.
    pub(crate) fn into_ranking(self) -> Ranking {
        let Self { arena, mut shards } = self;
        for shard in &mut shards {
            shard.slots.retain(|&address| address != EMPTY);
            shard.slots.sort_by_cached_key(|&address| Reverse(arena.rank(address)));
        }
        Ranking { arena, runs: shards.into_iter().map(|shard| shard.slots).collect() }
    }
}

/// The words in order.
pub(crate) struct Ranking {
    arena: Arena,
    /// Record addresses, each shard's in order.
    runs: Vec<Vec<u32>>,
}

impl Ranking {
    /// Words with their counts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let mut runs: Vec<_> = self.runs.iter().map(|run| run.iter()).collect();
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next().map(|&address| (self.arena.rank(address), number)));
        }
        std::iter::from_fn(move || {
            let mut head = heads.peek_mut()?;
            let (Rank { count, word: Reverse(word), .. }, number) = *head;
            match runs[number].next() {
                Some(&address) => head.0 = self.arena.rank(address),
                None => drop(std::collections::binary_heap::PeekMut::pop(head)),
            }
            Some((word, count))
        })
    }
}

/// A part of the index.
#[derive(Default)]
struct Shard {
    /// The slots: none, or a power of two.
    slots: Vec<u32>,
    used: usize,
}

impl Shard {
    /// The slot of the word with this hash, or the empty slot where it belongs. A shard always has an empty slot.
    fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != EMPTY && !is_it(self.slots[slot]) {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// Grows a shard that is three quarters full: in a fuller one, the search for a new word would become long.
    fn grow_if_full(&mut self, arena: &Arena) {
        if self.used < self.slots.len() / 4 * 3 {
            return;
        }
        let slots = vec![EMPTY; (self.slots.len() * 2).max(FIRST_SLOTS)];
        let old = std::mem::replace(&mut self.slots, slots);
        for address in old.into_iter().filter(|&address| address != EMPTY) {
            let slot = self.find(hash(arena.word(address)), |_| false);
            self.slots[slot] = address;
        }
    }
}

/// Records, one after another, in chunks. An address is the chunk's number and the record's place in it.
#[derive(Default)]
struct Arena {
    chunks: Vec<Vec<u8>>,
    /// The number of overflows of a record's `u32`. They are rare, so they are kept apart and not in four bytes of each record.
    carries: HashMap<u32, u64>,
}

const CHUNK_BITS: u32 = 20;
const CHUNK_BYTES: usize = 1 << CHUNK_BITS;
const COUNT_BYTES: usize = 4;
/// The mark in place of a length of one byte: four bytes with the length follow.
const LONG: u8 = u8::MAX;

impl Arena {
    /// Adds a record with a count of one.
    fn push(&mut self, word: &[u8]) -> u32 {
        let long = word.len() >= usize::from(LONG);
        let bytes = COUNT_BYTES + 1 + if long { 4 } else { 0 } + word.len();
        if self.chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < bytes) {
            // A record larger than a chunk gets a chunk of its own, so that its address is still its start.
            self.chunks.push(Vec::with_capacity(bytes.max(CHUNK_BYTES)));
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        let address = u32::try_from(number << CHUNK_BITS | chunk.len()).expect("an arena has less than 4 GiB");
        chunk.extend_from_slice(&1_u32.to_le_bytes());
        if long {
            let length = u32::try_from(word.len()).expect("a word has less than 4 GiB");
            chunk.push(LONG);
            chunk.extend_from_slice(&length.to_le_bytes());
        } else {
            chunk.push(word.len() as u8);
        }
        chunk.extend_from_slice(word);
        address
    }

    fn increment(&mut self, address: u32) {
        let (chunk, at) = Self::place(address);
        let count = &mut self.chunks[chunk][at..at + COUNT_BYTES];
        let next = u32_at(count).wrapping_add(1);
        count.copy_from_slice(&next.to_le_bytes());
        if next == 0 {
            *self.carries.entry(address).or_default() += 1;
        }
    }

    fn count(&self, address: u32) -> u64 {
        let (chunk, at) = Self::place(address);
        let carries = if self.carries.is_empty() { 0 } else { self.carries.get(&address).copied().unwrap_or(0) };
        carries << u32::BITS | u64::from(u32_at(&self.chunks[chunk][at..]))
    }

    fn word(&self, address: u32) -> &[u8] {
        let (chunk, at) = Self::place(address);
        let (&length, rest) =
            self.chunks[chunk][at + COUNT_BYTES..].split_first().expect("a record has its length after its count");
        match length {
            LONG => &rest[4..4 + u32_at(rest) as usize],
            length => &rest[..usize::from(length)],
        }
    }

    fn rank(&self, address: u32) -> Rank<'_> {
        let word = self.word(address);
        let mut start = [0; 8];
        start[..word.len().min(8)].copy_from_slice(&word[..word.len().min(8)]);
        Rank { count: self.count(address), start: Reverse(u64::from_be_bytes(start)), word: Reverse(word) }
    }

    fn place(address: u32) -> (usize, usize) {
        ((address >> CHUNK_BITS) as usize, address as usize & (CHUNK_BYTES - 1))
    }
}

/// The first of the ranking is the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank<'a> {
    count: u64,
    /// The word's first bytes, as a number of the same order: most ties are decided here, without a read of the arena.
    start: Reverse<u64>,
    word: Reverse<&'a [u8]>,
}

fn u32_at(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(*bytes.first_chunk().expect("records hold their numbers whole"))
}

/// Multiply and fold, eight bytes at a time. The hash has no secret: a sender of words that collide slows down only this actor,
/// whose CPU time is limited.
fn hash(word: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 / the golden ratio
    let mix = |hash: u64, bits: u64| {
        let product = (hash ^ bits).wrapping_mul(MULTIPLIER);
        product ^ product >> 32
    };
    let (blocks, rest) = word.as_chunks::<8>();
    let hash = blocks.iter().fold(word.len() as u64, |hash, block| mix(hash, u64::from_le_bytes(*block)));
    let last = rest.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
    mix(mix(hash, last), 0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn table(words: &[&str]) -> Table {
        let mut table = Table::default();
        for word in words {
            table.add(word.as_bytes());
        }
        table
    }

    fn ranked(table: Table) -> Vec<(String, u64)> {
        let ranking = table.into_ranking();
        ranking.iter().map(|(word, count)| (String::from_utf8(word.to_vec()).unwrap(), count)).collect()
    }

    #[test]
    fn it_agrees_with_a_map_on_many_words() {
        let mut table = Table::default();
        let mut expected = BTreeMap::<String, u64>::new();
        for number in 0..300_000_u64 {
            let word = (number * number % 200_003).to_string();
            table.add(word.as_bytes());
            *expected.entry(word).or_default() += 1;
        }
        let mut expected: Vec<_> = expected.into_iter().collect();
        expected.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        assert!(ranked(table) == expected);
    }

    #[test]
    fn ties_are_ordered_by_bytes() {
        let expected = [("b", 2), ("", 1), ("a", 1), ("aa", 1)].map(|(word, count)| (word.to_owned(), count));
        assert_eq!(ranked(table(&["b", "aa", "a", "", "b"])), expected);
    }

    #[test]
    fn words_of_any_length_fit() {
        let lengths = [254, 255, 256, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES, 7];
        let words: Vec<String> = lengths.map(|length| "x".repeat(length)).into();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut found = ranked(table(&words));
        found.sort_by_key(|(word, _)| lengths.iter().position(|&length| length == word.len()));
        assert!(found.iter().map(|(word, count)| (word.as_str(), *count)).eq(words.into_iter().map(|word| (word, 1))));
    }

    #[test]
    fn count_beyond_32_bits_is_exact() {
        let mut table = table(&["a"]);
        table.arena.chunks[0][..COUNT_BYTES].fill(u8::MAX);
        table.add(b"a");
        table.add(b"a");
        assert_eq!(ranked(table), [("a".to_owned(), (1 << 32) + 1)]);
    }

    #[test]
    fn shards_fill_evenly() {
        let mut table = Table::default();
        (0..1 << 18).for_each(|number: u32| table.add(number.to_string().as_bytes()));
        let fullest = table.shards.iter().map(|shard| shard.used).max().unwrap();
        assert!(fullest < 2 << (18 - SHARD_BITS), "{fullest}");
    }

    #[test]
    fn word_of_eight_letters_costs_some_twenty_bytes() {
        let mut table = Table::default();
        let words = 1 << 20;
        (0..words).for_each(|number: usize| table.add(format!("{number:08}").as_bytes()));
        let arena: usize = table.arena.chunks.iter().map(Vec::capacity).sum();
        let index: usize = table.shards.iter().map(|shard| shard.slots.capacity() * size_of::<u32>()).sum();
        assert!((arena + index) / words <= 24, "{}", (arena + index) / words);
    }
}
