//! When a worker that died may start again. Pure: the time and the chance are given.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Supervision;

/// What follows a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A call may start a new worker once this time has passed.
    After(Duration),
    /// There is no new worker.
    Never,
}

/// The deaths that still count.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    deaths: VecDeque<Instant>,
}

impl Restarts {
    /// Counts a death at `now`. `chance` is from 0 to 1.
    pub(super) fn died(&mut self, rules: &Supervision, now: Instant, chance: f64) -> Next {
        while self.deaths.front().is_some_and(|at| now.duration_since(*at) > rules.window) {
            self.deaths.pop_front();
        }
        self.deaths.push_back(now);
        let deaths = self.deaths.len();
        if deaths > rules.restarts {
            return Next::Never;
        }
        let Some(doublings) = deaths.checked_sub(2) else { return Next::After(Duration::ZERO) };
        let factor = u32::try_from(doublings).ok().and_then(|by| 1_u32.checked_shl(by));
        let pause = rules.first.saturating_mul(factor.unwrap_or(u32::MAX)).min(rules.longest);
        Next::After(pause.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_then_the_budget_is_used_up() {
        let rules = Supervision { longest: 300 * MS, ..Supervision::default() };
        let (mut restarts, now) = (Restarts::default(), Instant::now());
        let mut next = || restarts.died(&rules, now, 1.0);
        let pauses = [0, 100, 200, 300, 300].map(|pause| Next::After(pause * MS));
        assert_eq!(pauses, std::array::from_fn(|_| next()));
        assert_eq!(next(), Next::Never);
    }

    #[test]
    fn a_death_counts_for_the_window_only() {
        let rules = Supervision { restarts: 1, ..Supervision::default() };
        let (mut restarts, now) = (Restarts::default(), Instant::now());
        for minute in 0..10 {
            let at = now + minute * (rules.window + MS);
            assert_eq!(restarts.died(&rules, at, 0.5), Next::After(Duration::ZERO));
        }
        assert_eq!(restarts.died(&rules, now + 10 * rules.window, 0.5), Next::Never);
    }

    #[test]
    fn chance_keeps_at_least_half_of_a_pause() {
        let rules = Supervision::default();
        let now = Instant::now();
        let second = |chance| {
            let mut restarts = Restarts::default();
            restarts.died(&rules, now, chance);
            restarts.died(&rules, now, chance)
        };
        assert_eq!(second(0.0), Next::After(50 * MS));
        assert_eq!(second(1.0), Next::After(100 * MS));
    }

    #[test]
    fn many_deaths_do_not_overflow() {
        let rules = Supervision { restarts: usize::MAX, ..Supervision::default() };
        let (mut restarts, now) = (Restarts::default(), Instant::now());
        for _ in 0..100 {
            restarts.died(&rules, now, 1.0);
        }
        assert_eq!(restarts.died(&rules, now, 1.0), Next::After(rules.longest));
    }
}
