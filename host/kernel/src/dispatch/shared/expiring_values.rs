//! Values of keyed states whose times are over: reads do not see them any more, and here they are removed from the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::dispatch::Shared;
use crate::dispatch::expiry::Expiry;
use crate::dispatch::routing::entering::{PlayJournal, expire_value};
use crate::journal::entry::{ExpiringKey, Op};
use crate::journal::order::EntrySpace;
use crate::journal::store::{Store, StoreError};
use crate::words::address::Address;
use crate::words::message::ActorId;

/// Values that one entry removes.
const PAGE: usize = 256;
/// The pause between two looks: values that end within it are removed together.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest sleep of the task, which Tokio's timers bound.
const LONGEST_SLEEP: Duration = Duration::from_hours(24);

/// Removes values when their times are over, until the host ends.
pub(crate) async fn expire_values(shared: Arc<Shared>) {
    let Some(journal) = shared.routing.journal.clone() else { return };
    let ends = &shared.routing.value_ends;
    let mut last_look = None::<Instant>;
    while !shared.routing.host_ends.load(Ordering::Acquire) {
        let Some(next) = ends.next() else {
            ends.changed.notified().await;
            continue;
        };
        // The moment of a time that has passed is now: the clock is read once more after it.
        let due = shared.moment_of(next).max(last_look.map_or_else(Instant::now, |last| last + PAUSE));
        let now = Instant::now();
        if due > now {
            let _ = timeout_at(due.min(now + LONGEST_SLEEP), ends.changed.notified()).await;
            continue;
        }
        // An error of the store ends the play, and there is no store after it.
        if shared.expire_due_values(&journal).await.is_err() {
            return;
        }
        last_look = Some(Instant::now());
    }
}

impl Shared {
    async fn expire_due_values(&self, journal: &PlayJournal) -> Result<(), StoreError> {
        let (store, ends) = (self.routing.store()?, &self.routing.value_ends);
        ends.begin_look();
        // All values that were noted before are in the store then.
        journal.all_durable().await?;
        let mut before = None;
        loop {
            let now = self.wall_time(Instant::now());
            let page = store.expiring(PAGE).await.map_err(|error| self.routing.store_read_failed(error))?;
            let due: Vec<_> = page.iter().take_while(|key| key.ends <= now).collect();
            if due.is_empty() {
                page.first().into_iter().for_each(|first| ends.note(first.ends));
                return Ok(());
            }
            if before.as_ref() == page.first() {
                let at = "the order of values by their ends, which has one that is gone".to_owned();
                return Err(self.routing.store_read_failed(StoreError::Damaged { at }));
            }
            ends.step();
            let entered = self.routing.enter(journal, None, EntrySpace::NONE, |draft| {
                for &ExpiringKey { actor, key, .. } in &due {
                    let known = self.routing.registry.by_id(*actor);
                    if let Some(state) = known.as_ref().and_then(|known| known.keyed_state.as_ref()) {
                        state.expired(draft.number);
                    }
                    expire_value(draft, (*actor, key), now);
                }
            });
            journal.durable(entered.number).await?;
            ends.step();
            let owners: BTreeMap<_, _> = due.iter().map(|key| (key.actor, &key.address)).collect();
            for (actor, address) in owners {
                self.remove_empty_member(journal, &*store, (actor, address)).await?;
            }
            before = page.into_iter().next();
        }
    }

    /// Removes a member of a family that is not in memory, if it keeps nothing any more. One in memory is looked at when it leaves.
    async fn remove_empty_member(
        &self,
        journal: &PlayJournal,
        store: &dyn Store,
        (actor, address): (ActorId, &Address),
    ) -> Result<(), StoreError> {
        let Some(family) = self.routing.registry.family_of(address) else { return Ok(()) };
        let Some(stored) = &family.stored else { return Ok(()) };
        let _loading = family.load(stored, address).await;
        if self.routing.registry.pin(address).is_some() {
            return Ok(());
        }
        let Some(known) = self.known_member(stored, store, address).await?.filter(|known| known.id == actor) else {
            return Ok(());
        };
        if known.waiting + known.timers + known.state.keys > 0 || known.halted == Some(true) {
            return Ok(());
        }
        let idle = match Expiry::of(&family) {
            Some(expiry) => Some((self.idle_since(store, &expiry, address).await?, expiry)),
            None => None,
        };
        let entered = self.routing.enter(journal, None, EntrySpace::NONE, |draft| {
            if let Some((since, expiry)) = &idle {
                expiry.forget(draft, address, *since);
            }
            draft.op(Op::Gone { actor });
        });
        family.count_out();
        stored.has_left(address, entered.number, journal.last_durable());
        Ok(())
    }
}
