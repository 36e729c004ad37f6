//! The trial of a canary: when it is compared with the stable version, and the judgement.

use std::time::Duration;

use super::side::count;
use super::statistics::{binomial, fisher};
use super::{Figures, Regression};

/// What makes a canary bad, and how much must be seen to call it good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CanaryRules {
    /// The probability with which an equal canary may be found bad, in one trial.
    pub significance: f64,
    /// A rate of errors, or of refused inputs, that is higher by no more than this is never
    /// relevant: 0.005 is half a percentage point.
    pub rate_margin: f64,
    /// The quantile of the latencies that is compared, from 0 to 1.
    pub quantile: f64,
    /// The canary's quantile may be the stable version's times this; 0 = latencies are not
    /// compared.
    pub latency_factor: f64,
    /// A quantile that is longer by no more than this is never relevant.
    pub latency_margin: Duration,
    /// Calls of the canary before the first look.
    pub min_calls: u64,
    /// Calls of the canary after which it is good, if it is not bad.
    pub enough_calls: u64,
}

impl Default for CanaryRules {
    /// At most 1 % false alarms; half a percentage point; the 95th percentile, a factor of 1.5 and
    /// 0.1 ms; from 50 to 1,000 calls.
    fn default() -> Self {
        Self {
            significance: 0.01,
            rate_margin: 0.005,
            quantile: 0.95,
            latency_factor: 1.5,
            latency_margin: Duration::from_micros(100),
            min_calls: 50,
            enough_calls: 1_000,
        }
    }
}

/// What a trial knows about a canary.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// Too few calls were counted.
    Undecided,
    /// Enough calls were counted, and the canary is not worse.
    Good,
    /// The canary is worse, for this reason.
    Bad(Regression),
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

/// One comparison of a canary with the stable version, evaluated several times.
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
    /// How many looks were taken.
    looks: u32,
    /// The number of calls of the canary at which the next look is due.
    due: u64,
    judgement: Judgement,
}

impl Trial {
    /// A trial without any look yet.
    #[must_use]
    pub fn new(rules: CanaryRules) -> Self {
        let due = rules.min_calls.max(1);
        Self { rules, looks: 0, due, judgement: Judgement::Undecided }
    }

    /// Whether the next [`judge`](Self::judge) takes a look, when the canary has had this many
    /// calls. No look is due after a canary was found bad.
    #[must_use]
    pub fn is_due(&self, canary_calls: u64) -> bool {
        canary_calls >= self.due && !matches!(self.judgement, Judgement::Bad(_))
    }

    /// Takes a look if one is due, and returns the judgement. Between two looks it is that of the
    /// last one; [`Judgement::Bad`] is final.
    pub fn judge(&mut self, stable: &Figures, canary: &Figures) -> &Judgement {
        if self.is_due(canary.calls()) {
            self.look(stable, canary);
        }
        &self.judgement
    }

    /// The judgement of the last look.
    #[must_use]
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// Takes a look even if none is due, and returns the judgement. A step does this before it
    /// ends, since much may have happened after the last look. It spends the significance of the
    /// next look.
    pub fn look(&mut self, stable: &Figures, canary: &Figures) -> &Judgement {
        if matches!(self.judgement, Judgement::Bad(_)) {
            return &self.judgement;
        }
        let (calls, enough_calls) = (canary.calls(), self.rules.enough_calls);
        self.looks += 1;
        self.due = match calls.saturating_mul(2).max(self.due) {
            next if calls < enough_calls => next.min(enough_calls),
            next => next,
        };
        let limit = self.limit();
        let why = self.errors(stable, canary, limit);
        let why = why.or_else(|| self.refusals(stable, canary, limit));
        self.judgement = match why.or_else(|| self.latency(stable, canary, limit)) {
            Some(why) => Judgement::Bad(why),
            // Without calls of the stable version there is nothing to compare with.
            None if calls >= enough_calls && stable.calls() >= self.rules.min_calls => {
                Judgement::Good
            }
            None => Judgement::Undecided,
        };
        &self.judgement
    }

    /// The significance of each of the three tests at this look.
    fn limit(&self) -> f64 {
        let look = f64::from(self.looks);
        self.rules.significance / (look * (look + 1.0)) / 3.0
    }

    fn errors(&self, stable: &Figures, canary: &Figures, limit: f64) -> Option<Regression> {
        if canary.error_rate() - stable.error_rate() <= self.rules.rate_margin {
            return None;
        }
        let (errors, calls) = (canary.errors(), canary.calls());
        let (stable_errors, stable_calls) = (stable.errors(), stable.calls());
        let p = fisher(errors, calls, stable_errors, stable_calls);
        (p < limit).then_some(Regression::Errors {
            errors,
            calls,
            stable_errors,
            stable_calls,
            p,
            limit,
        })
    }

    fn refusals(&self, stable: &Figures, canary: &Figures, limit: f64) -> Option<Regression> {
        if canary.refusal_rate() - stable.refusal_rate() <= self.rules.rate_margin {
            return None;
        }
        let (refusals, calls) = (canary.refusals(), canary.calls());
        let (stable_refusals, stable_calls) = (stable.refusals(), stable.calls());
        let p = fisher(refusals, calls, stable_refusals, stable_calls);
        (p < limit).then_some(Regression::Refusals {
            refusals,
            calls,
            stable_refusals,
            stable_calls,
            p,
            limit,
        })
    }

    fn latency(&self, stable: &Figures, canary: &Figures, limit: f64) -> Option<Regression> {
        let CanaryRules { quantile, latency_factor: factor, latency_margin, .. } = self.rules;
        if !(factor > 0.0 && quantile > 0.0 && quantile < 1.0) {
            return None;
        }
        // The uncertainty of the rank. With too few calls there is no such rank, and no comparison.
        let upper = quantile + 3.0 * (quantile * (1.0 - quantile) / count(stable.timed())).sqrt();
        if upper >= 1.0 {
            return None;
        }
        let stable_latency = stable.latency(upper)?;
        let scaled = Duration::try_from_secs_f64(stable_latency.as_secs_f64() * factor.max(1.0));
        let slow = scaled.ok()?.max(stable_latency.saturating_add(latency_margin));
        let (longer, calls) = (canary.longer(slow), canary.timed());
        let p = binomial(longer, calls, 1.0 - quantile);
        (p < limit).then_some(Regression::Latency {
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
