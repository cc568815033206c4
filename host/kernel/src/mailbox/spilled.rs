//! Counts of the part of a stored mailbox that is not in memory.

use std::collections::VecDeque;
use std::ops::Range;

use crate::words::message::Message;
use crate::words::waiting_numbers::count;

/// Most bytes that are read at a time.
pub(super) const PAGE_BYTES: usize = 256 << 10;

/// Counts of the messages outside the log.
#[derive(Default)]
pub(super) struct Spilled {
    /// Most bytes of the log, after its first messages.
    pub(super) memory_bytes: usize,
    /// The messages that were ever only in the store, and those of them that were read. Two counters that only grow, so that
    /// one that came in between has a place.
    pub(super) left_out: u64,
    pub(super) read: u64,
    /// The bytes of messages that were not read.
    pub(super) unread_bytes: usize,
    /// The number from which on they are in the store, and the highest one of them.
    pub(super) next: u64,
    pub(super) last: u64,
    /// The numbers of those that an operator has removed, in order. Pages that are read may still have their messages, and their places
    /// are passed when the messages before them were read.
    pub(super) removed: VecDeque<Range<u64>>,
    pub(super) removed_messages: u64,
    /// Whether a task reads them.
    pub(super) reading: bool,
    /// Messages that are not stored, such as questions, and came after unread ones: each with the value of `left_out` then.
    pub(super) behind: VecDeque<(u64, Message)>,
    pub(super) behind_bytes: usize,
}

impl Spilled {
    pub(super) fn new(memory_bytes: usize) -> Self {
        Self { memory_bytes, ..Self::default() }
    }

    /// The messages that are only in the store.
    pub(super) fn unread(&self) -> usize {
        (self.left_out - self.read - self.removed_messages) as usize
    }

    /// Passes the places of removed messages before a number.
    pub(super) fn pass_removed(&mut self, before: u64) {
        while let Some(first) = self.removed.front_mut().filter(|first| first.start < before) {
            let passed = first.end.min(before) - first.start;
            first.start += passed;
            self.read += passed;
            self.removed_messages -= passed;
            if first.is_empty() {
                self.removed.pop_front();
            }
        }
    }

    /// Passes the places of removed messages before a message that was read. Whether that message is still wanted.
    pub(super) fn pass_removed_before(&mut self, number: u64) -> bool {
        self.pass_removed(number);
        number <= self.last && self.removed.front().is_none_or(|first| first.start != number)
    }

    /// Whether all messages of a page are wanted, and no others come between them.
    pub(super) fn wants_all_of(&self, page: &ReadPage) -> bool {
        page.messages > 0 && page.next <= self.last + 1 && self.removed.is_empty() && self.behind.is_empty()
    }

    /// Notes that messages are removed, by numbers that waited in order at some moment. Returns the numbers of those that were still
    /// unread.
    pub(super) fn remove(&mut self, in_order: &[Range<u64>]) -> Vec<Range<u64>> {
        let mut removed = Vec::new();
        if self.unread() == 0 {
            return removed;
        }
        for numbers in in_order {
            let wanted = numbers.start.max(self.next)..numbers.end.min(self.last + 1);
            removed.extend(without(wanted, &self.removed));
        }
        self.removed.extend(removed.iter().cloned());
        self.removed.make_contiguous().sort_unstable_by_key(|numbers| numbers.start);
        self.removed_messages += count(&removed);
        removed
    }

    /// The messages outside the log.
    pub(super) fn len(&self) -> usize {
        self.unread() + self.behind.len()
    }

    /// The bytes of messages outside the log: those in memory, and all.
    pub(super) fn bytes(&self) -> (usize, usize) {
        (self.behind_bytes, self.behind_bytes + self.unread_bytes)
    }
}

/// The next messages to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    /// Their lowest number.
    pub(crate) from: u64,
    /// Most messages: those after them may not have arrived.
    pub(crate) most: usize,
    pub(crate) most_bytes: usize,
}

/// Messages that were read.
#[derive(Default)]
pub(crate) struct ReadPage {
    pub(crate) records: Vec<u8>,
    pub(crate) messages: usize,
    /// The number after the last one.
    pub(crate) next: u64,
}

/// The numbers of a range that are in none of the others, which are in order.
fn without(mut numbers: Range<u64>, others: &VecDeque<Range<u64>>) -> Vec<Range<u64>> {
    let mut left = Vec::new();
    for other in others {
        if other.end > numbers.start && other.start < numbers.end {
            left.push(numbers.start..other.start);
            numbers.start = other.end;
        }
    }
    left.push(numbers);
    left.retain(|numbers| !numbers.is_empty());
    left
}
