//! Children at run time: their templates, the checks of a spawn, and its errors.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::actor::code::Code;
use crate::actor::spec::ActorSpec;
use crate::actor::subtree::{Membership, Subtree, SubtreeFull};
use crate::actor::template::Config;
use crate::actor::{Actor, Presence, Spawned};
use crate::dispatch::Shared;
use crate::dispatch::policies::attend;
use crate::dispatch::requests::Request;
use crate::journal::entry::StoredChild;
use crate::journal::store::StoredActor;
use crate::mailbox::{Keep, Signal};
use crate::words::address::{Address, AddressError};
use crate::words::overrun::Overrun;
use crate::words::restart::StartKind;

/// Why a child was not spawned. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// Not a name.
    #[error("bad name: {0}")]
    BadName(AddressError),
    /// The plugin does not exist.
    #[error("there is no plugin `{0}` to spawn: the manifest needs a [[plugin]] with this name")]
    UnknownPlugin(String),
    /// The manifest does not allow it.
    #[error("`{parent}` may not spawn `{plugin}`: add it to `spawns` of `{parent}`, or of its plugin")]
    NotGranted {
        /// The actor that wanted to spawn.
        parent: Address,
        /// The plugin.
        plugin: String,
    },
    /// The name is in use, or its last actor is not removed yet.
    #[error("`{0}` exists already, or is still being removed")]
    Duplicate(Address),
    /// The parent has all children that its limit allows.
    #[error("`{parent}` has all {most} children that `limits.children` allows")]
    TooManyChildren {
        /// The parent.
        parent: Address,
        /// The limit.
        most: usize,
    },
    /// The subtree has all actors that its limit allows.
    #[error("`{top}` and all below it are the {most} actors that its `limits.subtree.actors` allows")]
    SubtreeFull {
        /// The actor that has the limit: the parent, or one above it.
        top: Address,
        /// The limit.
        most: usize,
    },
    /// An address of more than 16 segments.
    #[error("below `{0}` an address would have over 16 segments")]
    TooDeep(Address),
    /// The child would be deeper than a limit allows.
    #[error("`{0}` is as deep as `limits.depth` of the actors above it allows, or its own")]
    DepthLimit(Address),
    /// The child would be stored, and its parent is not.
    #[error(
        "`{plugin}` has a durable mailbox, and `{parent}` has none: its children end with it; give `{parent}` a durable mailbox"
    )]
    NotLasting {
        /// The parent.
        parent: Address,
        /// The plugin.
        plugin: String,
    },
    /// The child would be stored, and its parent is a member of a family.
    #[error(
        "`{plugin}` has a durable mailbox, and `{parent}` is a member of a family, whose children end with its incarnation: \
         send to a member of a family of `{plugin}` instead"
    )]
    ChildOfMember {
        /// The parent.
        parent: Address,
        /// The plugin.
        plugin: String,
    },
    /// The plugin occurs in the chain of parents already.
    #[error("the plugin would stand above itself: {0}")]
    Circular(String),
    /// The parent is stopping.
    #[error("`{0}` is stopping, and no actor starts below it any more")]
    Stopping(Address),
    /// The turn does more than its limits allow, and will not be committed.
    #[error("more than {0}")]
    Overrun(#[from] Overrun),
}

impl From<SubtreeFull> for SpawnError {
    fn from(SubtreeFull { top, most }: SubtreeFull) -> Self {
        Self::SubtreeFull { top, most }
    }
}

