//! Stored children of earlier runs of the host: they come back with their parents, without an incarnation until a message comes.

use std::collections::HashSet;
use std::sync::Arc;

use crate::actor::{Actor, Presence};
use crate::dispatch::Shared;
use crate::dispatch::requests::Request;
use crate::journal::store::Image;
use crate::supervisor::Supervisor;
use crate::turn::spawn;
use crate::words::message::ActorId;
use crate::words::restart::StartKind;

/// The actors that have stored children.
pub(super) fn parents_of(image: &Image) -> HashSet<ActorId> {
    image.actors.iter().filter_map(|known| Some(known.child.as_ref()?.parent)).collect()
}

/// Makes all children again that the plan still allows, parents first, and notes the others. Returns those that their parents had
/// stopped.
pub(super) fn bring_back(
    shared: &Arc<Shared>,
    supervisor: &mut Supervisor,
    image: &Image,
    parents: &HashSet<ActorId>,
) -> Vec<Arc<Actor>> {
    let mut children: Vec<_> = image.actors.iter().filter(|known| known.child.is_some()).collect();
    children.sort_by_key(|known| known.address.as_str().matches('/').count());
    let mut leaving = Vec::new();
    for known in children {
        let start = match known.halted {
            Some(true) => StartKind::Manual,
            // It has to run, so that its own children can.
            _ if parents.contains(&known.id) => StartKind::Auto,
            _ => StartKind::OnMessage,
        };
        let Some(child) = spawn::bring_back(shared, known, start) else { continue };
        supervisor.bring_back(&child);
        if known.leaves {
            leaving.push(child);
        }
    }
    let registry = &shared.routing.registry;
    for known in &image.actors {
        let runs = registry.by_id(known.id).is_some_and(|actor| actor.mailbox.is_stored());
        // A member of a family comes into memory when it is used.
        let is_member = || registry.family_of(&known.address).is_some_and(|family| family.stored.is_some());
        if !runs && !is_member() {
            registry.note_kept(&known.address, known.id);
        }
    }
    leaving
}

/// Ends the children that their parents had stopped, once everything about them is read from the store.
pub(super) fn end_leaving(shared: &Shared, leaving: Vec<Arc<Actor>>) {
    for child in leaving {
        if let Some(kept) = child.kept_child() {
            kept.leaves.store(true, std::sync::atomic::Ordering::Release);
        }
        child.set_presence(Presence::Gone);
        let _ = shared.supervisor.request(Request::Dismiss(child.id));
    }
}
