//! The keyed state of one actor, as far as it is in memory: changes that are on their way to the store, and a bounded cache of what the
//! store has. The actor is the only one that changes it, so that the cache is never out of date.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use playhouse_frame::cost_of;
use tokio::sync::Mutex as AsyncMutex;

use crate::journal::entry::{EntryNumber, StoredValue};
use crate::words::keyed_state::{StateSize, StateSpec};

/// Keys that an eviction looks at, after which it gives up until the next change: they are in use, or not durable yet.
const MOST_KEPT: usize = 16;

/// A value; none for a key without one.
pub(crate) type Value = Option<Arc<[u8]>>;

/// A value of a key, or that it has none, as it is in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) value: Value,
    /// When the time of the value ends; none for one that stays.
    pub(crate) ends: Option<SystemTime>,
}

impl Kept {
    pub(crate) fn of(stored: Option<StoredValue>) -> Self {
        let ends = stored.as_ref().and_then(|stored| Some(stored.lifetime?.ends));
        Self { value: stored.map(|stored| stored.value.into()), ends }
    }

    /// Whether the time of the value is over. `now` is called for a value that does not stay.
    pub(crate) fn is_over(&self, now: impl FnOnce() -> SystemTime) -> bool {
        self.ends.is_some_and(|ends| ends <= now())
    }
}

/// The keyed state of an actor.
pub(crate) struct KeyedState {
    pub(crate) spec: StateSpec,
    inner: Mutex<Inner>,
    /// How often values were removed since their times were over. It changes under the journal's lock.
    expirations: AtomicU64,
    /// Held by an operator's change from its check to its entry.
    pub(crate) operator: AsyncMutex<()>,
}

#[derive(Default)]
struct Inner {
    slots: HashMap<Arc<str>, Slot>,
    /// Each key of `slots` once: the next one to be evicted is the first.
    order: VecDeque<Arc<str>>,
    /// The cost of all slots.
    cached: u64,
    /// The bytes of the state, or more: the size of a value that was replaced is not always known.
    used: u64,
    /// Whether `used` may be too high.
    is_bound: bool,
    /// Whether `slots` has all values of the state: a key that is not there has none.
    is_complete: bool,
    /// The last entry with a change.
    last_entry: EntryNumber,
}

struct Slot {
    kept: Kept,
    /// The entry with the change; 0 for a value that was read.
    entry: EntryNumber,
    /// Whether it was read or changed again since an eviction last looked.
    is_used: bool,
}

/// The cost of a key in the bounds of a state.
pub(crate) fn cost(key: &str, value: &Value) -> u64 {
    value.as_ref().map_or(0, |value| cost_of(key, value.len()))
}

impl KeyedState {
    pub(crate) fn new(spec: StateSpec) -> Self {
        Self { spec, inner: Mutex::default(), expirations: AtomicU64::new(0), operator: AsyncMutex::default() }
    }

    /// Takes over the size that the store has before the first turn, and the values: all of them, or none.
    pub(crate) fn restore(&self, size: StateSize, values: Vec<(String, StoredValue)>) {
        let mut inner = self.inner.lock();
        inner.used = size.bytes;
        inner.is_complete = values.len() as u64 == size.keys;
        for (key, value) in values {
            inner.put(key.into(), Kept::of(Some(value)), 0);
        }
        inner.evict(self.spec.cache_bytes as u64, 0);
    }

    /// The value of a key, or that it has none, if that is in memory. The time of the value may be over.
    pub(crate) fn known(&self, key: &str) -> Option<Kept> {
        let mut inner = self.inner.lock();
        match inner.slots.get_mut(key) {
            Some(slot) => {
                slot.is_used = true;
                Some(slot.kept.clone())
            }
            None => inner.is_complete.then_some(Kept { value: None, ends: None }),
        }
    }

    /// Keeps a value that was read. No change may have come in between but the end of its time, which the value knows itself.
    pub(crate) fn keep_read(&self, key: &str, kept: &Kept, durable: EntryNumber) {
        let mut inner = self.inner.lock();
        inner.put(key.into(), kept.clone(), 0);
        inner.evict(self.spec.cache_bytes as u64, durable);
    }

