//! Everything that actors, senders outside and the store saw, over all lives of a play. A message is known by its *serial*, which
//! its sender writes into the body; a *run* is one attempt of an actor's code at a message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use playhouse_kernel::{ActorId, EntryNumber, JournalEntry, MessageId, Op};
use tokio::time::Instant;

use crate::belongings::{Outcomes, Watches};
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
    /// The children that it spawned.
    pub spawns: Vec<Who>,
    /// The ids of its watches.
    pub watches: Vec<u64>,
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

/// A question of a stored actor, in a turn that may come again.
#[derive(Clone)]
pub struct Question {
    pub serial: Serial,
    pub to: Who,
    pub body: Vec<u8>,
}

#[derive(Default)]
pub struct Ledger {
    pub sent: Vec<Sent>,
    pub runs: Vec<Run>,
    pub kept: BTreeMap<Serial, Kept>,
    /// The messages of timers, by actor and id.
    pub timers: BTreeMap<(u64, u64), Serial>,
    /// Questions that may be asked again, by the message in whose turn they are asked, and their place among what it sends.
    pub asked: BTreeMap<(Serial, u64), Question>,
    /// Questions that were asked in turns which may come again.
    pub repeatable: BTreeSet<Serial>,
    /// The places of kept answers, by the mailbox and the number of the message whose turn they belong to.
    pub answers: BTreeMap<(u64, u64), BTreeSet<Vec<u8>>>,
    /// The addresses of actors that may be spawned.
    pub children: BTreeMap<String, Who>,
    /// The entries with spawned actors, and the actor of each.
    pub spawned: Vec<(EntryNumber, Who)>,
    /// By id: the life in which each child was spawned, and that in which its parent stopped it.
    pub lives: BTreeMap<u64, (usize, Option<usize>)>,
    /// Timers that ended with their actor.
    pub ended_with_child: BTreeSet<Serial>,
    /// Whether each actor is stored.
    pub stored: Vec<bool>,
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
    /// The values that do not stay, by the actor and by the number of its message that set them: the life, and a time before they go.
    pub passing: BTreeMap<(Who, u64), (usize, Instant)>,
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
    /// All actors, by their addresses.
    pub places: BTreeMap<String, Who>,
    /// Notices have no serial in them, and get one.
    notices: BTreeMap<MessageId, Serial>,
    pub watches: Watches,
    pub outcomes: Outcomes,
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

    /// The serial of a notice, by its id.
    pub fn serial_of_notice(&mut self, id: MessageId, to: Who) -> Serial {
        if let Some(serial) = self.notices.get(&id) {
            return *serial;
        }
        let serial = self.sends(None, to, false);
        self.notices.insert(id, serial);
        serial
    }

    /// Whether a message is a notice.
    pub fn is_notice(&self, id: MessageId) -> bool {
        self.notices.contains_key(&id)
    }

    /// Serial, id and size of the first record, which is sent `to` an actor.
    fn read(&mut self, record: &[u8], to: Option<Who>) -> (Serial, MessageId, usize) {
        let content = u32::from_le_bytes(*record.first_chunk().unwrap()) & !(1 << 31);
        let (size, id) = (HEADER + content as usize, id_of(record));
        let serial = match to.filter(|_| is_notice(record)) {
            Some(to) => self.serial_of_notice(id, to),
            None => serial_of(&record[size - BODY..size]),
        };
        (serial, id, size)
    }

    /// The actor with an id.
    pub fn who_is(&self, id: u64) -> Option<Who> {
        let address = self.addresses.iter().find(|(_, actor)| actor.0 == id).map(|(address, _)| address);
        self.places.get(address?).copied()
    }

    pub fn begins(&mut self, who: Who, of: Serial) -> RunId {
        let life = self.life;
        self.runs.push(Run {
            who,
            of,
            life,
            sends: Vec::new(),
            timers: Vec::new(),
            cancels: Vec::new(),
            spawns: Vec::new(),
            watches: Vec::new(),
            done: None,
            retried: false,
            is_unsure: false,
        });
        self.runs.len() - 1
    }

    /// A run asks at this place among its sends. If its turn may come again, and ask again, the question is noted.
    pub fn asks(&mut self, run: RunId, at: u64, question: &Question) {
        let Run { of, life, .. } = self.runs[run];
        let sent = &mut self.sent[question.serial];
        (sent.by, sent.life) = (Some(run), life);
        if self.stored[question.to] && self.comes_again(of) {
            self.repeatable.insert(question.serial);
            self.asked.insert((of, at), question.clone());
        }
    }

    /// Whether a message is handled again if the host dies: it is stored, or it is asked in such a turn.
    fn comes_again(&self, serial: Serial) -> bool {
        let sent = &self.sent[serial];
        let is_stored = self.stored[sent.to];
        is_stored && (!sent.is_ask || sent.by.is_some_and(|run| self.comes_again(self.runs[run].of)))
    }

