//! Bounds the rate of the requests of each token.
//!
//! A plane that needs no token has no such bound: its clients are programs of this machine that may do everything.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use plugbay::config::AdminSettings;

use crate::access::Caller;
use crate::problem::Problem;
use crate::rate::{Limiter, seconds};

/// The most tokens that are told apart: more than a file has.
const MAX_TOKENS: usize = 1024;

/// The rates of all tokens: of their requests, and of those that change something.
pub(crate) struct Rates {
    requests: Limiter<Arc<str>>,
    changes: Limiter<Arc<str>>,
}

impl Rates {
    pub(crate) fn new(settings: &AdminSettings) -> Self {
        Self {
            requests: Limiter::new(settings.rate, MAX_TOKENS),
            changes: Limiter::new(settings.change_rate, MAX_TOKENS),
        }
    }

    /// Counts a request. `Err` is the wait in whole seconds, if there were too many.
    fn count(&self, name: &Arc<str>, changes: bool) -> Result<(), u64> {
        let other = Arc::from("");
        let limiters = [Some(&self.requests), changes.then_some(&self.changes)];
        for limiter in limiters.into_iter().flatten() {
            if let Some(wait) = limiter.count(name, &other).and_then(|it| it.wait) {
                return Err(seconds(wait));
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
        let rates = Rates::new(&AdminSettings::default());
        let (ada, bob): (Arc<str>, Arc<str>) = ("ada".into(), "bob".into());
        let changes = (0..40).filter(|_| rates.count(&ada, true).is_ok()).count();
        // A few more may be allowed while the test runs.
        assert!((30..40).contains(&changes), "{changes}");
        assert!(rates.count(&ada, true).is_err_and(|wait| (1..=2).contains(&wait)));
        assert_eq!(rates.count(&ada, false), Ok(()), "to look is another bound");
        assert_eq!(rates.count(&bob, true), Ok(()));
    }
}
