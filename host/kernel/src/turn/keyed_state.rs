//! Calls about the actor's keyed state. A read finds what this turn changed, then what earlier turns changed that is not in the store
//! yet, then what the cache has, then the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use playhouse_frame::check_key;
use tokio::time::Instant;

use super::Turn;
use super::state_changes::{Finished, Maker, NetChange, StateChanges};
use crate::actor::host_wait::HostWait;
use crate::actor::keyed_state::{Kept, KeyedState, Value, cost};
use crate::actor::state_error::StateError;
use crate::dispatch::routing::entering::change_state;
use crate::dispatch::routing::output::Output;
use crate::journal::entry::Lifetime;
use crate::journal::order::Draft;
use crate::journal::store::{Store, StoreError};
use crate::words::keyed_state::{LONGEST_LIFETIME, SHORTEST_LIFETIME, StateLimits};
use crate::words::message::ActorId;

/// Most keys of one call.
const MOST_KEYS: usize = 1000;

/// The changes of an entry, as the memory keeps them.
pub(super) struct ChangedState {
    pub(super) values: Vec<(Arc<str>, Kept)>,
    /// The bytes that they add to the state, and whether there may be fewer.
    pub(super) grown: (i64, bool),
}

impl Turn {
    /// The value of a key of the actor's state; none when it has none.
    pub async fn state_value(&mut self, key: &str) -> Result<Option<Arc<[u8]>>, StateError> {
        let state = self.keyed_state()?;
        check_key(key)?;
        match self.recorded_or_known(state, key) {
            Some(value) => Ok(value),
            None => self.read_value(key).await,
        }
    }

    /// Records that the current message gives a key a value.
    pub async fn set_state(&mut self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.set_state_with(key, value, None).await
    }

    /// As [`Turn::set_state`], and the value goes when it was not set again for this time. The time counts from the commit; one below a
    /// millisecond counts as a millisecond, and one above 100 years as 100 years.
    pub async fn set_state_for(&mut self, key: &str, value: &[u8], lifetime: Duration) -> Result<(), StateError> {
        self.set_state_with(key, value, Some(lifetime)).await
    }

    async fn set_state_with(&mut self, key: &str, value: &[u8], lifetime: Option<Duration>) -> Result<(), StateError> {
        match self.try_set_state(key, value, lifetime) {
            Err(StateError::Full { .. }) if self.may_have_space(key) => {
                self.measure_state().await?;
                let known = self.keyed_state()?.known(key);
                let before = match known {
                    Some(kept) => kept,
                    None => self.read_kept(key).await?,
                };
                let before = (!before.is_over(|| self.now())).then_some(&before.value);
                self.change_state(key, (Some(value), lifetime), before)
            }
            done => done,
        }
    }

    /// Records that the current message removes a key with its value.
    pub fn delete_state(&mut self, key: &str) -> Result<(), StateError> {
        self.keyed_state()?;
        check_key(key)?;
        self.change_state(key, (None, None), None)
    }

