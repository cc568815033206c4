//! The numbers of a mailbox that are gone. Messages are mostly taken in order, so that these are all numbers below one, and few
//! others.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of numbers from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    /// All numbers below this one are in the set, and this one is not.
    below: u64,
    /// Ranges above, from their first number to the one after their last. They do not touch each other.
    later: BTreeMap<u64, u64>,
}

impl Default for Taken {
    fn default() -> Self {
        Self { below: 1, later: BTreeMap::new() }
    }
}

impl Taken {
    /// The smallest number that is not in the set.
    pub(crate) fn below(&self) -> u64 {
        self.below
    }

    /// How many of the numbers up to this one are not in the set.
    pub(crate) fn missing_up_to(&self, last: u64) -> u64 {
        let later: u64 = self.later.iter().map(|(start, end)| end - start).sum();
        (last + 1).saturating_sub(self.below).saturating_sub(later)
    }

    /// The numbers up to this one that are not in the set, in order.
    pub(crate) fn missing_ranges(&self, last: u64) -> Vec<Range<u64>> {
        let (mut ranges, mut next) = (Vec::new(), self.below);
        for (start, end) in &self.later {
            ranges.push(next..*start);
            next = *end;
        }
        ranges.push(next..last + 1);
        ranges.retain(|range| range.start < range.end && range.end <= last + 1);
        ranges
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        number < self.below || self.later.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    /// Whether one of the numbers is in the set.
    pub(crate) fn has_any_of(&self, numbers: &Range<u64>) -> bool {
        let before_end = || self.later.range(..numbers.end).next_back();
        numbers.start < self.below || before_end().is_some_and(|(_, end)| numbers.start < *end)
    }

    /// The first of these numbers that is not in the set.
    pub(crate) fn first_missing(&self, numbers: Range<u64>) -> Option<u64> {
        let mut at = numbers.start.max(self.below);
        if let Some((_, end)) = self.later.range(..=at).next_back() {
            at = at.max(*end);
        }
        (at < numbers.end).then_some(at)
    }

    /// Adds numbers; false, and nothing is added, when one of them is in the set already.
    pub(crate) fn insert(&mut self, numbers: Range<u64>) -> bool {
        if numbers.is_empty() {
            return true;
        }
        if self.has_any_of(&numbers) {
            return false;
        }
        let Range { mut start, mut end } = numbers;
        if let Some((&before, &until)) = self.later.range(..start).next_back()
            && until == start
        {
            start = before;
        }
        if let Some(after) = self.later.remove(&end) {
            end = after;
        }
        if start == self.below {
            self.below = end;
        } else {
            self.later.insert(start, end);
        }
        true
    }

    /// The ranges above [`Taken::below`], as bytes.
    pub(crate) fn later(&self) -> Vec<u8> {
        self.later.iter().flat_map(|(start, end)| [*start, *end]).flat_map(u64::to_le_bytes).collect()
    }

    /// The set that these make; none if they make none.
    pub(crate) fn read(below: u64, later: &[u8]) -> Option<Self> {
        let mut set = Self { below, later: BTreeMap::new() };
        let (words, rest) = later.as_chunks::<8>();
        let (pairs, odd) = words.as_chunks::<2>();
        let mut last = below;
        for [start, end] in pairs {
            let (start, end) = (u64::from_le_bytes(*start), u64::from_le_bytes(*end));
            if start <= last || end <= start {
                return None;
            }
            set.later.insert(start, end);
            last = end;
        }
        (below > 0 && rest.is_empty() && odd.is_empty()).then_some(set)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_in_order_need_no_ranges() {
        let mut taken = Taken::default();
        assert!(taken.insert(1..5) && taken.insert(5..6));
        assert_eq!((taken.below(), taken.later()), (6, Vec::new()));
        assert!(!taken.insert(5..7), "5 is gone already");
        assert!(taken.insert(8..9) && taken.insert(6..8));
        assert_eq!((taken.below(), taken.later()), (9, Vec::new()));
    }

    #[test]
    fn bytes_that_make_no_set_are_refused() {
        let bytes = |numbers: &[u64]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
        assert!(Taken::read(5, &bytes(&[7, 9, 10, 11])).is_some());
        assert!(Taken::read(5, &bytes(&[5, 9])).is_none(), "it touches the numbers below");
        assert!(Taken::read(5, &bytes(&[9, 7])).is_none());
        assert!(Taken::read(5, &bytes(&[7, 9, 8, 10])).is_none());
        assert!(Taken::read(5, &bytes(&[7])).is_none());
        assert!(Taken::read(0, &[]).is_none());
    }

    proptest! {
        #[test]
        fn it_is_a_set(ranges in prop::collection::vec((1_u64..60, 0_u64..6), 0..40)) {
            let (mut taken, mut model) = (Taken::default(), BTreeSet::new());
            for (start, length) in ranges {
                let numbers = start..start + length;
                let is_new = !numbers.clone().any(|number| model.contains(&number));
                prop_assert_eq!(taken.insert(numbers.clone()), is_new);
                if is_new {
                    model.extend(numbers);
                }
                prop_assert_eq!(Taken::read(taken.below(), &taken.later()), Some(taken.clone()));
            }
            prop_assert_eq!(taken.missing_up_to(99), 99 - model.len() as u64);
            let missing: Vec<u64> = taken.missing_ranges(99).into_iter().flatten().collect();
            prop_assert_eq!(missing, (1..=99).filter(|number| !model.contains(number)).collect::<Vec<_>>());
            for number in 1..80 {
                prop_assert_eq!(taken.contains(number), model.contains(&number), "{}", number);
                let missing = (number..number + 4).find(|at| !model.contains(at));
                prop_assert_eq!(taken.first_missing(number..number + 4), missing);
                prop_assert_eq!(taken.has_any_of(&(number..number + 3)), (number..number + 3).any(|at| model.contains(&at)));
            }
        }
    }
}
