//! When a crashed plugin may be restarted, and when it has crashed too often.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::mix::fraction;

/// How often a plugin may be restarted, and after which pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartRules {
    /// The shortest pause. The first restart has none at all.
    pub base: Duration,
    /// The longest pause.
    pub cap: Duration,
    /// The most restarts within `window`; 0 = none ever.
    pub budget: u32,
    /// How long a restart counts against the budget.
    pub window: Duration,
    /// Time without a crash after which all restarts are forgotten.
    pub quiet: Duration,
}

impl Default for RestartRules {
    /// Five restarts within a minute, pauses from 100 ms to 10 s, forgotten after a minute.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(100),
            cap: Duration::from_secs(10),
            budget: 5,
            window: Duration::from_secs(60),
            quiet: Duration::from_secs(60),
        }
    }
}

/// What follows a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start again at once.
    Now,
    /// Start again after this time.
    Wait(Duration),
    /// Do not restart: the budget is used up. Once the window has moved on, a restart may be granted
    /// again.
    Exhausted {
        /// When the oldest restart in the window was.
        since: Instant,
        /// How many restarts the window holds.
        restarts: u32,
    },
}

/// The recent restarts of one plugin, and the decision about the next one.
///
/// The first restart is immediate: most crashes are accidents. Each further one waits up to twice
/// as long as the one before, from `base` to `cap`. The exact pause is random over that whole span
/// ("full jitter"), so that plugins that crashed together do not restart together. Source: Marc
/// Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015; the floor of `base` is
/// ours, since a full jitter from zero restarts some at once.
///
/// ```
/// use std::time::Instant;
/// use plugbay_guard::{Next, RestartRules, Restarts};
///
/// let now = Instant::now();
/// let mut restarts = Restarts::new(RestartRules { budget: 2, ..RestartRules::default() });
/// assert_eq!(restarts.next(now, 0), Next::Now);
/// assert!(matches!(restarts.next(now, 0), Next::Wait(_)));
/// assert_eq!(restarts.next(now, 0), Next::Exhausted { since: now, restarts: 2 });
/// ```
#[derive(Clone, Debug)]
pub struct Restarts {
    rules: RestartRules,
    /// When each counted restart was granted; never more than the budget.
    granted: VecDeque<Instant>,
    /// Restarts since the last quiet time; they make the pauses grow.
    row: u32,
}

impl Restarts {
    /// No restarts yet.
    #[must_use]
    pub fn new(rules: RestartRules) -> Self {
        Self { rules, granted: VecDeque::new(), row: 0 }
    }

    /// Counts a crash at `now`, and returns what follows. `random` is any random number.
    #[must_use = "the restart is counted as granted"]
    pub fn next(&mut self, now: Instant, random: u64) -> Next {
        let age = |at: &Instant| now.saturating_duration_since(*at);
        if self.granted.back().is_some_and(|last| age(last) >= self.rules.quiet) {
            self.forget();
        }
        while self.granted.front().is_some_and(|at| age(at) > self.rules.window) {
            self.granted.pop_front();
        }
        let restarts = u32::try_from(self.granted.len()).unwrap_or(u32::MAX);
        if restarts >= self.rules.budget {
            let since = self.granted.front().copied().unwrap_or(now);
            return Next::Exhausted { since, restarts };
        }
        self.granted.push_back(now);
        let before = self.row;
        self.row = self.row.saturating_add(1);
        if before == 0 {
            return Next::Now;
        }
        let factor = 1_u32.checked_shl(before).unwrap_or(u32::MAX);
        let most = self.rules.base.saturating_mul(factor).min(self.rules.cap);
        let span = most.saturating_sub(self.rules.base);
        Next::Wait(self.rules.base + span.mul_f64(fraction(random)))
    }

    /// Cancels the restart that was granted last: it did not take place, and does not count.
    pub fn cancel_last(&mut self) {
        if self.granted.pop_back().is_some() {
            self.row = self.row.saturating_sub(1);
        }
    }

    /// Forgets all restarts if the last one was at least [`quiet`](RestartRules::quiet) before `now`,
    /// for a plugin that is running well at `now`. Returns whether it did.
    pub fn forget_if_quiet(&mut self, now: Instant) -> bool {
        let last = self.granted.back();
        let quiet = last.is_some_and(|at| now.saturating_duration_since(*at) >= self.rules.quiet);
        if quiet {
            self.forget();
        }
        quiet
    }

