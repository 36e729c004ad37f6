//! The steps by which a canary's share of the calls grows.

use std::time::{Duration, Instant};

use super::{Figures, Judgement, Trial};

/// The shares of the calls that a canary gets, one after the other, before it gets all.
///
/// ```
/// use std::time::{Duration, Instant};
/// use plugbay_guard::{CanaryRules, Side, Stage, Steps, Trial};
///
/// let (steps, start) = (Steps::default(), Instant::now());
/// let (stable, canary) = (Side::default(), Side::default());
/// let mut trial = Trial::new(CanaryRules::default());
/// let first = steps.start(start);
/// assert_eq!(steps.share(first), 10); // of a thousand
/// let later = start + Duration::from_secs(600);
/// let still = steps.advance(first, later, &mut trial, &stable.figures(), &canary.figures());
/// assert_eq!(still, first, "nothing was seen of it");
/// for _ in 0..1000 {
///     stable.succeeded(Duration::from_millis(3));
///     canary.succeeded(Duration::from_millis(3));
/// }
/// let second = steps.advance(first, later, &mut trial, &stable.figures(), &canary.figures());
/// assert_eq!(second, Stage::Step { number: 1, since: later });
/// assert_eq!(steps.share(second), 100);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// In thousandths; a larger number counts as all.
    pub shares: Vec<u32>,
    /// The least time of each step.
    pub step_duration: Duration,
}

impl Default for Steps {
    /// 1 %, 10 % and 50 %, ten minutes each, and then all.
    fn default() -> Self {
        Self { shares: vec![10, 100, 500], step_duration: Duration::from_secs(600) }
    }
}

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The canary serves the share of this step, and is on trial.
    Step {
        /// Counted from 0.
        number: usize,
        /// When the step began.
        since: Instant,
    },
    /// The canary serves all calls.
    Done,
    /// The canary was bad, and serves no calls.
    RolledBack,
}

impl Stage {
    /// A stable word for logs, metrics and the API.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Step { .. } => "step",
            Self::Done => "done",
            Self::RolledBack => "rolled-back",
        }
    }
}

impl Steps {
    /// All calls, in thousandths.
    pub const ALL: u32 = 1000;

    /// The first step; [`Stage::Done`] if there are no steps.
    #[must_use]
    pub fn start(&self, now: Instant) -> Stage {
        self.step(0, now)
    }

    /// The stage after this one if it is over at `now`, or else the same stage: as
    /// [`next`](Self::next) with the judgement of `trial`, which takes one more look before the
    /// canary moves on. A canary that was good at the last look may have failed every call since.
    #[must_use]
    pub fn advance(
        &self,
        stage: Stage,
        now: Instant,
        trial: &mut Trial,
        stable: &Figures,
        canary: &Figures,
    ) -> Stage {
        let next = self.next(stage, now, trial.judge(stable, canary));
        let moves_on = matches!(next, Stage::Step { .. } | Stage::Done) && next != stage;
        if moves_on { self.next(stage, now, trial.look(stable, canary)) } else { next }
    }

    /// The stage after this one, by a judgement. The trial ends at once if the canary is bad; it
    /// moves on if the canary is good and the step has lasted its time.
    ///
    /// A new step is a new [`Trial`] with new [`Side`](super::Side)s.
    #[must_use]
    pub fn next(&self, stage: Stage, now: Instant, judgement: &Judgement) -> Stage {
        let Stage::Step { number, since } = stage else { return stage };
        match judgement {
            Judgement::Bad(_) => Stage::RolledBack,
            Judgement::Good if now.saturating_duration_since(since) >= self.step_duration => {
                self.step(number.saturating_add(1), now)
            }
            Judgement::Good | Judgement::Undecided => stage,
        }
    }

