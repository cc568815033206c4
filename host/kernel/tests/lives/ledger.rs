//! Everything that actors, senders outside and the store saw, over all lives of a play. A message is known by its *serial*, which
//! its sender writes into the body; a *run* is one attempt of an actor's code at a message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{ActorId, EntryNumber, JournalGroup, MessageId, Op};

use crate::play::Who;

pub type Book = Arc<Mutex<Ledger>>;
pub type Serial = usize;
pub type RunId = usize;

/// Bytes of a header; the body lies at the end of a record.
const HEADER: usize = 64;
/// Serial, fuel and temper.
pub const BODY: usize = 6;

pub struct Sent {
    /// The run that sent it; none for the outside.
    pub by: Option<RunId>,
    pub to: Who,
    pub life: usize,
    /// Whether the sender outside was told that it is kept.
    pub acknowledged: bool,
    pub is_ask: bool,
    /// The id of the timer that sends it, and the virtual time before which it does not.
    pub timer: Option<(u64, Duration)>,
}

pub struct Run {
    pub who: Who,
    pub of: Serial,
    pub life: usize,
    pub sends: Vec<Serial>,
    /// The messages of timers that it set.
    pub timers: Vec<Serial>,
    /// The messages of timers that it cancelled.
    pub cancels: Vec<Serial>,
    /// None while it runs, and when a crash in its call undid it.
    pub done: Option<bool>,
    /// Whether its message is to be handled again.
    pub retried: bool,
    /// Whether an ask without an answer may have committed it: the kernel refuses some before the commit, and some end while they wait
    /// for it.
    pub is_unsure: bool,
}

/// The marks of a message in the store.
#[derive(Default, Clone)]
pub struct Kept {
    pub put: Vec<(EntryNumber, u64)>,
    pub taken: Vec<EntryNumber>,
    pub holds: u32,
    pub letters: Vec<EntryNumber>,
    /// The entries in which its timer was set, and ended.
    pub set: Vec<EntryNumber>,
    pub ended: Vec<EntryNumber>,
    pub id: Option<MessageId>,
}

#[derive(Default)]
pub struct Ledger {
    pub sent: Vec<Sent>,
    pub runs: Vec<Run>,
    pub kept: BTreeMap<Serial, Kept>,
    /// The messages of timers, by actor and id.
    pub timers: BTreeMap<(u64, u64), Serial>,
    /// Messages that operators dropped.
    pub dropped: BTreeSet<Serial>,
    /// By mailbox and number.
    pub numbers: BTreeMap<(u64, u64), Serial>,
    /// The actor of each entry.
    pub entry_actor: BTreeMap<EntryNumber, Option<u64>>,
    pub halted: BTreeMap<u64, bool>,
    /// The entry in which an actor noted in its state that it handled a message; and the count that it keeps, by actor.
    pub remembered: BTreeMap<Serial, Vec<EntryNumber>>,
    pub counts: BTreeMap<u64, u64>,
    pub addresses: BTreeMap<String, ActorId>,
    /// `restart.attempts` of each actor.
    pub attempts: Vec<u32>,
    pub life: usize,
    /// Whether a run did not end in order so far: it may be under way.
    pub is_running: bool,
    /// The first message in order of each mailbox that may have ended the life before, by mailbox; and the messages that were noted, with
    /// the lives.
    pub first_suspects: BTreeMap<u64, u64>,
    pub noted: BTreeMap<Serial, Vec<usize>>,
    pub trace: Vec<String>,
    pub broken: Vec<String>,
    pub seen: BTreeSet<&'static str>,
}

impl Ledger {
    pub fn note(&mut self, line: impl Into<String>) {
        self.trace.push(line.into());
    }

