//! A random play: its actors and their limits, the crowds that send from outside, the operator that stops and starts actors,
//! and its end. Plain data from a seed. The effect of each message is rolled when an actor handles it.

use std::time::Duration;

use playhouse_kernel::{
    Address, Backoff, DeadLetterSpec, MailboxSpec, Overflow, RestartKind, RestartSpec, StartKind, Strategy,
    SupervisionSpec,
};

use crate::dice::Dice;
use crate::mind::Mind;

/// An actor by its place in the plan.
pub type Who = usize;

pub struct Play {
    pub seed: u64,
    pub roles: Vec<Role>,
    pub supervision: SupervisionSpec,
    pub dead_letters: DeadLetterSpec,
    /// Number of incarnations that may live at a time.
    pub most_instances: Option<usize>,
    /// Each crowd sends one message after another, and all crowds send at the same time.
    pub crowds: Vec<Vec<Deed>>,
    pub operator: Vec<Whim>,
    pub ending: Ending,
    /// In percent: the probability of each fault in this play.
    pub weather: Weather,
}

pub struct Role {
    pub address: Address,
    pub parent: Option<Who>,
    pub leaf: bool,
    /// Receivers within its grants at any time.
    pub targets: Vec<Who>,
    /// Records in bulk, like a runtime that takes a whole batch at once.
    pub bulk: bool,
    pub start: StartKind,
    pub idle_stop: Option<Duration>,
    /// Its code sometimes refuses to start.
    pub gated: bool,
    /// More than one only for leaves.
    pub instances: usize,
    pub batch: usize,
    pub mailbox: MailboxSpec,
    /// Decides the order of its mailbox.
    pub mind: Option<Mind>,
    /// Bounds on it and all its descendants.
    pub subtree: Option<Subtree>,
    pub restart: RestartSpec,
    pub supervision: SupervisionSpec,
    pub timeout: Duration,
}

/// The bounds of an actor and all its descendants.
#[derive(Clone)]
pub struct Subtree {
    pub members: Vec<Who>,
    pub most_instances: usize,
    /// The part of these bounds that its mailboxes' policies use, as long as none is given up.
    pub policies: usize,
}

#[derive(Clone, Copy, Default)]
pub struct Weather {
    /// A message has a bad temper.
    pub temper: usize,
    /// All bad tempers are this one.
    pub fashion: Option<Temper>,
    /// A handler crashes, and no message is the cause.
    pub crash: usize,
    /// `launch`, `init` or `shutdown` has a fault.
    pub hook: usize,
    /// A step of a handler takes time.
    pub slow: usize,
    /// `handle` returns before all messages have an outcome.
    pub early: usize,
}

/// The effect of a message on its actor, and the number of messages that may follow from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plot {
    pub temper: Temper,
    /// Generations of messages that may follow.
    pub fuel: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Temper {
    Calm,
    /// Crashes every actor that handles it.
    Poison,
    /// Crashes the first actor that handles it.
    Shock,
    Rejected,
    Retried,
    RetriedOnce,
}

const TEMPERS: [Temper; 5] = [Temper::Poison, Temper::Shock, Temper::Rejected, Temper::Retried, Temper::RetriedOnce];

impl Plot {
    pub fn roll(dice: &mut Dice, weather: Weather, fuel: u8) -> Self {
        let bad = weather.fashion.unwrap_or_else(|| dice.pick(&TEMPERS));
        let temper = if dice.percent(weather.temper) { bad } else { Temper::Calm };
        Self { temper, fuel }
    }
}

pub enum Deed {
    Tell { to: Who, plot: Plot, patience: Duration },
    Ask { to: Who, plot: Plot, timeout: Duration },
    Pause(Duration),
}

pub enum Whim {
    Halt(Who),
    Resume(Who),
    Pause(Duration),
}

#[derive(Clone, Copy, Debug)]
pub enum Ending {
    /// When no work is left: an orderly shutdown.
    WhenIdle,
    /// An orderly shutdown in the middle of the work, and perhaps a kill some time later.
    Shutdown { after: Duration, kill: Option<Duration> },
    /// A kill in the middle of the work.
    Kill { after: Duration },
}