    /// The canary's share, in thousandths: its weight, where the stable version's is the rest of
    /// [`ALL`](Self::ALL).
    #[must_use]
    pub fn share(&self, stage: Stage) -> u32 {
        match stage {
            Stage::Step { number, .. } => {
                self.shares.get(number).map_or(Self::ALL, |share| (*share).min(Self::ALL))
            }
            Stage::Done => Self::ALL,
            Stage::RolledBack => 0,
        }
    }

    fn step(&self, number: usize, since: Instant) -> Stage {
        if number < self.shares.len() { Stage::Step { number, since } } else { Stage::Done }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::{CanaryRules, Regression, Side};
    use super::*;

    const MINUTES: Duration = Duration::from_secs(600);

    #[test]
    fn a_good_canary_goes_through_all_steps_in_their_time() {
        let (steps, mut now) = (Steps::default(), Instant::now());
        let mut stage = steps.start(now);
        for share in [10, 100, 500] {
            assert_eq!(steps.share(stage), share);
            let soon = now + MINUTES / 2;
            assert_eq!(steps.next(stage, soon, &Judgement::Good), stage, "not before its time");
            now += MINUTES;
            assert_eq!(steps.next(stage, now, &Judgement::Undecided), stage, "not unseen");
            stage = steps.next(stage, now, &Judgement::Good);
        }
        assert_eq!((stage, steps.share(stage)), (Stage::Done, 1000));
        assert_eq!(steps.next(stage, now, &bad()), Stage::Done, "it is the stable version now");
    }

    #[test]
    fn a_long_wait_takes_one_step_and_not_two() {
        let (steps, now) = (Steps::default(), Instant::now());
        let late = now + 100 * MINUTES;
        let second = steps.next(steps.start(now), late, &Judgement::Good);
        assert_eq!(second, Stage::Step { number: 1, since: late });
        assert_eq!(steps.next(second, late, &Judgement::Good), second);
    }

    #[test]
    fn a_bad_canary_is_rolled_back_at_once_and_for_good() {
        let (steps, now) = (Steps::default(), Instant::now());
        let back = steps.next(steps.start(now), now, &bad());
        assert_eq!((back, steps.share(back)), (Stage::RolledBack, 0));
        assert_eq!(steps.next(back, now + 100 * MINUTES, &Judgement::Good), back);
    }

    #[test]
    fn odd_steps() {
        let now = Instant::now();
        let none = Steps { shares: vec![], ..Steps::default() };
        assert_eq!(none.start(now), Stage::Done);
        let much = Steps { shares: vec![5000], ..none };
        assert_eq!(much.share(much.start(now)), 1000);
    }

    #[test]
    fn what_was_good_is_looked_at_once_more_before_it_moves_on() {
        let rules = CanaryRules { enough_calls: 100, ..Default::default() };
        let (steps, start) = (Steps::default(), Instant::now());
        let (stable, canary) = (Side::default(), Side::default());
        let mut trial = Trial::new(rules);
        let (stage, end) = (steps.start(start), start + MINUTES);
        let answered = |side: &Side| side.succeeded(Duration::from_millis(1));
        (0..1000).for_each(|_| answered(&stable));
        (0..100).for_each(|_| answered(&canary));
        let next = |trial: &mut Trial, now, canary: &Side| {
            steps.advance(stage, now, trial, &stable.figures(), &canary.figures())
        };
        assert_eq!(next(&mut trial, start, &canary), stage);
        assert_eq!(trial.judgement(), &Judgement::Good, "it is not its time that is up");
        let good = next(&mut trial.clone(), end, &canary);
        assert!(matches!(good, Stage::Step { number: 1, .. }));
        // No look is due before it had twice as many.
        (0..99).for_each(|_| canary.failed());
        assert!(!trial.is_due(canary.figures().calls()));
        assert_eq!(next(&mut trial, end, &canary), Stage::RolledBack);
    }

    fn bad() -> Judgement {
        Judgement::Bad(Regression::Errors {
            errors: 50,
            calls: 100,
            stable_errors: 0,
            stable_calls: 100,
            p: 0.0,
            limit: 0.005,
        })
    }
}
