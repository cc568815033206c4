//! The grants of an actor that the kernel checks: the actors to which it may send, and the plugins that it may spawn.

use crate::words::address::Address;

/// The actors and plugins that an actor may use, besides its descendants and the sender of the current message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActorGrants {
    /// Addresses to which it may send, besides its descendants and the sender of the current message.
    pub sends_to: Vec<Address>,
    /// Addresses below which it may send as well: to every actor there, whenever it started, but not to these addresses
    /// themselves.
    pub sends_below: Vec<Address>,
    /// The plugins of [`crate::Plan::plugins`] that it may spawn as its children.
    pub spawns: Vec<String>,
}

impl ActorGrants {
    /// Whether `sends_to` or `sends_below` covers an address.
    pub fn is_granted(&self, to: &Address) -> bool {
        self.sends_to.contains(to) || self.sends_below.iter().any(|top| to.is_below(top))
    }

    /// Keeps the grants for sends that a child's parent at `above` has as well. The parent itself, and every actor below it,
    /// may always be granted to a child.
    #[must_use]
    pub fn within(mut self, above: &Address, parent: &Self) -> Self {
        let to = std::mem::take(&mut self.sends_to);
        self.sends_to =
            to.into_iter().filter(|to| to == above || to.is_below(above) || parent.is_granted(to)).collect();
        for top in std::mem::take(&mut self.sends_below) {
            let whole = |other: &Address| top == *other || top.is_below(other);
            if whole(above) || parent.sends_below.iter().any(whole) {
                self.sends_below.push(top);
                continue;
            }
            let here = |other: &&Address| other.is_below(&top);
            if here(&above) {
                self.sends_to.push(above.clone());
            }
            self.sends_to.extend(parent.sends_to.iter().filter(here).cloned());
            self.sends_below.extend([above].into_iter().chain(&parent.sends_below).filter(here).cloned());
        }
        self
    }
}
