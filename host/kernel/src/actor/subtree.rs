//! The shared counts of an actor with `limits.subtree` and all actors below it: actors, and live instances. Actors without
//! such limits, on themselves or above, are not counted.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::actor::{Actor, Shared};
use crate::mailbox::admission::Slots;
use crate::turn::spawn::SpawnError;
use crate::words::address::Address;
use crate::words::limits::SubtreeSpec;
use crate::words::limits::Usage;

/// The counts of one actor with limits for its subtree.
pub(crate) struct Subtree {
    top: Address,
    most_actors: Option<usize>,
    actors: AtomicUsize,
    instances: Option<Arc<Slots>>,
    /// The next such subtree above: a new actor counts in all of them.
    above: Option<Arc<Subtree>>,
}

impl Subtree {
    /// The counts for a new actor: its own if it has limits, or those of the actor above.
    pub(crate) fn of(top: &Address, spec: Option<&SubtreeSpec>, above: Option<Arc<Self>>) -> Option<Arc<Self>> {
        let Some(&SubtreeSpec { actors, instances }) = spec else { return above };
        let rule = || format!("all that `limits.subtree.instances` of `{top}` admits");
        let instances = instances.map(|most| Arc::new(Slots::new(most, rule())));
        Some(Arc::new(Self { top: top.clone(), most_actors: actors, actors: AtomicUsize::new(0), instances, above }))
    }

    /// This subtree and those above.
    fn chain(&self) -> impl Iterator<Item = &Self> {
        iter::successors(Some(self), |subtree| subtree.above.as_deref())
    }

    /// Counts one more actor, in all of them or in none.
    fn count_in(&self) -> Result<(), SpawnError> {
        for (counted, subtree) in self.chain().enumerate() {
            let fits = |actors: usize| (actors < subtree.most_actors.unwrap_or(usize::MAX)).then(|| actors + 1);
            if subtree.actors.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
                self.chain().take(counted).for_each(Self::count_one_out);
                let (top, most) = (subtree.top.clone(), subtree.most_actors.unwrap_or(usize::MAX));
                return Err(SpawnError::SubtreeFull { top, most });
            }
        }
        Ok(())
    }

    fn count_one_out(&self) {
        self.actors.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether an actor is counted in the subtrees that contain it.
#[derive(Default)]
pub(crate) struct Membership {
    subtree: Option<Arc<Subtree>>,
    counted: AtomicBool,
}

impl Membership {
    /// Counts an actor of the plan, which was checked before.
    pub(crate) fn planned(subtree: Option<Arc<Subtree>>) -> Self {
        if let Some(subtree) = &subtree {
            for subtree in subtree.chain() {
                subtree.actors.fetch_add(1, Ordering::Relaxed);
            }
        }
        Self { counted: AtomicBool::new(subtree.is_some()), subtree }
    }

    /// Counts an actor that another one spawns; an error names the subtree that is full.
    pub(crate) fn spawned(subtree: Option<Arc<Subtree>>) -> Result<Self, SpawnError> {
        let this = Self { subtree, counted: AtomicBool::new(false) };
        this.count_in()?;
        Ok(this)
    }

    /// The counts to which the actors below this one are added.
    pub(crate) fn subtree(&self) -> Option<&Arc<Subtree>> {
        self.subtree.as_ref()
    }

    /// Counts the actor unless it is counted already.
    pub(crate) fn count_in(&self) -> Result<(), SpawnError> {
        let Some(subtree) = &self.subtree else { return Ok(()) };
        if self.counted.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        subtree.count_in().inspect_err(|_| self.counted.store(false, Ordering::Release))
    }

    /// Uncounts the actor: it is removed, or waits for its parent to spawn it again.
    pub(crate) fn count_out(&self) {
        if let Some(subtree) = &self.subtree
            && self.counted.swap(false, Ordering::AcqRel)
        {
            subtree.chain().for_each(Subtree::count_one_out);
        }
    }
}

impl Drop for Membership {
    /// Uncounts a spawn that was not committed.
    fn drop(&mut self) {
        self.count_out();
    }
}

impl Actor {
    /// The use of its `limits.subtree` by the actor and all actors below it; empty without such limits.
    pub(crate) fn subtree_usage(&self) -> Vec<Usage> {
        let mut usage = Vec::new();
        let own = self.membership.subtree().filter(|subtree| subtree.top == *self.address());
        if let Some(subtree) = own {
            if let Some(most) = subtree.most_actors {
                let used = subtree.actors.load(Ordering::Relaxed) as u64;
                usage.push(Usage { key: "actors", used, most: most as u64 });
            }
            if let Some(slots) = &subtree.instances {
                let (used, most) = slots.usage();
                usage.push(Usage { key: "instances", used: used as u64, most: most as u64 });
            }
        }
        usage.extend(self.launcher.lock().subtree_usage());
        usage
    }

    /// Uncounts the children of earlier incarnations when a new one begins: they are down, and count again when they are
    /// spawned again.
    pub(crate) fn count_orphans_out(&self) {
        if self.membership.subtree().is_none() {
            return;
        }
        let children: Vec<_> = self.children.lock().values().cloned().collect();
        for child in children {
            if child.spawned.is_some() {
                child.membership.count_out();
            }
            child.count_orphans_out();
        }
    }
}

impl Shared {
    /// The bounds under which an incarnation of this actor needs a slot, from the narrowest to the widest.
    pub(crate) fn bounds_of<'a>(&'a self, actor: &'a Actor) -> impl Iterator<Item = &'a Arc<Slots>> {
        let chain = actor.membership.subtree().into_iter().flat_map(|subtree| subtree.chain());
        let subtrees = chain.filter_map(|subtree| subtree.instances.as_ref());
        let play = self.slots.as_ref();
        let spawned = play.filter(|_| actor.spawned.is_some()).map(|slots| &slots.spawned);
        subtrees.chain(spawned).chain(play.map(|slots| &slots.all))
    }

    /// The bounds for a mailbox's policy. For policies of the plan's own actors the bound of the whole play does not count,
    /// since that is made for instances.
    pub(crate) fn bounds_of_policy(&self, actor: &Actor) -> Vec<Arc<Slots>> {
        let all = self.slots.as_ref().filter(|_| actor.spawned.is_none()).map(|slots| &slots.all);
        self.bounds_of(actor).filter(|slots| all.is_none_or(|all| !Arc::ptr_eq(all, slots))).cloned().collect()
    }
}
