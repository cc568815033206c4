//! Looks of operators at keyed states, and changes of them. All that they see is durable.

use std::sync::Arc;
use std::time::SystemTime;

use playhouse_frame::check_key;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor::keyed_state::{KeyedState, cost};
use crate::actor::pinned::Pinned;
use crate::actor::state_error::{StateError, StateOrderError};
use crate::dispatch::mailbox_orders::ORDER_PATIENCE;
use crate::journal::entry::StoredValue;
use crate::journal::store::StoreError;
use crate::kernel::Kernel;
use crate::supervisor::Command;
use crate::words::address::Address;
use crate::words::clock::later;
use crate::words::keyed_state::StateChange;
use crate::words::message::ActorId;
use crate::words::state::State;

impl Kernel {
    /// Keys of an actor's keyed state that begin with `prefix` and come after `after`, in the order of their bytes, at most `most`.
    pub async fn state_keys(
        &self,
        address: &Address,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StateOrderError> {
        let (id, _actor) = self.readable(address).await?;
        let store = self.shared.routing.store().map_err(StateError::from)?;
        let keys = store.keys(id, prefix, after, most, self.now()).await;
        Ok(keys.map_err(|error| self.read_failed(error))?)
    }

    /// The value of a key of an actor's keyed state; none when it has none.
    pub async fn state_value(&self, address: &Address, key: &str) -> Result<Option<Vec<u8>>, StateOrderError> {
        let (id, _actor) = self.readable(address).await?;
        let store = self.shared.routing.store().map_err(StateError::from)?;
        let value = store.value(id, key).await;
        Ok(value.map_err(|error| self.read_failed(error))?.and_then(|value| value.at(self.now())))
    }

    /// Changes keys of an actor's keyed state in one step, while the actor is stopped by an operator. Returns when the changes are
    /// durable; at a full store after some seconds, with [`StoreError::Full`]: the changes are kept if the host runs when there is space.
    /// The bounds of the state hold.
    pub async fn change_state(&self, address: &Address, changes: Vec<StateChange>) -> Result<(), StateOrderError> {
        let (_, actor) = self.readable(address).await?;
        let actor = actor.ok_or_else(|| StateOrderError::OnlyStored(address.clone()))?;
        let Some(state) = &actor.keyed_state else { return Ok(()) };
        let _one_at_a_time = state.operator.lock().await;
        let now = self.shared.state(address.clone()).await;
        if now != Some(State::Stopped) {
            return Err(not_stopped(address, now));
        }
        let grown = self.growth(&actor, state, &changes).await?;
        let (answer, entered) = oneshot::channel();
        let _ = self.commands.send(Command::ChangeState { actor: Arc::clone(&actor), changes, grown, answer });
        match entered.await {
            Ok(Ok(entry)) => match &self.shared.routing.journal {
                Some(journal) => {
                    let durable = journal.durable_by(entry, later(ORDER_PATIENCE)).await;
                    Ok(durable.map_err(StateError::from)?)
                }
                None => Ok(()),
            },
            Ok(Err(now)) => Err(not_stopped(address, now)),
            Err(_) => Err(StateError::from(StoreError::Failed("the play is over".to_owned())).into()),
        }
    }

    /// The bytes that changes add to the state of a stopped actor, and whether they may add fewer. `Err`: they are not allowed.
    async fn growth(
        &self,
        actor: &Actor,
        state: &KeyedState,
        changes: &[StateChange],
    ) -> Result<(i64, bool), StateError> {
        let routing = &self.shared.routing;
        for (key, value) in changes {
            check_key(key)?;
            if let Some(value) = value.as_ref().filter(|value| value.len() > state.spec.value_bytes) {
                return Err(StateError::TooLarge { bytes: value.len(), limit_bytes: state.spec.value_bytes });
            }
        }
        routing.measure_state(actor).await?;
        let store = routing.store()?;
        let (mut costs, mut grown, mut is_bound) = (std::collections::HashMap::new(), 0_i64, false);
        for (key, value) in changes {
            let before = if let Some(before) = costs.get(key) {
                *before
            } else {
                let value = store.value(actor.id, key).await.map_err(|error| self.read_failed(error))?;
                // A value that ends may be removed before the changes enter.
                let stays = |value: &StoredValue| value.lifetime.is_none();
                is_bound |= !value.as_ref().is_none_or(stays);
                cost(key, &value.filter(stays).map(|value| value.value.into()))
            };
            let after = cost(key, &value.as_deref().map(Arc::from));
            costs.insert(key, after);
            grown += after.cast_signed() - before.cast_signed();
        }
        let limit_bytes = state.spec.bytes;
        if grown > 0 && state.used().0.saturating_add_signed(grown) > limit_bytes {
            return Err(StateError::Full { actor: actor.address().clone(), limit_bytes });
        }
        Ok((grown, is_bound))
    }

    /// The id under which the store has the state of an actor: one of the play, or one that stays in the store alone, as a child
    /// whose plugin is gone.
    async fn readable(&self, address: &Address) -> Result<(ActorId, Option<Pinned>), StateOrderError> {
        match self.with_state(address).await {
            Ok(actor) => Ok((actor.id, Some(actor))),
            Err(unknown @ StateOrderError::UnknownAddress(_)) => {
                let Ok(store) = self.shared.routing.store() else { return Err(unknown) };
                let stored = store.actor(address).await.map_err(|error| self.read_failed(error))?;
                Ok((stored.ok_or(unknown)?.id, None))
            }
            Err(error) => Err(error),
        }
    }

    /// The actor at an address, which has a keyed state.
    async fn with_state(&self, address: &Address) -> Result<Pinned, StateOrderError> {
        let actor = self.shared.existing(address).await;
        let actor = actor.ok_or_else(|| StateOrderError::UnknownAddress(address.clone()))?;
        if actor.keyed_state.is_none() {
            return Err(StateError::NotGranted { actor: address.clone() }.into());
        }
        Ok(actor)
    }

    /// The time on the clock by which values end.
    fn now(&self) -> SystemTime {
        self.shared.wall_time(Instant::now())
    }

    fn read_failed(&self, error: StoreError) -> StateError {
        self.shared.routing.store_read_failed(error).into()
    }
}

fn not_stopped(actor: &Address, state: Option<State>) -> StateOrderError {
    match state {
        Some(state) => StateOrderError::NotStopped { actor: actor.clone(), state },
        None => StateOrderError::UnknownAddress(actor.clone()),
    }
}
