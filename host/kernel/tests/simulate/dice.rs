//! Random numbers from a seed (`SplitMix64`), so that a play can be repeated.

use std::time::Duration;

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    /// Independent dice for each `salt` of one seed.
    pub fn new(seed: u64, salt: u64) -> Self {
        Self(mix(mix(seed.wrapping_add(STEP)).wrapping_add(salt.wrapping_mul(STEP))))
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// From 0 to `end`, without `end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.roll()) * end as u128) >> 64) as usize
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// In steps of a hundred microseconds, so that times that fall together and times that do not both occur.
    pub fn millis(&mut self, low: usize, high: usize) -> Duration {
        Duration::from_micros(100 * self.between(low * 10, high * 10) as u64)
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