    /// Takes over the changes of an entry. `grown`: the bytes that they add; `is_bound`: they may add less.
    pub(crate) fn changed(
        &self,
        changes: impl IntoIterator<Item = (Arc<str>, Kept)>,
        (grown, is_bound): (i64, bool),
        entry: EntryNumber,
        durable: EntryNumber,
    ) {
        let mut inner = self.inner.lock();
        for (key, kept) in changes {
            inner.put(key, kept, entry);
        }
        inner.used = inner.used.saturating_add_signed(grown);
        inner.is_bound |= is_bound;
        inner.last_entry = inner.last_entry.max(entry);
        inner.evict(self.spec.cache_bytes as u64, durable);
    }

    /// Notes that an entry removes values whose times are over. In memory they end by themselves; how many bytes they had is known
    /// when the state is measured.
    pub(crate) fn expired(&self, entry: EntryNumber) {
        let mut inner = self.inner.lock();
        inner.is_bound = true;
        self.expirations.fetch_add(1, Ordering::Relaxed);
        inner.last_entry = inner.last_entry.max(entry);
    }

    /// How often values were removed since their times were over.
    pub(crate) fn expirations(&self) -> u64 {
        self.expirations.load(Ordering::Relaxed)
    }

    /// Notes that the bytes may be fewer than were measured: the time of a value was over, and it may be removed by now.
    pub(crate) fn may_be_smaller(&self) {
        self.inner.lock().is_bound = true;
    }

    /// The bytes of the state, and whether there may be fewer.
    pub(crate) fn used(&self) -> (u64, bool) {
        let inner = self.inner.lock();
        (inner.used, inner.is_bound)
    }

    /// The last entry with a change.
    pub(crate) fn last_entry(&self) -> EntryNumber {
        self.inner.lock().last_entry
    }

    /// Takes over the exact size after this entry, unless there are more changes by now.
    pub(crate) fn measured(&self, size: StateSize, after: EntryNumber) {
        let mut inner = self.inner.lock();
        if inner.last_entry == after {
            (inner.used, inner.is_bound) = (size.bytes, false);
        }
    }

    /// Adds the keys with this prefix whose changes are not durable, and whether each has a value at `now`.
    pub(crate) fn add_unwritten(
        &self,
        prefix: &str,
        (durable, now): (EntryNumber, SystemTime),
        keys: &mut BTreeMap<Arc<str>, bool>,
    ) {
        let inner = self.inner.lock();
        let unwritten = inner.slots.iter().filter(|(key, slot)| slot.entry > durable && key.starts_with(prefix));
        let has_value = |kept: &Kept| kept.value.is_some() && !kept.is_over(|| now);
        keys.extend(unwritten.map(|(key, slot)| (key.clone(), has_value(&slot.kept))));
    }
}

impl Inner {
    fn put(&mut self, key: Arc<str>, kept: Kept, entry: EntryNumber) {
        let cost = slot_cost(&key, &kept.value);
        self.cached += cost;
        // A key that is new here is evicted before those that were used again.
        let is_used = self.slots.contains_key(&key);
        match self.slots.insert(key.clone(), Slot { kept, entry, is_used }) {
            Some(before) => self.cached -= slot_cost(&key, &before.kept.value),
            None => self.order.push_back(key),
        }
    }

    /// Evicts keys that were not used lately, down to `most` bytes. Changes that are not durable stay: only memory has them.
    fn evict(&mut self, most: u64, durable: EntryNumber) {
        let mut kept = 0;
        while self.cached > most && kept < MOST_KEPT {
            let Some(key) = self.order.pop_front() else { return };
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            if slot.entry > durable || std::mem::take(&mut slot.is_used) {
                kept += 1;
                self.order.push_back(key);
            } else if let Some(slot) = self.slots.remove(&key) {
                self.is_complete &= slot.kept.value.is_none();
                self.cached -= slot_cost(&key, &slot.kept.value);
            }
        }
    }
}

