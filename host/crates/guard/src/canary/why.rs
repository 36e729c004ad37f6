//! The figures that made a canary bad.

use std::fmt;
use std::time::Duration;

use super::side::share;

/// Why a canary is bad, with all figures that made it so. Prints as one sentence.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// It fails more often.
    Errors {
        /// Calls of the canary that failed,
        errors: u64,
        /// of so many.
        calls: u64,
        /// Calls of the stable version that failed,
        stable_errors: u64,
        /// of so many.
        stable_calls: u64,
        /// How likely as uneven a count is by chance.
        p: f64,
        /// What that had to be below.
        limit: f64,
    },
    /// It refuses more inputs.
    Refusals {
        /// Calls of the canary whose input was refused,
        refusals: u64,
        /// of so many.
        calls: u64,
        /// Calls of the stable version whose input was refused,
        stable_refusals: u64,
        /// of so many.
        stable_calls: u64,
        /// How likely as uneven a count is by chance.
        p: f64,
        /// What that had to be below.
        limit: f64,
    },
    /// It is slower.
    Latency {
        /// The quantile that is compared: 0.95.
        quantile: f64,
        /// The canary's latency there, to an eighth.
        latency: Duration,
        /// The stable version's, as its limit of confidence.
        stable_latency: Duration,
        /// What counted as slow.
        slow: Duration,
        /// Successful calls of the canary that were,
        longer: u64,
        /// of so many.
        calls: u64,
        /// How likely so many are, if its quantile is not above `slow`.
        p: f64,
        /// What that had to be below.
        limit: f64,
    },
}

impl Why {
    /// A stable word for logs, metrics and the API.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Errors { .. } => "canary_errors",
            Self::Refusals { .. } => "canary_refusals",
            Self::Latency { .. } => "canary_latency",
        }
    }
}

impl fmt::Display for Why {
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
