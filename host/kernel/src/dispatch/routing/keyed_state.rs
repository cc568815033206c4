//! Reads of the store for keyed states.

use std::sync::Arc;
use std::time::SystemTime;

use crate::actor::Actor;
use crate::actor::keyed_state::Kept;
use crate::dispatch::routing::Routing;
use crate::dispatch::routing::entering::change_state;
use crate::journal::entry::{EntryNumber, Lifetime};
use crate::journal::order::EntrySpace;
use crate::journal::store::{Store, StoreError};
use crate::words::keyed_state::StateChange;

impl Routing {
    /// The store of the play.
    pub(crate) fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        let store = self.store.as_ref().and_then(std::sync::Weak::upgrade);
        store.ok_or_else(|| StoreError::Failed("the play has no store, or is over".to_owned()))
    }

    /// Ends the play because of an error of a read, as an error of a write does.
    pub(crate) fn store_read_failed(&self, error: StoreError) -> StoreError {
        if let Some(journal) = &self.journal {
            journal.fail(error.clone());
        }
        error
    }

    /// Changes the keyed state of an actor that does not run. `grown`: the bytes that the changes add, and whether they may add fewer. `now`:
    /// on the clock by which values end. Returns the number of the entry; none without a store.
    pub(crate) fn change_state(
        &self,
        actor: &Actor,
        changes: Vec<StateChange>,
        grown: (i64, bool),
        now: SystemTime,
    ) -> Option<EntryNumber> {
        let (state, journal) = (actor.keyed_state.as_ref()?, self.journal.as_ref()?);
        let lifetime = state.spec.expire.map(|expire| Lifetime::since(now, expire));
        let entered = self.enter(journal, None, EntrySpace::NONE, |draft| {
            for (key, value) in &changes {
                change_state(draft, (actor.id, key), value.as_deref(), lifetime.filter(|_| value.is_some()));
            }
            if let Some(lifetime) = lifetime {
                self.value_ends.note(lifetime.ends);
            }
        });
        let ends = lifetime.map(|lifetime| lifetime.ends);
        let kept =
            |value: Option<Vec<u8>>| Kept { ends: ends.filter(|_| value.is_some()), value: value.map(Arc::from) };
        let changes = changes.into_iter().map(|(key, value)| (key.into(), kept(value)));
        state.changed(changes, grown, entered.number, journal.last_durable());
        Some(entered.number)
    }

    /// As [`Routing::measure_state`], without a wait for the disk, and only where the size is not known exactly.
    pub(crate) async fn measure_durable_state(&self, actor: &Actor) {
        if let (Some(state), Some(journal)) = (&actor.keyed_state, &self.journal)
            && state.used().1
            && state.last_entry() <= journal.last_durable()
        {
            // An error ends the play, which says it.
            let _ = self.measure_state(actor).await;
        }
    }

    /// Takes over the exact size of an actor's keyed state, once all its changes are durable.
    pub(crate) async fn measure_state(&self, actor: &Actor) -> Result<(), StoreError> {
        let (Some(state), Some(journal)) = (&actor.keyed_state, &self.journal) else { return Ok(()) };
        let last = state.last_entry();
        journal.durable(last).await?;
        let size = self.store()?.state_size(actor.id).await.map_err(|error| self.store_read_failed(error))?;
        state.measured(size, last);
        Ok(())
    }
}
