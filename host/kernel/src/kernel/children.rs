//! Stored children of earlier runs of the host: they come back with their parents, without an incarnation until a message comes.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::actor::spec::ActorSpec;
use crate::actor::subtree::Membership;
use crate::actor::{Actor, Presence, Spawned};
use crate::dispatch::Shared;
use crate::dispatch::requests::Request;
use crate::incarnation::behavior::{Behavior, Launcher};
use crate::journal::store::{Image, StoredActor};
use crate::mailbox::Keep;
use crate::supervisor::Supervisor;
use crate::turn::{Turn, spawn};
use crate::words::crash::{Crash, CrashReason};
use crate::words::message::ActorId;
use crate::words::restart::StartKind;

/// The actors that have stored children.
pub(super) fn parents_of(image: &Image) -> HashSet<ActorId> {
    image.actors.iter().filter_map(|known| Some(known.child.as_ref()?.parent)).collect()
}

/// Children that end with the start of a host.
#[derive(Default)]
pub(super) struct Ending {
    /// Their parents had stopped them.
    leaving: Vec<Arc<Actor>>,
    /// Their parents are gone, while no code could run for them. They are not in the tree.
    abandoned: Vec<Arc<Actor>>,
}

/// The code of a child that only ends.
struct NoCode(String);

impl Launcher for NoCode {
    fn launch(&self, _: Turn) -> BoxFuture<'_, Result<Box<dyn Behavior>, Crash>> {
        Box::pin(std::future::ready(Err(Crash::new(CrashReason::Start { message: "its parent is gone".to_owned() }))))
    }

    fn plugin(&self) -> &str {
        &self.0
    }
}

/// Makes all children again that the plan still allows, parents first, and notes the others. Returns those that end now.
pub(super) fn bring_back(
    shared: &Arc<Shared>,
    supervisor: &mut Supervisor,
    image: &Image,
    parents: &HashSet<ActorId>,
) -> Ending {
    let registry = &shared.routing.registry;
    let ids: HashSet<_> = image.actors.iter().map(|known| known.id).collect();
    let mut children: Vec<_> = image.actors.iter().filter(|known| known.child.is_some()).collect();
    children.sort_by_key(|known| known.address.as_str().matches('/').count());
    let mut ending = Ending::default();
    for known in children {
        let parent = known.child.as_ref().map(|child| child.parent);
        let is_abandoned = |parent| !ids.contains(&parent) || ending.abandoned.iter().any(|gone| gone.id == parent);
        if parent.is_some_and(is_abandoned) {
            ending.abandoned.extend(abandoned(shared, known));
            continue;
        }
        let start = match known.halted {
            Some(true) => StartKind::Manual,
            // It has to run, so that its own children can.
            _ if parents.contains(&known.id) => StartKind::Auto,
            _ => StartKind::OnMessage,
        };
        let Some(child) = spawn::bring_back(shared, known, start) else { continue };
        supervisor.bring_back(&child);
        if known.leaves {
            ending.leaving.push(child);
        }
    }
    for known in &image.actors {
        let runs = registry.by_id(known.id).is_some_and(|actor| actor.mailbox.is_stored());
        // A member of a family comes into memory when it is used.
        let is_member = || registry.family_of(&known.address).is_some_and(|family| family.stored.is_some());
        if !runs && !is_member() {
            registry.note_kept(&known.address, known.id);
        }
    }
    ending
}

/// A child whose parent is gone, for its messages to become dead letters. None when another actor has its address.
fn abandoned(shared: &Shared, known: &StoredActor) -> Option<Arc<Actor>> {
    let (child, registry) = (known.child.as_deref()?, &shared.routing.registry);
    if registry.occupant(&known.address).is_some() {
        return None;
    }
    let code: Arc<dyn Launcher> = Arc::new(NoCode(child.plugin.clone()));
    let mut spec = ActorSpec::new(known.address.clone(), code.clone());
    spec.mailbox.keep = Keep::Stored;
    let spawned = Spawned::kept(child.clone(), code.into());
    let actor = Arc::new(Actor::new(known.id, spec, Some(spawned), Membership::planned(None)));
    actor.set_presence(Presence::There);
    registry.add(&actor);
    Some(actor)
}

/// Ends the children that do not go on, once everything about them is read from the store.
pub(super) fn end_children(shared: &Arc<Shared>, ending: Ending) {
    for child in &ending.abandoned {
        shared.forget_actor(child);
    }
    for child in ending.leaving {
        if let Some(kept) = child.kept_child() {
            kept.leaves.store(true, std::sync::atomic::Ordering::Release);
        }
        child.set_presence(Presence::Gone);
        let _ = shared.supervisor.request(Request::Dismiss(child.id));
    }
}