impl Play {
    pub fn roll(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0);
        let weather = weather(&mut dice);
        let roles = roles(&mut dice);
        let count = roles.len();
        let most = dice.pick(&[6, 12, 12, 40]);
        let crowds = (0..dice.between(1, 4)).map(|_| crowd(&mut dice, count, weather, most)).collect();
        let busy_operator = dice.percent(50);
        let operator = if busy_operator { operator(&mut dice, count) } else { Vec::new() };
        let after = dice.millis(0, 120);
        let ending = match dice.below(10) {
            0..6 => Ending::WhenIdle,
            6..8 => Ending::Shutdown { after, kill: None },
            8 => Ending::Shutdown { after, kill: Some(dice.millis(0, 200)) },
            _ => Ending::Kill { after },
        };
        let dead_letters = if dice.percent(20) {
            DeadLetterSpec { capacity: dice.between(1, 8), ..DeadLetterSpec::default() }
        } else {
            DeadLetterSpec::default()
        };
        let supervision = supervision(&mut dice);
        let most_instances = most_instances(&mut dice, &roles);
        Self { seed, roles, supervision, dead_letters, most_instances, crowds, operator, ending, weather }
    }

    /// The times that all actors together may take to stop.
    pub fn time_to_stop(&self) -> Duration {
        let of = |role: &Role| {
            role.parent.map_or(self.supervision, |parent| self.roles[parent].supervision).shutdown
                * role.instances as u32
        };
        self.roles.iter().map(of).sum()
    }
}

/// A bound that some actors may have to wait for, but above the number of instances that never leave.
fn most_instances(dice: &mut Dice, roles: &[Role]) -> Option<usize> {
    let (stay, go) = stay_and_go(roles.iter());
    (go > 0 && dice.percent(50)).then(|| stay + dice.between(1, go))
}

/// The number of instances that never leave, and of those that may leave.
fn stay_and_go<'a>(roles: impl Iterator<Item = &'a Role>) -> (usize, usize) {
    let (mut stay, mut go) = (0, 0);
    for role in roles {
        *(if role.leaf && role.idle_stop.is_some() { &mut go } else { &mut stay }) += role.instances;
    }
    (stay, go)
}

/// As low as [`most_instances`], with the instances of the mailboxes' policies.
fn subtree(dice: &mut Dice, roles: &[Role], top: Who) -> Subtree {
    let top = &roles[top].address;
    let is_member = |who: &Who| roles[*who].address == *top || roles[*who].address.is_below(top);
    let members: Vec<_> = (0..roles.len()).filter(is_member).collect();
    let (stay, go) = stay_and_go(members.iter().map(|&who| &roles[who]));
    let policies = members.iter().filter(|&&who| roles[who].mind.is_some()).count();
    let most_instances = stay + policies + if go > 0 { dice.between(1, go) } else { 0 };
    Subtree { members, most_instances, policies }
}

fn weather(dice: &mut Dice) -> Weather {
    if dice.percent(15) {
        return Weather { slow: dice.below(30), ..Weather::default() };
    }
    Weather {
        temper: dice.pick(&[5, 15, 30, 60, 90]),
        fashion: dice.percent(25).then(|| dice.pick(&TEMPERS)),
        crash: dice.pick(&[0, 0, 3, 10]),
        hook: dice.pick(&[0, 0, 5, 15]),
        slow: dice.below(40),
        early: dice.pick(&[0, 5, 20]),
    }
}