    /// Keys with this prefix that come after `after`, in the order of their bytes: at most `most`, and at most 1000.
    pub async fn state_keys(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StateError> {
        let (state, most) = (self.keyed_state()?, most.min(MOST_KEYS));
        let (mut unwritten, now) = (BTreeMap::new(), self.now());
        state.add_unwritten(prefix, (self.durable(), now), &mut unwritten);
        unwritten.extend(self.state.iter().flat_map(|changes| changes.with_prefix(prefix)));
        let (mut keys, mut after) = (Vec::new(), after.map(str::to_owned));
        while keys.len() < most {
            let page = self.read(|store, id| store.keys(id, prefix, after.as_deref(), most, now)).await?;
            let is_last = page.len() < most;
            let end = page.last().cloned();
            let within = |key: &str| {
                after.as_deref().is_none_or(|after| key > after)
                    && (is_last || end.as_deref().is_some_and(|end| key <= end))
            };
            let mut found: BTreeMap<&str, bool> = page.iter().map(|key| (key.as_str(), true)).collect();
            found.extend(unwritten.iter().map(|(key, has)| (&**key, *has)).filter(|(key, _)| within(key)));
            keys.extend(found.into_iter().filter(|(_, has)| *has).map(|(key, _)| key.to_owned()));
            if is_last {
                break;
            }
            after = end;
        }
        keys.truncate(most);
        Ok(keys)
    }

    /// The bounds for further changes.
    pub fn state_limits(&self) -> Result<StateLimits, StateError> {
        let state = self.keyed_state()?;
        let left_bytes = state.spec.bytes.saturating_sub(self.state_bytes(state));
        Ok(StateLimits { value_bytes: state.spec.value_bytes, left_bytes })
    }

    /// As [`Turn::state_limits`]; when little is left, the bytes are counted exactly before.
    pub async fn measured_state_limits(&mut self) -> Result<StateLimits, StateError> {
        let limits = self.state_limits()?;
        let (left, value_bytes) = (limits.left_bytes, limits.value_bytes as u64);
        if left > value_bytes.saturating_mul(2) || !self.is_size_a_bound() {
            return Ok(limits);
        }
        self.measure_state().await?;
        self.state_limits()
    }

    /// As [`Turn::set_state`], at once: a state that may be full is.
    pub(super) fn try_set_state(
        &mut self,
        key: &str,
        value: &[u8],
        lifetime: Option<Duration>,
    ) -> Result<(), StateError> {
        let spec = self.keyed_state()?.spec;
        check_key(key)?;
        if value.len() > spec.value_bytes {
            return Err(StateError::TooLarge { bytes: value.len(), limit_bytes: spec.value_bytes });
        }
        self.change_state(key, (Some(value), lifetime), None)
    }

    /// Records a change. `before`: the value of the key before this turn, if it was just read.
    fn change_state(
        &mut self,
        key: &str,
        (value, lifetime): (Option<&[u8]>, Option<Duration>),
        before: Option<&Value>,
    ) -> Result<(), StateError> {
        let state = self.keyed_state()?;
        // A value whose time is over may be removed already, and may not.
        let known = state.known(key).filter(|kept| !kept.is_over(|| self.now())).map(|kept| kept.value);
        let (expirations, bytes) = (state.expirations(), self.state_bytes(state));
        let (before, limit_bytes) = (before.or(known.as_ref()), state.spec.bytes);
        let lifetime = lifetime.or(state.spec.expire).filter(|_| value.is_some());
        let lifetime = lifetime.map(|lifetime| lifetime.clamp(SHORTEST_LIFETIME, LONGEST_LIFETIME));
        let value: Value = value.map(Arc::from);
        let grown = match &self.state {
            Some(changes) => changes.growth(key, &value, before),
            None => StateChanges::default().growth(key, &value, before),
        };
        // A state that is too large already, since its bound was lowered, may still shrink.
        if grown.0 > 0 && bytes.saturating_add_signed(grown.0) > limit_bytes {
            return Err(StateError::Full { actor: self.address().clone(), limit_bytes });
        }
        let size = key.len() + value.as_ref().map_or(0, |value| value.len());
        let recorded = self.state.as_ref().map_or(0, |changes| changes.len());
        self.budget.admit(&self.actor.spec, size, recorded)?;
        let maker = self.state_maker();
        let changes = self.state.get_or_insert_default();
        changes.begin(expirations);
        changes.push(key, (value, lifetime), maker, grown);
        Ok(())
    }

    /// Changes of finished messages, as a part of an entry. The times of values begin now.
    pub(super) fn enter_state(&self, draft: &mut Draft<Output>, state: Finished) -> Option<ChangedState> {
        let grown = state.grown(self.actor.keyed_state.as_ref()?.expirations());
        let change = |(key, value, length): NetChange| {
            let lifetime = length.map(|length| Lifetime::since(self.now(), length));
            change_state(draft, (self.actor.id, &key), value.as_deref(), lifetime);
            if let Some(lifetime) = lifetime {
                self.shared.routing.value_ends.note(lifetime.ends);
            }
            (key, Kept { value, ends: lifetime.map(|lifetime| lifetime.ends) })
        };
        Some(ChangedState { values: state.changes.into_iter().map(change).collect(), grown })
    }

    /// The message, or the hook, that changes the state now.
    pub(super) fn state_maker(&self) -> Maker {
        self.batch.current().map_or(Maker::Hook, Maker::Message)
    }

    fn keyed_state(&self) -> Result<&KeyedState, StateError> {
        self.actor.keyed_state.as_deref().ok_or_else(|| StateError::NotGranted { actor: self.address().clone() })
    }

    /// The bytes of the state with the changes of this turn, at most.
    fn state_bytes(&self, state: &KeyedState) -> u64 {
        state.used().0.saturating_add_signed(self.state.as_ref().map_or(0, |changes| changes.grown()))
    }

    /// Whether a set of this key may fit although the bytes that are surely free are too few.
    fn may_have_space(&self, key: &str) -> bool {
        let Some(state) = &self.actor.keyed_state else { return false };
        self.is_size_a_bound() || self.recorded_or_known(state, key).is_none()
    }

    /// Whether the state may have fewer bytes than [`Turn::state_bytes`] says.
    fn is_size_a_bound(&self) -> bool {
        let of_turn = self.state.as_ref().is_some_and(|changes| changes.is_bound());
        of_turn || self.actor.keyed_state.as_ref().is_some_and(|state| state.used().1)
    }

    fn recorded_or_known(&self, state: &KeyedState, key: &str) -> Option<Value> {
        let known = || state.known(key).map(|kept| self.visible(kept));
        self.state.as_ref().and_then(|changes| changes.get(key).cloned()).or_else(known)
    }

    /// Reads a value that is not in memory.
    async fn read_value(&self, key: &str) -> Result<Value, StateError> {
        let kept = self.read_kept(key).await?;
        Ok(self.visible(kept))
    }

    /// As [`Turn::read_value`], of a value whose time may be over.
    async fn read_kept(&self, key: &str) -> Result<Kept, StateError> {
        let kept = Kept::of(self.read(|store, id| store.value(id, key)).await?);
        self.keyed_state()?.keep_read(key, &kept, self.durable());
        Ok(kept)
    }

    /// The value, if its time is not over.
    fn visible(&self, kept: Kept) -> Value {
        if kept.is_over(|| self.now()) { None } else { kept.value }
    }

    /// The time on the clock by which values end.
    fn now(&self) -> SystemTime {
        self.shared.wall_time(Instant::now())
    }

    /// Counts the bytes of the state exactly, with the changes of this turn.
    async fn measure_state(&mut self) -> Result<(), StateError> {
        let wait = HostWait { instance: self.instance.clone(), what: "store" };
        wait.wait(self.shared.routing.measure_state(&self.actor)).await?;
        let keys: Vec<Arc<str>> = self.state.iter().flat_map(|changes| changes.keys().cloned()).collect();
        let mut costs = HashMap::new();
        // A value that is removed while values are read may be counted among them.
        let expirations = self.keyed_state()?.expirations();
        for key in keys {
            let known = self.keyed_state()?.known(&key);
            let kept = match known {
                Some(kept) => kept,
                None => self.read_kept(&key).await?,
            };
            if kept.is_over(|| self.now()) {
                self.keyed_state()?.may_be_smaller();
            } else {
                costs.insert(key.clone(), cost(&key, &kept.value));
            }
        }
        if let Some(changes) = &mut self.state {
            changes.measure(&costs, expirations);
        }
        Ok(())
    }

    /// Reads from the store. That time is the host's.
    async fn read<T: Send>(
        &self,
        read: impl for<'s> FnOnce(&'s dyn Store, ActorId) -> BoxFuture<'s, Result<T, StoreError>> + Send,
    ) -> Result<T, StateError> {
        let store = self.shared.routing.store()?;
        let wait = HostWait { instance: self.instance.clone(), what: "store" };
        let read = wait.wait(read(&*store, self.actor.id)).await;
        read.map_err(|error| self.shared.routing.store_read_failed(error).into())
    }

    /// The number of the last durable entry.
    fn durable(&self) -> u64 {
        self.shared.routing.journal.as_ref().map_or(0, |journal| journal.last_durable())
    }
}
