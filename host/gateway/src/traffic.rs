//! Counts of sources and sinks, as plain data for whoever shows metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use playhouse_kernel::Address;

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
    /// Whether there is a connection: 0 or 1.
    pub connected: Count,
}

/// A number that several threads change.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `n`.
    pub fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Relaxed);
    }

    /// Replaces the number.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counts of all sources and sinks of a play, by address. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<Mutex<ByAddress>>);

/// With the kind of each gateway.
type ByAddress = BTreeMap<Address, (&'static str, Arc<Counts>)>;

impl Traffic {
    /// The counts of a gateway, which are made at the first call.
    pub fn of(&self, address: &Address, kind: &'static str) -> Arc<Counts> {
        self.0.lock().entry(address.clone()).or_insert_with(|| (kind, Arc::default())).1.clone()
    }

    /// All gateways with their kinds.
    pub fn all(&self) -> Vec<(Address, &'static str, Arc<Counts>)> {
        self.0.lock().iter().map(|(address, (kind, counts))| (address.clone(), *kind, counts.clone())).collect()
    }
}
