//! The rules of calls.

use std::time::Duration;

use http::HeaderName;
use plugbay_guard::RetryRules;

use super::Backoff;

/// How a service is called.
#[derive(Clone, Debug)]
pub struct CallRules {
    /// How many requests one call may make, hedges included; 0 counts as 1.
    pub max_tries: u32,
    /// How long one request may take until its response begins. A request that takes longer is given up,
    /// counts as a failure of its endpoint, and may be repeated. `None` = as long as the caller waits.
    pub try_timeout: Option<Duration>,
    /// The wait before a repetition.
    pub backoff: Backoff,
    /// How many repetitions and hedges there may be, in relation to all calls of the service: without a
    /// budget, a service that is slow because of its load would get more load for it.
    pub budget: RetryRules,
    /// Whether a request without an answer is sent to a second endpoint too.
    pub hedge: Option<HedgeRules>,
    /// Whether requests are repeated, and hedged, that may not be idempotent.
    pub retry_non_idempotent: bool,
    /// The header whose value is the key for consistent hashing.
    pub hash_header: Option<HeaderName>,
}

impl Default for CallRules {
    /// Three tries of 10 s each, back-offs of up to 25 ms and then 50 ms (Envoy's), Finagle's budget, and
    /// no hedges.
    fn default() -> Self {
        Self {
            max_tries: 3,
            try_timeout: Some(Duration::from_secs(10)),
            backoff: Backoff { base: Duration::from_millis(25), max: Duration::from_millis(250) },
            budget: RetryRules::default(),
            hedge: None,
            retry_non_idempotent: false,
            hash_header: None,
        }
    }
}

/// When a call makes a second request beside the first. (Dean, Barroso, "The Tail at Scale", CACM 56(2),
/// 2013.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HedgeRules {
    /// How long to wait for the first.
    pub after: HedgeAfter,
    /// How many further requests one call may make in this way.
    pub max: u32,
}

/// How long a call waits before it is hedged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HedgeAfter {
    /// As long as this.
    Time(Duration),
    /// As long as this share of the recent calls of the service took: 0.95 hedges one in twenty. As long
    /// as less than a few hundred calls are known, none is hedged.
    Quantile(f64),
}
