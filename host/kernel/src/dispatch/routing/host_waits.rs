//! The search for a wait for the host behind the actor that an instance waits for.

use std::collections::VecDeque;
use std::ops::Deref;
use std::time::Duration;

use crate::actor::Actor;
use crate::actor::instance::Instance;
use crate::dispatch::routing::Routing;
use crate::words::message::ActorId;

/// Most actors to look at in a search for a wait for the host: chains are short.
const MOST_ACTORS: usize = 64;

impl Routing {
    /// Whether an instance of this actor waits for the host, or has waited since the total was `seen`. Called only when a
    /// time limit has passed.
    pub(crate) fn waited_for_host(&self, actor: &Actor, seen: &mut Duration) -> bool {
        let before = std::mem::replace(seen, actor.host_waited());
        *seen > before || self.reach_host(actor.instances.iter().map(Deref::deref), actor.id)
    }

    /// Whether an instance waits for the host: by itself, for an answer of an actor that does, or for space in such an
    /// actor's mailbox. Called only when a time limit has passed.
    pub(crate) fn instance_waits_for_host(&self, actor: &Actor, instance: &Instance) -> bool {
        self.reach_host(std::iter::once(instance), actor.id)
    }

    fn reach_host<'a>(&self, instances: impl Iterator<Item = &'a Instance>, of: ActorId) -> bool {
        let mut next = VecDeque::new();
        for instance in instances {
            if instance.host_waits.is_waiting() {
                return true;
            }
            next.extend(self.waited_for(of, instance));
        }
        let mut seen = Vec::new();
        while let Some(id) = next.pop_front() {
            if seen.contains(&id) || seen.len() == MOST_ACTORS {
                continue;
            }
            seen.push(id);
            let Some(actor) = self.registry.by_id(id) else { continue };
            for instance in &actor.instances {
                if instance.host_waits.is_waiting() {
                    return true;
                }
                next.extend(self.waited_for(id, instance));
            }
        }
        false
    }

    /// The actors that an instance waits for.
    fn waited_for(&self, id: ActorId, instance: &Instance) -> impl Iterator<Item = ActorId> + use<> {
        self.asks.asked_by(id, instance.index).into_iter().chain(instance.host_waits.blocker())
    }
}
