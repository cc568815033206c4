//! Entries of the journal, as plain data.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use crate::words::address::Address;
use crate::words::message::ActorId;

/// The number of an entry: the first one of a store has 1, and each next one has one more.
pub type EntryNumber = u64;

/// One turn that committed, or one message or order from outside: all of it becomes durable, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The actor whose turn it was; none for the outside, an operator, or the kernel itself.
    pub actor: Option<ActorId>,
    /// The changes, in order.
    pub ops: Vec<Op>,
    /// The records, keys and values that the operations name by their ranges.
    pub bytes: Vec<u8>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Ids of actors below this one may be in use from now on; ids are given in order.
    Ids {
        /// The first id that is free.
        below: u64,
    },
    /// An actor of the plan, or a member of a family, has this id from now on, in all runs of a host on this store.
    Born {
        /// The id.
        actor: ActorId,
        /// The actor's address.
        address: Address,
    },
    /// An actor was spawned. It has this id until it is gone.
    Spawned {
        /// The id.
        actor: ActorId,
        /// The actor's address.
        address: Address,
        /// Everything that is needed to start it again.
        child: Box<StoredChild>,
    },
    /// The parent of a spawned actor stopped it: it may handle what waits, and is gone then.
    Leaves {
        /// The actor.
        actor: ActorId,
    },
    /// An actor that was made at run time is gone: a spawned one for good, or a member of a family that keeps nothing any more, or
    /// expired. It has no messages any more. Its state and its timers are removed with it, and its address is free: a later actor there has
    /// another id.
    Gone {
        /// The actor.
        actor: ActorId,
    },
    /// Messages arrived in a mailbox.
    Put {
        /// The receiver.
        mailbox: ActorId,
        /// The number of the first one; each next one has one more. Numbers of a mailbox only grow.
        first: u64,
        /// How many they are.
        messages: u32,
        /// Their records, one after another, in [`Entry::bytes`]: header, optional parts and body, as in `wit/FRAMES.md`.
        records: Range<usize>,
    },
    /// A message is handled again, not before `due`. It waits beside the others, with a new record that has its failures.
    Hold {
        /// The receiver.
        mailbox: ActorId,
        /// The number of the message.
        number: u64,
        /// The earliest time.
        due: SystemTime,
        /// The record, in [`Entry::bytes`].
        record: Range<usize>,
    },
    /// Messages ended: they were handled, or became dead letters. Some of the numbers may belong to held messages.
    Take {
        /// The receiver.
        mailbox: ActorId,
        /// The numbers.
        numbers: Range<u64>,
    },
    /// A message may have ended runs of the host that did not end in order.
    Suspect {
        /// The receiver.
        mailbox: ActorId,
        /// The number of the message.
        number: u64,
        /// How many runs ended while it was in process. This run is not one of them yet.
        ends: u32,
        /// Whether it is handed over now, and may end this run as well. Else the entry is that of the start, which counts the run before.
        in_process: bool,
    },
    /// The host ends in order: no message in process has ended it.
    Ended,
    /// A key of an actor's state has a value from now on. Keys keep the rule of [`playhouse_frame::check_key`].
    Set {
        /// The actor.
        actor: ActorId,
        /// The key, in [`Entry::bytes`]: UTF-8.
        key: Range<usize>,
        /// The value, in [`Entry::bytes`].
        value: Range<usize>,
        /// The time of the value; none for one that stays. Boxed, since most values stay.
        lifetime: Option<Box<Lifetime>>,
    },
    /// A key of an actor's state has no value any more, if the time of its value ended by then. A value that was set again meanwhile stays.
    /// The actor may be gone.
    Expire {
        /// The actor.
        actor: ActorId,
        /// The key, in [`Entry::bytes`]: UTF-8.
        key: Range<usize>,
        /// The time.
        by: SystemTime,
    },
    /// A key of an actor's state has no value any more. It may have had none.
    Unset {
        /// The actor.
        actor: ActorId,
        /// The key, in [`Entry::bytes`]: UTF-8.
        key: Range<usize>,
    },
    /// An actor has this timer from now on. A timer that it has already gets a new time and a new message.
    Timer {
        /// The actor.
        actor: ActorId,
        /// The timer. No other timer of the actor ever had its id.
        timer: Box<StoredTimer>,
    },
    /// An actor does not have this timer any more: it fired for the last time, or was cancelled.
    Cancel {
        /// The actor.
        actor: ActorId,
        /// The timer's id.
        id: u64,
    },
    /// A message became a dead letter.
    Letter(Box<StoredLetter>),
    /// A dead letter is gone: an operator replayed or dropped it, or the bounds evicted it.
    LetterGone {
        /// The number of the letter.
        number: u64,
    },
    /// An operator stopped an actor, or started it.
    Halted {
        /// The actor.
        actor: ActorId,
        /// Whether it is stopped.
        halted: bool,
    },
    /// A source outside was read up to this position, or knows it: see [`StoredOrigin`]. The position may be known already; then it gets
    /// another value.
    Origin {
        /// The source, in [`Entry::bytes`]: UTF-8.
        source: Range<usize>,
        /// The position, in [`Entry::bytes`].
        position: Range<usize>,
        /// The value, in [`Entry::bytes`].
        value: Range<usize>,
    },
    /// A position of a source is not needed any more. It may not be known.
    OriginGone {
        /// The source, in [`Entry::bytes`]: UTF-8.
        source: Range<usize>,
        /// The position, in [`Entry::bytes`].
        position: Range<usize>,
    },
}

