//! The writer's knowledge of the messages of a mailbox that may have ended runs of a host.

use std::collections::BTreeMap;
use std::ops::Range;

/// The suspects of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Suspects {
    /// Their number, as the actor's row says.
    pub(crate) rows: u64,
    /// By the number of the message: how many runs it may have ended, and the run in which it was in process last.
    pub(crate) messages: BTreeMap<u64, (u32, u64)>,
}

impl Suspects {
    pub(crate) fn insert(&mut self, number: u64, ends: u32, boot: u64) {
        self.messages.insert(number, (ends, boot));
        self.rows = self.messages.len() as u64;
    }

    /// A message that is held is in process no more. Returns whether it is a suspect.
    pub(crate) fn hold(&mut self, number: u64) -> bool {
        let Some((_, boot)) = self.messages.get_mut(&number) else { return false };
        *boot = 0;
        true
    }

    /// Removes the messages that ended, and returns those that were suspects.
    pub(crate) fn end(&mut self, numbers: Range<u64>) -> Vec<u64> {
        if self.messages.is_empty() {
            return Vec::new();
        }
        let ended: Vec<_> = self.messages.range(numbers).map(|(number, _)| *number).collect();
        for number in &ended {
            self.messages.remove(number);
        }
        self.rows = self.messages.len() as u64;
        ended
    }

    /// Whether all suspects have a row.
    pub(crate) fn has_all(&self) -> bool {
        self.messages.len() as u64 == self.rows
    }
}
