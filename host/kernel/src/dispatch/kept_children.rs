//! Stored children that are stopped for good. Their end is in [`Shared::end_child`](crate::dispatch::Shared::end_child).

use std::sync::atomic::Ordering;

use crate::actor::Actor;
use crate::dispatch::routing::output::Output;
use crate::journal::entry::Op;
use crate::journal::order::Draft;

/// Notes that a stored child is stopped for good, as a part of an entry: a later run of the host only ends it. Does nothing for others.
pub(crate) fn child_leaves(draft: &mut Draft<Output>, actor: &Actor) {
    if let Some(kept) = actor.kept_child()
        && !kept.leaves.swap(true, Ordering::AcqRel)
    {
        draft.op(Op::Leaves { actor: actor.id });
    }
}
