//! Insertion into a locked mailbox: of one message, a run of records, or a whole buffer of them.

use std::ops::Range;

use playhouse_frame::HEADER_BYTES;

use crate::mailbox::inner::Inner;
use crate::mailbox::message_log::{first_record, message_of};
use crate::mailbox::policy::Key;
use crate::mailbox::spec::{MailboxSpec, Overflow};
use crate::words::message::{Envelope, Message, Payload, records_of};

/// Accepts messages while the mailbox is locked once for all of them.
pub(crate) struct Space<'a> {
    spec: &'a MailboxSpec,
    inner: &'a mut Inner,
    /// The messages that [`Overflow::DropOldest`] displaced.
    pub(crate) displaced: Vec<Message>,
    /// Whether a message found no space.
    pub(super) full: bool,
}

/// The place of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MessagePlace {
    /// In the log; the number counts all messages ever accepted.
    Log(u64),
    /// Held under this key, until the policy gives it out or drops it.
    Held(Key),
}

impl<'a> Space<'a> {
    pub(super) fn new(spec: &'a MailboxSpec, inner: &'a mut Inner) -> Self {
        Self { spec, inner, displaced: Vec::new(), full: false }
    }

    /// Whether there is space for a body of `body_bytes` bytes, after the overflow rule was applied.
    fn make_space(&mut self, body_bytes: usize) -> bool {
        while !self.inner.has_space(body_bytes) {
            self.full = true;
            if self.inner.order.is_some() {
                // Only the policy drops messages that it knows of.
                return self.inner.has_space_to_choose(self.spec, body_bytes);
            }
            if self.spec.overflow != Overflow::DropOldest {
                return false;
            }
            self.displaced.extend(self.inner.log.pop());
        }
        true
    }

    /// Appends the message; false when there is no space for it.
    pub(crate) fn put(&mut self, envelope: &Envelope, payload: &Payload<'_>) -> bool {
        if !self.make_space(payload.len()) {
            return false;
        }
        match &mut self.inner.order {
            Some(order) if order.decides() => {
                order.arrive(Message::of(*envelope, *payload));
            }
            _ => {
                if self.inner.outside_log() > 0 {
                    self.inner.put_behind(Message::of(*envelope, *payload));
                } else {
                    self.inner.log.append(envelope, payload);
                }
            }
        }
        self.inner.accepted += 1;
        true
    }

    /// The place of the message that was just put.
    pub(crate) fn place(&self) -> MessagePlace {
        match &self.inner.order {
            Some(order) if order.decides() => MessagePlace::Held(order.next_key() - 1),
            _ => MessagePlace::Log(self.inner.accepted),
        }
    }

    /// Appends as many of `messages` records as fit, from the first. Returns their number and their bytes.
    pub(crate) fn put_run(&mut self, records: &[u8], messages: usize) -> (usize, usize) {
        let policy = self.inner.order.is_some();
        if !policy && self.inner.has_space_for(messages, records.len()) {
            if self.inner.outside_log() > 0 {
                self.append_run(records, messages);
            } else {
                self.inner.log.append_run(records, messages);
                self.inner.accepted += messages as u64;
            }
            return (messages, records.len());
        }
        self.put_some(records, messages)
    }

    /// As [`Space::put_run`], where not all records fit, or a policy decides about each.
    #[inline(never)]
    fn put_some(&mut self, records: &[u8], messages: usize) -> (usize, usize) {
        let policy = self.inner.order.is_some();
        let (mut fit, mut bytes) = (0, 0);
        if policy || self.spec.overflow == Overflow::DropOldest {
            while fit < messages {
                let record = first_record(&records[bytes..]);
                if !self.make_space(record.len() - HEADER_BYTES) {
                    break;
                }
                self.append_run(record, 1);
                fit += 1;
                bytes += record.len();
            }
            return (fit, bytes);
        }
        self.full = true;
        while fit < messages {
            let more = first_record(&records[bytes..]).len();
            let alone = self.inner.log.len() + fit == 0;
            if !alone && !self.inner.has_space_for(fit + 1, bytes + more) {
                break;
            }
            fit += 1;
            bytes += more;
        }
        if fit > 0 {
            self.append_run(&records[..bytes], fit);
        }
        (fit, bytes)
    }

    #[inline(never)]
    fn append_run(&mut self, records: &[u8], messages: usize) {
        match &mut self.inner.order {
            Some(order) if order.decides() => {
                debug_assert_eq!(messages, 1, "with a policy they come one by one");
                order.arrive(message_of(records));
            }
            _ => {
                if self.inner.outside_log() > 0 {
                    records_of(records).map(message_of).for_each(|message| self.inner.put_behind(message));
                } else {
                    self.inner.log.append_run(records, messages);
                }
            }
        }
        self.inner.accepted += messages as u64;
    }

    /// Appends the `messages` records in this range of `bytes`, if all of them fit, without a copy: the mailbox takes the
    /// buffer, and the bytes after the range are left in `bytes`.
    pub(crate) fn put_whole(&mut self, bytes: &mut Vec<u8>, records: Range<usize>, messages: usize) -> bool {
        let goes_there = self.inner.order.is_none() && self.inner.outside_log() == 0;
        let fits = goes_there && self.inner.has_space_for(messages, records.len());
        if fits {
            let rest = bytes.split_off(records.end);
            self.inner.log.append_whole(std::mem::replace(bytes, rest), records.start, messages);
            self.inner.accepted += messages as u64;
        }
        fits
    }
}
