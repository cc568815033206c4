//! The registry: actors by address and by id. Spawned actors are added and removed; an id is never used again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::actor::Actor;
use crate::words::address::Address;
use crate::words::message::{ActorId, kept_number};

const SHARDS: usize = 16;

#[derive(Default)]
pub(crate) struct Registry {
    hasher: RandomState,
    by_address: [RwLock<HashMap<Address, Arc<Actor>>>; SHARDS],
    by_id: [RwLock<HashMap<ActorId, Arc<Actor>>>; SHARDS],
    last_id: AtomicU64,
    /// Number of messages of removed actors, all of which ended. Locked during a removal, so that a sum sees each actor
    /// either here or in the maps.
    ended_elsewhere: Mutex<u64>,
}

impl Registry {
    pub(crate) fn new_id(&self) -> ActorId {
        ActorId(kept_number(self.last_id.fetch_add(1, Ordering::Relaxed) + 1))
    }

    /// Makes an actor visible to lookups. Its address is free, or held by an actor that is to be removed.
    pub(crate) fn add(&self, actor: &Arc<Actor>) {
        self.by_id[actor.id.0 as usize % SHARDS].write().insert(actor.id, actor.clone());
        self.shard(actor.address()).write().insert(actor.address().clone(), actor.clone());
        if let Some(parent) = self.parent(actor) {
            parent.children.lock().insert(actor.address().name().into(), actor.clone());
        }
    }

    /// Removes an actor from all lookups. All its messages have ended.
    pub(crate) fn remove(&self, actor: &Actor) {
        let mut ended = self.ended_elsewhere.lock();
        if self.by_id[actor.id.0 as usize % SHARDS].write().remove(&actor.id).is_none() {
            return;
        }
        *ended += actor.mailbox.accepted();
        drop(ended);
        if let Some(parent) = self.parent(actor) {
            let mut children = parent.children.lock();
            if children.get(actor.address().name()).is_some_and(|child| child.id == actor.id) {
                children.remove(actor.address().name());
            }
        }
        let mut shard = self.shard(actor.address()).write();
        if shard.get(actor.address()).is_some_and(|there| there.id == actor.id) {
            shard.remove(actor.address());
        }
    }

    /// The actor that takes messages at an address.
    pub(crate) fn get(&self, address: &Address) -> Option<Arc<Actor>> {
        self.occupant(address).filter(|actor| !actor.is_gone())
    }

    /// The actor that has an address, even if it is about to be removed.
    pub(crate) fn occupant(&self, address: &Address) -> Option<Arc<Actor>> {
        self.shard(address).read().get(address).cloned()
    }

    pub(crate) fn by_id(&self, id: ActorId) -> Option<Arc<Actor>> {
        self.by_id[id.0 as usize % SHARDS].read().get(&id).cloned()
    }

    /// A sum over all current actors, and over all messages of removed ones.
    pub(crate) fn total(&self, count: impl Fn(&Actor) -> u64) -> u64 {
        let (actors, ended) = {
            let ended = self.ended_elsewhere.lock();
            let all: Vec<_> = self.by_id.iter().flat_map(|s| s.read().values().cloned().collect::<Vec<_>>()).collect();
            (all, *ended)
        };
        ended + actors.iter().map(|actor| count(actor)).sum::<u64>()
    }

    /// All actors, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Actor>> {
        self.by_id.iter().flat_map(|shard| shard.read().values().cloned().collect::<Vec<_>>()).collect()
    }

    fn parent(&self, actor: &Actor) -> Option<Arc<Actor>> {
        match &actor.spawned {
            Some(spawned) => self.by_id(spawned.parent),
            None => self.occupant(&actor.address().parent()?),
        }
    }

    fn shard(&self, address: &Address) -> &RwLock<HashMap<Address, Arc<Actor>>> {
        &self.by_address[self.hasher.hash_one(address) as usize % SHARDS]
    }
}
