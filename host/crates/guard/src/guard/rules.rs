//! When a breaker opens, for how long, and what closes it.

use std::time::Duration;

use crate::mix::{fraction, mix};

/// The rules of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Failures in a row that open the breaker; 0 = never.
    pub failures: u32,
    /// How long the breaker stays open the first time, plus or minus 10 %. At least a millisecond.
    pub open: Duration,
    /// The longest time that the breaker stays open, plus or minus 10 %: each failed probe doubles
    /// the time up to this.
    pub max_open: Duration,
    /// Probe calls that are admitted at the same time while the breaker is half-open; 0 counts as
    /// 1.
    pub probes: u8,
    /// Probe calls that must succeed, with no failure among them, to close the breaker; 0 counts as
    /// 1.
    pub successes: u8,
}

impl Default for Rules {
    /// Opens after 5 failures for 5 s, up to 1 min; one probe at a time, and one is enough.
    fn default() -> Self {
        Self {
            failures: 5,
            open: Duration::from_secs(5),
            max_open: Duration::from_secs(60),
            probes: 1,
            successes: 1,
        }
    }
}

impl Rules {
    /// How long the breaker stays open after this many doublings: 90 % to 110 % of the nominal
    /// time, chosen by `chance`, in whole milliseconds, so that the word can store it exactly.
    pub(super) fn open_duration(&self, doublings: u8, chance: u64) -> Duration {
        let factor = 1_u32.checked_shl(doublings.into()).unwrap_or(u32::MAX);
        let max_open = self.max_open.max(self.open);
        // Ten years: longer than any process runs, and far from where the arithmetic overflows.
        let most = max_open.min(Duration::from_secs(10 * 365 * 24 * 3600));
        let duration = self.open.saturating_mul(factor).min(most);
        let duration = duration.mul_f64(0.9 + 0.2 * fraction(mix(chance)));
        Duration::from_millis(super::millis(duration).max(1))
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
                .map(|chance| rules.open_duration(u8::try_from(doublings).unwrap(), chance))
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
            let rules = Rules { open, max_open: 3 * open, ..Rules::default() };
            let nominal = match doublings { 0 => open, 1 => 2 * open, _ => 3 * open };
            let duration = rules.open_duration(doublings, chance);
            let slack = nominal / 10 + Duration::from_millis(1);
            prop_assert!(duration.abs_diff(nominal) <= slack);
            prop_assert!(!duration.is_zero());
        }
    }

    #[test]
    fn nothing_overflows() {
        let rules = Rules { open: Duration::MAX, max_open: Duration::ZERO, ..Rules::default() };
        assert!(rules.open_duration(u8::MAX, u64::MAX) > Duration::from_secs(9 * 365 * 24 * 3600));
        let rules = Rules { open: Duration::ZERO, max_open: Duration::MAX, ..rules };
        assert_eq!(rules.open_duration(u8::MAX, 0), Duration::from_millis(1));
    }
}
