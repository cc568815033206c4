//! The plan of a play, as plain data: one [`ActorSpec`] for each actor, in start order. A manifest becomes this.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::incarnation::behavior::Launcher;
pub use crate::mailbox::MOST_INSTANCES;
use crate::mailbox::policy::PolicySpec;
use crate::mailbox::{MailboxSpec, Overflow};
use crate::turn::spawn::Template;
use crate::words::address::{Address, MAX_SEGMENTS};
use crate::words::clock::Clock;
use crate::words::dead_letter::DeadLetterSpec;
use crate::words::limits::Bounds;
use crate::words::limits::SubtreeSpec;
use crate::words::restart::{RestartSpec, StartKind, SupervisionSpec};

/// One actor.
#[derive(Clone)]
pub struct ActorSpec {
    /// Its address. The parent must be `/` or an actor earlier in the plan.
    pub address: Address,
    /// Makes its incarnations.
    pub launcher: Arc<dyn Launcher>,
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
    /// Time in which one message, or one hook, runs or waits for a result of the host.
    pub timeout: Duration,
    /// The same for a whole start: launch, `init` and `prepare-children`, each of which has `timeout` as well.
    pub start_timeout: Duration,
    /// Largest body that it accepts, and largest reply that it may give.
    pub message_bytes: usize,
    /// Addresses to which it may send, besides its descendants and the sender of the current message.
    pub sends_to: Vec<Address>,
    /// Addresses below which it may send as well: to every actor there, whenever it started, but not to these addresses
    /// themselves.
    pub sends_below: Vec<Address>,
    /// The plugins of [`Plan::plugins`] that it may spawn as its children.
    pub spawns: Vec<String>,
    /// Most children that it may have at a time.
    pub max_children: usize,
    /// Most timers that it may have at a time.
    pub max_timers: usize,
    /// Most watches that it may have at a time.
    pub max_watches: usize,
    /// Most levels of spawned actors below it.
    pub max_depth: usize,
    /// Most sends, spawns, stops, timers, watches, and their ends, in one turn.
    pub max_effects: usize,
    /// Most bytes of messages in one turn, and in its timers at a time.
    pub max_effect_bytes: usize,
    /// Limits that it shares with all actors below it.
    pub subtree: Option<Box<SubtreeSpec>>,
}

impl ActorSpec {
    /// An actor with all defaults.
    pub fn new(address: Address, launcher: Arc<dyn Launcher>) -> Self {
        Self {
            address,
            launcher,
            start: StartKind::Auto,
            idle_stop: None,
            instances: 1,
            batch: 256,
            mailbox: MailboxSpec::default(),
            policy: None,
            restart: RestartSpec::default(),
            required: false,
            supervision: SupervisionSpec::default(),
            timeout: Duration::from_secs(5),
            start_timeout: Duration::from_secs(10),
            message_bytes: 1 << 20,
            sends_to: Vec::new(),
            sends_below: Vec::new(),
            spawns: Vec::new(),
            max_children: 1024,
            max_timers: 1024,
            max_watches: 1024,
            max_depth: MAX_SEGMENTS,
            max_effects: 65_536,
            max_effect_bytes: 16 << 20,
            subtree: None,
        }
    }
}

impl ActorSpec {
    /// Whether `sends_to` or `sends_below` covers an address.
    pub fn is_granted(&self, to: &Address) -> bool {
        self.sends_to.contains(to) || self.sends_below.iter().any(|top| to.is_below(top))
    }

    fn check_bounds(&self) -> Result<(), PlanError> {
        if self.instances > MOST_INSTANCES {
            return Err(PlanError::TooManyInstances(self.address.clone(), self.instances));
        }
        if self.instances > 1 && !self.spawns.is_empty() {
            return Err(PlanError::SeveralSpawn(self.address.clone()));
        }
        if self.policy.as_ref().is_some_and(|policy| policy.overflow == Some(Overflow::DropOldest)) {
            return Err(PlanError::DropOldest(self.address.clone()));
        }
        let zeros = [
            ("instances", self.instances == 0),
            ("batch", self.batch == 0),
            ("mailbox.capacity", self.mailbox.capacity == 0),
            ("restart.attempts", self.restart.attempts == 0),
            ("limits.message", self.message_bytes == 0),
        ];
        let zero = zeros.into_iter().find(|(_, zero)| *zero);
        zero.map_or(Ok(()), |(name, _)| Err(PlanError::Zero(self.address.clone(), name)))
    }
}

impl fmt::Debug for ActorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorSpec")
            .field("address", &self.address)
            .field("plugin", &self.launcher.plugin())
            .finish_non_exhaustive()
    }
}

/// A bound on the incarnations that live at a time. When all slots are in use, starts queue in order of arrival until another
/// incarnation ends; an idle one that may be passivated ends for them. If within [`ActorSpec::start_timeout`] no slot became
/// free, and no incarnation may be passivated, the start fails. Slots for the instances of each actor of the plan are
/// reserved: spawned actors cannot take them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxInstances {
    /// The bound.
    pub most: usize,
    /// The key that sets it, for errors, as in "`play.max_instances`".
    pub key: String,
}

