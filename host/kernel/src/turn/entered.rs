//! A turn that is an entry of the journal already, and goes on with its other effects.

use crate::journal::entry::EntryNumber;

/// A turn that has entered, until its other effects are carried out.
#[derive(Default)]
pub(super) struct Entered {
    /// The number of the last entry.
    pub(super) number: EntryNumber,
    /// The messages that ended with the turn.
    pub(super) finished: u64,
}
