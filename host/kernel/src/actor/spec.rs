//! The spec of one actor, as plain data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::code::Code;
use crate::actor::family_spec::FamilySpec;
use crate::mailbox::MailboxSpec;
use crate::mailbox::policy::PolicySpec;
use crate::words::address::Address;
use crate::words::grants::ActorGrants;
use crate::words::keyed_state::StateSpec;
use crate::words::limits::ActorLimits;
use crate::words::metric_names::MetricNames;
use crate::words::restart::{RestartSpec, StartKind, SupervisionSpec};

/// One actor. Its many fields are the tables and keys of an actor in a manifest.
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
    /// Instances that share its mailbox, each with its own state: 1 to [`crate::MOST_INSTANCES`]. With several, messages may
    /// overtake each other, and it has no children.
    pub instances: usize,
    /// Most messages of one call; at least 1.
    pub batch: usize,
    /// Whether its code reaches outside of the host by itself: it sends requests, or writes files. Stored messages come to it
    /// when they are durable, so that nothing outside follows from a message that a crash undoes.
    pub reaches_outside: bool,
    /// Its mailbox's bounds.
    pub mailbox: MailboxSpec,
    /// The actor that gets the messages which others tell to this one, such as a sink that writes them to a queue outside. Asks,
    /// timers, and messages with a receipt come directly. None: everything does.
    pub relay: Option<Box<Address>>,
    /// The policy for the order of its mailbox and for its overflow; none: first in, first out.
    pub policy: Option<Box<PolicySpec>>,
    /// Whether the messages that wait when it ends for good are counted and dropped, instead of kept as dead letters: for an actor
    /// that comes once, so that nobody could replay them.
    pub drops_at_end: bool,
    /// How it recovers.
    pub restart: RestartSpec,
    /// Whether the play ends when this actor is given up. Only for one directly under `/`.
    pub required: bool,
    /// How it supervises its children.
    pub supervision: SupervisionSpec,
    /// Its limits.
    pub limits: ActorLimits,
    /// The actors and plugins that it may use.
    pub grants: ActorGrants,
    /// Its keyed state in the play's store; none when it keeps none. Only with a stored mailbox and one instance.
    pub state: Option<Box<StateSpec>>,
    /// With this, the spec is that of a family: of each of its members.
    pub family: Option<Arc<FamilySpec>>,
    /// The names of the metrics that its code may count and observe.
    pub metrics: MetricNames,
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
            reaches_outside: false,
            mailbox: MailboxSpec::default(),
            relay: None,
            policy: None,
            drops_at_end: false,
            restart: RestartSpec::default(),
            required: false,
            supervision: SupervisionSpec::default(),
            limits: ActorLimits::default(),
            grants: ActorGrants::default(),
            state: None,
            family: None,
            metrics: MetricNames::default(),
        }
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
