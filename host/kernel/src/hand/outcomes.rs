//! The outcomes of finished messages, until a commit makes them final. Most messages are done without a reply, and such a
//! one is only counted.

use super::{Failure, Hand, Outcome};

#[derive(Default)]
pub(super) struct Outcomes {
    messages: usize,
    /// The outcomes that are more than that, by the index of their message.
    notable: Vec<(usize, Outcome)>,
    /// Of their replies.
    bytes: usize,
}

impl Outcomes {
    /// Finished messages.
    pub(super) fn len(&self) -> usize {
        self.messages
    }

    /// Bytes of the replies among them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Adds that of the message with this index; none when it is done and nobody waits for a reply.
    pub(super) fn push(&mut self, index: usize, outcome: Option<Outcome>) {
        self.messages += 1;
        if let Some(outcome) = outcome {
            if let Outcome::Done(Some(reply)) = &outcome {
                self.bytes += reply.len();
            }
            self.notable.push((index, outcome));
        }
    }

    /// Those that are more than done without a reply, with the indices of their messages, in order.
    pub(super) fn notable(&self) -> impl Iterator<Item = (usize, &Outcome)> {
        self.notable.iter().map(|(index, outcome)| (*index, outcome))
    }

    /// Adds those of so many messages that are done and that nobody waits for.
    pub(super) fn push_plain(&mut self, messages: usize) {
        self.messages += messages;
    }

    /// Takes out all; the room they took stays.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (usize, Outcome)> {
        (self.messages, self.bytes) = (0, 0);
        self.notable.drain(..)
    }

    pub(super) fn clear(&mut self) {
        (self.messages, self.bytes) = (0, 0);
        self.notable.clear();
    }
}

impl Hand {
    pub(super) fn check_reply(&self, reply: &[u8]) -> Result<(), Failure> {
        let (bytes, limit_bytes) = (reply.len(), self.actor.spec.message_bytes);
        if bytes <= limit_bytes {
            return Ok(());
        }
        let text = format!("its reply of {bytes} bytes is larger than limits.message, {limit_bytes} bytes");
        Err(Failure::Reject(text))
    }
}
