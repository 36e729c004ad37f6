//! Decides whether a canary is worse than the stable version that runs beside it.
//!
//! # The test, as stated
//!
//! Calls of both sides are counted over the same time, while the canary gets a fixed share of the
//! calls. Three things make a canary bad:
//!
//! - **Errors.** Its error rate is higher than the stable one's by more than
//!   [`rate_margin`](CanaryRules::rate_margin), *and* Fisher's exact test, one-sided, finds so many
//!   of the errors on its side to be less likely by chance than the significance. The test is exact
//!   for any counts, so there is no second rule for small ones. Source: Fisher, "Statistical
//!   Methods for Research Workers", 1934, section 21.02; Agresti, "Categorical Data Analysis".
//! - **Refusals.** It refuses the input of more calls than the stable one, by the same test. A
//!   caller's mistake is not an error of the plugin. But both versions serve the same callers, so a
//!   version that refuses more inputs no longer accepts what the other one does.
//! - **Latency.** More of its calls are slow than allowed. *Slow* is what takes longer than the
//!   stable version's [`quantile`](CanaryRules::quantile) (the 95th percentile) times
//!   [`latency_factor`](CanaryRules::latency_factor), and longer than it by
//!   [`latency_margin`](CanaryRules::latency_margin). A canary whose quantile is within these has
//!   at most one slow call in twenty; an exact binomial test, one-sided, gives the probability of
//!   the number found. The stable side's quantile is itself an estimate, so its upper limit of
//!   confidence is taken (three standard deviations of the rank), and the upper end of its bucket.
//!   Both favour the canary. Only calls that succeeded or were cancelled are timed: errors and
//!   refusals are often fast. A cancelled call took at least as long as its caller waited, and
//!   callers wait equally long on either side.
//! # Repeated looks
//!
//! A test that is evaluated after each call, and stopped at the first bad result, raises a false
//! alarm sooner or later. So a [`Trial`] evaluates its tests rarely: a *look* is due each time the
//! calls have doubled, and look number `k` may use `significance / (k (k + 1))`, a third of it for
//! each of the three tests. These sum to the significance over all looks, however many (the union
//! bound; a form of alpha spending: Lan and `DeMets`, "Discrete sequential boundaries for clinical
//! trials", Biometrika 70(3), 1983). Because the calls of a look, and not their outcomes, decide
//! when the next one is, **an equal canary is found bad in a trial with at most the probability
//! `significance`**, 1 % by default. Measured over 20,000 simulated equal canaries for each of five
//! error rates, with no difference too small to be relevant, it was 0.27 % at worst (at 50 %
//! errors) and 0.02 % at 1 % errors, when there were two tests with a half each: counts are whole
//! numbers, which exact tests and the union bound both round to the canary's favour. The cost is
//! that a bad canary may serve up to twice the calls that a single look would need.
//!
//! # One trial per step
//!
//! [`Steps`] raise the share, and each step is a trial of its own, with counts from zero. Counts of
//! different shares must not be added up: if an outage hits both sides during the step with the
//! larger share, more of its errors are on the canary's side, and an equal canary looks bad
//! (Simpson's paradox). The bound above is per trial, so for a rollout of three steps it is three
//! times that. A step ends with a look of its own, even if none is due: a canary that was good at
//! its hundredth call and failed the ninety-nine calls after it must not move on. This look spends
//! its part of the significance like every other, and its time depends on the clock and on the
//! number of calls only.
//!
//! # Calls that are not independent
//!
//! The tests assume that calls are independent. Where the choice of version sticks to a key, users
//! are assigned to a side, and not calls: one user whose every request fails causes many errors on
//! one side. So the stated rate of false alarms holds for independent calls only. Steps with many
//! users, or a larger `rate_margin`, compensate for it.

mod histogram;
mod regression;
mod side;
#[cfg(all(test, not(loom)))]
mod simulated;
mod statistics;
mod steps;
mod trial;

pub use regression::Regression;
pub use side::{Figures, Side};
pub use steps::{Stage, Steps};
pub use trial::{CanaryRules, Judgement, Trial};
