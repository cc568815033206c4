//! The registry: actors by address and by id. Spawned actors are added and removed; an id is never used again.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::quality::{FixedState, FoldHasher};
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxBuildHasher;

use crate::actor::family::Family;
use crate::actor::pinned::Pinned;
use crate::actor::spec::ActorSpec;
use crate::actor::{Actor, Presence};
use crate::words::address::Address;
use crate::words::message::{ActorId, kept_number};
use crate::words::observed::OwnMetric;
use crate::words::resource_use::ResourceUse;
use crate::words::totals::ActorTotals;

const SHARDS: usize = 16;

/// Actors by address.
type ByAddress = HashMap<Address, Arc<Actor>, AddressHash>;

/// The hash of addresses. It has a random key, since names may come from outside, and is a quick one, since the address of every
/// message from outside is looked up.
struct AddressHash(FixedState);

impl Default for AddressHash {
    fn default() -> Self {
        Self(FixedState::with_seed(RandomState::new().hash_one(())))
    }
}

impl BuildHasher for AddressHash {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

/// All actors, by address and by id. It has many methods, since the ways to add, find and remove an actor depend on its kind, and each
/// of them keeps the maps in step under their locks.
#[derive(Default)]
pub(crate) struct Registry {
    hasher: AddressHash,
    by_address: [RwLock<ByAddress>; SHARDS],
    by_id: [RwLock<HashMap<ActorId, Arc<Actor>, FxBuildHasher>>; SHARDS],
    last_id: AtomicU64,
    /// The ids that actors of the plan had in earlier runs of the host.
    known: HashMap<Address, ActorId>,
    /// Actors that the store has, and that do not run: their addresses are taken.
    kept: Mutex<HashMap<Address, ActorId>>,
    /// By the address above their members.
    families: RwLock<HashMap<Address, Arc<Family>>>,
    /// The counts of removed actors. Locked during a removal, so that a sum sees each actor either here or in the maps.
    removed: Mutex<Removed>,
}

#[derive(Default)]
struct Removed {
    /// Number of their messages, all of which ended.
    ended: u64,
    /// The counts of members that left the memory, by the head of their family.
    members: HashMap<ActorId, MemberTotals>,
    /// Their other counts, by the actor of the plan above them and by plugin: the number of groups is bounded by the plan.
    groups: HashMap<ActorId, HashMap<Box<str>, Group>>,
}

/// The messages of the members of a family, by how they ended.
#[derive(Clone, Default)]
pub(crate) struct MemberTotals {
    pub(crate) handled: u64,
    /// Dead letters, by the kind of their reason.
    pub(crate) letters: BTreeMap<&'static str, u64>,
}

impl MemberTotals {
    fn add(&mut self, member: &Actor) {
        self.handled += member.handled();
        for (kind, count) in member.mailbox.letters() {
            *self.letters.entry(kind).or_default() += count;
        }
    }
}

/// The counts of removed actors with one plugin, spawned below one actor of the plan.
#[derive(Default)]
struct Group {
    totals: ActorTotals,
    /// The resources of actors whose code may still use CPU time: calls of the host that it left unfinished.
    unfinished: Vec<Arc<ResourceUse>>,
    /// The largest sums of observed values that a reader got of the group, its actors that are not removed included.
    sums: HashMap<Arc<str>, f64>,
}

impl Group {
    fn add(&mut self, actor: &Actor) {
        actor.add_to(&mut self.totals);
        if self.unfinished.len() == self.unfinished.capacity() {
            self.settle();
            // So a removal settles two actors on average.
            self.unfinished.reserve(self.unfinished.len().max(8));
        }
        self.unfinished.extend(actor.uses().cloned());
    }

    /// Moves CPU time that does not grow any more into the totals.
    fn settle(&mut self) {
        let totals = &mut self.totals;
        self.unfinished.retain_mut(|uses| {
            let last = Arc::get_mut(uses);
            let is_used = last.is_none();
            totals.cpu += last.map_or(Duration::ZERO, |uses| uses.read().cpu);
            is_used
        });
    }

    /// All counts so far.
    fn read(&mut self) -> ActorTotals {
        self.settle();
        let mut totals = self.totals.clone();
        totals.cpu += self.unfinished.iter().map(|uses| uses.read().cpu).sum::<Duration>();
        totals
    }
}

impl Removed {
    /// Counts an actor that is in the maps no more. All its messages have ended.
    fn count(&mut self, planned: ActorId, actor: &Actor) {
        self.ended += actor.mailbox.accepted();
        if let Some(member) = actor.member() {
            self.members.entry(member.family.head).or_default().add(actor);
        }
        self.group(planned, actor.spec.code.plugin()).add(actor);
    }

