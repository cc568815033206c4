//! Everything that members, senders outside and the store saw, and the rules of families that hold at any moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::play::{By, Name, Play, Serial, Work};
use super::rows::Rows;

/// Lines in the log of a play that never ends.
const MANY: usize = 20_000;

pub struct Book {
    pub play: Arc<Play>,
    /// The virtual time since the first life began.
    pub now: Duration,
    pub life: usize,
    pub trace: Vec<String>,
    /// The labels of [`super::EVERYTHING`] that occurred.
    pub seen: BTreeSet<&'static str>,
    /// Broken rules.
    pub broken: Vec<String>,
    pub sent: Vec<Sent>,
    pub members: Vec<Member>,
    /// The store, as its entries say.
    pub rows: Rows,
    /// The host stops, or dies.
    pub ends: bool,
    /// The tasks of a life are dropped, in no order.
    pub is_dropped: bool,
}

/// A message for a member, or for an actor that sends one.
pub struct Sent {
    pub by: By,
    pub to: Option<Name>,
    pub work: Work,
    pub is_ask: bool,
    pub life: usize,
    /// Its sender outside was told that it is accepted, or refused.
    pub accepted: Option<bool>,
    /// The message that the receiver sends on when it gets this one.
    pub carries: Option<Serial>,
    /// Attempts that ended well, in calls that returned.
    pub done: usize,
}

/// A member's name, over all times at which it exists.
#[derive(Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub struct Member {
    /// The incarnation that exists.
    pub alive: Option<u64>,
    /// Its messages that ended well in this call, with the state after each.
    pending: Vec<(Serial, u64)>,
    in_call: bool,
    /// This incarnation has asked, and so lent its place: when it is answered, it goes on beside the one that has the place.
    has_lent: bool,
    /// The number in its state: messages that it handled since it had none. 0 when there is no state.
    pub count: u64,
    pub crashes: usize,
    /// An operator stops it: it may be cut off.
    pub halts: bool,
    /// An operator has stopped it.
    pub is_halted: bool,
    /// Somebody who may make it has sent to it.
    pub is_wanted: bool,
    /// It may start in this life of the host.
    pub may_start: bool,
    /// When it was in use last.
    pub used: Duration,
    /// How it came into being: by a message of this life, or from the store.
    pub from_store: bool,
}

impl Book {
    pub fn new(play: Arc<Play>) -> Self {
        let members = vec![Member::default(); play.names + 1];
        Self {
            play,
            now: Duration::ZERO,
            life: 0,
            trace: Vec::new(),
            seen: BTreeSet::new(),
            broken: Vec::new(),
            sent: Vec::new(),
            members,
            rows: Rows::default(),
            ends: false,
            is_dropped: false,
        }
    }

    pub fn note(&mut self, line: impl Into<String>) {
        if self.trace.len() == MANY {
            self.broken.push("it turns in circles".to_owned());
        }
        if self.trace.len() <= MANY && !self.is_dropped {
            self.trace.push(format!("{:>9.1} ms  {}", self.now.as_secs_f64() * 1000.0, line.into()));
        }
    }

