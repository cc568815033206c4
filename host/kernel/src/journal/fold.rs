//! The result of entries, in memory: what a store has after it applied them in order. Each operation is checked against the state
//! before it, so that an entry that cannot be true is found where it is applied.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::SystemTime;

use playhouse_frame::{check_key, cost_of};

use crate::journal::entry::{
    Entry, EntryNumber, ExpiringKey, Group, Op, StoredChild, StoredLetter, StoredOrigin, StoredTimer, StoredValue,
    TimerIds,
};
use crate::journal::store::{Image, StoredActor, StoredMessage, StoredSuspect};
use crate::words::address::Address;
use crate::words::keyed_state::StateSize;
use crate::words::message::{ActorId, records_of};

/// The state after some entries.
#[derive(Debug, Clone, Default)]
pub(super) struct Fold {
    pub(super) boots: u64,
    pub(super) last: EntryNumber,
    actors: BTreeMap<ActorId, Known>,
    free_id: u64,
    letters: BTreeMap<u64, StoredLetter>,
    last_letter: u64,
    /// By source and position.
    origins: BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Whether a run is under way, or did not end in order.
    is_running: bool,
}

#[derive(Debug, Clone)]
struct Known {
    address: Address,
    halted: Option<bool>,
    last_number: u64,
    messages: BTreeMap<u64, Waiting>,
    state: BTreeMap<String, StoredValue>,
    timers: BTreeMap<u64, StoredTimer>,
    timer_ids: TimerIds,
    /// By number: how many runs they may have ended, and the run in which they were in process last.
    suspects: BTreeMap<u64, (u32, u64)>,
    /// How it was spawned; none for an actor of the plan.
    child: Option<Box<StoredChild>>,
    /// Whether its parent has stopped it.
    leaves: bool,
}

#[derive(Debug, Clone)]
struct Waiting {
    due: Option<SystemTime>,
    record: Vec<u8>,
}

impl Known {
    fn new(address: Address, child: Option<Box<StoredChild>>) -> Self {
        Self {
            address,
            child,
            leaves: false,
            halted: None,
            last_number: 0,
            messages: BTreeMap::new(),
            state: BTreeMap::new(),
            timers: BTreeMap::new(),
            timer_ids: TimerIds::default(),
            suspects: BTreeMap::new(),
        }
    }

    fn stored(&self, id: ActorId) -> StoredActor {
        StoredActor {
            id,
            address: self.address.clone(),
            last_number: self.last_number,
            waiting: self.messages.len() as u64,
            bytes: bytes_in_order(&self.messages),
            halted: self.halted,
            state: size_of(&self.state),
            timers: self.timers.len() as u64,
            timer_ids: self.timer_ids,
            child: self.child.clone(),
            leaves: self.leaves,
            values: Vec::new(),
        }
    }

    /// As [`Known::stored`], with the values of a small state.
    fn stored_with_state(&self, id: ActorId) -> StoredActor {
        let stored = self.stored(id);
        let is_small = stored.state.is_small();
        let values = self.state.iter().filter(|_| is_small).map(|(key, value)| (key.clone(), value.clone()));
        StoredActor { values: values.collect(), ..stored }
    }
}

impl Fold {
    /// Begins another run.
    pub(super) fn begin(&mut self) -> Image {
        self.boots += 1;
        let image = self.image();
        self.is_running = true;
        image
    }

    /// Applies a group. `Err`: the first rule that it breaks; the state is then unusable.
    pub(super) fn apply(&mut self, group: &Group) -> Result<(), String> {
        if group.boot != self.boots {
            return Err(format!("a group of start {} after start {}", group.boot, self.boots));
        }
        if group.first != self.last + 1 || group.entries.is_empty() {
            return Err(format!("{} entries from {} on after {}", group.entries.len(), group.first, self.last));
        }
        for entry in &group.entries {
            self.apply_entry(entry)?;
        }
        self.last = group.last();
        Ok(())
    }

