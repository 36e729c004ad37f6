//! Whether a canary is worse than the stable version that runs beside it.
//!
//! # The test, as stated
//!
//! Both sides are counted over the same time, while the canary gets a fixed share of the calls.
//! Three things make a canary bad:
//!
//! - **Errors.** Its error rate is higher than the stable one's by more than
//!   [`difference`](CanaryRules::difference), *and* Fisher's exact test, one-sided, finds so many
//!   of the errors on its side to be less likely by chance than the significance. The test is exact
//!   for any counts, so there is no second rule for small ones. Source: Fisher, "Statistical
//!   Methods for Research Workers", 1934, section 21.02; Agresti, "Categorical Data Analysis".
//! - **Refusals.** It refuses the input of more calls than the stable one, by the same test. What a
//!   caller got wrong is no error; but where the same callers ask both, a version that refuses more
//!   takes less than it did.
//! - **Latency.** More of its calls are slow than may be. *Slow* is what takes longer than the
//!   stable version's [`quantile`](CanaryRules::quantile) (the 95th percentile) times
//!   [`latency`](CanaryRules::latency), and longer than it by
//!   [`latency_least`](CanaryRules::latency_least). A canary whose quantile is within these has at
//!   most one slow call in twenty; an exact binomial test, one-sided, says how likely so many of
//!   them are then. The stable side's quantile is itself an estimate, so its upper limit of
//!   confidence is taken (three standard deviations of the rank), and the upper end of its bucket.
//!   Both favour the canary. Only calls that succeeded are timed, or that were given up: errors and
//!   refusals are often fast. A call that was given up took longer than its caller had patience, and
//!   callers have as much of that on either side.
//!
//! # Looking again and again
//!
//! Who looks at a test after each call and stops at the first bad figure will stop for nothing,
//! sooner or later. So a [`Trial`] looks seldom, each time the calls have doubled, and look number
//! `k` may use `significance / (k (k + 1))`, a third of it for each of the three tests. These sum to
//! the significance over all looks, however many (the union bound; a form of alpha spending: Lan and
//! `DeMets`, "Discrete sequential boundaries for clinical trials", Biometrika 70(3), 1983). Because
//! the calls of a look, and not their outcomes, decide when the next one is, **an equal canary is
//! found bad in a trial with at most the probability `significance`**, 1 % by default. Measured
//! over 20,000 simulated equal canaries for each of five error rates, with no difference too small
//! to be relevant, it was 0.27 % at worst (at 50 % errors) and 0.02 % at 1 % errors, when there were
//! two tests with a half each: counts are whole numbers, which exact tests and the union bound both
//! round to the canary's favour.
//!
//! The price is that a bad canary may serve up to twice the calls that a single look would need.
//!
//! # One trial per step
//!
//! [`Steps`] raise the share, and each step is a trial of its own, with counts from zero. Counts of
//! different shares must not be added up: if a bad hour for everybody falls into the step with the
//! larger share, more of it is on the canary's side, and an equal canary looks bad (Simpson's
//! paradox). The bound above is per trial, so for a rollout of three steps it is three times that.
//! A step ends with a look of its own, due or not: a canary that was good at its hundredth call and
//! failed the ninety-nine after it must not move on. The look spends its part as every other does,
//! and when it comes is decided by the clock and by how many calls there were.
//!
//! # Calls that are not independent
//!
//! Both tests take each call for an event of its own. Where the choice of version sticks to a key,
//! it is users that are given out and not calls: one user whose every request fails is many errors
//! on whichever side that user is, so that the stated rate of false alarms holds for independent
//! calls only. Steps with many users, or a larger `difference`, make up for it.

mod histogram;
mod side;
#[cfg(all(test, not(loom)))]
mod simulated;
mod statistics;
mod steps;
mod trial;
mod why;

pub use side::{Figures, Side};
pub use steps::{Stage, Steps};
pub use trial::{CanaryRules, Judgement, Trial};
pub use why::Why;