/// The time of a value of an actor's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// When it ends: from then on, the key has no value.
    pub ends: SystemTime,
    /// The time from the set to the end. However the clock jumps, a value does not live longer.
    pub length: Duration,
}

impl Lifetime {
    /// That of a value which is set at this time.
    pub fn since(set_at: SystemTime, length: Duration) -> Self {
        Self { ends: set_at.checked_add(length).unwrap_or(set_at), length }
    }

    /// Whether it is over at this time.
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.ends <= now
    }

    /// That of a value which was set by a clock that was ahead: it begins at the time `now`. None for another one.
    pub fn shortened(&self, now: SystemTime) -> Option<Self> {
        let is_ahead = self.ends.checked_sub(self.length).is_some_and(|set_at| set_at > now);
        is_ahead.then(|| Self::since(now, self.length))
    }
}

/// A value of an actor's state, as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredValue {
    /// Its bytes.
    pub value: Vec<u8>,
    /// Its time; none for one that stays.
    pub lifetime: Option<Lifetime>,
}

impl StoredValue {
    /// The bytes, unless its time is over.
    pub fn at(self, now: SystemTime) -> Option<Vec<u8>> {
        let is_over = self.lifetime.is_some_and(|lifetime| lifetime.is_over(now));
        Some(self.value).filter(|_| !is_over)
    }
}

/// A key of an actor's state whose value does not stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiringKey {
    /// The actor.
    pub actor: ActorId,
    /// The actor's address.
    pub address: Address,
    /// The key.
    pub key: String,
    /// When the time of its value ends.
    pub ends: SystemTime,
}

/// A position of a source outside, as a store keeps it: the message from there is in the store, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrigin {
    /// The position, in the source's own form. Positions are in the order of their bytes.
    pub position: Vec<u8>,
    /// All that the source needs to go on, in its own form.
    pub value: Vec<u8>,
}

/// An actor that another actor spawned, as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChild {
    /// The actor that spawned it.
    pub parent: ActorId,
    /// The name of its plugin.
    pub plugin: String,
    /// The values that its parent gave it.
    pub config: BTreeMap<String, String>,
}

/// A timer of an actor, as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTimer {
    /// Its id.
    pub id: u64,
    /// When it fires.
    pub due: SystemTime,
    /// The wait that was asked for: its delay, or its period. The timer is never further away than that.
    pub wait: Duration,
    /// Whether it fires repeatedly.
    pub again: bool,
    /// The receiver of its message.
    pub to: Address,
    /// The record of its next message.
    pub record: Vec<u8>,
}

/// A dead letter, as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLetter {
    /// Numbers count up over all runs of a host on this store.
    pub number: u64,
    /// Which of its message's letters it is, from 1.
    pub copy: u32,
    /// The record of the message.
    pub record: Vec<u8>,
    /// The receiver.
    pub to: Address,
    /// The actor for which the letter counts.
    pub owner: ActorId,
    /// The sender; none for the outside, or when the sender was gone.
    pub sender: Option<Address>,
    /// The reason in one word: [`DeadReason::kind`](crate::DeadReason::kind).
    pub kind: String,
    /// The reason as a text.
    pub why: String,
    /// When the message became a dead letter.
    pub at: SystemTime,
}

/// Entries in the order in which they entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The run of a host that wrote them: [`Image::boots`](crate::journal::store::Image::boots).
    pub boot: u64,
    /// The number of the first entry.
    pub first: EntryNumber,
    /// The entries; at least one.
    pub entries: Vec<Entry>,
}

impl Group {
    /// The number of the last entry.
    pub fn last(&self) -> EntryNumber {
        self.first + self.entries.len() as u64 - 1
    }
}

/// Ids of timers that the kernel chooses begin here; those that the code chooses in its frames are below.
pub const FIRST_CHOSEN_TIMER: u64 = 1 << 52;

/// The highest ids that timers of an actor ever had: no later timer gets one of them, since the code may have kept them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimerIds {
    /// Of those below [`FIRST_CHOSEN_TIMER`]; 0 when there was none.
    pub given: u64,
    /// Of those from there on; 0 when there was none.
    pub chosen: u64,
}

impl TimerIds {
    /// Counts a timer with this id.
    pub fn note(&mut self, id: u64) {
        let highest = if id < FIRST_CHOSEN_TIMER { &mut self.given } else { &mut self.chosen };
        *highest = id.max(*highest);
    }
}
