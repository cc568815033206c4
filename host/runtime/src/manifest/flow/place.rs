//! A node of the flow.

use std::fmt;

use playhouse_kernel::Address;

/// An actor of the manifest, or all actors that it may spawn, and that these may spawn in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The actor's address.
    pub address: Address,
    /// Whether the place is the actors spawned below `address`, instead of the actor itself.
    pub spawned: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.address, if self.spawned { "/**" } else { "" })
    }
}