    fn apply_entry(&mut self, entry: &Entry) -> Result<(), String> {
        for op in &entry.ops {
            match op {
                Op::Ids { below } => {
                    if *below < self.free_id {
                        return Err(format!("ids below {below} after those below {}", self.free_id));
                    }
                    self.free_id = *below;
                }
                Op::Born { actor, address } => self.born(*actor, address, None)?,
                Op::Spawned { actor, address, child } => {
                    self.known(child.parent)?;
                    self.born(*actor, address, Some(child.clone()))?;
                }
                Op::Leaves { actor } => {
                    let known = self.known(*actor)?;
                    if known.child.is_none() || std::mem::replace(&mut known.leaves, true) {
                        return Err(format!("{actor:?} is no child that may be stopped"));
                    }
                }
                Op::Gone { actor } => {
                    if !self.known(*actor)?.messages.is_empty() {
                        return Err(format!("{actor:?} goes, and has messages"));
                    }
                    self.actors.remove(actor);
                }
                Op::Put { mailbox, first, messages, records } => {
                    let known = self.known(*mailbox)?;
                    if *first <= known.last_number {
                        return Err(format!("number {first} is given twice in {mailbox:?}"));
                    }
                    let mut number = *first;
                    for record in records_of(&entry.bytes[records.clone()]) {
                        known.messages.insert(number, Waiting { due: None, record: record.to_vec() });
                        number += 1;
                    }
                    if number - first != u64::from(*messages) {
                        return Err(format!("{} records of {messages} messages", number - first));
                    }
                    known.last_number = number - 1;
                }
                Op::Hold { mailbox, number, due, record } => {
                    let waiting = self.known(*mailbox)?.messages.get_mut(number);
                    let waiting = waiting.ok_or_else(|| format!("{number} of {mailbox:?} is held and gone"))?;
                    *waiting = Waiting { due: Some(*due), record: entry.bytes[record.clone()].to_vec() };
                    if let Some((_, boot)) = self.known(*mailbox)?.suspects.get_mut(number) {
                        *boot = 0;
                    }
                }
                Op::Take { mailbox, numbers } => {
                    let known = self.known(*mailbox)?;
                    for number in numbers.clone() {
                        if known.messages.remove(&number).is_none() {
                            return Err(format!("message {number} of {mailbox:?} ends twice"));
                        }
                        known.suspects.remove(&number);
                    }
                }
                Op::Suspect { mailbox, number, ends, in_process } => {
                    let boot = if *in_process { self.boots } else { 0 };
                    let known = self.known(*mailbox)?;
                    if !known.messages.contains_key(number) {
                        return Err(format!("message {number} of {mailbox:?} is a suspect, and gone"));
                    }
                    known.suspects.insert(*number, (*ends, boot));
                }
                Op::Ended => self.is_running = false,
                Op::Set { actor, key, value, lifetime } => {
                    let (key, value) = (key_of(&entry.bytes[key.clone()])?, entry.bytes[value.clone()].to_vec());
                    let value = StoredValue { value, lifetime: lifetime.as_deref().copied() };
                    self.known(*actor)?.state.insert(key.to_owned(), value);
                }
                Op::Expire { actor, key, by } => {
                    let key = key_of(&entry.bytes[key.clone()])?;
                    if let Some(known) = self.actors.get_mut(actor)
                        && known.state.get(key).is_some_and(|value| is_over(value, *by))
                    {
                        known.state.remove(key);
                    }
                }
                Op::Unset { actor, key } => {
                    let key = key_of(&entry.bytes[key.clone()])?;
                    self.known(*actor)?.state.remove(key);
                }
                Op::Timer { actor, timer } => {
                    let known = self.known(*actor)?;
                    known.timer_ids.note(timer.id);
                    known.timers.insert(timer.id, (**timer).clone());
                }
                Op::Cancel { actor, id } => {
                    if self.known(*actor)?.timers.remove(id).is_none() {
                        return Err(format!("timer {id} of {actor:?} ends twice"));
                    }
                }
                Op::Letter(letter) => {
                    if letter.number <= self.last_letter {
                        return Err(format!("letter {} is written twice", letter.number));
                    }
                    self.last_letter = letter.number;
                    self.letters.insert(letter.number, (**letter).clone());
                }
                Op::LetterGone { number } => {
                    if self.letters.remove(number).is_none() {
                        return Err(format!("letter {number} goes twice"));
                    }
                }
                Op::Halted { actor, halted } => self.known(*actor)?.halted = Some(*halted),
                Op::Origin { source, position, value } => {
                    let source = source_of(&entry.bytes[source.clone()])?;
                    let (position, value) = (entry.bytes[position.clone()].to_vec(), &entry.bytes[value.clone()]);
                    self.origins.entry(source.to_owned()).or_default().insert(position, value.to_vec());
                }
                Op::OriginGone { source, position } => {
                    let source = source_of(&entry.bytes[source.clone()])?;
                    if let Some(known) = self.origins.get_mut(source) {
                        known.remove(&entry.bytes[position.clone()]);
                    }
                }
            }
        }
        Ok(())
    }

