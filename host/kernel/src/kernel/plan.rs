//! The plan of a play, as plain data: one [`ActorSpec`] for each actor, in start order. A manifest becomes this.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::actor::family_spec::FamilySpec;
use crate::actor::spec::ActorSpec;
use crate::actor::template::Template;
use crate::dispatch::dead_letters::feed::LetterFeed;
use crate::dispatch::keys::KeySpec;
use crate::journal::store::StoreError;
use crate::mailbox::MOST_INSTANCES;
use crate::mailbox::admission::{MaxInstances, Reserve};
use crate::mailbox::{Keep, Overflow};
use crate::words::address::Address;
use crate::words::clock::Clock;
use crate::words::dead_letter::DeadLetterSpec;
use crate::words::limits::Bounds;
use crate::words::restart::{StartKind, SupervisionSpec};

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
    /// Takes each dead letter as it is made, beside the store. Default: none.
    pub letter_feed: Option<LetterFeed>,
    /// The bound on live incarnations. Default: none.
    pub max_instances: Option<MaxInstances>,
    /// Slots of that bound that are kept for the grandchildren of some actors.
    pub reserves: Vec<Reserve>,
    /// Tells which time is the host's and not the actors'. Default: none of it.
    pub clock: Clock,
    /// The runtime on which the code of actors and of mailbox policies runs. Supervision stays on the runtime of [`Kernel::start`]:
    /// on another one it also works while the actors are busy. Default: the runtime of [`Kernel::start`], for both.
    ///
    /// [`Kernel::start`]: crate::Kernel::start
    pub runtime: Option<Handle>,
    /// The bounds of the keys under which senders outside repeat requests.
    pub keys: KeySpec,
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
    /// Stored messages without a store.
    #[error("the mailbox of `{0}` is stored, and the play has no store")]
    NoStore(Address),
    /// Stored children without a store.
    #[error("the mailboxes of the actors of plugin `{0}` are stored, and the play has no store")]
    NoStoreForPlugin(String),
    /// Something that a stored mailbox cannot do.
    #[error("the mailbox of `{0}` is stored: {1} is not for it")]
    NotForStored(Address, &'static str),
    /// Keyed state of an actor that cannot have one.
    #[error("`{0}` has state: that needs {1}")]
    NoState(Address, &'static str),
    /// Something that the members of a family cannot have.
    #[error("`{0}/*` is a family: {1}")]
    NotForFamily(Address, &'static str),
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

/// Why a plan does not run on a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The plan cannot run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Plan {
    /// Checks that this plan can run.
    pub fn check(&self) -> Result<(), PlanError> {
        let mut families = HashSet::new();
        let mut seen = std::collections::HashMap::from([(Address::root(), (1, StartKind::Auto))]);
        for actor in &self.actors {
            let address = &actor.address;
            let parent = address.parent().ok_or(PlanError::Root)?;
            if families.contains(&parent) {
                return Err(PlanError::NotForFamily(parent, "its members have no other actors beside them"));
            }
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
            if let Some(family) = &actor.family {
                check_family(actor, family)?;
                families.insert(address.clone());
            }
            check_bounds(actor)?;
        }
        let specimen = |template: &Arc<dyn Template>| template.spec(Address::root(), BTreeMap::new(), Bounds::NONE);
        self.plugins.values().map(specimen).try_for_each(|spec| check_bounds(&spec))
    }

    /// A plugin whose actors are stored; none when there is none.
    pub(super) fn stored_plugin(&self) -> Option<&str> {
        let is_stored = |template: &Arc<dyn Template>| {
            template.spec(Address::root(), BTreeMap::new(), Bounds::NONE).mailbox.keep == Keep::Stored
        };
        self.plugins.iter().find(|(_, template)| is_stored(template)).map(|(name, _)| name.as_str())
    }
}

/// Checks the spec of a family.
fn check_family(actor: &ActorSpec, family: &FamilySpec) -> Result<(), PlanError> {
    let is_top = actor.address.parent().is_some_and(|parent| parent.is_root());
    let unfit = [
        ("it must be directly below `/`", !is_top),
        ("each member has one instance; a second member has another address", actor.instances > 1),
        ("a member that is idle is always passivated: it needs the time after which it is", actor.idle_stop.is_none()),
        ("a mailbox plugin is not for it", actor.policy.is_some()),
        ("what others tell it has no sink", actor.relay.is_some()),
        ("the play cannot end with a member: it is not `required`", actor.required),
        ("`expire` needs a durable mailbox", family.expire.is_some() && actor.mailbox.keep == Keep::Memory),
    ];
    if let Some((why, _)) = unfit.into_iter().find(|(_, unfit)| *unfit) {
        return Err(PlanError::NotForFamily(actor.address.clone(), why));
    }
    let zero_rate = family.create.iter().any(|creator| creator.per_second == 0);
    let zeros = [
        ("live", family.live == 0),
        ("members", family.members == 0),
        ("create", zero_rate),
        ("expire", family.expire.is_some_and(|time| time.is_zero())),
    ];
    let zero = zeros.into_iter().find(|(_, zero)| *zero);
    zero.map_or(Ok(()), |(name, _)| Err(PlanError::Zero(actor.address.clone(), name)))
}

/// Checks the bounds of one actor, or of a template's actors.
fn check_bounds(actor: &ActorSpec) -> Result<(), PlanError> {
    if actor.instances > MOST_INSTANCES {
        return Err(PlanError::TooManyInstances(actor.address.clone(), actor.instances));
    }
    if actor.instances > 1 && !actor.grants.spawns.is_empty() {
        return Err(PlanError::SeveralSpawn(actor.address.clone()));
    }
    if actor.policy.as_ref().is_some_and(|policy| policy.overflow == Some(Overflow::DropOldest)) {
        return Err(PlanError::DropOldest(actor.address.clone()));
    }
    if actor.mailbox.keep == Keep::Stored {
        let unfit = [
            ("a mailbox plugin", actor.policy.is_some()),
            ("`drop-oldest`", actor.mailbox.overflow == Overflow::DropOldest),
        ];
        if let Some((what, _)) = unfit.into_iter().find(|(_, unfit)| *unfit) {
            return Err(PlanError::NotForStored(actor.address.clone(), what));
        }
    }
    if actor.state.is_some() {
        let needs = [
            ("a stored mailbox", actor.mailbox.keep == Keep::Stored),
            ("one instance, since several would change it at a time", actor.instances == 1),
        ];
        if let Some((what, _)) = needs.into_iter().find(|(_, has)| !*has) {
            return Err(PlanError::NoState(actor.address.clone(), what));
        }
    }
    let zeros = [
        ("instances", actor.instances == 0),
        ("batch", actor.batch == 0),
        ("mailbox.capacity", actor.mailbox.capacity == 0),
        ("restart.attempts", actor.restart.attempts == 0),
        ("limits.message", actor.limits.message_bytes == 0),
    ];
    let zero = zeros.into_iter().find(|(_, zero)| *zero);
    zero.map_or(Ok(()), |(name, _)| Err(PlanError::Zero(actor.address.clone(), name)))
}