    fn group(&mut self, planned: ActorId, plugin: &str) -> &mut Group {
        let groups = self.groups.entry(planned).or_default();
        if !groups.contains_key(plugin) {
            groups.insert(plugin.into(), Group::default());
        }
        groups.get_mut(plugin).expect("it was just added")
    }
}

/// All actors, and the counts of the removed ones.
pub(crate) struct Census {
    pub(crate) actors: Vec<Arc<Actor>>,
    /// By the actor of the plan above them, with their plugin.
    pub(crate) removed: Vec<(ActorId, Box<str>, ActorTotals)>,
}

impl Registry {
    /// A registry that gives no id below `free_id` but those that are `known`.
    pub(crate) fn going_on(free_id: u64, known: HashMap<Address, ActorId>) -> Self {
        Self { last_id: AtomicU64::new(free_id.max(1) - 1), known, ..Self::default() }
    }

    /// The id of an actor of the plan.
    pub(crate) fn planned_id(&self, address: &Address) -> ActorId {
        self.known.get(address).copied().unwrap_or_else(|| self.new_id())
    }

    /// Notes an actor that the store has, and that does not run.
    pub(crate) fn note_kept(&self, address: &Address, id: ActorId) {
        self.kept.lock().insert(address.clone(), id);
    }

    /// Whether an actor that does not run has this address in the store.
    pub(crate) fn is_address_kept(&self, address: &Address) -> bool {
        self.kept.lock().contains_key(address)
    }

    /// Whether the store has an actor with this id, which does not run.
    pub(crate) fn is_kept(&self, address: &Address, id: ActorId) -> bool {
        self.kept.lock().get(address) == Some(&id)
    }

    /// Whether an actor, or one above it, was stopped for good by its parent.
    pub(crate) fn leaves(&self, actor: &Actor) -> bool {
        actor.is_gone() || self.parent(actor).is_some_and(|above| self.leaves(&above))
    }

    /// The first id that is not given.
    pub(crate) fn free_id(&self) -> u64 {
        self.last_id.load(Ordering::Relaxed) + 1
    }

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
        let planned = self.planned_above(actor);
        let mut removed = self.removed.lock();
        {
            let mut shard = self.by_id[actor.id.0 as usize % SHARDS].write();
            // A member of a family that came back into memory has the same id, and the one before was removed then.
            if !shard.get(&actor.id).is_some_and(|there| is_same(there, actor)) {
                return;
            }
            shard.remove(&actor.id);
        }
        removed.count(planned, actor);
        drop(removed);
        if let Some(parent) = self.parent(actor) {
            let mut children = parent.children.lock();
            if children.get(actor.address().name()).is_some_and(|child| is_same(child, actor)) {
                children.remove(actor.address().name());
            }
        }
        let mut shard = self.shard(actor.address()).write();
        if shard.get(actor.address()).is_some_and(|there| is_same(there, actor)) {
            shard.remove(actor.address());
        }
    }

    /// The actor that takes messages at an address.
    pub(crate) fn get(&self, address: &Address) -> Option<Arc<Actor>> {
        self.occupant(address).filter(|actor| actor.is_addressable())
    }

    /// A fact of the actor that takes messages at an address, or would if they came.
    pub(crate) fn spec<T>(&self, address: &Address, read: impl FnOnce(&ActorSpec) -> T) -> Option<T> {
        match self.get(address) {
            Some(actor) => Some(read(&actor.spec)),
            None => Some(read(self.family_of(address)?.template())),
        }
    }

    /// As [`Registry::get`], for a message that is about to be sent: a member of a family stays in memory meanwhile.
    pub(crate) fn pin(&self, address: &Address) -> Option<Pinned> {
        let shard = self.shard(address).read();
        let actor = shard.get(address).filter(|actor| actor.is_addressable())?;
        Some(Pinned::new(actor.clone()))
    }

    /// Makes a family known by the address above its members.
    pub(crate) fn add_family(&self, family: &Arc<Family>) {
        self.families.write().insert(family.address().clone(), family.clone());
    }

    /// All families, in no order.
    pub(crate) fn families(&self) -> Vec<Arc<Family>> {
        self.families.read().values().cloned().collect()
    }

    /// The family with this address, which is that above its members.
    pub(crate) fn family(&self, address: &Address) -> Option<Arc<Family>> {
        self.families.read().get(address).cloned()
    }

    /// The family for which an actor stands in the tree.
    pub(crate) fn family_of_head(&self, actor: &Actor) -> Option<Arc<Family>> {
        actor.is_head().then(|| self.family(actor.address())).flatten()
    }

    /// The family that may have a member at this address.
    pub(crate) fn family_of(&self, member: &Address) -> Option<Arc<Family>> {
        self.family(&member.parent()?).filter(|family| family.has_name(member.name()))
    }