    fn born(&mut self, actor: ActorId, address: &Address, child: Option<Box<StoredChild>>) -> Result<(), String> {
        if self.actors.contains_key(&actor) || self.actors.values().any(|known| known.address == *address) {
            return Err(format!("`{address}` is born twice, or {actor:?} is"));
        }
        self.actors.insert(actor, Known::new(address.clone(), child));
        Ok(())
    }

    fn known(&mut self, actor: ActorId) -> Result<&mut Known, String> {
        self.actors.get_mut(&actor).ok_or_else(|| format!("{actor:?} was never born"))
    }

    fn image(&self) -> Image {
        let actors = self.actors.iter().map(|(&id, known)| known.stored(id));
        let suspects = self.actors.iter().flat_map(|(&mailbox, known)| {
            let of_mailbox = known.suspects.iter();
            of_mailbox.map(move |(&number, &(ends, boot))| StoredSuspect { mailbox, number, ends, boot })
        });
        Image {
            boots: self.boots,
            last: self.last,
            free_id: self.free_id,
            actors: actors.collect(),
            last_letter: self.last_letter,
            is_unclean: self.is_running,
            suspects: suspects.collect(),
        }
    }

    pub(super) fn actor(&self, address: &Address) -> Option<StoredActor> {
        let found = self.actors.iter().find(|(_, known)| known.address == *address);
        found.map(|(&id, known)| known.stored_with_state(id))
    }

    pub(super) fn children(&self, above: &Address, after: Option<&Address>, most: usize) -> Vec<Address> {
        let is_child = |address: &&Address| address.parent().as_ref() == Some(above);
        let below = self.actors.values().map(|known| &known.address).filter(is_child);
        let mut children: Vec<_> =
            below.filter(|address| after.is_none_or(|after| *address > after)).cloned().collect();
        children.sort();
        children.truncate(most);
        children
    }

    pub(super) fn messages(&self, mailbox: ActorId, from: u64, most_bytes: usize) -> Vec<StoredMessage> {
        fitting(self.waiting(mailbox, from), most_bytes)
    }

    pub(super) fn held(&self, mailbox: ActorId, from: u64, most_bytes: usize) -> Vec<StoredMessage> {
        fitting(self.waiting(mailbox, from).filter(|(_, waiting)| waiting.due.is_some()), most_bytes)
    }

    fn waiting(&self, mailbox: ActorId, from: u64) -> impl Iterator<Item = (u64, &Waiting)> {
        let known = self.actors.get(&mailbox).into_iter();
        known.flat_map(move |known| known.messages.range(from..)).map(|(&number, waiting)| (number, waiting))
    }

    pub(super) fn value(&self, actor: ActorId, key: &str) -> Option<StoredValue> {
        self.actors.get(&actor)?.state.get(key).cloned()
    }

