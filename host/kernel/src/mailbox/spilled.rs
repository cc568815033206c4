//! The part of a stored mailbox that is not in memory. Stored messages for which the log has no space are only counted, and a task
//! reads them back from the store when the log runs low. Messages are taken in the order of their arrival all the same.
//!
//! The messages outside the log take space in the mailbox as those that are on their way do, so that the usual path of a message
//! knows nothing of them.

use std::collections::VecDeque;
use std::ops::Range;
use std::task::Waker;

use playhouse_frame::HEADER_BYTES;

use crate::mailbox::inner::Inner;
use crate::mailbox::load::signed;
use crate::mailbox::message_log::{first_record, message_of};
use crate::mailbox::queue::Mailbox;
use crate::words::message::{Message, number_of, records_of};
use crate::words::waiting_numbers::count;

/// Most bytes that are read at a time.
const PAGE_BYTES: usize = 256 << 10;

/// Counts of the messages outside the log.
#[derive(Default)]
pub(super) struct Spilled {
    /// Most bytes of the log, after its first messages.
    memory_bytes: usize,
    /// The messages that were ever only in the store, and those of them that were read. Two counters that only grow, so that
    /// one that came in between has a place.
    left_out: u64,
    read: u64,
    /// The bytes of messages that were not read.
    unread_bytes: usize,
    /// The number from which on they are in the store, and the highest one of them.
    next: u64,
    last: u64,
    /// The numbers of those that an operator has removed, in order. Pages that are read may still have their messages, and their places
    /// are passed when the messages before them were read.
    removed: VecDeque<Range<u64>>,
    removed_messages: u64,
    /// Whether a task reads them.
    reading: bool,
    /// Messages that are not stored, such as questions, and came after unread ones: each with the value of `left_out` then.
    behind: VecDeque<(u64, Message)>,
    behind_bytes: usize,
}

impl Spilled {
    pub(super) fn new(memory_bytes: usize) -> Self {
        Self { memory_bytes, ..Self::default() }
    }

    /// The messages that are only in the store.
    fn unread(&self) -> usize {
        (self.left_out - self.read - self.removed_messages) as usize
    }

