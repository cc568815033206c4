//! Messages that come back into a stored mailbox from the store: a task reads them, page by page.

use std::task::Waker;

use crate::mailbox::queue::Mailbox;
use crate::mailbox::spilled::{PAGE_BYTES, Page, ReadPage, Spilled};

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
    pub(crate) fn put_page(&self, page: &Page, read: ReadPage) {
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