    fn forget(&mut self) {
        self.granted.clear();
        self.row = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn rules() -> RestartRules {
        RestartRules { base: 100 * MS, cap: 350 * MS, budget: 6, ..RestartRules::default() }
    }

    /// A pause at its longest is a fraction of a nanosecond short of it.
    fn rounded(next: Next) -> Next {
        match next {
            Next::Wait(pause) => {
                Next::Wait(Duration::from_millis((pause + MS / 2).as_millis().try_into().unwrap()))
            }
            other => other,
        }
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_then_the_budget_is_used_up() {
        let (mut restarts, now) = (Restarts::new(rules()), Instant::now());
        let mut next = || rounded(restarts.next(now, u64::MAX));
        assert_eq!(next(), Next::Now);
        for pause in [200, 350, 350, 350, 350] {
            assert_eq!(next(), Next::Wait(pause * MS));
        }
        assert_eq!(next(), Next::Exhausted { since: now, restarts: 6 });
    }

    #[test]
    fn the_window_moves_on() {
        let rules = RestartRules { budget: 1, quiet: Duration::MAX, ..rules() };
        let (mut restarts, now) = (Restarts::new(rules), Instant::now());
        assert_eq!(restarts.next(now, 0), Next::Now);
        let soon = now + rules.window;
        assert_eq!(restarts.next(soon, 0), Next::Exhausted { since: now, restarts: 1 });
        assert!(matches!(restarts.next(soon + MS, 0), Next::Wait(_)), "the row goes on");
    }

    #[test]
    fn a_quiet_time_makes_all_forgotten() {
        let almost = |time: Instant| time.checked_sub(MS).unwrap();
        let rules = RestartRules { budget: 2, window: Duration::MAX, ..rules() };
        let (mut restarts, now) = (Restarts::new(rules), Instant::now());
        assert!(!restarts.forget_if_quiet(now + rules.quiet), "there is nothing to forget");
        assert_eq!(restarts.next(now, 0), Next::Now);
        assert!(!restarts.forget_if_quiet(almost(now + rules.quiet)));
        assert!(matches!(restarts.next(almost(now + rules.quiet), 0), Next::Wait(_)));
        let quiet = now + 2 * rules.quiet;
        assert!(restarts.forget_if_quiet(quiet));
        assert!(!restarts.forget_if_quiet(quiet), "once");
        assert_eq!(restarts.next(quiet, 0), Next::Now);
        assert_eq!(
            restarts.next(quiet + rules.quiet, 0),
            Next::Now,
            "even without forget_if_quiet"
        );
    }

    #[test]
    fn what_did_not_take_place_does_not_count() {
        let rules = RestartRules { budget: 1, ..rules() };
        let (mut restarts, now) = (Restarts::new(rules), Instant::now());
        restarts.cancel_last();
        assert_eq!(restarts.next(now, 0), Next::Now);
        restarts.cancel_last();
        assert_eq!(restarts.next(now, 0), Next::Now);
        assert_eq!(restarts.next(now, 0), Next::Exhausted { since: now, restarts: 1 });
    }

    #[test]
    fn no_budget_is_no_restart() {
        let (mut restarts, now) =
            (Restarts::new(RestartRules { budget: 0, ..rules() }), Instant::now());
        assert_eq!(restarts.next(now, 0), Next::Exhausted { since: now, restarts: 0 });
    }

    proptest! {
        #[test]
        fn a_window_never_holds_more_than_the_budget_and_a_pause_keeps_its_bounds(
            budget in 0..5_u32,
            base in 0..1_000_u32,
            cap in 0..1_000_u32,
            deaths in prop::collection::vec((0..40_000_u64, any::<u64>()), 0..200),
        ) {
            let quiet = Duration::from_secs(30);
            let rules = RestartRules { budget, base: base * MS, cap: cap * MS, quiet, ..rules() };
            let (mut restarts, mut now) = (Restarts::new(rules), Instant::now());
            let mut granted: Vec<Instant> = Vec::new();
            for (gap, random) in deaths {
                now += Duration::from_millis(gap);
                if granted.last().is_some_and(|last| now - *last >= quiet) {
                    granted.clear();
                }
                match restarts.next(now, random) {
                    Next::Now => prop_assert!(granted.is_empty()),
                    Next::Wait(pause) => {
                        prop_assert!(pause >= rules.base && pause <= rules.base.max(rules.cap));
                    }
                    Next::Exhausted { .. } => {
                        let recent = granted.iter().filter(|at| now - **at <= rules.window);
                        prop_assert_eq!(recent.count(), budget as usize);
                        continue;
                    }
                }
                granted.push(now);
                let recent = granted.iter().filter(|at| now - **at <= rules.window).count();
                prop_assert!(recent <= budget as usize);
            }
        }

        #[test]
        fn nothing_overflows(deaths in 1..200_u32, random: u64) {
            let rules = RestartRules {
                base: Duration::MAX, cap: Duration::MAX, budget: u32::MAX, ..rules()
            };
            let (mut restarts, now) = (Restarts::new(rules), Instant::now());
            let last = (0..deaths).map(|_| restarts.next(now, random)).last();
            prop_assert!(matches!(last, Some(Next::Now | Next::Wait(Duration::MAX))));
        }
    }
}
