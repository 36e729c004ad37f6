//! When a breaker opens, for how long, and what closes it.

use std::time::Duration;

use crate::mix::{fraction, mix};

/// The rules of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// So many failures in a row open it; 0 never.
    pub failures: u32,
    /// How long it stays open the first time, give or take 10 %. At least a millisecond.
    pub open: Duration,
    /// Each failed probe doubles the time, up to this, give or take 10 %.
    pub longest: Duration,
    /// So many calls at a time are let through while it is half-open; 0 counts as 1.
    pub probes: u8,
    /// So many of them must succeed, with no failure among them, to close it; 0 counts as 1.
    pub successes: u8,
}

impl Default for Rules {
    /// Opens after 5 failures for 5 s, up to 1 min; one probe at a time, and one is enough.
    fn default() -> Self {
        Self {
            failures: 5,
            open: Duration::from_secs(5),
            longest: Duration::from_secs(60),
            probes: 1,
            successes: 1,
        }
    }
}

impl Rules {
    /// How long it is open after so many doublings: from 90 % to 110 % of what it should be,
    /// by `chance`, in whole milliseconds, so that the word can keep it exactly.
    pub(super) fn length(&self, doublings: u8, chance: u64) -> Duration {
        let factor = 1_u32.checked_shl(doublings.into()).unwrap_or(u32::MAX);
        let longest = self.longest.max(self.open);
        // Ten years: longer than any process runs, and far from where the arithmetic overflows.
        let most = longest.min(Duration::from_secs(10 * 365 * 24 * 3600));
        let length = self.open.saturating_mul(factor).min(most);
        let length = length.mul_f64(0.9 + 0.2 * fraction(mix(chance)));
        Duration::from_millis(super::millis(length).max(1))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_time_doubles_up_to_the_longest() {
        let rules = Rules::default();
        for (doublings, seconds) in [5, 10, 20, 40, 60, 60].into_iter().enumerate() {
            let mean = (0..1000)
                .map(|chance| rules.length(u8::try_from(doublings).unwrap(), chance))
                .sum::<Duration>()
                / 1000;
            let nominal = Duration::from_secs(seconds);
            assert!(mean.abs_diff(nominal) < nominal / 50, "{mean:?} for {nominal:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_within_a_tenth_and_never_zero(
            open in any::<u32>(), doublings: u8, chance: u64,
        ) {
            let open = Duration::from_millis(open.into());
            let rules = Rules { open, longest: 3 * open, ..Rules::default() };
            let nominal = match doublings { 0 => open, 1 => 2 * open, _ => 3 * open };
            let length = rules.length(doublings, chance);
            let slack = nominal / 10 + Duration::from_millis(1);
            prop_assert!(length.abs_diff(nominal) <= slack);
            prop_assert!(!length.is_zero());
        }
    }

    #[test]
    fn nothing_overflows() {
        let rules = Rules { open: Duration::MAX, longest: Duration::ZERO, ..Rules::default() };
        assert!(rules.length(u8::MAX, u64::MAX) > Duration::from_secs(9 * 365 * 24 * 3600));
        let rules = Rules { open: Duration::ZERO, longest: Duration::MAX, ..rules };
        assert_eq!(rules.length(u8::MAX, 0), Duration::from_millis(1));
    }
}
