//! How often a token may ask a directory.
//!
//! A directory that needs no token has no such bound: its clients are programs of this machine that may do everything.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::Request;
use axum::http::{Extensions, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::settings::DirectorySettings;
use crate::rate::{Limiter, Standings};

/// The most tokens that are told apart: more than a file has.
const MAX_TOKENS: usize = 1024;

/// The rates of all tokens: of their requests, and of those that register or remove an endpoint. A heartbeat is a
/// request: it changes nothing that is stored, or that watchers see.
pub(super) struct Rates {
    requests: Limiter<Arc<str>>,
    changes: Limiter<Arc<str>>,
}

impl Rates {
    pub(super) fn new(settings: &DirectorySettings) -> Self {
        Self {
            requests: Limiter::new(settings.rate, MAX_TOKENS),
            changes: Limiter::new(settings.change_rate, MAX_TOKENS),
        }
    }

    /// Counts a request. `Err` is the wait, if it comes too early.
    pub(super) fn count(
        &self,
        name: &str,
        method: &Method,
        extensions: &Extensions,
    ) -> Result<(), Duration> {
        let (name, other) = (Arc::from(name), Arc::from(""));
        let mut standings = Standings::default();
        standings.add("requests", self.requests.count(&name, &other));
        if [Method::POST, Method::DELETE].contains(method) {
            standings.add("changes", self.changes.count(&name, &other));
        }
        let late = standings.late();
        if let Some(counted) = extensions.get::<Counted>() {
            // A request is counted once.
            let _ = counted.0.set(standings);
        }
        late.map_or(Ok(()), |(_, wait)| Err(wait))
    }
}

/// Where a request leaves its standings for its answer.
#[derive(Clone, Default)]
struct Counted(Arc<OnceLock<Standings>>);

/// Adds the fields `RateLimit` and `RateLimit-Policy` to the answer of a request that is counted.
pub(super) async fn tell(mut request: Request, next: Next) -> Response {
    let counted = Counted::default();
    request.extensions_mut().insert(counted.clone());
    let mut response = next.run(request).await;
    if let Some(standings) = counted.0.get() {
        standings.write(response.headers_mut());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_registers_too_quickly_waits_and_may_still_renew() {
        let settings = DirectorySettings {
            rate: "5/1h".parse().unwrap(),
            change_rate: "2/1h".parse().unwrap(),
            ..DirectorySettings::default()
        };
        let rates = Rates::new(&settings);
        let count = |name, method| rates.count(name, &method, &Extensions::new());
        assert_eq!([(); 2].map(|()| count("web", Method::POST)), [Ok(()); 2]);
        assert!(count("web", Method::DELETE).unwrap_err() > Duration::from_mins(29));
        assert_eq!(count("web", Method::PUT), Ok(()), "a heartbeat");
        assert_eq!(count("db", Method::POST), Ok(()), "another token");
        assert_eq!(count("web", Method::GET), Ok(()));
        assert!(count("web", Method::GET).unwrap_err() > Duration::from_mins(11));
    }
}