    pub(super) fn keys(
        &self,
        actor: ActorId,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        now: SystemTime,
    ) -> Vec<String> {
        let Some(known) = self.actors.get(&actor) else { return Vec::new() };
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let keys = known.state.range::<str, _>((from, Bound::Unbounded));
        let keys = keys.take_while(|(key, _)| key.starts_with(prefix)).filter(|(_, value)| !is_over(value, now));
        keys.map(|(key, _)| key).take(most).cloned().collect()
    }

    pub(super) fn expiring(&self, most: usize) -> Vec<ExpiringKey> {
        let of_actor = |(id, known): (&ActorId, &Known)| {
            let (id, address) = (*id, known.address.clone());
            let expiring = known.state.iter().filter_map(|(key, value)| Some((key.clone(), value.lifetime?.ends)));
            let of = move |(key, ends)| ExpiringKey { actor: id, address: address.clone(), key, ends };
            expiring.map(of).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.actors.iter().flat_map(of_actor).collect();
        all.sort_by_key(|expiring| expiring.ends);
        all.truncate(most);
        all
    }

    pub(super) fn shorten_lifetimes(&mut self, now: SystemTime) {
        for value in self.actors.values_mut().flat_map(|known| known.state.values_mut()) {
            if let Some(lifetime) = &mut value.lifetime {
                *lifetime = lifetime.shortened(now).unwrap_or(*lifetime);
            }
        }
    }

    pub(super) fn state_size(&self, actor: ActorId) -> StateSize {
        self.actors.get(&actor).map(|known| size_of(&known.state)).unwrap_or_default()
    }

    pub(super) fn timers(&self, actor: ActorId, after: u64, most: usize) -> Vec<StoredTimer> {
        let Some(known) = self.actors.get(&actor) else { return Vec::new() };
        known.timers.range(after + 1..).take(most).map(|(_, timer)| timer.clone()).collect()
    }

    pub(super) fn letters(&self, after: u64, most: usize) -> Vec<StoredLetter> {
        self.letters.range(after + 1..).take(most).map(|(_, letter)| letter.clone()).collect()
    }

    pub(super) fn origins(&self, source: &str, from: &[u8], most: usize) -> Vec<StoredOrigin> {
        let Some(known) = self.origins.get(source) else { return Vec::new() };
        let origins = known.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)).take(most);
        origins.map(|(position, value)| StoredOrigin { position: position.clone(), value: value.clone() }).collect()
    }
}

/// The first message, and those after it as far as all of them have no more bytes than `most_bytes`.
fn fitting<'a>(waiting: impl Iterator<Item = (u64, &'a Waiting)>, most_bytes: usize) -> Vec<StoredMessage> {
    let mut bytes = 0;
    let fits = waiting.enumerate().take_while(|(index, (_, waiting))| {
        bytes += waiting.record.len();
        *index == 0 || bytes <= most_bytes
    });
    fits.map(|(_, (number, waiting))| StoredMessage { number, due: waiting.due, record: waiting.record.clone() })
        .collect()
}

/// The bytes of the records of messages that are not held.
fn bytes_in_order(messages: &BTreeMap<u64, Waiting>) -> u64 {
    messages.values().filter(|waiting| waiting.due.is_none()).map(|waiting| waiting.record.len() as u64).sum()
}

/// The key in these bytes.
fn key_of(bytes: &[u8]) -> Result<&str, String> {
    let key = std::str::from_utf8(bytes).map_err(|_| "a key that is not UTF-8".to_owned())?;
    check_key(key).map_err(|error| error.to_string())?;
    Ok(key)
}

/// The name of a source in these bytes.
fn source_of(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "a source whose name is not UTF-8".to_owned())
}

fn is_over(value: &StoredValue, now: SystemTime) -> bool {
    value.lifetime.is_some_and(|lifetime| lifetime.is_over(now))
}

fn size_of(state: &BTreeMap<String, StoredValue>) -> StateSize {
    let bytes = state.iter().map(|(key, value)| cost_of(key, value.value.len())).sum();
    StateSize { keys: state.len() as u64, bytes }
}
