//! Messages of turns that enter the journal: their space is reserved before the turn is true, since from then on nothing waits.
//! And the numbers of stored messages.

use std::task::Waker;

use playhouse_frame::{HEADER_BYTES, Header};

use crate::mailbox::inner::{Inner, SpaceLeft, signed};
use crate::mailbox::message_log::message_of;
use crate::mailbox::queue::{Mailbox, Refused};
use crate::mailbox::{Keep, MailboxSpec};
use crate::words::event::Described;
use crate::words::message::{Message, ReplyToken, append_numbered, records_of, token_of};

/// Bytes that the number of a stored message takes.
const NUMBER_BYTES: usize = 8;

/// Messages of one turn for one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    pub(crate) messages: usize,
    /// The bytes of their records.
    pub(crate) bytes: usize,
    /// The bytes of the first one's content.
    pub(crate) first_bytes: usize,
}

impl Load {
    /// The space that they take in a mailbox.
    pub(super) fn space(self, keep: Keep) -> SpaceLeft {
        let numbers = if keep == Keep::Stored { self.messages * NUMBER_BYTES } else { 0 };
        SpaceLeft { messages: signed(self.messages), bytes: signed(self.bytes + numbers) }
    }
}

impl Inner {
    /// Reserves space for all messages of a load, once there is space for the first: a load that is larger than the mailbox
    /// could never come in otherwise. So the bounds are exceeded by one load at most.
    pub(super) fn reserve(&mut self, mailbox: &Mailbox, load: Load) -> bool {
        let bytes = self.bytes() + HEADER_BYTES + load.first_bytes;
        let fits = self.space.lets_in(self.waiting() + 1, bytes)
            || self.waiting() == 0 && !self.is_reserved(&mailbox.spec)
            || self.has_space_to_choose(&mailbox.spec, load.first_bytes);
        if fits {
            let space = load.space(mailbox.spec.keep);
            self.space.messages -= space.messages;
            self.space.bytes -= space.bytes;
        }
        fits
    }

    fn give_back(&mut self, mailbox: &Mailbox, load: Load) {
        let space = load.space(mailbox.spec.keep);
        self.space.messages += space.messages;
        self.space.bytes += space.bytes;
    }
}

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
            if inner.closed && !inner.stores {
                return Err(Refused::Closed);
            }
            if !inner.blocked.is_empty() {
                return Err(Refused::Full);
            }
            if inner.reserve(self, load) {
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
            inner.give_back(self, load);
            (inner.next_sender(&self.spec), inner.draining())
        };
        sender.into_iter().chain(drained).for_each(Waker::wake);
    }

    /// Puts records into reserved space. Adds the tasks to be woken to `wakers`. Refused when closed: the space is given back
    /// all the same.
    pub(crate) fn put_reserved(&self, records: &[u8], load: Load, wakers: &mut Vec<Waker>) -> Result<(), Refused> {
        let mut inner = self.inner.lock();
        inner.give_back(self, load);
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
            inner.give_back(self, load);
        }
        if inner.closed && !inner.stores {
            if later {
                inner.give_back(self, load);
            }
            return None;
        }
        let (first, from) = (inner.last_number + 1, stored.len());
        let mut has_tokens = false;
        for record in records_of(records) {
            inner.last_number += 1;
            has_tokens |= token_of(record).is_some();
            append_numbered(record, inner.last_number, stored);
        }
        if !later && !inner.closed {
            if has_tokens {
                let with_tokens = with_tokens(records, &stored[from..]);
                inner.arrive(&with_tokens, load.messages, wakers);
            } else {
                inner.arrive(&stored[from..], load.messages, wakers);
            }
        }
        Some(first)
    }

    /// Closes the mailbox at the end of the host, and returns the messages that wait. What turns still send is stored.
    pub(crate) fn close_at_end(&self) -> Vec<Message> {
        self.inner.lock().stores = true;
        self.close()
    }

    /// Begins with the messages of earlier runs, and goes on with their numbers.
    pub(crate) fn restore(&self, records: &[u8], messages: usize, last_number: u64) {
        let mut inner = self.inner.lock();
        inner.last_number = last_number;
        if messages > 0 {
            inner.arrive(records, messages, &mut Vec::new());
        }
    }

    /// Counts messages as accepted that go to an instance directly.
    pub(crate) fn count_restored(&self, messages: u64) {
        self.inner.lock().accepted += messages;
    }
}

impl Inner {
    /// Whether space is reserved: messages are on their way.
    pub(super) fn is_reserved(&self, spec: &MailboxSpec) -> bool {
        self.space != SpaceLeft::of(spec)
    }

    /// Appends records whether or not there is space.
    fn arrive(&mut self, records: &[u8], messages: usize, wakers: &mut Vec<Waker>) {
        match &mut self.order {
            Some(order) if order.decides() => {
                records_of(records).for_each(|record| order.arrive(message_of(record)));
            }
            _ => self.log.append_run(records, messages),
        }
        self.accepted += messages as u64;
        self.most = self.most.max(self.waiting());
        let (waker, sleeper) = self.wanted_for_arrival();
        wakers.extend(waker.into_iter().chain(sleeper));
    }
}

/// Numbered records, with the tokens that `records` have.
pub(crate) fn with_tokens(records: &[u8], numbered: &[u8]) -> Vec<u8> {
    let mut out = numbered.to_vec();
    let mut at = 0;
    for (record, numbered) in records_of(records).zip(records_of(numbered)) {
        let ReplyToken(token) = token_of(record);
        out[at + Header::REPLY_AT..][..8].copy_from_slice(&token.to_le_bytes());
        at += numbered.len();
    }
    out
}
