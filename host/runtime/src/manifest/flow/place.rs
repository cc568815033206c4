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
