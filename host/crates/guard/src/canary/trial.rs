//! The judge.

use std::time::Duration;

use super::side::count;
use super::statistics::{binomial, fisher};
use super::{Figures, Why};

/// What makes a canary bad, and how much must be seen to call it good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CanaryRules {
    /// The probability with which an equal canary may be found bad, in one trial.
    pub significance: f64,
    /// A higher rate of errors, or of refused inputs, by no more than this is never relevant: 0.005
    /// is half a percentage point.
    pub difference: f64,
    /// The quantile of the latencies that is compared, from 0 to 1.
    pub quantile: f64,
    /// The canary's may be the stable one's times this; 0 compares no latencies.
    pub latency: f64,
    /// A quantile that is later by no more than this is never relevant.
    pub latency_least: Duration,
    /// Calls of the canary before the first look.
    pub least: u64,
    /// Calls of the canary after which it is good, if it is not bad.
    pub enough: u64,
}

impl Default for CanaryRules {
    /// 1 % false alarms at most; half a percentage point; the 95th percentile, half as much
    /// again and 0.1 ms; from 50 to 1,000 calls.
    fn default() -> Self {
        Self {
            significance: 0.01,
            difference: 0.005,
            quantile: 0.95,
            latency: 1.5,
            latency_least: Duration::from_micros(100),
            least: 50,
            enough: 1_000,
        }
    }
}

/// What is known of a canary.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// Too little has been seen.
    Undecided,
    /// Enough has been seen, and nothing was wrong.
    Good,
    /// It is worse, and why.
    Bad(Why),
}

impl Judgement {
    /// A stable word for logs, metrics and the API.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Good => "good",
            Self::Bad(_) => "bad",
        }
    }
}

/// One comparison of a canary with the stable version, looked at several times.
///
/// ```
/// use std::time::Duration;
/// use plugbay_guard::{CanaryRules, Judgement, Side, Trial};
///
/// let (stable, canary) = (Side::default(), Side::default());
/// for call in 0..100 {
///     stable.succeeded(Duration::from_millis(3));
///     if call % 10 == 0 { canary.failed() } else { canary.succeeded(Duration::from_millis(3)) }
/// }
/// let mut trial = Trial::new(CanaryRules::default());
/// let Judgement::Bad(why) = trial.judge(&stable.figures(), &canary.figures()) else { panic!() };
/// assert!(why.to_string().starts_with("the canary failed 10 of 100 calls (10.00 %)"));
/// ```
#[derive(Clone, Debug)]
pub struct Trial {
    rules: CanaryRules,
    /// How many looks there were.
    looks: u32,
    /// The canary's calls at which the next one is due.
    due: u64,
    judgement: Judgement,
}

impl Trial {
    /// A trial at which nothing has been seen.
    #[must_use]
    pub fn new(rules: CanaryRules) -> Self {
        let due = rules.least.max(1);
        Self { rules, looks: 0, due, judgement: Judgement::Undecided }
    }

    /// Whether the next [`judge`](Self::judge) is a look, when the canary has had so many calls.
    /// There is none after a canary was found bad.
    #[must_use]
    pub fn is_due(&self, canary_calls: u64) -> bool {
        canary_calls >= self.due && !matches!(self.judgement, Judgement::Bad(_))
    }

    /// What is known now. Between two looks this is what the last one said; bad is for good.
    pub fn judge(&mut self, stable: &Figures, canary: &Figures) -> &Judgement {
        if self.is_due(canary.calls()) {
            self.look(stable, canary);
        }
        &self.judgement
    }

    /// What was known at the last look.
    #[must_use]
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// What is known now, looked at though no look may be due: what a step does before it ends,
    /// since much may have happened after the last one. It spends what the next look may.
    pub fn look(&mut self, stable: &Figures, canary: &Figures) -> &Judgement {
        if matches!(self.judgement, Judgement::Bad(_)) {
            return &self.judgement;
        }
        let (calls, enough) = (canary.calls(), self.rules.enough);
        self.looks += 1;
        self.due = match calls.saturating_mul(2).max(self.due) {
            next if calls < enough => next.min(enough),
            next => next,
        };
        let limit = self.limit();
        let why = self.errors(stable, canary, limit);
        let why = why.or_else(|| self.refusals(stable, canary, limit));
        self.judgement = match why.or_else(|| self.latency(stable, canary, limit)) {
            Some(why) => Judgement::Bad(why),
            // Nothing to compare with is nothing seen.
            None if calls >= enough && stable.calls() >= self.rules.least => Judgement::Good,
            None => Judgement::Undecided,
        };
        &self.judgement
    }

    /// What this look may spend on each of the three tests.
    fn limit(&self) -> f64 {
        let look = f64::from(self.looks);
        self.rules.significance / (look * (look + 1.0)) / 3.0
    }

    fn errors(&self, stable: &Figures, canary: &Figures, limit: f64) -> Option<Why> {
        if canary.error_rate() - stable.error_rate() <= self.rules.difference {
            return None;
        }
        let (errors, calls) = (canary.errors(), canary.calls());
        let (stable_errors, stable_calls) = (stable.errors(), stable.calls());
        let p = fisher(errors, calls, stable_errors, stable_calls);
        (p < limit).then_some(Why::Errors { errors, calls, stable_errors, stable_calls, p, limit })
    }

    fn refusals(&self, stable: &Figures, canary: &Figures, limit: f64) -> Option<Why> {
        if canary.refusal_rate() - stable.refusal_rate() <= self.rules.difference {
            return None;
        }
        let (refusals, calls) = (canary.refusals(), canary.calls());
        let (stable_refusals, stable_calls) = (stable.refusals(), stable.calls());
        let p = fisher(refusals, calls, stable_refusals, stable_calls);
        (p < limit).then_some(Why::Refusals {
            refusals,
            calls,
            stable_refusals,
            stable_calls,
            p,
            limit,
        })
    }

    fn latency(&self, stable: &Figures, canary: &Figures, limit: f64) -> Option<Why> {
        let CanaryRules { quantile, latency: factor, latency_least, .. } = self.rules;
        if !(factor > 0.0 && quantile > 0.0 && quantile < 1.0) {
            return None;
        }
        // The rank's own uncertainty. Too few calls have no such rank, and are not compared.
        let upper = quantile + 3.0 * (quantile * (1.0 - quantile) / count(stable.timed())).sqrt();
        if upper >= 1.0 {
            return None;
        }
        let stable_latency = stable.latency(upper)?;
        let scaled = Duration::try_from_secs_f64(stable_latency.as_secs_f64() * factor.max(1.0));
        let slow = scaled.ok()?.max(stable_latency.saturating_add(latency_least));
        let (longer, calls) = (canary.longer(slow), canary.timed());
        let p = binomial(longer, calls, 1.0 - quantile);
        (p < limit).then_some(Why::Latency {
            quantile,
            latency: canary.latency(quantile)?,
            stable_latency,
            slow,
            longer,
            calls,
            p,
            limit,
        })
    }
}
