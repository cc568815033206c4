//! Members of families that leave the memory.

use crate::actor::Actor;
use crate::dispatch::expiry::{Expiry, Seconds};
use crate::dispatch::routing::Routing;
use crate::journal::entry::Op;
use crate::journal::order::EntrySpace;

impl Routing {
    /// Ends a member's time in memory, if nothing of it is there but itself. From then on lookups do not find it, and it is forgotten soon.
    /// `now`: in seconds since 1970.
    pub(crate) fn release(&self, actor: &Actor, now: Seconds) -> bool {
        let Some(member) = actor.member() else { return false };
        let (Some(stored), Some(journal)) = (&member.family.stored, &self.journal) else {
            return self.registry.release(actor);
        };
        let Some(_leaving) = stored.try_release((actor.id, actor.address())) else { return false };
        if !self.registry.release(actor) {
            return false;
        }
        let entered = self.enter(journal, None, EntrySpace::NONE, |draft| {
            let has_state = actor.keyed_state.as_ref().is_some_and(|state| state.used().0 > 0);
            // A timer fires under the journal's lock.
            let keeps = has_state || self.kept_timers.load(actor.id).0 > 0;
            if let Some(expiry) = Expiry::of(&member.family) {
                let before = member.idle_since();
                if !keeps {
                    expiry.forget(draft, actor.address(), before);
                } else if expiry.is_outdated(before, now) {
                    expiry.note(draft, actor.address(), before, now);
                }
            }
            if !keeps {
                draft.op(Op::Gone { actor: actor.id });
            }
            keeps
        });
        self.kept_timers.forget_ids(actor.id);
        if !entered.value {
            member.family.count_out();
        }
        stored.has_left(actor.address(), entered.number, journal.last_durable());
        true
    }

    /// A member is forgotten: nothing more enters about it.
    pub(super) fn member_left(&self, actor: &Actor) {
        let Some(member) = actor.member() else { return };
        member.count_out();
        if let (Some(stored), Some(journal)) = (&member.family.stored, &self.journal) {
            stored.has_left(actor.address(), journal.last(), journal.last_durable());
        }
        member.family.left.notify_one();
    }
}
