//! The changes of the actor's keyed state, as the messages of a turn record them: pure data. A change belongs to the message that made
//! it, so that nothing has to be done when a message ends: those of finished messages are found at the commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::actor::keyed_state::{Value, cost};

/// The maker of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    /// The message with this index.
    Message(usize),
    /// A hook that runs.
    Hook,
    /// A hook that is over.
    EndedHook,
}

struct Change {
    key: Arc<str>,
    value: Value,
    /// The time of the value; none for one that stays.
    lifetime: Option<Duration>,
    maker: Maker,
    /// The bytes that it adds to the state; fewer when `is_bound`.
    grown: i64,
    is_bound: bool,
    /// The change of the same key before it.
    before: Option<usize>,
}

/// The changes that are recorded and not yet committed, in order.
#[derive(Default)]
pub(super) struct StateChanges {
    list: Vec<Change>,
    /// The last change of each key.
    last: HashMap<Arc<str>, usize>,
    grown: i64,
    bytes: usize,
    /// How often values had been removed since their times were over, when the first change was recorded or the bytes were counted.
    expirations: u64,
}

/// A net change: a key, its value, and the time of that.
pub(super) type NetChange = (Arc<str>, Value, Option<Duration>);

/// The net changes of finished messages.
pub(super) struct Finished {
    pub(super) changes: Vec<NetChange>,
    /// The bytes that they add to the state, and whether there may be fewer.
    grown: (i64, bool),
    expirations: u64,
}

impl Finished {
    /// The bytes that the changes add to the state, and whether there may be fewer. `expirations`: how often values have been removed by
    /// now. When that is more often than when the changes were recorded, values that they replace may be gone already.
    pub(super) fn grown(&self, expirations: u64) -> (i64, bool) {
        if expirations == self.expirations {
            return self.grown;
        }
        (self.changes.iter().map(|(key, value, _)| cost(key, value).cast_signed()).sum(), true)
    }
}

impl StateChanges {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Bytes of keys and values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bytes that all changes add to the state, at most.
    pub(super) fn grown(&self) -> i64 {
        self.grown
    }

    /// Whether they may add fewer bytes than [`StateChanges::grown`] says.
    pub(super) fn is_bound(&self) -> bool {
        self.list.iter().any(|change| change.is_bound)
    }

    /// The value of a key that was changed.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.last.get(key).map(|at| &self.list[*at].value)
    }

    /// The bytes that a change would add to the state, and whether there may be fewer. `before`: the value of the key without the
    /// changes here, if it is known.
    pub(super) fn growth(&self, key: &str, value: &Value, before: Option<&Value>) -> (i64, bool) {
        let before = self.get(key).or(before).map(|value| cost(key, value));
        let grown = cost(key, value).cast_signed() - before.unwrap_or_default().cast_signed();
        (grown, before.is_none())
    }

    /// Notes how often values have been removed since their times were over, before a change is added.
    pub(super) fn begin(&mut self, expirations: u64) {
        if self.list.is_empty() {
            self.expirations = expirations;
        }
    }

    /// Adds a change.
    pub(super) fn push(
        &mut self,
        key: &str,
        (value, lifetime): (Value, Option<Duration>),
        maker: Maker,
        (grown, is_bound): (i64, bool),
    ) {
        let (key, at) = (Arc::<str>::from(key), self.list.len());
        let before = self.last.insert(key.clone(), at);
        self.grown += grown;
        self.bytes += size_of_change(&key, &value);
        self.list.push(Change { key, value, lifetime, maker, grown, is_bound, before });
    }

    /// Drops the changes of the maker that was the last one.
    pub(super) fn drop_of(&mut self, maker: Maker) {
        while let Some(change) = self.list.pop_if(|change| change.maker == maker) {
            self.grown -= change.grown;
            self.bytes -= size_of_change(&change.key, &change.value);
            match change.before {
                Some(before) => drop(self.last.insert(change.key, before)),
                None => drop(self.last.remove(&change.key)),
            }
        }
    }

    /// Whether this maker made a change.
    pub(super) fn has_of(&self, maker: Maker) -> bool {
        self.list.last().is_some_and(|change| change.maker == maker)
    }

    /// Marks the changes of the hook that runs as those of one that is over.
    pub(super) fn end_hook(&mut self) {
        for change in self.list.iter_mut().filter(|change| change.maker == Maker::Hook) {
            change.maker = Maker::EndedHook;
        }
    }

    /// Removes the changes of ended hooks, and of messages with an index below this one.
    pub(super) fn take_finished(&mut self, below: usize) -> Finished {
        let is_finished = |change: &Change| match change.maker {
            Maker::Message(index) => index < below,
            Maker::Hook => false,
            Maker::EndedHook => true,
        };
        let end = self.list.iter().position(|change| !is_finished(change)).unwrap_or(self.list.len());
        let rest = self.list.split_off(end);
        let mut grown = (0, false);
        let mut net = BTreeMap::new();
        for (at, change) in std::mem::replace(&mut self.list, rest).into_iter().enumerate() {
            grown = (grown.0 + change.grown, grown.1 | change.is_bound);
            net.insert(change.key, (at, change.value, change.lifetime));
        }
        self.reindex();
        let changes = net.into_iter().map(|(key, (_, value, lifetime))| (key, value, lifetime)).collect();
        Finished { changes, grown, expirations: self.expirations }
    }

    /// The keys that were changed, each once.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.last.keys()
    }

    /// The keys with this prefix that were changed, and whether each has a value.
    pub(super) fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (Arc<str>, bool)> {
        let keys = self.last.iter().filter(move |(key, _)| key.starts_with(prefix));
        keys.map(|(key, at)| (key.clone(), self.list[*at].value.is_some()))
    }

    /// Counts the bytes again, now that the values of all changed keys without the changes here are known. `expirations`: as for
    /// [`StateChanges::begin`].
    pub(super) fn measure(&mut self, before: &HashMap<Arc<str>, u64>, expirations: u64) {
        self.expirations = expirations;
        let mut costs = before.clone();
        self.grown = 0;
        for change in &mut self.list {
            let cost = cost(&change.key, &change.value);
            let before = costs.insert(change.key.clone(), cost).unwrap_or_default();
            (change.grown, change.is_bound) = (cost.cast_signed() - before.cast_signed(), false);
            self.grown += change.grown;
        }
    }

    fn reindex(&mut self) {
        self.last.clear();
        (self.grown, self.bytes) = (0, 0);
        for at in 0..self.list.len() {
            let key = self.list[at].key.clone();
            self.list[at].before = self.last.insert(key, at);
            self.grown += self.list[at].grown;
            self.bytes += size_of_change(&self.list[at].key, &self.list[at].value);
        }
    }
}

