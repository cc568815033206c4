//! Random numbers from a seed (`SplitMix64`): the same seed and the same events give the same pauses.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The distance between the positions of two consecutive numbers.
pub(crate) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number at a position of the sequence.
fn at(position: u64) -> u64 {
    let mut z = position;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The duration at a position: from zero to less than `ceiling`.
pub(crate) fn duration_below(position: u64, ceiling: Duration) -> Duration {
    let bound = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(((u128::from(at(position)) * u128::from(bound)) >> 64) as u64)
}

/// A position in the sequence that many tasks take from.
pub(crate) struct Jitter(AtomicU64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A random pause below `ceiling`.
    pub(crate) fn below(&self, ceiling: Duration) -> Duration {
        duration_below(self.0.fetch_add(STEP, Ordering::Relaxed), ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_spread_over_the_whole_range() {
        let ceiling = Duration::from_secs(1);
        let mut tenths = [0; 10];
        for n in 0..10_000u64 {
            tenths[duration_below(n.wrapping_mul(STEP), ceiling).as_millis() as usize / 100] += 1;
        }
        assert!(tenths.iter().all(|&n| (800..1200).contains(&n)), "{tenths:?}");
        assert_eq!(duration_below(1, Duration::ZERO), Duration::ZERO);
    }
}
