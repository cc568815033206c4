//! The shared counts of an actor with `limits.subtree` and all actors below it: actors, and live instances. Actors without
//! such limits, on themselves or above, are not counted.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::mailbox::admission::Slots;
use crate::words::address::Address;
use crate::words::limits::SubtreeSpec;
use crate::words::limits::Usage;

/// The subtree has all actors that its limit allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubtreeFull {
    /// The actor that has the limit: the parent, or one above it.
    pub(crate) top: Address,
    pub(crate) most: usize,
}

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
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Self> {
        iter::successors(Some(self), |subtree| subtree.above.as_deref())
    }

    /// Counts one more actor, in all of them or in none.
    fn count_in(&self) -> Result<(), SubtreeFull> {
        for (counted, subtree) in self.chain().enumerate() {
            let fits = |actors: usize| (actors < subtree.most_actors.unwrap_or(usize::MAX)).then(|| actors + 1);
            if subtree.actors.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
                self.chain().take(counted).for_each(Self::count_one_out);
                let (top, most) = (subtree.top.clone(), subtree.most_actors.unwrap_or(usize::MAX));
                return Err(SubtreeFull { top, most });
            }
        }
        Ok(())
    }

    /// Whether these are the counts of the actor at this address, and not of one above it.
    pub(crate) fn is_of(&self, address: &Address) -> bool {
        self.top == *address
    }

    /// The use of its limits.
    pub(crate) fn usage(&self) -> Vec<Usage> {
        let actors = self.most_actors.map(|most| Usage {
            key: "actors",
            used: self.actors.load(Ordering::Relaxed) as u64,
            most: most as u64,
        });
        let instances = self.instances.as_ref().map(|slots| {
            let (used, most) = slots.usage();
            Usage { key: "instances", used: used as u64, most: most as u64 }
        });
        actors.into_iter().chain(instances).collect()
    }

    /// The bound on its live instances.
    pub(crate) fn instances(&self) -> Option<&Arc<Slots>> {
        self.instances.as_ref()
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
    pub(crate) fn spawned(subtree: Option<Arc<Subtree>>) -> Result<Self, SubtreeFull> {
        let this = Self { subtree, counted: AtomicBool::new(false) };
        this.count_in()?;
        Ok(this)
    }

    /// A member of a family, which does not count as an actor of the subtree.
    pub(crate) fn uncounted(subtree: Option<Arc<Subtree>>) -> Self {
        Self { subtree, counted: AtomicBool::new(false) }
    }

    /// The counts to which the actors below this one are added.
    pub(crate) fn subtree(&self) -> Option<&Arc<Subtree>> {
        self.subtree.as_ref()
    }

    /// Counts the actor unless it is counted already.
    pub(crate) fn count_in(&self) -> Result<(), SubtreeFull> {
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