/// The memory of a slot: that a key has no value takes some, too.
fn slot_cost(key: &str, value: &Value) -> u64 {
    cost_of(key, value.as_ref().map_or(0, |value| value.len()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn value(bytes: usize) -> Kept {
        Kept { value: Some(vec![7; bytes].into()), ends: None }
    }

    const NONE: Kept = Kept { value: None, ends: None };

    fn state(cache_bytes: usize) -> KeyedState {
        KeyedState::new(StateSpec { cache_bytes, ..StateSpec::default() })
    }

    #[test]
    fn cache_is_bounded_and_keeps_what_is_used() {
        let state = state(10 * 100);
        state.keep_read("often", &value(31), 0);
        for n in 0..100 {
            state.keep_read(&format!("k{n:04}"), &value(31), 0);
            assert_eq!(state.known("often"), Some(value(31)), "{n}");
            assert!(state.inner.lock().cached <= 11 * 100, "{n}");
        }
        assert_eq!(state.known("k0001"), None);
        let inner = state.inner.lock();
        assert_eq!(inner.order.len(), inner.slots.len());
    }

    #[test]
    fn changes_stay_until_they_are_durable() {
        let state = state(0);
        for entry in 1..=50 {
            state.changed([(format!("k{entry}").into(), value(9))], (1, false), entry, 0);
        }
        assert!((1..=50).all(|entry| state.known(&format!("k{entry}")).is_some()));
        for entry in 51..60 {
            state.changed([("last".into(), NONE)], (0, false), entry, entry - 1);
        }
        assert_eq!((state.known("k1"), state.known("last")), (None, Some(NONE)));
    }

    #[test]
    fn complete_state_knows_that_a_key_has_no_value() {
        let stored = |key: &str| (key.to_owned(), StoredValue { value: vec![7; 31], lifetime: None });
        let state = state(2 * 100);
        state.restore(StateSize { keys: 1, bytes: 100 }, vec![stored("a")]);
        assert_eq!((state.known("a"), state.known("b")), (Some(value(31)), Some(NONE)));
        state.changed([("b".into(), value(31)), ("a".into(), NONE)], (0, false), 1, 1);
        assert_eq!((state.known("a"), state.known("c")), (Some(NONE), Some(NONE)));
        state.changed([("c".into(), value(31)), ("d".into(), value(31))], (200, false), 2, 2);
        assert_eq!(state.known("e"), None, "a value was evicted");
        let unread = self::state(100);
        unread.restore(StateSize { keys: 1, bytes: 100 }, Vec::new());
        assert_eq!(unread.known("a"), None);
    }

    #[test]
    fn size_is_measured_only_without_later_changes() {
        let state = state(0);
        state.restore(StateSize { keys: 1, bytes: 100 }, Vec::new());
        state.changed([("a".into(), value(1))], (66, true), 5, 0);
        state.measured(StateSize { keys: 1, bytes: 90 }, 4);
        assert_eq!(state.used(), (166, true));
        state.measured(StateSize { keys: 1, bytes: 90 }, 5);
        assert_eq!(state.used(), (90, false));
    }

    #[test]
    fn unwritten_keys_are_those_after_the_durable_entry() {
        let state = state(1 << 20);
        state.changed([("a1".into(), value(1)), ("b".into(), value(1))], (0, false), 1, 0);
        state.changed([("a2".into(), value(1)), ("a1".into(), NONE)], (0, false), 2, 0);
        let keys = |durable| {
            let mut keys = BTreeMap::new();
            state.add_unwritten("a", (durable, SystemTime::UNIX_EPOCH), &mut keys);
            keys.into_iter().map(|(key, has)| format!("{key} {has}")).collect::<Vec<_>>()
        };
        assert_eq!(keys(0), ["a1 false", "a2 true"]);
        assert_eq!(keys(2), [""; 0]);
    }

    #[test]
    fn value_ends_with_its_time() {
        let state = state(1 << 20);
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        state.changed([("a".into(), Kept { ends: Some(at(10)), ..value(1) })], (66, false), 1, 0);
        let kept = state.known("a").unwrap();
        assert_eq!((kept.is_over(|| at(9)), kept.is_over(|| at(10))), (false, true));
        let has = |now| {
            let mut keys = BTreeMap::new();
            state.add_unwritten("", (0, now), &mut keys);
            keys["a"]
        };
        assert_eq!((has(at(9)), has(at(10))), (true, false));
        assert!(!value(1).is_over(|| panic!("the clock is not read for a value that stays")));
    }

    #[test]
    fn expiry_leaves_a_bound_until_the_state_is_measured() {
        let state = state(1 << 20);
        state.changed([("a".into(), value(1))], (66, false), 1, 1);
        state.expired(2);
        state.changed([("b".into(), value(1))], (66, false), 1, 1);
        assert_eq!((state.used(), state.expirations()), ((132, true), 1));
        state.measured(StateSize { keys: 1, bytes: 66 }, 1);
        assert_eq!(state.used(), (132, true), "the entry that removes values is not in that size");
        state.measured(StateSize { keys: 1, bytes: 66 }, 2);
        assert_eq!(state.used(), (66, false));
    }
}
