//! A family as plain data: actors of one kind at the addresses of a pattern, each of which exists as soon as a message is sent to it.

use std::time::Duration;

use crate::words::address::Address;
use crate::words::name_pattern::NamePattern;

/// An actor spec with this is that of a family: its address is the one above the members, as `/user` of `/user/*`, and no actor has
/// it. All else in the spec is each member's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilySpec {
    /// The rule for the names of members.
    pub names: NamePattern,
    /// Most members with a live instance. Those that wait for the answer to an ask do not count.
    pub live: usize,
    /// Most members that exist: those that keep something, in memory or in the play's store.
    pub members: usize,
    /// The senders that may bring a new member into being. A message of another sender reaches those that exist.
    pub create: Vec<CreatorSpec>,
    /// The time after which a member that is idle, and keeps nothing but its state, is removed; none for never. Only with stored
    /// mailboxes.
    pub expire: Option<Duration>,
}

/// The right to bring new members of a family into being.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatorSpec {
    /// The sender, with all actors below it. `/` is every sender outside the play, and no actor.
    pub creator: Address,
    /// Most new members in one second, and most at once.
    pub per_second: u32,
}

impl FamilySpec {
    /// A family of which nobody makes members.
    pub fn new(live: usize, members: usize) -> Self {
        Self { names: NamePattern::any(), live, members, create: Vec::new(), expire: None }
    }

    /// As this, and `creator` makes members.
    #[must_use]
    pub fn created_by(mut self, creator: Address, per_second: u32) -> Self {
        self.create.push(CreatorSpec { creator, per_second });
        self
    }
}
