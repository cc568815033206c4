//! An effect of a message other than a send.

use std::time::Duration;

use crate::actor::code::Code;
use crate::words::address::Address;
use crate::words::message::Envelope;

/// A child that starts or stops, by its route.
pub(super) enum ChildChange {
    Spawn(usize),
    Stop(usize),
}

/// An effect other than a send, ordered among the sends.
pub(super) enum Effect {
    Spawn {
        route: usize,
    },
    Adopt {
        route: usize,
        code: Code,
    },
    Stop {
        route: usize,
    },
    /// The body lies in the range of this effect's run.
    Timer {
        route: usize,
        id: u64,
        wait: Duration,
        again: bool,
        bytes: usize,
        envelope: Envelope,
        /// Whether the timer belongs to the actor, and not to this incarnation.
        kept: bool,
    },
    Cancel {
        id: u64,
    },
    Watch {
        id: u64,
        address: Address,
        /// Whether the watch belongs to the actor, and not to this incarnation.
        kept: bool,
    },
    Unwatch {
        id: u64,
    },
}