    pub fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(what());
        }
    }

    pub fn sends(&mut self, by: Option<RunId>, to: Who, is_ask: bool) -> Serial {
        let life = self.life;
        self.sent.push(Sent { by, to, life, acknowledged: false, is_ask, timer: None });
        let serial = self.sent.len() - 1;
        if let Some(by) = by.filter(|_| !is_ask) {
            self.runs[by].sends.push(serial);
        }
        serial
    }

    /// A run sets a timer.
    pub fn sends_later(&mut self, by: RunId, to: Who) -> Serial {
        let life = self.life;
        self.sent.push(Sent { by: Some(by), to, life, acknowledged: false, is_ask: false, timer: None });
        let serial = self.sent.len() - 1;
        self.runs[by].timers.push(serial);
        serial
    }

    pub fn begins(&mut self, who: Who, of: Serial) -> RunId {
        let life = self.life;
        let (sends, timers, cancels) = (Vec::new(), Vec::new(), Vec::new());
        self.runs.push(Run { who, of, life, sends, timers, cancels, done: None, retried: false, is_unsure: false });
        self.runs.len() - 1
    }

    /// Whether a message lies in the store, or did.
    pub fn is_put(&self, serial: Serial) -> bool {
        self.kept.get(&serial).is_some_and(|kept| !kept.put.is_empty())
    }

    /// Whether the end of a message is durable.
    pub fn is_taken(&self, serial: Serial) -> bool {
        self.kept.get(&serial).is_some_and(|kept| !kept.taken.is_empty())
    }

    /// A life begins: the first message of each mailbox may have ended the one before.
    pub fn begins_life(&mut self, life: usize) {
        self.life = life;
        let is_unclean = std::mem::replace(&mut self.is_running, true);
        self.first_suspects.clear();
        for (&(mailbox, number), serial) in self.numbers.iter().filter(|_| is_unclean) {
            let kept = &self.kept[serial];
            if kept.taken.is_empty() && kept.holds == 0 {
                self.first_suspects.entry(mailbox).or_insert(number);
            }
        }
    }

    /// A group is durable.
    pub fn durable(&mut self, group: &JournalGroup) {
        for (number, entry) in (group.first..).zip(&group.entries) {
            self.entry_actor.insert(number, entry.actor.map(|actor| actor.0));
            for op in &entry.ops {
                self.durable_op(number, op, &entry.bytes);
            }
            // A turn has its actor, and whatever else takes messages makes letters of them.
            let takes = |op: &Op| matches!(op, Op::Take { .. });
            if entry.actor.is_none() && entry.ops.iter().all(takes) {
                let dropped: Vec<_> = entry.ops.iter().flat_map(|op| self.taken_by(op)).collect();
                self.note(format!("entry {number}: an operator dropped {dropped:?}"));
                self.dropped.extend(dropped);
            }
        }
    }

    fn taken_by(&self, op: &Op) -> Vec<Serial> {
        let Op::Take { mailbox, numbers } = op else { return Vec::new() };
        numbers.clone().map(|number| self.numbers[&(mailbox.0, number)]).collect()
    }

    fn durable_op(&mut self, entry: EntryNumber, op: &Op, bytes: &[u8]) {
        match op {
            Op::Put { mailbox, first, records, .. } => {
                let (mut at, mut number) = (records.start, *first);
                while at < records.end {
                    let (serial, id, size) = read(&bytes[at..]);
                    let kept = self.kept.entry(serial).or_default();
                    kept.put.push((entry, number));
                    kept.id = Some(id);
                    self.numbers.insert((mailbox.0, number), serial);
                    at += size;
                    number += 1;
                }
            }
            Op::Hold { mailbox, number, .. } => {
                let serial = self.numbers[&(mailbox.0, *number)];
                self.kept.entry(serial).or_default().holds += 1;
            }
            Op::Take { mailbox, numbers } => {
                for number in numbers.clone() {
                    let serial = self.numbers[&(mailbox.0, number)];
                    self.kept.entry(serial).or_default().taken.push(entry);
                }
            }
            Op::Timer { actor, timer } => {
                let (serial, ..) = read(&timer.record);
                let other = self.timers.insert((actor.0, timer.id), serial);
                self.must(other.is_none(), || format!("timers of #{serial} and #{other:?} have one id"));
                self.kept.entry(serial).or_default().set.push(entry);
            }
            Op::Cancel { actor, id } => {
                let serial = self.timers[&(actor.0, *id)];
                self.kept.entry(serial).or_default().ended.push(entry);
            }
            Op::Letter(letter) => {
                let (serial, ..) = read(&letter.record);
                self.note(format!("entry {entry}: #{serial} is a letter: {}", letter.why));
                // No stored actor of these plays ends before the host.
                let stopped = letter.kind == "stopped" && self.is_put(serial);
                if letter.kind == "host-died" {
                    let noted = self.noted.get(&serial).cloned().unwrap_or_default();
                    let attempts = self.attempts[self.sent[serial].to] as usize;
                    self.must(noted.len() >= attempts, || format!("#{serial} ended its host {noted:?}, of {attempts}"));
                    self.seen.insert("a message was blamed for the end of its host");
                }
                self.must(!stopped, || format!("#{serial} is a letter because the host stopped"));
                self.kept.entry(serial).or_default().letters.push(entry);
            }
            Op::Suspect { mailbox, number, ends, in_process } => {
                let serial = self.numbers[&(mailbox.0, *number)];
                let life = self.life;
                let noted = self.noted.entry(serial).or_default();
                if *in_process {
                    noted.push(life);
                }
                let before = noted.iter().filter(|noted| **noted < life).count();
                self.must(*ends as usize <= before, || {
                    format!("#{serial} ended {ends} lives, and was noted in {before}")
                });
            }
            Op::Ended => self.is_running = false,
            Op::Halted { actor, halted } => drop(self.halted.insert(actor.0, *halted)),
            Op::Born { actor, address } => drop(self.addresses.insert(address.to_string(), *actor)),
            Op::Gone { actor } => self.addresses.retain(|_, other| other != actor),
            Op::Set { actor, key, value } => {
                let key = std::str::from_utf8(&bytes[key.clone()]).unwrap();
                if let Some(serial) = key.strip_prefix('m') {
                    self.remembered.entry(serial.parse().unwrap()).or_default().push(entry);
                } else {
                    let count = u64::from_le_bytes(bytes[value.clone()].try_into().unwrap());
                    self.counts.insert(actor.0, count);
                }
            }
            Op::Ids { .. } | Op::LetterGone { .. } | Op::Unset { .. } | Op::Origin { .. } | Op::OriginGone { .. } => {}
        }
    }
}

/// Serial, id and size of the first record.
fn read(record: &[u8]) -> (Serial, MessageId, usize) {
    let content = u32::from_le_bytes(*record.first_chunk().unwrap()) & !(1 << 31);
    let size = HEADER + content as usize;
    let id = u128::from_le_bytes(*record[8..].first_chunk().unwrap());
    (serial_of(&record[size - BODY..size]), MessageId(id), size)
}

pub fn serial_of(body: &[u8]) -> Serial {
    u32::from_le_bytes(*body.first_chunk().unwrap()) as Serial
}

pub fn body_of(serial: Serial, fuel: u8, temper: u8) -> Vec<u8> {
    let mut body = (serial as u32).to_le_bytes().to_vec();
    body.extend([fuel, temper]);
    body
}
