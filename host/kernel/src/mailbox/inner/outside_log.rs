//! The messages of a stored mailbox that are not in its log. Stored messages for which the log has no space are only counted, and a
//! task reads them back from the store when the log runs low. Messages are taken in the order of their arrival all the same.
//!
//! The messages outside the log take space in the mailbox as those that are on their way do, so that the usual path of a message
//! knows nothing of them.

use std::ops::Range;

use playhouse_frame::HEADER_BYTES;

use crate::mailbox::inner::Inner;
use crate::mailbox::load::signed;
use crate::mailbox::message_log::{TakenMessages, first_record, message_of};
use crate::mailbox::spilled::{PAGE_BYTES, Page, ReadPage, Spilled};
use crate::words::message::{Message, number_of, records_of};
use crate::words::waiting_numbers::count;

/// The part of a mailbox's memory that its buffers may take while nothing waits.
const KEPT_PART: usize = 4;

impl Inner {
    /// The messages outside the log.
    #[inline]
    pub(in crate::mailbox) fn outside_log(&self) -> usize {
        self.stored.as_ref().map_or(0, |stored| stored.spilled.len())
    }

    /// Counts stored records that do not go into the log: it has no space, or others come before them. False when they go.
    pub(in crate::mailbox) fn spill(&mut self, records: &[u8], messages: usize) -> bool {
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
    pub(in crate::mailbox) fn count_unread(&mut self, messages: usize, bytes: usize, numbers: Range<u64>) {
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
    pub(in crate::mailbox) fn put_behind(&mut self, message: Message) {
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
    pub(in crate::mailbox) fn arrive_read(&mut self, page: ReadPage) {
        if self.stored.as_ref().is_some_and(|stored| stored.spilled.wants_all_of(&page)) {
            let bytes = page.records.len();
            self.log.append_whole(page.records, 0, page.messages);
            self.mark_read(page.messages, bytes);
        } else {
            self.arrive_one_by_one(&page.records);
        }
        if let Some(stored) = &mut self.stored {
            stored.spilled.next = page.next.min(stored.spilled.last + 1);
            stored.spilled.pass_removed(stored.spilled.next);
        }
        self.end_if_all_read();
        self.move_behind();
    }

    /// Moves those of the records to the log that are still wanted, and the messages between them.
    fn arrive_one_by_one(&mut self, records: &[u8]) {
        for record in records_of(records) {
            let Some(stored) = &mut self.stored else { return };
            if stored.spilled.pass_removed_before(number_of(record)) {
                self.move_behind();
                self.log.append_run(record, 1);
                self.mark_read(1, record.len());
            }
        }
    }

    /// Before an instance waits for messages: the buffers that are kept for later ones are no more than a part of the mailbox's memory.
    pub(in crate::mailbox) fn keep_few_buffers(&mut self, batch: &mut TakenMessages) {
        if let Some(stored) = &self.stored {
            self.log.keep_at_most(stored.spilled.memory_bytes / KEPT_PART, batch);
        }
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
    pub(in crate::mailbox) fn remove_unread(&mut self, in_order: &[Range<u64>]) -> Vec<Range<u64>> {
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
    pub(in crate::mailbox) fn expects(&self, page: &Page) -> bool {
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
    pub(in crate::mailbox) fn forget_spilled(&mut self, messages: &mut Vec<Message>) -> Option<Page> {
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

/// The bytes of a message in the log.
fn bytes_of(message: &Message) -> usize {
    HEADER_BYTES + message.content_bytes()
}
