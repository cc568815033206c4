//! The spec of one actor, as plain data.

use std::fmt;
use std::time::Duration;

use crate::actor::code::Code;
use crate::mailbox::MailboxSpec;
use crate::mailbox::policy::PolicySpec;
use crate::words::address::Address;
use crate::words::limits::{ActorLimits, SubtreeSpec};
use crate::words::restart::{RestartSpec, StartKind, SupervisionSpec};

/// One actor.
#[derive(Clone)]
pub struct ActorSpec {
    /// Its address. The parent must be `/` or an actor earlier in the plan.
    pub address: Address,
    /// Its code, which makes its incarnations.
    pub code: Code,
    /// When it starts.
    pub start: StartKind,
    /// The idle time after which its incarnation ends in order and it is passivated: its instance is gone, and the next
    /// message makes a new one. None: it is never passivated. An actor with a timer, a watch or a child is not passivated.
    pub idle_stop: Option<Duration>,
    /// Instances that share its mailbox, each with its own state: 1 to [`MOST_INSTANCES`]. With several, messages may
    /// overtake each other, and it has no children.
    pub instances: usize,
    /// Most messages of one call; at least 1.
    pub batch: usize,
    /// Its mailbox's bounds.
    pub mailbox: MailboxSpec,
    /// The policy for the order of its mailbox and for its overflow; none: first in, first out.
    pub policy: Option<Box<PolicySpec>>,
    /// How it recovers.
    pub restart: RestartSpec,
    /// Whether the play ends when this actor is given up. Only for one directly under `/`.
    pub required: bool,
    /// How it supervises its children.
    pub supervision: SupervisionSpec,
    /// The limits that the kernel enforces.
    pub limits: ActorLimits,
    /// Addresses to which it may send, besides its descendants and the sender of the current message.
    pub sends_to: Vec<Address>,
    /// Addresses below which it may send as well: to every actor there, whenever it started, but not to these addresses
    /// themselves.
    pub sends_below: Vec<Address>,
    /// The plugins of [`crate::Plan::plugins`] that it may spawn as its children.
    pub spawns: Vec<String>,
    /// Limits that it shares with all actors below it.
    pub subtree: Option<Box<SubtreeSpec>>,
}

impl ActorSpec {
    /// An actor with all defaults.
    pub fn new(address: Address, code: impl Into<Code>) -> Self {
        Self {
            address,
            code: code.into(),
            start: StartKind::Auto,
            idle_stop: None,
            instances: 1,
            batch: 256,
            mailbox: MailboxSpec::default(),
            policy: None,
            restart: RestartSpec::default(),
            required: false,
            supervision: SupervisionSpec::default(),
            limits: ActorLimits::default(),
            sends_to: Vec::new(),
            sends_below: Vec::new(),
            spawns: Vec::new(),
            subtree: None,
        }
    }

    /// Whether `sends_to` or `sends_below` covers an address.
    pub fn is_granted(&self, to: &Address) -> bool {
        self.sends_to.contains(to) || self.sends_below.iter().any(|top| to.is_below(top))
    }
}

impl fmt::Debug for ActorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorSpec")
            .field("address", &self.address)
            .field("plugin", &self.code.plugin())
            .finish_non_exhaustive()
    }
}