fn roles(dice: &mut Dice) -> Vec<Role> {
    let count = dice.between(1, 6);
    let mut roles: Vec<Role> = Vec::new();
    for who in 0..count {
        let depth = |roles: &[Role], parent: Who| roles[parent].address.as_str().matches('/').count();
        let parent = (who > 0 && dice.percent(50)).then(|| dice.below(who)).filter(|&p| depth(&roles, p) < 3);
        let below = parent.map_or(String::new(), |p| roles[p].address.to_string());
        let address = Address::parse(&format!("{below}/{}", char::from(b'a' + who as u8))).expect("a good address");
        if let Some(parent) = parent {
            roles[parent].leaf = false;
        }
        roles.push(role(dice, address, parent, count));
    }
    for role in roles.iter_mut().filter(|role| !role.leaf && role.start == StartKind::OnMessage) {
        role.start = StartKind::Auto;
    }
    for role in roles.iter_mut().filter(|role| role.leaf) {
        role.instances = dice.pick(&[1, 1, 1, 2, 3]);
    }
    for role in &mut roles {
        role.mind = dice.percent(30).then(|| Mind::roll(dice));
    }
    for who in 0..count {
        roles[who].subtree = dice.percent(20).then(|| subtree(dice, &roles, who));
    }
    roles
}

fn role(dice: &mut Dice, address: Address, parent: Option<Who>, count: usize) -> Role {
    Role {
        address,
        parent,
        leaf: true,
        targets: (0..count).filter(|_| dice.percent(45)).collect(),
        bulk: dice.percent(30),
        start: match dice.below(10) {
            0 => StartKind::Manual,
            1 => StartKind::OnMessage,
            _ => StartKind::Auto,
        },
        idle_stop: dice.percent(30).then(|| dice.millis(0, 40)),
        gated: dice.percent(15),
        instances: 1,
        batch: dice.pick(&[1, 2, 3, 8, 64]),
        mailbox: MailboxSpec {
            capacity: dice.pick(&[1, 2, 4, 8, 1024]),
            capacity_bytes: dice.pick(&[100, 400, 1 << 20]),
            overflow: dice.pick(&[
                Overflow::Block,
                Overflow::Block,
                Overflow::Reject,
                Overflow::DropNewest,
                Overflow::DropOldest,
            ]),
            block_timeout: dice.millis(0, 60),
            ..MailboxSpec::default()
        },
        mind: None,
        subtree: None,
        restart: RestartSpec {
            kind: dice.pick(&[
                RestartKind::Permanent,
                RestartKind::Permanent,
                RestartKind::Permanent,
                RestartKind::Transient,
                RestartKind::Temporary,
            ]),
            attempts: dice.between(1, 4) as u32,
            backoff: Backoff { initial: dice.millis(0, 10), max: dice.millis(0, 60) },
            cooldown: dice.percent(60).then(|| dice.millis(0, 100)),
        },
        supervision: supervision(dice),
        timeout: dice.millis(10, 60),
    }
}

fn supervision(dice: &mut Dice) -> SupervisionSpec {
    SupervisionSpec {
        strategy: dice.pick(&[Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne]),
        intensity: dice.pick(&[0, 1, 3, 10, 1000]),
        period: dice.millis(10, 2000),
        shutdown: dice.millis(1, 200),
    }
}

fn crowd(dice: &mut Dice, count: usize, weather: Weather, most: usize) -> Vec<Deed> {
    let deed = |dice: &mut Dice| {
        let to = dice.below(count);
        let fuel = dice.below(4) as u8;
        let plot = Plot::roll(dice, weather, fuel);
        match dice.below(20) {
            0..13 => Deed::Tell { to, plot, patience: dice.millis(0, 40) },
            13..16 => Deed::Ask { to, plot, timeout: dice.millis(0, 100) },
            _ => Deed::Pause(dice.millis(0, 15)),
        }
    };
    (0..dice.between(1, most)).map(|_| deed(dice)).collect()
}

fn operator(dice: &mut Dice, count: usize) -> Vec<Whim> {
    let whim = |dice: &mut Dice| match dice.below(7) {
        0..2 => Whim::Halt(dice.below(count)),
        2..4 => Whim::Resume(dice.below(count)),
        _ => Whim::Pause(dice.millis(0, 30)),
    };
    (0..dice.between(1, 12)).map(|_| whim(dice)).collect()
}