    /// Passes the places of removed messages before a number.
    fn pass_removed(&mut self, before: u64) {
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
    fn pass_removed_before(&mut self, number: u64) -> bool {
        self.pass_removed(number);
        number <= self.last && self.removed.front().is_none_or(|first| first.start != number)
    }

    /// Notes that messages are removed, by numbers that waited in order at some moment. Returns the numbers of those that were still
    /// unread.
    fn remove(&mut self, in_order: &[Range<u64>]) -> Vec<Range<u64>> {
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

impl Inner {
    /// The messages outside the log.
    #[inline]
    pub(super) fn outside_log(&self) -> usize {
        self.stored.as_ref().map_or(0, |stored| stored.spilled.len())
    }

    /// Counts stored records that do not go into the log: it has no space, or others come before them. False when they go.
    pub(super) fn spill(&mut self, records: &[u8], messages: usize) -> bool {
        let Some(Spilled { memory_bytes, .. }) = self.stored.as_ref().map(|stored| &stored.spilled) else {
            return false;
        };
        let fits = self.log.len() == 0 || self.log.bytes() + records.len() <= *memory_bytes;
        if fits && self.outside_log() == 0 {
            return false;
        }
        let first = message_of(first_record(records)).sequence();
        self.count_unread(messages, records.len(), first..first + messages as u64);
        true
    }

    /// Counts messages that are only in the store. Their numbers are after those of all others, and may have gaps.
    fn count_unread(&mut self, messages: usize, bytes: usize, numbers: Range<u64>) {
        let Some(stored) = &mut self.stored else { return };
        let spilled = &mut stored.spilled;
        if spilled.unread() == 0 {
            spilled.next = numbers.start;
        }
        spilled.last = numbers.end - 1;
        spilled.left_out += messages as u64;
        spilled.unread_bytes += bytes;
        self.space.messages -= signed(messages);
        self.space.bytes -= signed(bytes);
    }

    /// Appends a message that is not stored, after those that came before it.
    pub(super) fn put_behind(&mut self, message: Message) {
        let Some(stored) = &mut self.stored else { return };
        let (spilled, bytes) = (&mut stored.spilled, bytes_of(&message));
        spilled.behind.push_back((spilled.left_out, message));
        spilled.behind_bytes += bytes;
        self.space.messages -= 1;
        self.space.bytes -= signed(bytes);
    }

    /// Moves the messages to the log whose place comes next.
    fn move_behind(&mut self) {
        let Some(stored) = &mut self.stored else { return };
        let spilled = &mut stored.spilled;
        while let Some((_, message)) = spilled.behind.pop_front_if(|(place, _)| *place <= spilled.read) {
            let bytes = bytes_of(&message);
            spilled.behind_bytes -= bytes;
            self.space.messages += 1;
            self.space.bytes += signed(bytes);
            self.log.append(&message.envelope, &message.payload());
        }
    }

    /// Moves messages that were read to the log.
    fn arrive_read(&mut self, page: &ReadPage) {
        for record in records_of(&page.records) {
            let Some(stored) = &mut self.stored else { return };
            if stored.spilled.pass_removed_before(number_of(record)) {
                self.move_behind();
                self.log.append_run(record, 1);
                self.mark_read(1, record.len());
            }
        }
        if let Some(stored) = &mut self.stored {
            stored.spilled.next = page.next.min(stored.spilled.last + 1);
            stored.spilled.pass_removed(stored.spilled.next);
        }
        self.end_if_all_read();
        self.move_behind();
    }

    /// Forgets the unread part of the mailbox, when it has no more messages.
    fn end_if_all_read(&mut self) {
        let Some(stored) = &mut self.stored else { return };
        let spilled = &mut stored.spilled;
        if spilled.unread() == 0 {
            spilled.pass_removed(u64::MAX);
            // A page that is being read has no more messages.
            spilled.next = spilled.last + 1;
            // The bytes of messages from earlier runs, and of removed ones, were an estimate.
            let rest = spilled.unread_bytes;
            self.mark_read(0, rest);
        }
    }

    /// Removes messages that are only in the store, by numbers that waited in order at some moment. Returns the numbers of those that
    /// were still unread.
    pub(super) fn remove_unread(&mut self, in_order: &[Range<u64>]) -> Vec<Range<u64>> {
        let Some(stored) = &mut self.stored else { return Vec::new() };
        let spilled = &mut stored.spilled;
        let unread = spilled.unread() as u128;
        let removed = spilled.remove(in_order);
        let messages = count(&removed);
        if messages > 0 {
            // Nothing knows how large each of them is.
            let bytes = (spilled.unread_bytes as u128 * u128::from(messages) / unread) as usize;
            spilled.unread_bytes -= bytes;
            self.space.messages += signed(messages as usize);
            self.space.bytes += signed(bytes);
            self.end_if_all_read();
            self.move_behind();
        }
        removed
    }

    /// Whether the messages of a page are still to be read.
    fn expects(&self, page: &Page) -> bool {
        let spilled = self.stored.as_ref().map(|stored| &stored.spilled);
        !self.closed && spilled.is_some_and(|spilled| spilled.next == page.from && spilled.unread() > 0)
    }

    fn mark_read(&mut self, messages: usize, bytes: usize) {
        let Some(stored) = &mut self.stored else { return };
        let spilled = &mut stored.spilled;
        let bytes = bytes.min(spilled.unread_bytes);
        spilled.read += messages as u64;
        spilled.unread_bytes -= bytes;
        self.space.messages += signed(messages);
        self.space.bytes += signed(bytes);
    }

    /// Removes the messages outside the log: those in memory are appended to `messages`. Returns the others.
    pub(super) fn forget_spilled(&mut self, messages: &mut Vec<Message>) -> Option<Page> {
        let spilled = &mut self.stored.as_mut()?.spilled;
        let (unread, bytes, from) = (spilled.unread(), spilled.unread_bytes, spilled.next);
        spilled.pass_removed(u64::MAX);
        self.mark_read(unread, bytes);
        while let Some((_, message)) = self.stored.as_mut()?.spilled.behind.pop_front() {
            self.space.messages += 1;
            self.space.bytes += signed(bytes_of(&message));
            messages.push(message);
        }
        self.stored.as_mut()?.spilled.behind_bytes = 0;
        (unread > 0).then_some(Page { from, most: unread, most_bytes: PAGE_BYTES })
    }
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

/// The bytes of a message in the log.
fn bytes_of(message: &Message) -> usize {
    HEADER_BYTES + message.content_bytes()
}

impl Mailbox {
    /// Whether messages are to be read back now, by the caller: the log runs low, and no other task reads.
    pub(crate) fn begins_reading(&self) -> bool {
        if !self.is_stored() {
            return false;
        }
        let mut inner = self.inner.lock();
        let (closed, bytes) = (inner.closed, inner.log.bytes());
        let Some(stored) = &mut inner.stored else { return false };
        let Spilled { memory_bytes, reading, .. } = stored.spilled;
        let begins = stored.spilled.unread() > 0 && !reading && !closed && bytes <= memory_bytes / 2;
        stored.spilled.reading |= begins;
        begins
    }

    /// The next messages for the task that reads; none when it ends, since there are none, or no memory for them.
    pub(crate) fn next_page(&self) -> Option<Page> {
        let mut inner = self.inner.lock();
        let (closed, bytes) = (inner.closed, inner.log.bytes());
        let spilled = &mut inner.stored.as_mut()?.spilled;
        let most_bytes = PAGE_BYTES.min(spilled.memory_bytes / 2);
        let page = Page { from: spilled.next, most: spilled.unread(), most_bytes };
        let goes_on = !closed && page.most > 0 && (bytes == 0 || bytes + most_bytes <= spilled.memory_bytes);
        spilled.reading = goes_on;
        goes_on.then_some(page)
    }

    /// Whether the messages of a page are still to be read.
    pub(crate) fn expects(&self, page: &Page) -> bool {
        self.inner.lock().expects(page)
    }

    /// Puts messages that were read into the log.
    pub(crate) fn put_page(&self, page: &Page, read: &ReadPage) {
        let (waker, sender) = {
            let mut inner = self.inner.lock();
            if !inner.expects(page) {
                // The mailbox was closed meanwhile, and its messages have another way; or an operator has removed them.
                return;
            }
            inner.arrive_read(read);
            (inner.next_instance(), inner.next_sender(&self.spec))
        };
        waker.into_iter().chain(sender).for_each(Waker::wake);
    }

    /// Begins with messages of earlier runs that stay in the store. `bytes` may be an estimate.
    pub(crate) fn restore_unread(&self, messages: usize, bytes: usize, from: u64) {
        let mut inner = self.inner.lock();
        let end = inner.stored.as_ref().map_or(from, |stored| stored.last_number) + 1;
        inner.count_unread(messages, bytes, from..end);
        inner.accepted += messages as u64;
        inner.most = inner.most.max(inner.waiting());
    }

    /// Whether the log has space for more messages of earlier runs.
    pub(crate) fn has_memory(&self) -> bool {
        let inner = self.inner.lock();
        inner.stored.as_ref().is_some_and(|stored| inner.log.bytes() < stored.spilled.memory_bytes)
    }
}
