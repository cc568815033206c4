//! A random play, as plain data.

use std::time::Duration;

use playhouse_kernel::{Address, Backoff, Overflow};

use crate::dice::Dice;
use crate::disk::Writes;

/// An actor by its place in the plan.
pub type Who = usize;

pub struct Role {
    pub address: Address,
    pub kind: Kind,
    pub targets: Vec<Who>,
    pub instances: usize,
    pub batch: usize,
    pub capacity: usize,
    /// Most bytes of its messages in memory.
    pub memory: usize,
    pub overflow: Overflow,
    pub block_timeout: Duration,
    pub attempts: u32,
    pub backoff: Backoff,
    pub idle_stop: Option<Duration>,
    /// The bytes of the cache of its keyed state; none for an actor without.
    pub state: Option<usize>,
    /// The actor that may spawn it; none for an actor of the plan.
    pub parent: Option<Who>,
    /// Whether it watches others, and whether it gets reports of outcomes.
    pub watches: bool,
    pub calls_back: bool,
    /// Whether it is a member of the family `/user/*`.
    pub is_member: bool,
}

impl Role {
    /// Whether another actor may have had its address before: then that one was removed.
    pub fn comes_and_goes(&self) -> bool {
        self.parent.is_some() || self.is_member
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Stored,
    /// Stored, and its code reaches outside.
    Outside,
    Memory,
}

pub enum Deed {
    Tell(Who, u8),
    Ask(Who, u8),
    Halt(Who),
    Resume(Who),
    /// An operator drops messages that wait, each with this chance in percent.
    Drop(Who, usize),
    Pause(Duration),
}

#[derive(Clone, Copy, Debug)]
pub enum End {
    /// The host dies.
    Crash(Duration),
    /// An orderly stop, which may be cut off.
    Stop(Duration),
}

pub struct Play {
    /// Those of the plan first, then their children, and then the members of the family.
    pub roles: Vec<Role>,
    /// Most members with an instance.
    pub live: usize,
    /// For each life, the senders outside.
    pub crowds: Vec<Vec<Vec<Deed>>>,
    pub ends: Vec<End>,
    /// In percent: a message that crashes, rejects or retries; a slow step.
    pub temper: usize,
    pub slow: usize,
    pub writes: Writes,
    /// By how many milliseconds the world's clock jumps before each life, forward or back.
    pub jumps: Vec<i64>,
}

impl Play {
    /// The children that an actor may spawn.
    pub fn children_of(&self, parent: Who) -> impl Iterator<Item = Who> {
        (0..self.roles.len()).filter(move |&who| self.roles[who].parent == Some(parent))
    }

    pub fn roll(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0);
        let count = dice.between(1, 5);
        let mut roles: Vec<_> = (0..count).map(|who| role(&mut dice, who, count)).collect();
        children(&mut dice, &mut roles);
        let mut hooks = Dice::new(seed, 3);
        for role in &mut roles {
            let is_stored = role.kind != Kind::Memory;
            (role.watches, role.calls_back) =
                (hooks.percent(40) && is_stored && role.instances == 1, hooks.percent(30));
        }
        let lives = dice.between(1, 4);
        let crowds = (0..lives).map(|_| (0..dice.between(1, 3)).map(|_| crowd(&mut dice, count)).collect()).collect();
        let ends = (0..lives - 1).map(|_| match dice.below(4) {
            0 => End::Stop(dice.millis(0, 40)),
            _ => End::Crash(dice.millis(0, 40)),
        });
        let mut play = Self {
            roles,
            live: 1,
            crowds,
            ends: ends.collect(),
            temper: dice.pick(&[0, 5, 20, 50]),
            slow: dice.below(40),
            writes: Writes {
                full: dice.pick(&[0, 0, 0, 20]),
                fails: dice.pick(&[0, 0, 0, 3]),
                takes: dice.pick(&[(0, 0), (0, 2), (1, 10)]),
            },
            jumps: (0..lives).map(|_| dice.pick(&[0, 0, 0, 0, 0, 30, -30, DAY_MS, -DAY_MS])).collect(),
        };
        // By dice of their own, so that other plays are as they were.
        members(&mut Dice::new(seed, 3), &mut play, count);
        play
    }
}

/// A day, in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn role(dice: &mut Dice, who: Who, count: usize) -> Role {
    let role = role_without_state(dice, who, count);
    let state = dice.pick(&[None, Some(0), Some(300), Some(1 << 20)]);
    Role { state: state.filter(|_| role.kind != Kind::Memory && role.instances == 1), ..role }
}

