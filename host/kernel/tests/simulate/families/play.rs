//! A random play with a family, as plain data.

use std::time::Duration;

use crate::dice::Dice;
use crate::disk::Writes;

/// A message by the number that it got when it was sent. Its body carries that number.
pub type Serial = usize;

/// A member by its name, which is this number.
pub type Name = usize;

pub struct Play {
    pub seed: u64,
    /// The names of members to which messages are sent, from 0 on.
    pub names: usize,
    pub live: usize,
    /// Most members that exist.
    pub most: usize,
    /// Whether the members, and the actors that send to them, are stored.
    pub is_stored: bool,
    pub expire: Option<Duration>,
    pub idle_stop: Duration,
    pub batch: usize,
    pub attempts: u32,
    pub cooldown: Duration,
    /// How many members a second senders outside, the actor `/maker` and members may make; none: they may not.
    pub outside_makes: Option<u32>,
    pub maker_makes: Option<u32>,
    pub members_make: Option<u32>,
    pub writes: Writes,
    pub lives: Vec<Life>,
}

pub struct Life {
    /// Each crowd does one deed after another, and all crowds at the same time.
    pub crowds: Vec<Vec<Deed>>,
    /// None for the last one, which goes on until all is done.
    pub end: Option<End>,
}

#[derive(Clone, Copy)]
pub enum End {
    /// The host dies.
    Crash(Duration),
    /// An orderly stop.
    Stop(Duration),
}

pub enum Deed {
    Tell(By, Name, Work),
    Ask(Name, Work),
    Halt(Name),
    Resume(Name),
    Pause(Duration),
}

/// The sender of a message for a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Outside,
    Maker,
    /// An actor that may send to members, and may not make them.
    Stranger,
    Member(Name),
}

/// The work of a member on a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    Calm,
    /// Removes the member's state.
    Forget,
    /// Crashes the member each time.
    Poison,
    /// Crashes the member the first time.
    Shock,
    Rejected,
    /// Is tried again once.
    Retried,
    /// Takes some time.
    Slow,
    Tell(Name),
    Ask(Name),
    /// Sets a timer that tells a member.
    Timer(Name),
}

/// Numbers of creations without a bound.
const ANY: u32 = 100_000;

impl Play {
    pub fn roll(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0);
        let names = dice.between(1, 6);
        let is_stored = dice.percent(75);
        let lives = if is_stored { dice.between(1, 3) } else { 1 };
        let bad = dice.pick(&[0, 10, 30, 60]);
        let batch = dice.pick(&[1, 1, 4]);
        let rate = |dice: &mut Dice| dice.pick(&[1, 2, ANY, ANY, ANY]);
        let life = |dice: &mut Dice, is_last: bool| {
            let crowds = (0..dice.between(1, 3)).map(|_| crowd(dice, names, bad)).collect();
            let after = dice.millis(0, 300);
            let end = if dice.percent(70) { End::Crash(after) } else { End::Stop(after) };
            Life { crowds, end: (!is_last).then_some(end) }
        };
        let mut play = Self {
            seed,
            names,
            live: dice.between(1, 3),
            most: dice.between(1, names + 1),
            is_stored,
            expire: (is_stored && dice.percent(50)).then(|| Duration::from_secs(dice.between(2, 8) as u64)),
            idle_stop: dice.millis(0, 200),
            batch,
            attempts: dice.between(1, 3) as u32,
            cooldown: dice.millis(100, 2000),
            outside_makes: dice.percent(75).then(|| rate(&mut dice)),
            maker_makes: dice.percent(75).then(|| rate(&mut dice)),
            members_make: dice.percent(50).then(|| rate(&mut dice)),
            writes: Writes { full: dice.pick(&[0, 0, 0, 10]), fails: 0, takes: dice.pick(&[(0, 0), (0, 2), (1, 10)]) },
            lives: (1..=lives).map(|number| life(&mut dice, number == lives)).collect(),
        };
        // An ask commits a part of its batch, and does not say whether it did.
        for deed in play.lives.iter_mut().flat_map(|life| &mut life.crowds).flatten().filter(|_| batch > 1) {
            if let Deed::Tell(_, _, work) | Deed::Ask(_, work) = deed
                && let Work::Ask(to) = *work
            {
                *work = Work::Tell(to);
            }
        }
        play
    }

    /// Whether a sender may make members.
    pub fn makes(&self, by: By) -> Option<u32> {
        match by {
            By::Outside => self.outside_makes,
            By::Maker => self.maker_makes,
            By::Stranger => None,
            By::Member(_) => self.members_make,
        }
    }
}

fn crowd(dice: &mut Dice, names: usize, bad: usize) -> Vec<Deed> {
    let deed = |dice: &mut Dice| {
        let to = dice.below(names);
        match dice.below(24) {
            0..13 => {
                let by = dice.pick(&[By::Outside, By::Outside, By::Maker, By::Maker, By::Stranger]);
                Deed::Tell(by, to, work(dice, names, bad))
            }
            13..16 => Deed::Ask(to, work(dice, names, bad)),
            16 => Deed::Halt(to),
            17 => Deed::Resume(to),
            18 => Deed::Pause(dice.millis(500, 12_000)),
            _ => Deed::Pause(dice.millis(0, 300)),
        }
    };
    (0..dice.between(2, 14)).map(|_| deed(dice)).collect()
}

fn work(dice: &mut Dice, names: usize, bad: usize) -> Work {
    let other = dice.below(names);
    if dice.percent(bad) {
        return dice.pick(&[Work::Poison, Work::Poison, Work::Shock, Work::Rejected, Work::Retried]);
    }
    let quiet = [Work::Calm, Work::Calm, Work::Calm, Work::Forget, Work::Slow];
    let busy = [Work::Slow, Work::Tell(other), Work::Ask(other), Work::Ask(other), Work::Timer(other)];
    if dice.percent(50) { dice.pick(&quiet) } else { dice.pick(&busy) }
}