fn size_of_change(key: &str, value: &Value) -> usize {
    key.len() + value.as_ref().map_or(0, |value| value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Arc<[u8]> {
        text.as_bytes().into()
    }

    /// Sets a key, as a message does that knows the value before.
    fn set(changes: &mut StateChanges, message: usize, key: &str, text: &str) {
        let (value, before) = (Some(value(text)), None);
        let growth = changes.growth(key, &value, Some(&before));
        changes.push(key, (value, None), Maker::Message(message), growth);
    }

    fn net(finished: &Finished) -> Vec<String> {
        let shown = |(key, value, _): &NetChange| {
            let value = value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned());
            format!("{key}={value:?}")
        };
        finished.changes.iter().map(shown).collect()
    }

    #[test]
    fn failed_message_takes_its_changes_along() {
        let mut changes = StateChanges::default();
        set(&mut changes, 0, "a", "1");
        set(&mut changes, 1, "a", "22");
        set(&mut changes, 1, "b", "3");
        assert_eq!((changes.grown(), changes.bytes()), (67 + 66, 3 + 2 + 2));
        changes.drop_of(Maker::Message(1));
        assert_eq!((changes.get("a"), changes.get("b")), (Some(&Some(value("1"))), None));
        assert_eq!((changes.grown(), changes.bytes()), (66, 2));
        changes.drop_of(Maker::Message(2));
        assert_eq!(net(&changes.take_finished(2)), ["a=Some(\"1\")"]);
    }

    #[test]
    fn last_change_of_a_key_counts() {
        let mut changes = StateChanges::default();
        set(&mut changes, 0, "a", "1");
        set(&mut changes, 0, "b", "1");
        changes.push("b", (None, None), Maker::Message(1), (-66, false));
        set(&mut changes, 2, "a", "333");
        set(&mut changes, 3, "a", "4444");
        let finished = changes.take_finished(3);
        assert_eq!(net(&finished), ["a=Some(\"333\")", "b=None"]);
        assert_eq!(finished.grown, (68, false));
        assert_eq!((changes.get("a"), changes.get("b"), changes.len()), (Some(&Some(value("4444"))), None, 1));
        assert_eq!(changes.grown(), 1);
    }

    #[test]
    fn changes_of_a_hook_wait_for_its_end() {
        let mut changes = StateChanges::default();
        changes.push("a", (Some(value("1")), None), Maker::Hook, (66, true));
        assert!(changes.take_finished(0).changes.is_empty());
        changes.end_hook();
        let finished = changes.take_finished(0);
        assert_eq!((net(&finished), finished.grown), (vec!["a=Some(\"1\")".to_owned()], (66, true)));
    }

    #[test]
    fn measured_bytes_are_exact() {
        let mut changes = StateChanges::default();
        changes.push("a", (Some(value("1")), None), Maker::Message(0), (66, true));
        changes.push("b", (None, None), Maker::Message(0), (0, true));
        changes.push("a", (Some(value("22")), None), Maker::Message(1), (1, false));
        changes.measure(&HashMap::from([("a".into(), 100), ("b".into(), 70)]), 0);
        assert_eq!(changes.grown(), 67 - 100 - 70);
    }

    #[test]
    fn replaced_value_that_was_removed_meanwhile_frees_no_bytes() {
        let mut changes = StateChanges::default();
        changes.begin(3);
        let before = Some(value("long"));
        let growth = changes.growth("a", &Some(value("1")), Some(&before));
        changes.push("a", (Some(value("1")), None), Maker::Message(0), growth);
        changes.begin(4);
        let finished = changes.take_finished(1);
        assert_eq!((finished.grown(3), finished.grown(4)), ((-3, false), (66, true)));
    }
}