/// Stored actors with one instance may have children: each sends to actors to which its parent may send, and its parent to it.
fn children(dice: &mut Dice, roles: &mut Vec<Role>) {
    let count = roles.len();
    for parent in 0..count {
        let may_spawn = roles[parent].kind != Kind::Memory && roles[parent].instances == 1;
        if !may_spawn || !dice.percent(40) {
            continue;
        }
        for name in 0..dice.between(1, 2) {
            let child = role_without_state(dice, parent, count);
            let targets = roles[parent].targets.iter().copied().filter(|&to| to < count && to != parent).collect();
            let address = roles[parent].address.child(&format!("k{name}")).unwrap();
            let kind = dice.pick(&[Kind::Stored, Kind::Stored, Kind::Stored, Kind::Outside]);
            let who = roles.len();
            roles.push(Role { address, kind, targets, instances: 1, parent: Some(parent), ..child });
            roles[parent].targets.push(who);
        }
    }
}

/// In some plays, members of a family: actors send to them and they to actors, and so do senders outside.
fn members(dice: &mut Dice, play: &mut Play, count: usize) {
    if !dice.percent(35) {
        return;
    }
    let first = play.roles.len();
    let names = dice.between(1, 4);
    let kind = dice.pick(&[Kind::Stored, Kind::Stored, Kind::Stored, Kind::Outside]);
    let state = dice.pick(&[None, None, Some(0), Some(300)]);
    let idle_stop = dice.millis(0, 20);
    play.live = dice.between(1, 3);
    // All members have the settings of the family.
    let family = role_without_state(dice, 0, count);
    for name in 0..names {
        let address = Address::parse(&format!("/user/{name}")).unwrap();
        let targets = (0..first + names).filter(|&to| to < count || to >= first).filter(|_| dice.percent(60)).collect();
        let idle_stop = Some(idle_stop);
        play.roles.push(Role { address, kind, targets, idle_stop, state, instances: 1, is_member: true, ..family });
    }
    // A child sends to no actor that its parent may not send to.
    for role in play.roles[..first].iter_mut().filter(|role| role.parent.is_none()) {
        role.targets.extend((first..first + names).filter(|_| dice.percent(50)));
    }
    for deed in play.crowds.iter_mut().flatten().flatten() {
        if let Deed::Tell(who, _) | Deed::Ask(who, _) | Deed::Halt(who) | Deed::Resume(who) | Deed::Drop(who, _) = deed
            && dice.percent(30)
        {
            *who = dice.between(first, first + names - 1);
        }
    }
}

fn role_without_state(dice: &mut Dice, who: Who, count: usize) -> Role {
    Role {
        address: Address::parse(&format!("/{}", char::from(b'a' + who as u8))).unwrap(),
        kind: dice.pick(&[Kind::Stored, Kind::Stored, Kind::Stored, Kind::Outside, Kind::Memory]),
        targets: (0..count).filter(|_| dice.percent(60)).collect(),
        instances: dice.pick(&[1, 1, 1, 2]),
        batch: dice.pick(&[1, 2, 8, 64]),
        capacity: dice.pick(&[1, 2, 8, 1024]),
        memory: dice.pick(&[0, 200, 500, 4 << 20]),
        overflow: dice.pick(&[Overflow::Block, Overflow::Block, Overflow::Reject, Overflow::DropNewest]),
        block_timeout: dice.millis(0, 60),
        attempts: dice.between(1, 4) as u32,
        backoff: Backoff { initial: dice.millis(0, 10), max: dice.millis(0, 30) },
        idle_stop: dice.percent(20).then(|| dice.millis(0, 20)),
        state: None,
        parent: None,
        watches: false,
        calls_back: false,
        is_member: false,
    }
}

fn crowd(dice: &mut Dice, count: usize) -> Vec<Deed> {
    let deed = |dice: &mut Dice| {
        let (to, fuel) = (dice.below(count), dice.below(4) as u8);
        match dice.below(25) {
            0..14 => Deed::Tell(to, fuel),
            14..17 => Deed::Ask(to, fuel),
            17 => Deed::Halt(to),
            18 => Deed::Resume(to),
            19 => Deed::Drop(to, dice.pick(&[20, 60, 100])),
            _ => Deed::Pause(dice.millis(0, 10)),
        }
    };
    (0..dice.between(1, 12)).map(|_| deed(dice)).collect()
}
