//! Why a canary is bad: in what it is worse than the stable version, with the figures.

use std::fmt;
use std::time::Duration;

use super::side::share;

/// In what a canary is worse than the stable version, with all figures of the test. Prints as one
/// sentence.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Regression {
    /// The canary fails more often.
    Errors {
        /// Calls of the canary that failed,
        errors: u64,
        /// of so many.
        calls: u64,
        /// Calls of the stable version that failed,
        stable_errors: u64,
        /// of so many.
        stable_calls: u64,
        /// The probability of such a count, or a more uneven one, by chance.
        p: f64,
        /// The significance that `p` fell below.
        limit: f64,
    },
    /// The canary refuses more inputs.
    Refusals {
        /// Calls of the canary whose input was refused,
        refusals: u64,
        /// of so many.
        calls: u64,
        /// Calls of the stable version whose input was refused,
        stable_refusals: u64,
        /// of so many.
        stable_calls: u64,
        /// The probability of such a count, or a more uneven one, by chance.
        p: f64,
        /// The significance that `p` fell below.
        limit: f64,
    },
    /// The canary is slower.
    Latency {
        /// The quantile that is compared, such as 0.95.
        quantile: f64,
        /// The canary's latency at that quantile, to an eighth.
        latency: Duration,
        /// The stable version's latency, as its upper confidence limit.
        stable_latency: Duration,
        /// The latency beyond which a call counts as slow.
        slow: Duration,
        /// Successful calls of the canary that took longer than `slow`,
        longer: u64,
        /// of so many.
        calls: u64,
        /// The probability of so many slow calls, if the quantile is not above `slow`.
        p: f64,
        /// The significance that `p` fell below.
        limit: f64,
    },
}

impl Regression {
    /// A stable word for logs, metrics and the API.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Errors { .. } => "canary-errors",
            Self::Refusals { .. } => "canary-refusals",
            Self::Latency { .. } => "canary-latency",
        }
    }
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors { errors, calls, stable_errors, stable_calls, p, limit } => {
                let percent = 100.0 * share(*errors, *calls);
                let stable = 100.0 * share(*stable_errors, *stable_calls);
                write!(
                    f,
                    "the canary failed {errors} of {calls} calls ({percent:.2} %), the stable \
                     version {stable_errors} of {stable_calls} ({stable:.2} %): by chance this happens with \
                     p = {p:.1e}, and less than {limit:.1e} is bad"
                )
            }
            Self::Refusals { refusals, calls, stable_refusals, stable_calls, p, limit } => {
                let percent = 100.0 * share(*refusals, *calls);
                let stable = 100.0 * share(*stable_refusals, *stable_calls);
                write!(
                    f,
                    "the canary refused the input of {refusals} of {calls} calls ({percent:.2} %), \
                     the stable version that of {stable_refusals} of {stable_calls} ({stable:.2} %): by \
                     chance this happens with p = {p:.1e}, and less than {limit:.1e} is bad"
                )
            }
            Self::Latency { quantile, latency, stable_latency, slow, longer, calls, p, limit } => {
                let percent = (100_000.0 * quantile).round() / 1000.0;
                let slower = 100.0 * share(*longer, *calls);
                write!(
                    f,
                    "{longer} of {calls} calls of the canary ({slower:.2} %) took longer than \
                     {slow:.1?}; its {percent}th percentile is {latency:.1?}, the stable version's \
                     at most {stable_latency:.1?}: by chance this happens with p = {p:.1e}, and less than \
                     {limit:.1e} is bad"
                )
            }
        }
    }
}