    /// As [`Registry::add`], for a new member of a family, unless another one was added meanwhile.
    pub(crate) fn add_member(&self, actor: &Arc<Actor>) -> Option<Pinned> {
        let pinned = {
            let mut shard = self.shard(actor.address()).write();
            if shard.get(actor.address()).is_some_and(|other| other.is_addressable()) {
                return None;
            }
            shard.insert(actor.address().clone(), actor.clone());
            Pinned::new(actor.clone())
        };
        let planned = self.planned_above(actor);
        let mut removed = self.removed.lock();
        let before = self.by_id[actor.id.0 as usize % SHARDS].write().insert(actor.id, actor.clone());
        // The member that left the memory, and is not forgotten yet.
        if let Some(before) = before {
            removed.count(planned, &before);
        }
        drop(removed);
        if let Some(head) = self.parent(actor) {
            head.children.lock().insert(actor.address().name().into(), actor.clone());
        }
        Some(pinned)
    }

    /// Ends a member's time in memory, if it has nothing there and nobody is about to send to it: from here on, lookups do not find it.
    pub(crate) fn release(&self, actor: &Actor) -> bool {
        let mut shard = self.shard(actor.address()).write();
        let is_free = actor.member().is_some_and(|member| !member.is_pinned()) && actor.is_releasable();
        if is_free {
            actor.set_presence(Presence::Gone);
            if shard.get(actor.address()).is_some_and(|there| is_same(there, actor)) {
                shard.remove(actor.address());
            }
        }
        is_free
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
            let removed = self.removed.lock();
            (self.all(), removed.ended)
        };
        ended + actors.iter().map(|actor| count(actor)).sum::<u64>()
    }

    /// All actors, in order of their ids, and the counts of removed actors.
    pub(crate) fn census(&self) -> Census {
        let mut removed = self.removed.lock();
        let mut census = Census { actors: self.all(), removed: Vec::new() };
        for (planned, groups) in &mut removed.groups {
            let read = groups.iter_mut().map(|(plugin, group)| (*planned, plugin.clone(), group.read()));
            census.removed.extend(read);
        }
        drop(removed);
        census.actors.sort_unstable_by_key(|actor| actor.id);
        census
    }

    /// The counts of the members of each family, by its head: of those in memory, and of those that left it.
    pub(crate) fn member_totals(&self) -> HashMap<ActorId, MemberTotals> {
        if self.families.read().is_empty() {
            return HashMap::new();
        }
        let removed = self.removed.lock();
        let (mut totals, actors) = (removed.members.clone(), self.all());
        drop(removed);
        for actor in &actors {
            if let Some(member) = actor.member() {
                totals.entry(member.family.head).or_default().add(actor);
            }
        }
        totals
    }

    /// Raises the sums of observed values of a group of spawned actors to those that were read before. The sum of the same
    /// numbers depends on their order, which changes when an actor is removed; and a sum must not fall.
    pub(crate) fn raise_sums(&self, planned: ActorId, plugin: &str, own: &mut BTreeMap<Arc<str>, OwnMetric>) {
        let observed = own.iter_mut().filter_map(|(name, metric)| Some((name, metric.observed.as_mut()?)));
        let mut observed = observed.peekable();
        if observed.peek().is_none() {
            return;
        }
        let mut removed = self.removed.lock();
        let group = removed.group(planned, plugin);
        for (name, observed) in observed {
            let most = group.sums.entry(name.clone()).or_default();
            *most = most.max(observed.sum);
            observed.sum = *most;
        }
    }

    /// The actor of the plan above a spawned actor; the actor itself if it is one of the plan.
    pub(crate) fn planned_above(&self, actor: &Actor) -> ActorId {
        if actor.spawned.is_none() {
            return actor.id;
        }
        let mut above = actor.address().parent();
        while let Some(address) = above {
            match self.occupant(&address) {
                Some(planned) if planned.spawned.is_none() => return planned.id,
                _ => above = address.parent(),
            }
        }
        actor.id
    }

    /// All actors, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Actor>> {
        let mut all = Vec::new();
        for shard in &self.by_id {
            all.extend(shard.read().values().cloned());
        }
        all
    }

    fn parent(&self, actor: &Actor) -> Option<Arc<Actor>> {
        match &actor.spawned {
            Some(spawned) => self.by_id(spawned.parent),
            None => self.occupant(&actor.address().parent()?),
        }
    }

    fn shard(&self, address: &Address) -> &RwLock<ByAddress> {
        &self.by_address[self.hasher.hash_one(address) as usize % SHARDS]
    }
}

fn is_same(there: &Arc<Actor>, actor: &Actor) -> bool {
    std::ptr::eq(Arc::as_ptr(there), actor)
}
