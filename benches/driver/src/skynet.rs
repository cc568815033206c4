//! A tree of actors, ten children each: every leaf has a number, and their sum comes up to the root.

use playhouse_sdk::{Context, Result};

/// Children of each actor.
const CHILDREN: u64 = 10;
/// Who has more leaves below it than its own children, and at most so many, has one child after the other, so that not all
/// are alive at a time: a host admits only so many instances.
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
    /// Grows, or is a leaf.
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

    /// A child has the sum of its leaves, and is not needed any more. Returns the sum of all when this was the last.
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
