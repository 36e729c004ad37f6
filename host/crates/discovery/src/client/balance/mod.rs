//! Which endpoint of a service gets the next call.
//!
//! A [`Balancer`] knows the endpoints of one service. It keeps a **ready set**: the endpoints that may
//! be called, with a [`Picker`] that was made for exactly this set. The set is immutable and replaced as
//! a whole, by one atomic store, when the directory tells of a change, when an endpoint is ejected, and
//! when it comes back. So a pick takes no lock and reads no clock.
//!
//! ```
//! use plugbay_discovery::client::balance::{Balancer, RoundRobin, Rules};
//! # let endpoint = |port: u16| serde_json::from_value(serde_json::json!({
//! #     "id": format!("01890a5d-ac96-774b-bcce-b302099a80{port}"), "name": "orders", "host": "10.0.0.1",
//! #     "port": port, "metadata": {}, "tags": [], "weight": 1, "health": "passing", "ttl": 30,
//! #     "registered_at": "2026-12-01T00:00:00Z", "sequence": port,
//! # }));
//! # let endpoints = [endpoint(80)?, endpoint(81)?];
//!
//! let balancer = Balancer::new(RoundRobin, Rules::default(), 7);
//! balancer.update(&endpoints); // a client does this with each change
//!
//! let first = balancer.pick(None)?;
//! let second = balancer.pick(None)?;
//! assert_ne!(first.authority(), second.authority());
//! first.succeeded(std::time::Duration::from_millis(3));
//! second.failed();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # From a failure to an ejection
//!
//! Each endpoint has a circuit breaker (`plugbay-guard`). Failures in a row open it, and the outlier
//! rules then *eject* the endpoint: the next ready set does not contain it. After the ejection's time,
//! which grows with each ejection, the endpoint is in the set again, and its breaker is half-open: one
//! call is its probe, and the other calls go to other endpoints until the probe has succeeded.
//!
//! If too many endpoints would be missing, the balancer rather calls bad endpoints than none: in *panic*
//! the set contains all endpoints that the directory knows, and breakers are ignored. Envoy calls it
//! the panic threshold. Outside of panic, too, a call that no breaker admits goes to the endpoint that
//! the picker chose first.

mod dice;
mod latency;
mod member;
mod outlier;
mod pick;
pub mod picker;
mod ready;
mod rules;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use plugbay_registry::Swap;

use crate::Endpoint;

pub use dice::Dice;
pub use member::Member;
pub use outlier::{EjectionReason, OutlierRules, SuccessRateRules};
pub use pick::{Pick, PickError};
pub use picker::{
    ConsistentHash, LeastInFlight, P2c, PickRequest, Picker, Random, RoundRobin, Strategy, Weighted,
};
pub use ready::ReadySet;
pub use rules::Rules;
pub use state::{MemberState, MemberStatus};

use state::State;

/// Chooses among the endpoints of one service. Clones share everything.
#[derive(Clone, Debug)]
pub struct Balancer {
    shared: Arc<Shared>,
}

/// What the picks, and the members that report how their calls ended, have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    ready: Swap<ReadySet>,
    /// What the next ready set is made from. Held only to change something.
    state: Mutex<State>,
    dice: Dice,
}

impl Balancer {
    /// A balancer without endpoints. The same `seed` gives the same choices.
    pub fn new(strategy: impl Strategy, rules: Rules, seed: u64) -> Self {
        Self::from_arc(Arc::new(strategy), rules, seed)
    }

    /// As [`new`](Self::new), with a strategy that is shared.
    #[must_use]
    pub fn from_arc(strategy: Arc<dyn Strategy>, rules: Rules, seed: u64) -> Self {
        let dice = Dice::new(seed);
        let state = State::new(strategy, rules, now());
        let ready = Swap::new(state.ready_set(&dice));
        Self { shared: Arc::new(Shared { ready, state: Mutex::new(state), dice }) }
    }

    /// Replaces the endpoints. What the balancer learned about an endpoint stays with its id.
    pub fn update(&self, endpoints: &[Arc<Endpoint>]) {
        let reports = Arc::downgrade(&self.shared);
        self.shared.change(|state| state.replace(endpoints, &reports, &self.shared.dice));
    }

    /// The endpoint for one call. `key` is what consistent hashing goes by; other strategies ignore it.
    ///
    /// # Errors
    ///
    /// [`PickError`] if the service has no endpoints.
    #[inline]
    pub fn pick(&self, key: Option<&[u8]>) -> Result<Pick, PickError> {
        self.pick_other(key, &[])
    }

    /// As [`pick`](Self::pick), but none of those in `tried` if there is another.
    ///
    /// # Errors
    ///
    /// [`PickError`] if the service has no endpoints.
    #[inline]
    pub fn pick_other(&self, key: Option<&[u8]>, tried: &[Arc<Member>]) -> Result<Pick, PickError> {
        self.shared.ready.peek(|set| set.pick(key, tried, &self.shared.dice))
    }

    /// The current ready set.
    #[must_use]
    pub fn ready(&self) -> Arc<ReadySet> {
        self.shared.ready.load()
    }

    /// What the balancer knows about each endpoint, for people.
    #[must_use]
    pub fn status(&self) -> Vec<MemberStatus> {
        self.shared.state().status(now())
    }

    /// Does what is due: endpoints whose ejection is over come back, old latencies fade, success rates
    /// are compared. Call this about once a second; a [`Client`](crate::client::Client) does.
    pub fn maintain(&self) {
        self.shared.maintain(now());
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the state is held leaves it whole: each change is made in one step at the end.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and publishes the next set if `change` says that it differs.
    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        let mut state = self.state();
        if change(&mut state) {
            // Under the lock, so that an older set never replaces a newer one.
            self.ready.store(Arc::new(state.ready_set(&self.dice)));
        }
    }

    fn maintain(&self, now: Instant) {
        self.change(|state| state.maintain(now));
    }

    /// The breaker of `member` has opened.
    #[cold]
    pub(crate) fn opened(&self, member: &Member) {
        let now = now();
        self.change(|state| state.eject(member, now));
    }
}

/// The time of tokio, which tests and simulations can stop and advance.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
