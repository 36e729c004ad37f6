//! Who may use the plane and a route, and how often.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{StatusCode, header};
use plugbay::Routed;
use plugbay::config::{Peer, Rate};

use super::context::Context;
use crate::listener::Client;
use crate::problem::Problem;
use crate::rate::{Limiter, Standings, seconds};

/// The most clients of a rate that are told apart.
const MAX_CLIENTS: usize = 100_000;

/// The counts of each rate of the configuration: that of the plane, and those of routes.
#[derive(Default)]
pub(super) struct Rates(RwLock<HashMap<String, Arc<Limiter<Client>>>>);

/// Refuses a client that is denied, or not among those that are allowed.
pub(super) fn check(client: Client, allow: &[Peer], deny: &[Peer]) -> Result<(), Problem> {
    let is_in = |list: &[Peer]| list.iter().any(|it| it.holds(client.address()));
    if is_in(deny) || !(allow.is_empty() || is_in(allow)) {
        let detail = "this address may not use this path";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    Ok(())
}

impl Rates {
    /// Counts a request. A client without an address may be a proxy that speaks for many, and has no limits.
    pub(super) fn count(&self, context: &Context, routed: Option<&Routed>) -> Standings {
        let mut standings = Standings::default();
        if context.client == Client::Unknown {
            return standings;
        }
        let client = context.client.counted();
        let mut count = |name, key: String, rate: Rate| {
            if !rate.is_none() {
                standings.add(name, self.limiter(key, rate).count(&client, &Client::Unknown));
            }
        };
        count("server", String::new(), context.snapshot.config().server.rate);
        if let Some((routed, options)) = routed.and_then(|it| Some((it, it.options()?)))
            && !options.rate.is_none()
        {
            let key = format!("{} {}", routed.methods().join(","), routed.pattern());
            count("route", key, options.rate);
        }
        standings
    }

    /// The counts of a rate. A rate that changes begins again.
    fn limiter(&self, key: String, rate: Rate) -> Arc<Limiter<Client>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known.filter(|it| it.rate() == rate) {
            return known;
        }
        let mut limiters = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let limiter =
            limiters.entry(key).or_insert_with(|| Arc::new(Limiter::new(rate, MAX_CLIENTS)));
        if limiter.rate() != rate {
            *limiter = Arc::new(Limiter::new(rate, MAX_CLIENTS));
        }
        Arc::clone(limiter)
    }
}

/// A 429, if the request came too early.
pub(super) fn in_time(standings: &Standings) -> Result<(), Problem> {
    let Some((name, wait)) = standings.late() else { return Ok(()) };
    let wait = seconds(wait);
    let detail =
        format!("too many requests of this client (the rate of the {name}); wait {wait} s");
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail);
    Err(problem.header(header::RETRY_AFTER, &wait.to_string()))
}
