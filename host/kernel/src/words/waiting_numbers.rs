//! Numbers of messages in a stored mailbox.

use std::ops::Range;

/// The numbers of messages that wait in a stored mailbox, or of some of them, as the store has them at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaitingNumbers {
    /// Those of messages that wait in order. The ranges are in order, and no two of them share a number.
    pub in_order: Vec<Range<u64>>,
    /// Those of messages that are held until they are tried again, in order.
    pub held: Vec<u64>,
}

impl WaitingNumbers {
    /// How many they are.
    pub fn count(&self) -> u64 {
        count(&self.in_order) + self.held.len() as u64
    }

    /// Whether a number is one of them.
    pub fn contains(&self, number: u64) -> bool {
        let after = self.in_order.partition_point(|numbers| numbers.start <= number);
        let is_in_order = after > 0 && number < self.in_order[after - 1].end;
        is_in_order || self.held.binary_search(&number).is_ok()
    }

    /// All of them as ranges.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        let held = self.held.iter().map(|number| *number..number + 1);
        self.in_order.iter().cloned().chain(held).filter(|numbers| !numbers.is_empty())
    }
}

/// How many numbers are in ranges of which no two share one.
pub(crate) fn count(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|numbers| numbers.end.saturating_sub(numbers.start)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_ranges_and_among_held_ones() {
        let numbers = WaitingNumbers { in_order: vec![2..4, 7..8], held: vec![5, 9] };
        let found: Vec<_> = (0..12).filter(|number| numbers.contains(*number)).collect();
        assert_eq!((found, numbers.count()), (vec![2, 3, 5, 7, 9], 5));
        assert_eq!(numbers.ranges().collect::<Vec<_>>(), [2..4, 7..8, 5..6, 9..10]);
    }
}