    pub fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(format!("at {:?}: {}", self.now, what()));
        }
    }

    /// A life of the host begins, on what the store has.
    pub fn begins_life(&mut self, life: usize) {
        (self.life, self.ends) = (life, false);
        self.note(format!("life {life}"));
        self.rows.begins_life();
        let any_timer = !self.rows.timers.is_empty();
        for name in 0..self.members.len() {
            let row = self.rows.of(name);
            let member = &mut self.members[name];
            // Timers may be for any member.
            let may_start = any_timer || row.is_some_and(|row| row.waits);
            let is_halted = row.is_some_and(|row| row.is_halted);
            *member = Member {
                count: row.map_or(0, |row| row.count),
                crashes: member.crashes,
                halts: is_halted,
                is_halted,
                is_wanted: member.is_wanted,
                may_start,
                used: member.used,
                from_store: row.is_some(),
                ..Member::default()
            };
            if is_halted {
                self.seen.insert("an order of an operator survived");
            }
        }
    }

    /// The tasks of this life are about to be dropped.
    pub fn is_over(&mut self) {
        (self.ends, self.is_dropped) = (true, true);
    }

    pub fn sends(&mut self, by: By, to: Option<Name>, work: Work, is_ask: bool) -> Serial {
        let (life, accepted, carries) = (self.life, None, None);
        self.sent.push(Sent { by, to, work, is_ask, life, accepted, carries, done: 0 });
        self.sent.len() - 1
    }

    /// A message for a member leaves its sender, or will.
    pub fn leaves(&mut self, serial: Serial) {
        let Sent { by, to, work, .. } = self.sent[serial];
        let Some(to) = to else { return };
        self.note(format!("{by:?} sends #{serial} to {to}: {work:?}"));
        let makes = self.play.makes(by).is_some();
        let member = &mut self.members[to];
        member.may_start = true;
        member.is_wanted |= makes;
    }

    pub fn launches(&mut self, name: Name, incarnation: u64) {
        self.note(format!("{name} starts (incarnation {incarnation})"));
        let (live, ends) = (self.play.live, self.ends);
        let now = self.now;
        let member = &mut self.members[name];
        let before = member.alive.replace(incarnation);
        member.has_lent = false;
        let Member { is_halted, is_wanted, may_start, .. } = *member;
        member.used = now;
        let held = self.members.iter().filter(|member| member.alive.is_some() && !member.has_lent).count();
        self.must(held <= live, || format!("{held} members have an instance, of {live}"));
        self.must(before.is_none(), || format!("{name} has two instances"));
        self.must(!is_halted || ends, || format!("{name} starts, and an operator has stopped it"));
        self.must(is_wanted, || format!("{name} starts, and nobody may have made it"));
        self.must(may_start, || format!("{name} starts, and there was no message for it in this life"));
        self.seen.insert("a member was made");
    }

    pub fn is_gone(&mut self, name: Name) {
        let now = self.now;
        let member = &mut self.members[name];
        (member.alive, member.used) = (None, now);
        self.note(format!("{name} has no instance"));
    }

    pub fn call_begins(&mut self, name: Name) {
        self.members[name].in_call = true;
    }

    /// The member reads its state.
    pub fn reads(&mut self, name: Name, count: u64) {
        let member = &self.members[name];
        let expected = member.pending.last().map_or(member.count, |(_, count)| *count);
        self.must(count == expected, || format!("the state of {name} counts {count} messages, not {expected}"));
        if count > 0 && self.members[name].from_store {
            self.seen.insert("a member came back from the store");
        }
    }

    /// The member begins with a message.
    pub fn begins(&mut self, name: Name, serial: Serial, attempt: u32) {
        self.note(format!("{name} handles #{serial} (attempt {attempt})"));
        let now = self.now;
        self.members[name].used = now;
        let Sent { to, life, accepted, .. } = self.sent[serial];
        self.must(to == Some(name), || format!("#{serial} is for {to:?}"));
        self.must(accepted != Some(false), || format!("#{serial} was refused, and comes to {name}"));
        if life < self.life {
            self.seen.insert("a message of an earlier life");
        }
    }

    /// A message ends well, and leaves this state.
    pub fn ends_well(&mut self, name: Name, serial: Serial, count: u64) {
        self.members[name].pending.push((serial, count));
    }

    pub fn call_returns(&mut self, name: Name) {
        let now = self.now;
        let member = &mut self.members[name];
        (member.in_call, member.used) = (false, now);
        for (serial, count) in member.pending.drain(..) {
            member.count = count;
            self.sent[serial].done += 1;
        }
    }

    pub fn crashes(&mut self, name: Name) {
        self.note(format!("{name} crashes"));
        let member = &mut self.members[name];
        (member.in_call, member.crashes) = (false, member.crashes + 1);
        member.pending.clear();
        self.seen.insert("a member crashed");
    }

    /// The call was dropped half-way.
    pub fn is_cut_off(&mut self, name: Name) {
        let allowed = self.ends || self.members[name].halts;
        self.must(allowed, || format!("{name} is cut off, and did not fail"));
        self.seen.insert("a life ended in a turn");
        self.members[name].pending.clear();
    }

    pub fn asks(&mut self, name: Name) {
        self.members[name].has_lent = true;
        self.seen.insert("a member asked another one");
    }

    /// A member is gone from the store.
    pub fn is_removed(&mut self, name: Name, count: u64) {
        let (now, used, expire) = (self.now, self.members[name].used, self.play.expire);
        if count > 0 {
            // The time is kept in whole seconds.
            let expires = expire.is_some_and(|after| now + Duration::from_secs(1) >= used + after);
            self.must(expires, || {
                format!("{name} is gone, its state counts {count}, and it was in use at {used:?}: {expire:?}")
            });
            self.seen.insert("a member expired");
        } else {
            self.seen.insert("a member that kept nothing is gone");
        }
        let member = &mut self.members[name];
        (member.count, member.from_store) = (0, false);
        self.note(format!("{name} is gone from the store"));
    }
}
