//! A node of the flow.

use std::fmt;

use playhouse_kernel::Address;

/// An actor of the manifest, or all actors that it may spawn, and that these may spawn in turn; or all members of a family, with the actors
/// that they may spawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The actor's address.
    pub address: Address,
    /// Whether the place is the actors below `address`, instead of the actor itself.
    pub spawned: bool,
    /// Whether these are the members of a family.
    pub family: bool,
    /// Whether the play's store keeps the messages that come when all of the place have stopped.
    pub stored: bool,
}

impl Place {
    /// One actor, whose mailbox is in memory.
    pub(super) fn actor(address: Address) -> Self {
        Self { address, spawned: false, family: false, stored: false }
    }

    /// The actors below an address, whose mailboxes are in memory.
    pub(super) fn below(address: Address) -> Self {
        Self { spawned: true, ..Self::actor(address) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = match (self.family, self.spawned) {
            (true, _) => "/*",
            (false, true) => "/**",
            (false, false) => "",
        };
        write!(f, "{}{below}", self.address)
    }
}
