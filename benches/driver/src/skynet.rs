//! A tree of actors with ten children each. Every leaf has a number, and the root gets the sum of all numbers.

use playhouse_sdk::{Context, Result};

/// Number of children of each actor.
const CHILDREN: u64 = 10;
/// An actor with more than `CHILDREN` leaves and at most this number spawns its children one after the other, so that not all
/// are alive at the same time: a host limits the number of instances.
const MOST_IN_SEQUENCE: u64 = 1000;
/// The plugin of the children.
const PLUGIN: &str = "bench-driver";

/// One actor of the tree.
#[derive(Default)]
pub(crate) struct Branch {
    /// The number of its first leaf.
    first: u64,
    leaves: u64,
    spawned: u64,
    grown: u64,
    sum: u64,
}

impl Branch {
    /// Spawns children, or reports the number of a leaf to the parent.
    pub(crate) fn grow(first: u64, leaves: u64, ctx: &Context) -> Result<Self> {
        let mut branch = Self { first, leaves, ..Self::default() };
        if leaves == 1 {
            ctx.tell(ctx.parent(), format!("grown {first}"))?;
            return Ok(branch);
        }
        let in_sequence = leaves > CHILDREN && leaves <= MOST_IN_SEQUENCE;
        for _ in 0..if in_sequence { 1 } else { CHILDREN } {
            branch.spawn(ctx)?;
        }
        Ok(branch)
    }

    /// Adds the sum of a child's leaves and stops the child. Returns the sum of all children after the last one.
    pub(crate) fn grown(&mut self, sum: u64, ctx: &Context) -> Result<Option<u64>> {
        if let Some(child) = ctx.sender() {
            ctx.stop_child(&child)?;
        }
        self.grown += 1;
        self.sum += sum;
        if self.spawned < CHILDREN {
            self.spawn(ctx)?;
        }
        Ok((self.grown == CHILDREN).then_some(self.sum))
    }

    fn spawn(&mut self, ctx: &Context) -> Result<()> {
        let (name, each) = (format!("c{}", self.spawned), self.leaves / CHILDREN);
        let first = self.first + self.spawned * each;
        ctx.spawn(&name, PLUGIN)?;
        ctx.tell(&name, format!("grow {first} {each}"))?;
        self.spawned += 1;
        Ok(())
    }
}
