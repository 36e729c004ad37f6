//! Bounds the rate of the requests of each token.
//!
//! A plane that needs no token has no such bound: its clients are programs of this machine that may do everything.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::access::Caller;
use crate::problem::Problem;

/// Requests of one token a second, and at once.
const REQUESTS: (NonZeroU32, NonZeroU32) =
    (NonZeroU32::new(200).unwrap(), NonZeroU32::new(400).unwrap());
/// Those of them that change something.
const CHANGES: (NonZeroU32, NonZeroU32) =
    (NonZeroU32::new(10).unwrap(), NonZeroU32::new(30).unwrap());

/// The rates of all tokens. There are at most as many keys as tokens that were ever in force: a token that was revoked
/// is forgotten once its allowance is full again.
pub(crate) struct Rates {
    requests: DefaultKeyedRateLimiter<Arc<str>>,
    changes: DefaultKeyedRateLimiter<Arc<str>>,
}

impl Default for Rates {
    fn default() -> Self {
        let quota = |(rate, burst)| Quota::per_second(rate).allow_burst(burst);
        Self {
            requests: RateLimiter::keyed(quota(REQUESTS)),
            changes: RateLimiter::keyed(quota(CHANGES)),
        }
    }
}

/// The most tokens of a file: beyond as many, those without recent requests are forgotten.
const FORGET_BEYOND: usize = 1024;

impl Rates {
    /// Counts a request. `Err` is the wait in whole seconds, if there were too many.
    fn count(&self, name: &Arc<str>, changes: bool) -> Result<(), u64> {
        let limiters = [Some(&self.requests), changes.then_some(&self.changes)];
        for limiter in limiters.into_iter().flatten() {
            if limiter.len() > FORGET_BEYOND {
                limiter.retain_recent();
            }
            if let Err(early) = limiter.check_key(name) {
                let wait = early.wait_time_from(DefaultClock::default().now());
                return Err(wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX));
            }
        }
        Ok(())
    }
}

/// Refuses requests of a token that come too quickly.
pub(super) async fn limit(
    State(rates): State<Arc<Rates>>,
    request: Request,
    next: Next,
) -> Response {
    let counted = match request.extensions().get::<Caller>() {
        Some(caller) if !caller.open => rates.count(&caller.name, !request.method().is_safe()),
        _ => Ok(()),
    };
    let Err(wait) = counted else { return next.run(request).await };
    let detail = format!("too many requests with this token; wait {wait} s");
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail);
    problem.header(header::RETRY_AFTER, &wait.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_asks_too_quickly_waits_and_the_others_do_not() {
        let rates = Rates::default();
        let (ada, bob): (Arc<str>, Arc<str>) = ("ada".into(), "bob".into());
        let changes = (0..40).filter(|_| rates.count(&ada, true).is_ok()).count();
        // A few more may be allowed while the test runs.
        assert!((30..40).contains(&changes), "{changes}");
        assert!(rates.count(&ada, true).is_err_and(|wait| (1..=2).contains(&wait)));
        assert_eq!(rates.count(&ada, false), Ok(()), "to look is another bound");
        assert_eq!(rates.count(&bob, true), Ok(()));
    }
}
