//! A turn that is an entry of the journal already, and goes on with its other effects.

use crate::journal::entry::EntryNumber;

/// A turn that has entered, until its other effects are carried out.
#[derive(Default)]
pub(super) struct Entered {
    /// The number of the last entry.
    pub(super) number: EntryNumber,
    /// The messages that ended with the turn.
    pub(super) finished: u64,
    /// The places in the outbox that are to be carried out after the entry. When a commit is dropped, more messages may finish before
    /// the next one: their places come after these, and have not entered.
    pub(super) places: usize,
}