/// Why a child is not stopped. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// Not an address.
    #[error(transparent)]
    BadAddress(#[from] AddressError),
    /// No actor has this address.
    #[error("no actor has the address `{0}`")]
    UnknownAddress(Address),
    /// The child of another actor, or an actor of the plan.
    #[error("`{0}` is not a child that this actor spawned")]
    NotSpawned(Address),
    /// The turn does more than its limits allow, and will not be committed.
    #[error("more than {0}")]
    Overrun(#[from] Overrun),
}

/// A child that a turn may spawn.
pub(crate) enum Draft {
    /// A new actor, which lookups do not find yet.
    New(Arc<Actor>),
    /// An actor of this name that an earlier incarnation of the parent spawned; it exists, and gets this code.
    Orphan(Arc<Actor>, Code),
}

/// Makes all checks that are possible before the turn commits. `reserved`: number of children that the turn reserved.
/// `adopting`: whether orphans may be taken over.
pub(super) fn draft(
    shared: &Shared,
    (parent, incarnation): (&Actor, u64),
    (name, plugin): (&str, &str),
    config: Config,
    reserved: usize,
    adopting: bool,
) -> Result<Draft, SpawnError> {
    let above = parent.address();
    let address = above.child(name).map_err(|error| match error {
        AddressError::TooDeep(_) => SpawnError::TooDeep(above.clone()),
        error => SpawnError::BadName(error),
    })?;
    let template = shared.templates.get(plugin).ok_or_else(|| SpawnError::UnknownPlugin(plugin.to_owned()))?;
    if !parent.spec.grants.spawns.iter().any(|granted| granted == plugin) {
        return Err(SpawnError::NotGranted { parent: above.clone(), plugin: plugin.to_owned() });
    }
    if parent.spec.limits.max_depth == 0 {
        return Err(SpawnError::DepthLimit(above.clone()));
    }
    if !template.recursive() {
        check_chain(shared, parent, plugin)?;
    }
    // An actor that may spawn has one instance.
    if parent.mailbox.signal(0) != Signal::Run {
        return Err(SpawnError::Stopping(above.clone()));
    }
    let registry = &shared.routing.registry;
    let orphan = match registry.occupant(&address) {
        None => None,
        Some(other) if other.is_orphan_of(parent, incarnation) => Some(other),
        // A child that `init` spawns in each incarnation is there already. It stays as it was spawned first.
        Some(other)
            if adopting
                && other.is_there()
                && other
                    .kept_child()
                    .is_some_and(|kept| (kept.child.parent, &*kept.child.plugin) == (parent.id, plugin)) =>
        {
            let code = other.code();
            return Ok(Draft::Orphan(other, code));
        }
        Some(_) => return Err(SpawnError::Duplicate(address)),
    };
    let kept_config = parent.mailbox.is_stored().then(|| config.clone());
    let spec = narrowed(template.spec(address, config, parent.spec.code.bounds()), &parent.spec);
    let kept_config = kept_config.filter(|_| spec.mailbox.keep == Keep::Stored);
    if spec.mailbox.keep == Keep::Stored && parent.member().is_some() {
        return Err(SpawnError::ChildOfMember { parent: above.clone(), plugin: plugin.to_owned() });
    }
    if spec.mailbox.keep == Keep::Stored && kept_config.is_none() {
        return Err(SpawnError::NotLasting { parent: above.clone(), plugin: plugin.to_owned() });
    }
    if kept_config.is_some() && registry.is_address_kept(&spec.address) {
        return Err(SpawnError::Duplicate(spec.address));
    }
    if let Some(orphan) = orphan.filter(|orphan| adopting && orphan.spec.code.plugin() == plugin) {
        orphan.membership.count_in()?;
        return Ok(Draft::Orphan(orphan, spec.code));
    }
    let most = parent.spec.limits.max_children;
    if parent.children.lock().len() + reserved >= most && parent.count_children(incarnation) + reserved >= most {
        return Err(SpawnError::TooManyChildren { parent: above.clone(), most });
    }
    let spawned = match kept_config {
        None => Spawned::new(parent.id, incarnation, spec.code.clone()),
        Some(config) => {
            let child = StoredChild { parent: parent.id, plugin: plugin.to_owned(), config };
            Spawned::kept(child, spec.code.clone())
        }
    };
    let subtree = Subtree::of(&spec.address, spec.limits.subtree.as_deref(), parent.membership.subtree().cloned());
    let membership = Membership::spawned(subtree)?;
    Ok(Draft::New(Arc::new(Actor::new(shared.routing.new_id(), spec, Some(spawned), membership))))
}

/// Makes a stored child of an earlier run of the host again; none when the plan does not allow it any more.
pub(crate) fn bring_back(shared: &Arc<Shared>, known: &StoredActor, start: StartKind) -> Option<Arc<Actor>> {
    let registry = &shared.routing.registry;
    let (child, address) = (known.child.as_deref()?, &known.address);
    let parent = registry.by_id(child.parent).filter(|parent| parent.mailbox.is_stored())?;
    if address.parent().as_ref() != Some(parent.address())
        || registry.occupant(address).is_some()
        || !parent.spec.grants.spawns.contains(&child.plugin)
        || parent.spec.limits.max_depth == 0
    {
        return None;
    }
    let template = shared.templates.get(&child.plugin)?;
    let spec = template.spec(address.clone(), child.config.clone(), parent.spec.code.bounds());
    let spec = ActorSpec { start, ..narrowed(spec, &parent.spec) };
    if spec.mailbox.keep != Keep::Stored {
        return None;
    }
    let spawned = Spawned::kept(child.clone(), spec.code.clone());
    let subtree = Subtree::of(&spec.address, spec.limits.subtree.as_deref(), parent.membership.subtree().cloned());
    let membership = Membership::spawned(subtree).ok()?;
    let actor = Arc::new(Actor::new(known.id, spec, Some(spawned), membership));
    actor.set_presence(Presence::There);
    registry.add(&actor);
    attend(shared, &actor);
    Some(actor)
}

/// Refuses a plugin that already occurs in the chain of parents; the error shows the chain down to the child.
fn check_chain(shared: &Shared, parent: &Actor, plugin: &str) -> Result<(), SpawnError> {
    let mut chain = plugin.to_owned();
    let mut above = Some(parent.address().clone());
    while let Some(actor) = above.as_ref().and_then(|address| shared.routing.registry.occupant(address)) {
        let own = actor.spec.code.plugin();
        chain = format!("{} ({own}) -> {chain}", actor.address());
        if own == plugin {
            return Err(SpawnError::Circular(chain));
        }
        above = actor.address().parent();
    }
    Ok(())
}

/// From here on lookups find a child, and messages to it wait.
pub(super) fn make_known(shared: &Arc<Shared>, child: &Arc<Actor>) {
    child.set_presence(Presence::There);
    shared.routing.registry.add(child);
    attend(shared, child);
}

/// Commits a spawn: the child is known, if it was not, and starts.
pub(super) fn bring_up(shared: &Arc<Shared>, parent: &Actor, child: &Arc<Actor>) {
    if child.is_reserved() {
        make_known(shared, child);
    }
    if let Some(spawned) = &child.spawned {
        spawned.first_start.store(1, Ordering::Release);
        shared.activity.begin();
    }
    if !shared.supervisor.request(Request::Spawn(parent.id, child.clone())) {
        // The play is over: what is stored waits for the next run.
        let _ = shared.routing.forget(child);
    }
}

/// Commits a spawn that takes over an orphan.
pub(super) fn adopt(shared: &Shared, orphan: &Actor, code: Code, incarnation: u64) {
    if let Some(spawned) = &orphan.spawned {
        *spawned.code.lock() = code;
        spawned.by.store(incarnation, Ordering::Release);
    }
    let _ = shared.supervisor.request(Request::Adopt(orphan.id));
}

/// Commits a stop: from here on lookups do not find the child.
pub(super) fn dismiss(shared: &Shared, child: &Actor) {
    child.set_presence(Presence::Gone);
    let _ = shared.supervisor.request(Request::Dismiss(child.id));
}

/// Narrows a child's spec to its parent's: no limit is wider, and the child sends to no actor that the parent could not send
/// to.
fn narrowed(mut child: ActorSpec, parent: &ActorSpec) -> ActorSpec {
    if child.start == StartKind::Manual {
        child.start = StartKind::Auto;
    }
    child.limits = child.limits.within(&parent.limits);
    child.grants = child.grants.within(&parent.address, &parent.grants);
    child
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::incarnation::behavior::{Behavior, Launcher};
    use crate::turn::Turn;
    use crate::words::crash::Crash;

    struct Nothing;

    impl Launcher for Nothing {
        fn launch(&self, _: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
            unreachable!("only specs are looked at")
        }

        fn plugin(&self) -> &'static str {
            "nothing"
        }
    }

    type Limit = (&'static str, fn(&mut ActorSpec, u32), fn(&ActorSpec) -> u128);

    /// Each limit that the kernel keeps: how to set it, and how to read it.
    const LIMITS: [Limit; 5] = [
        ("message", |spec, n| spec.limits.message_bytes = n as usize, |spec| spec.limits.message_bytes as u128),
        (
            "timeout",
            |spec, n| spec.limits.timeout = Duration::from_millis(n.into()),
            |spec| spec.limits.timeout.as_millis(),
        ),
        ("children", |spec, n| spec.limits.max_children = n as usize, |spec| spec.limits.max_children as u128),
        ("timers", |spec, n| spec.limits.max_timers = n as usize, |spec| spec.limits.max_timers as u128),
        ("watches", |spec, n| spec.limits.max_watches = n as usize, |spec| spec.limits.max_watches as u128),
    ];

    #[test]
    fn child_limit_is_at_most_the_limit_of_its_parent() {
        let spec = |at: &str| ActorSpec::new(Address::parse(at).expect("good"), Arc::new(Nothing));
        for (name, set, get) in LIMITS {
            for (parents, own) in [(10, 20), (20, 10)] {
                let (mut parent, mut child) = (spec("/a"), spec("/a/b"));
                set(&mut parent, parents);
                set(&mut child, own);
                assert_eq!(get(&narrowed(child, &parent)), 10, "limits.{name} of {own} below {parents}");
            }
        }
    }
}
