//! Whether a source or a sink has its broker, file or server.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

const UNWANTED: u8 = 0;
const AWAY: u8 = 1;
const CONNECTED: u8 = 2;

/// The state of a connection. A source connects at its start, a sink with its first message: until then, and after its actor has
/// stopped, no connection is wanted.
#[derive(Debug, Default)]
pub struct LinkState(AtomicU8);

impl LinkState {
    /// There is a connection, or there is none although one is wanted.
    pub(crate) fn set(&self, connected: bool) {
        self.0.store(if connected { CONNECTED } else { AWAY }, Relaxed);
    }

    /// No connection is wanted now.
    pub(crate) fn clear(&self) {
        self.0.store(UNWANTED, Relaxed);
    }

    /// Whether there is a connection; `None` while none is wanted.
    pub fn get(&self) -> Option<bool> {
        match self.0.load(Relaxed) {
            UNWANTED => None,
            state => Some(state == CONNECTED),
        }
    }
}
