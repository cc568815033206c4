//! The result of entries, in memory: what a store has after it applied them in order. Each operation is checked against the state
//! before it, so that an entry that cannot be true is found where it is applied.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::journal::entry::{Entry, EntryNumber, Group, Op, StoredLetter};
use crate::journal::store::{Image, StoredActor, StoredMessage};
use crate::words::address::Address;
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
}

#[derive(Debug, Clone)]
struct Known {
    address: Address,
    halted: Option<bool>,
    last_number: u64,
    messages: BTreeMap<u64, Waiting>,
}

#[derive(Debug, Clone)]
struct Waiting {
    due: Option<SystemTime>,
    record: Vec<u8>,
}

impl Fold {
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
                Op::Born { actor, address } => {
                    if self.actors.contains_key(actor) || self.actors.values().any(|known| known.address == *address) {
                        return Err(format!("`{address}` is born twice, or {actor:?} is"));
                    }
                    let known =
                        Known { address: address.clone(), halted: None, last_number: 0, messages: BTreeMap::new() };
                    self.actors.insert(*actor, known);
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
                }
                Op::Take { mailbox, numbers } => {
                    let known = self.known(*mailbox)?;
                    for number in numbers.clone() {
                        if known.messages.remove(&number).is_none() {
                            return Err(format!("message {number} of {mailbox:?} ends twice"));
                        }
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
            }
        }
        Ok(())
    }

    fn known(&mut self, actor: ActorId) -> Result<&mut Known, String> {
        self.actors.get_mut(&actor).ok_or_else(|| format!("{actor:?} was never born"))
    }

    pub(super) fn image(&self) -> Image {
        let actors = self.actors.iter().map(|(&id, known)| StoredActor {
            id,
            address: known.address.clone(),
            last_number: known.last_number,
            waiting: known.messages.len() as u64,
            halted: known.halted,
        });
        Image {
            boots: self.boots,
            last: self.last,
            free_id: self.free_id,
            actors: actors.collect(),
            last_letter: self.last_letter,
        }
    }

    pub(super) fn messages(&self, mailbox: ActorId, from: u64, most_bytes: usize) -> Vec<StoredMessage> {
        fitting(self.waiting(mailbox, from), most_bytes)
    }

    pub(super) fn held(&self, mailbox: ActorId, from: u64, most_bytes: usize) -> Vec<StoredMessage> {
        fitting(self.waiting(mailbox, from).filter(|(_, waiting)| waiting.due.is_some()), most_bytes)
    }

    pub(super) fn bytes(&self, mailbox: ActorId, from: u64) -> u64 {
        let in_order = self.waiting(mailbox, from).filter(|(_, waiting)| waiting.due.is_none());
        in_order.map(|(_, waiting)| waiting.record.len() as u64).sum()
    }

    fn waiting(&self, mailbox: ActorId, from: u64) -> impl Iterator<Item = (u64, &Waiting)> {
        let known = self.actors.get(&mailbox).into_iter();
        known.flat_map(move |known| known.messages.range(from..)).map(|(&number, waiting)| (number, waiting))
    }

    pub(super) fn letters(&self, after: u64, most: usize) -> Vec<StoredLetter> {
        self.letters.range(after + 1..).take(most).map(|(_, letter)| letter.clone()).collect()
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
