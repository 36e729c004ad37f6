//! One call of a service: tries, back-off, hedges, and what a failure says about the endpoint.
//!
//! [`DiscoverLayer`] is for any tower client of HTTP, [`HttpClient`] is for reqwest. Both make the same
//! tries by the same [`CallRules`]:
//!
//! 1. The balancer picks an endpoint, and the request goes there.
//! 2. If the endpoint could not do its work ([`Outcome`]), and the request may be repeated, and the
//!    *budget* allows it, another endpoint is picked after a *back-off* with full jitter.
//! 3. If there is no answer for as long as the *hedge* rules say, a second request goes to another
//!    endpoint without ending the first, within the same budget. The first good answer counts, and the
//!    other request is cancelled.
//!
//! A request may be repeated if its method is idempotent (RFC 9110, section 9.2.2), if it has a header
//! `Idempotency-Key`, if the rules say so, or if it certainly was not sent. Its body must be one that can be
//! sent twice.

mod backoff;
mod error;
mod http_client;
mod latencies;
mod layer;
mod named;
mod outcome;
mod rules;
mod run;
#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use error::CallError;
pub use http_client::HttpClient;
pub use layer::{Discover, DiscoverLayer};
pub use outcome::Outcome;
pub use rules::{CallRules, HedgeAfter, HedgeRules};

use latencies::Latencies;

pub(super) use error::BoxError;
pub(super) use run::Caller;
