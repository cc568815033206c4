//! The outcomes of finished messages, until a commit makes them final. Most messages are done without a reply; these are only
//! counted.

use crate::words::outcome::Outcome;

#[derive(Default)]
pub(super) struct Outcomes {
    messages: usize,
    /// The other outcomes, by the index of their message.
    notable: Vec<(usize, Outcome)>,
    /// Bytes of their replies.
    bytes: usize,
}

impl Outcomes {
    /// Number of finished messages.
    pub(super) fn len(&self) -> usize {
        self.messages
    }

    /// Bytes of their replies.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Adds the outcome of the message with this index.
    pub(super) fn push(&mut self, index: usize, outcome: Outcome) {
        self.messages += 1;
        match &outcome {
            Outcome::Done(Some(reply)) => self.bytes += reply.len(),
            Outcome::DoneWith(reply) => self.bytes += reply.body.len() + reply.metadata.as_bytes().len(),
            _ => {}
        }
        self.notable.push((index, outcome));
    }

    /// The outcomes that are more than done without a reply, with the indices of their messages, in order.
    pub(super) fn notable(&self) -> impl Iterator<Item = (usize, &Outcome)> {
        self.notable.iter().map(|(index, outcome)| (*index, outcome))
    }

    /// Adds `messages` messages that are done and for which no asker waits.
    pub(super) fn push_plain(&mut self, messages: usize) {
        self.messages += messages;
    }

    /// Removes all outcomes, and keeps the memory.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (usize, Outcome)> {
        (self.messages, self.bytes) = (0, 0);
        self.notable.drain(..)
    }

    pub(super) fn clear(&mut self) {
        (self.messages, self.bytes) = (0, 0);
        self.notable.clear();
    }
}