impl MaxInstances {
    /// The number of slots for spawned actors. `actors` gives, for each actor of the plan, its instances, and whether it
    /// starts by itself and is never passivated. The result is the bound less all these instances. When the plan has more
    /// instances than the bound, so that those that are passivated take turns, one slot is left, unless it is the only one in
    /// which they can take turns.
    pub fn left_to_spawned(&self, actors: impl IntoIterator<Item = (usize, bool)>) -> usize {
        let (mut stay, mut take_turns) = (0_usize, 0_usize);
        for (instances, stays) in actors {
            *(if stays { &mut stay } else { &mut take_turns }) += instances;
        }
        let wanted = stay.saturating_add(take_turns);
        self.most.checked_sub(wanted).unwrap_or_else(|| usize::from(stay + 1 < self.most))
    }
}

/// Everything that a kernel runs.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// In start order: parents before children, consumers before producers.
    pub actors: Vec<ActorSpec>,
    /// The plugins from which actors may be spawned, by name.
    pub plugins: BTreeMap<String, Arc<dyn Template>>,
    /// How the kernel supervises the actors directly under `/`.
    pub supervision: SupervisionSpec,
    /// The bounds of the dead-letter store.
    pub dead_letters: DeadLetterSpec,
    /// The bound on live incarnations. Default: none.
    pub max_instances: Option<MaxInstances>,
    /// Tells which time is the host's and not the actors'. Default: none of it.
    pub clock: Clock,
    /// The runtime on which the code of actors and of mailbox policies runs. Supervision stays on the runtime of [`Kernel::start`]:
    /// on another one it also works while the actors are busy. Default: the runtime of [`Kernel::start`], for both.
    ///
    /// [`Kernel::start`]: crate::Kernel::start
    pub runtime: Option<Handle>,
    /// Seeds the jitter of backoffs. The same seed and the same events give the same pauses.
    pub seed: u64,
}

/// Why a plan cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// `/` is the kernel.
    #[error("`/` is the kernel itself; an actor needs a name, as in `/{{name}}`")]
    Root,
    /// Two actors at one address.
    #[error("two actors have the address `{0}`")]
    Doubled(Address),
    /// No actor before it has the address of its parent.
    #[error("`{0}` has no parent: no actor before it has the address `{1}`")]
    Orphan(Address, Address),
    /// A bound of zero.
    #[error("`{0}`: `{1}` must be at least 1")]
    Zero(Address, &'static str),
    /// More instances than one mailbox serves.
    #[error("`{0}` has {1} instances: at most {MOST_INSTANCES} share a mailbox; put more actors beside it")]
    TooManyInstances(Address, usize),
    /// Only the policy knows which message to drop.
    #[error("`{0}` has a mailbox policy, which alone may drop a message that waits: `drop-oldest` is not for it")]
    DropOldest(Address),
    /// Only the kernel gives up an actor for good.
    #[error(
        "`{0}` is required, and is below another actor: its failures are its parent's; let `{1}` be required instead"
    )]
    RequiredBelow(Address, Address),
    /// Children belong to one instance.
    #[error("`{0}` has several instances, and `spawns` lets it have children: give it one instance, or no `spawns`")]
    SeveralSpawn(Address),
    /// A message for its children would not start it.
    #[error(
        "`{parent}` starts on a message, and a message for its child `{child}` would not start it: let it start by itself"
    )]
    OnMessageParent {
        /// A child of it.
        child: Address,
        /// The actor that starts on a message.
        parent: Address,
    },
    /// A child needs one parent, and this one has several instances.
    #[error("`{child}` cannot be below `{parent}`, which has several instances: give it one, or move the child")]
    SeveralParents {
        /// The actor whose parent has several instances.
        child: Address,
        /// That parent.
        parent: Address,
    },
}

impl Plan {
    /// Checks that this plan can run.
    pub fn check(&self) -> Result<(), PlanError> {
        let mut seen = std::collections::HashMap::from([(Address::root(), (1, StartKind::Auto))]);
        for actor in &self.actors {
            let address = &actor.address;
            let parent = address.parent().ok_or(PlanError::Root)?;
            if actor.required && !parent.is_root() {
                return Err(PlanError::RequiredBelow(address.clone(), address.top()));
            }
            match seen.get(&parent) {
                None => return Err(PlanError::Orphan(address.clone(), parent)),
                Some((_, StartKind::OnMessage)) => {
                    return Err(PlanError::OnMessageParent { child: address.clone(), parent });
                }
                Some((0 | 1, _)) => {}
                Some(_) => return Err(PlanError::SeveralParents { child: address.clone(), parent }),
            }
            if seen.insert(address.clone(), (actor.instances, actor.start)).is_some() {
                return Err(PlanError::Doubled(address.clone()));
            }
            actor.check_bounds()?;
        }
        let specimen = |template: &Arc<dyn Template>| template.spec(Address::root(), BTreeMap::new(), Bounds::NONE);
        self.plugins.values().try_for_each(|template| specimen(template).check_bounds())
    }
}
