//! Positions in sources outside, such as a broker or a file: the entry of a message has the position that it came from, so that a source
//! which goes on after a crash hands no message over twice.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;

use crate::dispatch::routing::output::Output;
use crate::journal::entry::Op;
use crate::journal::order::Draft;

/// Where a message came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The name of the source: the same over all runs of a host.
    pub source: &'a str,
    /// The position, in the source's own form. Positions are in the order of their bytes.
    pub position: &'a [u8],
    /// All that the source needs to go on, in its own form.
    pub value: &'a [u8],
    /// Whether the position stands for one message, which is admitted once. Else it moves, as that of a file does, and gets another
    /// value with each message.
    pub is_unique: bool,
}

/// The unique positions whose messages have entered, by source.
#[derive(Default)]
pub(crate) struct Origins {
    known: Mutex<HashMap<String, HashSet<Vec<u8>>>>,
}

/// The right to enter the message from a position. Dropping it gives the position free.
pub(crate) struct Claim<'a> {
    origins: &'a Origins,
    source: &'a str,
    position: &'a [u8],
}

impl Origins {
    /// None: the message from this position has entered, or is about to.
    pub(crate) fn claim<'a>(&'a self, source: &'a str, position: &'a [u8]) -> Option<Claim<'a>> {
        let mut known = self.known.lock();
        if known.get(source).is_some_and(|known| known.contains(position)) {
            return None;
        }
        known.entry(source.to_owned()).or_default().insert(position.to_vec());
        Some(Claim { origins: self, source, position })
    }

    /// Adds positions whose messages are in the store.
    pub(crate) fn add(&self, source: &str, positions: impl IntoIterator<Item = Vec<u8>>) {
        self.known.lock().entry(source.to_owned()).or_default().extend(positions);
    }

    /// Whether the message from a position has entered, or is about to.
    pub(crate) fn contains(&self, source: &str, position: &[u8]) -> bool {
        self.known.lock().get(source).is_some_and(|known| known.contains(position))
    }

    pub(crate) fn remove(&self, source: &str, position: &[u8]) {
        if let Some(known) = self.known.lock().get_mut(source) {
            known.remove(position);
        }
    }
}

impl Claim<'_> {
    /// The message has entered.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.origins.remove(self.source, self.position);
    }
}

impl Origin<'_> {
    /// Adds the position to an entry.
    pub(crate) fn enter_in(&self, draft: &mut Draft<Output>) {
        let [source, position, value] = [self.source.as_bytes(), self.position, self.value].map(|part| {
            let from = draft.entry.bytes.len();
            draft.entry.bytes.extend_from_slice(part);
            from..draft.entry.bytes.len()
        });
        draft.op(Op::Origin { source, position, value });
    }

    /// The size of its part of an entry.
    pub(crate) fn bytes(&self) -> usize {
        self.source.len() + self.position.len() + self.value.len()
    }
}

/// Removes a position of a source, as a part of an entry.
pub(crate) fn origin_gone(draft: &mut Draft<Output>, source: &str, position: &[u8]) {
    let from = draft.entry.bytes.len();
    draft.entry.bytes.extend_from_slice(source.as_bytes());
    let source = from..draft.entry.bytes.len();
    draft.entry.bytes.extend_from_slice(position);
    let position = source.end..draft.entry.bytes.len();
    draft.op(Op::OriginGone { source, position });
}