    /// The question that an earlier run of the same message asked at this place.
    pub fn asked_again(&self, run: RunId, at: u64) -> Option<Question> {
        self.asked.get(&(self.runs[run].of, at)).cloned()
    }

    /// Questions of a message that failed, or that has an error for an answer, are other ones the next time.
    pub fn asks_anew(&mut self, run: RunId) {
        let of = self.runs[run].of;
        self.asked.retain(|(asker, _), _| *asker != of);
    }

    /// An actor runs; it may be a child.
    pub fn child_runs(&mut self, address: &str) {
        let Some(id) = self.addresses.get(address).filter(|_| self.children.contains_key(address)) else { return };
        let (id, life) = (id.0, self.life);
        let Some((since, stopped)) = self.lives.get(&id).copied() else { return };
        self.must(stopped.is_none_or(|stopped| stopped == life), || format!("{address} runs, and was stopped before"));
        if since < life {
            self.seen.insert("a child of an earlier life");
        }
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

    /// An entry is durable.
    pub fn durable_entry(&mut self, number: EntryNumber, entry: &JournalEntry) {
        self.entry_actor.insert(number, entry.actor.map(|actor| actor.0));
        for op in &entry.ops {
            self.durable_op(number, op, &entry.bytes);
        }
        let left = entry.ops.iter().find_map(|op| self.answers_left(op));
        self.must(left.is_none(), || format!("entry {number} ends message {left:?}, and leaves answers"));
        // A turn has its actor, and whatever else takes messages makes letters of them.
        // The answers of dropped messages go with them.
        let takes = |op: &Op| matches!(op, Op::Take { .. } | Op::OriginGone { .. });
        if entry.actor.is_none() && entry.ops.iter().all(takes) {
            let dropped: Vec<_> = entry.ops.iter().flat_map(|op| self.taken_by(op)).collect();
            self.note(format!("entry {number}: an operator dropped {dropped:?}"));
            self.dropped.extend(dropped);
        }
    }

    /// A message that ended, whose turn has answers.
    fn answers_left(&self, op: &Op) -> Option<(u64, u64)> {
        let Op::Take { mailbox, numbers } = op else { return None };
        let range = (mailbox.0, numbers.start)..(mailbox.0, numbers.end);
        self.answers.range(range).map(|(root, _)| *root).next()
    }

    fn child_is_gone(&mut self, entry: EntryNumber, actor: u64) {
        let stopped = self.lives.remove(&actor).and_then(|(_, stopped)| stopped);
        self.must(stopped.is_some(), || format!("actor {actor} goes in entry {entry}, and does not leave before"));
        if stopped.is_some_and(|stopped| stopped < self.life) {
            self.seen.insert("a child that was stopped in an earlier life is gone");
        }
        let timers = self.timers.range((actor, 0)..(actor + 1, 0)).map(|(_, serial)| *serial);
        for serial in timers.collect::<Vec<_>>() {
            let kept = self.kept.entry(serial).or_default();
            if kept.ended.len() < kept.set.len() {
                kept.ended.push(entry);
                self.ended_with_child.insert(serial);
            }
        }
        let waits: Vec<_> = self.numbers.range((actor, 0)..(actor + 1, 0)).map(|(_, serial)| *serial).collect();
        let left = waits.into_iter().find(|serial| !self.is_taken(*serial));
        self.must(left.is_none(), || format!("actor {actor} goes in entry {entry}, and #{left:?} waits"));
    }

    fn member_is_gone(&mut self, entry: EntryNumber, actor: ActorId) {
        self.addresses.retain(|_, other| *other != actor);
        let range = (actor.0, 0)..(actor.0 + 1, 0);
        let timers: Vec<_> = self.timers.range(range.clone()).map(|(_, serial)| *serial).collect();
        let has_ended = |serial: &Serial| self.kept.get(serial).is_some_and(|kept| kept.set.len() == kept.ended.len());
        let left = timers.into_iter().find(|serial| !has_ended(serial));
        self.must(left.is_none(), || format!("{actor:?} goes in entry {entry}, and has the timer of #{left:?}"));
        let waits: Vec<_> = self.numbers.range(range).map(|(_, serial)| *serial).collect();
        let left = waits.into_iter().find(|serial| !self.is_taken(*serial));
        self.must(left.is_none(), || format!("{actor:?} goes in entry {entry}, and #{left:?} waits"));
        let state = self.counts.get(&actor.0).copied();
        self.must(state.is_none(), || format!("{actor:?} goes in entry {entry}, and its state counts {state:?}"));
        self.seen.insert("a member that kept nothing is gone");
    }

    fn durable_answer(&mut self, position: &[u8]) {
        let root = root_of(position);
        let is_open = self.numbers.get(&root).is_some_and(|serial| !self.is_taken(*serial));
        self.must(is_open, || format!("an answer is kept for message {root:?}, which is over"));
        self.answers.entry(root).or_default().insert(position.to_vec());
    }

    fn durable_answer_gone(&mut self, position: &[u8]) {
        let root = root_of(position);
        let there = self.answers.get_mut(&root).is_some_and(|answers| answers.remove(position));
        self.must(there, || format!("an answer for message {root:?} goes, and is not there"));
        self.answers.retain(|_, answers| !answers.is_empty());
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
                    let to = self.who_is(mailbox.0);
                    let (serial, id, size) = self.read(&bytes[at..], to);
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
                let (serial, ..) = self.read(&timer.record, None);
                let other = self.timers.insert((actor.0, timer.id), serial);
                self.must(other.is_none(), || format!("timers of #{serial} and #{other:?} have one id"));
                self.kept.entry(serial).or_default().set.push(entry);
            }
            Op::Cancel { actor, id } => {
                let serial = self.timers[&(actor.0, *id)];
                self.kept.entry(serial).or_default().ended.push(entry);
            }
            Op::Letter(letter) => {
                let to = self.places.get(letter.to.as_str()).copied();
                let (serial, ..) = self.read(&letter.record, to);
                self.note(format!("entry {entry}: #{serial} is a letter: {}", letter.why));
                // No stored actor of these plays ends before the host, but children.
                let is_child = self.children.contains_key(letter.to.as_str());
                let stopped = letter.kind == "stopped" && self.is_put(serial) && !is_child;
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
            Op::Spawned { actor, address, .. } => {
                self.addresses.insert(address.to_string(), *actor);
                self.lives.insert(actor.0, (self.life, None));
                self.spawned.push((entry, self.children[address.as_str()]));
            }
            Op::Leaves { actor } => {
                let life = self.life;
                if let Some((_, stopped)) = self.lives.get_mut(&actor.0) {
                    *stopped = Some(life);
                }
                self.seen.insert("a child was stopped");
            }
            Op::Gone { actor } if self.lives.contains_key(&actor.0) => self.child_is_gone(entry, actor.0),
            // A member of a family.
            Op::Gone { actor } => self.member_is_gone(entry, *actor),
            Op::Set { actor, key, value, lifetime } => {
                let key = std::str::from_utf8(&bytes[key.clone()]).unwrap();
                self.must(lifetime.is_some() == (key == "t"), || format!("{key} has the time {lifetime:?}"));
                if key == "t" {
                    // The actors check it themselves.
                } else if let Some(serial) = key.strip_prefix('m') {
                    self.remembered.entry(serial.parse().unwrap()).or_default().push(entry);
                } else {
                    let count = u64::from_le_bytes(bytes[value.clone()].try_into().unwrap());
                    self.counts.insert(actor.0, count);
                }
            }
            Op::Origin { source, position, .. } if bytes[source.clone()] == *b"answer" => {
                self.durable_answer(&bytes[position.clone()]);
            }
            Op::OriginGone { source, position } if bytes[source.clone()] == *b"answer" => {
                self.durable_answer_gone(&bytes[position.clone()]);
            }
            // Watches and reports are the only others: no sender of these plays is a source, or has a key.
            Op::Origin { .. } | Op::OriginGone { .. } | Op::Ids { .. } | Op::LetterGone { .. } | Op::Unset { .. } => {}
            Op::Expire { key, .. } => {
                self.must(bytes[key.clone()] == *b"t", || "a value that stays was removed".to_owned());
                self.seen.insert("a value was removed");
            }
        }
    }
}

/// Mailbox and number of the message to whose turn an answer belongs, by its position.
fn root_of(position: &[u8]) -> (u64, u64) {
    let (mailbox, rest) = position.split_first_chunk().unwrap();
    (u64::from_be_bytes(*mailbox), u64::from_be_bytes(*rest.first_chunk().unwrap()))
}

/// The id of the message in a record.
pub fn id_of(record: &[u8]) -> MessageId {
    MessageId(u128::from_le_bytes(*record[8..].first_chunk().unwrap()))
}

/// Whether the kernel sent the message in a record.
pub fn is_notice(record: &[u8]) -> bool {
    u64::from_le_bytes(*record[24..].first_chunk().unwrap()) == ActorId::NOTICE.0
}

pub fn serial_of(body: &[u8]) -> Serial {
    u32::from_le_bytes(*body.first_chunk().unwrap()) as Serial
}

pub fn body_of(serial: Serial, fuel: u8, temper: u8) -> Vec<u8> {
    let mut body = (serial as u32).to_le_bytes().to_vec();
    body.extend([fuel, temper]);
    body
}
