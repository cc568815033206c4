//! The counts of gateways, as plain data for whoever shows metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use playhouse_kernel::Address;

pub use crate::count::Count;
pub use crate::cron::CronCounts;
pub use crate::link_state::LinkState;

/// The counts of one source or sink. They only grow.
#[derive(Debug, Default)]
pub struct Counts {
    /// Messages that a source took, repetitions included; messages that a sink was given.
    pub messages: Count,
    /// Messages that the broker knows to be done: acknowledged by a source, or accepted from a sink.
    pub done: Count,
    /// Messages that a source took again while they were in memory; messages of a sink that the broker had already.
    pub repeated: Count,
    /// Messages that a source gave back.
    pub given_back: Count,
    /// Messages that a source could not deliver, or a broker refused at the last attempt.
    pub refused: Count,
    /// Positions of a source whose message is gone from the broker.
    pub missing: Count,
    /// Lost connections.
    pub disconnects: Count,
    /// Whether there is a connection.
    pub connected: LinkState,
}

/// The counts of the actor that passes letters on, over all its incarnations.
#[derive(Debug, Default)]
pub struct LetterCounts {
    /// Letters that the receiver's mailbox took.
    pub sent: Count,
    /// Letters that it did not take.
    pub refused: Count,
    /// Letters that were not sent, because too many waited.
    pub left_out: Count,
}

/// A gateway with its counts, which live as long as the play, over all incarnations of its actor.
#[derive(Debug, Clone)]
pub enum Counted {
    /// A source, with its kind.
    Source(&'static str, Arc<Counts>),
    /// A sink, with its kind.
    Sink(&'static str, Arc<Counts>),
    /// An entry of cron.
    Cron(Arc<CronCounts>),
    /// The actor that passes dead letters on.
    Letters(Arc<LetterCounts>),
}

/// The counts of all gateways of a play but the HTTP servers, by address. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<Mutex<BTreeMap<Address, Counted>>>);

impl Traffic {
    /// Counts for a new source.
    pub(crate) fn source(&self, address: &Address, kind: &'static str) -> Arc<Counts> {
        self.added(address, |counts| Counted::Source(kind, counts))
    }

    /// Counts for a new sink.
    pub(crate) fn sink(&self, address: &Address, kind: &'static str) -> Arc<Counts> {
        self.added(address, |counts| Counted::Sink(kind, counts))
    }

    /// Counts for a new entry of cron.
    pub(crate) fn cron(&self, address: &Address) -> Arc<CronCounts> {
        self.added(address, Counted::Cron)
    }

    /// Counts for the actor that passes dead letters on.
    pub(crate) fn letters(&self, address: &Address) -> Arc<LetterCounts> {
        self.added(address, Counted::Letters)
    }

    fn added<C: Default>(&self, address: &Address, counted: impl FnOnce(Arc<C>) -> Counted) -> Arc<C> {
        let counts = Arc::<C>::default();
        self.0.lock().insert(address.clone(), counted(counts.clone()));
        counts
    }

    /// All gateways with their counts.
    pub fn all(&self) -> Vec<(Address, Counted)> {
        self.0.lock().iter().map(|(address, counted)| (address.clone(), counted.clone())).collect()
    }
}
