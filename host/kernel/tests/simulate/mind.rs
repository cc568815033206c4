//! The properties of a simulated mailbox policy: plain data from the dice.

use std::time::Duration;

use playhouse_kernel::{Backoff, Overflow, WhenFull};

use crate::dice::Dice;

/// The properties of a policy.
#[derive(Clone, Copy)]
pub struct Mind {
    pub when_full: WhenFull,
    pub overflow: Option<Overflow>,
    /// First in, first out: only its crashes could change the order, and they may not.
    pub orderly: bool,
    /// In percent of its calls: it crashes, hangs, or breaks the contract.
    pub fault: usize,
    /// It takes time.
    pub slow: usize,
    /// It drops messages that would fit.
    pub abandon: usize,
    pub overtakes: u64,
    pub timeout: Duration,
    pub backoff: Backoff,
    pub intensity: u32,
}

impl Mind {
    pub fn roll(dice: &mut Dice) -> Self {
        Self {
            when_full: dice.pick(&[WhenFull::Block, WhenFull::Reject, WhenFull::DropNewest, WhenFull::Choose]),
            overflow: dice.percent(20).then(|| dice.pick(&[Overflow::Block, Overflow::Reject, Overflow::DropNewest])),
            orderly: dice.percent(40),
            fault: dice.pick(&[0, 2, 10, 60]),
            slow: dice.pick(&[0, 0, 20]),
            abandon: dice.pick(&[0, 0, 0, 5]),
            overtakes: dice.pick(&[0, 3, 10_000]),
            timeout: dice.millis(5, 30),
            backoff: Backoff { initial: dice.millis(0, 5), max: dice.millis(0, 30) },
            intensity: dice.pick(&[0, 3, 10, 1000]),
        }
    }
}
