//! Messages of turns that enter the journal: their space is reserved before the turn is true, since from then on nothing waits.
//! And the numbers of stored messages.

use std::ops::Range;
use std::task::Waker;

use crate::mailbox::load::Load;
use crate::mailbox::queue::{Mailbox, Refused};
use crate::mailbox::spec::Keep;
use crate::mailbox::spilled::Page;
use crate::words::event::Described;
use crate::words::message::{Message, append_numbered, number_of, records_of};
use crate::words::waiting_numbers::WaitingNumbers;

impl Mailbox {
    /// Whether its messages outlive the host.
    pub(crate) fn is_stored(&self) -> bool {
        self.spec.keep == Keep::Stored
    }

    /// Reserves space for a load. Refuses when closed, when other senders already wait, or when there is none for the first
    /// message.
    pub(crate) fn reserve(&self, owner: &impl Described, load: Load) -> Result<(), Refused> {
        let (waiting, bytes) = {
            let mut inner = self.inner.lock();
            if inner.refuses() {
                return Err(Refused::Closed);
            }
            if !inner.blocked.is_empty() {
                return Err(Refused::Full);
            }
            if inner.reserve(&self.spec, load) {
                return Ok(());
            }
            (inner.waiting(), inner.bytes())
        };
        self.warn_if_new(owner, waiting, bytes);
        Err(Refused::Full)
    }

    /// Gives reserved space back.
    pub(crate) fn unreserve(&self, load: Load) {
        let (sender, drained) = {
            let mut inner = self.inner.lock();
            inner.give_back(&self.spec, load);
            (inner.next_sender(&self.spec), inner.draining())
        };
        sender.into_iter().chain(drained).for_each(Waker::wake);
    }

    /// Puts records into reserved space. Adds the tasks to be woken to `wakers`. Refused when closed: the space is given back
    /// all the same.
    pub(crate) fn put_reserved(&self, records: &[u8], load: Load, wakers: &mut Vec<Waker>) -> Result<(), Refused> {
        let mut inner = self.inner.lock();
        inner.give_back(&self.spec, load);
        if inner.closed {
            return Err(Refused::Closed);
        }
        inner.arrive(records, load.messages, wakers);
        Ok(())
    }

    /// Gives numbers to records, and appends them to `stored`, as the store keeps them. Unless they come `later`, they are in
    /// the mailbox then, in reserved space. Returns the first number; none when the mailbox is closed, and then the space is
    /// given back.
    pub(crate) fn put_stored(
        &self,
        records: &[u8],
        load: Load,
        later: bool,
        stored: &mut Vec<u8>,
        wakers: &mut Vec<Waker>,
    ) -> Option<u64> {
        let mut inner = self.inner.lock();
        if !later {
            inner.give_back(&self.spec, load);
        }
        if inner.refuses() {
            if later {
                inner.give_back(&self.spec, load);
            }
            return None;
        }
        let last_number = inner.stored.as_mut().map(|stored| &mut stored.last_number);
        let last_number = last_number.expect("the caller found that its messages are stored");
        let (first, from) = (*last_number + 1, stored.len());
        for record in records_of(records) {
            *last_number += 1;
            append_numbered(record, *last_number, stored);
        }
        if !later && !inner.closed {
            inner.arrive(&stored[from..], load.messages, wakers);
        }
        Some(first)
    }

    /// Closes the mailbox at the end of the host, and returns the messages that wait, as [`Mailbox::close`]. Messages that turns still
    /// send are stored.
    pub(crate) fn close_at_end(&self) -> (Vec<Message>, Option<Page>) {
        if let Some(stored) = &mut self.inner.lock().stored {
            stored.goes_on = true;
        }
        self.close()
    }

    /// Removes waiting messages, in memory or not. Returns the numbers of those that were here. Adds the tasks to be woken to `wakers`.
    /// Messages that an instance has taken are not here.
    pub(crate) fn remove_stored(&self, numbers: &WaitingNumbers, wakers: &mut Vec<Waker>) -> Vec<Range<u64>> {
        let mut inner = self.inner.lock();
        let mut removed = Vec::new();
        inner.log.remove_where(|record| {
            let number = number_of(record);
            let is_wanted = number != 0 && numbers.contains(number);
            removed.extend(is_wanted.then_some(number..number + 1));
            is_wanted
        });
        removed.extend(inner.remove_unread(&numbers.in_order));
        if !removed.is_empty() {
            wakers.extend(inner.next_sender(&self.spec));
            wakers.extend(inner.draining());
            if inner.log.len() > 0 {
                // Messages that came after removed ones may be in the log now.
                wakers.extend(inner.next_instance());
            }
        }
        removed
    }

    /// Begins with the messages of earlier runs, and goes on with their numbers.
    pub(crate) fn restore(&self, records: &[u8], messages: usize, last_number: u64) {
        let mut inner = self.inner.lock();
        if let Some(stored) = &mut inner.stored {
            stored.last_number = last_number;
        }
        if messages > 0 {
            // The caller reads no more than there is memory for.
            inner.log.append_run(records, messages);
            inner.accepted += messages as u64;
            inner.most = inner.most.max(inner.waiting());
        }
    }

    /// Counts messages as accepted that go to an instance directly.
    pub(crate) fn count_restored(&self, messages: u64) {
        self.inner.lock().accepted += messages;
    }
}
