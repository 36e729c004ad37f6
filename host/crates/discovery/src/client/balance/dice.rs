//! Random numbers that threads share without a lock, and that a seed determines.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The step of Wyrand, the generator of [`fastrand`]: by steps of this size from one seed, each
/// generator starts where the one before ended, so that together they are one generator.
const STEP: u64 = 0x2d35_8dcc_aa6c_78a5;

/// A source of random numbers, shared by all threads that pick.
#[derive(Debug)]
pub struct Dice {
    state: AtomicU64,
}

impl Dice {
    /// The same seed gives the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    /// The next number.
    #[inline]
    #[must_use]
    pub fn roll(&self) -> u64 {
        fastrand::Rng::with_seed(self.state.fetch_add(STEP, Relaxed)).u64(..)
    }

    /// A number below `end`; 0 if `end` is 0. All are equally likely but for one part in 2³² or less,
    /// as long as `end` is below 2³².
    #[inline]
    #[must_use]
    pub fn below(&self, end: usize) -> usize {
        scale(self.roll(), end)
    }

    /// Two different numbers below `end`, which is at least 2.
    #[inline]
    #[must_use]
    pub(crate) fn two_below(&self, end: usize) -> (usize, usize) {
        let roll = self.roll();
        let first = scale(roll & 0xffff_ffff_0000_0000, end);
        let second = scale(roll << 32, end - 1);
        // The numbers without `first`, numbered again.
        (first, second + usize::from(second >= first))
    }
}

/// `roll` as a share of 2⁶⁴, of `end`.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the product's upper half is below `end`")]
fn scale(roll: u64, end: usize) -> usize {
    ((u128::from(roll) * end as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_one_generator() {
        let dice = Dice::new(42);
        let mut one = fastrand::Rng::with_seed(42);
        for _ in 0..100 {
            assert_eq!(dice.roll(), one.u64(..));
        }
    }

    #[test]
    fn two_are_never_the_same_and_all_pairs_occur() {
        let dice = Dice::new(1);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1_000 {
            let (first, second) = dice.two_below(4);
            assert!(first != second && first < 4 && second < 4);
            seen.insert((first, second));
        }
        assert_eq!(seen.len(), 12);
    }
}
