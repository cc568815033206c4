//! Writes the frame of a batch's outcomes, which `outbound` reads.

use alloc::vec::Vec;
use core::mem;

use crate::metadata::Metadata;
use crate::outbound::{
    CANCEL, COUNT, DELETE, OBSERVE, OP_BYTES, REJECT, REPLY, REPLY_WITH, RETRY, SET, SET_FOR, SPAWN, STOP, TELL,
    TELL_AFTER, TELL_AFTER_WITH, TELL_EVERY, TELL_EVERY_WITH, TELL_WITH,
};
use crate::record::HEADER_BYTES;
use crate::trailer;

/// Collects operations into a frame.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
    /// Messages of this frame that have their outcome.
    outcomes: u32,
    /// The place where the operations of the current message begin.
    current_start: usize,
}

impl Encoder {
    /// An empty frame.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), outcomes: 0, current_start: 0 }
    }

    /// Records a send of the current message.
    ///
    /// # Panics
    /// When the body has more than `u32::MAX` bytes.
    #[inline]
    pub fn tell(&mut self, route: u32, body: &[u8]) {
        let header = self.header(TELL, route, body.len());
        self.bytes.reserve(HEADER_BYTES + body.len());
        // The bytes between this header and the body have no meaning. To fill them with zeros would be a call out of the guest.
        self.bytes.extend_from_slice([header; HEADER_BYTES / OP_BYTES].as_flattened());
        extend_short(&mut self.bytes, body);
    }

    /// Records a send of the current message, with metadata.
    ///
    /// # Panics
    /// When the body has almost `u32::MAX` bytes.
    pub fn tell_with(&mut self, route: u32, metadata: &Metadata, body: &[u8]) {
        if metadata.is_empty() {
            return self.tell(route, body);
        }
        let capacity = [0; HEADER_BYTES - OP_BYTES];
        self.op_of(TELL_WITH, route, &[&capacity, metadata.as_bytes(), body]);
    }

    /// Records the spawn of a child.
    pub fn spawn(&mut self, route: u32) {
        self.op(SPAWN, route, &[]);
    }

    /// Records the stop of a child.
    pub fn stop(&mut self, route: u32) {
        self.op(STOP, route, &[]);
    }

    /// Records a timer; `again`: whether it repeats.
    ///
    /// # Panics
    /// When the body has almost `u32::MAX` bytes.
    pub fn timer(&mut self, id: u64, route: u32, wait_ms: u64, again: bool, metadata: &Metadata, body: &[u8]) {
        let kind = match (metadata.is_empty(), again) {
            (true, false) => TELL_AFTER,
            (true, true) => TELL_EVERY,
            (false, false) => TELL_AFTER_WITH,
            (false, true) => TELL_EVERY_WITH,
        };
        self.op_of(kind, route, &[&id.to_le_bytes(), &wait_ms.to_le_bytes(), metadata.as_bytes(), body]);
    }

    /// Records the cancellation of a timer.
    pub fn cancel(&mut self, id: u64) {
        self.op(CANCEL, 0, &id.to_le_bytes());
    }

    /// Records an addition to a metric.
    #[inline]
    pub fn count(&mut self, metric: u32, by: u64) {
        self.measure(COUNT, metric, by.to_le_bytes());
    }

    /// Records an observed value of a metric.
    ///
    /// # Panics
    /// When the value is negative or not finite.
    #[inline]
    pub fn observe(&mut self, metric: u32, value: f64) {
        assert!(value.is_finite() && value >= 0.0, "a value is finite and not negative");
        self.measure(OBSERVE, metric, value.to_le_bytes());
    }

    /// Records that a key of the actor's state gets a value.
    ///
    /// # Panics
    /// When the key has more than `u16::MAX` bytes, or the value almost `u32::MAX`.
    pub fn set(&mut self, key: &str, value: &[u8]) {
        self.op_of(SET, 0, &[&key_length(key), key.as_bytes(), value]);
    }

    /// As [`Encoder::set`]; the value goes when it was not set again for this time.
    ///
    /// # Panics
    /// As [`Encoder::set`].
    pub fn set_for(&mut self, key: &str, value: &[u8], milliseconds: u64) {
        self.op_of(SET_FOR, 0, &[&milliseconds.to_le_bytes(), &key_length(key), key.as_bytes(), value]);
    }

    /// Records that a key of the actor's state goes.
    pub fn delete(&mut self, key: &str) {
        self.op(DELETE, 0, key.as_bytes());
    }

    /// The place where the next operation will be, for [`Encoder::set_at`].
    pub fn place(&self) -> Place {
        Place { at: self.bytes.len(), message: self.outcomes }
    }

    /// As [`Encoder::set`], at an earlier place of this frame: the operation belongs to the message that was the current one there.
    ///
    /// # Panics
    /// When the place is one of another frame, beyond this one's end; and as [`Encoder::set`].
    pub fn set_at(&mut self, place: Place, key: &str, value: &[u8]) {
        let behind = self.bytes.split_off(place.at);
        let current_start = self.current_start;
        let outcomes = mem::replace(&mut self.outcomes, place.message);
        self.set(key, value);
        self.outcomes = outcomes;
        if current_start > place.at {
            self.current_start = current_start + self.bytes.len() - place.at;
        }
        self.bytes.extend_from_slice(&behind);
    }

    /// As [`Encoder::op`], without a copy whose length is not a constant.
    fn measure(&mut self, kind: u32, metric: u32, content: [u8; 8]) {
        let header = self.header(kind, metric, content.len());
        self.bytes.reserve(OP_BYTES + content.len());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(&content);
    }

    /// Ends the current message.
    ///
    /// # Panics
    /// When the reply has more than `u32::MAX` bytes.
    #[inline]
    pub fn done(&mut self, reply: Option<&[u8]>) {
        if let Some(reply) = reply {
            self.op(REPLY, 0, reply);
        }
        self.end_message();
    }

    /// Ends the current message with a reply that has metadata.
    ///
    /// # Panics
    /// When the reply has almost `u32::MAX` bytes.
    pub fn done_with(&mut self, metadata: &Metadata, reply: &[u8]) {
        if metadata.is_empty() {
            return self.done(Some(reply));
        }
        self.op_of(REPLY_WITH, 0, &[metadata.as_bytes(), reply]);
        self.end_message();
    }

    /// Fails the current message for good, and drops its sends.
    ///
    /// # Panics
    /// When the reason has more than `u32::MAX` bytes.
    pub fn reject(&mut self, reason: &str) {
        self.fail(REJECT, reason);
    }

    /// Fails the current message for now, and drops its sends.
    ///
    /// # Panics
    /// When the reason has more than `u32::MAX` bytes.
    pub fn retry(&mut self, reason: &str) {
        self.fail(RETRY, reason);
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Ends the frame and returns it; the next one begins. Sends of the current message are part of the returned frame; the
    /// frame with that message's outcome decides whether they are delivered.
    pub fn take(&mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&trailer::trailer(mem::take(&mut self.outcomes)));
        self.current_start = 0;
        mem::take(&mut self.bytes)
    }

    /// Reserves capacity, before the first operation of a frame.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    fn op(&mut self, kind: u32, route: u32, body: &[u8]) {
        let header = self.header(kind, route, body.len());
        self.bytes.reserve(OP_BYTES + body.len());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(body);
    }

    /// As [`Encoder::op`], for a content of several pieces.
    fn op_of(&mut self, kind: u32, route: u32, content: &[&[u8]]) {
        let length = content.iter().map(|piece| piece.len()).sum();
        let header = self.header(kind, route, length);
        self.bytes.reserve(OP_BYTES + length);
        self.bytes.extend_from_slice(&header);
        for piece in content {
            self.bytes.extend_from_slice(piece);
        }
    }

    #[inline]
    fn header(&self, kind: u32, route: u32, length: usize) -> [u8; OP_BYTES] {
        let length = u32::try_from(length).expect("a body has less than 4 GiB");
        let mut header = [0; OP_BYTES];
        header[0..4].copy_from_slice(&length.to_le_bytes());
        header[4..8].copy_from_slice(&kind.to_le_bytes());
        header[8..12].copy_from_slice(&route.to_le_bytes());
        header[12..16].copy_from_slice(&self.outcomes.to_le_bytes());
        header
    }

    fn fail(&mut self, kind: u32, reason: &str) {
        self.bytes.truncate(self.current_start);
        self.op(kind, 0, reason.as_bytes());
        self.end_message();
    }

    #[inline]
    fn end_message(&mut self) {
        self.outcomes += 1;
        self.current_start = self.bytes.len();
    }
}

fn key_length(key: &str) -> [u8; 2] {
    u16::try_from(key.len()).expect("a key has less than 64 KiB").to_le_bytes()
}

/// A place between two operations of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    at: usize,
    /// Messages with an outcome before it.
    message: u32,
}

/// Appends bytes that are mostly few. In a guest, a copy of a length that is not a constant is a call out of the guest, which
/// takes as long as the copy of a few hundred bytes.
#[inline]
fn extend_short(bytes: &mut Vec<u8>, more: &[u8]) {
    if more.len() > 256 {
        return bytes.extend_from_slice(more);
    }
    let (large, rest) = more.as_chunks::<64>();
    for chunk in large {
        bytes.extend_from_slice(chunk);
    }
    let (small, rest) = rest.as_chunks::<8>();
    for chunk in small {
        bytes.extend_from_slice(chunk);
    }
    for byte in rest {
        bytes.push(*byte);
    }
}
